// SPDX-License-Identifier: Apache-2.0
#include "userspace/qos/level.h"

namespace mizar {

namespace {

template <std::size_t N>
Result<unsigned> parse_name(std::string_view what, std::string_view text, const std::array<const char*, N>& names,
                            unsigned otherwise) {
  if (text.empty()) return otherwise;
  for (unsigned i = 0; i < N; i++)
    if (text == names[i]) return i;
  return fail(Code::invalid_argument, "{}: \"{}\": must be one of {}", what, text, fmt::join(names, ", "));
}

}  // namespace

Result<std::uint8_t> parse_level(std::string_view name_of_class, std::string_view priority) {
  if (name_of_class.empty() && priority.empty()) return 0;
  const auto k = parse_name("class", name_of_class, kClassNames, MZ_CLASS_BEST_EFFORT);
  if (!k) return tl::unexpected(k.error());
  const auto p = parse_name("priority", priority, kPriorityNames, 1);
  if (!p) return tl::unexpected(p.error());
  return static_cast<std::uint8_t>(MZ_LEVEL(*k, *p));
}

std::string level_text(unsigned level) {
  if (level == 0 || level >= MZ_LEVELS) return {};
  return fmt::format("{} {}", kClassNames[(level - 1) / MZ_PRIORITIES], kPriorityNames[(level - 1) % MZ_PRIORITIES]);
}

std::string annotated_name(const std::string& value) {
  std::string plain;
  for (const char c : value)
    if (c != '-') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (plain == "besteffort") return kClassNames[MZ_CLASS_BEST_EFFORT];
  for (const auto* name : {"premium", "expedited", "high", "medium", "low"})
    if (plain == name) return name;
  return value;
}

}  // namespace mizar
