// SPDX-License-Identifier: Apache-2.0
// Class and priority by name, as settings, messages and annotations write them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "bpf/abi/qos.h"
#include "userspace/base/result.h"

namespace mizar {

inline constexpr std::array<const char*, MZ_CLASSES> kClassNames = {"premium", "expedited", "best-effort"};
inline constexpr std::array<const char*, MZ_PRIORITIES> kPriorityNames = {"high", "medium", "low"};

// "premium", "high" -> MZ_LEVEL(); both empty: 0. Error: invalid_argument, naming what there is.
Result<std::uint8_t> parse_level(std::string_view name_of_class, std::string_view priority);
// "premium high"; of 0, which says nothing: "".
std::string level_text(unsigned level);

// Into a message with class and priority; of 0 nothing.
template <class M>
void write_level(unsigned level, M& out) {
  if (level == 0 || level >= MZ_LEVELS) return;
  out.set_class_(kClassNames[(level - 1) / MZ_PRIORITIES]);
  out.set_priority(kPriorityNames[(level - 1) % MZ_PRIORITIES]);
}

// Annotations of pods and policies that say one, as the first Mizar read them: "Premium",
// "BestEffort", "High"; or as above.
inline constexpr const char* kClassAnnotation = "mizar.com/network-class";
inline constexpr const char* kPriorityAnnotation = "mizar.com/network-priority";
// "BestEffort", "best-effort" -> "best-effort"; what is no class or priority stays.
std::string annotated_name(const std::string& value);

}  // namespace mizar
