// SPDX-License-Identifier: Apache-2.0
// Hosts, networks and endpoints of two families in the data plane's tables, and the shard
// tables that a network's blocks share: userspace/transitd/table_sync.h.
#include "selftests/unit/sync_world.h"

using namespace mizar;
using namespace mizar::test;
using namespace std::chrono_literals;

namespace {

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

}  // namespace
