// SPDX-License-Identifier: Apache-2.0
// From policies to groups: who may begin what, and which rule says so. Generated ones stand
// beside an oracle in selftests/policy/.
#include "userspace/policy/compiler.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <functional>

#include "bpf/abi/qos.h"
#include "userspace/policy/dimension.h"
#include "userspace/policy/yaml.h"

namespace mizar::policy {
namespace {

constexpr std::uint8_t kTcp = IPPROTO_TCP, kUdp = IPPROTO_UDP, kSctp = IPPROTO_SCTP, kIcmp = IPPROTO_ICMP;

Addr addr(const std::string& text) { return Addr::parse(text).value(); }

// shop{team=a}: web, db, old; lab{team=b}: web, db; bare, without labels: one. What of no
// pod is an address of the outside.
const std::vector<Pod>& pods() {
  static const std::vector<Pod> all = {
      {"shop", "web", {{"app", "web"}, {"hash", "1"}, {"security-group.centaurus/web", ""}}, {{"http", {kTcp, 8080}}, {"dns", {kUdp, 53}}}, {addr("10.0.0.1"), addr("fd00::1")}},
      {"shop", "db", {{"app", "db"}, {"tier", "back"}, {"security-group.centaurus/web", ""}, {"security-group.centaurus/lb", ""}}, {{"http", {kTcp, 9090}}}, {addr("10.0.0.2"), addr("fd00::2")}},
      {"shop", "old", {{"app", "web"}, {"tier", "old"}}, {}, {addr("10.0.0.3"), addr("fd00::3")}},
      {"lab", "web", {{"app", "web"}, {"security-group.centaurus/lb", ""}}, {{"http", {kUdp, 8080}}}, {addr("10.0.1.1"), addr("fd00:1::1")}},
      {"lab", "db", {{"app", "db"}}, {}, {addr("10.0.1.2"), addr("fd00:1::2")}},
      {"bare", "one", {}, {}, {addr("10.0.2.1"), addr("fd00:2::1")}}};
  return all;
}
const std::vector<Namespace>& namespaces() {
  static const std::vector<Namespace> all = {{"shop", {{"team", "a"}}}, {"lab", {{"team", "b"}, {"x", "y"}}}, {"bare"}};
  return all;
}
const Pod* find(const std::string& name) {
  for (const Pod& p : pods())
    if (p.ns + "/" + p.name == name) return &p;
  return nullptr;
}

class World {
 public:
  explicit World(const std::string& yaml) {
    std::vector<std::string> warnings;
    auto read = parse_policies(yaml, "p.yaml", warnings);
    EXPECT_TRUE(read) << read.error().what;
    init(std::move(read->policies));
  }
  explicit World(std::vector<Policy> all) { init(std::move(all)); }

  [[nodiscard]] LabelSet set(const std::string& pod) const { return policies->label_set(*find(pod)); }
  Group group(const std::string& pod) { return compiler->compile(set(pod)).value(); }
  // "+ WHY" or "- WHY".
  std::string ask(const std::string& from, const std::string& to, std::uint8_t protocol, std::uint16_t port, bool v6 = false) {
    const auto j = judge_flow(from, to, protocol, port, v6);
    return (j.allowed ? "+ " : "- ") + (j.decider() ? j.decider()->name->text() : "no rules");
  }
  Judgement judge_flow(const std::string& from, const std::string& to, std::uint8_t protocol, std::uint16_t port, bool v6) {
    const Pod *a = find(from), *b = find(to);
    const auto ip = [&](const Pod* p, const std::string& text) { return !p ? addr(text) : v6 ? *p->address.v6 : *p->address.v4; };
    const Flow f{a && b ? ids[policies->label_set(*a)] : 0, ip(b ? a : b, b ? from : to), ip(b ? b : a, b ? to : from), protocol, port};
    return judge(group(b ? to : from), b ? kReceiver : kSender, f);
  }

  std::shared_ptr<const PolicySet> policies;
  std::map<LabelSet, std::uint32_t> ids;
  std::map<std::uint32_t, LabelSet> sets;
  std::unique_ptr<Compiler> compiler;

