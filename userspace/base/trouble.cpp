// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/trouble.h"

#include <fmt/format.h>

namespace mizar {

std::string text_of(const Trouble& t) {
  switch (t.what) {
    case Problem::none: return "";
    case Problem::refused: return "connection refused";
    case Problem::silent: return "no answer in time";
    case Problem::reset: return "connection reset";
    case Problem::closed: return "connection closed without an answer";
    case Problem::not_http: return "the answer is not HTTP";
    case Problem::status: return fmt::format("HTTP status {}", t.detail);
    case Problem::absent: return "it has no interface";
  }
  return fmt::format("problem {}", static_cast<int>(t.what));  // of a newer host
}

}  // namespace mizar
