// SPDX-License-Identifier: Apache-2.0
// A value that most who have room for it leave as it is made: of these it is a pointer alone.
// Copied and compared as the value.
#pragma once

#include <memory>
#include <utility>

namespace mizar {

template <class T>
class Rare {
 public:
  Rare() = default;
  Rare(T value) : value_(value == usual() ? nullptr : std::make_unique<T>(std::move(value))) {}
  Rare(const Rare& o) : value_(o.value_ ? std::make_unique<T>(*o.value_) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(const Rare& o) { return *this = Rare(o); }
  Rare& operator=(Rare&&) noexcept = default;
  ~Rare() = default;

  const T& operator*() const { return value_ ? *value_ : usual(); }
  bool operator==(const Rare& o) const { return (!value_ && !o.value_) || **this == *o; }

 private:
  static const T& usual() {
    static const T value{};
    return value;
  }

  std::unique_ptr<T> value_;
};

}  // namespace mizar