 private:
  void init(std::vector<Policy> all) {
    policies = std::make_shared<const PolicySet>(std::move(all), namespaces());
    for (const Pod& p : pods()) ids.emplace(policies->label_set(p), static_cast<std::uint32_t>(ids.size() + 101));
    for (const auto& [set, id] : ids) sets.emplace(id, set);
    compiler = std::make_unique<Compiler>(policies, sets);
  }
};

std::string np(const std::string& name, const std::string& spec, const std::string& ns = "shop") {
  return "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name + ", namespace: " + ns + "}\nspec: " + spec + "\n";
}
std::string cnp(const std::string& name, const std::string& spec) {
  return "---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: " + name + "}\nspec: " + spec + "\n";
}

struct Row {
  const char* name;
  std::string policies;
  const char *from, *to;
  std::uint8_t protocol;
  std::uint16_t port;
  const char* answer;
  bool v6 = false;
};

void expect(const std::vector<Row>& rows) {
  for (const auto& row : rows)
    EXPECT_EQ(World(row.policies).ask(row.from, row.to, row.protocol, row.port, row.v6), row.answer) << row.name;
}

TEST(PolicyCompile, WhatDividesLabelSets) {
  const struct {
    const char *name, *pod;
    std::string policies;
    const char* set;
  } rows[] = {
      {"no policy: nothing", "shop/web", "", "-"},
      {"a key of pods, and the policy's namespace", "shop/web", np("a", "{podSelector: {matchLabels: {app: x}}}"), "ns(shop) pod(app=web)"},
      {"... elsewhere the key alone", "lab/web", np("a", "{podSelector: {matchLabels: {app: x}}}"), "pod(app=web)"},
      {"a key of peers", "shop/db", np("a", "{ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}]}]}"), "ns(shop) pod(tier=back)"},
      {"a key of namespaces", "lab/web", np("a", "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}"), "namespace(team=b)"},
      {"a namespace's name", "bare/one", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: x}}}}"),
       "namespace(kubernetes.io/metadata.name=bare)"},
      {"named ports", "shop/web", np("a", "{ingress: [{ports: [{port: http}]}]}"), "ns(shop) port(http=8080/tcp)"},
      {"a cluster's policy has no namespace", "shop/web", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {}}}"), "-"},
  };
  for (const auto& row : rows) {
    const World w = row.policies.empty() ? World(std::vector<Policy>{}) : World(row.policies);
    EXPECT_EQ(w.set(row.pod).text(), row.set) << row.name;
  }
  const World w(np("a", "{podSelector: {matchLabels: {app: x}}}"));
  Pod p = *find("shop/web");
  p.labels["hash"] = "2";
  EXPECT_EQ(w.policies->label_set(p), w.set("shop/web")) << "random labels do not split";
}

// Of rules that allow the same flow the best level counts, whatever they are called; one
// without says nothing.
TEST(PolicyCompile, TheBestLevelCounts) {
  std::vector<std::string> warnings;
  auto parsed = parse_policies(np("a", "{ingress: [{}]}") + np("b", "{ingress: [{ports: [{port: 80}]}]}") + np("c", "{ingress: [{ports: [{port: 80}]}]}"), "t", warnings);
  ASSERT_TRUE(parsed) << parsed.error().what;
  parsed->policies[1].ingress_rules[0].level = MZ_LEVEL(MZ_CLASS_EXPEDITED, 0);
  parsed->policies[2].ingress_rules[0].level = MZ_LEVEL(MZ_CLASS_PREMIUM, 2);
  World w(parsed->policies);
  const auto level = [&](std::uint16_t port) {
    const auto judged = w.judge_flow("lab/web", "shop/web", kTcp, port, false);
    return judged.allowed && judged.decider() != nullptr ? judged.decider()->level : 255;
  };
  EXPECT_EQ(level(80), MZ_LEVEL(MZ_CLASS_PREMIUM, 2u));
  EXPECT_EQ(level(81), 0);
  EXPECT_EQ(w.ask("lab/web", "shop/web", kTcp, 80), "+ network policy shop/c rule ingress[0]");
  const Group before = w.group("shop/web");
  parsed->policies[2].ingress_rules[0].level = MZ_LEVEL(MZ_CLASS_PREMIUM, 1);
  EXPECT_FALSE(same(before, World(parsed->policies).group("shop/web"))) << "another level is another group: flows are judged anew";
}

