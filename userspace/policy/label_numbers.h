// SPDX-License-Identifier: Apache-2.0
// The numbers that label sets of a VPC have in packets.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "userspace/base/result.h"
#include "userspace/policy/label_set.h"

namespace mizar::policy {

// Numbers go round: one that was given up is the last to be given out again, so that
// whoever still remembers it (packets, flows) has long forgotten it then.
struct LabelNumbers {
  std::map<std::uint32_t, LabelSet> sets = {};     // in use
  // Of the step before: packets of hosts that have not made this one still carry them.
  std::map<std::uint32_t, LabelSet> leaving = {};
  std::uint32_t last = 0;                          // given out

  [[nodiscard]] std::map<std::uint32_t, LabelSet> all() const;
};

// Sets in use keep the number they have, or had a step ago; new ones get the next free
// one. Error: resource_exhausted.
Result<LabelNumbers> number_sets(const LabelNumbers& before, const std::set<LabelSet>& in_use);

}  // namespace mizar::policy
