// SPDX-License-Identifier: Apache-2.0
// A host's goal state, checked: userspace/transitd/goal.h.
#include "selftests/unit/goal_world.h"

#include <google/protobuf/util/message_differencer.h>

namespace mizar {
namespace {

TEST(Goal, ReadsEveryField) {
  const auto goal = parse_goal(sound());
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_EQ(goal->revision, 5u);
  EXPECT_EQ(goal->self.id, 1u);
  EXPECT_EQ(goal->host_names.at(2), "b1");
  EXPECT_EQ(goal->networks.at("a/front").bouncers->at(3).backup, 1u);
  EXPECT_FALSE(goal->networks.at("a/back").bouncers.has_value());
  EXPECT_FALSE(goal->vpcs.at("a").dividers.has_value());
  const auto& web = goal->endpoints.at("a/web");
  EXPECT_EQ(web.vni, 7u);
  EXPECT_EQ(web.mac, default_mac(7, *web.address.v4));
  EXPECT_TRUE(goal->local(web));
  EXPECT_EQ(std::get<NetnsSpec>(web.attach).interface, "eth0");
  const auto& db = goal->endpoints.at("a/db");
  EXPECT_EQ(mac_text(db.mac), "02:00:00:00:00:05");
  EXPECT_FALSE(goal->local(db));
  EXPECT_EQ(db.host_id, 2u);
  EXPECT_EQ(std::get<TapSpec>(goal->endpoints.at("b/web").attach).interface, "t0");
}

TEST(Goal, ReadsWhatNetworksDoForEndpoints) {
  const auto goal = parse_goal(sound());
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_EQ(goal->vpcs.at("a").domain, "");
  EXPECT_EQ(domain_or_default("", "a"), "a.internal");
  EXPECT_EQ(goal->vpcs.at("b").domain, "corp.example");
  const NetworkServices& front = goal->networks.at("a/front").services;
  EXPECT_FALSE(front.multicast || front.broadcast);
  EXPECT_TRUE(goal->networks.at("a/back").services.multicast && goal->networks.at("a/back").services.broadcast);
  ASSERT_EQ(front.dns.size(), 2u);
  EXPECT_EQ(front.dns[1].text(), "2001:db8::53");
  EXPECT_FALSE(front.dhcp);
  ASSERT_EQ(front.routes.size(), 2u);
  EXPECT_FALSE(front.routes[0].via);
  EXPECT_EQ(front.routes[1].to.text() + " " + front.routes[1].via->text(), "192.168.0.0/16 10.0.1.9");
  EXPECT_TRUE(goal->networks.at("a/back").services.dhcp);  // unless it says no
  EXPECT_EQ(goal->endpoints.at("a/web").user_data, "hello");
  EXPECT_EQ(goal->names.at("a/far").address.text(), "10.0.7.7 fd00:a:7::7");
}

TEST(Goal, ReadsServices) {
  const auto goal = parse_goal(sound());
  ASSERT_TRUE(goal) << goal.error().what;
  const ServiceSpec& s = goal->services.at("a/www");
  EXPECT_EQ(s.vni, 7u);
  EXPECT_EQ(s.address.text(), "10.0.9.1 fd00:a:9::1");
  EXPECT_EQ(s.sticky_seconds, 60u);
  EXPECT_EQ(s.level, MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 0u));
  ASSERT_EQ(s.ports.size(), 2u);
  EXPECT_EQ(s.ports[0].backend_port, 8080);
  EXPECT_EQ(s.ports[1].backend_port, 80) << "the port itself, unless it says";
  ASSERT_EQ(s.backends.size(), 3u);
  EXPECT_EQ(s.backends[0].weight, 3u);
  EXPECT_EQ(s.backends[1].weight, 1u);
  EXPECT_EQ(s.backends[1].address.text(), "fd00:a:6::2");
  EXPECT_EQ(s.backends[2].weight, 0u);
  auto again = parse_goal(to_state(*goal));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(again->services, goal->services);
}

TEST(Goal, ReadsHealth) {
  auto s = sound();
  EXPECT_FALSE(parse_goal(s)->services.at("a/www").health) << "unless it says";
  auto* service = s.mutable_services(0);
  for (auto& b : *service->mutable_backends()) b.set_host("b1");
  service->mutable_health()->set_protocol("tcp");
  auto goal = parse_goal(s);
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_EQ(goal->services.at("a/www").health, (HealthSpec{false, 8080, "/", 1000, 1000, 1, 3}));
  EXPECT_EQ(goal->services.at("a/www").backends[1].host_id, 2u);
  const auto read = parse_text("{protocol: http, port: 81, path: \"/well?a=b\", interval_ms: 200, timeout_ms: 300, passes: 2, failures: 4}",
                               "health", *service->mutable_health());
  ASSERT_TRUE(read) << read.error().what;
  goal = parse_goal(s);
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_EQ(goal->services.at("a/www").health, (HealthSpec{true, 81, "/well?a=b", 200, 300, 2, 4}));
  auto again = parse_goal(to_state(*goal));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(again->services, goal->services);
}

TEST(Goal, ReadsBothFamilies) {
  const auto goal = parse_goal(sound());
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_FALSE(goal->self.address.v6);
  EXPECT_EQ(goal->hosts.at("b1").address.text(), "192.0.2.2 2001:db8::2");
  EXPECT_EQ(goal->vpcs.at("a").cidr.text(), "10.0.0.0/16 fd00:a::/32");
  EXPECT_EQ(goal->networks.at("a/six").cidr.text(), "fd00:a:6::/64");
  EXPECT_EQ(goal->endpoints.at("a/both").address.text(), "10.0.1.3 fd00:a:1::3");
  EXPECT_EQ(goal->endpoints.at("a/both").mac, default_mac(7, *Addr::parse("10.0.1.3")));
  EXPECT_EQ(goal->endpoints.at("a/six").mac, default_mac(7, *Addr::parse("fd00:a:6::2")));
  EXPECT_EQ(to_state(*goal).endpoints(0).address6(), "fd00:a:1::3");
}

// Two hosts and what they have: how this one reaches the other.
TEST(Goal, APairOfHostsTalksOverOneFamily) {
  const struct {
    const char *self4, *self6, *peer4, *peer6, *reach;
    unsigned overhead;
  } rows[] = {
      {"192.0.2.1", "", "192.0.2.2", "", "192.0.2.2", MZ_OVERHEAD4},
      {"192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2", "192.0.2.2", MZ_OVERHEAD4},
      {"192.0.2.1", "2001:db8::1", "192.0.2.2", "", "192.0.2.2", MZ_OVERHEAD4},
      {"192.0.2.1", "2001:db8::1", "", "2001:db8::2", "2001:db8::2", MZ_OVERHEAD6},
      {"", "2001:db8::1", "192.0.2.2", "2001:db8::2", "2001:db8::2", MZ_OVERHEAD6},
      {"", "2001:db8::1", "", "2001:db8::2", "2001:db8::2", MZ_OVERHEAD6},
      {"192.0.2.1", "", "", "2001:db8::2", "", MZ_OVERHEAD6},
      {"", "2001:db8::1", "192.0.2.2", "", "", MZ_OVERHEAD6},
  };
  for (const auto& row : rows) {
    v1::GoalState s;
    s.set_host("w1");
    for (const char* name : {"w1", "w2"}) {
      const bool self = name == std::string("w1");
      auto* h = s.add_hosts();
      h->set_name(name);
      h->set_id(self ? 1 : 2);
      h->set_address(self ? row.self4 : row.peer4);
      h->set_address6(self ? row.self6 : row.peer6);
    }
    const auto goal = parse_goal(s);
    ASSERT_TRUE(goal) << goal.error().what;
    const auto at = goal->reach(2);
    EXPECT_EQ(at ? at->text() : "", row.reach);
    EXPECT_EQ(goal->overhead(), row.overhead);
    EXPECT_FALSE(goal->reach(3));
  }
}

TEST(Goal, MessageOfAGoalIsTheSameGoal) {
  const auto goal = parse_goal(sound());
  ASSERT_TRUE(goal);
  const auto again = parse_goal(to_state(*goal));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(goal->hosts, again->hosts);
  EXPECT_EQ(goal->vpcs, again->vpcs);
  EXPECT_EQ(goal->networks, again->networks);
  EXPECT_EQ(goal->endpoints, again->endpoints);
  EXPECT_EQ(goal->names, again->names);
  EXPECT_EQ(again->peerings.at("a/trade").peer_vni, 8u);
  EXPECT_TRUE(again->peerings.at("a/trade").answers_only);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(to_state(*goal),
                                                                 to_state(*again)));
}

