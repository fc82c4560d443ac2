// SPDX-License-Identifier: Apache-2.0
// Classes and rates as the daemon keeps them: by plan and set here, through restarts and failures.
#include <gmock/gmock.h>

#include "selftests/unit/daemon_world.h"
#include "userspace/net/queueing.h"

namespace mizar {
namespace {

using namespace test;
using ::testing::HasSubstr;

class DaemonQosTest : public DaemonTest {
 protected:
  Result<v1::SetQosReply> set(const std::string& text) {
    v1::SetQosRequest r;
    EXPECT_OK(parse_text(text, "test", r));
    return daemon_->set_qos(r);
  }
  mz_port port() {
    const auto all = must(dp_.ports().entries());
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? mz_port{} : all[0].second;
  }
  // Bits a second that the endpoint's rows keep it to; 0 = any.
  std::uint64_t kept_to(unsigned dir = MZ_DIR_EGRESS) {
    const auto slot = port().shaper[dir];
    const auto row = slot == 0 ? std::nullopt : dp_.shapers().get(slot);
    return row && row->whole.byte != 0 ? (8'000'000'000ull << MZ_RATE_BITS) / row->whole.byte : 0;
  }
  v1::QosTarget target(const std::string& kind) {
    const auto status = must(daemon_->qos_status());
    for (const auto& t : status.targets())
      if (t.kind() == kind) return t;
    return {};
  }
  std::string refused(const std::string& text) {
    const auto rc = set(text);
    return rc ? "" : rc.error().what;
  }
};

TEST_F(DaemonQosTest, ARateHoldsAndOutlivesTheDaemon) {
  ASSERT_OK(apply(kState));
  EXPECT_EQ(port().flags & MZ_EP_F_SHAPED, 0u);
  ASSERT_OK(set("{endpoint: red/a, qos: {class: premium, egress: {whole: {rate: 1000000}}}}"));
  EXPECT_EQ(kept_to(), 1'000'000u);
  EXPECT_EQ(port().qos_class, MZ_LEVEL(MZ_CLASS_PREMIUM, 1u));
  EXPECT_NE(port().flags & MZ_EP_F_SHAPED, 0u);
  const auto slot = port().shaper[0];
  start({});
  EXPECT_EQ(kept_to(), 1'000'000u);
  EXPECT_EQ(port().shaper[0], slot);
  EXPECT_TRUE(target("endpoint").here());
  ASSERT_OK(set("{endpoint: red/a}"));
  EXPECT_EQ(kept_to(), 0u);
  EXPECT_EQ(port().qos_class, 0);
  EXPECT_TRUE(must(dp_.shapers().entries()).empty());
}

TEST_F(DaemonQosTest, ThePlansWordHoldsUnlessAnotherIsSetHere) {
  const std::string planned = state_with("netns: {name: a}", "netns: {name: a}, qos: {egress: {whole: {rate: 2000000}}}");
  ASSERT_OK(apply(planned));
  EXPECT_EQ(kept_to(), 2'000'000u);
  EXPECT_FALSE(target("endpoint").here());
  ASSERT_OK(set("{endpoint: red/a, qos: {egress: {whole: {rate: 3000000}}}}"));
  EXPECT_EQ(kept_to(), 3'000'000u);
  ASSERT_OK(apply(planned));
  EXPECT_EQ(kept_to(), 3'000'000u);
  ASSERT_OK(set("{endpoint: red/a}"));
  EXPECT_EQ(kept_to(), 2'000'000u);
  EXPECT_EQ(daemon_->state().endpoints(0).qos().egress().whole().rate(), 2'000'000u);
}

TEST_F(DaemonQosTest, AVpcAndTheUplink) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{vpc: red, qos: {ingress: {whole: {rate: 5000000}}}}"));
  EXPECT_NE(port().vpc_shaper[MZ_DIR_INGRESS], 0);
  EXPECT_EQ(port().flags & MZ_EP_F_SHAPED, 0u);  // what it sends is not limited
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 100000000}}}}"));
  const auto status = must(daemon_->qos_status());
  EXPECT_EQ(status.uplink_rate(), 100'000'000u);
  EXPECT_EQ(status.targets_size(), 2);
}

TEST_F(DaemonQosTest, TheQdiscComesAndGoes) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 100000000}}}}"));
  const auto support = must(net::probe_queueing());
  const auto kind = support.best();
  EXPECT_EQ(daemon_->uplink_queueing(), kind);
  auto state = must(net::queueing(*here_, uplink_));
  EXPECT_EQ(state.ours, kind != net::Queueing::none);
  if (kind != net::Queueing::none) {
    EXPECT_EQ(dp_.levels().get(1)->priority, net::queue_priority(kind, 0));
    EXPECT_EQ((dp_.levels().get(1)->flags & MZ_LEVEL_F_PACED) != 0, kind != net::Queueing::htb);
    EXPECT_EQ((dp_.levels().get(1)->flags & MZ_LEVEL_F_SPREAD) != 0, kind == net::Queueing::htb);
  }
  ASSERT_OK(set("{uplink: true}"));
  EXPECT_FALSE(must(net::queueing(*here_, uplink_)).ours);
  EXPECT_EQ(daemon_->uplink_queueing(), net::Queueing::none);
  EXPECT_EQ(dp_.levels().get(1)->flags, 0);
}

