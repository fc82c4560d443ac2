// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/label_numbers.h"

#include "bpf/abi/hash.h"
#include "bpf/abi/policy.h"

namespace mizar::policy {

std::map<std::uint32_t, LabelSet> LabelNumbers::all() const {
  auto out = sets;
  out.insert(leaving.begin(), leaving.end());
  return out;
}

namespace {

// FNV-1a (Fowler, Noll and Vo), its end mixed.
std::uint32_t wish(const LabelSet& set) {
  std::uint32_t h = 2166136261u;
  for (const unsigned char c : set.text()) h = (h ^ c) * 16777619u;
  return mz_mix32(h);
}

}  // namespace

LabelNumbers number_sets(const LabelNumbers& before, const std::set<LabelSet>& in_use) {
  LabelNumbers now;
  std::set<LabelSet> fresh = in_use;
  for (const auto* known : {&before.sets, &before.leaving})
    for (const auto& [number, set] : *known)
      if (fresh.erase(set) != 0) now.sets.emplace(number, set);
  for (const auto& [number, set] : before.sets)
    if (!now.sets.contains(number)) now.leaving.emplace(number, set);
  const auto taken = [&](std::uint32_t n) {
    return n == 0 || n == MZ_LABEL_UNKNOWN || now.sets.contains(n) || now.leaving.contains(n) || before.leaving.contains(n);
  };
  for (const LabelSet& set : fresh) {
    std::uint32_t number = wish(set);
    while (taken(number)) number++;
    now.sets.emplace(number, set);
  }
  return now;
}

}  // namespace mizar::policy
