// SPDX-License-Identifier: Apache-2.0
// Goals in the data plane's tables: userspace/transitd/table_sync.h.
#include "selftests/unit/sync_world.h"

using namespace mizar;
using namespace mizar::test;
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

Goal without(const Goal& g, const std::string& vpc) {
  Goal out = g;
  out.vpcs.erase(vpc);
  std::erase_if(out.networks, [&](const auto& n) { return n.second.vpc == vpc; });
  std::erase_if(out.endpoints, [&](const auto& e) { return e.second.vpc == vpc; });
  return out;
}

// Every network with host 2 for a bouncer.
Goal bounced(Goal g) {
  for (auto& [key, n] : g.networks) n.bouncers.emplace().fill({2, 0});
  return g;
}

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

// Only who may meet a service pays for the look-up.
TEST_F(TableSyncTest, PortsOfVpcsWithServicesSaySo) {
  auto sync = make();
  std::string text = kState;
  text.replace(text.rfind("host: w2}"), 9, "host: w1}");
  const TableSync::Ports ports = {{"red/a", {12, true, 1434}}, {"blue/a", {13, true, 1434}}};
  ASSERT_TRUE(sync.apply(goal_of(text + "services: [{name: s, vpc: red, address: 198.18.9.1, ports: [{protocol: tcp, port: 80}]}]\n"), ports));
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER | MZ_EP_F_VIPS);
  EXPECT_EQ(dp.ports().get(13)->flags, MZ_EP_F_PEER);
  EXPECT_EQ(dp.endpoints().get(red)->flags, MZ_EP_F_PEER);
  ASSERT_TRUE(sync.apply(goal_of(text), ports));
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER);
}

// The outside leads to gateways; what is the VPC's and not known here, to its dividers.
TEST_F(TableSyncTest, WaysOutStandInTheNetworksTable) {
  auto sync = make();
  const std::string gateway = std::string(kState) + R"(gateways:
  - {name: out, vpc: red, destinations: [0.0.0.0/0, 203.0.113.0/24], networks: [198.18.9.0/24], serves: SERVES}
)";
  const auto with = [&](const char* serves) {
    std::string text = gateway;
    return text.replace(text.find("SERVES"), 6, serves);
  };
  const auto net = [&](const char* block) { return dp.networks().get(network_key(7, *Prefix::parse(block))); };
  ASSERT_TRUE(sync.check(goal_of(with("false"))));
  ASSERT_TRUE(sync.apply(goal_of(with("false")), {{"red/a", {12, true, 1434}}}));
  ASSERT_TRUE(net("0.0.0.0/0") && net("203.0.113.0/24") && net("198.18.9.0/24"));
  EXPECT_EQ(net("0.0.0.0/0")->flags, MZ_NET_F_OUTSIDE);
  EXPECT_EQ(net("0.0.0.0/0")->shard, net("203.0.113.0/24")->shard);
  EXPECT_NE(net("0.0.0.0/0")->shard, net("198.18.1.0/24")->shard);
  EXPECT_EQ(net("198.18.9.0/24")->flags, MZ_NET_F_ELSEWHERE);
  EXPECT_EQ(net("198.18.9.0/24")->shard, dp.vpcs().get(7)->shard);
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER | MZ_EP_F_OUT);
  EXPECT_FALSE(dp.networks().get(network_key(8, *Prefix::parse("0.0.0.0/0"))));
  ASSERT_TRUE(sync.apply(goal_of(with("true")), {}));
  EXPECT_EQ(net("0.0.0.0/0")->flags, MZ_NET_F_OUTSIDE | MZ_NET_F_SERVED);
  ASSERT_TRUE(sync.apply(goal_of(kState), {{"red/a", {12, true, 1434}}}));
  EXPECT_FALSE(net("0.0.0.0/0") || net("203.0.113.0/24") || net("198.18.9.0/24"));
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER);
}

// Which other VPC it is, and no shard table; taken away at once, unlike networks.
TEST_F(TableSyncTest, PeersStandInTheNetworksTable) {
  auto sync = make(1h);
  const auto with = [](const char* more) {
    return goal_of(std::string(kState) + "peerings: [{name: trade, vpc: red, peer: blue, parts: [198.18.9.0/24]" + more + "}]");
  };
  const auto key = network_key(7, *Prefix::parse("198.18.9.0/24"));
  const TableSync::Ports ports{{"red/a", {12, true, 1434}}};
  ASSERT_TRUE(sync.apply(goal_of(kState), ports));
  const auto tables = sync.used().at("shard-tables");
  ASSERT_TRUE(sync.apply(with(""), ports));
  ASSERT_TRUE(dp.networks().get(key));
  EXPECT_EQ(dp.networks().get(key)->flags, MZ_NET_F_PEER);
  EXPECT_EQ(dp.networks().get(key)->peer, 8u);
  EXPECT_EQ(dp.networks().get(key)->vpc, dp.vpcs().get(7)->vpc);
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER | MZ_EP_F_PEERED);
  EXPECT_EQ(sync.used().at("shard-tables"), tables);
  ASSERT_TRUE(sync.apply(with(", answers_only: true"), ports));
  EXPECT_EQ(dp.networks().get(key)->flags, MZ_NET_F_PEER | MZ_NET_F_ANSWERS);
  TableSync later = make(1h);
  ASSERT_TRUE(later.recover());
  EXPECT_EQ(later.used().at("shard-tables"), tables);
  ASSERT_TRUE(later.apply(goal_of(kState), ports));
  EXPECT_FALSE(dp.networks().get(key));
  EXPECT_EQ(dp.ports().get(12)->flags, MZ_EP_F_PEER);
  // A network of that block, from then on, has a table of its own.
  ASSERT_TRUE(sync.recover());
  ASSERT_TRUE(sync.apply(with(""), ports));
  Goal g = goal_of(kState);
  g.networks["red/m"] = g.networks.at("red/n");
  g.networks["red/m"].cidr.v4 = *Prefix::parse("198.18.9.0/24");
  ASSERT_TRUE(sync.apply(g, ports));
  EXPECT_EQ(sync.used().at("shard-tables"), tables + 1);
}

