// SPDX-License-Identifier: Apache-2.0
// Policies, namespaces and label sets as messages, and the numbers of label sets.
#include "userspace/policy/message.h"

#include <gtest/gtest.h>

#include <functional>

#include "bpf/abi/policy.h"
#include "bpf/abi/qos.h"
#include "userspace/policy/label_numbers.h"
#include "userspace/policy/security_group.h"
#include "userspace/policy/yaml.h"
#include "userspace/proto/text.h"

namespace mizar::policy {
namespace {

constexpr const char* kAll = R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [web, api]}, {key: old, operator: DoesNotExist}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - {podSelector: {}, namespaceSelector: {matchLabels: {team: a}}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports: [{port: 80}, {port: 8000, endPort: 8010, protocol: UDP}, {port: http}, {protocol: SCTP}]
  - {}
  egress: []
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: top}
spec:
  tier: Admin
  priority: 7
  subject: {pods: {namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b]}]}, podSelector: {}}}
  ingress: [{name: watchers, action: Pass, from: [{namespaces: {}}]}]
  egress: [{action: Deny, to: [{networks: ["fd00::/8"]}], protocols: [{tcp: {destinationPort: {number: 25}}}]}]
---
apiVersion: centaurus/v1
kind: SecurityGroup
metadata: {name: web}
spec:
  ingress: [{name: https, protocol: tcp, ports: {first: 443}, from: [{cidr: 0.0.0.0/0}, {group: lb}]}, {from: [{group: self}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
)";

Parsed all() {
  std::vector<std::string> warnings;
  auto p = parse_policies(kAll, "p.yaml", warnings);
  EXPECT_TRUE(p) << p.error().what;
  return *p;
}

TEST(PolicyMessage, WhatIsReadFromYamlComesThroughAMessageAsItWas) {
  const Parsed p = all();
  ASSERT_EQ(p.policies.size(), 3u);
  for (const Policy& one : p.policies) {
    const v1::Policy m = to_message("red", one);
    EXPECT_EQ(m.vpc(), "red");
    EXPECT_EQ(full_name(m), full_name(one));
    const auto back = parse_policy(m);
    ASSERT_TRUE(back) << back.error().what;
    EXPECT_EQ(*back, one) << full_name(one);
    // And through the text of a goal state.
    v1::Policy read;
    ASSERT_TRUE(parse_text(to_yaml(m), "t", read));
    EXPECT_EQ(*parse_policy(read), one) << to_yaml(m);
  }
  EXPECT_EQ(*parse_namespace(to_message("red", p.namespaces[0])), p.namespaces[0]);
}

TEST(PolicyMessage, LabelSetsComeThroughAsTheyWere) {
  const LabelSet set{"shop", {{"team", "a"}}, {{"app", "web"}, {"tier", ""}}, {{"http", {6, 80}}}};
  const v1::LabelSet m = to_message("red", 7, set);
  EXPECT_EQ(m.id(), 7u);
  EXPECT_EQ(*parse_label_set(m), set);
  v1::LabelSet read;
  ASSERT_TRUE(parse_text(to_yaml(m), "t", read)) << to_yaml(m);
  EXPECT_EQ(*parse_label_set(read), set) << to_yaml(m);
}

struct Change {
  const char* want;
  std::function<void(v1::Policy&)> make;
};

// A policy is sound, and is refused for each of these changes.
void expect_named(const Policy& sound, const std::vector<Change>& changes) {
  const v1::Policy good = to_message("red", sound);
  ASSERT_TRUE(parse_policy(good));
  for (const Change& c : changes) {
    v1::Policy m = good;
    c.make(m);
    const auto rc = parse_policy(m);
    ASSERT_FALSE(rc) << c.want;
    EXPECT_EQ(rc.error().code, Code::invalid_argument);
    EXPECT_NE(rc.error().what.find(c.want), std::string::npos) << rc.error().what << ", wanted: " << c.want;
  }
}

v1::PolicyRule& first_rule(v1::Policy& p) { return *p.mutable_ingress_rules(0); }

TEST(PolicyMessage, WhatIsNotSoundIsNamed) {
  expect_named(all().policies[0], {
      {"name: 'No' is not a name", [](auto& p) { p.set_name("No"); }},
      {"namespace: '' is not a namespace", [](auto& p) { p.clear_namespace_(); }},
      {"tier: 9 is not known", [](auto& p) { p.set_tier(static_cast<v1::Policy::Tier>(9)); }},
      {"priority: a NETWORK policy has none", [](auto& p) { p.set_priority(1); }},
      {"namespaces: a NETWORK policy is about its own", [](auto& p) { p.mutable_namespaces(); }},
      {"ingress: neither this nor egress", [](auto& p) { p.set_ingress(false), p.set_egress(false); }},
      {"namespace: of tier NETWORK alone", [](auto& p) { p.set_tier(v1::Policy::ADMIN); }},
      {"pods: all[0]: key: '!' is not a label's key", [](auto& p) { p.mutable_pods()->mutable_all(0)->set_key("!"); }},
      {"pods: all[0]: values: there is none", [](auto& p) { p.mutable_pods()->mutable_all(0)->clear_values(); }},
      {"pods: all[1]: values: there are some", [](auto& p) { p.mutable_pods()->mutable_all(1)->add_values("x"); }},
      {"pods: all[0]: values: no label has the value", [](auto& p) { p.mutable_pods()->mutable_all(0)->set_values(0, "/"); }},
      {"take one of the demands out",
       [](auto& p) {
         auto* r = p.mutable_pods()->add_all();
         r->set_key("old"), r->set_op(v1::Requirement::EXISTS);
       }},
      {"ingress_rules[0]: verdict: DENY is none of a NETWORK", [](auto& p) { first_rule(p).set_verdict(v1::PolicyRule::DENY); }},
      {"peers.any[0]: names nobody", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(0)->Clear(); }},
      {"peers.any[1]: block: excludes the selectors", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(1)->mutable_pods(); }},
      {"peers.any[1]: block: cidr: ", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(1)->mutable_block()->set_cidr("10.0.0.1/8"); }},
      {"except: 11.0.0.0/8 is not inside",
       [](auto& p) { first_rule(p).mutable_peers()->mutable_any(1)->mutable_block()->set_except(0, "11.0.0.0/8"); }},
      {"ports.any[0]: protocol: 'icmp' must be", [](auto& p) { first_rule(p).mutable_ports()->mutable_any(0)->set_protocol("icmp"); }},
      {"ports.any[1]: last: 8010 is below first, 9000", [](auto& p) { first_rule(p).mutable_ports()->mutable_any(1)->set_first(9000); }},
      {"ports.any[1]: last: is above 65535", [](auto& p) { first_rule(p).mutable_ports()->mutable_any(1)->set_last(65536); }},
      {"ports.any[2]: name: 'Http' is no port's name", [](auto& p) { first_rule(p).mutable_ports()->mutable_any(2)->set_name("Http"); }},
  });
  v1::Policy top = to_message("red", all().policies[1]);
  top.set_priority(1001);
  EXPECT_NE(parse_policy(top).error().what.find("priority: 1001 is not in 0..1000"), std::string::npos);
  top.set_priority(1);
  top.clear_namespaces();
  EXPECT_NE(parse_policy(top).error().what.find("namespaces: is missing"), std::string::npos);
}

