// SPDX-License-Identifier: Apache-2.0
// Policies as Kubernetes writes them: what is read, and what is refused and why.
#include "userspace/policy/yaml.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "bpf/abi/qos.h"

namespace mizar::policy {
namespace {

Parsed parsed(const std::string& text) {
  std::vector<std::string> warnings;
  auto r = parse_policies(text, "p.yaml", warnings);
  EXPECT_TRUE(r) << r.error().what << "\n" << text;
  return r.value_or(Parsed{});
}

// A NetworkPolicy with this spec, which begins on line 4.
std::string np(const std::string& spec) {
  return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n" + spec;
}
std::string cnp(const std::string& spec) {
  return "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: top}\nspec:\n" + spec;
}
// The same with these egress rules, the first on line 5.
std::string cnp_egress(const std::string& rules) {
  return cnp("  {tier: Admin, priority: 7, subject: {namespaces: {}}, egress: [\n" + rules + "]}\n");
}

Selector labelled(const char* key, const char* value) { return {{{key, Op::in, {value}}}}; }
Port tcp(std::uint16_t first, std::uint16_t last) { return {.first = first, .last = last}; }
Prefix prefix(const char* text) { return Prefix::parse(text).value(); }

TEST(PolicyYaml, ANetworkPolicyWithEverythingInIt) {
  const auto all = parsed(np(R"(  podSelector:
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [a, "1"]}
    - {key: x/y, operator: Exists}
    - {key: z, operator: DoesNotExist}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: db}}
    - namespaceSelector: {}
    - namespaceSelector: {matchLabels: {team: a}}
      podSelector: {}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports:
    - port: 80
    - {protocol: UDP, port: 1000, endPort: 1999}
    - {protocol: SCTP}
    - port: http-alt
  - {}
  egress:
  - to: [ipBlock: {cidr: "2001:db8::/32"}]
)"));
  ASSERT_EQ(all.policies.size(), 1u);
  const Policy& p = all.policies[0];
  EXPECT_EQ(p.name, "web");
  EXPECT_EQ(p.ns, "shop");
  EXPECT_EQ(p.tier, Tier::network);
  EXPECT_EQ(p.where, "p.yaml:1");
  EXPECT_FALSE(p.namespaces);
  EXPECT_EQ(p.pods, (Selector{{{"app", Op::in, {"web"}},
                               {"tier", Op::not_in, {"a", "1"}},
                               {"x/y", Op::exists},
                               {"z", Op::does_not_exist}}}));
  EXPECT_TRUE(p.ingress && p.egress);
  const Rule first{
      .name = "ingress[0]",
      .peers = {{{.pods = labelled("app", "db")},
                 {.namespaces = Selector{}},
                 {.namespaces = labelled("team", "a"), .pods = Selector{}},
                 {.block = Block{prefix("10.0.0.0/8"), {prefix("10.1.0.0/16")}}}}},
      .ports = {{tcp(80, 80),
                 {.protocol = IPPROTO_UDP, .first = 1000, .last = 1999},
                 {.protocol = IPPROTO_SCTP},
                 {.name = "http-alt"}}}};
  EXPECT_EQ(p.ingress_rules, (std::vector<Rule>{first, {.name = "ingress[1]"}}));
  EXPECT_EQ(p.egress_rules, (std::vector<Rule>{{.name = "egress[0]", .peers = {{{.block = Block{prefix("2001:db8::/32")}}}}}}));
}

TEST(PolicyYaml, EmptyAndAbsentPlaces) {
  const struct {
    const char *name, *spec;
    bool ingress, egress;
    size_t in_rules;
    bool peers, ports;  // of the first ingress rule: given
  } rows[] = {
      {"nothing: isolated for ingress", "  {}\n", true, false, 0, false, false},
      {"ingress alone", "  ingress: [{}]\n", true, false, 1, false, false},
      {"egress rules: both ways", "  egress: [{}]\n", true, true, 0, false, false},
      {"no egress rules: ingress alone", "  egress: []\n", true, false, 0, false, false},
      {"types decide", "  {policyTypes: [Egress]}\n", false, true, 0, false, false},
      {"no types are no word", "  {policyTypes: []}\n", true, false, 0, false, false},
      {"an empty from is everybody", "  ingress: [{from: []}]\n", true, false, 1, false, false},
      {"empty ports are all", "  ingress: [{ports: []}]\n", true, false, 1, false, false},
      {"from", "  ingress: [{from: [{podSelector: {}}]}]\n", true, false, 1, true, false},
      {"ports", "  ingress: [{ports: [{}]}]\n", true, false, 1, false, true},
  };
  for (const auto& row : rows) {
    const auto all = parsed(np(row.spec));
    ASSERT_EQ(all.policies.size(), 1u) << row.name;
    const Policy& p = all.policies[0];
    EXPECT_EQ(p.ingress, row.ingress) << row.name;
    EXPECT_EQ(p.egress, row.egress) << row.name;
    ASSERT_EQ(p.ingress_rules.size(), row.in_rules) << row.name;
    if (row.in_rules == 0) continue;
    EXPECT_EQ(p.ingress_rules[0].peers.has_value(), row.peers) << row.name;
    EXPECT_EQ(p.ingress_rules[0].ports.has_value(), row.ports) << row.name;
  }
}

