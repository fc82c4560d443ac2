// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/outside.h"

#include <bit>

#include "userspace/base/balance.h"
#include "userspace/base/names.h"

namespace mizar {

Result<std::uint32_t> parse_ports_per_endpoint(std::uint32_t ports) {
  if (ports == 0) return kOutsidePorts;
  if (ports < kOutsidePortsMin || ports > kOutsidePortsMax || !std::has_single_bit(ports))
    return fail(Code::invalid_argument, "{} must be a power of 2, {}..{}", ports, kOutsidePortsMin, kOutsidePortsMax);
  return ports;
}

Result<PortRange> parse_port_range(std::uint32_t first, std::uint32_t last) {
  if (first > 65535 || last > 65535)
    return fail(Code::invalid_argument, "{}..{} is out of range, ports are 0..65535", first, last);
  if (last < first) return fail(Code::invalid_argument, "{}..{} is reversed: the first port comes first", first, last);
  const PortRange range{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)};
  if (range.whole()) return range;
  if (!std::has_single_bit(range.size()) || first % range.size() != 0)
    return fail(Code::invalid_argument, "{}..{}: must begin at a multiple of its size, a power of 2", first, last);
  return range;
}

Result<ForwardSpec> parse_forward(const std::string& protocol, std::uint32_t outside_port, std::uint32_t port) {
  if (outside_port == 0 || outside_port > 65535)
    return fail(Code::invalid_argument, "outside_port: {} is out of range, must be 1..65535", outside_port);
  auto ports = parse_service_port(protocol, outside_port, port);
  if (!ports) return tl::unexpected(ports.error());
  ForwardSpec f;
  f.protocol = ports->protocol;
  f.outside_port = ports->port;
  f.port = ports->backend_port;
  return f;
}

Result<Prefix> parse_pool(const std::string& text) {
  auto pool = Prefix::parse(text);
  if (!pool) return pool;
  MZ_CHECK(check_unicast(pool->ip));
  const unsigned bits = pool->ip.is_v4() ? 32 - pool->len : 128 - pool->len;
  if (bits > 16) return fail(Code::invalid_argument, "{} has more than 65536 addresses; give a smaller block", text);
  return pool;
}

}  // namespace mizar