TEST_F(TableSyncTest, PartsOfPeersHaveToFitAsWell) {
  TableSizes s;
  s.networks = 3;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  const auto with = [](const char* parts) {
    return goal_of(std::string(kState) + "peerings: [{name: trade, vpc: red, peer: blue, parts: " + parts + "}]");
  };
  EXPECT_TRUE(sync.check(with("[198.18.9.0/24]")));
  EXPECT_EQ(sync.check(with("[198.18.9.0/24, 198.18.8.0/24]")).error().code, Code::resource_exhausted);
}

TEST_F(TableSyncTest, APortDrainsUntilItIsToldOtherwise) {
  auto sync = make();
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {{"red/a", {12, true, 1434}}}));
  sync.drain(12);
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  EXPECT_FALSE(dp.endpoints().get(red));
  EXPECT_EQ(dp.ports().get(12)->ifindex, 12u);
  ASSERT_TRUE(sync.drained(12));
  EXPECT_EQ(dp.ports().get(12)->ifindex, 0u);
  ASSERT_TRUE(sync.drained(12));  // again is no error

  ASSERT_TRUE(sync.apply(g, {{"red/a", {12, true, 1434}}}));
  sync.drain(12);
  sync.keep(12);
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  EXPECT_EQ(dp.ports().get(12)->ifindex, 0u);
}

TEST_F(TableSyncTest, FlowsOfAnEndpointAreItsOwnOrTheHostsNumber) {
  TableSync sync(dp, [](std::uint32_t, mz_host&) {}, 0ms, 77);
  Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {{"red/a", {12, true, 1434}}}));
  EXPECT_EQ(dp.ports().get(12)->max_flows, 77u);
  g.endpoints.at("red/a").max_flows = 5;
  ASSERT_TRUE(sync.apply(g, {{"red/a", {12, true, 1434}}}));
  EXPECT_EQ(dp.ports().get(12)->max_flows, 5u);
}

TEST_F(TableSyncTest, SameGoalAgainWritesNothing) {
  auto sync = make();
  const Goal g = goal_of(kState);
  const TableSync::Ports ports = {{"red/a", {12, true, 1434}}};
  ASSERT_TRUE(sync.apply(g, ports));
  const auto before = writes();
  const auto n = sync.apply(g, ports);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->added + n->changed + n->removed, 0u);
  EXPECT_EQ(writes(), before);
}

TEST_F(TableSyncTest, AfterARestartNothingIsWrittenAgain) {
  const Goal g = goal_of(kState);
  {
    // Not in the order of names: rows and slots have to be read, not given again.
    auto first = make();
    ASSERT_TRUE(first.apply(without(g, "blue"), {}));
    ASSERT_TRUE(first.apply(bounced(g), {{"red/a", {12, true, 1434}}}));
  }
  const auto before = writes();
  auto second = make();
  ASSERT_TRUE(second.recover());
  const auto n = second.apply(bounced(g), {{"red/a", {12, true, 1434}}});
  ASSERT_TRUE(n);
  EXPECT_EQ(n->added + n->changed + n->removed, 0u);
  EXPECT_EQ(writes(), before);
  EXPECT_EQ(second.vpc_slots().size(), 2u);
}

TEST_F(TableSyncTest, EndpointsGoAtOnceNetworksLinger) {
  auto sync = make(1h);
  const Goal g = bounced(goal_of(kState));
  ASSERT_TRUE(sync.apply(g, {}));
  const auto shard = dp.networks().get(network_key(7, *Prefix::parse("198.18.1.0/24")))->shard;
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  EXPECT_FALSE(dp.endpoints().get(red));
  EXPECT_TRUE(dp.endpoints().get(blue));
  EXPECT_TRUE(dp.vpcs().get(7));  // stale senders are still led to its hops
  EXPECT_EQ(dp.networks().entries()->size(), 2u);
  EXPECT_EQ(dp.shards().get(shard)->primary, 2u);
}