TEST(PolicyYaml, AClusterNetworkPolicyWithEverythingInIt) {
  const auto all = parsed(cnp(R"(  tier: Baseline
  priority: 1000
  subject:
    pods:
      namespaceSelector: {matchLabels: {env: prod}}
      podSelector: {matchLabels: {app: web}}
  ingress:
  - name: watchers
    action: Pass
    from:
    - namespaces: {matchLabels: {team: watch}}
    - pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: probe}}}
    protocols:
    - tcp: {destinationPort: {number: 80}}
    - udp: {destinationPort: {range: {start: 10, end: 20}}}
    - destinationNamedPort: web
  - action: Deny
    from: [{namespaces: {}}]
  egress:
  - action: Accept
    to:
    - networks: [10.0.0.0/8, "fd00::/8"]
    - namespaces: {}
)"));
  ASSERT_EQ(all.policies.size(), 1u);
  const Policy& p = all.policies[0];
  EXPECT_EQ(p.name, "top");
  EXPECT_EQ(p.ns, "");
  EXPECT_EQ(p.tier, Tier::baseline);
  EXPECT_EQ(p.priority, 1000);
  EXPECT_EQ(p.namespaces, labelled("env", "prod"));
  EXPECT_EQ(p.pods, labelled("app", "web"));
  EXPECT_TRUE(p.ingress && p.egress);
  const Rule watchers{.name = "watchers",
                      .verdict = Verdict::pass,
                      .peers = {{{.namespaces = labelled("team", "watch")},
                                 {.namespaces = Selector{}, .pods = labelled("app", "probe")}}},
                      .ports = {{tcp(80, 80),
                                 {.protocol = IPPROTO_UDP, .first = 10, .last = 20},
                                 {.protocol = IPPROTO_TCP, .name = "web"},
                                 {.protocol = IPPROTO_UDP, .name = "web"},
                                 {.protocol = IPPROTO_SCTP, .name = "web"}}}};
  const Rule deny{.name = "ingress[1]", .verdict = Verdict::deny, .peers = {{{.namespaces = Selector{}}}}};
  EXPECT_EQ(p.ingress_rules, (std::vector<Rule>{watchers, deny}));
  EXPECT_EQ(p.egress_rules,
            (std::vector<Rule>{{.name = "egress[0]",
                                .peers = {{{.block = Block{prefix("10.0.0.0/8")}},
                                           {.block = Block{prefix("fd00::/8")}},
                                           {.namespaces = Selector{}}}}}}));
}

TEST(PolicyYaml, DocumentsListsAndNamespaces) {
  const auto all = parsed(R"(---
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {team: a}, creationTimestamp: null, uid: 1-2}
  spec: {finalizers: [kubernetes]}
  status: {phase: Active}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: web, annotations: {x: "1"}}
  spec: {podSelector: {}, ingress: [{}]}
---
---
)" + np("  {}\n"));
  ASSERT_EQ(all.namespaces.size(), 1u);
  EXPECT_EQ(all.namespaces[0].name, "shop");
  EXPECT_EQ(all.namespaces[0].labels, (Labels{{"team", "a"}}));
  ASSERT_EQ(all.policies.size(), 2u);
  EXPECT_EQ(all.policies[0].ns, "default");
  EXPECT_EQ(all.policies[0].where, "p.yaml:11");
  EXPECT_EQ(all.policies[0].ingress_rules[0].name, "ingress[0]");
  EXPECT_EQ(all.policies[1].ns, "shop");
}

