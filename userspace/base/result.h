// SPDX-License-Identifier: Apache-2.0
// Errors travel by value: a code, the errno if the system gave one, and one
// line that names the object. Libraries return them; main() and RPC handlers
// log them once.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace mizar {

// One to one with gRPC's status codes of the same name.
enum class Code {
  invalid_argument,
  not_found,
  already_exists,
  failed_precondition,
  resource_exhausted,
  permission_denied,
  unavailable,
  unimplemented,
  internal,
};

struct Error {
  Code code = Code::internal;
  int sys = 0;       // errno, 0 when the failure is our own
  std::string what;  // one line: object, failure, next step
};

template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Failure = tl::unexpected<Error>;

// fail(Code::not_found, "vpc {}: not known", name)
template <class... A>
Failure fail(Code code, fmt::format_string<A...> f, A&&... a) {
  return Failure(Error{code, 0, fmt::format(f, std::forward<A>(a)...)});
}

// The same with an errno, whose text is appended.
Failure fail_errno(Code code, int err, std::string what);

// Passes an error on with the object it happened to in front.
Failure wrap(const Error& e, std::string_view object);

#define MZ_TRY_(tmp, expr)                       \
  do {                                           \
    auto tmp = (expr);                           \
    if (!tmp) return ::tl::unexpected(tmp.error()); \
  } while (0)
// Leaves the function with the error, if there is one.
#define MZ_CHECK(expr) MZ_TRY_(mz_result_, expr)

}  // namespace mizar
