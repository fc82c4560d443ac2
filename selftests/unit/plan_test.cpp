// SPDX-License-Identifier: Apache-2.0
// What a region makes of each host: control/model/planner.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/model/planner.h"
#include "control/model/validate.h"
#include "selftests/unit/region_world.h"
#include "userspace/base/names.h"
#include "userspace/transitd/goal.h"

namespace centaurus {
namespace {

struct Planned {
  Region region;
  std::map<std::string, mizar::Goal> goals;
};

Planned planned(const v1::Region& r) {
  auto region = parse_region(r);
  EXPECT_TRUE(region) << region.error().what;
  Planned out{*region, {}};
  const Plan plan = *make_plan(*region);
  for (size_t h = 0; h < region->hosts.size(); h++) {
    auto goal = mizar::parse_goal(goal_state(*region, plan, h));
    EXPECT_TRUE(goal) << region->hosts[h].name << ": " << goal.error().what;
    if (goal) out.goals.emplace(region->hosts[h].name, *goal);
  }
  return out;
}

template <class T>
std::string keys(const T& table) {
  std::string out;
  for (const auto& [key, value] : table) out += (out.empty() ? "" : " ") + key;
  return out;
}

TEST(Plan, EveryHostGetsWhatItNeedsAndNoMore) {
  const auto p = planned(sound());
  for (const auto& [name, goal] : p.goals) EXPECT_EQ(keys(goal.hosts), "b1 b2 d1 w1 w2") << name;
  EXPECT_EQ(p.goals.at("w1").revision, 3u);
  EXPECT_EQ(keys(p.goals.at("w1").vpcs), "a b");
  EXPECT_EQ(keys(p.goals.at("w1").networks), "a/front b/front");
  EXPECT_EQ(keys(p.goals.at("w1").endpoints), "a/web b/web");
  EXPECT_EQ(keys(p.goals.at("w2").vpcs), "a");
  EXPECT_EQ(keys(p.goals.at("w2").networks), "a/back");
  EXPECT_EQ(keys(p.goals.at("w2").endpoints), "a/db");
  EXPECT_EQ(keys(p.goals.at("d1").vpcs), "a b");
  EXPECT_EQ(keys(p.goals.at("d1").networks), "a/back a/front b/front");
  EXPECT_EQ(keys(p.goals.at("d1").endpoints), "");
}

// Dividers are asked by the first label of a name, and by address.
TEST(Plan, NamesAreAtTheirBucketsDividers) {
  auto r = sound();
  r.clear_services();
  for (int i = 6; i < 12; i++) {
    auto* d = r.add_hosts();
    d->set_name("d" + std::to_string(i));
    d->set_id(static_cast<std::uint32_t>(i));
    d->set_address("192.0.2." + std::to_string(i));
    d->add_roles("divider");
  }
  r.mutable_endpoints(0)->set_name("web.0");
  const auto p = planned(r);
  const auto& rows = *p.goals.at("w1").vpcs.at("a").dividers;
  const mz_addr ip = mizar::Addr::parse("10.0.1.2")->abi();
  const auto by_name = rows[mizar::name_bucket("web")], by_address = rows[mz_bucket(&ip)];
  const std::set<std::uint32_t> want{by_name.primary, by_name.backup, by_address.primary, by_address.backup};
  for (const auto& [host, goal] : p.goals) {
    const auto at = goal.names.find("a/web.0");
    EXPECT_EQ(at != goal.names.end(), want.contains(goal.self.id)) << host;
    if (at == goal.names.end()) continue;
    EXPECT_EQ(at->second.network, "front");
    EXPECT_EQ(at->second.address.text(), "10.0.1.2");
  }
}

// What its network does for an endpoint is told to the hosts of that network, its
// user data to its own host alone.
TEST(Plan, ServicesGoWithTheirObjects) {
  auto r = sound();
  r.mutable_vpcs(0)->set_domain("corp.example");
  r.mutable_networks(0)->add_dns("192.0.2.53");
  r.mutable_networks(0)->set_dhcp(false);
  r.mutable_networks(0)->add_routes()->set_prefix("172.16.0.0/12");
  r.mutable_endpoints(0)->set_user_data("hello");
  r.mutable_endpoints(0)->set_delivery("xdp");
  const auto p = planned(r);
  const auto& w1 = p.goals.at("w1");
  EXPECT_EQ(w1.vpcs.at("a").domain, "corp.example");
  EXPECT_EQ(w1.vpcs.at("b").domain, "");
  const auto& front = w1.networks.at("a/front").services;
  EXPECT_EQ(front.dns, std::vector<mizar::Addr>{mizar::Addr::parse("192.0.2.53").value()});
  EXPECT_FALSE(front.dhcp);
  EXPECT_EQ(front.routes.size(), 1u);
  EXPECT_EQ(w1.networks.at("b/front").services, mizar::NetworkServices());
  EXPECT_EQ(w1.endpoints.at("a/web").user_data, "hello");
  EXPECT_EQ(w1.endpoints.at("a/web").delivery, mizar::Delivery::xdp);
  EXPECT_EQ(p.goals.at("b1").endpoints.at("a/web").user_data, "");
}

TEST(Plan, EndpointsAreAtTheirBucketsBouncers) {
  const auto p = planned(sound());
  // Both bouncers share front: one is primary, the other backup.
  EXPECT_TRUE(p.goals.at("b1").endpoints.contains("a/web"));
  EXPECT_TRUE(p.goals.at("b2").endpoints.contains("a/web"));
  // One bouncer was asked for back: exactly it has the endpoint and the network.
  const auto& rows = p.goals.at("w2").networks.at("a/back").bouncers;
  ASSERT_TRUE(rows);
  const auto& serves = rows->at(0).primary == 3 ? p.goals.at("b1") : p.goals.at("b2");
  const auto& idle = rows->at(0).primary == 3 ? p.goals.at("b2") : p.goals.at("b1");
  EXPECT_EQ(rows->at(0).backup, 0u);
  EXPECT_TRUE(serves.endpoints.contains("a/db"));
  EXPECT_TRUE(serves.networks.contains("a/back"));
  EXPECT_FALSE(idle.endpoints.contains("a/db"));
  EXPECT_FALSE(idle.networks.contains("a/back"));
}

TEST(Plan, OnlyTheOwnerConnectsAnEndpoint) {
  const auto p = planned(sound());
  EXPECT_EQ(std::get<mizar::NetnsSpec>(p.goals.at("w1").endpoints.at("a/web").attach).name,
            "a-web");
  EXPECT_EQ(std::get<mizar::TapSpec>(p.goals.at("w2").endpoints.at("a/db").attach).interface,
            "t0");
  for (const auto* name : {"b1", "b2"})
    for (const auto& [key, e] : p.goals.at(name).endpoints)
      EXPECT_TRUE(std::holds_alternative<std::monostate>(e.attach)) << name << " " << key;
}

TEST(Plan, ShardTablesAgreeOnAllHosts) {
  const auto p = planned(sound());
  const auto& at_divider = p.goals.at("d1").networks.at("a/front");
  EXPECT_TRUE(at_divider == p.goals.at("w1").networks.at("a/front"));
  EXPECT_TRUE(at_divider == p.goals.at("b1").networks.at("a/front"));
  EXPECT_TRUE(p.goals.at("d1").vpcs.at("a") == p.goals.at("w2").vpcs.at("a"));
}

TEST(Plan, MacDefaultsToThatOfTheAddress) {
  const auto p = planned(sound());
  const auto& web = p.goals.at("w1").endpoints.at("b/web");
  EXPECT_EQ(web.mac, mizar::default_mac(8, *web.address.v4));
}

// Hosts of one family each meet at hops that have both; hosts that all have
// IPv6 need nothing.
TEST(Plan, HostsOfOneFamilyEach) {
  auto r = sound();
  r.mutable_hosts(1)->clear_address();
  r.mutable_hosts(1)->set_address6("2001:db8::2");
  for (int h : {2, 3, 4}) r.mutable_hosts(h)->set_address6(fmt::format("2001:db8::{}", h + 1));
  const auto p = planned(r);
  EXPECT_FALSE(p.goals.at("w1").reach(2));
  EXPECT_EQ(p.goals.at("w1").reach(3)->text(), "192.0.2.3");
  EXPECT_EQ(p.goals.at("w2").reach(3)->text(), "2001:db8::3");
  EXPECT_EQ(p.goals.at("b1").reach(2)->text(), "2001:db8::2");

  for (auto& h : *r.mutable_hosts()) h.clear_address();
  r.mutable_hosts(0)->set_address6("2001:db8::1");
  r.mutable_hosts(0)->set_address("192.0.2.1");
  EXPECT_EQ(planned(r).goals.at("w1").reach(3)->text(), "2001:db8::3");
}

// Rows of both addresses are where senders look for them: at the bouncers of
// each one's bucket.
TEST(Plan, EachAddressIsAtItsBucketsBouncers) {
  auto r = sound();
  for (int i = 0; i < 6; i++) {
    auto* h = r.add_hosts();
    h->set_name(fmt::format("b{}", i + 3));
    h->set_id(10 + i);
    h->set_address(fmt::format("192.0.2.{}", i + 10));
    h->add_roles("bouncer");
  }
  r.mutable_networks(1)->clear_bouncers();
  const auto before = planned(r);
  r.mutable_vpcs(0)->set_cidr6("fd00::/48");
  r.mutable_networks(0)->set_cidr6("fd00::/64");
  r.mutable_endpoints(0)->set_address6("fd00::2");
  const auto p = planned(r);
  const auto& rows = *p.goals.at("w1").networks.at("a/front").bouncers;
  std::set<std::uint32_t> ids{1};
  for (const char* text : {"10.0.1.2", "fd00::2"}) {
    const mz_addr ip = mizar::Addr::parse(text)->abi();
    ids.insert({rows[mz_bucket(&ip)].primary, rows[mz_bucket(&ip)].backup});
  }
  EXPECT_EQ(ids.size(), 5u) << "the addresses' buckets have other bouncers, or this proves nothing";
  for (const auto& [name, goal] : p.goals)
    EXPECT_EQ(goal.endpoints.contains("a/web"), ids.contains(goal.self.id)) << name;
  EXPECT_EQ(p.goals.at("w1").endpoints.at("a/web").address.text(), "10.0.1.2 fd00::2");
  // A second family moves no bucket and changes no MAC.
  const auto& old = *before.goals.at("w1").networks.at("a/front").bouncers;
  for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) EXPECT_EQ(old[b].primary, rows[b].primary);
  EXPECT_EQ(p.goals.at("w1").endpoints.at("a/web").mac,
            before.goals.at("w1").endpoints.at("a/web").mac);
}

TEST(Plan, AnIpv6OnlyRegion) {
  auto r = sound();
  r.clear_services();
  for (auto& h : *r.mutable_hosts()) {
    h.clear_address();
    h.set_address6(fmt::format("2001:db8::{}", h.id()));
  }
  for (auto& v : *r.mutable_vpcs()) {
    v.clear_cidr();
    v.set_cidr6("fd00::/48");
  }
  int i = 0;
  for (auto& n : *r.mutable_networks()) {
    n.clear_cidr();
    n.set_cidr6(fmt::format("fd00:0:0:{}::/64", i++ % 2));
  }
  r.mutable_endpoints(0)->clear_address();
  r.mutable_endpoints(0)->set_address6("fd00::2");
  r.mutable_endpoints(1)->clear_address();
  r.mutable_endpoints(1)->set_address6("fd00:0:0:1::2");
  r.mutable_endpoints(2)->clear_address();
  r.mutable_endpoints(2)->set_address6("fd00::2");
  const auto p = planned(r);
  EXPECT_TRUE(p.goals.at("b1").endpoints.contains("a/web"));
  EXPECT_EQ(p.goals.at("w1").endpoints.at("b/web").mac,
            mizar::default_mac(8, *mizar::Addr::parse("fd00::2")));
}

// The gateways know all of the VPC, its endpoints' hosts their own part, others nothing.
TEST(Plan, EveryHostGetsItsPartOfAGateway) {
  const auto p = planned(behind_gateway());
  const auto& at_b1 = p.goals.at("b1").gateways.at("a/out");
  EXPECT_TRUE(at_b1.serves);
  EXPECT_EQ(at_b1.addresses.size(), 2u);
  EXPECT_EQ(at_b1.pools.size(), 1u);
  EXPECT_TRUE(at_b1.networks.empty());
  EXPECT_EQ(keys(p.goals.at("b1").endpoints), "a/db a/web b/web");
  const auto& at_w1 = p.goals.at("w1").gateways.at("a/out");
  EXPECT_FALSE(at_w1.serves);
  EXPECT_TRUE(at_w1.pools.empty());
  ASSERT_EQ(at_w1.addresses.size(), 1u);
  EXPECT_EQ(at_w1.addresses[0].address.text(), "10.0.1.2");
  EXPECT_EQ(at_w1.addresses[0].ports.size(), 1024u);
  ASSERT_EQ(at_w1.forwards.size(), 1u);
  EXPECT_EQ(at_w1.forwards[0].port, 80);
  // back is a's, too, and must not be taken for outside.
  ASSERT_EQ(at_w1.networks.size(), 1u);
  EXPECT_EQ(at_w1.networks[0].text(), "10.0.2.0/24");
  ASSERT_EQ(at_w1.destinations.size(), 1u);
  EXPECT_EQ(at_w1.destinations[0].text(), "0.0.0.0/0");
  const auto& at_w2 = p.goals.at("w2").gateways.at("a/out");
  ASSERT_EQ(at_w2.addresses.size(), 1u);
  EXPECT_TRUE(at_w2.addresses[0].ports.whole());
  EXPECT_TRUE(at_w2.forwards.empty());
  EXPECT_FALSE(p.goals.at("d1").gateways.contains("a/out"));
  ASSERT_TRUE(at_w1.hosts);
  for (const auto& row : *at_w1.hosts) EXPECT_TRUE((row.primary == 3 && row.backup == 4) || (row.primary == 4 && row.backup == 3));
}

// Gateways have the service to choose from; backends' hosts know which port is whose.
TEST(Plan, AnEntryIsKnownWhereItIsChosenAndAnswered) {
  auto r = behind_gateway();
  r.mutable_gateways(0)->clear_floating();
  entry(r, "www");
  const auto p = planned(r);
  for (const char* host : {"b1", "w1", "w2"}) {
    const auto& goal = p.goals.at(host);
    EXPECT_TRUE(goal.services.contains("a/www")) << host;
    const auto& forwards = goal.gateways.at("a/out").forwards;
    const auto at = std::find_if(forwards.begin(), forwards.end(), [](const auto& x) { return x.service == "www"; });
    ASSERT_NE(at, forwards.end()) << host;
    EXPECT_EQ(at->outside_port, 80);
    EXPECT_EQ(at->address.text(), "10.0.9.1");
    EXPECT_EQ(at->port, 80);
  }
  EXPECT_FALSE(p.goals.at("d1").services.contains("a/www"));
  // Without it gateways choose nothing.
  EXPECT_FALSE(planned(behind_gateway()).goals.at("b1").services.contains("a/www"));
}

// A backend's own port is none of its outside ports, as a forwarded one is not.
TEST(Plan, RangesLeaveOutBackendsPortsOfEntries) {
  auto r = behind_gateway();
  r.mutable_gateways(0)->clear_floating();
  entry(r, "www");
  const auto range_of = [](const Planned& p) { return p.goals.at("b1").gateways.at("a/out").addresses; };
  for (const auto& a : range_of(planned(r))) {
    r.mutable_services(0)->mutable_ports(0)->set_backend_port(a.ports.first + 7);  // now in a's way
    for (const auto& other : range_of(planned(r)))
      EXPECT_FALSE(other.ports.contains(static_cast<std::uint16_t>(a.ports.first + 7))) << other.address.text();
  }
}

// Each side sees the other's part, and asks the other's dividers.
TEST(Plan, HostsOfEitherVpcKnowAPeering) {
  auto r = sound();
  auto& peering = *r.add_peerings();
  peering.set_name("trade");
  peering.set_vpc("a");
  peering.set_peer("b");
  peering.add_parts("10.0.2.0/24");
  peering.add_peer_parts("10.0.3.0/24");
  peering.set_one_way(true);
  const auto p = planned(r);
  EXPECT_EQ(keys(p.goals.at("w1").peerings), "a/trade b/trade");  // it has endpoints of both
  EXPECT_EQ(keys(p.goals.at("w2").peerings), "a/trade");
  EXPECT_TRUE(p.goals.at("b1").peerings.empty());
  EXPECT_TRUE(p.goals.at("d1").peerings.empty());
  EXPECT_EQ(keys(p.goals.at("w2").vpcs), "a b");
  EXPECT_TRUE(p.goals.at("w2").vpcs.at("b").dividers);
  const auto &a = p.goals.at("w1").peerings.at("a/trade"), &b = p.goals.at("w1").peerings.at("b/trade");
  ASSERT_EQ(a.parts.size(), 1u);
  EXPECT_EQ(a.parts[0].text(), "10.0.3.0/24");
  EXPECT_EQ(a.peer_vni, 8u);
  EXPECT_FALSE(a.answers_only);
  ASSERT_EQ(b.parts.size(), 1u);
  EXPECT_EQ(b.parts[0].text(), "10.0.2.0/24");
  EXPECT_EQ(b.peer_vni, 7u);
  EXPECT_TRUE(b.answers_only);
}

// Without parts it is all of both, which then share no address.
TEST(Plan, APeeringIsOfWholeVpcsByDefault) {
  auto r = sound();
  r.mutable_vpcs(1)->set_cidr("10.1.0.0/16");
  r.mutable_networks(2)->set_cidr("10.1.1.0/24");
  r.mutable_endpoints(2)->set_address("10.1.1.2");
  auto& peering = *r.add_peerings();
  peering.set_name("all");
  peering.set_vpc("a");
  peering.set_peer("b");
  const auto p = planned(r);
  EXPECT_EQ(p.goals.at("w2").peerings.at("a/all").parts.at(0).text(), "10.1.0.0/16");
  EXPECT_EQ(p.goals.at("w1").peerings.at("b/all").parts.at(0).text(), "10.0.0.0/16");
  EXPECT_FALSE(p.goals.at("w1").peerings.at("b/all").answers_only);
}

TEST(Plan, ARegionWithoutPoolsHasNoShards) {
  auto r = sound();
  for (int h : {2, 3, 4}) r.mutable_hosts(h)->clear_roles();
  r.mutable_networks(1)->clear_bouncers();
  const auto p = planned(r);
  EXPECT_FALSE(p.goals.at("w1").networks.at("a/front").bouncers.has_value());
  EXPECT_FALSE(p.goals.at("w1").vpcs.at("a").dividers.has_value());
  EXPECT_EQ(keys(p.goals.at("b1").vpcs), "");
}

// An endpoint is programmed to a constant number of hosts, however many there are.
TEST(Plan, AnEndpointIsOnThreeHostsAtMost) {
  v1::Region r;
  for (unsigned h = 1; h <= 40; h++) {
    auto* host = r.add_hosts();
    host->set_name(fmt::format("h{}", h));
    host->set_id(h);
    host->set_address(fmt::format("192.0.2.{}", h));
    if (h <= 12) host->add_roles("bouncer");
  }
  auto* v = r.add_vpcs();
  v->set_name("a");
  v->set_vni(1);
  v->set_cidr("10.0.0.0/8");
  auto* n = r.add_networks();
  n->set_name("n");
  n->set_vpc("a");
  n->set_cidr("10.1.0.0/16");
  for (unsigned i = 0; i < 2000; i++) {
    auto* e = r.add_endpoints();
    e->set_name(fmt::format("e{}", i));
    e->set_vpc("a");
    e->set_network("n");
    e->set_address(fmt::format("10.1.{}.{}", i / 200, i % 200 + 2));
    e->set_host(fmt::format("h{}", 13 + i % 28));
  }
  std::map<std::string, int> copies;
  size_t most = 0, least = 2000;
  for (const auto& [name, goal] : planned(r).goals) {
    for (const auto& [key, e] : goal.endpoints) copies[key]++;
    if (goal.self.id > 12) continue;
    most = std::max(most, goal.endpoints.size());
    least = std::min(least, goal.endpoints.size());
  }
  for (const auto& [key, count] : copies) EXPECT_EQ(count, 3) << key;
  EXPECT_LT(most, 3 * least) << "bouncers share the load";
}

// Who may be a client's host has to know a service; who only carries hops has not.
TEST(Services, GoToEveryHostWithEndpointsOfTheVpc) {
  const auto region = parse_region(sound());
  ASSERT_TRUE(region) << region.error().what;
  const Plan plan = *make_plan(*region);
  const int wanted[] = {1, 1, 0, 0, 0};  // w1, w2, b1, b2, d1
  for (std::size_t h = 0; h < region->hosts.size(); h++) {
    const auto goal = goal_state(*region, plan, h);
    EXPECT_EQ(goal.services_size(), wanted[h]) << goal.host();
    const auto read = mizar::parse_goal(goal);
    EXPECT_TRUE(read) << read.error().what;
  }
  const auto s = goal_state(*region, plan, 1).services(0);  // w2 has no endpoint in front
  EXPECT_EQ(s.address(), "10.0.9.1");
  EXPECT_EQ(s.sticky_seconds(), 30u);
  EXPECT_EQ(s.class_() + " " + s.priority(), "expedited medium");
  EXPECT_EQ(s.ports(0).backend_port(), 8080u);
  ASSERT_EQ(s.backends_size(), 2);
  EXPECT_EQ(s.backends(0).name() + " " + s.backends(0).address(), "web 10.0.1.2");
  EXPECT_TRUE(s.backends(0).has_weight());
  EXPECT_EQ(s.backends(0).weight(), 0u);
  EXPECT_FALSE(s.backends(1).has_weight());
}

// Who has clients asks there how the backends are.
TEST(Services, WithHealthTellWhereBackendsLive) {
  auto r = sound();
  auto region = parse_region(r);
  ASSERT_TRUE(region) << region.error().what;
  EXPECT_EQ(goal_state(*region, *make_plan(*region), 0).services(0).backends(1).host(), "") << "nobody asks";
  const auto read = mizar::parse_text("{protocol: http, path: /well, failures: 2}", "health",
                                      *r.mutable_services(0)->mutable_health());
  ASSERT_TRUE(read) << read.error().what;
  region = parse_region(r);
  ASSERT_TRUE(region) << region.error().what;
  const auto goal = mizar::parse_goal(goal_state(*region, *make_plan(*region), 0));
  ASSERT_TRUE(goal) << goal.error().what;
  const auto& s = goal->services.at("a/www");
  EXPECT_EQ(s.health, (mizar::HealthSpec{true, 8080, "/well", 1000, 1000, 1, 2}));
  ASSERT_EQ(s.backends.size(), 2u);
  EXPECT_EQ(s.backends[0].host_id, 1u);
  EXPECT_EQ(s.backends[1].host_id, 2u);
}

// A backend's address of a family that the service has not is nobody's business.
TEST(Services, BackendsAreToldInTheServicesFamilies) {
  auto r = sound();
  r.mutable_vpcs(0)->set_cidr6("fd00::/48");
  r.mutable_networks(0)->set_cidr6("fd00::/64");
  r.mutable_endpoints(0)->set_address6("fd00::2");
  const auto region = parse_region(r);
  ASSERT_TRUE(region) << region.error().what;
  EXPECT_EQ(goal_state(*region, *make_plan(*region), 0).services(0).backends(0).address6(), "");
}

}  // namespace
}  // namespace centaurus
