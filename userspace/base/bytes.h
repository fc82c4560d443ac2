// SPDX-License-Identifier: Apache-2.0
// Keys of plain structs: compared and ordered by their bytes. The only place
// where objects are looked at as bytes.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <type_traits>

namespace mizar {

// Orders ABI structs in std::map. They have no padding (bpf/abi asserts it).
struct ByBytes {
  template <class T>
    requires std::is_trivially_copyable_v<T>
  bool operator()(const T& a, const T& b) const {
    return std::memcmp(&a, &b, sizeof(T)) < 0;
  }
};

template <class T>
  requires std::is_trivially_copyable_v<T>
bool same_bytes(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

}  // namespace mizar