TEST(PolicyMessage, ASecurityGroupSaysNothingElse) {
  expect_named(all().policies[2], {
      {"name: 'a.b' is not a security group's name", [](auto& p) { p.set_name("a.b"); }},
      {"name: 'self' is what rules call", [](auto& p) { p.set_name("self"); }},
      {"namespace: '' is not a namespace", [](auto& p) { p.clear_namespaces(); }},
      {"namespaces: a NETWORK policy is about its own", [](auto& p) { p.set_namespace_("shop"); }},
      {"namespaces: a security group is of all of them", [](auto& p) { p.mutable_namespaces()->add_all()->set_key("team"); }},
      {"priority: a NETWORK policy has none", [](auto& p) { p.set_priority(1); }},
      {"egress: a security group isolates both", [](auto& p) { p.set_egress(false); }},
      {"egress: a security group isolates both", [](auto& p) { p.set_ingress(false); }},
      {"pods: must be security-group.centaurus/NAME", [](auto& p) { p.clear_pods(); }},
      {"pods: must be security-group.centaurus/NAME", [](auto& p) { p.mutable_pods()->mutable_all(0)->set_key("web"); }},
      {"pods: must be security-group.centaurus/NAME", [](auto& p) { p.mutable_pods()->mutable_all(0)->set_op(v1::Requirement::DOES_NOT_EXIST); }},
      {"pods: are members of 'lb', not of 'web'", [](auto& p) { p.mutable_pods()->mutable_all(0)->set_key("security-group.centaurus/lb"); }},
      {"ingress_rules[0]: peers: there is none", [](auto& p) { first_rule(p).clear_peers(); }},
      {"ingress_rules[0]: ports: 'http' is a name", [](auto& p) { first_rule(p).mutable_ports()->mutable_any(0)->set_name("http"); }},
      {"ingress_rules[0]: verdict: DENY", [](auto& p) { first_rule(p).set_verdict(v1::PolicyRule::DENY); }},
      {"peers.any[0]: block: cidr: ", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(0)->mutable_block()->set_cidr("10.0.0.1/8"); }},
      {"peers.any[1]: namespaces: must be there", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(1)->clear_namespaces(); }},
      {"peers.any[1]: pods: must be", [](auto& p) { first_rule(p).mutable_peers()->mutable_any(1)->mutable_pods()->mutable_all(0)->set_key("app"); }},
  });
}