TEST(PolicyCompile, NetworkPolicies) {
  const std::string any_db = "{podSelector: {matchLabels: {app: db}}, ingress: ";
  expect({
      {"no policy selects it", np("a", any_db + "[]}"), "lab/db", "shop/web", kTcp, 80, "+ no rules"},
      {"isolated", np("a", any_db + "[]}"), "shop/web", "shop/db", kTcp, 80, "- network isolated by shop/a"},
      {"... its namespace alone", np("a", any_db + "[]}"), "shop/web", "lab/db", kTcp, 80, "+ no rules"},
      {"by two", np("b", any_db + "[]}") + np("a", "{}"), "shop/web", "shop/db", kTcp, 80, "- network isolated by shop/a, shop/b"},
      {"everybody", np("a", any_db + "[{}]}"), "203.0.113.9", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"all pods: not the outside", np("a", any_db + "[{from: [{namespaceSelector: {}}]}]}"), "203.0.113.9", "shop/db", kTcp, 80, "- network isolated by shop/a"},
      {"all pods", np("a", any_db + "[{from: [{namespaceSelector: {}}]}]}"), "bare/one", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"the other policy's rule", np("a", "{}") + np("b", any_db + "[{}]}"), "lab/web", "shop/db", kTcp, 80, "+ network policy shop/b rule ingress[0]"},
      {"a block", np("a", any_db + "[{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}"), "203.0.113.9", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"... and its except", np("a", any_db + "[{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/29]}}]}]}"), "203.0.113.9", "shop/db", kTcp, 80, "- network isolated by shop/a"},
      {"a block of pods", np("a", any_db + "[{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}"), "lab/web", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"both kinds of peer: by block", np("a", any_db + "[{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.1.0/24}}]}]}"), "lab/web", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"... by label", np("a", any_db + "[{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.1.0/24}}]}]}"), "shop/web", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]"},
      {"... by neither", np("a", any_db + "[{from: [{podSelector: {}}, {ipBlock: {cidr: 10.0.1.0/24}}]}]}"), "bare/one", "shop/db", kTcp, 80, "- network isolated by shop/a"},
      {"all IPv6 is no IPv4", np("a", any_db + "[{from: [{ipBlock: {cidr: '::/0'}}]}]}"), "bare/one", "shop/db", kTcp, 80, "- network isolated by shop/a"},
      {"... but IPv6", np("a", any_db + "[{from: [{ipBlock: {cidr: '::/0'}}]}]}"), "bare/one", "shop/db", kTcp, 80, "+ network policy shop/a rule ingress[0]", true},
      {"the sender's egress", np("a", "{policyTypes: [Egress]}"), "shop/web", "lab/db", kTcp, 80, "- network isolated by policies of the sender"},
      {"... of others is free", np("a", "{policyTypes: [Egress]}"), "bare/one", "lab/db", kTcp, 80, "+ default allow"},
      {"... allowed by the receiver's labels", np("a", "{egress: [{to: [{namespaceSelector: {matchLabels: {team: b}}}]}], policyTypes: [Egress]}"), "shop/web", "lab/db", kTcp, 80, "+ network policy shop/a rule egress[0]"},
      {"... and not by others'", np("a", "{egress: [{to: [{namespaceSelector: {matchLabels: {team: b}}}]}], policyTypes: [Egress]}"), "shop/web", "bare/one", kTcp, 80, "- network isolated by policies of the sender"},
      {"... by the receiver's address", np("a", "{egress: [{to: [{ipBlock: {cidr: 10.0.1.2/32}}]}], policyTypes: [Egress]}"), "shop/web", "lab/db", kTcp, 80, "+ network policy shop/a rule egress[0]"},
      {"... by another address", np("a", "{egress: [{to: [{ipBlock: {cidr: 10.0.1.2/32}}]}], policyTypes: [Egress]}"), "shop/web", "lab/web", kTcp, 80, "- network isolated by policies of the sender"},
      {"to the outside by block", np("a", "{egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}], policyTypes: [Egress]}"), "shop/web", "203.0.113.9", kTcp, 80, "+ network policy shop/a rule egress[0]"},
      {"... labels never fit", np("a", "{egress: [{to: [{namespaceSelector: {}}]}], policyTypes: [Egress]}"), "shop/web", "203.0.113.9", kTcp, 80, "- network isolated by shop/a"},
      {"... nobody's rules", np("a", "{egress: [], policyTypes: [Egress]}"), "lab/web", "203.0.113.9", kTcp, 80, "+ no rules"},
      {"to everybody, to the outside", np("a", "{egress: [{}]}"), "shop/web", "203.0.113.9", kUdp, 80, "+ network policy shop/a rule egress[0]"},
      {"in and out: both must", np("a", "{egress: [{}]}") + np("b", "{}", "lab"), "shop/web", "lab/web", kTcp, 80, "- network isolated by lab/b"},
      {"only rules of named directions", np("a", "{policyTypes: [Ingress], egress: [{to: [{podSelector: {}}]}], ingress: [{}]}"), "shop/web", "lab/web", kTcp, 80, "+ no rules"},
  });
}