TEST_F(DaemonQosTest, AnEarlierDaemonsQdiscGoesWhereNoneIsWanted) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 100000000}}}}"));
  DaemonOptions options;
  options.queueing = "none";
  start(std::move(options));
  EXPECT_FALSE(must(net::queueing(*here_, uplink_)).ours);
  EXPECT_NE(dp_.shapers().get(MZ_SHAPER_UPLINK_OUT)->whole.byte, 0u);  // kept by the clocks
}

TEST_F(DaemonQosTest, AForeignQdiscStaysUnlessToldOtherwise) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(here_->set_root_qdisc(uplink_, "pfifo", 100));
  const bool foreign = must(net::queueing(*here_, uplink_)).foreign;
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 100000000}}}}"));
  if (foreign) {
    EXPECT_EQ(must(net::queueing(*here_, uplink_)).root, "pfifo");
    EXPECT_THAT(daemon_->queueing_problem(), HasSubstr("uplink up0: "));
    EXPECT_EQ(must(daemon_->qos_status()).problem(), daemon_->queueing_problem());
    EXPECT_NE(dp_.shapers().get(MZ_SHAPER_UPLINK_OUT)->whole.byte, 0u);  // kept by the clocks
  }
  DaemonOptions options;
  options.replace_qdisc = true;
  start(std::move(options));
  EXPECT_EQ(daemon_->queueing_problem(), "");
}

TEST_F(DaemonQosTest, WhatIsWrongIsNamedAndChangesNothing) {
  EXPECT_THAT(refused("{uplink: true, qos: {}}"), HasSubstr("no goal state yet"));
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 10000000}}}}"));
  EXPECT_THAT(refused("{qos: {class: premium}}"), HasSubstr("name one target"));
  EXPECT_THAT(refused("{endpoint: red/a, vpc: red, qos: {}}"), HasSubstr("name one target"));
  EXPECT_EQ(refused("{endpoint: red/x, qos: {}}"), "endpoint red/x: there is none on this host");
  EXPECT_EQ(refused("{vpc: blue, qos: {}}"), "vpc blue: there is none here");
  EXPECT_THAT(refused("{endpoint: red/a, qos: {class: gold}}"), HasSubstr("endpoint red/a: qos: class: \"gold\""));
  EXPECT_THAT(refused("{vpc: red, qos: {class: premium}}"), HasSubstr("vpc red: qos: class, priority and trust"));
  EXPECT_EQ(refused("{endpoint: red/a, qos: {egress: {whole: {rate: 20000000, guaranteed: 20000000}}}}"),
            "endpoint red/a: egress.guaranteed: endpoints and VPCs would be guaranteed 20 Mbit/s, the uplink carries 10 Mbit/s");
  EXPECT_THAT(refused("{uplink: true, qos: {egress: {whole: {rate: 1000000000000}}}}"), HasSubstr("of link up0"));
  EXPECT_THAT(refused("{levels: [{class: premium, outer_dscp: 99}]}"), HasSubstr("outer_dscp: 99: must be in 0..63"));
  EXPECT_EQ(kept_to(), 0u);
  EXPECT_EQ(must(daemon_->qos_status()).targets_size(), 1);
  start({});
  EXPECT_EQ(must(daemon_->qos_status()).targets_size(), 1);
}

TEST_F(DaemonQosTest, ADryRunOnlyWarns) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 10000000}}}}"));
  const auto over = must(set("{endpoint: red/a, qos: {egress: {whole: {rate: 20000000}}}, dry_run: true}"));
  ASSERT_EQ(over.warnings_size(), 1);
  EXPECT_EQ(over.warnings(0), "uplink: endpoints may send 20 Mbit/s together, it carries 10 Mbit/s");
  EXPECT_EQ(kept_to(), 0u);
  const auto nobody = must(set("{uplink: true, qos: {egress: {whole: {rate: 10000000}, expedited: {rate: 5000000}}}, dry_run: true}"));
  ASSERT_EQ(nobody.warnings_size(), 1);
  EXPECT_EQ(nobody.warnings(0), "uplink: egress.expedited has limits, and no endpoint of this host is of that class");
}

TEST_F(DaemonQosTest, WhatCannotBeWrittenIsTakenBack) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{endpoint: red/a, qos: {egress: {whole: {rate: 1000000}}}}"));
  for (int n = 1; n <= 2; n++) {
    dp_.shapers().fail_next = n == 1;
    dp_.ports().fail_next = n == 2;
    EXPECT_FALSE(set("{endpoint: red/a, qos: {class: premium, egress: {whole: {rate: 2000000}}}}")) << n;
    EXPECT_EQ(kept_to(), 1'000'000u) << n;
    EXPECT_EQ(port().qos_class, 0) << n;
  }
  start({});
  EXPECT_EQ(kept_to(), 1'000'000u);
}

