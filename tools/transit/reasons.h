// SPDX-License-Identifier: Apache-2.0
// Reasons by the names that a daemon tells: those this binary knows.
#pragma once

#include <string>
#include <vector>

#include "bpf/abi/reasons.h"

namespace transit {

struct Reason {
  std::string name;
  const char* verdict;
  const char* text;
  const char* advice;
};

inline const std::vector<Reason>& reasons() {
  static const std::vector<Reason> all = {
#define X(name, kind, text, advice) {#name, #kind, text, advice},
      MZ_REASONS(X)
#undef X
  };
  return all;
}

// SEND, DELIVER, ANSWER, PASS or DROP.
inline const char* verdict_of(const std::string& reason) {
  for (const auto& r : reasons())
    if (r.name == reason) return r.verdict;
  return "?";  // of a newer daemon
}

}  // namespace transit
