// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/addr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "bpf/abi/hash.h"
#include "bpf/abi/wire.h"

namespace mizar {

namespace {
constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool same_bits(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b,
               unsigned bits) {
  const unsigned whole = bits / 8, rest = bits % 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}
}  // namespace

Addr Addr::v4(std::uint32_t v) {
  Addr a;
  std::copy(kMapped.begin(), kMapped.end(), a.b_.begin());
  for (int i = 0; i < 4; i++) a.b_[12 + i] = static_cast<std::uint8_t>(v >> (24 - 8 * i));
  return a;
}

Result<Addr> Addr::parse(std::string_view text) {
  const std::string s(text);
  in_addr a4{};
  if (inet_pton(AF_INET, s.c_str(), &a4) == 1) return Addr::v4(ntohl(a4.s_addr));
  in6_addr a6{};
  if (inet_pton(AF_INET6, s.c_str(), &a6) == 1) {
    Addr a;
    std::memcpy(a.b_.data(), &a6, 16);
    return a;
  }
  return fail(Code::invalid_argument, "'{}' is not an IP address", text);
}

bool Addr::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), b_.begin()); }

std::uint32_t Addr::v4_value() const {
  std::uint32_t v = 0;
  for (int i = 12; i < 16; i++) v = v << 8 | b_[static_cast<size_t>(i)];
  return v;
}

std::string Addr::text() const {
  char buf[INET6_ADDRSTRLEN];
  if (is_v4())
    inet_ntop(AF_INET, b_.data() + 12, buf, sizeof buf);
  else
    inet_ntop(AF_INET6, b_.data(), buf, sizeof buf);
  return buf;
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos)
    return fail(Code::invalid_argument, "'{}' is not ADDRESS/LENGTH", text);
  auto ip = Addr::parse(text.substr(0, slash));
  if (!ip) return tl::unexpected(ip.error());
  Prefix p{*ip, 0};
  const auto len = text.substr(slash + 1);
  const auto [end, ec] = std::from_chars(len.begin(), len.end(), p.len);
  if (ec != std::errc() || end != len.end() || p.len > (ip->is_v4() ? 32u : 128u))
    return fail(Code::invalid_argument, "'{}': prefix length must be 0..{}", text,
                ip->is_v4() ? 32 : 128);
  auto masked = p.ip.bytes();
  for (unsigned bit = p.mapped_len(); bit < 128; bit++)
    if (masked[bit / 8] & (0x80u >> (bit % 8)))
      return fail(Code::invalid_argument, "'{}' has host bits set", text);
  return p;
}

bool Prefix::contains(const Addr& a) const {
  return a.is_v4() == ip.is_v4() && same_bits(a.bytes(), ip.bytes(), mapped_len());
}

bool Prefix::contains(const Prefix& p) const {
  return p.mapped_len() >= mapped_len() && contains(p.ip);
}

bool Prefix::holds_mapped() const {
  return !ip.is_v4() && same_bits(ip.bytes(), Addr::v4(0).bytes(), len);
}

std::string Prefix::text() const { return fmt::format("{}/{}", ip.text(), len); }

std::optional<Addr> meeting(const Addrs& from, const Addrs& to) {
  if (from.v4 && to.v4) return to.v4;
  if (from.v6 && to.v6) return to.v6;
  return std::nullopt;
}

Addr address_at(const Prefix& cidr, std::uint64_t i) {
  mz_addr a = cidr.ip.abi();
  auto* bytes = reinterpret_cast<std::uint8_t*>(&a);
  for (int at = 15; at >= 0 && i != 0; at--) {
    i += bytes[at];
    bytes[at] = static_cast<std::uint8_t>(i);
    i >>= 8;
  }
  return Addr(a);
}

Addr gateway_of(const Prefix& cidr) { return address_at(cidr, 1); }

bool has_gateway(const Prefix& cidr) { return 128 - cidr.mapped_len() > 1; }

Result<MacBytes> parse_mac(std::string_view text) {
  MacBytes m{};
  const std::string s(text);
  int used = 0;
  if (std::sscanf(s.c_str(), "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3],
                  &m[4], &m[5], &used) != 6 ||
      static_cast<size_t>(used) != s.size() || s.size() != 17)
    return fail(Code::invalid_argument, "'{}' is not a MAC address", text);
  if (m[0] & 1) return fail(Code::invalid_argument, "'{}' is a multicast MAC", text);
  if (m == MacBytes{}) return fail(Code::invalid_argument, "'{}' is no usable MAC", text);
  return m;
}

std::string mac_text(const MacBytes& m) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", m[0], m[1], m[2], m[3], m[4],
                     m[5]);
}

Addr link_local_of(const MacBytes& m) {
  const std::uint8_t bytes[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0,
                                  static_cast<std::uint8_t>(m[0] ^ 0x02), m[1], m[2], 0xff,
                                  0xfe, m[3], m[4], m[5]};
  mz_addr a;
  std::memcpy(&a, bytes, sizeof a);
  return Addr(a);
}

Addr gateway_link_local() { return link_local_of(MacBytes MZ_GATEWAY_MAC); }

MacBytes default_mac(std::uint32_t vni, const Addr& ip) {
  const mz_addr a = ip.abi();
  const std::uint32_t low = mz_addr_hash(&a);
  const std::uint32_t high = mz_mix32(low ^ vni);
  return {0x02,
          0x00,
          static_cast<std::uint8_t>(high >> 8),
          static_cast<std::uint8_t>(high),
          static_cast<std::uint8_t>(low >> 8),
          static_cast<std::uint8_t>(low)};
}

}  // namespace mizar
