// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/balance.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "userspace/base/names.h"

namespace mizar {

namespace {

constexpr std::array<std::pair<const char*, std::uint16_t>, 3> kProtocols = {
    {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}}};

Result<> at_most(std::size_t n, std::size_t most) {
  if (n <= most) return {};
  return fail(Code::invalid_argument, "{} is out of range, must be at most {}", n, most);
}

}  // namespace

Result<> check_in_vpc(const Addr& ip, const std::string& vpc, const Cidrs& cidr) {
  MZ_CHECK(check_unicast(ip));
  return check_inside(Prefix{ip, ip.is_v4() ? 32u : 128u}, vpc, cidr);
}

Result<> check_place(const Addr& ip, const std::string& network, const Cidrs& cidr) {
  const auto& block = cidr.of(ip.family());
  if (!block || !block->contains(ip)) return {};
  if (auto rc = check_inside(ip, cidr); !rc) return wrap(rc.error(), "network " + network);
  return {};
}

Result<> check_weight(std::uint32_t weight) { return at_most(weight, kWeightMax); }
Result<> check_backends(std::size_t count) { return at_most(count, kBackendsMax); }
Result<> check_sticky(std::uint32_t seconds) { return at_most(seconds, kStickyMax); }

Result<std::uint8_t> parse_service_protocol(const std::string& name) {
  const auto* known = std::find_if(kProtocols.begin(), kProtocols.end(), [&](const auto& k) { return name == k.first; });
  if (known == kProtocols.end()) return fail(Code::invalid_argument, "'{}' must be tcp, udp or sctp", name);
  return static_cast<std::uint8_t>(known->second);
}

Result<ServicePortSpec> parse_service_port(const std::string& protocol, std::uint32_t port,
                                           std::uint32_t backend_port) {
  const auto number = parse_service_protocol(protocol);
  if (!number) return wrap(number.error(), "protocol");
  if (port == 0 || port > 65535)
    return fail(Code::invalid_argument, "port: {} is out of range, must be 1..65535", port);
  if (backend_port > 65535)
    return fail(Code::invalid_argument, "backend_port: {} is out of range, must be 1..65535", backend_port);
  const std::uint32_t to = backend_port == 0 ? port : backend_port;
  if (*number == IPPROTO_SCTP && to != port)
    return fail(Code::invalid_argument, "backend_port: {} must be {}: SCTP's checksum covers it", to, port);
  return ServicePortSpec{*number, static_cast<std::uint16_t>(port), static_cast<std::uint16_t>(to)};
}

Result<HealthSpec> check_health(const std::string& protocol, std::uint32_t port, HealthSpec h,
                                const std::vector<ServicePortSpec>& ports) {
  const HealthSpec usual;
  if (protocol != "tcp" && protocol != "http")
    return fail(Code::invalid_argument, "protocol: '{}' must be tcp or http", protocol);
  h.http = protocol == "http";
  if (port > 65535) return fail(Code::invalid_argument, "port: {} is out of range, must be 1..65535", port);
  const auto first = std::find_if(ports.begin(), ports.end(), [](const auto& p) { return p.protocol == IPPROTO_TCP; });
  if (port == 0 && first == ports.end())
    return fail(Code::invalid_argument, "port: the service has no TCP port; name the backends' port to probe");
  h.port = port != 0 ? static_cast<std::uint16_t>(port) : first->backend_port;
  if (!h.http && !h.path.empty()) return fail(Code::invalid_argument, "path: is for http alone");
  if (h.path.empty()) h.path = usual.path;
  const bool plain = std::all_of(h.path.begin(), h.path.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (h.path.front() != '/' || !plain || h.path.size() > kHealthPathMax)
    return fail(Code::invalid_argument, "path: '{}' must begin with / and be at most {} printable characters", h.path,
                kHealthPathMax);
  const auto settle = [](const char* field, std::uint32_t& value, std::uint32_t otherwise, std::uint32_t least,
                         std::uint32_t most) -> Result<> {
    if (value == 0) value = otherwise;
    if (value >= least && value <= most) return {};
    return fail(Code::invalid_argument, "{}: {} is out of range, must be {}..{}", field, value, least, most);
  };
  MZ_CHECK(settle("interval_ms", h.interval_ms, usual.interval_ms, 100, 3'600'000));
  MZ_CHECK(settle("timeout_ms", h.timeout_ms, usual.timeout_ms, 100, 60'000));
  MZ_CHECK(settle("passes", h.passes, usual.passes, 1, 100));
  MZ_CHECK(settle("failures", h.failures, usual.failures, 1, 100));
  return h;
}

const char* service_protocol(std::uint16_t protocol) {
  for (const auto& [name, number] : kProtocols)
    if (number == protocol) return name;
  return "?";
}

}  // namespace mizar
