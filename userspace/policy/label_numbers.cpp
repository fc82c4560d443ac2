// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/label_numbers.h"

#include "bpf/abi/policy.h"

namespace mizar::policy {

std::map<std::uint32_t, LabelSet> LabelNumbers::all() const {
  auto out = sets;
  out.insert(leaving.begin(), leaving.end());
  return out;
}

Result<LabelNumbers> number_sets(const LabelNumbers& before, const std::set<LabelSet>& in_use) {
  LabelNumbers now{{}, {}, before.last};
  std::set<LabelSet> fresh = in_use;
  for (const auto* known : {&before.sets, &before.leaving})
    for (const auto& [number, set] : *known)
      if (fresh.erase(set) != 0) now.sets.emplace(number, set);
  for (const auto& [number, set] : before.sets)
    if (!now.sets.contains(number)) now.leaving.emplace(number, set);
  const auto taken = [&](std::uint32_t n) {
    return now.sets.contains(n) || before.sets.contains(n) || before.leaving.contains(n);
  };
  for (const LabelSet& set : fresh) {
    for (std::uint64_t tries = 0;; tries++) {
      if (tries > before.sets.size() + before.leaving.size() + in_use.size())
        return fail(Code::resource_exhausted, "label sets: no number is left");
      now.last = now.last + 1 < MZ_LABEL_UNKNOWN ? now.last + 1 : 1;
      if (!taken(now.last)) break;
    }
    now.sets.emplace(now.last, set);
  }
  return now;
}

}  // namespace mizar::policy