TEST(PolicyCompile, Ports) {
  const std::string a = "{ingress: [{ports: [";
  const auto ports = [&](const std::string& p) { return np("a", a + p + "]}]}"); };
  const char *yes = "+ network policy shop/a rule ingress[0]", *no = "- network isolated by shop/a";
  const std::string range = "{port: 1000, endPort: 2999}";
  expect({
      {"the port", ports("{port: 80}"), "lab/web", "shop/web", kTcp, 80, yes},
      {"another port", ports("{port: 80}"), "lab/web", "shop/web", kTcp, 81, no},
      {"another protocol", ports("{port: 80}"), "lab/web", "shop/web", kUdp, 80, no},
      {"a protocol's every port", ports("{protocol: SCTP}"), "lab/web", "shop/web", kSctp, 7, yes},
      {"... and no other's", ports("{protocol: SCTP}"), "lab/web", "shop/web", kIcmp, 0, no},
      {"below a range", ports(range), "lab/web", "shop/web", kTcp, 999, no},
      {"its first", ports(range), "lab/web", "shop/web", kTcp, 1000, yes},
      {"inside", ports(range), "lab/web", "shop/web", kTcp, 2047, yes},
      {"its last", ports(range), "lab/web", "shop/web", kTcp, 2999, yes},
      {"above", ports(range), "lab/web", "shop/web", kTcp, 3000, no},
      {"the last of all", ports("{port: 65535}"), "lab/web", "shop/web", kTcp, 65535, yes},
      {"a range to the last", ports("{port: 1, endPort: 65535}"), "lab/web", "shop/web", kTcp, 65535, yes},
      {"... but not 0", ports("{port: 1, endPort: 65535}"), "lab/web", "shop/web", kTcp, 0, no},
      {"a port inside another rule's range", np("a", "{ingress: [{ports: [" + range + "]}]}") + np("b", "{ingress: [{ports: [{port: 2000}], from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}"),
       "lab/web", "shop/web", kTcp, 2000, yes},
      {"a range inside another rule's", np("a", "{ingress: [{ports: [" + range + "]}]}") + np("b", "{ingress: [{ports: [{port: 1500, endPort: 1600}], from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}"),
       "lab/web", "shop/web", kTcp, 1550, yes},
      {"two ports, the second", ports("{port: 80}, {port: 90}"), "lab/web", "shop/web", kTcp, 90, yes},
      {"a name", ports("{port: http}"), "lab/web", "shop/web", kTcp, 8080, yes},
      {"... means each pod's own", ports("{port: http}"), "lab/web", "shop/db", kTcp, 9090, yes},
      {"... and not another's", ports("{port: http}"), "lab/web", "shop/db", kTcp, 8080, no},
      {"... nothing where there is none", ports("{port: http}"), "lab/web", "shop/old", kTcp, 8080, no},
      {"... of another protocol", ports("{port: http, protocol: UDP}"), "lab/web", "shop/web", kUdp, 8080, no},
      {"egress: the receiver's name", np("a", "{policyTypes: [Egress], egress: [{ports: [{port: http, protocol: UDP}]}]}"), "shop/web", "lab/web", kUdp, 8080, "+ network policy shop/a rule egress[0]"},
      {"... not the sender's", np("a", "{policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"), "shop/web", "lab/web", kTcp, 8080, "- network isolated by policies of the sender"},
      {"... never outside", np("a", "{policyTypes: [Egress], egress: [{ports: [{port: http}]}]}"), "shop/web", "203.0.113.9", kTcp, 8080, "- network isolated by shop/a"},
      {"any protocol's name", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{name: n, action: Deny, from: [{namespaces: {}}], protocols: [{destinationNamedPort: http}]}]}"),
       "shop/web", "lab/web", kUdp, 8080, "- admin policy a rule n"},
  });
}

// A ClusterNetworkPolicy about everybody with one rule from everybody.
std::string tier(const char* name, const char* tier, int priority, const char* action) {
  return cnp(name, fmt::format("{{tier: {}, priority: {}, subject: {{namespaces: {{}}}}, ingress: [{{name: r, action: {}, from: [{{namespaces: {{}}}}]}}]}}",
                               tier, priority, action));
}

TEST(PolicyCompile, Tiers) {
  const std::string network = np("net", "{podSelector: {matchLabels: {app: web}}}");
  expect({
      {"admin before network", tier("a", "Admin", 1, "Accept") + network, "lab/web", "shop/web", kTcp, 1, "+ admin policy a rule r"},
      {"network before baseline", tier("a", "Baseline", 1, "Accept") + network, "lab/web", "shop/web", kTcp, 1, "- network isolated by shop/net"},
      {"... which is for the others", tier("a", "Baseline", 1, "Deny") + network, "lab/web", "shop/db", kTcp, 1, "- baseline policy a rule r"},
      {"lower priorities first", tier("b", "Admin", 1, "Deny") + tier("a", "Admin", 2, "Accept"), "lab/web", "shop/web", kTcp, 1, "- admin policy b rule r"},
      {"then names", tier("b", "Admin", 1, "Deny") + tier("a", "Admin", 1, "Accept"), "lab/web", "shop/web", kTcp, 1, "+ admin policy a rule r"},
      {"pass to network", tier("a", "Admin", 1, "Pass") + tier("b", "Admin", 2, "Accept") + network, "lab/web", "shop/web", kTcp, 1, "- network isolated by shop/net"},
      {"pass to baseline", tier("a", "Admin", 1, "Pass") + tier("b", "Admin", 2, "Accept") + tier("c", "Baseline", 1, "Deny") + network, "lab/web", "shop/db", kTcp, 1, "- baseline policy c rule r"},
      {"pass to the default", tier("a", "Admin", 1, "Pass") + tier("b", "Admin", 2, "Deny"), "lab/web", "shop/db", kTcp, 1, "+ default allow"},
      {"pass twice", tier("a", "Admin", 1, "Pass") + tier("b", "Baseline", 1, "Pass") + tier("c", "Baseline", 2, "Deny"), "lab/web", "shop/db", kTcp, 1, "+ default allow"},
      {"rules in their order", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{name: one, action: Deny, from: [{namespaces: {matchLabels: {team: b}}}]}, {name: two, action: Accept, from: [{namespaces: {}}]}]}"),
       "lab/web", "shop/web", kTcp, 1, "- admin policy a rule one"},
      {"egress denied", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {matchLabels: {team: a}}}, egress: [{name: r, action: Deny, to: [{networks: [10.0.1.0/24]}]}]}"),
       "shop/web", "lab/web", kTcp, 1, "- admin policy a rule r"},
      {"... not to others", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {matchLabels: {team: a}}}, egress: [{name: r, action: Deny, to: [{networks: [10.0.1.0/24]}]}]}"),
       "shop/web", "bare/one", kTcp, 1, "+ default allow"},
      {"... nor of others", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {matchLabels: {team: a}}}, egress: [{name: r, action: Deny, to: [{networks: [10.0.1.0/24]}]}]}"),
       "bare/one", "lab/web", kTcp, 1, "+ default allow"},
      {"egress passes to its isolation", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{name: r, action: Pass, to: [{namespaces: {}}]}]}") + np("n", "{policyTypes: [Egress]}"),
       "shop/web", "lab/web", kTcp, 1, "- network isolated by policies of the sender"},
      {"who is not isolated passes on", cnp("a", "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{name: r, action: Pass, to: [{namespaces: {}}]}]}") + np("n", "{policyTypes: [Egress]}"),
       "lab/db", "lab/web", kTcp, 1, "+ default allow"},
  });
}

