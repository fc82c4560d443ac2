// SPDX-License-Identifier: Apache-2.0
// The numbers that label sets of a VPC have in packets.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "userspace/policy/label_set.h"

namespace mizar::policy {

// A number follows from the set's text, unless another set has that: whoever still remembers
// one that was given up (packets, flows) means the same set by it, and a plan without its
// predecessor gives nearly all of them alike.
struct LabelNumbers {
  std::map<std::uint32_t, LabelSet> sets = {};  // in use
  // Of the step before: packets of hosts that have not made this one still carry them.
  std::map<std::uint32_t, LabelSet> leaving = {};

  [[nodiscard]] std::map<std::uint32_t, LabelSet> all() const;
};

// Sets in use keep the number they have, or had a step ago; others get one.
LabelNumbers number_sets(const LabelNumbers& before, const std::set<LabelSet>& in_use);

}  // namespace mizar::policy
