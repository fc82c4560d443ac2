// SPDX-License-Identifier: Apache-2.0
// What a balanced service may be. The rules that the planner's region and a host's
// goal state share; each returns what is wrong, and the caller puts object and field
// in front (wrap()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar {

inline constexpr std::uint32_t kWeightMax = 1000;
inline constexpr std::size_t kBackendsMax = 655;  // the largest table has 100 rows for each
inline constexpr std::uint32_t kStickyMax = 86400;

struct ServicePortSpec {
  std::uint16_t protocol = 0;  // IPPROTO_TCP, _UDP or _SCTP
  std::uint16_t port = 0;
  std::uint16_t backend_port = 0;
  bool operator==(const ServicePortSpec&) const = default;
};

// An address of a VPC that need be in none of its networks.
Result<> check_in_vpc(const Addr& ip, const std::string& vpc, const Cidrs& cidr);
// In a network, it is none of the addresses that are the network's own.
Result<> check_place(const Addr& ip, const std::string& network, const Cidrs& cidr);
Result<> check_weight(std::uint32_t weight);
Result<> check_backends(std::size_t count);
Result<> check_sticky(std::uint32_t seconds);

// `backend_port` 0: the port itself.
Result<ServicePortSpec> parse_service_port(const std::string& protocol, std::uint32_t port,
                                           std::uint32_t backend_port);
// "tcp", "udp" or "sctp".
const char* service_protocol(std::uint16_t protocol);

// Of a Service message, of the region or of the goal state. Errors name the field.
template <class Messages>
Result<std::vector<ServicePortSpec>> parse_service_ports(const Messages& from) {
  std::vector<ServicePortSpec> out;
  std::set<std::pair<std::uint16_t, std::uint16_t>> offered;
  for (const auto& p : from) {
    auto port = parse_service_port(p.protocol(), p.port(), p.backend_port());
    if (!port) return wrap(port.error(), fmt::format("ports[{}]", out.size()));
    if (!offered.emplace(port->protocol, port->port).second)
      return fail(Code::invalid_argument, "ports: {} {} is given twice", p.protocol(), port->port);
    out.push_back(*port);
  }
  if (out.empty()) return fail(Code::invalid_argument, "ports: there is none; give at least one");
  return out;
}

// And back. A backend port that is the port itself is left out.
template <class Messages>
void write_service_ports(const std::vector<ServicePortSpec>& from, Messages& to) {
  for (const ServicePortSpec& p : from) {
    auto* out = to.Add();
    out->set_protocol(service_protocol(p.protocol));
    out->set_port(p.port);
    if (p.backend_port != p.port) out->set_backend_port(p.backend_port);
  }
}

}  // namespace mizar
