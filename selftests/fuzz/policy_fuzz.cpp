// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any text as policies of a tenant, read, compiled and asked. Beyond what
// the sanitizers find: what is refused says where, and what is read comes out of the
// compiler with lists that end with a rule that fits everything.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "userspace/policy/compiler.h"
#include "userspace/policy/yaml.h"

using namespace mizar;
using namespace mizar::policy;

namespace {

#define MUST(cond)                                                      \
  do {                                                                  \
    if (!(cond)) {                                                      \
      std::fprintf(stderr, "policy_fuzz: does not hold: %s\n", #cond);  \
      std::abort();                                                     \
    }                                                                   \
  } while (0)

[[maybe_unused]] const std::vector<Pod>& pods() {
  static const std::vector<Pod> all = {
      {"shop", "web", {{"app", "web"}}, {{"http", {6, 8080}}}, {*Addr::parse("10.0.0.1"), *Addr::parse("fd00::1")}},
      {"shop", "db", {{"app", "db"}, {"tier", "back"}}, {}, {*Addr::parse("10.0.0.2"), {}}},
      {"lab", "web", {{"app", "web"}}, {}, {*Addr::parse("10.0.1.1"), *Addr::parse("fd00:1::1")}}};
  return all;
}

}  // namespace

#ifndef MZ_FUZZ_SEEDS
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> warnings;
  const auto parsed = parse_policies({reinterpret_cast<const char*>(data), size}, "f", warnings);
  if (!parsed) {
    MUST(parsed.error().what.starts_with("f:"));
    MUST(parsed.error().what.find('\n') == std::string::npos);
    return 0;
  }
  for (const auto& w : warnings) MUST(w.starts_with("f:"));
  const auto policies = std::make_shared<PolicySet>(parsed->policies, parsed->namespaces);
  std::map<std::uint32_t, LabelSet> sets;
  for (const Pod& p : pods()) sets.emplace(static_cast<std::uint32_t>(sets.size() + 1), policies->label_set(p));
  Compiler compiler(policies, sets);
  for (const Pod& p : pods()) {
    const auto group = compiler.compile(policies->label_set(p));
    if (!group) continue;
    for (const List& l : group->list) {
      if (l.rules.empty()) continue;
      const std::size_t last = l.rules.size() - 1;
      for (const std::uint32_t v : {l.label, l.block, l.port}) MUST(l.vectors.at(v).at(last / 64) >> (last % 64) & 1);
      for (const ListRule& r : l.rules) MUST(r.name && r.next <= last);
    }
    for (const auto protocol : {6, 17, 132, 1})
      for (const std::uint16_t port : {0, 80, 65535})
        MUST(judge(*group, kReceiver, {1, *Addr::parse("10.0.0.9"), *p.address.v4, static_cast<std::uint8_t>(protocol), port}).met.size() <= 2 * MZ_POLICY_TIERS);
  }
  return 0;
}
#else
namespace {
void save(const std::string& dir, const char* name, const char* text) {
  std::ofstream out(dir + "/" + name);
  out << text;
  if (!out) std::exit(1);
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  save(argv[1], "network", R"(apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop, labels: {a: b}}
spec:
  podSelector: {matchLabels: {app: web}, matchExpressions: [{key: tier, operator: NotIn, values: [back]}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {team: a}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 80}, {port: http, protocol: TCP}, {port: 8000, endPort: 9000, protocol: UDP}]
  egress: [{}]
)");
  save(argv[1], "cluster", R"(apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: top}
spec:
  tier: Admin
  priority: 7
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}
  ingress: [{name: a, action: Pass, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {range: {start: 1, end: 9}}}}, {destinationNamedPort: http}]}]
  egress: [{action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}]
)");
  save(argv[1], "list", R"({"apiVersion": "v1", "kind": "List", "items": [
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "a"}}},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "d", "namespace": "lab"}, "spec": {"podSelector": {}}}]}
)");
  return 0;
}
#endif
