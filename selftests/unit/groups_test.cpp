// SPDX-License-Identifier: Apache-2.0
// Groups beside the data plane, and the questions endpoints are asked:
// userspace/transitd/groups.h, querier.h.
#include "userspace/transitd/groups.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "userspace/dataplane/fake_dataplane.h"
#include "userspace/proto/text.h"
#include "userspace/transitd/querier.h"

using namespace mizar;
using namespace std::chrono_literals;

namespace {

constexpr const char* kState = R"(
host: w1
hosts: [{name: w1, id: 1, address: 192.0.2.1}, {name: b1, id: 2, address: 192.0.2.2}, {name: b2, id: 3, address: 192.0.2.3}]
vpcs: [{name: red, vni: 7, cidr: 10.0.0.0/16, cidr6: "fd00:a::/32"}]
networks:
  - {name: front, vpc: red, cidr: 10.0.1.0/24, cidr6: "fd00:a:1::/64", multicast: true}
  - {name: back, vpc: red, cidr: 10.0.2.0/24, broadcast: true}
endpoints:
  - {name: a, vpc: red, network: front, address: 10.0.1.5, address6: "fd00:a:1::5", host: w1, netns: {name: a}}
  - {name: b, vpc: red, network: front, address: 10.0.1.6, host: w1, netns: {name: b}}
  - {name: c, vpc: red, network: back, address: 10.0.2.5, host: w1, netns: {name: c}}
)";
constexpr std::uint32_t kFront = 0, kBack = MZ_BUCKETS, kNow = 100000;
constexpr Groups::Patience kPatience{100, 1000};
const TableSync::Ports kPorts = {{"red/a", {11, true, 1400}}, {"red/b", {12, true, 1400}}, {"red/c", {13, true, 1400}}};
const Groups::Clock::time_point kStart{1000s};

Goal goal_of(std::uint32_t primary = 2, std::uint32_t backup = 3, bool multicast = true) {
  v1::GoalState s;
  EXPECT_TRUE(parse_text(kState, "test", s));
  s.mutable_networks(0)->set_multicast(multicast);
  for (auto& n : *s.mutable_networks())
    for (unsigned b = 0; b < MZ_BUCKETS; b++) {
      n.mutable_bouncers()->add_primary(primary);
      n.mutable_bouncers()->add_backup(backup);
    }
  auto g = parse_goal(s);
  EXPECT_TRUE(g) << g.error().what;
  return *g;
}

Addr at(const char* text) { return *Addr::parse(text); }

class GroupsTest : public testing::Test {
 protected:
  GroupsTest() {
    EXPECT_TRUE(dp.networks().put(network_key(7, *Prefix::parse("10.0.1.0/24")), mz_network{kFront, 1, MZ_NET_F_MULTICAST, 0}));
    EXPECT_TRUE(dp.networks().put(network_key(7, *Prefix::parse("10.0.2.0/24")), mz_network{kBack, 1, MZ_NET_F_BROADCAST, 0}));
  }
  static mz_group_key key(std::uint32_t network, const char* group) { return {7, network, at(group).abi()}; }
  void enter(Table<mz_group_key, mz_group>& table, const mz_group_key& k, std::uint32_t id, std::uint32_t seen = kNow) {
    mz_group all = table.get(k).value_or(mz_group{});
    for (mz_group_row& row : all.row)
      if (row.id == 0) {
        row = {id, seen};
        break;
      }
    EXPECT_TRUE(table.put(k, all));
  }
  std::vector<std::uint32_t> rows(Table<mz_group_key, mz_group>& table, const mz_group_key& k) {
    std::vector<std::uint32_t> ids;
    if (const auto all = table.get(k))
      for (const mz_group_row& row : all->row)
        if (row.id != 0) ids.push_back(row.id);
    return ids;
  }
  using Ids = std::vector<std::uint32_t>;
  FakeDataplane dp;
  Groups groups{dp};
  const mz_group_key g = key(kFront, "239.1.2.3");
};

