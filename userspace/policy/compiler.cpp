// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/compiler.h"

#include <algorithm>

#include "userspace/policy/list_builder.h"

namespace mizar::policy {

Compiler::Compiler(std::shared_ptr<const PolicySet> policies, const std::map<std::uint32_t, LabelSet>& sets)
    : policies_(std::move(policies)), dimensions_(policies_->dimensions_), members_(policies_->classes_.size()) {
  for (const auto& [label, set] : sets) add(label, set);
}

void Compiler::add(std::uint32_t label, const LabelSet& set) {
  remove(label);
  auto place = static_cast<std::uint32_t>(labels_.size());
  if (!free_.empty()) {
    place = free_.back();
    free_.pop_back();
  } else {
    labels_.push_back(0);
    classes_.emplace_back();
    state_.push_back(0);
  }
  places_[label] = place;
  labels_[place] = label;
  classes_[place] = policies_->classes_of(set);
  // Whom everybody belongs to, the rows of a list need not name.
  std::erase_if(classes_[place], [&](ClassId c) { return policies_->everybody(c); });
  for (const auto c : classes_[place]) members_[c].push_back(place);
}

void Compiler::remove(std::uint32_t label) {
  const auto at = places_.find(label);
  if (at == places_.end()) return;
  for (const auto c : classes_[at->second]) std::erase(members_[c], at->second);
  classes_[at->second].clear();
  free_.push_back(at->second);
  places_.erase(at);
}

namespace {

std::string isolation(const std::vector<std::string>& policies) {
  constexpr std::size_t kNamed = 4;
  const auto named = std::min(policies.size(), kNamed);
  std::string text = fmt::format("isolated by {}", fmt::join(policies.begin(), policies.begin() + static_cast<long>(named), ", "));
  if (policies.size() > named) text += fmt::format(" and {} more", policies.size() - named);
  return text;
}

}  // namespace

Result<Group> Compiler::compile(const LabelSet& subject) {
  const PolicySet& all = *policies_;
  const auto classes = all.classes_of(subject);
  const auto own = all.selecting(classes);

  ListBuilder in(*this, &subject), receive(*this, &subject), out(*this, nullptr);
  for (const auto p : own) {
    for (auto i = all.ingress_of_[p].begin; i < all.ingress_of_[p].end; i++)
      in.add(all.ingress_[i], all.ingress_[i].peers);
    for (auto i = all.egress_of_[p].begin; i < all.egress_of_[p].end; i++)
      if (all.egress_[i].anyone) out.add(all.egress_[i], {});
  }
  for (const auto i : all.egress_towards(classes))
    receive.add(all.egress_[i], std::span(&all.egress_[i].subject, 1));

  if (const auto why = all.isolating(own, false); !why.empty()) in.isolate(isolation(why), {});
  if (const auto why = all.isolating(own, true); !why.empty()) out.isolate(isolation(why), {});
  if (all.isolated_)
    receive.isolate("isolated by policies of the sender", std::span(&*all.isolated_, 1));

  Group g{subject, {}};
  struct {
    mz_policy_kind kind;
    const char* name;
    ListBuilder& builder;
  } const lists[] = {{MZ_POLICY_IN, "IN", in}, {MZ_POLICY_TO, "TO", receive}, {MZ_POLICY_OUT, "OUT", out}};
  for (const auto& l : lists) {
    auto built = l.builder.build(subject.text(), l.name);
    if (!built) return tl::unexpected(built.error());
    g.list[l.kind] = std::move(*built);
  }
  return g;
}

Result<Group> compile(const PolicySet& policies, const LabelSet& subject,
                      const std::map<std::uint32_t, LabelSet>& sets) {
  // It does not outlive this call.
  return Compiler(std::shared_ptr<const PolicySet>(std::shared_ptr<void>(), &policies), sets).compile(subject);
}

}  // namespace mizar::policy