TEST(Goal, SameAddressInTwoVpcsIsFine) { EXPECT_TRUE(parse_goal(sound())); }

// Group web of VPC a, whose rule names group `peer`; a/web is a member of `member`.
v1::GoalState with_groups(const char* member, const char* peer) {
  auto s = sound();
  v1::GoalState more;
  const auto read = parse_text(fmt::format(R"(policies:
  - {{vpc: a, name: web, ingress: true, egress: true, source: "p.yaml:3", namespaces: {{}},
     pods: {{all: [{{key: security-group.centaurus/web, op: EXISTS}}]}},
     ingress_rules: [{{name: https, peers: {{any: [{{namespaces: {{}}, pods: {{all: [{{key: security-group.centaurus/{}, op: EXISTS}}]}}}}]}}}}]}}
)",
                                           peer),
                               "groups", more);
  EXPECT_TRUE(read) << read.error().what;
  s.MergeFrom(more);
  s.mutable_endpoints(0)->add_security_groups(member);
  return s;
}

TEST(Goal, ReadsSecurityGroups) {
  const auto goal = parse_goal(with_groups("web", "web"));
  ASSERT_TRUE(goal) << goal.error().what;
  EXPECT_TRUE(goal->policy.at("a").policies.contains("security-group:web"));
  EXPECT_EQ(pod_of(goal->endpoints.at("a/web")).labels.count("security-group.centaurus/web"), 1u);
  const auto again = parse_goal(to_state(*goal));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ(again->endpoints.at("a/web").labels, goal->endpoints.at("a/web").labels);
  EXPECT_EQ(again->policy, goal->policy);
  // One of another kind with its name stands beside it.
  auto s = with_groups("web", "web");
  auto* top = s.add_policies();
  top->set_vpc("a"), top->set_name("web"), top->set_tier(v1::Policy::ADMIN), top->mutable_namespaces();
  EXPECT_TRUE(parse_goal(s));
  *s.add_policies() = s.policies(0);
  EXPECT_EQ(parse_goal(s).error().what, "policy a/security-group:web: name: another policy has the same");
}