TEST_F(GroupsTest, WhoIsSilentOrNoEndpointOfTheNetworkGoes) {
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow - 1000, kPatience));  // asks for long
  enter(dp.groups(), g, 11);
  enter(dp.groups(), g, 12, kNow - 101);  // silent
  enter(dp.groups(), g, 13);              // of another network
  enter(dp.groups(), g, 77);              // nobody's
  enter(dp.groups(), g, 11);              // twice
  enter(dp.groups(), key(kBack, "239.1.2.3"), 13);  // carries no multicast
  EXPECT_TRUE(dp.group_use().put(11, 9));
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(rows(dp.groups(), g), Ids{11});
  EXPECT_FALSE(dp.groups().get(key(kBack, "239.1.2.3")));
  EXPECT_EQ(dp.group_use().get(11), 1u);
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow + 200, kPatience));
  EXPECT_FALSE(dp.groups().get(g));
  EXPECT_EQ(dp.group_use().get(11), 0u);
}

// Nobody was asked while the daemon was away.
TEST_F(GroupsTest, SilenceCountsFromTheFirstWalk) {
  enter(dp.groups(), g, 11, kNow - 10000);
  const auto members_at = [&](std::uint32_t now) {
    EXPECT_TRUE(groups.walk(goal_of(), kPorts, now, kPatience));
    return rows(dp.groups(), g);
  };
  EXPECT_EQ(members_at(kNow), Ids{11});
  EXPECT_EQ(dp.group_use().get(11), 1u);
  EXPECT_EQ(members_at(kNow + 100), Ids{11});
  EXPECT_EQ(members_at(kNow + 101), Ids{});
  EXPECT_EQ(dp.group_use().get(11), 0u);
  const std::uint32_t later = kNow + 0x80000100u;  // half of the clock's way round
  enter(dp.groups(), g, 11, later - 101);
  EXPECT_EQ(members_at(later), Ids{});
}

TEST_F(GroupsTest, AnEarlierRunsCountGoes) {
  EXPECT_TRUE(dp.group_use().put(11, 9));
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(dp.group_use().get(11), 0u);
}

TEST_F(GroupsTest, HalfAWalkTellsNothing) {
  const auto first = key(kFront, "239.1.2.2");
  enter(dp.groups(), first, 11);
  enter(dp.groups(), g, 11);
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  const auto all = groups.tells(goal_of(), kStart);
  EXPECT_EQ(groups.used(), 4u);  // with broadcast's
  enter(dp.groups(), first, 77);  // nobody's
  dp.groups().fail_next = 1;
  ASSERT_FALSE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(groups.used(), 4u);
  const auto again = groups.tells(goal_of(), kStart + 1s);
  EXPECT_EQ(again.size(), all.size());
  for (const auto& t : again) EXPECT_TRUE(t.member);
}

