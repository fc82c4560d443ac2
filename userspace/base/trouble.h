// SPDX-License-Identifier: Apache-2.0
// What is wrong with a backend, as a code: hosts and processes tell each other no text.
#pragma once

#include <cstdint>
#include <string>

namespace mizar {

// Numbers stand on the wire: append only.
enum class Problem : std::uint8_t { none, refused, silent, reset, closed, not_http, status, absent };

struct Trouble {
  Problem what = Problem::none;
  std::uint16_t detail = 0;  // status: HTTP's
  bool operator==(const Trouble&) const = default;
};
// "connection refused", "HTTP status 503"
std::string text_of(const Trouble& t);

}  // namespace mizar