// By annotations of the whole, as the first Mizar's pods have them, or of a security group's rule.
TEST(PolicyYaml, LevelsOfWhatIsAllowed) {
  const std::string annotated = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web, annotations: "
                                "{mizar.com/network-class: BestEffort, mizar.com/network-priority: High, x/y: z}}\nspec: {ingress: [{}, {}]}\n";
  const std::string top = "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: top, annotations: "
                          "{mizar.com/network-class: premium}}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, "
                          "ingress: [{action: Accept, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}]}\n";
  const std::string group = "apiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: g}\n"
                            "spec: {ingress: [{class: expedited, from: [{cidr: 10.0.0.0/8}]}, {from: [{cidr: 10.0.0.0/8}]}]}\n";
  const auto all = parsed(annotated + "---\n" + top + "---\n" + group);
  ASSERT_EQ(all.policies.size(), 3u);
  EXPECT_EQ(all.policies[0].ingress_rules[1].level, MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 0u));
  EXPECT_EQ(all.policies[1].ingress_rules[0].level, MZ_LEVEL(MZ_CLASS_PREMIUM, 1u));
  EXPECT_EQ(all.policies[1].ingress_rules[1].level, 0) << "of what is denied there is none";
  EXPECT_EQ(all.policies[2].ingress_rules[0].level, MZ_LEVEL(MZ_CLASS_EXPEDITED, 1u));
  EXPECT_EQ(all.policies[2].ingress_rules[1].level, 0);
}

TEST(PolicyYaml, WhatIsTakenOtherwiseThanWrittenIsSaid) {
  const struct {
    const char *name, *spec, *warning;
  } rows[] = {
      {"host bits", "  ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/8}}]}]\n",
       "p.yaml:5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.cidr: '10.1.2.3/8' has host bits set; taken as 10.0.0.0/8"},
      {"host bits, IPv6", "  ingress: [{from: [{ipBlock: {cidr: 'fd00::1/9'}}]}]\n",
       "p.yaml:5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.cidr: 'fd00::1/9' has host bits set; taken as fd00::/9"},
      {"rules of no direction", "  {policyTypes: [Ingress], egress: [{}]}\n",
       "p.yaml:5: NetworkPolicy shop/web: egress: has no effect, as policyTypes does not name Egress"},
      {"nothing to say", "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]\n", nullptr},
  };
  for (const auto& row : rows) {
    std::vector<std::string> warnings;
    ASSERT_TRUE(parse_policies(np(row.spec), "p.yaml", warnings)) << row.name;
    EXPECT_EQ(warnings, row.warning ? std::vector<std::string>{row.warning} : std::vector<std::string>{}) << row.name;
  }
  std::vector<std::string> warnings;
  EXPECT_EQ(parse_policies(np(rows[0].spec), "p.yaml", warnings)->policies[0].ingress_rules[0].peers->at(0).block->cidr,
            prefix("10.0.0.0/8"));
}

struct Refused {
  const char* name;
  std::string text;
  const char* error;  // behind "p.yaml:"
};

void expect_refused(const std::vector<Refused>& rows) {
  for (const auto& row : rows) {
    std::vector<std::string> warnings;
    const auto r = parse_policies(row.text, "p.yaml", warnings);
    ASSERT_FALSE(r) << row.name;
    EXPECT_EQ(r.error().what, std::string("p.yaml:") + row.error) << row.name;
  }
}

std::string in_peer(const std::string& peer) { return np("  ingress: [{from: [" + peer + "]}]\n"); }
std::string in_port(const std::string& port) { return np("  ingress: [{ports: [" + port + "]}]\n"); }
std::string subject(const std::string& s) { return np("  podSelector: " + s + "\n"); }

