// SPDX-License-Identifier: Apache-2.0
// Services in the data plane's tables: userspace/transitd/vips.h.
#include "userspace/transitd/vips.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <set>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"

using namespace mizar;

namespace {

// Two tenants with the same addresses.
constexpr const char* kState = R"(
host: w1
hosts: [{name: w1, id: 1, address: 192.0.2.1}]
vpcs:
  - {name: red, vni: 7, cidr: 198.18.0.0/16, cidr6: "fd00:a::/32"}
  - {name: blue, vni: 8, cidr: 198.18.0.0/16, cidr6: "fd00:a::/32"}
)";
constexpr const char* kWeb = R"(
  - {name: web, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     backends: [{name: a, address: 198.18.1.1}, {name: b, address: 198.18.1.2}]}
)";

Goal goal_of(const std::string& services) {
  v1::GoalState state;
  const auto read = parse_text(kState + (services.empty() ? "" : "services:\n" + services), "test", state);
  EXPECT_TRUE(read) << read.error().what;
  auto g = parse_goal(state);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}

class VipsTest : public ::testing::Test {
 protected:
  static mz_vip_key key(const char* ip, std::uint16_t port, std::uint16_t proto = IPPROTO_TCP, std::uint32_t vni = 7) {
    return {vni, Addr::parse(ip)->abi(), htons(port), port ? proto : std::uint16_t{0}};
  }
  mz_vip vip(const mz_vip_key& k) { return dp.vips().get(k).value(); }
  // The ids in the rows of a VIP's port, as a packet meets them.
  std::vector<std::uint32_t> rows(const mz_vip_key& k) {
    const mz_vip v = vip(k);
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < v.size; i++) all.push_back(dp.vip_rows().get(v.first + i).value());
    return all;
  }
  // Its backends as "ADDRESS:PORT", those in rows alone.
  std::set<std::string> serving(const mz_vip_key& k) {
    std::set<std::string> all;
    for (const auto id : rows(k)) {
      const auto b = dp.backends().get(id);
      all.insert(b ? fmt::format("{}:{}", Addr(b->ip).text(), ntohs(b->port)) : "none");
    }
    return all;
  }
  std::uint32_t id_of(const mz_vip_key& k, const char* ip) {
    for (const auto id : rows(k))
      if (Addr(dp.backends().get(id)->ip) == *Addr::parse(ip)) return id;
    return 0;
  }
  std::size_t writes() { return dp.vips().writes + dp.vip_rows().writes + dp.backends().writes; }
  void apply(const std::string& services, bool doubtful = false) {
    const auto rc = vips.apply(goal_of(services), 100);
    ASSERT_TRUE(rc) << rc.error().what;
    EXPECT_EQ(rc->doubtful, doubtful);
  }
  static std::pair<mz_flow_key, mz_flow> flow(const char* to, std::uint16_t port, const char* backend,
                                              std::uint16_t backend_port, std::uint32_t vni = 7) {
    mz_flow_key k{};
    k.vni = vni;
    k.local = Addr::parse("198.18.1.9")->abi();
    k.local_port = htons(40000);
    k.remote = Addr::parse(to)->abi();
    k.remote_port = htons(port);
    k.proto = IPPROTO_TCP;
    mz_flow f{};
    f.flags = MZ_FLOW_F_NAT;
    f.to = Addr::parse(backend)->abi();
    f.to_port = htons(backend_port);
    return {k, f};
  }
  bool serves(const std::pair<mz_flow_key, mz_flow>& f) { return vips.serves(f.first, f.second); }

  FakeDataplane dp;
  Vips vips{dp};
  const mz_vip_key web = key("198.18.9.1", 80);
};

TEST_F(VipsTest, EachPortHasATableOfItsBackends) {
  apply(kWeb);
  EXPECT_EQ(serving(web), (std::set<std::string>{"198.18.1.1:8080", "198.18.1.2:8080"}));
  EXPECT_EQ(rows(web).size(), 251u);
  // What is not offered is refused: the address itself stands.
  EXPECT_EQ(vip(key("198.18.9.1", 0)).size, 0u);
  EXPECT_FALSE(dp.vips().get(key("198.18.9.1", 81)));
  EXPECT_FALSE(dp.vips().get(key("198.18.9.1", 80, IPPROTO_UDP)));
  EXPECT_FALSE(dp.vips().get(key("198.18.9.1", 80, IPPROTO_TCP, 8)));
}

