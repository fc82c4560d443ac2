// SPDX-License-Identifier: Apache-2.0
// What the bench's small programs do with an error: a line, and the end.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "userspace/base/result.h"

namespace mizar {

[[noreturn]] inline void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> r) {
  if (!r) die(r.error().what);
  return std::move(*r);
}
inline void need(Result<> r) {
  if (!r) die(r.error().what);
}

}  // namespace mizar
