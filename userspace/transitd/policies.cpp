// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/policies.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace mizar {

namespace {

// A packet that began before its endpoint had another group has long ended.
constexpr std::chrono::seconds kLinger{2};

std::vector<policy::Policy> values(const std::map<std::string, policy::Policy, std::less<>>& m) {
  std::vector<policy::Policy> out;
  for (const auto& [name, p] : m) out.push_back(p);
  return out;
}

std::vector<policy::Namespace> values(const std::map<std::string, policy::Namespace, std::less<>>& m) {
  std::vector<policy::Namespace> out;
  for (const auto& [name, n] : m) out.push_back(n);
  return out;
}

// VPCs of the goal that have a policy.
template <class Use>
Result<> each_vpc(const Goal& goal, Use use) {
  for (const auto& [name, spec] : goal.vpcs) {
    const auto p = goal.policy.find(name);
    if (p != goal.policy.end() && !p->second.policies.empty()) MZ_CHECK(use(spec, p->second));
  }
  return {};
}

template <class Use>
Result<> each_endpoint_here(const Goal& goal, const std::string& vpc, Use use) {
  for (auto e = goal.endpoints.lower_bound(vpc + "/"); e != goal.endpoints.end() && e->second.vpc == vpc; ++e)
    if (goal.local(e->second)) MZ_CHECK(use(e->second));
  return {};
}

std::set<policy::LabelSet> subjects(const Goal& goal, const std::string& vpc, const policy::PolicySet& policies) {
  std::set<policy::LabelSet> out;
  (void)each_endpoint_here(goal, vpc, [&](const EndpointSpec& e) -> Result<> {
    out.insert(policies.label_set(pod_of(e)));
    return {};
  });
  return out;
}

Failure taken(const std::string& vpc, std::uint32_t number, const policy::LabelSet& is, const policy::LabelSet& wanted) {
  return fail(Code::failed_precondition, "vpc {}: label set {} is {} and cannot become {}: give that another number", vpc,
              number, is.text(), wanted.text());
}

// Does one of these VPCs have the VNI, and the label set?
template <class Vpcs>
bool has_set(const Vpcs& vpcs, std::uint32_t vni, std::uint32_t number) {
  return std::any_of(vpcs.begin(), vpcs.end(), [&](const auto& v) { return v.second.vni == vni && v.second.spec.sets.contains(number); });
}

}  // namespace

bool Policies::says_something(const policy::Group& g) {
  return std::any_of(g.list.begin(), g.list.end(), [](const policy::List& l) { return !l.rules.empty(); });
}

bool Policies::same_source(const Vpc& v, const Goal& goal, const VpcSpec& spec) {
  const VpcPolicySpec& wanted = goal.policy.find(spec.name)->second;
  return v.vni == spec.vni && v.inside == spec.cidr.all() && v.spec.policies == wanted.policies;
}

// ---- making it ------------------------------------------------------------------------

// A VPC with another VNI is another: no packet of one is judged by the other's groups.
const Policies::Vpc* Policies::standing(const VpcSpec& spec) const {
  const auto v = vpcs_.find(spec.name);
  return v == vpcs_.end() || v->second.vni != spec.vni ? nullptr : &v->second;
}

// Until endpoints' rows have new numbers, their packets have those that stand. An error,
// where one number is to mean two sets: failed_precondition.
Result<Policies::Sets> Policies::sets_meanwhile(const VpcSpec& spec, const Sets& wanted) const {
  Sets all = wanted;
  const Vpc* v = standing(spec);
  if (v == nullptr) return all;
  for (const auto& [number, set] : v->spec.sets)
    if (const auto at = all.try_emplace(number, set).first; at->second != set) return taken(spec.name, number, set, at->second);
  return all;
}

void Policies::give_number(Vpc& v, std::uint32_t number, const policy::LabelSet& set) {
  auto& all = v.numbers[set];
  if (std::find(all.begin(), all.end(), number) == all.end()) all.push_back(number);
}

