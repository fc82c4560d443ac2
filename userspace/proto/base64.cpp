// SPDX-License-Identifier: Apache-2.0
#include "userspace/proto/base64.h"

#include <cstdint>

namespace mizar {

namespace {
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (size_t k = 0; k < 3; k++)
      group = group << 8 | (k < have ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; k++)
      out += k <= have ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 4) {
    const auto quad = text.substr(i, 4);
    // Padding only where the text ends, and never before the second digit.
    size_t digits = 4;
    if (i + 4 == text.size()) digits = quad[3] != '=' ? 4 : quad[2] != '=' ? 3 : 2;
    std::uint32_t group = 0;
    for (size_t k = 0; k < 4; k++) {
      const auto at = k < digits ? kDigits.find(quad[k]) : 0;
      if (at == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(at);
    }
    for (size_t k = 0; k + 1 < digits; k++) out += static_cast<char>(group >> (16 - 8 * k));
  }
  return out;
}

}  // namespace mizar