TEST_F(VipsTest, AFamilyIsServedByThoseWhoHaveIt) {
  apply(R"(
  - {name: web, vpc: red, address: 198.18.9.1, address6: "fd00:a::1", ports: [{protocol: udp, port: 53}],
     sticky_seconds: 5, class: premium, backends: [{address: 198.18.1.1}, {address: 198.18.1.2, address6: "fd00:a:1::2"}]}
)");
  EXPECT_EQ(serving(key("198.18.9.1", 53, IPPROTO_UDP)), (std::set<std::string>{"198.18.1.1:53", "198.18.1.2:53"}));
  EXPECT_EQ(serving(key("fd00:a::1", 53, IPPROTO_UDP)), (std::set<std::string>{"fd00:a:1::2:53"}));
  EXPECT_EQ(vip(key("fd00:a::1", 53, IPPROTO_UDP)).sticky, 500u);
  EXPECT_EQ(vip(key("fd00:a::1", 53, IPPROTO_UDP)).level, MZ_LEVEL(MZ_CLASS_PREMIUM, 1u));
  EXPECT_EQ(vip(key("fd00:a::1", 0)).size, 0u);
}

TEST_F(VipsTest, TheSameAgainWritesNothing) {
  apply(kWeb);
  const auto before = writes();
  apply(kWeb);
  EXPECT_EQ(writes(), before);
}

TEST_F(VipsTest, WithoutBackendsTheTableIsEmpty) {
  apply("  - {name: web, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80}]}\n");
  EXPECT_EQ(vip(web).size, 0u);
}

TEST_F(VipsTest, ADrainingBackendHasNoRowsAndStaysOne) {
  apply(kWeb);
  const auto id = id_of(web, "198.18.1.2");
  const auto size = rows(web).size();
  std::string drained = kWeb;
  drained.replace(drained.find("198.18.1.2}"), 11, "198.18.1.2, weight: 0}");
  apply(drained);
  EXPECT_EQ(serving(web), (std::set<std::string>{"198.18.1.1:8080"}));
  EXPECT_EQ(rows(web).size(), size);
  EXPECT_EQ(dp.backends().get(id)->flags, MZ_BACKEND_F_DRAIN);
  EXPECT_TRUE(serves(flow("198.18.9.1", 80, "198.18.1.2", 8080)));
  apply(kWeb);
  EXPECT_EQ(id_of(web, "198.18.1.2"), id) << "it is the same when it comes back";
  EXPECT_EQ(dp.backends().get(id)->flags, 0u);
}

// A backend that two services share drains, and goes, from each alone.
TEST_F(VipsTest, ServicesThatShareABackendDoNotShareItsState) {
  const std::string both = std::string(kWeb) + R"(
  - {name: api, vpc: red, address: 198.18.9.2, ports: [{protocol: tcp, port: 80, backend_port: 8080}],
     backends: [{address: 198.18.1.1, weight: 0}, {address: 198.18.1.3}]}
)";
  const auto api = key("198.18.9.2", 80);
  apply(both);
  EXPECT_EQ(serving(web), (std::set<std::string>{"198.18.1.1:8080", "198.18.1.2:8080"}));
  EXPECT_EQ(dp.backends().get(id_of(web, "198.18.1.1"))->flags, 0u);
  EXPECT_EQ(serving(api), (std::set<std::string>{"198.18.1.3:8080"}));
  std::string less = both;
  less.replace(less.find("{address: 198.18.1.1, weight: 0}, "), 34, "");
  apply(less, true);
  EXPECT_FALSE(serves(flow("198.18.9.2", 80, "198.18.1.1", 8080)));
  EXPECT_TRUE(serves(flow("198.18.9.1", 80, "198.18.1.1", 8080)));
}