Result<Policies::Vpc> Policies::compile(const Goal& goal, const VpcSpec& spec) const {
  Vpc v{.vni = spec.vni, .inside = spec.cidr.all(), .spec = goal.policy.find(spec.name)->second};
  v.policies = std::make_shared<policy::PolicySet>(values(v.spec.policies), values(v.spec.namespaces), v.inside);
  for (const auto& [number, set] : v.spec.sets) give_number(v, number, set);
  auto sets = sets_meanwhile(spec, v.spec.sets);
  if (!sets) return tl::unexpected(sets.error());
  v.spec.sets = std::move(*sets);
  v.compiler = std::make_unique<policy::Compiler>(v.policies, v.spec.sets);
  for (const policy::LabelSet& subject : subjects(goal, spec.name, *v.policies)) {
    auto group = v.compiler->compile(subject);
    if (!group) return wrap(group.error(), fmt::format("vpc {}: endpoints with {}", spec.name, subject.text()));
    v.groups.emplace(subject, Judged{0, std::move(*group), {}});
  }
  return v;
}

// What has other policies than stand, unless it is prepared already.
Result<> Policies::prepare(const Goal& goal) {
  std::map<std::string, Vpc, std::less<>> next;
  MZ_CHECK(each_vpc(goal, [&](const VpcSpec& spec, const VpcPolicySpec& wanted) -> Result<> {
    const Vpc* now = standing(spec);
    auto sets = sets_meanwhile(spec, wanted.sets);
    if (!sets) return tl::unexpected(sets.error());
    if (now != nullptr && same_source(*now, goal, spec)) return {};
    const auto ready = prepared_.find(spec.name);
    if (ready != prepared_.end() && same_source(ready->second, goal, spec) && ready->second.spec.sets == *sets &&
        ready->second.spec.namespaces == wanted.namespaces) {
      const auto all = subjects(goal, spec.name, *ready->second.policies);
      if (std::equal(all.begin(), all.end(), ready->second.groups.begin(), ready->second.groups.end(),
                     [](const auto& a, const auto& b) { return a == b.first; })) {
        next.insert(prepared_.extract(ready));
        return {};
      }
    }
    auto v = compile(goal, spec);
    if (!v) return tl::unexpected(v.error());
    next.emplace(spec.name, std::move(*v));
    return {};
  }));
  prepared_ = std::move(next);
  return {};
}

Result<> Policies::check(const Goal& goal) {
  MZ_CHECK(prepare(goal));
  std::vector<const policy::Group*> fresh;
  std::size_t sets = 0;
  for (const auto& [name, v] : prepared_) {
    sets += v.spec.sets.size();
    for (const auto& [subject, judged] : v.groups)
      if (says_something(judged.group)) fresh.push_back(&judged.group);
  }
  return tables_.check_room(fresh, sets);
}

// Groups of `prepared_` that say what one that stands says are that one; others are put.
Result<> Policies::put_new(std::vector<std::uint32_t>& put) {
  for (auto& [name, v] : prepared_) {
    const auto now = vpcs_.find(name);
    for (auto& [subject, judged] : v.groups) {
      if (!says_something(judged.group)) continue;
      if (now != vpcs_.end()) {
        const auto stands = now->second.groups.find(subject);
        if (stands != now->second.groups.end() && stands->second.number != 0 && policy::same(stands->second.group, judged.group)) {
          judged.number = stands->second.number;
          continue;
        }
      }
      auto number = tables_.put(judged.group);
      if (!number) return wrap(number.error(), fmt::format("vpc {}: endpoints with {}", name, subject.text()));
      judged.number = *number;
      put.push_back(*number);
    }
  }
  return {};
}

// A set is known when the groups that judge have its rows: those in force, whose place the
// new ones have not taken yet, or, where there are none, the new ones.
Result<> Policies::install() {
  std::vector<std::uint32_t> put;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> known;  // VNI and label set, for the first time
  const auto all = [&]() -> Result<> {
    for (const auto& [name, v] : prepared_)
      if (const auto old = vpcs_.find(name); old != vpcs_.end())
        for (const auto& [number, set] : v.spec.sets) MZ_CHECK(meet_set(old->second, number, set));
    MZ_CHECK(put_new(put));
    for (const auto& [name, v] : prepared_) {
      if (vpcs_.contains(name)) continue;
      for (const auto& [number, set] : v.spec.sets) {
        MZ_CHECK(tables_.know(v.vni, number));
        known.emplace_back(v.vni, number);
      }
    }
    return {};
  };
  if (auto rc = all(); !rc) {
    for (const auto& [vni, number] : known)
      if (!has_set(gone_, vni, number)) (void)tables_.forget(vni, number);
    for (const auto number : put) (void)tables_.erase(number);
    return rc;
  }
  const auto now = Clock::now();
  for (auto& [name, v] : prepared_) {
    if (const auto old = vpcs_.find(name); old != vpcs_.end()) {
      std::set<std::uint32_t> kept;
      for (const auto& [subject, judged] : v.groups) kept.insert(judged.number);
      for (auto& [subject, judged] : old->second.groups)
        if (kept.insert(judged.number).second) retire(name, std::move(judged), now);
    }
    vpcs_.insert_or_assign(name, std::move(v));
  }
  prepared_.clear();
  return {};
}

