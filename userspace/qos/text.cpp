// SPDX-License-Identifier: Apache-2.0
#include "userspace/qos/text.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace mizar {

namespace {

// A number with one of `units` behind it, the n-th of which is `base` to the n.
Result<std::uint64_t> scaled(const std::string& text, std::string_view units, double base, const char* example) {
  const auto wrong = [&] { return fail(Code::invalid_argument, "'{}' is no number; write it as {}", text, example); };
  if (text == "none") return 0;
  if (text.empty() || (text[0] != '.' && (text[0] < '0' || text[0] > '9'))) return wrong();
  char* end = nullptr;
  const double n = std::strtod(text.c_str(), &end);
  if (!std::isfinite(n) || n < 0) return wrong();
  double factor = 1;
  if (*end != 0) {
    const auto at = units.find(*end == 'K' && base < 1024 ? 'k' : *end);
    if (at == std::string_view::npos) return wrong();
    if (*++end == 'i') base = 1024, end++;
    if (*end != 0) return wrong();
    factor = std::pow(base, static_cast<double>(at + 1));
  }
  if (n * factor > 1e18) return wrong();
  return static_cast<std::uint64_t>(std::llround(n * factor));
}

// The largest unit that shows all of `n`, by no more than three digits behind the point.
std::string with_unit(std::uint64_t n, const char* between) {
  constexpr std::array<std::pair<std::uint64_t, char>, 4> units = {
      {{1'000'000'000'000, 'T'}, {1'000'000'000, 'G'}, {1'000'000, 'M'}, {1000, 'k'}}};
  for (const auto& [unit, name] : units)
    if (n >= unit && n % (unit / 1000) == 0) return fmt::format("{}{}{}", static_cast<double>(n) / static_cast<double>(unit), between, name);
  return fmt::format("{}{}", n, between);
}

}  // namespace

Result<std::uint64_t> parse_rate(const std::string& text) { return scaled(text, "kMGT", 1000, "100M, 1.5G or 64k"); }

Result<std::uint64_t> parse_bytes(const std::string& text) { return scaled(text, "KM", 1024, "64K or 1M"); }

std::string rate_text(std::uint64_t n) { return with_unit(n, ""); }

std::string bit_rate_text(std::uint64_t bits) { return with_unit(bits, " ") + "bit/s"; }

}  // namespace mizar