TEST_F(VipsTest, ANewTableIsWrittenBesideTheOld) {
  apply(kWeb);
  const mz_vip before = vip(web);
  const auto old = rows(web);
  std::string more = kWeb;
  more.replace(more.find("198.18.1.2}"), 11, "198.18.1.2}, {address: 198.18.1.3}");
  dp.vips().fail_next = 1;
  ASSERT_FALSE(vips.apply(goal_of(more), 100)) << "told to fail before the VIP's row is written";
  EXPECT_EQ(rows(web), old);
  apply(more);
  EXPECT_EQ(serving(web).size(), 3u);
  EXPECT_NE(vip(web).first, before.first);
  EXPECT_EQ(vip(web).id, before.id);
  // The old rows are as they were: a packet may still be reading there. Later they
  // are used again.
  for (std::uint32_t i = 0; i < before.size; i++) EXPECT_EQ(dp.vip_rows().get(before.first + i), old[i]);
  apply(kWeb, true);
  EXPECT_EQ(vip(web).first, before.first);
}

// Nobody's packet meets rows that another service got in the same step.
TEST_F(VipsTest, RowsThatWereJustLeftAreNotHandedOut) {
  const char* more = R"(
  - {name: web, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80}], backends: [{address: 198.18.1.1}, {address: 198.18.1.2}]}
  - {name: zed, vpc: red, address: 198.18.9.3, ports: [{protocol: tcp, port: 80}], backends: [{address: 198.18.1.3}, {address: 198.18.1.2}]}
)";
  apply(R"(
  - {name: web, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80}], backends: [{address: 198.18.1.1}]}
  - {name: zed, vpc: red, address: 198.18.9.3, ports: [{protocol: tcp, port: 80}], backends: [{address: 198.18.1.3}]}
)");
  const mz_vip first = vip(web), second = vip(key("198.18.9.3", 80));
  apply(more);
  const std::set<std::uint32_t> old{first.first, second.first};
  EXPECT_FALSE(old.contains(vip(web).first));
  EXPECT_FALSE(old.contains(vip(key("198.18.9.3", 80)).first));
}

TEST_F(VipsTest, AnotherBackendMovesFewRows) {
  apply(kWeb);
  const auto before = rows(web);
  std::string more = kWeb;
  more.replace(more.find("198.18.1.2}"), 11, "198.18.1.2}, {address: 198.18.1.3}");
  // 300 rows do not fit in 251: the table grows. Two to three within one size:
  ASSERT_EQ(before.size(), 251u);
  apply(more);
  ASSERT_EQ(rows(web).size(), 509u);
  const auto three = rows(web);
  more.replace(more.find("198.18.1.3}"), 11, "198.18.1.3}, {address: 198.18.1.4}");
  apply(more);
  const auto four = rows(web);
  ASSERT_EQ(four.size(), three.size());
  std::size_t moved = 0, to_new = 0;
  const auto fresh = id_of(web, "198.18.1.4");
  for (std::size_t i = 0; i < four.size(); i++) {
    moved += three[i] != four[i];
    to_new += four[i] == fresh;
  }
  EXPECT_NEAR(static_cast<double>(to_new), 509 / 4.0, 5);
  EXPECT_LT(moved, to_new + 509 / 8);
}

TEST_F(VipsTest, ARemovedBackendIsForgottenAndItsIdStaysItsOwn) {
  apply(kWeb);
  const auto gone = id_of(web, "198.18.1.2");
  std::string less = kWeb;
  less.replace(less.find(", {name: b, address: 198.18.1.2}"), 32, "");
  apply(less, true);
  EXPECT_FALSE(dp.backends().get(gone));
  EXPECT_FALSE(serves(flow("198.18.9.1", 80, "198.18.1.2", 8080)));
  EXPECT_TRUE(serves(flow("198.18.9.1", 80, "198.18.1.1", 8080)));
  std::string other = kWeb;
  other.replace(other.find("198.18.1.2"), 10, "198.18.1.7");
  apply(other);
  EXPECT_NE(id_of(web, "198.18.1.7"), gone) << "a sticky entry may still name it";
}