TEST_F(TableSyncTest, LingeringEnds) {
  auto sync = make(1h);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  ASSERT_TRUE(sync.apply(without(g, "red"), {}));
  ASSERT_TRUE(sync.expire());
  EXPECT_TRUE(dp.vpcs().get(7));
  ASSERT_TRUE(sync.expire(TableSync::Clock::now() + 2h));
  EXPECT_FALSE(dp.vpcs().get(7));
  EXPECT_EQ(dp.networks().entries()->size(), 1u);
  EXPECT_EQ(sync.used().at("shard-tables"), 2u);
}

TEST_F(TableSyncTest, ATableThatLingersIsNotHandedOut) {
  auto sync = make(1h);
  const Goal g = goal_of(kState);
  ASSERT_TRUE(sync.apply(g, {}));
  const auto old = dp.vpcs().get(7)->shard;
  Goal next = without(g, "red");
  ASSERT_TRUE(sync.apply(next, {}));
  next.vpcs["green"] = VpcSpec{"green", 9, {Prefix::parse("198.18.0.0/16").value(), {}}, std::nullopt};
  ASSERT_TRUE(sync.apply(next, {}));
  ASSERT_TRUE(dp.vpcs().get(9));
  EXPECT_NE(dp.vpcs().get(9)->shard, old);
}

TEST_F(TableSyncTest, WhatDoesNotFitIsRefusedBeforeAnythingIsWritten) {
  const std::pair<std::uint32_t TableSizes::*, const char*> rows[] = {
      {&TableSizes::endpoints, "--max-endpoints"},
      {&TableSizes::networks, "--max-networks"},
      {&TableSizes::vpcs, "--max-vpcs"},
      {&TableSizes::shard_tables, "--max-shard-tables"}};
  for (const auto& [size, option] : rows) {
    TableSizes s;
    s.*size = 1;
    FakeDataplane tiny(s);
    ASSERT_TRUE(tiny.load({}));
    TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
    const auto rc = sync.check(goal_of(kState));
    ASSERT_FALSE(rc) << option;
    EXPECT_EQ(rc.error().code, Code::resource_exhausted);
    EXPECT_NE(rc.error().what.find(option), std::string::npos) << rc.error().what;
  }
}

// New rows are written before old ones go, and some of those linger.
TEST_F(TableSyncTest, WhatStandsCountsOnce) {
  const struct {
    std::uint32_t TableSizes::*size;
    std::uint32_t enough;
    const char* option;
  } rows[] = {{&TableSizes::endpoints, 2, "--max-endpoints"},
              {&TableSizes::networks, 2, "--max-networks"},
              {&TableSizes::vpcs, 2, "--max-vpcs"},
              {&TableSizes::shard_tables, 4, "--max-shard-tables"}};
  const Goal g = goal_of(kState);
  Goal green = g;  // instead of red
  green.vpcs.at("red").vni = green.networks.at("red/n").vni = green.endpoints.at("red/a").vni = 9;
  for (const auto& row : rows) {
    TableSizes s;
    s.*row.size = row.enough;
    FakeDataplane tiny(s);
    ASSERT_TRUE(tiny.load({}));
    TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 1h);
    ASSERT_TRUE(sync.apply(g, {}));
    ASSERT_TRUE(sync.apply(without(g, "red"), {}));
    EXPECT_TRUE(sync.check(g)) << row.option;  // what lingers has its place
    ASSERT_TRUE(sync.apply(g, {}));
    const auto rc = sync.check(green);
    ASSERT_FALSE(rc) << row.option;
    EXPECT_NE(rc.error().what.find(row.option), std::string::npos) << rc.error().what;
  }
}

TEST_F(TableSyncTest, HostIdPastTheTableIsRefused) {
  TableSizes s;
  s.hosts = 2;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  const auto rc = sync.check(goal_of(kState));
  ASSERT_FALSE(rc);
  EXPECT_NE(rc.error().what.find("--max-hosts"), std::string::npos) << rc.error().what;
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
  EXPECT_FALSE(dp.vpcs().get(8));
  EXPECT_EQ(dp.networks().entries()->size(), 1u);
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
  ASSERT_TRUE(sync.apply(g, {}));
  EXPECT_EQ(dp.hosts().get(2)->flags, MZ_HOST_F_KNOWN | MZ_HOST_F_DOWN);
}

TEST_F(TableSyncTest, OnlyADividerMarksItsNetworks) {
  auto sync = make();
  Goal g = goal_of(kState);
  ShardTable me;
  me.fill({1, 0});
  g.vpcs["red"].dividers = me;
  g.vpcs["blue"].dividers.emplace().fill({2, 0});
  ASSERT_TRUE(sync.apply(g, {}));
  const auto row = [&](std::uint32_t vni) { return dp.networks().get(network_key(vni, *Prefix::parse("198.18.1.0/24"))); };
  EXPECT_EQ(row(7)->flags, MZ_NET_F_DIVIDER);
  EXPECT_EQ(row(8)->flags, 0u);
}

}  // namespace
