// SPDX-License-Identifier: Apache-2.0
// Numbers that nobody guesses.
#pragma once

#include <sys/random.h>

#include <type_traits>

namespace mizar {

template <class T>
T random_number() {
  static_assert(std::is_unsigned_v<T>);
  T n = 0;
  // Never short for so few bytes once the kernel's pool is ready (getrandom(2)).
  [[maybe_unused]] const auto got = ::getrandom(&n, sizeof n, 0);
  return n;
}

}  // namespace mizar