TEST_F(VipsTest, ARemovedServiceLeavesNothing) {
  apply(kWeb);
  apply("", true);
  EXPECT_TRUE(dp.vips().entries()->empty());
  EXPECT_TRUE(dp.backends().entries()->empty());
  EXPECT_EQ(vips.used().at("vip-rows"), 0u);
  EXPECT_FALSE(serves(flow("198.18.9.1", 80, "198.18.1.1", 8080)));
}

TEST_F(VipsTest, TheSameVipOfTwoTenantsIsTwo) {
  std::string blue = kWeb;
  blue.replace(blue.find("vpc: red"), 8, "vpc: blue");
  apply(kWeb + blue);
  const auto other = key("198.18.9.1", 80, IPPROTO_TCP, 8);
  for (const auto id : rows(web)) EXPECT_EQ(dp.backends().get(id)->vni, 7u);
  for (const auto id : rows(other)) EXPECT_EQ(dp.backends().get(id)->vni, 8u);
  EXPECT_NE(vip(web).id, vip(other).id);
  apply(blue, true);
  EXPECT_FALSE(dp.vips().get(web));
  EXPECT_FALSE(serves(flow("198.18.9.1", 80, "198.18.1.1", 8080)));
  EXPECT_TRUE(serves(flow("198.18.9.1", 80, "198.18.1.1", 8080, 8)));
}

// ---- a daemon that starts again -------------------------------------------------

TEST_F(VipsTest, ANewDaemonTakesUpWhatStands) {
  std::string drained = kWeb;
  drained.replace(drained.find("198.18.1.2}"), 11, "198.18.1.2, weight: 0}");
  apply(drained);
  const auto before = writes();
  Vips second(dp);
  ASSERT_TRUE(second.recover());
  const auto rc = second.apply(goal_of(drained), 100);
  ASSERT_TRUE(rc);
  EXPECT_EQ(writes(), before) << "nothing changed: nothing is written";
  EXPECT_TRUE(rc->doubtful) << "what the old one forgot, nobody knows";
  const auto [k, f] = flow("198.18.9.1", 80, "198.18.1.2", 8080);
  EXPECT_TRUE(second.serves(k, f)) << "a draining backend keeps its flows";
  EXPECT_FALSE(second.apply(goal_of(drained), 100)->doubtful);
}

TEST_F(VipsTest, ANewDaemonHandsOutNoOldId) {
  apply(kWeb);
  const auto gone = id_of(web, "198.18.1.2");
  const auto old_vip = vip(web).id;
  mz_sticky_key client{};
  client.vip = old_vip;
  ASSERT_TRUE(dp.stickies().put(client, {gone, 0}));
  apply("", true);
  Vips second(dp);
  ASSERT_TRUE(second.recover());
  ASSERT_TRUE(second.apply(goal_of(kWeb), 100));
  for (const auto id : rows(web)) EXPECT_GT(id, gone);
  EXPECT_GT(vip(web).id, old_vip);
}

TEST_F(VipsTest, AClientThatServesItselfIsServedBothWays) {
  apply(kWeb);
  auto [k, f] = flow("198.18.9.1", 80, "198.18.1.1", 8080);
  k.local = f.to;
  f.flags |= MZ_FLOW_F_SELF;
  EXPECT_TRUE(serves({k, f}));
  mz_flow_key back = k;  // what its server sees: the VIP and the client's port
  back.local_port = htons(8080);
  back.remote_port = htons(40000);
  mz_flow g = f;
  g.to = k.local;
  g.to_port = htons(40000);
  g.from_port = htons(80);
  EXPECT_TRUE(serves({back, g}));
  g.from_port = htons(81);
  EXPECT_FALSE(serves({back, g}));
}

// ---- room -----------------------------------------------------------------------

TEST_F(VipsTest, WhatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  const struct {
    TableSizes sizes;
    const char* option;
  } rows[] = {{{.vips = 1}, "--max-vips"}, {{.vip_rows = 250}, "--max-vip-rows"}, {{.backends = 1}, "--max-backends"}};
  for (const auto& row : rows) {
    FakeDataplane small(row.sizes);
    const Vips v(small);
    const auto rc = v.check(goal_of(kWeb));
    ASSERT_FALSE(rc) << row.option;
    EXPECT_EQ(rc.error().code, Code::resource_exhausted);
    EXPECT_NE(rc.error().what.find(row.option), std::string::npos) << rc.error().what;
  }
}