// "": it is none.
template <class T>
std::string why(const Result<T>& r) {
  return r ? "" : r.error().what;
}

// Nobody's labels, and no selector of others, say who is a member.
TEST(PolicyMessage, LabelsOfSecurityGroupsAreNobodysOwn) {
  const std::string key = "security-group.centaurus/web", kept = "is kept for members of security groups";
  v1::EndpointLabels e;
  (*e.mutable_labels())[key] = "";
  EXPECT_NE(why(parse_pod_labels(e)).find(kept), std::string::npos);
  v1::Namespace n;
  n.set_name("shop");
  (*n.mutable_labels())[key] = "";
  EXPECT_NE(why(parse_namespace(n)).find(kept), std::string::npos);
  for (const std::size_t i : {0, 1}) {
    v1::Policy p = to_message("red", all().policies[i]);
    auto* r = p.mutable_pods()->add_all();
    r->set_key(key), r->set_op(v1::Requirement::EXISTS);
    EXPECT_NE(why(parse_policy(p)).find(kept), std::string::npos) << i;
  }
  v1::Policy p = to_message("red", all().policies[0]);
  p.mutable_ingress_rules(0)->mutable_peers()->mutable_any(0)->mutable_pods()->add_all()->set_key(key);
  EXPECT_NE(why(parse_policy(p)).find(kept), std::string::npos) << "a peer";
}

