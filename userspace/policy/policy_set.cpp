// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/policy_set.h"

#include <algorithm>
#include <tuple>

#include "userspace/policy/security_group.h"

namespace mizar::policy {

namespace {

constexpr std::string_view kNameKey = "kubernetes.io/metadata.name";
constexpr std::size_t kMergedFrom = 64;
const char* const kTiers[] = {"admin", "network", "baseline"};

void note(const std::optional<Selector>& s, std::set<std::string, std::less<>>& keys) {
  if (!s) return;
  for (const auto& r : s->all) keys.insert(r.key);
}

template <class Map, class Keys>
SortedLabels only(const Map& labels, const Keys& keys) {
  SortedLabels out;
  for (const auto& [key, value] : labels)
    if (keys.contains(key)) out.emplace_back(key, value);
  return out;
}

// Whether some address of `inside` may be in one of the blocks.
bool reach(const Blocks& blocks, const std::vector<Prefix>& inside) {
  const auto reaches = [](const Block& b, const Prefix& p) {
    const Prefix& both = b.cidr.contains(p) ? p : b.cidr;
    return b.cidr.overlaps(p) && std::none_of(b.except.begin(), b.except.end(),
                                              [&](const Prefix& e) { return e.contains(both); });
  };
  return inside.empty() || std::any_of(blocks.begin(), blocks.end(), [&](const Block& b) {
           return std::any_of(inside.begin(), inside.end(), [&](const Prefix& p) { return reaches(b, p); });
         });
}

void sort_once(std::vector<std::uint32_t>& v) {
  std::sort(v.begin(), v.end());
  v.erase(std::unique(v.begin(), v.end()), v.end());
}

}  // namespace

std::string full_name(const Policy& p) {
  if (is_security_group(p)) return "security-group:" + p.name;
  return p.ns.empty() ? p.name : fmt::format("{}/{}", p.ns, p.name);
}

PolicySet::PolicySet(std::vector<Policy> policies, const std::vector<Namespace>& namespaces,
                     std::vector<Prefix> inside)
    : inside_(std::move(inside)), policies_(std::move(policies)) {
  std::stable_sort(policies_.begin(), policies_.end(), [](const Policy& a, const Policy& b) {
    return std::tie(a.tier, a.priority, a.name, a.ns) < std::tie(b.tier, b.priority, b.name, b.ns);
  });
  for (const auto& p : policies_) note_keys(p);
  set_namespaces(namespaces);
  for (std::uint32_t i = 0; i < policies_.size(); i++) {
    const Policy& p = policies_[i];
    subjects_.push_back(class_of(p.namespaces, p.ns, p.pods));
    classes_[subjects_[i]].policies.push_back(i);
    take_apart(i, false);
    take_apart(i, true);
  }
  index_egress();
  merge_everywhere();
}

// ---- what divides label sets ---------------------------------------------------

void PolicySet::note_keys(const Policy& p) {
  note(p.namespaces, ns_keys_);
  note(p.pods, pod_keys_);
  if (!p.namespaces && !p.ns.empty()) own_.insert(p.ns);
  note_keys(p.ingress_rules, p.ns);
  note_keys(p.egress_rules, p.ns);
}

void PolicySet::note_keys(const std::vector<Rule>& rules, const std::string& ns) {
  for (const Rule& r : rules) {
    if (r.peers)
      for (const Peer& peer : *r.peers) {
        note(peer.namespaces, ns_keys_);
        note(peer.pods, pod_keys_);
        if (peer.pods && !peer.namespaces && !ns.empty()) own_.insert(ns);
      }
    if (r.ports)
      for (const Port& port : *r.ports)
        if (!port.name.empty()) port_names_.insert(port.name);
  }
}

PolicySet::NamespacePart PolicySet::namespace_part(const std::string& name, const Labels& labels) const {
  Labels all = labels;
  all.insert_or_assign(std::string(kNameKey), name);
  return {own_.contains(name) ? name : "", only(all, ns_keys_)};
}

void PolicySet::set_namespaces(const std::vector<Namespace>& namespaces) {
  namespaces_.clear();
  for (const auto& ns : namespaces) namespaces_[ns.name] = namespace_part(ns.name, ns.labels);
}

LabelSet PolicySet::label_set(const Pod& pod) const {
  const auto known = namespaces_.find(pod.ns);
  const NamespacePart part = known != namespaces_.end() ? known->second : namespace_part(pod.ns, {});
  LabelSet set{part.ns, part.labels, only(pod.labels, pod_keys_)};
  for (const auto& [name, port] : pod.ports)
    if (port_names_.contains(name)) set.ports.emplace_back(name, port);
  return set;
}

// ---- classes -------------------------------------------------------------------

std::uint32_t PolicySet::scope_of(const std::optional<Selector>& namespaces, const std::string& ns) {
  auto& known = namespaces ? selector_scopes_ : own_scopes_;
  const auto [at, fresh] = known.emplace(namespaces ? canonical(*namespaces) : ns, static_cast<std::uint32_t>(pods_.size()));
  if (!fresh) return at->second;
  if (namespaces) scopes_.add(at->second, *namespaces);
  pods_.emplace_back();
  return at->second;
}

ClassId PolicySet::class_of(const std::optional<Selector>& namespaces, const std::string& ns, const Selector& pods) {
  const std::uint32_t scope = scope_of(namespaces, ns);
  const auto id = static_cast<ClassId>(classes_.size());
  const auto [at, fresh] = class_numbers_.emplace(fmt::format("{} {}", scope, canonical(pods)), id);
  if (!fresh) return at->second;
  pods_[scope].add(id, pods);
  classes_.push_back({.scope = scope, .everybody = namespaces && namespaces->all.empty() && pods.all.empty()});
  return id;
}

ClassId PolicySet::union_of(const std::vector<ClassId>& members) {
  const auto id = static_cast<ClassId>(classes_.size());
  Class all;
  for (const auto m : members) {
    all.everybody |= classes_[m].everybody;
    classes_[m].unions.push_back(id);
  }
  classes_.push_back(std::move(all));
  return id;
}

std::vector<ClassId> PolicySet::classes_of(const LabelSet& set) const {
  std::vector<std::uint32_t> scopes;
  std::vector<ClassId> out;
  scopes_.find(set.ns_labels, scopes);
  if (const auto own = own_scopes_.find(set.ns); own != own_scopes_.end() && !set.ns.empty())
    scopes.push_back(own->second);
  for (const auto scope : scopes) pods_[scope].find(set.pod_labels, out);
  for (std::size_t i = 0, direct = out.size(); i < direct; i++)
    out.insert(out.end(), classes_[out[i]].unions.begin(), classes_[out[i]].unions.end());
  sort_once(out);
  return out;
}

// ---- rules -------------------------------------------------------------------------

void PolicySet::take_apart(std::uint32_t policy, bool egress) {
  const Policy& p = policies_[policy];
  auto& parts = egress ? egress_ : ingress_;
  Range range{static_cast<std::uint32_t>(parts.size()), 0};
  if (p.tier != Tier::network || (egress ? p.egress : p.ingress))
    for (const Rule& r : egress ? p.egress_rules : p.ingress_rules) take_apart(policy, r, parts);
  range.end = static_cast<std::uint32_t>(parts.size());
  (egress ? egress_of_ : ingress_of_).push_back(range);
}

void PolicySet::take_apart(std::uint32_t policy, const Rule& r, std::vector<Part>& to) {
  const Policy& p = policies_[policy];
  Part part{policy, p.tier, r.verdict, r.level, subjects_[policy], !r.peers, {}, 0, true, false, {}, nullptr};
  if (r.ports) {
    if (r.ports->empty()) return;  // of none of them
    part.ports = *r.ports;
    part.named = std::any_of(part.ports.begin(), part.ports.end(), [](const Port& x) { return !x.name.empty(); });
  }
  part.name = std::make_shared<RuleName>(RuleName{kTiers[static_cast<int>(p.tier)], full_name(p), r.name});
  if (!r.peers) return to.push_back(std::move(part));
  Blocks blocks;
  for (const Peer& peer : *r.peers) {
    if (peer.block)
      blocks.push_back(*peer.block);
    else
      part.peers.push_back(class_of(peer.namespaces, p.ns, peer.pods.value_or(Selector{})));
  }
  sort_once(part.peers);
  if (!part.peers.empty()) to.push_back(part);
  if (blocks.empty()) return;
  part.anyone = true;
  part.peers.clear();
  part.blocks = dimensions_.blocks.number(blocks);
  part.inside = reach(blocks, inside_);
  to.push_back(std::move(part));
}

bool PolicySet::isolates(std::uint32_t policy, bool egress) const {
  const Policy& p = policies_[policy];
  return p.tier == Tier::network && (egress ? p.egress : p.ingress);
}

void PolicySet::index_egress() {
  for (std::uint32_t i = 0; i < egress_.size(); i++) {
    if (egress_[i].anyone && egress_[i].inside) everywhere_.push_back(i);
    for (const auto c : egress_[i].peers) classes_[c].egress.push_back(i);
  }
  std::vector<ClassId> isolated;
  for (std::uint32_t i = 0; i < policies_.size(); i++)
    if (isolates(i, true)) isolated.push_back(subjects_[i]);
  sort_once(isolated);
  if (!isolated.empty()) isolated_ = union_of(isolated);
}

// Rules that stand in every list cost in every list. Where they are many, those with the
// same blocks, ports and level, whose order does not matter, become one.
void PolicySet::merge_everywhere() {
  if (everywhere_.size() < kMergedFrom) return;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::vector<std::uint32_t>> alike;
  std::vector<std::uint32_t> rest;
  for (const auto i : everywhere_) {
    const Part& p = egress_[i];
    if (p.tier != Tier::network || p.verdict != Verdict::allow || p.named) {
      rest.push_back(i);
      continue;
    }
    PortSpans spans;
    for (const Port& port : p.ports) spans.push_back({port.protocol, port.first, port.last});
    alike[{p.blocks, spans.empty() ? 0 : dimensions_.ports.number(joined(spans)), p.level}].push_back(i);
  }
  for (const auto& [key, parts] : alike) {
    if (parts.size() == 1) {
      rest.push_back(parts[0]);
      continue;
    }
    Part merged = egress_[parts[0]];
    std::vector<ClassId> subjects;
    for (const auto i : parts) subjects.push_back(egress_[i].subject);
    sort_once(subjects);
    merged.subject = union_of(subjects);
    merged.name = std::make_shared<RuleName>(RuleName{
        merged.name->tier, merged.name->policy, fmt::format("{} and {} more", merged.name->rule, parts.size() - 1)});
    rest.push_back(static_cast<std::uint32_t>(egress_.size()));
    egress_.push_back(std::move(merged));
  }
  std::sort(rest.begin(), rest.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(egress_[a].tier, a) < std::pair(egress_[b].tier, b);
  });
  everywhere_ = std::move(rest);
}

