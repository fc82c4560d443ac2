// SPDX-License-Identifier: Apache-2.0
// Bytes in network order, read within bounds and written in turn.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mizar::responder {

using Bytes = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

// Reads past the end give zeros and make the reader bad for good.
class Reader {
 public:
  explicit Reader(View in) : in_(in) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return in_.size(); }

  View take(std::size_t n) {
    if (n > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const View out = in_.first(n);
    in_ = in_.subspan(n);
    return out;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }

 private:
  std::uint64_t number(std::size_t n) {
    std::uint64_t v = 0;
    for (const auto b : take(n)) v = v << 8 | b;
    return v;
  }
  View in_;
  bool ok_ = true;
};

class Writer {
 public:
  Writer& u8(std::uint8_t v) { return number(v, 1); }
  Writer& u16(std::uint16_t v) { return number(v, 2); }
  Writer& u32(std::uint32_t v) { return number(v, 4); }
  Writer& u64(std::uint64_t v) { return number(v, 8); }
  Writer& bytes(View v) {
    out_.insert(out_.end(), v.begin(), v.end());
    return *this;
  }
  Writer& text(std::string_view v) {
    out_.insert(out_.end(), v.begin(), v.end());
    return *this;
  }
  Writer& zeros(std::size_t n) {
    out_.resize(out_.size() + n);
    return *this;
  }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  Bytes done() { return std::move(out_); }

 private:
  Writer& number(std::uint64_t v, int n) {
    for (int i = n - 1; i >= 0; i--) out_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
    return *this;
  }
  Bytes out_;
};

}  // namespace mizar::responder