TEST_F(VipsTest, WhatStandsAsItIsNeedsNoRoomTwice) {
  FakeDataplane small({.vips = 2, .vip_rows = 300, .backends = 2});
  Vips v(small);
  ASSERT_TRUE(v.check(goal_of(kWeb)));
  ASSERT_TRUE(v.apply(goal_of(kWeb), 100));
  EXPECT_TRUE(v.check(goal_of(kWeb)));
  EXPECT_TRUE(v.apply(goal_of(kWeb), 100));
}

constexpr const char* kProbed = R"(
  - {name: web, vpc: red, address: 198.18.9.1, address6: "fd00:a::1", health: {protocol: tcp}, sticky_seconds: 60,
     ports: [{protocol: tcp, port: 80, backend_port: 8080}, {protocol: tcp, port: 81, backend_port: 8080}],
     backends: [{name: a, address: 198.18.1.1, address6: "fd00:a:1::1", host: w1}, {name: b, address: 198.18.1.2, host: w1}]}
)";

// What Verdicts would say, by address.
class HealthTest : public VipsTest {
 protected:
  HealthTest() {
    vips.set_well([this](const ServiceSpec&, const BackendSpec& b, Family f) {
      const auto at = well.find(b.address.of(f)->text());
      return at == well.end() ? std::nullopt : std::optional(at->second);
    });
  }
  using Names = std::set<std::string>;
  std::map<std::string, bool> well;
  const mz_vip_key other = key("198.18.9.1", 81), six = key("fd00:a::1", 80);
};

TEST_F(HealthTest, NobodyServesBeforeItHasPassed) {
  apply(kProbed);
  EXPECT_EQ(vip(web).size, 0u);
  EXPECT_EQ(vip(six).size, 0u);
  well["198.18.1.1"] = true;
  apply(kProbed);
  EXPECT_EQ(serving(web), Names{"198.18.1.1:8080"});
  EXPECT_EQ(serving(other), Names{"198.18.1.1:8080"});
  EXPECT_EQ(vip(six).size, 0u) << "its other address is another matter";
  well["198.18.1.2"] = well["fd00:a:1::1"] = true;
  apply(kProbed);
  EXPECT_EQ(serving(web), (Names{"198.18.1.1:8080", "198.18.1.2:8080"}));
  EXPECT_EQ(serving(six), Names{"fd00:a:1::1:8080"});
}

TEST_F(HealthTest, WhoFailsKeepsItsFlowsAndGetsNoNewOnes) {
  well["198.18.1.1"] = well["198.18.1.2"] = true;
  apply(kProbed);
  const auto id = id_of(web, "198.18.1.2");
  well["198.18.1.2"] = false;
  apply(kProbed);  // nothing doubtful: no flow is looked at
  EXPECT_EQ(serving(web), Names{"198.18.1.1:8080"});
  EXPECT_EQ(dp.backends().get(id)->flags, MZ_BACKEND_F_DRAIN) << "a sticky client goes elsewhere";
  EXPECT_TRUE(serves(flow("198.18.9.1", 80, "198.18.1.2", 8080)));
  well["198.18.1.1"] = false;
  apply(kProbed);
  EXPECT_EQ(vip(web).size, 0u) << "refused at once";
  well["198.18.1.2"] = true;
  apply(kProbed);
  EXPECT_EQ(serving(web), Names{"198.18.1.2:8080"});
  EXPECT_EQ(id_of(web, "198.18.1.2"), id);
}

