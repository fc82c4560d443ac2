// SPDX-License-Identifier: Apache-2.0
// Outside addresses and their ports: the rules that the planner's region and a host's
// goal state share; each returns what is wrong, and the caller puts object and field in
// front (wrap()).
#pragma once

#include <cstdint>
#include <string>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar {

inline constexpr std::uint32_t kOutsidePorts = 1024;     // of an endpoint that shares an address
inline constexpr std::uint32_t kOutsidePortsMin = 64, kOutsidePortsMax = 32768;
inline constexpr std::uint32_t kFirstOutsidePort = 1024;  // those below are well known

// Of an outside address: all its ports, or a range that begins at a multiple of its
// size, a power of 2.
struct PortRange {
  std::uint16_t first = 0, last = 65535;
  [[nodiscard]] bool whole() const { return first == 0 && last == 65535; }
  [[nodiscard]] bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  [[nodiscard]] std::uint32_t size() const { return std::uint32_t{last} - first + 1; }
  bool operator==(const PortRange&) const = default;
};

struct ForwardSpec {
  std::uint16_t protocol = 0;  // IPPROTO_TCP, _UDP or _SCTP
  Addr outside;
  std::uint16_t outside_port = 0;
  std::string service;  // of the VPC, or none: an endpoint's port
  Addr address;         // the service's, or the endpoint's
  std::uint16_t port = 0;
  bool operator==(const ForwardSpec&) const = default;
};

// 0: the default.
Result<std::uint32_t> parse_ports_per_endpoint(std::uint32_t ports);
Result<PortRange> parse_port_range(std::uint32_t first, std::uint32_t last);
// Protocol and ports; the addresses are the caller's.
Result<ForwardSpec> parse_forward(const std::string& protocol, std::uint32_t outside_port, std::uint32_t port);
// A block of outside addresses: of one family, unicast, not larger than is held.
Result<Prefix> parse_pool(const std::string& text);

}  // namespace mizar
