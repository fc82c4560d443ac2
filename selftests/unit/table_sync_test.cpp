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

// Every network with host 2 for a bouncer.
Goal bounced(Goal g) {
  for (auto& [key, n] : g.networks) n.bouncers.emplace().fill({2, 0});
  return g;
}

class TableSyncTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(dp.load({})); }
  // Every write to every table.
  size_t writes() {
    return dp.hosts().writes + dp.host_ids().writes + dp.shards().writes + dp.vpcs().writes +
           dp.networks().writes + dp.endpoints().writes + dp.ports().writes;
  }
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

// ---- two families -----------------------------------------------------------

constexpr const char* kDual = R"(
revision: 1
host: w1
hosts:
  - {name: w1, id: 1, address: 192.0.2.1, address6: "2001:db8::1"}
  - {name: w2, id: 2, address: 192.0.2.2, address6: "2001:db8::2"}
  - {name: w6, id: 6, address6: "2001:db8::6"}
vpcs:
  - {name: red, vni: 7, cidr: 198.18.0.0/16, cidr6: "fd00::/48"}
networks:
  - {name: n, vpc: red, cidr: 198.18.1.0/24, cidr6: "fd00:0:0:1::/64"}
  - {name: four, vpc: red, cidr: 198.18.2.0/24}
endpoints:
  - {name: a, vpc: red, network: n, address: 198.18.1.5, address6: "fd00:0:0:1::5", host: w1}
  - {name: b, vpc: red, network: n, address6: "fd00:0:0:1::6", host: w1}
  - {name: c, vpc: red, network: four, address: 198.18.2.5, host: w1}
)";

const TableSync::Ports kDualPorts = {
    {"red/a", {12, true, 1434}}, {"red/b", {13, true, 1434}}, {"red/c", {14, true, 1434}}};

template <class Table>
auto network_row(Table& networks, const char* cidr) {
  return networks.get(network_key(7, *Prefix::parse(cidr)));
}

// The goal with a block of network `from` given to network `to`.
Goal with_block(Goal g, const char* to, const char* cidr, const char* from = nullptr) {
  const Prefix p = *Prefix::parse(cidr);
  const auto slot = [&](const char* name) -> auto& {
    auto& c = g.networks.find(name)->second.cidr;
    return p.ip.is_v4() ? c.v4 : c.v6;
  };
  if (from) slot(from).reset();
  slot(to) = p;
  return g;
}

TEST_F(TableSyncTest, AnEndpointIsARowForEachAddressAndOnePort) {
  auto sync = make();
  ASSERT_TRUE(sync.apply(goal_of(kDual), kDualPorts));
  const auto at = [&](const char* ip) { return dp.endpoints().get(endpoint_key(7, *Addr::parse(ip))); };
  ASSERT_TRUE(at("198.18.1.5") && at("fd00:0:0:1::5") && at("fd00:0:0:1::6") && at("198.18.2.5"));
  EXPECT_TRUE(same_bytes(*at("198.18.1.5"), *at("fd00:0:0:1::5")));
  EXPECT_EQ(dp.endpoints().entries()->size(), 4u);

  const auto a = *dp.ports().get(12), b = *dp.ports().get(13), c = *dp.ports().get(14);
  EXPECT_EQ(a.ip4, Addr::parse("198.18.1.5")->abi().w[3]);
  EXPECT_EQ(Addr(a.ip6).text(), "fd00:0:0:1::5");
  EXPECT_EQ(a.prefix6, 64);
  EXPECT_EQ(b.ip4, 0u);
  EXPECT_EQ(Addr(b.ip6).text(), "fd00:0:0:1::6");
  EXPECT_NE(c.ip4, 0u);
  EXPECT_EQ(Addr(c.ip6), Addr());
  EXPECT_EQ(c.prefix6, 0);
}

TEST_F(TableSyncTest, APortKnowsItsGatewaysWhereTheNetworkHasRoomForOne) {
  auto sync = make();
  ASSERT_TRUE(sync.apply(goal_of(kDual), kDualPorts));
  const auto a = *dp.ports().get(12);
  EXPECT_EQ(a.gateway4, Addr::parse("198.18.1.1")->abi().w[3]);
  EXPECT_EQ(Addr(a.gateway6).text(), "fd00:0:0:1::1");
  EXPECT_EQ(Addr(dp.ports().get(14)->gateway6), Addr());

  Goal small = with_block(goal_of(kDual), "red/four", "198.18.2.4/31");
  ASSERT_TRUE(sync.apply(small, kDualPorts));
  EXPECT_EQ(dp.ports().get(14)->gateway4, 0u);
}

