// SPDX-License-Identifier: Apache-2.0
// A goal state as the daemon keeps it to store it, to merge it and to tell of it. Its endpoints,
// of which there may be many, are bytes meanwhile: a tenth of what their messages take.
#pragma once

#include <string>

#include "userspace/proto/transit.pb.h"

namespace mizar {

class KeptState {
 public:
  KeptState() = default;
  explicit KeptState(v1::GoalState all);

  // All but the endpoints.
  [[nodiscard]] const v1::GoalState& rest() const { return rest_; }
  [[nodiscard]] v1::GoalState& rest() { return rest_; }
  // How many of these there are.
  [[nodiscard]] int endpoints() const { return endpoints_; }
  // With them, in their order: reads them anew.
  [[nodiscard]] v1::GoalState all() const;
  void add_endpoints_to(v1::GoalState& other) const;

  // The bytes of the StoredGoal of the two.
  [[nodiscard]] static std::string stored(const KeptState& applied, const KeptState& added);

 private:
  [[nodiscard]] std::string bytes() const { return rest_.SerializeAsString() + bytes_; }

  v1::GoalState rest_;
  std::string bytes_;  // of a goal state that has nothing else
  int endpoints_ = 0;
};

}  // namespace mizar