// ---- whom what concerns ----------------------------------------------------------------

std::vector<std::uint32_t> PolicySet::selecting(const std::vector<ClassId>& classes) const {
  std::vector<std::uint32_t> out;
  for (const auto c : classes) out.insert(out.end(), classes_[c].policies.begin(), classes_[c].policies.end());
  std::sort(out.begin(), out.end());  // each has one subject: it is there once
  return out;
}

std::vector<std::string> PolicySet::isolating(const std::vector<std::uint32_t>& policies, bool egress) const {
  std::vector<std::string> names;
  for (const auto p : policies)
    if (isolates(p, egress)) names.push_back(full_name(policies_[p]));
  return names;
}

std::vector<std::string> PolicySet::isolated_by(const LabelSet& set, bool egress) const {
  return isolating(selecting(classes_of(set)), egress);
}

// Sorted by tier, then as they are judged. Merged ones stand behind all others in egress_.
std::vector<std::uint32_t> PolicySet::egress_towards(const std::vector<ClassId>& classes) const {
  std::vector<std::uint32_t> to, all;
  for (const auto c : classes) to.insert(to.end(), classes_[c].egress.begin(), classes_[c].egress.end());
  sort_once(to);
  std::merge(to.begin(), to.end(), everywhere_.begin(), everywhere_.end(), std::back_inserter(all),
             [&](std::uint32_t a, std::uint32_t b) {
               return std::pair(egress_[a].tier, a) < std::pair(egress_[b].tier, b);
             });
  return all;
}