TEST(PolicyMessage, MembershipIsALabel) {
  v1::EndpointLabels m;
  (*m.mutable_labels())["app"] = "web";
  m.add_security_groups("web");
  m.add_security_groups("lb");
  const auto labels = parse_pod_labels(m);
  ASSERT_TRUE(labels) << labels.error().what;
  EXPECT_EQ(labels->labels, (Labels{{"app", "web"}, {"security-group.centaurus/lb", ""}, {"security-group.centaurus/web", ""}}));
  v1::EndpointLabels back;
  write_pod_labels(*labels, back);
  EXPECT_EQ(back.labels_size(), 1);
  ASSERT_EQ(back.security_groups_size(), 2);
  EXPECT_EQ(back.security_groups(0) + " " + back.security_groups(1), "lb web");
  EXPECT_EQ(*parse_pod_labels(back), *labels);
  m.add_security_groups("web");
  EXPECT_EQ(why(parse_pod_labels(m)), "security_groups[2]: 'web' is given twice");
  m.set_security_groups(2, "W");
  EXPECT_NE(why(parse_pod_labels(m)).find("security_groups[2]: 'W' is not a security group's name"), std::string::npos);
  // In label sets it stands beside the others.
  const LabelSet set{"", {}, {{"app", "web"}, {"security-group.centaurus/lb", ""}, {"security-group.centaurus/web", ""}}, {}};
  EXPECT_EQ(set.text(), "pod(app=web) group(lb,web)");
  v1::LabelSet s = to_message("red", 7, set);
  EXPECT_EQ(*parse_label_set(s), set);
  (*s.mutable_labels())["security-group.centaurus/lb"] = "1";
  EXPECT_NE(why(parse_label_set(s)).find("has a value, which membership has not"), std::string::npos);
  s.mutable_labels()->erase("security-group.centaurus/lb");
  (*s.mutable_labels())["security-group.centaurus/L"] = "";
  EXPECT_NE(why(parse_label_set(s)).find("labels: 'L' is not a security group's name"), std::string::npos);
}

TEST(PolicyMessage, LabelsOfAnEndpointAreChecked) {
  v1::EndpointLabels m;
  EXPECT_EQ(parse_pod_labels(m)->ns, "default");
  m.set_namespace_("Shop");
  EXPECT_NE(parse_pod_labels(m).error().what.find("namespace: 'Shop'"), std::string::npos);
  m.set_namespace_("shop");
  (*m.mutable_labels())["app"] = "we b";
  EXPECT_NE(parse_pod_labels(m).error().what.find("labels[app]"), std::string::npos);
  (*m.mutable_labels())["app"] = "web";
  auto* port = m.add_ports();
  port->set_name("http"), port->set_protocol("tcp");
  EXPECT_NE(parse_pod_labels(m).error().what.find("ports[0].port: 0 is not in 1..65535"), std::string::npos);
  port->set_port(80);
  ASSERT_TRUE(parse_pod_labels(m));
  *m.add_ports() = *port;
  EXPECT_NE(parse_pod_labels(m).error().what.find("ports[1].name: another port has the same"), std::string::npos);
}