TEST(PolicyYaml, RefusedInANetworkPolicy) {
  expect_refused({
      {"unknown field", np("  podselector: {}\n"),
       "5: NetworkPolicy shop/web: unknown field 'podselector'; known are podSelector, policyTypes, ingress, egress"},
      {"... of a rule", np("  ingress:\n  - to: []\n"),
       "6: NetworkPolicy shop/web: ingress[0]: unknown field 'to'; known are ports, from"},
      {"... of a port", in_port("{port: 80, name: x}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0]: unknown field 'name'; known are protocol, port, endPort"},
      {"a field twice", np("  ingress: []\n  ingress: []\n"),
       "6: NetworkPolicy shop/web: field 'ingress' is given twice; it stands on line 5 already"},
      {"a field of nothing", np("  ingress:\n  - from:\n"),
       "6: NetworkPolicy shop/web: ingress[0].from: has no value; write it, or leave the field out"},
      {"an element of nothing", np("  ingress:\n  -\n"),
       "5: NetworkPolicy shop/web: ingress[0]: has no value; write it, or {} for everything"},
      {"a peer that is nobody", in_peer("{}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0]: names nobody; write podSelector, namespaceSelector or ipBlock"},
      {"a peer by block and labels", in_peer("{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0]: ipBlock excludes the selectors; make it a peer of its own"},
      {"except outside its block", in_peer("{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/16 is not inside 10.0.0.0/8; write a smaller block of it"},
      {"except is all of it", in_peer("{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is not inside 10.0.0.0/8; write a smaller block of it"},
      {"no block", in_peer("{ipBlock: {cidr: 10.0.0.0}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.cidr: '10.0.0.0' is not a block; write ADDRESS/LENGTH"},
      {"a block too long", in_peer("{ipBlock: {cidr: 10.0.0.0/33}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.cidr: '10.0.0.0/33': the length is out of range; write 0..32"},
      {"IPv4 as IPv6", in_peer("{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock.cidr: '::ffff:10.0.0.0/104' is IPv4 in IPv6 clothes; write it as IPv4"},
      {"cidr is missing", in_peer("{ipBlock: {}}"),
       "5: NetworkPolicy shop/web: ingress[0].from[0].ipBlock: cidr is missing; write it"},
      {"a reversed range", in_port("{port: 90, endPort: 80}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].endPort: 80 is below port 90; write the smaller one as port"},
      {"a range without begin", in_port("{endPort: 80}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].endPort: a range wants its first port; write port"},
      {"a range from a name", in_port("{port: http, endPort: 80}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].endPort: a range cannot begin at a name; write port as a number"},
      {"port 0", in_port("{port: 0}"), "5: NetworkPolicy shop/web: ingress[0].ports[0].port: 0 is out of range; write 1..65535"},
      {"a port too large", in_port("{port: 65536}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: 65536 is out of range; write 1..65535"},
      {"a port far too large", in_port("{port: 99999999999}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: 99999999999 is out of range; write 1..65535"},
      {"half a port", in_port("{port: 1.5}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: '1.5' is not a whole number; write 1..65535"},
      {"a number in quotes", in_port("{port: '80'}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: '80' is no port's name; write a number without quotes, or up to 15 of a-z, 0-9 and single '-', a letter among them"},
      {"a port's name too long", in_port("{port: abcdefghijklmnop}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: 'abcdefghijklmnop' is no port's name; write a number without quotes, or up to 15 of a-z, 0-9 and single '-', a letter among them"},
      {"... with two hyphens", in_port("{port: a--b}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].port: 'a--b' is no port's name; write a number without quotes, or up to 15 of a-z, 0-9 and single '-', a letter among them"},
      {"a protocol", in_port("{protocol: ICMP}"),
       "5: NetworkPolicy shop/web: ingress[0].ports[0].protocol: 'ICMP' is not a protocol of policies; write TCP, UDP or SCTP"},
      {"a direction", np("  policyTypes: [ingress]\n"),
       "5: NetworkPolicy shop/web: policyTypes[0]: 'ingress' is not a direction; write Ingress or Egress"},
      {"a map for a list", np("  ingress: {}\n"),
       "5: NetworkPolicy shop/web: ingress: must be a list, not a map; begin each element with '-'"},
      {"a text for a map", np("  podSelector: all\n"),
       "5: NetworkPolicy shop/web: podSelector: must be a map, not a single value; write its fields as NAME: VALUE"},
  });
}

TEST(PolicyYaml, RefusedInSelectors) {
  expect_refused({
      {"a number for a value", subject("{matchLabels: {app: 1}}"),
       "5: NetworkPolicy shop/web: podSelector.matchLabels.app: must be a text, which YAML does not take 1 for; put it in quotes"},
      {"a truth for a value", subject("{matchLabels: {app: yes}}"),
       "5: NetworkPolicy shop/web: podSelector.matchLabels.app: must be a text, which YAML does not take yes for; put it in quotes"},
      {"no label has this key", subject("{matchLabels: {'a b': x}}"),
       "5: NetworkPolicy shop/web: podSelector.matchLabels: 'a b' is not a label's key; write NAME or DOMAIN/NAME"},
      {"no label has this value", subject("{matchLabels: {a: x y}}"),
       "5: NetworkPolicy shop/web: podSelector.matchLabels.a: no label has the value 'x y'; write up to 63 letters, digits, '-', '_' and '.'"},
      {"an operator", subject("{matchExpressions: [{key: a, operator: in, values: [b]}]}"),
       "5: NetworkPolicy shop/web: podSelector.matchExpressions[0].operator: 'in' is not an operator; write In, NotIn, Exists or DoesNotExist"},
      {"In nothing", subject("{matchExpressions: [{key: a, operator: In, values: []}]}"),
       "5: NetworkPolicy shop/web: podSelector.matchExpressions[0]: In and NotIn want values; list one at least"},
      {"Exists of values", subject("{matchExpressions: [{key: a, operator: Exists, values: [b]}]}"),
       "5: NetworkPolicy shop/web: podSelector.matchExpressions[0]: Exists and DoesNotExist want no values; leave them out, or write In or NotIn"},
      {"one and another", subject("{matchLabels: {a: b}, matchExpressions: [{key: a, operator: In, values: [c, d]}]}"),
       "5: NetworkPolicy shop/web: podSelector: no pod or namespace can fit what is demanded of label a; take one of the demands out"},
      {"one and not it", subject("{matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b]}]}"),
       "5: NetworkPolicy shop/web: podSelector: no pod or namespace can fit what is demanded of label a; take one of the demands out"},
      {"there and not there", subject("{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: DoesNotExist}]}"),
       "5: NetworkPolicy shop/web: podSelector: no pod or namespace can fit what is demanded of label a; take one of the demands out"},
  });
}

TEST(PolicyYaml, RefusedAsALevel) {
  const std::string head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\n  annotations: ";
  expect_refused({
      {"a class", head + "{mizar.com/network-class: Gold}\nspec: {}\n",
       "5: metadata.annotations: class: \"Gold\": must be one of premium, expedited, best-effort"},
      {"a priority that is no text", head + "{mizar.com/network-priority: [1]}\nspec: {}\n",
       "5: metadata.annotations.mizar.com/network-priority: must be a text, not a list; see the API's reference"},
      {"of a rule", "apiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: g}\nspec:\n  ingress:\n  - {priority: top, from: [{cidr: 10.0.0.0/8}]}\n",
       "6: SecurityGroup g: ingress[0]: priority: \"top\": must be one of high, medium, low"},
  });
}

TEST(PolicyYaml, RefusedInAClusterNetworkPolicy) {
  const std::string accept = "{action: Accept, to: [{namespaces: {}}], protocols: ";
  expect_refused({
      {"domain names", cnp_egress("{action: Accept, to: [{domainNames: [example.org]}]}"),
       "6: ClusterNetworkPolicy top: egress[0].to[0].domainNames: peers by domainNames are not supported; write networks"},
      {"nodes", cnp_egress("{action: Accept, to: [{nodes: {}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].to[0].nodes: peers by nodes are not supported; write networks"},
      {"a tier", cnp("  {tier: Normal, priority: 1, subject: {namespaces: {}}}\n"),
       "5: ClusterNetworkPolicy top: tier: 'Normal' is not a tier; write Admin or Baseline"},
      {"a priority", cnp("  {tier: Admin, priority: 1001, subject: {namespaces: {}}}\n"),
       "5: ClusterNetworkPolicy top: priority: 1001 is out of range; write 0..1000"},
      {"no priority", cnp("  {tier: Admin, subject: {namespaces: {}}}\n"),
       "4: ClusterNetworkPolicy top: priority is missing; write it"},
      {"two subjects", cnp("  {tier: Admin, priority: 1, subject: {namespaces: {}, pods: {namespaceSelector: {}, podSelector: {}}}}\n"),
       "5: ClusterNetworkPolicy top: subject: has 2 fields; write exactly one of namespaces, pods"},
      {"no subject", cnp("  {tier: Admin, priority: 1, subject: {}}\n"),
       "5: ClusterNetworkPolicy top: subject: has 0 fields; write exactly one of namespaces, pods"},
      {"an action", cnp_egress("{action: Allow, to: [{namespaces: {}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].action: 'Allow' is not an action; write Accept, Deny or Pass"},
      {"to nobody", cnp_egress("{action: Deny, to: []}"),
       "6: ClusterNetworkPolicy top: egress[0].to: is empty; list one peer at least"},
      {"to is missing", cnp_egress("{action: Deny}"), "6: ClusterNetworkPolicy top: egress[0]: to is missing; write it"},
      {"a peer of nothing", cnp_egress("{action: Deny, to: [{}]}"),
       "6: ClusterNetworkPolicy top: egress[0].to[0]: has 0 fields; write exactly one of namespaces, pods, networks"},
      {"networks at ingress", cnp("  {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]}\n"),
       "5: ClusterNetworkPolicy top: ingress[0].from[0]: unknown field 'networks'; known are namespaces, pods"},
      {"half a peer", cnp_egress("{action: Deny, to: [{pods: {podSelector: {}}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].to[0].pods: namespaceSelector is missing; write it"},
      {"a reversed range", cnp_egress(accept + "[{tcp: {destinationPort: {range: {start: 9, end: 8}}}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].protocols[0].tcp.destinationPort.range.end: 8 is not above start 9; write the smaller one as start"},
      {"two protocols in one", cnp_egress(accept + "[{tcp: {destinationPort: {number: 1}}, udp: {destinationPort: {number: 1}}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].protocols[0]: has 2 fields; write exactly one of tcp, udp, sctp, destinationNamedPort"},
      {"a protocol without ports", cnp_egress(accept + "[{tcp: {}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].protocols[0].tcp: destinationPort is missing; write it"},
      {"no protocols", cnp_egress(accept + "[]}"),
       "6: ClusterNetworkPolicy top: egress[0].protocols: is empty; leave it out for every protocol"},
      {"networks' named ports", cnp_egress("{action: Deny, to: [{networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: web}]}"),
       "6: ClusterNetworkPolicy top: egress[0].protocols: networks have no named ports; write numbers, or a rule of their own"},
      {"a rule's long name", cnp_egress("{name: " + std::string(101, 'x') + ", action: Deny, to: [{namespaces: {}}]}"),
       "6: ClusterNetworkPolicy top: egress[0].name: has 101 characters; write 100 at most"},
      {"in a namespace", "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: top, namespace: a}\nspec: {}\n",
       "3: metadata: ClusterNetworkPolicy has no namespace; leave it out"},
  });
}

TEST(PolicyYaml, RefusedOfDocuments) {
  const std::string head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
  expect_refused({
      {"nothing", "# nothing\n", " nothing is in it; write a policy"},
      {"no YAML", "a: [\n", "2: not valid YAML: end of sequence flow not found; correct it"},
      {"a rest that begins nothing", "{a: b},\n{c: d}\n", "1: not valid YAML: nothing begins with what stands here; correct it"},
      {"a kind of two lines", "kind: \"a\\nb\"\napiVersion: v1\n",
       "1: kind 'a\\x0ab' is not read here; write NetworkPolicy, ClusterNetworkPolicy, SecurityGroup, Namespace or List"},
      {"another kind", "apiVersion: v1\nkind: Pod\n",
       "1: kind 'Pod' is not read here; write NetworkPolicy, ClusterNetworkPolicy, SecurityGroup, Namespace or List"},
      {"another version", "apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy\n",
       "1: apiVersion 'networking.k8s.io/v1beta1' of NetworkPolicy is not known; write networking.k8s.io/v1"},
      {"the version before", "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: ClusterNetworkPolicy\n",
       "1: apiVersion 'policy.networking.k8s.io/v1alpha1' of ClusterNetworkPolicy is not known; write policy.networking.k8s.io/v1alpha2"},
      {"no kind", "apiVersion: v1\n", "1: kind is missing; write it"},
      {"no name", head + "metadata: {}\nspec: {}\n", "3: metadata: name is missing; write it"},
      {"no spec", head + "metadata: {name: a}\n", "1: NetworkPolicy default/a: spec is missing; write it"},
      {"a name", head + "metadata: {name: A_}\nspec: {}\n",
       "3: metadata.name: 'A_' is not a name; write up to 253 of a-z, 0-9, '-' and '.', a letter or digit at both ends"},
      {"a field beside spec", head + "metadata: {name: a}\nspec: {}\nextra: 1\n",
       "5: unknown field 'extra'; known are apiVersion, kind, metadata, spec"},
      {"the same one twice", np("  {}\n") + "---\n" + np("  {}\n"),
       "7: NetworkPolicy shop/web: is given twice, first on line 1; take one of them out"},
      {"a list in a list", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}\n",
       "4: items[0]: kind 'List' is not read here; write NetworkPolicy, ClusterNetworkPolicy, SecurityGroup or Namespace"},
  });
}

// ---- security groups --------------------------------------------------------------

// A SecurityGroup with this spec, which begins on line 5.
std::string sg(const std::string& spec) {
  return "apiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: web}\nspec:\n" + spec;
}
std::string sg_ingress(const std::string& rule) { return sg("  ingress: [" + rule + "]\n"); }
Peer group(const char* name) {
  return {.namespaces = Selector{}, .pods = Selector{{{std::string("security-group.centaurus/") + name, Op::exists}}}};
}
Peer block(const char* cidr) { return {.block = Block{prefix(cidr)}}; }

TEST(PolicyYaml, ASecurityGroupWithEverythingInIt) {
  const auto all = parsed(sg(R"(  ingress:
  - {name: https, protocol: tcp, ports: {first: 443, last: 444}, from: [{cidr: 0.0.0.0/0}, {cidr: "::/0"}, {group: lb}]}
  - {protocol: udp, ports: {first: 53}, from: [{group: self}]}
  - {from: [{group: web}]}
  egress:
  - {protocol: sctp, to: [{cidr: 10.0.0.0/8}]}
)"));
  ASSERT_EQ(all.policies.size(), 1u);
  const Policy& p = all.policies[0];
  EXPECT_EQ(full_name(p), "security-group:web");
  EXPECT_EQ(p.ns, "");
  EXPECT_EQ(p.tier, Tier::network);
  EXPECT_EQ(p.where, "p.yaml:1");
  EXPECT_EQ(p.namespaces, Selector{});
  EXPECT_EQ(p.pods, *group("web").pods);
  EXPECT_TRUE(p.ingress && p.egress);
  ASSERT_EQ(p.ingress_rules.size(), 3u);
  EXPECT_EQ(p.ingress_rules[0], (Rule{"https", Verdict::allow, {{block("0.0.0.0/0"), block("::/0"), group("lb")}}, {{tcp(443, 444)}}}));
  EXPECT_EQ(p.ingress_rules[1], (Rule{"ingress[1]", Verdict::allow, {{group("web")}}, {{{IPPROTO_UDP, 53, 53}}}}));
  EXPECT_EQ(p.ingress_rules[2], (Rule{"ingress[2]", Verdict::allow, {{group("web")}}, {}})) << "every protocol, ICMP with them";
  ASSERT_EQ(p.egress_rules.size(), 1u);
  EXPECT_EQ(p.egress_rules[0], (Rule{"egress[0]", Verdict::allow, {{block("10.0.0.0/8")}}, {{{IPPROTO_SCTP, 0, 65535}}}}));
}

TEST(PolicyYaml, ASecurityGroupWithoutRulesClosesBothDirections) {
  const auto all = parsed(sg("  {}\n"));
  ASSERT_EQ(all.policies.size(), 1u);
  EXPECT_TRUE(all.policies[0].ingress && all.policies[0].egress);
  EXPECT_TRUE(all.policies[0].ingress_rules.empty() && all.policies[0].egress_rules.empty());
}

TEST(PolicyYaml, NamesOfSecurityGroupsAreTheirOwn) {
  const auto all = parsed(sg("  {}\n") + "---\n" + "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"
                          "metadata: {name: web}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}}\n");
  ASSERT_EQ(all.policies.size(), 2u);
  EXPECT_NE(full_name(all.policies[0]), full_name(all.policies[1]));
}

TEST(PolicyYaml, RefusedInASecurityGroup) {
  const std::string from = ", from: [{group: lb}]}";
  const std::string head = "apiVersion: centaurus/v1\nkind: SecurityGroup\n";
  expect_refused({
      {"unknown field", sg("  podSelector: {}\n"), "5: SecurityGroup web: unknown field 'podSelector'; known are ingress, egress"},
      {"... of a rule", sg_ingress("{to: [{group: lb}]}"),
       "5: SecurityGroup web: ingress[0]: unknown field 'to'; known are name, protocol, ports, class, priority, from"},
      {"... of a rule, egress", sg("  egress: [{from: [{group: lb}]}]\n"),
       "5: SecurityGroup web: egress[0]: unknown field 'from'; known are name, protocol, ports, class, priority, to"},
      {"... of a peer", sg_ingress("{from: [{podSelector: {}}]}"),
       "5: SecurityGroup web: ingress[0].from[0]: unknown field 'podSelector'; known are cidr, group"},
      {"no peers", sg_ingress("{protocol: tcp}"), "5: SecurityGroup web: ingress[0]: from is missing; write it"},
      {"from nobody", sg_ingress("{from: []}"), "5: SecurityGroup web: ingress[0].from: is empty; list one peer at least"},
      {"to nobody", sg("  egress: [{to: []}]\n"), "5: SecurityGroup web: egress[0].to: is empty; list one peer at least"},
      {"a peer of nothing", sg_ingress("{from: [{}]}"),
       "5: SecurityGroup web: ingress[0].from[0]: has 0 fields; write exactly one of cidr, group"},
      {"two peers in one", sg_ingress("{from: [{cidr: 10.0.0.0/8, group: lb}]}"),
       "5: SecurityGroup web: ingress[0].from[0]: has 2 fields; write exactly one of cidr, group"},
      {"host bits", sg_ingress("{from: [{cidr: 10.0.0.1/8}]}"),
       "5: SecurityGroup web: ingress[0].from[0].cidr: '10.0.0.1/8' has host bits set; write a block as ADDRESS/LENGTH"},
      {"no block", sg_ingress("{from: [{cidr: 10.0.0.0}]}"),
       "5: SecurityGroup web: ingress[0].from[0].cidr: '10.0.0.0' is not ADDRESS/LENGTH; write a block as ADDRESS/LENGTH"},
      {"IPv4 as IPv6", sg_ingress("{from: [{cidr: '::ffff:10.0.0.0/24'}]}"),
       "5: SecurityGroup web: ingress[0].from[0].cidr: '::ffff:10.0.0.0/24' is IPv4 in IPv6 clothes; write it as IPv4"},
      {"a reversed range", sg_ingress("{protocol: tcp, ports: {first: 90, last: 80}" + from),
       "5: SecurityGroup web: ingress[0].ports.last: 80 is below first 90; write the smaller one as first"},
      {"port 0", sg_ingress("{protocol: tcp, ports: {first: 0}" + from),
       "5: SecurityGroup web: ingress[0].ports.first: 0 is out of range; write 1..65535"},
      {"a port too large", sg_ingress("{protocol: tcp, ports: {first: 1, last: 65536}" + from),
       "5: SecurityGroup web: ingress[0].ports.last: 65536 is out of range; write 1..65535"},
      {"a range without begin", sg_ingress("{protocol: tcp, ports: {last: 80}" + from),
       "5: SecurityGroup web: ingress[0].ports: first is missing; write it"},
      {"ports of no protocol", sg_ingress("{ports: {first: 80}" + from),
       "5: SecurityGroup web: ingress[0].ports: are of no protocol; write protocol: tcp, udp or sctp"},
      {"a protocol", sg_ingress("{protocol: TCP" + from),
       "5: SecurityGroup web: ingress[0].protocol: 'TCP' is not a protocol; write tcp, udp or sctp, or leave it out for every protocol"},
      {"ICMP alone", sg_ingress("{protocol: icmp" + from),
       "5: SecurityGroup web: ingress[0].protocol: rules for icmp alone are not supported; leave protocol out, which lets every protocol pass"},
      {"a peer's name", sg_ingress("{from: [{group: L_B}]}"),
       "5: SecurityGroup web: ingress[0].from[0].group: 'L_B' is not a security group's name; write up to 63 of a-z, 0-9 and '-', a letter or digit at both ends"},
      {"its name", head + "metadata: {name: a.b}\nspec: {}\n",
       "3: metadata: 'a.b' is not a security group's name; write up to 63 of a-z, 0-9 and '-', a letter or digit at both ends"},
      {"it is called self", head + "metadata: {name: self}\nspec: {}\n",
       "3: metadata: 'self' is what rules call their own group; choose another name"},
      {"in a namespace", head + "metadata: {name: web, namespace: a}\nspec: {}\n", "3: metadata: SecurityGroup has no namespace; leave it out"},
      {"another version", "apiVersion: v1\nkind: SecurityGroup\n", "1: apiVersion 'v1' of SecurityGroup is not known; write centaurus/v1"},
      {"twice", sg("  {}\n") + "---\n" + sg("  {}\n"), "7: SecurityGroup web: is given twice, first on line 1; take one of them out"},
  });
  std::vector<std::string> warnings;
  EXPECT_EQ(parse_policies(sg_ingress("{protocol: icmpv6" + from), "p.yaml", warnings).error().code, Code::unimplemented);
}

// Membership is given by name, not by labels; selectors do not ask for it.
TEST(PolicyYaml, NobodysLabelsAreThoseOfSecurityGroups) {
  const std::string why = "'security-group.centaurus/lb' is kept for members of security groups; name the group in an endpoint's "
                          "security_groups or a group's rules";
  const std::string by_label = "5: NetworkPolicy shop/web: podSelector.matchLabels: " + why;
  const std::string by_expression = "5: NetworkPolicy shop/web: podSelector.matchExpressions[0].key: " + why;
  const std::string by_namespace = "3: metadata.labels: " + why;
  expect_refused({
      {"matchLabels", subject("{matchLabels: {security-group.centaurus/lb: ''}}"), by_label.c_str()},
      {"matchExpressions", subject("{matchExpressions: [{key: security-group.centaurus/lb, operator: Exists}]}"), by_expression.c_str()},
      {"a namespace's", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {security-group.centaurus/lb: ''}}\n",
       by_namespace.c_str()},
  });
}

TEST(PolicyYaml, AliasesDoNotMultiply) {
  std::string spec = "  ingress:\n  - from: &a [podSelector: &s {}, podSelector: *s]\n";
  EXPECT_EQ(parsed(np(spec + "  - from: *a\n")).policies[0].ingress_rules[1].peers->size(), 2u);
  spec = "  ingress:\n  - from: &a [podSelector: &s {matchExpressions: [&x {key: a, operator: Exists}, *x, *x, *x, *x]}";
  for (int i = 0; i < 20; i++) spec += ", podSelector: *s";
  spec += "]\n";
  for (int i = 0; i < 20; i++) spec += "  - from: *a\n";
  std::vector<std::string> warnings;
  const auto r = parse_policies(np(spec), "p.yaml", warnings);
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().what.find("aliases repeat more than is read"), std::string::npos) << r.error().what;
}

}  // namespace
}  // namespace mizar::policy