TEST_F(TableSyncTest, ANetworksBlocksShareOneShardTable) {
  auto sync = make();
  ASSERT_TRUE(sync.apply(goal_of(kDual), kDualPorts));
  const auto v4 = network_row(dp.networks(), "198.18.1.0/24");
  const auto v6 = network_row(dp.networks(), "fd00:0:0:1::/64");
  ASSERT_TRUE(v4 && v6);
  EXPECT_TRUE(same_bytes(*v4, *v6));
  EXPECT_NE(v4->shard, network_row(dp.networks(), "198.18.2.0/24")->shard);
  EXPECT_EQ(sync.used().at("networks"), 3u);
  EXPECT_EQ(sync.used().at("shard-tables"), 3u) << "two networks and the VPC";
}

TEST_F(TableSyncTest, ASharedShardTableIsFoundAgainAfterARestart) {
  const Goal g = goal_of(kDual);
  {
    auto first = make();
    ASSERT_TRUE(first.apply(g, kDualPorts));
  }
  auto second = make();
  ASSERT_TRUE(second.recover());
  EXPECT_EQ(second.used().at("shard-tables"), 3u);
  const auto n = second.apply(g, kDualPorts);
  ASSERT_TRUE(n);
  EXPECT_EQ(n->added + n->changed + n->removed, 0u);
  // By either of its blocks.
  for (const char* block : {"198.18.1.0/24", "fd00:0:0:1::/64"}) {
    const auto row = network_row(dp.networks(), block)->shard;
    auto third = make(1h);
    ASSERT_TRUE(third.recover());
    Goal one = g;
    one.endpoints.clear();
    auto& cidr = one.networks["red/n"].cidr;
    (Prefix::parse(block)->ip.is_v4() ? cidr.v6 : cidr.v4).reset();
    ASSERT_TRUE(third.apply(one, {}));
    EXPECT_EQ(network_row(dp.networks(), block)->shard, row);
    ASSERT_TRUE(third.apply(g, kDualPorts));
    EXPECT_EQ(network_row(dp.networks(), block)->shard, row);
  }
}

TEST_F(TableSyncTest, ABlockAddedToANetworkJoinsItsTable) {
  auto sync = make();
  const Goal g = goal_of(kDual);
  ASSERT_TRUE(sync.apply(g, kDualPorts));
  const auto old = network_row(dp.networks(), "198.18.2.0/24")->shard;
  ASSERT_TRUE(sync.apply(with_block(g, "red/four", "fd00:0:0:2::/64"), kDualPorts));
  EXPECT_EQ(network_row(dp.networks(), "198.18.2.0/24")->shard, old);
  EXPECT_EQ(network_row(dp.networks(), "fd00:0:0:2::/64")->shard, old);
}

TEST_F(TableSyncTest, ABlockThatGoesToAnotherNetworkLeavesTheTable) {
  // It goes to one that has no other, before and after the old one in order.
  for (const char* to : {"red/a", "red/z", "red/four"}) {
    auto sync = make();
    ASSERT_TRUE(sync.recover());
    Goal g = goal_of(kDual);
    g.endpoints.clear();
    Goal moved = g;
    moved.networks["red/n"].cidr.v6.reset();
    moved.networks.try_emplace(to, NetworkSpec{to + 4, "red", 7, {}, {}});
    moved.networks[to].cidr.v6 = *Prefix::parse("fd00:0:0:1::/64");
    for (Goal* goal : {&g, &moved}) {
      std::uint32_t id = 1;
      for (auto& [key, n] : goal->networks) n.bouncers.emplace().fill({id++, 0});
    }
    for (const Goal* goal : {&g, &moved, &g, &moved}) {
      ASSERT_TRUE(sync.apply(*goal, {}));
      for (const auto& [key, n] : goal->networks)
        for (const Prefix& p : n.cidr.all()) {
          const auto row = dp.networks().get(network_key(7, p));
          ASSERT_TRUE(row) << p.text();
          EXPECT_EQ(dp.shards().get(row->shard)->primary, n.bouncers->at(0).primary)
              << p.text() << " to " << to;
        }
    }
  }
}

TEST_F(TableSyncTest, ATableMergedAwayIsNotHandedOutInTheSamePass) {
  auto sync = make();
  Goal g = goal_of(kDual);
  g.endpoints.clear();
  g.networks["red/six"] = NetworkSpec{"six", "red", 7, {{}, *Prefix::parse("fd00:0:0:6::/64")}, {}};
  ASSERT_TRUE(sync.apply(g, {}));
  const auto six = network_row(dp.networks(), "fd00:0:0:6::/64")->shard;
  Goal next = with_block(g, "red/four", "fd00:0:0:6::/64", "red/six");
  next.networks.erase("red/six");
  next.networks["red/z"] = NetworkSpec{"z", "red", 7, {{}, *Prefix::parse("fd00:0:0:7::/64")}, {}};
  ASSERT_TRUE(sync.apply(next, {}));
  EXPECT_EQ(network_row(dp.networks(), "fd00:0:0:6::/64")->shard,
            network_row(dp.networks(), "198.18.2.0/24")->shard);
  EXPECT_NE(network_row(dp.networks(), "fd00:0:0:7::/64")->shard, six);
}