TEST(Goal, SecurityGroupsThatAreNamedExist) {
  const auto unknown = parse_goal(with_groups("web", "lb"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::invalid_argument);
  EXPECT_EQ(unknown.error().what, "p.yaml:3: SecurityGroup web: https: 'lb' is no security group of vpc a; write it, or take the peer out");
  const auto member = parse_goal(with_groups("lb", "web"));
  ASSERT_FALSE(member);
  EXPECT_EQ(member.error().code, Code::invalid_argument);
  EXPECT_EQ(member.error().what, "endpoint a/web: security_groups: 'lb' is no security group of vpc a");
  auto other = with_groups("web", "web");
  other.mutable_policies(0)->set_vpc("b");
  EXPECT_EQ(parse_goal(other).error().what, "endpoint a/web: security_groups: 'web' is no security group of vpc a") << "another VPC's";
}

TEST(Goal, PointToPointNetworksHaveNoBroadcast) {
  auto s = sound();
  s.mutable_networks(1)->set_cidr("10.0.2.2/31");
  EXPECT_TRUE(parse_goal(s));
  s.mutable_networks(3)->set_cidr6("fd00:a:6::2/127");
  EXPECT_TRUE(parse_goal(s));
}

// IPv6 has no broadcast; the last address is one like any other.
TEST(Goal, LastAddressOfAnIpv6Network) {
  auto s = sound();
  s.mutable_endpoints(4)->set_address6("fd00:a:6:0:ffff:ffff:ffff:ffff");
  EXPECT_TRUE(parse_goal(s));
}

}  // namespace
}  // namespace mizar