// Members of web: shop/web, shop/db; of lb: lab/web, shop/db; bare/one and the rest are of none.
TEST(PolicyCompile, SecurityGroups) {
  const auto sg = [](const std::string& name, const std::string& spec) {
    return "---\napiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {name: " + name + "}\nspec: " + spec + "\n";
  };
  const std::string closed = "{}", https = "{ingress: [{name: https, protocol: tcp, ports: {first: 443, last: 445}, from: ";
  const std::string open_egress = "egress: [{name: out, to: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}]";
  const std::string from_lb = sg("web", https + "[{group: lb}]}]}") + sg("lb", "{" + open_egress + "}");
  const std::string from_self = sg("web", "{ingress: [{from: [{group: self}]}], egress: [{to: [{group: web}]}]}");
  const std::string v4 = sg("web", https + "[{cidr: 10.0.0.0/8}]}]}"), v6 = sg("web", https + "[{cidr: 'fd00::/16'}]}]}");
  const std::string to_lb = sg("web", "{egress: [{name: out, protocol: udp, ports: {first: 53}, to: [{group: lb}]}]}");
  const std::string outside = sg("web", "{egress: [{name: out, to: [{cidr: 203.0.113.0/24}]}]}");
  const std::string both = sg("web", https + "[{cidr: 10.0.0.0/8}]}]}") + sg("lb", "{ingress: [{name: dns, protocol: udp, ports: {first: 53}, from: [{cidr: 10.0.0.0/8}]}]}");
  const std::string mixed = sg("web", closed) + np("also", "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}");
  const char *no = "- network isolated by security-group:web", *yes = "+ network policy security-group:web rule https; default allow";
  const char *sender = "- network isolated by policies of the sender", *out = "+ network policy security-group:web rule out";
  const char* by_both = "+ network policy security-group:web rule https; network policy security-group:lb rule out";
  const char* by_self = "+ network policy security-group:web rule ingress[0]; network policy security-group:web rule egress[0]";
  // By what each list says: who receives, who sends.
  const std::vector<Row> rows = {
      {"a group without rules lets nobody in", sg("web", closed), "bare/one", "shop/web", kTcp, 443, no},
      {"... and nothing out", sg("web", closed), "shop/web", "bare/one", kTcp, 443, sender},
      {"... nor outside", sg("web", closed), "shop/web", "203.0.113.9", kTcp, 443, no},
      {"... of its members", sg("web", closed), "bare/one", "lab/db", kTcp, 443, "+ default allow"},
      {"... whatever their namespace", sg("lb", closed), "bare/one", "lab/web", kTcp, 443, "- network isolated by security-group:lb"},
      {"a member of the other group", from_lb, "lab/web", "shop/web", kTcp, 443, by_both},
      {"... the last port", from_lb, "lab/web", "shop/web", kTcp, 445, by_both},
      {"... above it", from_lb, "lab/web", "shop/web", kTcp, 446, no},
      {"... below it", from_lb, "lab/web", "shop/web", kTcp, 442, no},
      {"... another protocol", from_lb, "lab/web", "shop/web", kUdp, 443, no},
      {"... ICMP", from_lb, "lab/web", "shop/web", kIcmp, 0, no},
      {"... who is of none", from_lb, "bare/one", "shop/web", kTcp, 443, no},
      {"... by its address, without a label set", from_lb, "10.0.1.1", "shop/web", kTcp, 443, no},
      {"its own members", from_self, "shop/db", "shop/web", kTcp, 7, by_self},
      {"... ICMP, as every protocol", from_self, "shop/db", "shop/web", kIcmp, 0, by_self},
      {"... others", from_self, "lab/web", "shop/web", kTcp, 7, no},
      {"... only to members", from_self, "shop/web", "lab/web", kTcp, 7, sender},
      {"a block, IPv4", v4, "bare/one", "shop/web", kTcp, 443, yes},
      {"... is no IPv6", v4, "bare/one", "shop/web", kTcp, 443, no, true},
      {"... nor another", v4, "203.0.113.9", "shop/web", kTcp, 443, no},
      {"a block, IPv6", v6, "bare/one", "shop/web", kTcp, 443, yes, true},
      {"... is no IPv4", v6, "bare/one", "shop/web", kTcp, 443, no},
      {"egress to a group", to_lb, "shop/web", "lab/web", kUdp, 53, out},
      {"... another port", to_lb, "shop/web", "lab/web", kUdp, 54, sender},
      {"... who is not in it", to_lb, "shop/web", "lab/db", kUdp, 53, sender},
      {"egress to a block outside", outside, "shop/web", "203.0.113.9", kTcp, 1, out},
      {"... elsewhere", outside, "shop/web", "198.51.100.9", kTcp, 1, no},
      {"a member of two: the first group's", both, "bare/one", "shop/db", kTcp, 443, yes},
      {"... the second's", both, "bare/one", "shop/db", kUdp, 53, "+ network policy security-group:lb rule dns; default allow"},
      {"... neither's", both, "bare/one", "shop/db", kUdp, 443, "- network isolated by security-group:lb, security-group:web"},
      {"... a member of one has that one's alone", both, "bare/one", "shop/web", kUdp, 53, no},
      {"beside a NetworkPolicy: what either allows", mixed, "bare/one", "shop/web", kTcp, 80, "+ network policy shop/also rule ingress[0]; default allow"},
      {"Admin goes before", cnp("top", "{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{name: n, action: Deny, from: [{namespaces: {}}]}]}") + from_lb,
       "lab/web", "shop/web", kTcp, 443, "- admin policy top rule n"},
  };
  for (const auto& row : rows) {
    const auto j = World(row.policies).judge_flow(row.from, row.to, row.protocol, row.port, row.v6);
    std::string answer;
    for (const auto& m : j.met) answer += (answer.empty() ? "" : "; ") + m.name->text();
    EXPECT_EQ((j.allowed ? "+ " : "- ") + answer, row.answer) << row.name;
  }
  EXPECT_EQ(World(from_lb).set("shop/db").text(), "group(lb,web)");
  EXPECT_EQ(World(sg("web", closed)).set("shop/db").text(), "group(web)") << "what nobody mentions does not split";
}