TEST_F(DaemonQosTest, LevelsAreKept) {
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{levels: [{class: premium, priority: high, outer_dscp: 33}, {class: premium, priority: low, outer_dscp: 30}]}"));
  EXPECT_EQ(dp_.levels().get(3)->outer, 30);
  ASSERT_OK(set("{levels: [{class: premium, priority: high, outer_dscp: 34}]}"));
  EXPECT_EQ(dp_.levels().get(1)->outer, 34);
  start({});
  EXPECT_EQ(dp_.levels().get(1)->outer, 34);
  EXPECT_EQ(dp_.levels().get(3)->outer, 30);
  EXPECT_EQ(must(daemon_->qos_status()).levels(0).outer_dscp(), 34u);
}

// Its superpackets take a millisecond at its rate.
TEST_F(DaemonQosTest, SuperpacketsOfAnEndpointAreShort) {
  ASSERT_OK(apply(kState));
  const auto is = [](const char* bytes) {
    bool same = false;
    EXPECT_OK(net::run_in(must(net::NetnsRef::open("a")), [&]() -> Result<> {
      same = std::system(fmt::format("ip -d link show dev eth0 | grep -q 'gso_max_size {} '", bytes).c_str()) == 0;
      return {};
    }));
    return same;
  };
  EXPECT_TRUE(is("65536"));
  ASSERT_OK(set("{endpoint: red/a, qos: {egress: {whole: {rate: 80000000}}}}"));
  EXPECT_TRUE(is("10000"));
  ASSERT_OK(set("{vpc: red, qos: {egress: {whole: {rate: 40000000}}}}"));
  EXPECT_TRUE(is("5000")) << "or at its VPC's, or the uplink's: the slowest";
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 160000000}}}}"));
  ASSERT_OK(set("{vpc: red}"));
  EXPECT_TRUE(is("10000"));
  ASSERT_OK(set("{endpoint: red/a}"));
  EXPECT_TRUE(is("20000"));
  ASSERT_OK(set("{uplink: true}"));
  EXPECT_TRUE(is("65536"));
}

// Labels that are in force and not yet stored point into the goal that goes.
TEST_F(DaemonQosTest, LabelsThatWaitAreStoredFirst) {
  ASSERT_OK(apply(kState));
  bool told = false;
  v1::SetLabelsRequest r;
  ASSERT_OK(parse_text("{endpoints: [{endpoint: red/a, namespace: shop, labels: {app: web}}]}", "test", r));
  daemon_->set_labels(r, [&told](const Result<v1::SetLabelsReply>& reply) { told = reply.has_value(); });
  ASSERT_OK(set("{endpoint: red/a, qos: {egress: {whole: {rate: 1000000}}}}"));
  EXPECT_TRUE(told);
}

// What shaped the uplink goes with what it was to shape it to.
TEST_F(DaemonQosTest, AnUplinkWithoutARateHasNoHtb) {
  DaemonOptions options;
  options.queueing = "htb";
  start(options);
  ASSERT_OK(apply(kState));
  ASSERT_OK(set("{endpoint: red/a, qos: {egress: {whole: {rate: 1000000}}}}"));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 10000000}}}}"));
  EXPECT_EQ(must(daemon_->qos_status()).qdisc(), "htb");
  ASSERT_OK(set("{uplink: true}"));
  const auto status = must(daemon_->qos_status());
  EXPECT_NE(status.qdisc(), "htb");
  EXPECT_THAT(status.problem(), HasSubstr("HTB needs a rate"));
  ASSERT_OK(set("{uplink: true, qos: {egress: {whole: {rate: 10000000}, expedited: {weight: 3}, best_effort: {weight: 1}}}}"));
  EXPECT_EQ(must(daemon_->qos_status()).qdisc(), "htb");
  EXPECT_THAT(must(daemon_->qos_status()).warnings(0), HasSubstr("weights mean nothing to HTB"));
}

// What an orchestrator says; what is said in plain words goes before it.
TEST_F(DaemonQosTest, AnnotationsAreRead) {
  ASSERT_OK(apply(state_with("netns: {name: a}",
                             "netns: {name: a}, annotations: {mizar.com/network-class: Expedited, mizar.com/network-priority: High, "
                             "kubernetes.io/egress-bandwidth: 1M, x/y: z}")));
  EXPECT_EQ(kept_to(), 1'000'000u);
  EXPECT_EQ(port().qos_class, MZ_LEVEL(MZ_CLASS_EXPEDITED, 0u));
  ASSERT_OK(set("{endpoint: red/a, qos: {class: premium}}"));
  EXPECT_EQ(kept_to(), 0u) << "set here, all of it";
  const auto rc = apply(state_with("netns: {name: a}", "netns: {name: a}, annotations: {kubernetes.io/egress-bandwidth: fast}"));
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().what, "endpoint red/a: annotations[kubernetes.io/egress-bandwidth]: 'fast' is no number; write it as 100M, 1.5G or 64k");
}

}  // namespace
}  // namespace mizar
