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
#include <vector>

#include "bpf/abi/types.h"
#include "userspace/base/result.h"

namespace mizar {

enum class Family { v4, v6 };

// An IPv4 or IPv6 address; value semantics, ordered by its bytes.
class Addr {
 public:
  Addr() = default;
  explicit Addr(const mz_addr& a) { std::memcpy(b_.data(), &a, 16); }
  static Addr v4(std::uint32_t host_order);

  // "10.0.0.1" or "2001:db8::1". Error: invalid_argument.
  static Result<Addr> parse(std::string_view text);

  [[nodiscard]] bool is_v4() const;
  [[nodiscard]] Family family() const { return is_v4() ? Family::v4 : Family::v6; }
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
  [[nodiscard]] Family family() const { return ip.family(); }
  // Bits of the 16-byte form: len, or 96 + len for IPv4.
  [[nodiscard]] unsigned mapped_len() const { return ip.is_v4() ? MZ_V4_PREFIX + len : len; }
  [[nodiscard]] bool contains(const Addr& a) const;
  [[nodiscard]] bool contains(const Prefix& p) const;
  // An IPv6 block around ::ffff:0:0/96, which the 16-byte form gives to IPv4.
  [[nodiscard]] bool holds_mapped() const;
  [[nodiscard]] bool overlaps(const Prefix& p) const { return contains(p) || p.contains(*this); }
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Prefix&) const = default;
};

// One of each family; either may be absent.
template <class T>
struct PerFamily {
  std::optional<T> v4, v6;

  [[nodiscard]] bool empty() const { return !v4 && !v6; }
  [[nodiscard]] const std::optional<T>& of(Family f) const { return f == Family::v4 ? v4 : v6; }
  // The one to call it by where one is enough. Not of an empty one.
  [[nodiscard]] const T& first() const { return v4 ? *v4 : *v6; }
  // Those there are, IPv4 first.
  [[nodiscard]] std::vector<T> all() const {
    std::vector<T> out;
    if (v4) out.push_back(*v4);
    if (v6) out.push_back(*v6);
    return out;
  }
  // "10.0.1.5 fd00:1::5"
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const T& t : all()) out += (out.empty() ? "" : " ") + t.text();
    return out;
  }
  auto operator<=>(const PerFamily&) const = default;
};
using Addrs = PerFamily<Addr>;
using Cidrs = PerFamily<Prefix>;

// Where `from` sends to reach `to`: two hosts talk over one family, IPv4 if
// both have it. Nothing if they share none.
std::optional<Addr> meeting(const Addrs& from, const Addrs& to);

// The i-th address of a block, 0 being its own.
Addr address_at(const Prefix& cidr, std::uint64_t i);
// The gateway as the endpoints of a network know it: its first address. A block
// of two addresses or one has none (RFC 3021, RFC 6164).
Addr gateway_of(const Prefix& cidr);
bool has_gateway(const Prefix& cidr);

using MacBytes = std::array<std::uint8_t, MZ_ETH_ALEN>;

// A unicast MAC. Error: invalid_argument (also for multicast and all zero).
Result<MacBytes> parse_mac(std::string_view text);
std::string mac_text(const MacBytes& mac);
// fe80:: with the MAC as EUI-64 (RFC 4291 appendix A).
Addr link_local_of(const MacBytes& mac);
// The IPv6 router of every endpoint: link_local_of(MZ_GATEWAY_MAC).
Addr gateway_link_local();
// The MAC an endpoint gets when nobody chose one: locally administered, the
// same for the same (VNI, address) wherever it is computed.
MacBytes default_mac(std::uint32_t vni, const Addr& ip);

}  // namespace mizar