// How the policy of the first Mizar leaked, as far as rules decide it.
TEST(PolicyCompile, TheFirstMizarsLeaks) {
  std::string many;  // 64 that say no more than the first, then the one that matters
  for (int i = 0; i < 100; i++)
    many += np(fmt::format("p{:03}", i), fmt::format("{{podSelector: {{}}, ingress: [{{ports: [{{port: {}}}]}}]}}", 1000 + 2 * i));
  const std::string two = np("web", "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}") +
                          np("db", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {tier: old}}}]}]}");
  const std::string pair = np("a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: db}}}]}]}");
  const std::string tcp = np("a", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}");
  const std::string own = np("a", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}");
  const std::string peers = np("a", "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}, {podSelector: {matchLabels: {tier: old}}}]}]}");
  const std::string nested = np("a", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 203.0.0.0/16, except: [203.0.113.0/24]}}]}, {ports: [{port: 80}], from: [{ipBlock: {cidr: 203.0.113.8/29}}]}]}");
  const std::string egress = np("a", "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}]}]}");
  const std::string expression = np("a", "{podSelector: {}, ingress: [{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}]}]}");
  const char* isolated = "- network isolated by shop/a";
  const char* first = "+ network policy shop/a rule ingress[0]";
  expect({
      {"1 the 65th policy of an endpoint", many, "lab/web", "shop/web", kTcp, 1000 + 2 * 99, "+ network policy shop/p099 rule ingress[0]"},
      {"1 ... what none of them allows", many, "lab/web", "shop/web", kTcp, 1001, "- network isolated by shop/p000, shop/p001, shop/p002, shop/p003 and 96 more"},
      {"2 two protected pods keep their own rules", two, "shop/db", "shop/web", kTcp, 80, "+ network policy shop/web rule ingress[0]"},
      {"2 ... the other's are not its", two, "shop/web", "shop/db", kTcp, 80, "- network isolated by shop/db"},
      {"3 ICMP is judged", tcp, "lab/web", "shop/web", kIcmp, 0, isolated},
      {"3 SCTP is judged", tcp, "lab/web", "shop/web", kSctp, 80, isolated},
      {"4 a podSelector alone is of the policy's namespace", own, "lab/db", "shop/web", kTcp, 80, isolated},
      {"4 ... there it fits", own, "shop/db", "shop/web", kTcp, 80, first},
      {"5 namespace and pod: both", pair, "lab/db", "shop/web", kTcp, 80, first},
      {"5 ... the pod alone is not enough", pair, "shop/db", "shop/web", kTcp, 80, isolated},
      {"5 ... nor the namespace", pair, "lab/web", "shop/web", kTcp, 80, isolated},
      {"6 two peers of a kind: the first", peers, "shop/db", "shop/web", kTcp, 80, first},
      {"6 ... and the last", peers, "shop/old", "shop/web", kTcp, 80, first},
      {"7 an except is its own rule's", nested, "203.0.113.9", "shop/web", kTcp, 80, "+ network policy shop/a rule ingress[1]"},
      {"7 ... and holds inside the other's block", nested, "203.0.113.9", "shop/web", kTcp, 81, isolated},
      {"8 no label set, no label's rule", own, "10.0.0.2", "shop/web", kTcp, 80, isolated},
      {"9 egress by labels, whatever the address", egress, "shop/web", "lab/db", kTcp, 80, "+ network policy shop/a rule egress[0]"},
      {"9 ... and not to others", egress, "shop/web", "lab/web", kTcp, 80, "- network isolated by policies of the sender"},
      {"10 matchExpressions count", expression, "lab/web", "shop/db", kTcp, 80, isolated},
      {"10 ... where the key is absent too", expression, "bare/one", "shop/db", kTcp, 80, first},
  });
}

