// SPDX-License-Identifier: Apache-2.0
#include "selftests/policy/oracle.h"

#include <algorithm>

namespace mizar::policy {
namespace {

bool holds(const Requirement& r, const Labels& labels) {
  const auto found = labels.find(r.key);
  const bool there = found != labels.end();
  const bool listed = there && std::find(r.values.begin(), r.values.end(), found->second) != r.values.end();
  switch (r.op) {
    case Op::in: return listed;
    case Op::not_in: return !listed;
    case Op::exists: return there;
    case Op::does_not_exist: return !there;
  }
  return false;
}

bool selects(const Selector& s, const Labels& labels) {
  return std::all_of(s.all.begin(), s.all.end(), [&](const Requirement& r) { return holds(r, labels); });
}

Labels labels_of_namespace(const World& world, const std::string& name) {
  Labels labels;
  for (const Namespace& n : world.namespaces)
    if (n.name == name) labels = n.labels;
  labels["kubernetes.io/metadata.name"] = name;
  return labels;
}

// Pods of the policy's own namespace, or of those that are selected.
bool selects(const World& world, const std::optional<Selector>& namespaces, const std::string& own,
             const Selector& pods, const Pod& pod) {
  const bool in_namespace = namespaces ? selects(*namespaces, labels_of_namespace(world, pod.ns)) : pod.ns == own;
  return in_namespace && selects(pods, pod.labels);
}

bool fits(const World& world, const Policy& policy, const Peer& peer, const End& end) {
  if (peer.block) {
    const auto& except = peer.block->except;
    return peer.block->cidr.contains(end.address) &&
           std::none_of(except.begin(), except.end(), [&](const Prefix& p) { return p.contains(end.address); });
  }
  return end.pod != nullptr && selects(world, peer.namespaces, policy.ns, peer.pods.value_or(Selector{}), *end.pod);
}

bool fits(const Port& port, const Asked& flow) {
  if (port.protocol != flow.protocol) return false;
  if (port.name.empty()) return port.first <= flow.port && flow.port <= port.last;
  if (flow.to.pod == nullptr) return false;
  const auto named = flow.to.pod->ports.find(port.name);
  return named != flow.to.pod->ports.end() && named->second.protocol == flow.protocol && named->second.port == flow.port;
}

bool fits(const World& world, const Policy& policy, const Rule& rule, const End& other, const Asked& flow) {
  const bool peer = !rule.peers || std::any_of(rule.peers->begin(), rule.peers->end(),
                                               [&](const Peer& p) { return fits(world, policy, p, other); });
  const bool port = !rule.ports || std::any_of(rule.ports->begin(), rule.ports->end(),
                                               [&](const Port& p) { return fits(p, flow); });
  return peer && port;
}

// Of this tier, those about `pod`, in their order.
std::vector<const Policy*> about(const World& world, Tier tier, const Pod& pod) {
  std::vector<const Policy*> found;
  for (const Policy& p : world.policies)
    if (p.tier == tier && selects(world, p.namespaces, p.ns, p.pods, pod)) found.push_back(&p);
  std::stable_sort(found.begin(), found.end(), [](const Policy* a, const Policy* b) {
    return a->priority != b->priority ? a->priority < b->priority : a->name < b->name;
  });
  return found;
}

bool allowed(const World& world, const Asked& flow, bool egress) {
  const End& subject = egress ? flow.from : flow.to;
  const End& other = egress ? flow.to : flow.from;
  const auto rules = [&](const Policy* p) -> const std::vector<Rule>& { return egress ? p->egress_rules : p->ingress_rules; };
  const auto first = [&](Tier tier) {
    for (const Policy* p : about(world, tier, *subject.pod))
      for (const Rule& r : rules(p))
        if (fits(world, *p, r, other, flow)) return r.verdict;
    return Verdict::pass;
  };
  if (subject.pod == nullptr) return true;
  if (const Verdict v = first(Tier::admin); v != Verdict::pass) return v == Verdict::allow;
  bool isolated = false;
  for (const Policy* p : about(world, Tier::network, *subject.pod)) {
    if (!(egress ? p->egress : p->ingress)) continue;
    isolated = true;
    for (const Rule& r : rules(p))
      if (fits(world, *p, r, other, flow)) return true;
  }
  return !isolated && first(Tier::baseline) != Verdict::deny;
}

}  // namespace

bool allowed(const World& world, const Asked& flow) { return allowed(world, flow, true) && allowed(world, flow, false); }

}  // namespace mizar::policy