// What only a message can say, or leave out.
TEST(PolicyMessage, NumbersOfEnumerationsAndPortsAreChecked) {
  const struct {
    const char* want;  // "": it is sound
    std::size_t policy;
    std::function<void(v1::Policy&)> change;
  } cases[] = {
      {"all[0]: op: 9 is not known", 0, [](auto& p) { p.mutable_pods()->mutable_all(0)->set_op(static_cast<v1::Requirement::Op>(9)); }},
      {"except: 10.0.0.0/8 is not inside", 0,
       [](auto& p) { p.mutable_ingress_rules(0)->mutable_peers()->mutable_any(1)->mutable_block()->set_except(0, "10.0.0.0/8"); }},
      {"block: excludes the selectors", 0, [](auto& p) { p.mutable_ingress_rules(0)->mutable_peers()->mutable_any(1)->mutable_namespaces(); }},
      {"last: is above 65535", 0, [](auto& p) { p.mutable_ingress_rules(0)->mutable_ports()->mutable_any(1)->set_first(70000); }},
      {"", 0, [](auto& p) { p.set_ingress(false); }},
      {"ingress_rules[0]: verdict: 9 is not known", 1, [](auto& p) { p.mutable_ingress_rules(0)->set_verdict(static_cast<v1::PolicyRule::Verdict>(9)); }},
      {"priority: -1 is not in 0..1000", 1, [](auto& p) { p.set_priority(-1); }},
      {"", 1, [](auto& p) { p.set_priority(1000); }},
      {"pods: must be security-group", 2, [](auto& p) { *p.mutable_pods()->add_all() = p.pods().all(0); }},
      {"pods: must be security-group", 2, [](auto& p) { p.mutable_pods()->mutable_all(0)->add_values("x"); }},
      {"'L_B' is not a security group's name", 2,
       [](auto& p) { p.mutable_ingress_rules(0)->mutable_peers()->mutable_any(1)->mutable_pods()->mutable_all(0)->set_key("security-group.centaurus/L_B"); }},
      {"namespaces: must be there, and empty", 2,
       [](auto& p) { p.mutable_ingress_rules(0)->mutable_peers()->mutable_any(1)->mutable_namespaces()->add_all()->set_key("team"); }},
      {"", 2, [](auto& p) { p.mutable_ingress_rules(0)->set_class_("premium"); }},
      {"ingress_rules[0]: class: \"gold\": must be one of", 0, [](auto& p) { p.mutable_ingress_rules(0)->set_class_("gold"); }},
      {"ingress_rules[0]: class: only of rules that allow", 1,
       [](auto& p) { p.mutable_ingress_rules(0)->set_verdict(v1::PolicyRule::DENY), p.mutable_ingress_rules(0)->set_priority("high"); }},
      {"peers: there is none", 2, [](auto& p) { p.mutable_ingress_rules(0)->mutable_peers()->clear_any(); }}};
  for (const auto& c : cases) {
    v1::Policy m = to_message("red", all().policies[c.policy]);
    c.change(m);
    const std::string got = why(parse_policy(m));
    EXPECT_TRUE(*c.want == 0 ? got.empty() : got.find(c.want) != std::string::npos) << got << ", wanted: " << c.want;
  }
}

// An empty list is of nobody, and none of everybody.
TEST(PolicyMessage, EmptyListsAreNotMissingOnes) {
  Policy p = all().policies[0];
  p.ingress_rules[0].peers.emplace().clear();
  p.ingress_rules[0].ports.emplace().clear();
  p.ingress_rules[1].peers.reset(), p.ingress_rules[1].ports.reset();
  p.ingress_rules[0].level = MZ_LEVEL(MZ_CLASS_EXPEDITED, 2);
  const auto back = parse_policy(to_message("red", p));
  ASSERT_TRUE(back) << back.error().what;
  EXPECT_EQ(*back, p);
  EXPECT_EQ(to_message("red", all().policies[0]).ingress_rules(0).ports().any(2).last(), 0u) << "a port with a name has no number";
  Policy group = all().policies[2];
  group.egress_rules.push_back(group.ingress_rules[0]);
  group.ingress_rules.clear();
  EXPECT_EQ(*parse_policy(to_message("red", group)), group);
}

TEST(PolicyMessage, LabelSetsAreChecked) {
  const LabelSet good{"shop", {{"team", "a"}}, {{"app", "web"}}, {{"http", {6, 80}}}};
  const struct {
    const char* want;
    void (*change)(v1::LabelSet&);
  } cases[] = {{"namespace: 'Shop'", [](auto& s) { s.set_namespace_("Shop"); }},
               {"namespace_labels[team]", [](auto& s) { (*s.mutable_namespace_labels())["team"] = "a b"; }},
               {"labels[app]", [](auto& s) { (*s.mutable_labels())["app"] = "w b"; }},
               {"ports[0].name: 'Http'", [](auto& s) { s.mutable_ports(0)->set_name("Http"); }},
               {"ports[0].protocol: 'icmp'", [](auto& s) { s.mutable_ports(0)->set_protocol("icmp"); }},
               {"ports[0].port: 65616 is not in 1..65535", [](auto& s) { s.mutable_ports(0)->set_port(65616); }}};
  for (const auto& c : cases) {
    v1::LabelSet m = to_message("red", 7, good);
    c.change(m);
    EXPECT_NE(why(parse_label_set(m)).find(c.want), std::string::npos) << why(parse_label_set(m)) << ", wanted: " << c.want;
  }
  v1::Namespace n;
  n.set_name("Shop");
  EXPECT_NE(why(parse_namespace(n)).find("name: 'Shop'"), std::string::npos);
}