TEST_F(TableSyncTest, BlocksAndAddressesAreWhatHasToFit) {
  const struct {
    void (*spoil)(TableSizes&);
    const char* option;
  } rows[] = {{[](TableSizes& s) { s.endpoints = 3; }, "--max-endpoints"},
              {[](TableSizes& s) { s.networks = 2; }, "--max-networks"},
              {[](TableSizes& s) { s.shard_tables = 2; }, "--max-shard-tables"}};
  for (const auto& row : rows) {
    TableSizes s;
    s.endpoints = 4;
    s.networks = 3;
    s.shard_tables = 3;
    for (const bool spoilt : {false, true}) {
      if (spoilt) row.spoil(s);
      FakeDataplane tiny(s);
      ASSERT_TRUE(tiny.load({}));
      TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
      const auto rc = sync.check(goal_of(kDual));
      EXPECT_EQ(static_cast<bool>(rc), !spoilt) << row.option;
      const std::string said = rc ? "" : rc.error().what;
      EXPECT_EQ(said.find(row.option) != std::string::npos, spoilt) << said;
    }
  }
}

TEST_F(TableSyncTest, ANetworkSplitInTwoWantsATableMore) {
  TableSizes s;
  s.shard_tables = 3;
  FakeDataplane tiny(s);
  ASSERT_TRUE(tiny.load({}));
  TableSync sync(tiny, [](std::uint32_t, mz_host&) {}, 0ms);
  Goal g = goal_of(kDual);
  g.endpoints.clear();
  ASSERT_TRUE(sync.apply(g, {}));
  EXPECT_TRUE(sync.check(g));
  g.networks["red/n"].cidr.v6.reset();
  g.networks["red/six"] = NetworkSpec{"six", "red", 7, {{}, *Prefix::parse("fd00:0:0:1::/64")}, {}};
  EXPECT_FALSE(sync.check(g));
}

// What the tables say of hosts, as hosts with these addresses see it.
TEST_F(TableSyncTest, HostsStandUnderTheAddressOfThePairsFamily) {
  const struct {
    const char* self;
    const char *w1, *w2, *w6;  // "" = no row
  } rows[] = {{"w1", "192.0.2.1", "192.0.2.2", "2001:db8::6"},
              {"w6", "2001:db8::1", "2001:db8::2", "2001:db8::6"}};
  for (const auto& row : rows) {
    Goal g = goal_of(kDual);
    g.self = g.hosts.at(row.self);
    FakeDataplane fresh;
    ASSERT_TRUE(fresh.load({}));
    TableSync sync(fresh, [](std::uint32_t, mz_host&) {}, 0ms);
    ASSERT_TRUE(sync.apply(g, {}));
    for (const auto& [id, ip] : {std::pair(1u, row.w1), std::pair(2u, row.w2), std::pair(6u, row.w6)}) {
      EXPECT_EQ(Addr(fresh.hosts().get(id)->ip).text(), ip);
      EXPECT_EQ(fresh.host_ids().get(Addr::parse(ip)->abi()), id);
    }
    EXPECT_EQ(fresh.host_ids().entries()->size(), 3u);
  }
}

TEST_F(TableSyncTest, AHostWithoutACommonFamilyHasNoRow) {
  auto sync = make();
  Goal g = goal_of(kDual);
  g.self.address.v6.reset();
  g.hosts["w1"].address.v6.reset();
  ASSERT_TRUE(sync.apply(g, {}));
  EXPECT_EQ(dp.hosts().get(6)->flags, 0u);
  EXPECT_FALSE(dp.host_ids().get(Addr::parse("2001:db8::6")->abi()));
  ASSERT_TRUE(sync.update_host(g, 6));
  EXPECT_EQ(dp.hosts().get(6)->flags, 0u);
  // It gets one, and loses it again, with the family.
  const Goal both = goal_of(kDual);
  ASSERT_TRUE(sync.apply(both, {}));
  EXPECT_EQ(dp.hosts().get(6)->flags, MZ_HOST_F_KNOWN);
  ASSERT_TRUE(sync.apply(g, {}));
  EXPECT_EQ(dp.hosts().get(6)->flags, 0u);
  EXPECT_FALSE(dp.host_ids().get(Addr::parse("2001:db8::6")->abi()));
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
