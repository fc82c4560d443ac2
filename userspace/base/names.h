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
// An address one host or endpoint may have: not 0.0.0.0/8, loopback,
// multicast or above; IPv4, the only family carried yet.
Result<> check_unicast(const Addr& ip);
// A VPC's or network's block: of a family that is carried.
Result<> check_block(const Prefix& block);
// An endpoint's place in its network: inside, neither the network's address
// nor its broadcast or gateway address (a /31 and a /32 have none, RFC 3021).
Result<> check_inside(const Addr& ip, const Prefix& network);

// `r` with object and field in front of its error:
// "vpc a: vni: 0 is out of range, must be 1..16777215".
template <class T>
Result<T> at_field(Result<T> r, std::string_view object, std::string_view field) {
  if (!r) return wrap(r.error(), fmt::format("{}: {}", object, field));
  return r;
}

}  // namespace mizar
