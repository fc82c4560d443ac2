// SPDX-License-Identifier: Apache-2.0
// Addresses as the data plane keys them (16 bytes, IPv4 mapped) and as people
// write them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "bpf/abi/types.h"
#include "userspace/base/result.h"

namespace mizar {

// An IPv4 or IPv6 address; value semantics, ordered by its bytes.
class Addr {
 public:
  Addr() = default;
  explicit Addr(const mz_addr& a) { std::memcpy(b_.data(), &a, 16); }
  static Addr v4(std::uint32_t host_order);

  // "10.0.0.1" or "2001:db8::1". Error: invalid_argument.
  static Result<Addr> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] std::uint32_t v4_value() const;  // host order; only if is_v4()
  [[nodiscard]] mz_addr abi() const {
    mz_addr a;
    std::memcpy(&a, b_.data(), 16);
    return a;
  }
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return b_; }
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Addr&) const = default;

 private:
  std::array<std::uint8_t, 16> b_{};
};

// An address block. `len` counts bits of the family (0..32 or 0..128).
struct Prefix {
  Addr ip;
  unsigned len = 0;

  // "10.0.0.0/16"; host bits must be zero. Error: invalid_argument.
  static Result<Prefix> parse(std::string_view text);
  // Bits of the 16-byte form: len, or 96 + len for IPv4.
  [[nodiscard]] unsigned mapped_len() const { return ip.is_v4() ? MZ_V4_PREFIX + len : len; }
  [[nodiscard]] bool contains(const Addr& a) const;
  [[nodiscard]] bool contains(const Prefix& p) const;
  [[nodiscard]] bool overlaps(const Prefix& p) const { return contains(p) || p.contains(*this); }
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Prefix&) const = default;
};

// The gateway as the endpoints of a network know it: its first address.
Addr gateway_of(const Prefix& cidr);

using MacBytes = std::array<std::uint8_t, MZ_ETH_ALEN>;

// A unicast MAC. Error: invalid_argument (also for multicast and all zero).
Result<MacBytes> parse_mac(std::string_view text);
std::string mac_text(const MacBytes& mac);
// The MAC an endpoint gets when nobody chose one: locally administered, the
// same for the same (VNI, address) wherever it is computed.
MacBytes default_mac(std::uint32_t vni, const Addr& ip);

}  // namespace mizar