TEST(PolicyCompile, RowsStandOnlyWhereTheySayMore) {
  World w(np("a", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}]}, {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80, endPort: 83}]}, "
                  "{from: [{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}]}]}"));
  const Group g = w.group("shop/db");
  EXPECT_TRUE(g.list[MZ_POLICY_TO].rules.empty());
  EXPECT_TRUE(g.list[MZ_POLICY_OUT].rules.empty());
  const List& in = g.list[MZ_POLICY_IN];
  ASSERT_EQ(in.rules.size(), 5u);
  EXPECT_EQ(in.rules[3].name->text(), "network isolated by shop/a");
  EXPECT_EQ(in.rules[4].name->text(), "default allow");
  EXPECT_EQ(in.vectors[in.label], Bits{0b11101}) << "all pods of all namespaces: any label set";
  ASSERT_EQ(in.labels.size(), 2u);
  EXPECT_EQ(in.labels[0].label, 0u);
  EXPECT_EQ(in.vectors[in.labels[0].vector], Bits{0b11100}) << "of the outside: not";
  EXPECT_EQ(in.labels[1].label, w.ids[w.set("shop/web")]);
  EXPECT_EQ(in.vectors[in.labels[1].vector], Bits{0b11111});
  ASSERT_EQ(in.blocks.size(), 3u);
  for (const auto& row : in.blocks)
    EXPECT_EQ(in.vectors[row.vector], Bits{row.block.text() == "::/0" ? 0b11111u : 0b11011u}) << row.block.text();
  ASSERT_EQ(in.ports.size(), 1u);
  EXPECT_EQ(in.ports[0].bits, 14u);
  EXPECT_EQ(in.vectors[in.ports[0].vector], Bits{0b11111});
  EXPECT_EQ(in.vectors[in.port], Bits{0b11101});
}

TEST(PolicyCompile, BlocksOutsideOfTheVpcConcernNoReceiver) {
  const struct {
    const char *name, *block;
    size_t rules;  // of the receiver's list
  } rows[] = {
      {"elsewhere", "{cidr: 203.0.113.0/24}", 2},
      {"around it", "{cidr: 0.0.0.0/0}", 3},
      {"... but for it", "{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}", 2},
      {"... but for a part of it", "{cidr: 0.0.0.0/0, except: [10.0.1.0/24]}", 3},
      {"in it", "{cidr: 10.0.1.0/24}", 3},
      {"in it, but for a part", "{cidr: 10.0.1.0/24, except: [10.0.1.0/25]}", 3},
      {"the other family", "{cidr: '::/0'}", 2},
  };
  for (const auto& row : rows) {
    std::vector<std::string> warnings;
    auto read = parse_policies(np("a", std::string("{egress: [{to: [{ipBlock: ") + row.block + "}]}], policyTypes: [Egress]}"), "f", warnings);
    const PolicySet set(read->policies, namespaces(), {Prefix::parse("10.0.0.0/16").value()});
    const Group g = compile(set, set.label_set(*find("shop/web")), {}).value();
    EXPECT_EQ(g.list[MZ_POLICY_TO].rules.size(), row.rules) << row.name;
    EXPECT_EQ(g.list[MZ_POLICY_OUT].rules.size(), 3u) << row.name;
  }
}

TEST(PolicyCompile, ALabelSetMoreAddsItsRowsInPlace) {
  World w(np("a", "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}") + np("b", "{policyTypes: [Egress]}"));
  auto some = w.sets;
  const auto web = w.ids[w.set("shop/web")], lab = w.ids[w.set("lab/web")];
  some.erase(web);
  Group g = compile(*w.policies, w.set("shop/db"), some).value();
  const Group before = g, all = w.group("shop/db");
  EXPECT_FALSE(same(g, all));
  EXPECT_EQ(w.policies->add_set(g, web, w.set("shop/web")), 1u << MZ_POLICY_IN | 1u << MZ_POLICY_TO);
  EXPECT_TRUE(same(g, all));
  EXPECT_EQ(w.policies->add_set(g, lab, w.set("lab/web")), 0u) << "no rule names it";
  EXPECT_TRUE(same(g, all));
  EXPECT_EQ(remove_set(g, web), 1u << MZ_POLICY_IN | 1u << MZ_POLICY_TO);
  EXPECT_TRUE(same(g, before));
  w.compiler->remove(web);
  EXPECT_TRUE(same(w.group("shop/db"), before));
  w.compiler->add(web, w.set("shop/web"));
  EXPECT_TRUE(same(w.group("shop/db"), all));
}