TEST_F(GroupsTest, AFullTableIsWalkedAllTheSame) {
  TableSizes sizes;
  sizes.groups = 3;
  FakeDataplane small(sizes);
  EXPECT_TRUE(small.networks().put(network_key(7, *Prefix::parse("10.0.1.0/24")), mz_network{kFront, 1, MZ_NET_F_MULTICAST, 0}));
  EXPECT_TRUE(small.networks().put(network_key(7, *Prefix::parse("10.0.2.0/24")), mz_network{kBack, 1, MZ_NET_F_BROADCAST, 0}));
  Groups full(small);
  enter(small.groups(), g, 11);
  enter(small.groups(), key(kBack, "239.1.2.3"), 13);  // carries no multicast
  enter(small.groups(), key(kBack, "239.1.2.4"), 13);
  enter(small.group_hosts(), g, 99);  // of no plan
  const auto rc = full.walk(goal_of(), kPorts, kNow, kPatience);
  ASSERT_FALSE(rc);
  EXPECT_EQ(rc.error().code, Code::resource_exhausted);
  EXPECT_EQ(rows(small.groups(), g), Ids{11});
  EXPECT_FALSE(small.groups().get(key(kBack, "239.1.2.3")));
  EXPECT_FALSE(small.group_hosts().get(g));
  EXPECT_EQ(small.group_use().get(11), 1u);
  EXPECT_EQ(full.tells(goal_of(), kStart).size(), 2u);
  ASSERT_TRUE(full.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(rows(small.groups(), key(kBack, "10.0.2.255")), Ids{13});
}

// One that fails leaves the others theirs.
TEST_F(GroupsTest, ABroadcastThatFailsLeavesTheOthers) {
  dp.groups().fail_next = 1;
  ASSERT_FALSE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(groups.used(), 1u);
}

TEST_F(GroupsTest, HostsThatSayNothingGo) {
  enter(dp.group_hosts(), g, 2);
  enter(dp.group_hosts(), g, 3, kNow - 1001);
  enter(dp.group_hosts(), g, 99);  // of no plan
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(rows(dp.group_hosts(), g), Ids{2});
  ASSERT_TRUE(groups.walk(goal_of(2, 3, false), kPorts, kNow, kPatience));
  EXPECT_FALSE(dp.group_hosts().get(g));
}

TEST_F(GroupsTest, BroadcastReachesEveryEndpoint) {
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow, kPatience));
  EXPECT_EQ(rows(dp.groups(), key(kBack, "255.255.255.255")), Ids{13});
  EXPECT_EQ(rows(dp.groups(), key(kBack, "10.0.2.255")), Ids{13});
  EXPECT_FALSE(dp.groups().get(key(kFront, "255.255.255.255")));
  const auto writes = dp.groups().writes;
  ASSERT_TRUE(groups.walk(goal_of(), kPorts, kNow + 500, kPatience));  // nobody has to say anything
  EXPECT_EQ(rows(dp.groups(), key(kBack, "10.0.2.255")), Ids{13});
  EXPECT_EQ(dp.groups().writes, writes);
}