// VPCs without a policy from now on; and those that had been, and have one again.
void Policies::part(const Goal& goal) {
  const auto stays = [&goal](const std::string& name, const Vpc& v) {
    const auto p = goal.policy.find(name);
    const auto spec = goal.vpcs.find(name);
    return p != goal.policy.end() && !p->second.policies.empty() && spec != goal.vpcs.end() && spec->second.vni == v.vni;
  };
  for (auto v = vpcs_.begin(); v != vpcs_.end();) {
    const auto at = v++;
    if (stays(at->first, at->second)) continue;
    gone_.emplace_back(at->first, std::move(at->second));
    vpcs_.erase(at);
  }
  for (auto g = gone_.begin(); g != gone_.end();) {
    const auto at = g++;
    if (!stays(at->first, at->second) || !vpcs_.try_emplace(at->first, std::move(at->second)).second) continue;
    gone_.erase(at);
  }
}

Result<> Policies::apply(const Goal& goal) {
  part(goal);
  MZ_CHECK(prepare(goal));
  MZ_CHECK(install());
  return each_vpc(goal, [&](const VpcSpec& spec, const VpcPolicySpec& wanted) -> Result<> {
    Vpc& v = vpcs_.find(spec.name)->second;
    if (v.spec.namespaces != wanted.namespaces) {
      v.policies->set_namespaces(values(wanted.namespaces));
      v.spec.namespaces = wanted.namespaces;
    }
    for (const auto& [number, set] : wanted.sets) MZ_CHECK(add_set(v, number, set));
    return each_endpoint_here(goal, spec.name, [&](const EndpointSpec& e) { return ensure(v, v.policies->label_set(pod_of(e))); });
  });
}

// No packet has had these numbers: nothing changes for those under way. A host knows a
// number when all its groups do.
Result<> Policies::meet_set(Vpc& v, std::uint32_t number, const policy::LabelSet& set) {
  if (!v.spec.sets.contains(number)) {
    if (auto rc = put_rows(v, number, set); !rc) {
      (void)erase_rows(v, number);  // or another set with this number would have them
      return rc;
    }
    v.compiler->add(number, set);
    v.spec.sets.emplace(number, set);
  }
  return tables_.know(v.vni, number);
}

Result<> Policies::put_rows(Vpc& v, std::uint32_t number, const policy::LabelSet& set) {
  const auto classes = v.policies->classes_of(set);
  for (auto& [subject, judged] : v.groups) {
    const unsigned lists = v.policies->add_set(judged.group, number, classes);
    if (judged.number != 0) MZ_CHECK(tables_.put_label(judged.number, judged.group, lists, number));
  }
  return {};
}

Result<> Policies::erase_rows(Vpc& v, std::uint32_t number) {
  for (auto& [subject, judged] : v.groups) {
    policy::remove_set(judged.group, number);
    if (judged.number != 0) MZ_CHECK(tables_.erase_label(judged.number, number));
  }
  return {};
}

// The same, and this host's endpoints have it.
Result<> Policies::add_set(Vpc& v, std::uint32_t number, const policy::LabelSet& set) {
  MZ_CHECK(meet_set(v, number, set));
  give_number(v, number, set);
  return {};
}

Result<> Policies::add_set(const std::string& vpc, std::uint32_t number, const policy::LabelSet& set) {
  const auto v = vpcs_.find(vpc);
  if (v == vpcs_.end()) return {};
  if (const auto stands = v->second.spec.sets.find(number); stands != v->second.spec.sets.end() && stands->second != set)
    return taken(vpc, number, stands->second, set);  // given up a moment ago
  return add_set(v->second, number, set);
}

// The other way round.
Result<> Policies::drop_sets(Vpc& v, const Sets& wanted) {
  for (auto at = v.spec.sets.begin(); at != v.spec.sets.end();) {
    const auto& [number, set] = *at;
    if (wanted.contains(number)) {
      ++at;
      continue;
    }
    MZ_CHECK(tables_.forget(v.vni, number));
    MZ_CHECK(erase_rows(v, number));
    v.compiler->remove(number);
    if (const auto n = v.numbers.find(set); n != v.numbers.end() && std::erase(n->second, number) != 0 && n->second.empty())
      v.numbers.erase(n);
    at = v.spec.sets.erase(at);
  }
  return {};
}