// ---- a label set more ----------------------------------------------------------------

unsigned PolicySet::add_set(Group& g, std::uint32_t label, const std::vector<ClassId>& classes) const {
  unsigned changed = 0;
  for (unsigned kind = 0; kind < MZ_POLICY_KINDS; kind++) {
    List& l = g.list[kind];
    if (l.rules.empty()) continue;
    Bits bits = l.vectors[l.label];
    for (const auto& [c, vector] : l.classes)
      if (std::binary_search(classes.begin(), classes.end(), c))
        for (std::size_t w = 0; w < bits.size(); w++) bits[w] |= l.vectors[vector][w];
    if (bits == l.vectors[l.label]) continue;
    const auto at = std::find(l.vectors.begin(), l.vectors.end(), bits);
    const auto vector = static_cast<std::uint32_t>(at - l.vectors.begin());
    if (at == l.vectors.end()) l.vectors.push_back(bits);
    const auto row = std::lower_bound(l.labels.begin(), l.labels.end(), label,
                                      [](const LabelRow& r, std::uint32_t id) { return r.label < id; });
    if (row != l.labels.end() && row->label == label)
      row->vector = vector;
    else
      l.labels.insert(row, {label, vector});
    changed |= 1u << kind;
  }
  return changed;
}

}  // namespace mizar::policy
