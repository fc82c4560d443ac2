// SPDX-License-Identifier: Apache-2.0
// What a name, an id or an address may be. The rules that the planner's region
// and a host's goal state share; each returns what is wrong, and the caller
// puts object and field in front (wrap()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar {

inline constexpr std::size_t kNameMax = 63;
inline constexpr std::size_t kInterfaceMax = 15;  // IFNAMSIZ less the zero

// 1..63 of [a-z0-9.-], beginning and ending with a letter or digit.
Result<> check_name(std::string_view name);
// A network interface's name, as the kernel takes it.
Result<> check_interface(std::string_view name);
// What an endpoint's interface in its namespace is called unless it says so.
inline constexpr const char* kDefaultInterface = "eth0";
// A name under /run/netns, or an absolute path.
Result<> check_netns(std::string_view name);
Result<> check_vni(std::uint32_t vni);         // 1..2^24-1
Result<> check_host_id(std::uint32_t id);      // 1..2^24-1
// An address one host or endpoint may have. IPv4: not 0.0.0.0/8, loopback,
// multicast or above. IPv6: not ::, ::1, multicast, link-local or IPv4-mapped.
Result<> check_unicast(const Addr& ip);
// An endpoint's place in its network: inside, neither the network's own
// address nor its IPv4 broadcast or gateway address (has_gateway()).
Result<> check_inside(const Addr& ip, const Cidrs& network);
// A network's place in its VPC.
Result<> check_inside(const Prefix& block, const std::string& vpc, const Cidrs& in);

// The pair of fields `address` and `address6`, or `cidr` and `cidr6`: at least
// one of them. Errors name the field: "address: is missing".
Result<Addrs> parse_addresses(const std::string& address, const std::string& address6);
Result<Cidrs> parse_blocks(const std::string& cidr, const std::string& cidr6);

// And back into a message's fields.
template <class Message>
void write_addresses(const Addrs& from, Message& to) {
  if (from.v4) to.set_address(from.v4->text());
  if (from.v6) to.set_address6(from.v6->text());
}
template <class Message>
void write_blocks(const Cidrs& from, Message& to) {
  if (from.v4) to.set_cidr(from.v4->text());
  if (from.v6) to.set_cidr6(from.v6->text());
}

// `r` with object and field in front of its error:
// "vpc a: vni: 0 is out of range, must be 1..16777215".
template <class T>
Result<T> at_field(Result<T> r, std::string_view object, std::string_view field) {
  if (!r) return wrap(r.error(), fmt::format("{}: {}", object, field));
  return r;
}

// `check` for each one there is, with object and field in front of its error.
template <class T, class Check>
Result<> each_family(const PerFamily<T>& values, std::string_view object, std::string_view field,
                     Check check) {
  if (values.v4) MZ_CHECK(at_field(Result<>(check(*values.v4)), object, field));
  if (values.v6)
    MZ_CHECK(at_field(Result<>(check(*values.v6)), object, fmt::format("{}6", field)));
  return {};
}

}  // namespace mizar