// Many policies about shop/web, each with this rule.
std::vector<Policy> crowd(int n, const std::function<Rule(int)>& rule, bool egress = false) {
  std::vector<Policy> out;
  for (int i = 0; i < n; i++) {
    Policy p{.name = fmt::format("p{:05}", i), .ns = "shop", .ingress = !egress, .egress = egress};
    (egress ? p.egress_rules : p.ingress_rules).push_back(rule(i));
    out.push_back(p);
  }
  return out;
}

TEST(PolicyCompile, MoreRulesThanAListHolds) {
  const auto port = [](int i) { return Port{.first = static_cast<std::uint16_t>(i), .last = static_cast<std::uint16_t>(i)}; };
  const auto differ = [&](int i) { return Rule{.name = "r", .ports = {{port(2 * i + 1)}}}; };
  World fits(crowd(4094, differ));
  EXPECT_EQ(fits.group("shop/web").list[MZ_POLICY_IN].rules.size(), 4096u);
  EXPECT_EQ(fits.ask("lab/web", "shop/web", kTcp, 2 * 4093 + 1), "+ network policy shop/p04093 rule r");
  World over(crowd(4095, differ));
  const auto refused = over.compiler->compile(over.set("shop/web"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::resource_exhausted);
  EXPECT_EQ(refused.error().what, "group 'ns(shop)': list IN: 4097 rules, 4096 at most; select fewer endpoints by one policy or join rules");
  // Those that are alike but for who begins become one.
  const auto alike = [&](int i) {
    return Rule{.name = "r", .peers = {{{.namespaces = Selector{}, .pods = Selector{{{"app", Op::in, {i == 5000 ? "db" : fmt::format("x{}", i)}}}}}}}, .ports = {{port(80 + i % 2)}}};
  };
  World merged(crowd(6000, alike));
  EXPECT_EQ(merged.group("shop/web").list[MZ_POLICY_IN].rules.size(), 4u);
  EXPECT_EQ(merged.ask("lab/db", "shop/web", kTcp, 80), "+ network policy shop/p00000 rule r and 2999 more");
  EXPECT_EQ(merged.ask("lab/db", "shop/web", kTcp, 81), "- network isolated by shop/p00000, shop/p00001, shop/p00002, shop/p00003 and 5996 more");
  // Egress by block stands in everybody's list.
  const auto outside = [&](int i) { return Rule{.name = "r", .peers = {{{.block = Block{Prefix::parse("10.0.1.0/24").value()}}}}, .ports = {{port(80 + i % 2)}}}; };
  World egress(crowd(6000, outside, true));
  EXPECT_EQ(egress.ask("shop/web", "lab/web", kTcp, 81), "+ network policy shop/p00001 rule r and 2999 more");
  EXPECT_EQ(egress.ask("shop/web", "lab/web", kTcp, 82), "- network isolated by policies of the sender");
  EXPECT_EQ(egress.ask("lab/db", "lab/web", kTcp, 82), "+ default allow");
}

// Nested blocks with exceptions, of both families: each row says what asking every block says.
// A hundred thousand of them are no more than many rows.
TEST(PolicyCompile, RowsOfBlocksSayWhatEachBlockSays) {
  const auto prefix = [](const char* text) { return Prefix::parse(text).value(); };
  const Blocks wide = {{prefix("10.0.0.0/8"), {prefix("10.1.0.0/16"), prefix("10.2.3.0/24")}}, {prefix("10.1.2.0/24"), {}}};
  const Blocks twice = {{prefix("10.1.0.0/16"), {prefix("10.1.0.0/16")}}, {prefix("10.1.0.0/16"), {}}, {prefix("0.0.0.0/0"), {prefix("10.0.0.0/8")}}};
  const Blocks six = {{prefix("::/0"), {prefix("fd00::/16")}}, {prefix("fd00:1::/32"), {prefix("fd00:1:1::/48")}}};
  const Blocks mixed = {{prefix("fd00::/16"), {}}, {prefix("10.2.0.0/15"), {prefix("10.2.3.4/32")}}};
  const std::vector<const Blocks*> all = {&wide, &twice, &six, &mixed};
  const auto holds = [](const Blocks& blocks, const Prefix& p) {
    return std::any_of(blocks.begin(), blocks.end(), [&](const Block& b) {
      return b.cidr.contains(p) && std::none_of(b.except.begin(), b.except.end(), [&](const Prefix& e) { return e.contains(p); });
    });
  };
  const auto rows = rows_of(all);
  EXPECT_EQ(rows.size(), 11u) << "one for each block and exception";
  for (const auto& [key, fits] : rows) {
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < all.size(); i++)
      if (holds(*all[i], key)) expected.push_back(i);
    EXPECT_EQ(fits, expected) << key.text();
  }
  Blocks many;
  for (std::uint32_t i = 0; i < 100'000; i++) many.push_back({{Addr::v4(0x0b000000 + i), 32}, {}});
  EXPECT_EQ(rows_of({&many, &wide}).size(), 100'000u + 4);
}

}  // namespace
}  // namespace mizar::policy