std::map<std::string, std::set<policy::LabelSet>> Policies::in_use(const Goal& goal) const {
  std::map<std::string, std::set<policy::LabelSet>> out;
  (void)each_vpc(goal, [&](const VpcSpec& spec, const VpcPolicySpec& wanted) -> Result<> {
    const auto now = vpcs_.find(spec.name);
    if (now != vpcs_.end() && same_source(now->second, goal, spec) && now->second.spec.namespaces == wanted.namespaces) {
      out.emplace(spec.name, subjects(goal, spec.name, *now->second.policies));
      return {};
    }
    const policy::PolicySet policies(values(wanted.policies), values(wanted.namespaces), spec.cidr.all());
    out.emplace(spec.name, subjects(goal, spec.name, policies));
    return {};
  });
  return out;
}

std::map<std::string, std::set<policy::LabelSet>> Policies::in_use_here(const Goal& goal) const {
  std::map<std::string, std::set<policy::LabelSet>> out;
  for (const auto& [name, v] : vpcs_) out.emplace(name, subjects(goal, name, *v.policies));
  return out;
}

Result<> Policies::ensure(Vpc& v, const policy::LabelSet& subject) {
  if (const auto at = v.groups.find(subject); at != v.groups.end()) {
    at->second.idle.reset();
    return {};
  }
  auto group = v.compiler->compile(subject);
  if (!group) return wrap(group.error(), "endpoints with " + subject.text());
  std::uint32_t number = 0;
  if (says_something(*group)) {
    auto put = tables_.put(*group);
    if (!put) return wrap(put.error(), "endpoints with " + subject.text());
    number = *put;
  }
  v.groups.emplace(subject, Judged{number, std::move(*group), {}});
  return {};
}

Result<> Policies::ensure(const EndpointSpec& e) {
  const auto v = vpcs_.find(e.vpc);
  if (v == vpcs_.end()) return {};
  return ensure(v->second, v->second.policies->label_set(pod_of(e)));
}

Policies::Place Policies::place(const EndpointSpec& e) const {
  const auto v = vpcs_.find(e.vpc);
  if (v == vpcs_.end()) return {};
  const auto subject = v->second.policies->label_set(pod_of(e));
  const auto number = v->second.numbers.find(subject);
  const auto judged = v->second.groups.find(subject);
  // Without a group it is closed: no group has this number.
  return {judged == v->second.groups.end() ? MZ_POLICY_MAX : judged->second.number,
          number == v->second.numbers.end() ? MZ_LABEL_UNKNOWN : number->second.back()};
}

// ---- what goes --------------------------------------------------------------------------

void Policies::retire(const std::string& vpc, Judged judged, Clock::time_point now) {
  if (judged.number != 0) retired_.push_back({vpc, std::move(judged), now + kLinger});
}

Result<> Policies::settle(const Goal& goal, Clock::time_point now) {
  if (!recovered_) strays_due_ = now + kLinger;
  recovered_ = true;
  while (!gone_.empty()) {
    auto& [name, v] = gone_.front();
    // One with another name may have its VNI, and the same numbers.
    for (const auto& [number, set] : v.spec.sets)
      if (!has_set(vpcs_, v.vni, number)) MZ_CHECK(tables_.forget(v.vni, number));
    for (auto& [subject, judged] : v.groups) retire(name, std::move(judged), now);
    gone_.pop_front();
  }
  for (auto& [name, v] : vpcs_) {
    const auto wanted = goal.policy.find(name);
    if (wanted == goal.policy.end()) continue;  // not applied yet
    MZ_CHECK(drop_sets(v, wanted->second.sets));
    const auto used = subjects(goal, name, *v.policies);
    for (auto& [subject, judged] : v.groups)
      if (used.contains(subject))
        judged.idle.reset();
      else if (!judged.idle)
        judged.idle = now;
  }
  return {};
}

Result<> Policies::let_go(const std::string& vpc, const Judged& judged) {
  if (judged.number == 0) return {};
  count(past_hits_[vpc], judged);
  return tables_.erase(judged.number);
}