TEST(PolicyMessage, OneDemandAloneIsOfAGroup) {
  Selector web = members_of("web");
  EXPECT_EQ(group_of(web), "web");
  web.all[0].op = Op::does_not_exist;
  EXPECT_EQ(group_of(web), std::nullopt);
  web = members_of("web");
  web.all.push_back({"app", Op::exists, {}});
  EXPECT_EQ(group_of(web), std::nullopt);
  EXPECT_EQ(group_of_key("security-group.centaurus.example/web"), std::nullopt) << "somebody's own";
  // A rule without peers hides none behind it.
  Policy p{.name = "lb", .ingress_rules = {{.name = "any"}, {.name = "web", .peers = {{{.namespaces = Selector{}, .pods = members_of("web")}}}}}};
  EXPECT_EQ(why(check_references("red", p, [](const std::string&) { return false; })),
            "SecurityGroup lb: web: 'web' is no security group of vpc red; write it, or take the peer out");
}

// ---- numbers ------------------------------------------------------------------------

LabelSet set(const std::string& app) { return {"", {}, {{"app", app}}, {}}; }

std::uint32_t number_of(const LabelNumbers& n, const LabelSet& s) {
  for (const auto& [number, set] : n.all())
    if (set == s) return number;
  return 0;
}

TEST(LabelNumbers, ASetKeepsItsNumber) {
  const auto one = number_sets({}, {set("a"), set("b")});
  EXPECT_EQ(one.sets.size(), 2u);
  EXPECT_TRUE(one.leaving.empty());
  const auto two = number_sets(one, {set("b"), set("c")});
  EXPECT_EQ(number_of(two, set("b")), number_of(one, set("b")));
  EXPECT_EQ(two.sets.size(), 2u);
  EXPECT_EQ(two.leaving, (std::map<std::uint32_t, LabelSet>{{number_of(one, set("a")), set("a")}})) << "packets still have it";
  EXPECT_EQ(two.all().size(), 3u);
  const auto three = number_sets(two, {set("a")});
  EXPECT_EQ(three.sets, two.leaving) << "it was not gone";
  EXPECT_TRUE(number_sets(number_sets(three, {}), {}).all().empty());
  EXPECT_EQ(number_sets({}, {set("a"), set("x")}).sets.count(number_of(one, set("a"))), 1u) << "the same without what was before";
}

TEST(LabelNumbers, ANumberThatIsTakenIsPassedOver) {
  const std::uint32_t a = number_of(number_sets({}, {set("a")}), set("a"));
  const auto now = number_sets({{{a, set("b")}}, {{a + 1, set("c")}}}, {set("a"), set("b")});
  EXPECT_EQ(number_of(now, set("b")), a);
  EXPECT_EQ(number_of(now, set("a")), a + 2) << "a + 1 was given up a step ago";
  const auto later = number_sets({{}, {{a, set("b")}}}, {set("a")});
  EXPECT_EQ(number_of(later, set("a")), a + 1);
  EXPECT_EQ(number_of(number_sets({{{a, set("b")}}, {}}, {set("a")}), set("a")), a + 1) << "a is given up now";
}

// Two whose hashes are the numbers that nobody has.
TEST(LabelNumbers, NoSetIsNumberedAsNobody) {
  EXPECT_EQ(number_of(number_sets({}, {set("dzehjxx")}), set("dzehjxx")), 1u) << "0";
  EXPECT_EQ(number_of(number_sets({}, {set("ar3jhwm")}), set("ar3jhwm")), 1u) << "MZ_LABEL_UNKNOWN, and behind it 0";
}

}  // namespace
}  // namespace mizar::policy
