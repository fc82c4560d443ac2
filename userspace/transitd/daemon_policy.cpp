// SPDX-License-Identifier: Apache-2.0
// Policy as it is asked for and told of: policies and labels that come without a plan, why
// an endpoint may or may not, what was denied.
#include <arpa/inet.h>

#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/policy/label_numbers.h"
#include "userspace/transitd/daemon.h"
#include "userspace/transitd/described_frame.h"

namespace mizar {

namespace {

constexpr const char* kGroups = "policy-groups";  // numbers beyond this one nobody has had
// More than a daemon can begin between two looks, and few of all there are.
constexpr std::uint32_t kGroupsAhead = 1 << 15;
constexpr std::size_t kGroupsAtOnce = 8;

// Puts `m` in the place of what `same` finds, or at the end.
template <class List, class Message, class Same>
void replace(List* list, const Message& m, Same same) {
  const auto at = std::find_if(list->begin(), list->end(), same);
  *(at == list->end() ? list->Add() : &*at) = m;
}

template <class List, class Match>
void erase_if(List* list, Match match) {
  list->erase(std::remove_if(list->begin(), list->end(), match), list->end());
}

template <class List, class Match>
bool any(const List& list, Match match) {
  return std::any_of(list.begin(), list.end(), match);
}

bool same_policy(const v1::Policy& a, const v1::Policy& b) {
  return a.vpc() == b.vpc() && policy::full_name(a) == policy::full_name(b);
}
bool same_namespace(const v1::Namespace& a, const v1::Namespace& b) { return a.vpc() == b.vpc() && a.name() == b.name(); }

}  // namespace

// ---- policies without a plan ---------------------------------------------------------

Result<v1::ApplyReply> Daemon::apply_policies(const v1::ApplyPoliciesRequest& r) {
  if (!goal_.vpcs.contains(r.vpc()))
    return fail(Code::not_found, "vpc {}: there is none here; add an endpoint of it, or apply a plan", r.vpc());
  KeptState more = added_;
  v1::GoalState& added = more.rest();
  if (r.replace()) {
    erase_if(added.mutable_policies(), [&](const auto& p) { return p.vpc() == r.vpc(); });
    erase_if(added.mutable_namespaces(), [&](const auto& n) { return n.vpc() == r.vpc(); });
  }
  for (auto p : r.policies()) {
    p.set_vpc(r.vpc());
    const auto same = [&p](const v1::Policy& o) { return same_policy(o, p); };
    if (any(applied_.rest().policies(), same))
      return fail(Code::failed_precondition, "policy {}/{}: is the plan's; change it in the region, and plan anew", r.vpc(), policy::full_name(p));
    replace(added.mutable_policies(), p, same);
  }
  for (auto n : r.namespaces()) {
    n.set_vpc(r.vpc());
    const auto same = [&n](const v1::Namespace& o) { return same_namespace(o, n); };
    if (any(applied_.rest().namespaces(), same))
      return fail(Code::failed_precondition, "namespace {}/{}: is the plan's; change it in the region, and plan anew", r.vpc(), n.name());
    replace(added.mutable_namespaces(), n, same);
  }
  v1::StoredLabels newer = newer_;
  auto goal = merged(applied_, more, newer);
  if (!goal) return tl::unexpected(goal.error());
  v1::ApplyReply reply;
  reply.set_revision(goal_.revision);
  static const VpcPolicySpec kNone;
  const auto spec = [&r](const Goal& g) -> const VpcPolicySpec& {
    const auto at = g.policy.find(r.vpc());
    return at == g.policy.end() ? kNone : at->second;
  };
  const auto count = [&reply](const auto& before, const auto& after) {
    for (const auto& [name, p] : after) {
      const auto old = before.find(name);
      if (old == before.end())
        reply.set_added(reply.added() + 1);
      else if (old->second != p)
        reply.set_changed(reply.changed() + 1);
    }
    for (const auto& [name, p] : before) reply.set_removed(reply.removed() + !after.contains(name));
  };
  count(spec(goal_).policies, spec(*goal).policies);
  count(spec(goal_).namespaces, spec(*goal).namespaces);
  if (r.dry_run()) {
    if (dp_.loaded()) MZ_CHECK(check(*goal));
    return reply;
  }
  auto counts = adopt(std::move(*goal), applied_, more, newer);
  if (!counts) return tl::unexpected(counts.error());
  log::info("policies of vpc {}: {} added, {} changed, {} removed", r.vpc(), reply.added(), reply.changed(), reply.removed());
  return reply;
}

// ---- label sets ------------------------------------------------------------------------

Result<> Daemon::number_labels(const std::map<std::string, std::set<policy::LabelSet>>& in_use, Goal& goal,
                               v1::StoredLabels& newer) {
  std::map<std::string, policy::LabelNumbers> before;
  for (const auto& m : newer.sets()) {
    auto set = policy::parse_label_set(m);
    if (!set) return tl::unexpected(set.error());
    before[m.vpc()].sets.emplace(m.id(), std::move(*set));
  }
  newer.clear_sets();
  for (const auto& [vpc, sets] : in_use) {
    const auto now = policy::number_sets(before[vpc], sets);
    goal.policy[vpc].sets = now.sets;
    for (const auto& [id, set] : now.sets) *newer.add_sets() = policy::to_message(vpc, id, set);
  }
  return {};
}

Result<v1::SetLabelsReply> Daemon::set_labels(const v1::SetLabelsRequest& r) {
  Result<v1::SetLabelsReply> told = fail(Code::internal, "labels: not stored");
  set_labels(r, [&told](Result<v1::SetLabelsReply> reply) { told = std::move(reply); });
  (void)store_labels();  // which tells
  return told;
}

void Daemon::set_labels(const v1::SetLabelsRequest& r, OnLabels done) {
  auto change = label_change(r);
  if (!change) return done(tl::unexpected(change.error()));
  exchange(*change);
  labels_changed_ = true;
  if (auto rc = make_true(*change); !rc) {
    take_back(*change);
    return done(tl::unexpected(rc.error()));
  }
  for (const auto& e : change->endpoints) change->reply.set_changed(change->reply.changed() + (e.labels != e.endpoint->labels));
  generation_++;
  change->done = std::move(done);
  unstored_.push_back(std::move(*change));
  if (unstored_.size() == 1) loop_.post([this] { (void)store_labels(); });
}

// What a caller was told survives whatever happens next.
Result<> Daemon::store_labels() {
  if (unstored_.empty()) return {};
  auto all = std::exchange(unstored_, {});
  const auto rc = save(newer_);
  if (!rc) std::for_each(all.rbegin(), all.rend(), [this](LabelChange& c) { take_back(c); });
  for (const LabelChange& c : all) c.done(rc ? Result<v1::SetLabelsReply>(c.reply) : tl::unexpected(rc.error()));
  return rc;
}

// All that may be wrong is found here.
Result<Daemon::LabelChange> Daemon::label_change(const v1::SetLabelsRequest& r) {
  if (standalone(applied_) && (r.sets_size() != 0 || r.forget_size() != 0))
    return fail(Code::failed_precondition, "label sets: this host has no plan, and numbers them itself");
  LabelChange change{.newer = newer_};
  std::set<std::string> named;
  for (const auto& m : r.endpoints()) {
    const auto e = goal_.endpoints.find(m.endpoint());
    if (e == goal_.endpoints.end() || !goal_.local(e->second))
      return fail(Code::not_found, "endpoint {}: there is none on this host", m.endpoint());
    if (!named.insert(m.endpoint()).second) return fail(Code::invalid_argument, "endpoint {}: is there twice", m.endpoint());
    auto labels = policy::parse_pod_labels(m);
    if (!labels) return wrap(labels.error(), "endpoint " + m.endpoint());
    EndpointSpec with = e->second;
    with.labels = *labels;
    MZ_CHECK(check_groups(goal_, with));
    change.endpoints.push_back({&e->second, std::move(*labels)});
    replace(change.newer.mutable_endpoints(), m, [&m](const auto& l) { return l.endpoint() == m.endpoint(); });
  }
  MZ_CHECK(read_sets(r, change));
  return change;
}

Result<> Daemon::read_sets(const v1::SetLabelsRequest& r, LabelChange& change) {
  for (const auto& m : r.sets()) {
    const std::string place = fmt::format("label set {} of vpc {}", m.id(), m.vpc());
    if (!goal_.vpcs.contains(m.vpc())) return fail(Code::not_found, "{}: the vpc is not known here", place);
    if (m.id() == 0 || m.id() >= MZ_LABEL_UNKNOWN)
      return fail(Code::invalid_argument, "{}: id: must be in 1..{}", place, MZ_LABEL_UNKNOWN - 1);
    auto set = policy::parse_label_set(m);
    if (!set) return wrap(set.error(), place);
    const auto& stand = goal_.policy[m.vpc()].sets;
    const auto stands = stand.find(m.id());
    const auto at = change.sets.try_emplace({m.vpc(), m.id()}, stands == stand.end() ? *set : stands->second).first;
    if (at->second != *set) return fail(Code::failed_precondition, "{}: is {}; give another number", place, at->second->text());
  }
  const auto same = [](const auto& m) {
    return [&m](const v1::LabelSet& s) { return s.vpc() == m.vpc() && s.id() == m.id(); };
  };
  for (const auto& m : r.forget()) {
    if (!any(change.newer.sets(), same(m)) || any(r.sets(), same(m))) continue;
    change.sets[{m.vpc(), m.id()}].reset();
    erase_if(change.newer.mutable_sets(), same(m));
  }
  for (const auto& m : r.sets())
    if (!any(applied_.rest().label_sets(), same(m))) replace(change.newer.mutable_sets(), m, same(m));
  return {};
}

void Daemon::exchange(LabelChange& change) {
  for (auto& e : change.endpoints) std::swap(e.endpoint->labels, e.labels);
  for (auto& [key, set] : change.sets) {
    auto& stand = goal_.policy[key.first].sets;
    std::optional<policy::LabelSet> before;
    if (const auto at = stand.find(key.second); at != stand.end()) before = std::move(at->second);
    if (set)
      stand.insert_or_assign(key.second, std::move(*set));
    else
      stand.erase(key.second);
    set = std::move(before);
  }
  for (auto& [vpc, numbers] : change.numbered) std::swap(numbers, goal_.policy[vpc].sets);
  std::swap(newer_, change.newer);
}

Result<> Daemon::make_true(LabelChange& change) {
  if (standalone(applied_)) {
    const auto in_use = policies_.in_use_here(goal_);
    for (const auto& [vpc, all] : in_use) change.numbered.emplace(vpc, goal_.policy[vpc].sets);
    MZ_CHECK(number_labels(in_use, goal_, newer_));
  }
  if (!dp_.loaded()) return {};
  for (const auto& [key, before] : change.sets)
    if (const auto& now = goal_.policy[key.first].sets; now.contains(key.second))
      MZ_CHECK(policies_.add_set(key.first, key.second, now.at(key.second)));
  for (const auto& [vpc, before] : change.numbered)
    for (const auto& [number, set] : goal_.policy[vpc].sets)
      if (!before.contains(number)) MZ_CHECK(policies_.add_set(vpc, number, set));
  for (const auto& e : change.endpoints) MZ_CHECK(policies_.ensure(*e.endpoint));
  for (const auto& e : change.endpoints) MZ_CHECK(tables_.update_endpoint(goal_, ports_, *e.endpoint));
  return {};
}

// As it was; what cannot be put back is said, and is put back with the next change.
void Daemon::take_back(LabelChange& change) {
  const auto log = [](const Result<>& rc) {
    if (!rc) log::error("{}", rc.error().what);
  };
  exchange(change);
  if (!dp_.loaded()) return;
  for (const auto& e : change.endpoints) log(policies_.ensure(*e.endpoint));
  log(policies_.settle(goal_));
  for (const auto& e : change.endpoints) log(tables_.update_endpoint(goal_, ports_, *e.endpoint));
}

// What endpoints had before, and nobody has any more.
void Daemon::tend_policies() {
  if (!dp_.loaded()) return;
  const auto log = [](const Result<>& rc) {
    if (!rc) log::warning("policy: {}", rc.error().what);
    return rc.has_value();
  };
  if (labels_changed_ && log(policies_.settle(goal_))) labels_changed_ = false;
  if (auto rc = reserve_groups(); !rc) log::warning("{}", rc.error().what);
  expire_groups();
}

// A few at a time: who waits meanwhile is served between.
void Daemon::expire_groups() {
  const auto more = policies_.expire(Policies::Clock::now(), kGroupsAtOnce);
  if (!more) log::warning("policy: {}", more.error().what);
  if (!more || !*more || expiring_) return;
  expiring_ = true;
  loop_.post([this] {
    expiring_ = false;
    expire_groups();
  });
}

// Flows remember groups by number, and live on when this daemon ends: the next one's begin
// behind what is stored.
Result<> Daemon::reserve_groups() {
  if ((reserved_groups_ - policies_.last_group()) % MZ_POLICY_MAX > kGroupsAhead / 2) return {};
  const std::uint32_t next = (policies_.last_group() + kGroupsAhead) % MZ_POLICY_MAX;
  MZ_CHECK(store_.put(kGroups, fmt::format("{}", next)));
  reserved_groups_ = next;
  return {};
}

Result<> Daemon::recover_groups() {
  auto last = store_.get(kGroups);
  if (!last) return tl::unexpected(last.error());
  MZ_CHECK(policies_.recover(*last ? static_cast<std::uint32_t>(std::strtoul((*last)->c_str(), nullptr, 10)) : 0));
  reserved_groups_ = policies_.last_group();  // none beyond is this daemon's yet
  return reserve_groups();
}

// ---- why ---------------------------------------------------------------------------------

Result<v1::PolicyExplanation> Daemon::explain_policy(const v1::ExplainPolicyRequest& r) const {
  const auto e = goal_.endpoints.find(r.endpoint());
  if (e == goal_.endpoints.end() || !goal_.local(e->second))
    return fail(Code::not_found, "endpoint {}: there is none on this host", r.endpoint());
  v1::PolicyExplanation out;
  out.set_endpoint(r.endpoint());
  const auto set = policies_.label_set(e->second);
  if (!set) return out;
  const Policies::Place place = policies_.place(e->second);
  out.set_label_set(set->text());
  if (place.label != MZ_LABEL_UNKNOWN) out.set_label(place.label);
  out.set_group(place.group);
  const policy::Group* group = policies_.group(e->second);
  for (std::uint32_t kind = 0; group != nullptr && kind < MZ_POLICY_KINDS; kind++) {
    const auto& rules = group->list[kind].rules;
    if (rules.empty()) continue;
    const auto hits = policies_.hits(place.group, static_cast<mz_policy_kind>(kind));
    auto* list = out.add_lists();
    list->set_kind(static_cast<v1::PolicyList::Kind>(kind));
    for (std::size_t i = 0; i < rules.size(); i++) {
      auto* to = list->add_rules();
      to->set_tier(rules[i].name->tier);
      to->set_policy(rules[i].name->policy);
      to->set_rule(rules[i].name->rule);
      to->set_verdict(policy::verdict_name(rules[i].verdict));
      to->set_level(level_text(rules[i].level));
      to->set_hits(i < hits.size() ? hits[i] : 0);
    }
  }
  return out;
}

Result<v1::PolicyHits> Daemon::policy_hits(const v1::GetPolicyHitsRequest& r) const {
  if (!r.vpc().empty() && !goal_.vpcs.contains(r.vpc())) return fail(Code::not_found, "vpc {}: there is none here", r.vpc());
  v1::PolicyHits out;
  for (const auto& [vpc, spec] : goal_.vpcs) {
    if (!r.vpc().empty() && vpc != r.vpc()) continue;
    for (const auto& hit : policies_.all_hits(vpc)) {
      auto* to = out.add_rules();
      to->set_vpc(vpc);
      to->set_kind(static_cast<v1::PolicyList::Kind>(hit.kind));
      to->set_tier(hit.name.tier);
      to->set_policy(hit.name.policy);
      to->set_rule(hit.name.rule);
      to->set_verdict(policy::verdict_name(hit.verdict));
      to->set_hits(hit.hits);
    }
  }
  return out;
}

std::string Daemon::describe_rule(std::uint32_t list, std::uint32_t rule) const {
  const auto* r = policies_.rule(list, rule);
  const std::string where = fmt::format("group {}, {}", list >> 2, policy::list_name(list & 3));
  if (r == nullptr) return where + (rule == MZ_POLICY_RULES ? ": no rule fits" : fmt::format(": rule {}", rule));
  return fmt::format("{}: {} by {}", where, policy::verdict_name(r->verdict), r->name->text());
}

// ---- what was denied -----------------------------------------------------------------------

std::uint64_t Daemon::watch_denials(std::string vpc, OnDenial on_denial) {
  watches_.emplace(++last_watch_, DenialWatch{std::move(vpc), std::move(on_denial)});
  return last_watch_;
}

v1::Denial Daemon::denial_message(const mz_denial& d) const {
  v1::Denial m;
  m.set_time_ms(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count()));
  const auto vpc = std::find_if(goal_.vpcs.begin(), goal_.vpcs.end(), [&](const auto& v) { return v.second.vni == d.flow.vni; });
  const std::string name = vpc == goal_.vpcs.end() ? fmt::format("vni {}", d.flow.vni) : vpc->first;
  const Addr local(d.flow.local), remote(d.flow.remote);
  const auto e = std::find_if(goal_.endpoints.begin(), goal_.endpoints.end(), [&](const auto& x) {
    return x.second.vni == d.flow.vni && (x.second.address.v4 == local || x.second.address.v6 == local);
  });
  m.set_endpoint(e == goal_.endpoints.end() ? object_key(name, local.text()) : e->first);
  const bool outward = (d.list & 3) == MZ_POLICY_OUT;
  m.set_direction((d.list & 3) == MZ_POLICY_IN ? "ingress" : "egress");
  m.set_protocol(protocol_text(d.flow.proto));
  m.set_source((outward ? local : remote).text());
  m.set_source_port(ntohs(outward ? d.flow.local_port : d.flow.remote_port));
  m.set_destination((outward ? remote : local).text());
  m.set_destination_port(ntohs(outward ? d.flow.remote_port : d.flow.local_port));
  if (!outward) m.set_label_set(policies_.label_text(name, d.label));
  if (const auto* rule = policies_.rule(d.list, d.rule); rule != nullptr && rule->name) {
    m.set_tier(rule->name->tier);
    m.set_policy(rule->name->policy);
    m.set_rule(rule->name->rule);
  }
  return m;
}

void Daemon::on_denial(const mz_denial& d) const {
  if (watches_.empty()) return;
  const v1::Denial m = denial_message(d);
  for (const auto& [id, watch] : watches_)
    if (watch.vpc.empty() || m.endpoint().starts_with(watch.vpc + "/")) watch.on_denial(m);
}

}  // namespace mizar
