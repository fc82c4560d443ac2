// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/table_sync.h"

#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"

using namespace mizar;
using namespace std::chrono_literals;

namespace {

// One host, two tenants with the same addresses, a bouncer's share.
constexpr const char* kState = R"(
revision: 1
host: w1
hosts:
  - {name: w1, id: 1, address: 192.0.2.1}
  - {name: w2, id: 2, address: 192.0.2.2}
vpcs:
  - {name: red, vni: 7, cidr: 198.18.0.0/16}
  - {name: blue, vni: 8, cidr: 198.18.0.0/16}
networks:
  - {name: n, vpc: red, cidr: 198.18.1.0/24}
  - {name: n, vpc: blue, cidr: 198.18.1.0/24}
endpoints:
  - {name: a, vpc: red, network: n, address: 198.18.1.5, host: w1}
  - {name: a, vpc: blue, network: n, address: 198.18.1.5, host: w2}
)";

Goal goal_of(std::string text) {
  v1::GoalState state;
  const auto read = parse_text(text, "test", state);
  EXPECT_TRUE(read) << read.error().what;
  auto g = parse_goal(state);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}

Goal without(const Goal& g, const std::string& vpc) {
  Goal out = g;
  out.vpcs.erase(vpc);
  std::erase_if(out.networks, [&](const auto& n) { return n.second.vpc == vpc; });
  std::erase_if(out.endpoints, [&](const auto& e) { return e.second.vpc == vpc; });
  return out;
}

class TableSyncTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(dp.load({})); }
  TableSync make(std::chrono::milliseconds linger = 0ms) {
    return TableSync(dp, [](std::uint32_t, mz_host&) {}, linger);
  }
  mz_ep_key red = endpoint_key(7, *Addr::parse("198.18.1.5"));
  mz_ep_key blue = endpoint_key(8, *Addr::parse("198.18.1.5"));
  FakeDataplane dp;
};

TEST_F(TableSyncTest, SameAddressesOfTwoTenantsAreTwoEntries) {
  auto sync = make();
  ASSERT_TRUE(sync.apply(goal_of(kState), {{"red/a", {12, true, 1434}}}));
  ASSERT_TRUE(dp.endpoints().get(red) && dp.endpoints().get(blue));
  EXPECT_EQ(dp.endpoints().get(red)->ifindex, 12u);
  EXPECT_EQ(dp.endpoints().get(red)->flags, MZ_EP_F_PEER);
  EXPECT_EQ(dp.endpoints().get(blue)->host, 2u);
  EXPECT_EQ(dp.endpoints().get(blue)->ifindex, 0u);
  EXPECT_NE(dp.endpoints().get(red)->vpc, dp.endpoints().get(blue)->vpc);
  EXPECT_EQ(dp.ports().get(12)->vni, 7u);
  EXPECT_EQ(dp.ports().get(12)->mtu, 1434u);
}

TEST_F(TableSyncTest, SameGoalAgainWritesNothing) {
  auto sync = make();
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  const auto before = dp.endpoints().writes + dp.shards().writes + dp.hosts().writes + dp.vpcs().writes;
  const auto n = sync.apply(g, {});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->added + n->changed + n->removed, 0u);
  EXPECT_EQ(dp.endpoints().writes + dp.shards().writes + dp.hosts().writes + dp.vpcs().writes, before);
}

TEST_F(TableSyncTest, AfterARestartNothingIsWrittenAgain) {
  const Goal g = goal_of(kState);
  {
    auto first = make();
    ASSERT_TRUE(first.apply(g, {{"red/a", {12, true, 1434}}}));
  }
  auto second = make();
  ASSERT_TRUE(second.recover());
  const auto n = second.apply(g, {{"red/a", {12, true, 1434}}});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->added + n->changed + n->removed, 0u);
  EXPECT_EQ(second.vpc_slots().size(), 2u);
}

TEST_F(TableSyncTest, EndpointsGoAtOnceNetworksLinger) {
  auto sync = make(1h);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  EXPECT_FALSE(dp.endpoints().get(red));
  EXPECT_TRUE(dp.endpoints().get(blue));
  EXPECT_TRUE(dp.vpcs().get(7));  // stale senders are still led to its hops
  EXPECT_EQ(dp.networks().entries()->size(), 2u);
}

TEST_F(TableSyncTest, LingeringEnds) {
  auto sync = make(0ms);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  ASSERT_TRUE(sync.expire());
  EXPECT_FALSE(dp.vpcs().get(7));
  EXPECT_EQ(dp.networks().entries()->size(), 1u);
}

TEST_F(TableSyncTest, ATableThatLingersIsNotHandedOut) {
  auto sync = make(1h);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  const auto old = dp.vpcs().get(7)->shard;
  Goal next = without(g, "red");
  next.vpcs["green"] = VpcSpec{"green", 9, {Prefix::parse("198.18.0.0/16").value(), {}}, std::nullopt};
  ASSERT_TRUE(sync.apply(next, {}));
  ASSERT_TRUE(dp.vpcs().get(9));
  EXPECT_NE(dp.vpcs().get(9)->shard, old);
}

TEST_F(TableSyncTest, WhatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  TableSizes s;
  s.endpoints = 1;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  const auto rc = sync.check(goal_of(kState));
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_NE(rc.error().what.find("--max-endpoints"), std::string::npos);
}

TEST_F(TableSyncTest, HostIdPastTheTableIsRefused) {
  TableSizes s;
  s.hosts = 2;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  EXPECT_FALSE(sync.check(goal_of(kState)));
}

TEST_F(TableSyncTest, MoreVpcsThanCounterSlotsShareSlotZero) {
  TableSizes s;
  s.vpc_slots = 2;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  ASSERT_TRUE(sync.apply(goal_of(kState), {}));
  EXPECT_EQ(tiny.vpcs().get(7)->vpc + tiny.vpcs().get(8)->vpc, 1u);
}

TEST_F(TableSyncTest, AFailedWriteIsReportedAndCanBeUndone) {
  auto sync = make();
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(without(g, "blue"), {}));
  dp.endpoints().fail_next = 1;
  EXPECT_FALSE(sync.apply(g, {}));
  ASSERT_TRUE(sync.apply(without(g, "blue"), {}));
  EXPECT_TRUE(dp.endpoints().get(red));
  EXPECT_FALSE(dp.endpoints().get(blue));
}

TEST_F(TableSyncTest, HostStateReachesTheTable) {
  bool down = false;
  TableSync sync(dp, [&](std::uint32_t id, mz_host& h) {
    if (id == 2 && down) h.flags |= MZ_HOST_F_DOWN;
  }, 0ms);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  EXPECT_EQ(dp.hosts().get(2)->flags, MZ_HOST_F_KNOWN);
  down = true;
  ASSERT_TRUE(sync.update_host(g, 2));
  EXPECT_EQ(dp.hosts().get(2)->flags, MZ_HOST_F_KNOWN | MZ_HOST_F_DOWN);
}

TEST_F(TableSyncTest, OnlyADividerMarksItsNetworks) {
  auto sync = make();
  Goal g = goal_of(kState);
  ShardTable me;
  me.fill({1, 0});
  g.vpcs["red"].dividers = me;
  ASSERT_TRUE(sync.apply(g, {}));
  const auto row = [&](std::uint32_t vni) { return dp.networks().get(network_key(vni, *Prefix::parse("198.18.1.0/24"))); };
  EXPECT_EQ(row(7)->flags, MZ_NET_F_DIVIDER);
  EXPECT_EQ(row(8)->flags, 0u);
}

}  // namespace
