// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/result.h"

#include <cstring>

namespace mizar {

Failure fail_errno(Code code, int err, std::string what) {
  return Failure(Error{code, err, fmt::format("{}: {}", what, std::strerror(err))});
}

Failure wrap(const Error& e, std::string_view object) {
  return Failure(Error{e.code, e.sys, fmt::format("{}: {}", object, e.what)});
}

}  // namespace mizar
