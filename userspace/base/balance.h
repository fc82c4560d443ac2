// SPDX-License-Identifier: Apache-2.0
// What a balanced service may be. The rules that the planner's region and a host's
// goal state share; each returns what is wrong, and the caller puts object and field
// in front (wrap()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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

inline constexpr std::size_t kHealthPathMax = 255;

// How a service's backends are asked whether they are well: by a TCP connection to a
// port of theirs, or an HTTP GET that must end with 2xx or 3xx.
struct HealthSpec {
  bool http = false;
  std::uint16_t port = 0;      // of the backend
  std::string path = "/";      // http
  std::uint32_t interval_ms = 1000, timeout_ms = 1000;
  std::uint32_t passes = 1, failures = 3;  // in a row, until the verdict is another
  bool operator==(const HealthSpec&) const = default;
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
// "tcp", "udp" or "sctp", and back. Error: invalid_argument.
Result<std::uint8_t> parse_service_protocol(const std::string& name);
const char* service_protocol(std::uint16_t protocol);

// Fills in defaults (0, "") and checks. `ports`: the service's; where no port is given it
// is that of the first TCP one. Errors name the field.
Result<HealthSpec> check_health(const std::string& protocol, std::uint32_t port, HealthSpec asked,
                                const std::vector<ServicePortSpec>& ports);

// Of a Service message, of the region or of the goal state.
template <class Message>
Result<std::optional<HealthSpec>> parse_health(const Message& service, const std::vector<ServicePortSpec>& ports) {
  if (!service.has_health()) return std::optional<HealthSpec>();
  const auto& h = service.health();
  auto spec = check_health(h.protocol(), h.port(),
                           {false, 0, h.path(), h.interval_ms(), h.timeout_ms(), h.passes(), h.failures()}, ports);
  if (!spec) return wrap(spec.error(), "health");
  return std::optional(std::move(*spec));
}

// And back.
template <class Message>
void write_health(const std::optional<HealthSpec>& from, Message& service) {
  if (!from) return;
  auto* out = service.mutable_health();
  out->set_protocol(from->http ? "http" : "tcp");
  out->set_port(from->port);
  if (from->http) out->set_path(from->path);
  out->set_interval_ms(from->interval_ms);
  out->set_timeout_ms(from->timeout_ms);
  out->set_passes(from->passes);
  out->set_failures(from->failures);
}

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
