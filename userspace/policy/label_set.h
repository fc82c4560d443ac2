// SPDX-License-Identifier: Apache-2.0
// What policy can tell endpoints apart by. Equal ones are judged alike.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "userspace/policy/selector.h"

namespace mizar::policy {

// PolicySet::label_set() makes them: nothing is in it that no policy mentions.
struct LabelSet {
  std::string ns = {};  // where some policy has it as its own; else empty
  SortedLabels ns_labels = {}, pod_labels = {};
  std::vector<std::pair<std::string, NamedPort>> ports = {};  // sorted by name

  // "ns(shop) namespace(team=a) pod(app=web,tier=db) group(lb) port(http=80/tcp)", of which
  // what is empty is left out; "-": all of it. As valid labels have none of these signs, and
  // those of groups no value, no two sets have the same text.
  [[nodiscard]] std::string text() const;
  auto operator<=>(const LabelSet&) const = default;
};

}  // namespace mizar::policy
