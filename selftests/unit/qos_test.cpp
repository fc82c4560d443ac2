// SPDX-License-Identifier: Apache-2.0
// Classes and rates: what is written, what it becomes in the data plane.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/transit/qos_settings.h"
#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"
#include "userspace/qos/annotations.h"
#include "userspace/qos/text.h"
#include "userspace/transitd/qos.h"

namespace mizar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Qos written(const std::vector<std::string>& settings) {
  v1::SetQosRequest r;
  for (const auto& s : settings) {
    const auto rc = transit::set(r, s);
    EXPECT_TRUE(rc) << s;
  }
  return r.qos();
}

QosSpec spec(const std::vector<std::string>& settings, QosOf of = QosOf::endpoint) {
  auto s = parse_qos(written(settings), of);
  EXPECT_TRUE(s) << (s ? "" : s.error().what);
  return s ? *s : QosSpec{};
}

std::string refused(const std::vector<std::string>& settings, QosOf of = QosOf::endpoint) {
  v1::SetQosRequest r;
  for (const auto& s : settings)
    if (auto rc = transit::set(r, s); !rc) return rc.error().what;
  auto parsed = parse_qos(r.qos(), of);
  return parsed ? "" : parsed.error().what;
}

TEST(Settings, SayWhatTheyMean) {
  const QosSpec s = spec({"class=premium", "priority=low", "egress=100M", "egress.premium=20M", "egress.premium.burst=64K",
                          "egress.guaranteed=10M", "egress.packets=10k", "ingress=1.5G", "trust=on"});
  EXPECT_EQ(s.level, MZ_LEVEL(MZ_CLASS_PREMIUM, 2u));
  EXPECT_TRUE(s.trust);
  const QosShaper& out = s.shaper[MZ_DIR_EGRESS];
  EXPECT_EQ(out.whole, (QosLimit{100'000'000, 10'000, 10'000'000, 0, 0}));
  EXPECT_EQ(out.classes[MZ_CLASS_PREMIUM], (QosLimit{20'000'000, 0, 0, 65536, 0}));
  EXPECT_EQ(s.shaper[MZ_DIR_INGRESS].whole.rate, 1'500'000'000u);
}

TEST(Settings, AreWrittenAsTheyAreRead) {
  const std::vector<std::string> words = {"class=expedited", "priority=high", "egress=100M", "egress.guaranteed=10M",
                                          "egress.best-effort=2.5M", "ingress.packets=10k"};
  EXPECT_EQ(transit::settings_of(written(words)), words);
  EXPECT_EQ(to_message(spec(words)).SerializeAsString(), to_message(*parse_qos(to_message(spec(words)), QosOf::endpoint)).SerializeAsString());
  EXPECT_THAT(transit::settings_of(written({"egress=10M", "egress=none", "class=premium"})), ElementsAre("class=premium"));
}

TEST(Settings, ThatAreWrongAreNamed) {
  EXPECT_THAT(refused({"egress"}), HasSubstr("egress: write it as KEY=VALUE"));
  EXPECT_THAT(refused({"egress=10X"}), HasSubstr("egress=10X: '10X' is no number"));
  EXPECT_THAT(refused({"egress=-1"}), HasSubstr("is no number"));
  EXPECT_THAT(refused({"egres=10M"}), HasSubstr("no such setting"));
  EXPECT_THAT(refused({"egress.gold=10M"}), HasSubstr("must be rate, packets"));
  EXPECT_THAT(refused({"egress.gold.rate=10M"}), HasSubstr("must be premium, expedited or best-effort"));
  EXPECT_THAT(refused({"trust=maybe"}), HasSubstr("must be on or off"));
  EXPECT_EQ(refused({"egress=7999"}), "egress.rate: 7999: must be in 8000..1099511627776 bits a second");
  EXPECT_EQ(refused({"egress=2T"}), "egress.rate: 2000000000000: must be in 8000..1099511627776 bits a second");
  EXPECT_EQ(refused({"class=gold"}), "class: \"gold\": must be one of premium, expedited, best-effort");
  EXPECT_EQ(refused({"class=premium", "priority=top"}), "priority: \"top\": must be one of high, medium, low");
  EXPECT_EQ(refused({"egress=10M", "egress.guaranteed=11M"}), "egress.guaranteed: 11000000 bit/s are more than its rate, 10000000");
  EXPECT_EQ(refused({"egress=10M", "egress.premium=11M"}), "egress.premium.rate: 11000000 bit/s are more than the whole, 10000000");
  EXPECT_EQ(refused({"egress=10M", "egress.premium.guaranteed=6M", "egress.expedited.guaranteed=6M"}),
            "egress: classes are guaranteed 12000000 bit/s, more than the whole, 10000000");
  EXPECT_THAT(refused({"egress.premium.guaranteed=6M"}), HasSubstr("egress.rate is not said"));
  EXPECT_THAT(refused({"egress.burst=64K"}), HasSubstr("there is no rate that it could exceed"));
  EXPECT_THAT(refused({"egress=10M", "egress.best-effort.weight=3"}), HasSubstr("only expedited and best-effort of the uplink"));
  EXPECT_THAT(refused({"class=premium"}, QosOf::vpc), HasSubstr("are an endpoint's"));
  EXPECT_THAT(refused({"link-rate=on"}), HasSubstr("is the uplink's"));
}

TEST(Text, RatesAreReadAndWritten) {
  const std::pair<const char*, std::uint64_t> rows[] = {
      {"none", 0}, {"2500000", 2'500'000}, {"64k", 64'000}, {"64K", 64'000}, {"1.5G", 1'500'000'000}, {"10Mi", 10u << 20}, {"8Ki", 8192}, {".5M", 500'000}};
  for (const auto& [text, n] : rows) EXPECT_EQ(parse_rate(text).value_or(1), n) << text;
  for (const char* text : {"", " 1M", "+1M", "1MB", "1Mii", "1i", "M", "nan", "inf", "1e30", "-1"}) EXPECT_FALSE(parse_rate(text)) << text;
  EXPECT_EQ(parse_bytes("64K").value_or(0), 65536u);
  EXPECT_EQ(rate_text(1'500'000'000), "1.5G");
  EXPECT_EQ(rate_text(1'234'567), "1234.567k");
  EXPECT_EQ(bit_rate_text(10'000'000), "10 Mbit/s");
  EXPECT_EQ(bit_rate_text(7), "7 bit/s");
}

TEST(Annotations, SayWhatQosLeavesUnsaid) {
  AnnotationMap all;
  all["mizar.com/network-class"] = "Premium";
  all["mizar.com/network-priority"] = "Low";
  all["mizar.com/egress-bandwidth"] = "10M";
  all["kubernetes.io/egress-bandwidth"] = "20M";
  all["kubernetes.io/ingress-bandwidth"] = "1Gi";
  const auto read = [&](const char* said) {
    v1::Qos q;
    EXPECT_TRUE(parse_text(said, "test", q));
    return *with_annotations(q, all);
  };
  const auto alone = read("{}");
  EXPECT_EQ(alone.class_() + " " + alone.priority(), "premium low");
  EXPECT_EQ(alone.egress().whole().rate(), 10'000'000u) << "the more particular one";
  EXPECT_EQ(alone.ingress().whole().rate(), 1u << 30);
  const auto both = read("{class: expedited, trust: true, egress: {whole: {rate: 9000}, premium: {packets: 5}}}");
  EXPECT_EQ(both.class_() + " " + both.priority(), "expedited ") << "a level is said as one";
  EXPECT_EQ(both.egress().whole().rate(), 9000u);
  EXPECT_EQ(both.egress().premium().packets(), 5u);
  EXPECT_EQ(both.ingress().whole().rate(), 1u << 30);
  all["mizar.com/egress-bandwidth"] = "7";
  EXPECT_EQ(with_annotations({}, all).error().what, "annotations[mizar.com/egress-bandwidth]: 7: must be in 8000..1099511627776 bits a second");
}

TEST(Levels, DefaultsAreRfc4594s) {
  const QosLevels l = default_levels();
  EXPECT_EQ(l[MZ_LEVEL(MZ_CLASS_PREMIUM, 0u)].outer, 46);  // EF
  EXPECT_EQ(l[MZ_LEVEL_DEFAULT].outer, 0);
  EXPECT_EQ(l[0].outer, 0);
  EXPECT_EQ(l[MZ_LEVEL_OF_DSCP + 46].level, MZ_LEVEL(MZ_CLASS_PREMIUM, 0u));
  EXPECT_EQ(l[MZ_LEVEL_OF_DSCP + 0].level, MZ_LEVEL_DEFAULT);
  EXPECT_EQ(l[MZ_LEVEL_OF_DSCP + 1].level, MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 2u));  // LE
  for (unsigned d = 0; d < 64; d++) {  // a higher class selector is never served later
    EXPECT_GE(l[MZ_LEVEL_OF_DSCP + d].level, 1);
    EXPECT_LT(l[MZ_LEVEL_OF_DSCP + d].level, MZ_LEVELS);
  }
}

TEST(Levels, ChangesAreKeptAndChecked) {
  v1::SetQosRequest r;
  ASSERT_TRUE(transit::set(r, "dscp.premium.high=34,12"));
  ASSERT_TRUE(transit::set(r, "trust.premium.high=8,9"));
  QosLevels l = default_levels();
  ASSERT_TRUE(set_levels(r.levels(), l));
  EXPECT_EQ(l[1].outer, 34);
  EXPECT_EQ(l[1].inner, 12);
  EXPECT_EQ(l[1].flags, MZ_LEVEL_F_INNER);
  EXPECT_EQ(l[MZ_LEVEL_OF_DSCP + 8].level, 1);
  const auto changed = changed_levels(l);
  QosLevels again = default_levels();
  v1::SetQosRequest back;
  for (const auto& m : changed) *back.add_levels() = m;
  ASSERT_TRUE(set_levels(back.levels(), again));
  EXPECT_EQ(to_messages(again).front().SerializeAsString(), to_messages(l).front().SerializeAsString());

  v1::SetQosRequest bad;
  ASSERT_TRUE(transit::set(bad, "dscp.premium.high=64"));
  const auto rc = set_levels(bad.levels(), l);
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().what, "level premium high: outer_dscp: 64: must be in 0..63");
  EXPECT_EQ(l[1].outer, 34);
}

TEST(Rows, HaveRoomForAFewPacketsAtLowRates) {
  QosShaper s;
  s.whole.rate = 1'000'000;
  const mz_limit slow = shaper_row(s, 0).whole;
  s.whole.rate = 10'000'000'000;
  const mz_limit fast = shaper_row(s, 0).whole;
  const auto ms = [](std::uint64_t ticks) { return static_cast<double>(ticks) / (1 << MZ_TICK_BITS) / 1e6; };
  EXPECT_NEAR(ms(fast.mark), 1, 0.01);
  EXPECT_NEAR(ms(fast.drop), 5, 0.01);
  EXPECT_NEAR(ms(fast.horizon), 100, 0.1);
  EXPECT_NEAR(ms(slow.mark), 2 * 3028 * 8e-3, 0.1);  // two superpackets of the least size
  EXPECT_GT(slow.drop, slow.mark);
  EXPECT_GT(slow.horizon, slow.drop);
  s.whole.rate = kMinRate;
  EXPECT_LT(ms(shaper_row(s, 0).whole.horizon), 10000);  // fq drops beyond
  EXPECT_EQ(superpacket_of(0), kSuperpacket);
  EXPECT_EQ(superpacket_of(100'000'000), 12500u);  // a millisecond
  EXPECT_EQ(superpacket_of(1'000'000), 3028u);
  EXPECT_EQ(superpacket_of(10'000'000'000), kSuperpacket);
}

// ---- in the data plane ------------------------------------------------------------------

class QosTable : public ::testing::Test {
 protected:
  QosTable() {
    goal.self = {"w1", 1, {Addr::parse("10.77.1.1").value(), {}}};
    goal.hosts.emplace("w1", goal.self);
    goal.vpcs.emplace("red", VpcSpec{"red", 100, {}, {}, {}, {}});
    for (const char* name : {"a", "b"}) {
      EndpointSpec e;
      e.name = name;
      e.vpc = "red";
      e.vni = 100;
      e.host_id = 1;
      goal.endpoints.emplace(object_key("red", name), e);
    }
  }
  EndpointSpec& a() { return goal.endpoints.at("red/a"); }
  EndpointSpec& b() { return goal.endpoints.at("red/b"); }
  void apply(const Qos::Surroundings& around = {}) {
    ASSERT_TRUE(qos.apply(goal, around));
    ASSERT_TRUE(qos.settle());
  }

  FakeDataplane dp;
  Qos qos{dp};
  Goal goal;
};

TEST_F(QosTable, WhoHasNoRateIsNotShaped) {
  apply();
  EXPECT_FALSE(Qos::in_use(goal));
  const auto p = qos.place(a(), 7);
  EXPECT_EQ(p.port_flags | p.endpoint_flags, 0u);
  EXPECT_TRUE(dp.shapers().entries()->empty());
}

TEST_F(QosTable, EachDirectionHasAShaperOfItsOwn) {
  a().qos = spec({"egress=10M", "ingress=5M", "class=premium"});
  apply();
  const auto p = qos.place(a(), 7);
  EXPECT_EQ(p.level, MZ_LEVEL(MZ_CLASS_PREMIUM, 1u));
  EXPECT_EQ(p.port_flags, MZ_EP_F_SHAPED);
  EXPECT_EQ(p.endpoint_flags, MZ_EP_F_SHAPED);
  EXPECT_GE(p.shaper[0], MZ_SHAPER_FIRST);
  EXPECT_NE(p.shaper[0], p.shaper[1]);
  const auto row = *dp.shapers().get(p.shaper[1]);
  EXPECT_EQ(row.flags, MZ_SHAPER_F_WHOLE);
  EXPECT_EQ(row.whole.byte, (8'000'000'000ull << MZ_RATE_BITS) / 5'000'000);
  const auto other = qos.place(b(), 8);
  EXPECT_EQ(other.port_flags | other.endpoint_flags, 0u);
}

TEST_F(QosTable, AVpcsShaperIsAllItsEndpoints) {
  goal.vpcs.at("red").qos = spec({"egress=10M"}, QosOf::vpc);
  apply();
  EXPECT_EQ(qos.place(a(), 7).vpc_shaper[0], qos.place(b(), 8).vpc_shaper[0]);
  EXPECT_NE(qos.place(a(), 7).vpc_shaper[0], 0);
  EXPECT_EQ(qos.place(a(), 7).port_flags, MZ_EP_F_SHAPED);
  EXPECT_EQ(qos.place(a(), 7).endpoint_flags, 0u);
}

TEST_F(QosTable, AnotherRateKeepsSlotAndClocks) {
  a().qos = spec({"egress=10M"});
  apply();
  const auto slot = qos.place(a(), 7).shaper[0];
  mz_clocks c{};
  c.class_[2].whole.bytes = 77;
  ASSERT_TRUE(dp.clocks().put(slot, c));
  const auto writes = dp.shapers().writes;
  apply();
  EXPECT_EQ(dp.shapers().writes, writes);  // nothing changed
  a().qos = spec({"egress=20M"});
  apply();
  EXPECT_EQ(qos.place(a(), 7).shaper[0], slot);
  EXPECT_EQ(dp.clocks().get(slot)->class_[2].whole.bytes, 77u);
  EXPECT_EQ(dp.shapers().get(slot)->whole.byte, (8'000'000'000ull << MZ_RATE_BITS) / 20'000'000);
}

TEST_F(QosTable, ASlotThatIsGivenAwayIsEmpty) {
  a().qos = spec({"egress=10M"});
  apply();
  const auto slot = qos.place(a(), 7).shaper[0];
  mz_clocks c{};
  c.class_[2].whole.bytes = 77;
  ASSERT_TRUE(dp.clocks().put(slot, c));
  dp.shaped_counts[slot].class_[2].packets = 5;
  a().qos = {};
  apply();
  EXPECT_TRUE(dp.shapers().entries()->empty());
  b().qos = spec({"egress=10M"});
  apply();
  EXPECT_EQ(qos.place(b(), 8).shaper[0], slot);
  EXPECT_EQ(dp.clocks().get(slot)->class_[2].whole.bytes, 0u);
  EXPECT_EQ(dp.shaped(slot)->class_[2].packets, 0u);
}

TEST_F(QosTable, ANewDaemonFindsTheSlots) {
  a().address.v4 = Addr::parse("10.0.1.5").value();
  a().qos = spec({"egress=10M"});
  apply();
  const auto slot = qos.place(a(), 7).shaper[0];
  mz_port port{};
  port.ifindex = 7;
  port.vni = 100;
  port.ip4 = a().address.v4->abi().w[3];
  port.shaper[0] = slot;
  ASSERT_TRUE(dp.ports().put(7, port));
  ASSERT_TRUE(dp.shapers().put(9, mz_shaper{.flags = 1, .overhead = 0, .whole = {}, .class_ = {}}));  // of one that is gone
  Qos next(dp);
  ASSERT_TRUE(next.recover(goal));
  const auto before = dp.clocks().writes;
  ASSERT_TRUE(next.apply(goal, {}));
  ASSERT_TRUE(next.settle());
  EXPECT_EQ(next.place(a(), 7).shaper[0], slot);
  EXPECT_EQ(dp.clocks().writes, before);
  EXPECT_EQ(dp.shapers().entries()->size(), 1u);
}

TEST_F(QosTable, LevelsSayWhereTheUplinkQueues) {
  Qos::Surroundings around;
  around.paced = true;
  around.priority[1] = 8;
  apply(around);
  const auto row = *dp.levels().get(1);
  EXPECT_EQ(row.outer, 46);
  EXPECT_EQ(row.priority, 8u);
  EXPECT_EQ(row.flags, MZ_LEVEL_F_PACED);
  EXPECT_EQ(dp.levels().get(MZ_LEVEL_OF_DSCP + 46)->level, 1);
}

TEST_F(QosTable, ClassesOfTheUplinkDoNotStarve) {
  goal.uplink = spec({"egress=100M"}, QosOf::uplink);
  Qos::Surroundings around;
  around.overhead = 66;
  apply(around);
  const auto row = *dp.shapers().get(MZ_SHAPER_UPLINK_OUT);
  EXPECT_EQ(row.overhead, 66u);
  EXPECT_EQ(row.class_[0].floor, 0u);
  EXPECT_EQ(row.class_[1].floor, (8'000'000'000ull << MZ_RATE_BITS) / 10'000'000);
  EXPECT_EQ(row.class_[2].floor, (8'000'000'000ull << MZ_RATE_BITS) / 5'000'000);
  EXPECT_EQ(qos.place(b(), 8).port_flags, MZ_EP_F_SHAPED);  // everybody's packets count
}

TEST_F(QosTable, WhatPremiumLeavesGoesByWeight) {
  goal.uplink = spec({"egress=100M", "egress.expedited.weight=3", "egress.best-effort.weight=1"}, QosOf::uplink);
  apply();
  auto now = std::chrono::steady_clock::time_point(std::chrono::seconds(1));
  for (int i = 0; i < 50; i++) {  // premium sends 40 Mbit/s
    now += std::chrono::milliseconds(100);
    dp.shaped_counts[MZ_SHAPER_UPLINK_OUT].class_[0].bytes += 500'000;
    ASSERT_TRUE(qos.tune(goal, now));
  }
  const auto row = *dp.shapers().get(MZ_SHAPER_UPLINK_OUT);
  const auto rate = [](std::uint64_t byte) { return static_cast<double>(8'000'000'000ull << MZ_RATE_BITS) / static_cast<double>(byte); };
  EXPECT_NEAR(rate(row.class_[1].floor), 45e6, 0.5e6);
  EXPECT_NEAR(rate(row.class_[2].floor), 15e6, 0.5e6);
}

TEST_F(QosTable, MoreThanAHostKeepsIsRefused) {
  for (unsigned i = 0; i < dp.shapers().capacity(); i++) {
    EndpointSpec e;
    e.name = fmt::format("e{}", i);
    e.vpc = "red";
    e.host_id = 1;
    e.qos = spec({"egress=1M"});
    goal.endpoints.emplace(object_key("red", e.name), e);
  }
  const auto rc = qos.check(goal);
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_EQ(rc.error().what, "qos: 1027 rates wanted, the table holds 1024; start transitd with a larger --max-shapers or --scale");
}

}  // namespace
}  // namespace mizar