TEST_F(GroupsTest, ABroadcastThatReachesNotAllIsLoggedOnce) {
  Goal goal = goal_of();
  TableSync::Ports ports = kPorts;
  const auto c = goal.endpoints.at("red/c");
  for (unsigned i = 0; i < MZ_GROUP_ROWS; i++) {
    const std::string key = "red/c" + std::to_string(i);
    goal.endpoints.emplace(key, c);
    ports.emplace(key, LocalPort{100 + i, true, 1400});
  }
  const auto said = [&] {
    testing::internal::CaptureStderr();
    EXPECT_TRUE(groups.walk(goal, ports, kNow, kPatience));
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_NE(said().find("network red/back: broadcasts reach 128 of its endpoints here"), std::string::npos);
  EXPECT_EQ(said(), "");
  ports.erase("red/c0");
  EXPECT_EQ(said(), "");
  EXPECT_EQ(rows(dp.groups(), key(kBack, "10.0.2.255")).size(), 128u);
  ports.emplace("red/c0", LocalPort{100, true, 1400});
  EXPECT_NE(said(), "");
}

TEST_F(GroupsTest, WalksHaveAPace) {
  EXPECT_TRUE(groups.begin_walk(kStart, false));
  EXPECT_FALSE(groups.begin_walk(kStart + 999ms, false));
  EXPECT_TRUE(groups.begin_walk(kStart + 1s, false));
  groups.changed();
  EXPECT_FALSE(groups.begin_walk(kStart + 1249ms, false));
  EXPECT_TRUE(groups.begin_walk(kStart + 1250ms, false));
  EXPECT_FALSE(groups.begin_walk(kStart + 1600ms, false)) << "what changed was looked at";
  EXPECT_TRUE(groups.begin_walk(kStart + 1601ms, true));
}

TEST_F(GroupsTest, BouncersAreToldAtOnceAndAgain) {
  enter(dp.groups(), g, 11);
  const auto told = [&](const Goal& goal, std::chrono::milliseconds after) {
    EXPECT_TRUE(groups.walk(goal, kPorts, kNow, kPatience));
    std::vector<std::pair<std::uint32_t, bool>> out;
    for (const auto& t : groups.tells(goal, kStart + after)) {
      if (t.group != at("239.1.2.3")) continue;  // broadcast's
      EXPECT_EQ(t.source, at("10.0.1.0"));
      EXPECT_EQ(t.vni, 7u);
      out.emplace_back(t.host, t.member);
    }
    return out;
  };
  using Told = std::vector<std::pair<std::uint32_t, bool>>;
  const Told both = {{2, true}, {3, true}};
  EXPECT_EQ(told(goal_of(), 0s), both);
  EXPECT_EQ(told(goal_of(), 500ms), Told());
  EXPECT_EQ(told(goal_of(), 1s), both);
  EXPECT_EQ(told(goal_of(), 2s), both);
  EXPECT_EQ(told(goal_of(), 5s), Told());
  EXPECT_EQ(told(goal_of(), 12s), both);
  groups.tell_again(3);
  EXPECT_EQ(told(goal_of(), 13s), (Told{{3, true}}));
  EXPECT_EQ(told(goal_of(3, 0), 13500ms), (Told{{2, false}}));  // another plan
  EXPECT_EQ(told(goal_of(1, 3), 13600ms), Told());              // this host itself needs no telling
  EXPECT_TRUE(dp.groups().erase(g));
  EXPECT_EQ(told(goal_of(1, 3), 13700ms), (Told{{3, false}}));
}

TEST_F(GroupsTest, ACopyForNobodyIsAnswered) {
  const auto nobody = [&] { return groups.nobody(goal_of(), 7, at("10.0.1.9"), at("239.1.2.3"), 2); };
  ASSERT_TRUE(nobody());
  EXPECT_EQ(nobody()->host, 2u);
  EXPECT_FALSE(nobody()->member);
  enter(dp.groups(), g, 11);
  EXPECT_FALSE(nobody());
  EXPECT_FALSE(groups.nobody(goal_of(), 7, at("10.0.7.9"), at("239.1.2.3"), 2));
}

TEST(Querier, FramesAreWhole) {
  const auto sum = [](const std::vector<std::uint8_t>& b, std::size_t from, std::size_t to, std::uint32_t s) {
    for (std::size_t i = from; i < to; i += 2) s += static_cast<std::uint32_t>(b[i]) << 8 | b[i + 1];
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return s;
  };
  const auto igmp = igmp_query(at("10.0.1.1"), 30s, 10s);
  ASSERT_EQ(igmp.size(), 14u + 24 + 12);
  EXPECT_EQ(sum(igmp, 14, 38, 0), 0xffffu);
  EXPECT_EQ(sum(igmp, 38, 50, 0), 0xffffu);
  EXPECT_EQ(igmp[22], 1);    // TTL
  EXPECT_EQ(igmp[39], 100);  // tenths of a second
  EXPECT_EQ(igmp[47], 30);
  EXPECT_EQ(igmp_query({}, 3600s, 12800ms)[39], 0x80);  // a floating point number (RFC 3376 4.1.1)
  const auto mld = mld_query(30s, 10s);
  ASSERT_EQ(mld.size(), 14u + 40 + 8 + 28);
  EXPECT_EQ(sum(mld, 62, 90, sum(mld, 22, 54, 28 + 58)), 0xffffu);
  EXPECT_EQ(mld[21], 1);  // hop limit
}

TEST(Querier, PatienceFollowsTheInterval) {
  FakeDataplane dp;
  EXPECT_EQ(Querier(dp, 30s).patience(), 70s);
  EXPECT_EQ(Querier(dp, 2s).patience(), 5s);
}

}  // namespace
