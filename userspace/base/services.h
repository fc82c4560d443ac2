// SPDX-License-Identifier: Apache-2.0
// What a network tells and does for its endpoints: names, leases, metadata. The
// rules that the planner's region and a host's goal state share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/addr.h"
#include "userspace/base/result.h"

namespace mizar {

inline constexpr std::size_t kForwardersMax = 8;
inline constexpr std::size_t kRoutesMax = 24;  // one DHCP option of 255 bytes holds them
inline constexpr std::size_t kUserDataMax = 16 * 1024;
// ENDPOINT.NETWORK.DOMAIN fits in a DNS name (RFC 1035 section 2.3.4).
inline constexpr std::size_t kDomainMax = 120;

// An IPv4 route that DHCP tells.
struct StaticRoute {
  Prefix to;
  std::optional<Addr> via;  // nothing: the network's gateway
  bool operator==(const StaticRoute&) const = default;
};

struct NetworkServices {
  std::vector<Addr> dns;  // forwarders for what is not ours
  bool dhcp = true;
  std::vector<StaticRoute> routes;
  bool multicast = false;  // what goes to its groups is copied to their members
  bool broadcast = false;  // the same of its broadcast addresses, of which all are members
  bool operator==(const NetworkServices&) const = default;
};

// Addresses of services on the endpoint's own host (bpf/abi/local.h).
Addr client_address(Family family, std::uint32_t slot);
Addr dhcp_server(Family family);
Addr dns_server(Family family);
Addr metadata_server(Family family);
Addr prober_address(Family family);  // whom health probes come from

// A DNS name of LDH labels in lower case, without the last dot. Also empty.
Result<> check_domain(std::string_view domain);
Result<> check_user_data(std::string_view data);
// Whom one may ask for names: a unicast address, none of ours.
Result<> check_forwarder(const Addr& ip);
// "VPC.internal" where the VPC has none of its own.
std::string domain_or_default(const std::string& domain, const std::string& vpc);

Result<std::vector<Addr>> parse_forwarders(const std::vector<std::string>& dns);
Result<StaticRoute> parse_route(const std::string& prefix, const std::string& via,
                                const std::optional<Prefix>& network);

// Of a Network message, of the region or of the goal state. Errors name the field.
template <class Message>
Result<NetworkServices> parse_services(const Message& m, const Cidrs& cidr) {
  NetworkServices out;
  out.dhcp = !m.has_dhcp() || m.dhcp();
  out.multicast = m.multicast();
  out.broadcast = m.broadcast();
  if (out.broadcast && !cidr.v4)
    return fail(Code::invalid_argument, "broadcast: the network has no cidr, and IPv6 has no broadcast; set multicast");
  auto dns = parse_forwarders({m.dns().begin(), m.dns().end()});
  if (!dns) return tl::unexpected(dns.error());
  out.dns = std::move(*dns);
  if (static_cast<std::size_t>(m.routes_size()) > kRoutesMax)
    return fail(Code::invalid_argument, "routes: {} are given, at most {} are allowed",
                m.routes_size(), kRoutesMax);
  for (const auto& r : m.routes()) {
    auto route = parse_route(r.prefix(), r.via(), cidr.v4);
    if (!route) return wrap(route.error(), fmt::format("routes[{}]", out.routes.size()));
    out.routes.push_back(*route);
  }
  return out;
}

// And back. The default of `dhcp` is left out.
template <class Message>
void write_services(const NetworkServices& from, Message& to) {
  for (const Addr& ip : from.dns) to.add_dns(ip.text());
  if (!from.dhcp) to.set_dhcp(false);
  to.set_multicast(from.multicast);
  to.set_broadcast(from.broadcast);
  for (const StaticRoute& r : from.routes) {
    auto* out = to.add_routes();
    out->set_prefix(r.to.text());
    if (r.via) out->set_via(r.via->text());
  }
}

// The bucket of a VPC's dividers that knows an endpoint by the first label of
// its name.
unsigned name_bucket(std::string_view name);

}  // namespace mizar