Result<bool> Policies::expire(Clock::time_point now, std::size_t most) {
  for (auto& [name, v] : vpcs_)
    for (auto g = v.groups.begin(); g != v.groups.end();) {
      if (!g->second.idle || *g->second.idle + kLinger > now) {
        ++g;
        continue;
      }
      if (most-- == 0) return true;
      MZ_CHECK(let_go(name, g->second));
      g = v.groups.erase(g);
    }
  while (!retired_.empty() && retired_.front().due <= now) {
    if (most-- == 0) return true;
    MZ_CHECK(let_go(retired_.front().vpc, retired_.front().judged));
    retired_.erase(retired_.begin());
  }
  if (!strays_due_ || *strays_due_ > now) return false;
  MZ_CHECK(tables_.erase_strays());
  strays_due_.reset();
  return false;
}

// ---- by name again ------------------------------------------------------------------------

std::optional<policy::LabelSet> Policies::label_set(const EndpointSpec& e) const {
  const auto v = vpcs_.find(e.vpc);
  if (v == vpcs_.end()) return std::nullopt;
  return v->second.policies->label_set(pod_of(e));
}

std::string Policies::label_text(const std::string& vpc, std::uint32_t label) const {
  if (label == 0) return "";
  const auto v = vpcs_.find(vpc);
  if (v != vpcs_.end())
    if (const auto set = v->second.spec.sets.find(label); set != v->second.spec.sets.end()) return set->second.text();
  return label == MZ_LABEL_UNKNOWN ? "unknown" : fmt::format("unknown ({})", label);
}

const policy::Group* Policies::group(const EndpointSpec& e) const {
  const auto v = vpcs_.find(e.vpc);
  if (v == vpcs_.end()) return nullptr;
  const auto judged = v->second.groups.find(v->second.policies->label_set(pod_of(e)));
  return judged == v->second.groups.end() || judged->second.number == 0 ? nullptr : &judged->second.group;
}

const policy::ListRule* Policies::rule(std::uint32_t list, std::uint32_t rule) const {
  const std::uint32_t number = list >> 2, kind = list & 3;
  const auto in = [&](const Judged& j) -> const policy::ListRule* {
    if (j.number != number || kind >= MZ_POLICY_KINDS || rule >= j.group.list[kind].rules.size()) return nullptr;
    return &j.group.list[kind].rules[rule];
  };
  const auto in_some = [&](const auto& some) -> const policy::ListRule* {
    for (const auto& [name, v] : some)
      for (const auto& [subject, judged] : v.groups)
        if (const auto* r = in(judged)) return r;
    return nullptr;
  };
  for (const auto* found : {in_some(vpcs_), in_some(gone_)})
    if (found != nullptr) return found;
  for (const Retired& r : retired_)
    if (const auto* found = in(r.judged)) return found;
  return nullptr;
}

void Policies::count(std::map<HitKey, std::uint64_t>& to, const Judged& judged) const {
  static constexpr const char* kTiers[] = {"admin", "network", "baseline"};
  for (std::uint32_t kind = 0; kind < MZ_POLICY_KINDS; kind++) {
    const auto hits = tables_.hits(judged.number, static_cast<mz_policy_kind>(kind));
    const auto& rules = judged.group.list[kind].rules;
    for (std::size_t r = 0; r < hits.size() && r < rules.size(); r++) {
      if (!rules[r].name) continue;
      const auto& name = *rules[r].name;
      const auto tier = std::find(std::begin(kTiers), std::end(kTiers), name.tier) - std::begin(kTiers);
      to[{kind, fmt::format("{}{}", tier, name.tier), name.policy, name.rule, rules[r].verdict}] += hits[r];
    }
  }
}

std::vector<Policies::Hit> Policies::all_hits(const std::string& vpc) const {
  std::map<HitKey, std::uint64_t> sums;
  if (const auto past = past_hits_.find(vpc); past != past_hits_.end()) sums = past->second;
  if (const auto v = vpcs_.find(vpc); v != vpcs_.end()) {
    std::set<std::uint32_t> seen{0};  // several label sets may have one group
    for (const auto& [subject, judged] : v->second.groups)
      if (seen.insert(judged.number).second) count(sums, judged);
  }
  for (const Retired& r : retired_)
    if (r.vpc == vpc) count(sums, r.judged);
  std::vector<Hit> out;
  for (const auto& [key, hits] : sums) {
    const auto& [kind, tier, policy, rule, verdict] = key;
    out.push_back({static_cast<mz_policy_kind>(kind), verdict, {tier.substr(1), policy, rule}, hits});
  }
  return out;
}

}  // namespace mizar