TEST_F(HealthTest, WithoutAVerdictItStaysAsItWas) {
  well = {{"198.18.1.1", true}, {"198.18.1.2", false}};
  apply(kProbed);
  well.clear();  // nobody has said anything to the new daemon
  Vips again(dp);
  again.set_well([](const ServiceSpec&, const BackendSpec&, Family) { return std::optional<bool>(); });
  ASSERT_TRUE(again.recover());
  const auto before = writes();
  ASSERT_TRUE(again.apply(goal_of(kProbed), 100));
  EXPECT_EQ(serving(web), Names{"198.18.1.1:8080"});
  EXPECT_EQ(writes(), before);
  // A port more is served by who serves the others.
  std::string more = kProbed;
  more.replace(more.find("{protocol: tcp, port: 81"), 0, "{protocol: tcp, port: 82, backend_port: 8080}, ");
  ASSERT_TRUE(again.apply(goal_of(more), 100));
  EXPECT_EQ(serving(key("198.18.9.1", 82)), Names{"198.18.1.1:8080"});
}

TEST_F(HealthTest, WhoServesGoesOnWhenHealthIsAskedForLater) {
  std::string plain = kProbed;
  plain.erase(plain.find("health: {protocol: tcp}, "), 25);
  apply(plain);
  apply(kProbed);
  EXPECT_EQ(serving(web), (Names{"198.18.1.1:8080", "198.18.1.2:8080"}));
  well["198.18.1.1"] = false;
  apply(plain);
  EXPECT_EQ(serving(web), (Names{"198.18.1.1:8080", "198.18.1.2:8080"})) << "nobody asks any more";
}

TEST_F(HealthTest, AWeightOfZeroDrainsTheHealthyToo) {
  well["198.18.1.1"] = well["198.18.1.2"] = true;
  std::string drained = kProbed;
  drained.replace(drained.find("{name: b, "), 10, "{name: b, weight: 0, ");
  apply(drained);
  EXPECT_EQ(serving(web), Names{"198.18.1.1:8080"});
}

TEST_F(HealthTest, StandingAreThoseWithRows) {
  well["198.18.1.2"] = true;
  apply(kProbed);
  const Goal goal = goal_of(kProbed);
  const auto& s = goal.services.at("red/web");
  EXPECT_EQ(vips.standing(s, *s.address.v4), std::set<Addr>{*Addr::parse("198.18.1.2")});
  EXPECT_EQ(vips.standing(s, *s.address.v6), std::set<Addr>{});
}

// A verdict costs the tables of the service it is about, in its family.
TEST_F(HealthTest, OnlyTablesOfOtherBackendsAreMadeAnew) {
  well["198.18.1.1"] = well["198.18.1.2"] = true;
  std::string two = kProbed;
  two += kWeb;
  two.replace(two.rfind("name: web"), 9, "name: api").replace(two.rfind("198.18.9.1"), 10, "198.18.9.2");
  apply(two);
  EXPECT_EQ(vips.made(), 5u) << "ports and families";
  apply(two);
  EXPECT_EQ(vips.made(), 5u);
  const auto before = rows(key("198.18.9.2", 80));
  well["198.18.1.2"] = false;
  apply(two);
  EXPECT_EQ(vips.made(), 7u) << "two ports";
  EXPECT_EQ(serving(web), Names{"198.18.1.1:8080"});
  EXPECT_EQ(rows(key("198.18.9.2", 80)), before);
  // Another plan.
  two.replace(two.rfind(", {name: b, address: 198.18.1.2}"), 32, "");
  apply(two, true);
  EXPECT_EQ(vips.made(), 8u);
  EXPECT_EQ(serving(key("198.18.9.2", 80)), Names{"198.18.1.1:8080"});
  // Tables of an earlier run say not whom they are of.
  Vips again(dp);
  ASSERT_TRUE(again.recover());
  two.replace(two.rfind("{name: a, address: 198.18.1.1}"), 30, "");
  ASSERT_TRUE(again.apply(goal_of(two), 100));
  EXPECT_EQ(vip(key("198.18.9.2", 80)).size, 0u);
}

// Room is needed for all of them, whoever is well at the moment.
TEST_F(HealthTest, RoomIsKeptForTheUnwell) {
  const Goal goal = goal_of(kProbed);
  FakeDataplane small({.vip_rows = 251 * 2});  // the tables of IPv4 alone
  EXPECT_FALSE(Vips(small).check(goal));
}

}  // namespace
