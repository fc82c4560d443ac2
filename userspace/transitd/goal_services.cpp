// SPDX-License-Identifier: Apache-2.0
// Names, services and gateways of a goal state.
#include "userspace/base/balance.h"
#include "userspace/transitd/goal_reader.h"

namespace mizar::goal {

// What is only asked for need not be known otherwise: its network may be none of
// this host's.
Result<> Reader::name(const v1::Name& n, int index) {
  auto object = named("name", "names", index, n.vpc(), n.name());
  if (!object) return Failure(object.error());
  if (!out_.vpcs.contains(n.vpc())) return bad(*object, "vpc", "'{}' does not stand in vpcs", n.vpc());
  MZ_CHECK(at_field(check_name(n.network()), *object, "network"));
  auto ip = parse_addresses(n.address(), n.address6());
  if (!ip) return wrap(ip.error(), *object);
  MZ_CHECK(each_family(*ip, *object, "address", check_unicast));
  NameSpec spec{n.name(), n.vpc(), n.network(), *ip};
  if (!out_.names.emplace(object_key(n.vpc(), n.name()), std::move(spec)).second)
    return bad(*object, "name", "another name of the vpc is the same");
  return {};
}

// Behind the endpoints: its addresses are none of theirs.
Result<> Reader::service(const v1::Service& s, int index) {
  auto object = named("service", "services", index, s.vpc(), s.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(s.vpc());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", s.vpc());
  auto level = parse_level(s.class_(), s.priority());
  if (!level) return wrap(level.error(), *object);
  ServiceSpec spec{s.name(), s.vpc(), vpc->second.vni, {}, {}, {}, s.sticky_seconds(), *level};
  auto ip = parse_addresses(s.address(), s.address6());
  if (!ip) return wrap(ip.error(), *object);
  spec.address = *ip;
  const auto place = [&](const Addr& a) -> Result<> {
    MZ_CHECK(check_in_vpc(a, s.vpc(), vpc->second.cidr));
    for (const auto& [key, n] : out_.networks)
      if (n.vpc == s.vpc()) MZ_CHECK(check_place(a, key, n.cidr));
    return addresses_[s.vpc()].claim(a, *object, a.text());
  };
  MZ_CHECK(each_family(*ip, *object, "address", place));
  auto ports = parse_service_ports(s.ports());
  if (!ports) return wrap(ports.error(), *object);
  spec.ports = std::move(*ports);
  auto health = parse_health(s, spec.ports);
  if (!health) return wrap(health.error(), *object);
  spec.health = std::move(*health);
  MZ_CHECK(backends(s, vpc->second.cidr, *object, spec));
  MZ_CHECK(at_field(check_sticky(s.sticky_seconds()), *object, "sticky_seconds"));
  if (!out_.services.emplace(object_key(s.vpc(), s.name()), std::move(spec)).second)
    return bad(*object, "name", "another service of the vpc has the same");
  return {};
}

Result<> Reader::backends(const v1::Service& s, const Cidrs& vpc, const std::string& object,
                          ServiceSpec& spec) const {
  Unique<Addr> taken;
  for (int i = 0; i < s.backends_size(); i++) {
    const auto& b = s.backends(i);
    const std::string place = fmt::format("{}: backends[{}]", object, i);
    auto at = parse_addresses(b.address(), b.address6());
    if (!at) return wrap(at.error(), place);
    const auto check = [&](const Addr& a) -> Result<> {
      MZ_CHECK(check_in_vpc(a, s.vpc(), vpc));
      if (a == spec.address.v4 || a == spec.address.v6)
        return fail(Code::invalid_argument, "{} is the service's own", a.text());
      return taken.claim(a, place, a.text());
    };
    MZ_CHECK(each_family(*at, place, "address", check));
    const std::uint32_t weight = b.has_weight() ? b.weight() : 1;
    MZ_CHECK(at_field(check_weight(weight), place, "weight"));
    std::uint32_t host = 0;
    if (!b.host().empty()) {
      const auto known = out_.hosts.find(b.host());
      if (known == out_.hosts.end()) return bad(place, "host", "'{}' does not stand in hosts", b.host());
      host = known->second.id;
    } else if (spec.health) {
      return bad(place, "host", "is missing: health is asked there");
    }
    spec.backends.push_back({b.name(), *at, weight, host});
  }
  return at_field(check_backends(spec.backends.size()), object, "backends");
}

// What it leads to, what it has, and what of the VPC it is not to take for outside.
Result<> Reader::blocks(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec) {
  for (int i = 0; i < g.destinations_size(); i++) {
    auto block = Prefix::parse(g.destinations(i));
    if (!block) return wrap(block.error(), fmt::format("{}: destinations[{}]", object, i));
    spec.destinations.push_back(*block);
  }
  if (spec.destinations.empty()) return bad(object, "destinations", "there is none; 0.0.0.0/0 is all of IPv4");
  for (int i = 0; i < g.networks_size(); i++) {
    const std::string place = fmt::format("{}: networks[{}]", object, i);
    auto block = Prefix::parse(g.networks(i));
    if (!block) return wrap(block.error(), place);
    if (auto rc = check_inside(*block, g.vpc(), vpc); !rc) return wrap(rc.error(), place);
    spec.networks.push_back(*block);
  }
  for (int i = 0; i < g.pools_size(); i++) {
    const std::string place = fmt::format("{}: pools[{}]", object, i);
    auto pool = parse_pool(g.pools(i));
    if (!pool) return wrap(pool.error(), place);
    if (auto rc = pools_.claim(*pool, place); !rc) return wrap(rc.error(), place);
    spec.pools.push_back(*pool);
  }
  return {};
}

Result<> Reader::outsides(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec) {
  Unique<Addr> inside;
  std::map<Addr, std::map<std::uint16_t, std::uint16_t>> taken;  // outside -> first -> last
  for (int i = 0; i < g.addresses_size(); i++) {
    const auto& a = g.addresses(i);
    const std::string place = fmt::format("{}: addresses[{}]", object, i);
    auto address = Addr::parse(a.address());
    if (!address) return wrap(address.error(), place + ": address");
    auto outside = Addr::parse(a.outside());
    if (!outside) return wrap(outside.error(), place + ": outside");
    MZ_CHECK(at_field(check_in_vpc(*address, g.vpc(), vpc), place, "address"));
    MZ_CHECK(at_field(inside.claim(*address, place, address->text()), place, "address"));
    if (address->family() != outside->family())
      return bad(place, "outside", "{} is not of the family of {}", outside->text(), address->text());
    auto range = parse_port_range(a.first_port(), a.last_port());
    if (!range) return wrap(range.error(), place);
    auto& ranges = taken[*outside];
    const auto next = ranges.lower_bound(range->first);
    if ((next != ranges.end() && next->first <= range->last) ||
        (next != ranges.begin() && std::prev(next)->second >= range->first))
      return bad(place, "outside", "ports {}..{} of {} overlap another's", range->first, range->last, outside->text());
    ranges.emplace(range->first, range->last);
    spec.addresses.push_back({*address, *outside, *range});
  }
  return {};
}

Result<> Reader::forward_to(const std::string& address, ForwardSpec& out, const std::string& place) {
  auto to = Addr::parse(address);
  if (!to) return wrap(to.error(), place + ": address");
  if (out.outside.family() != to->family())
    return bad(place, "address", "{} is not of the family of {}", to->text(), out.outside.text());
  out.address = *to;
  return {};
}

Result<> Reader::entry(const v1::Gateway& g, const std::string& service, ForwardSpec& out, const std::string& place) const {
  const auto s = out_.services.find(object_key(g.vpc(), service));
  if (s == out_.services.end()) return bad(place, "service", "'{}' is no service of vpc {}", service, g.vpc());
  const auto& vip = s->second.address.of(out.outside.family());
  if (!vip) return bad(place, "service", "'{}' has no address of the family of {}", service, out.outside.text());
  if (!s->second.port(out.protocol, out.port))
    return bad(place, "port", "'{}' does not offer {} {}", service, service_protocol(out.protocol), out.port);
  out.service = service;
  out.address = *vip;
  return {};
}

Result<> Reader::forwards(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec) {
  std::set<std::tuple<std::uint16_t, Addr, std::uint16_t>> outside, inside;
  for (int i = 0; i < g.forwards_size(); i++) {
    const auto& f = g.forwards(i);
    const std::string place = fmt::format("{}: forwards[{}]", object, i);
    auto forward = parse_forward(f.protocol(), f.outside_port(), f.port());
    if (!forward) return wrap(forward.error(), place);
    auto from = Addr::parse(f.outside());
    if (!from) return wrap(from.error(), place + ": outside");
    forward->outside = *from;
    MZ_CHECK(f.service().empty() ? forward_to(f.address(), *forward, place) : entry(g, f.service(), *forward, place));
    MZ_CHECK(at_field(check_in_vpc(forward->address, g.vpc(), vpc), place, "address"));
    if (!outside.emplace(forward->protocol, *from, forward->outside_port).second)
      return bad(place, "outside_port", "{} {} of {} is forwarded already", f.protocol(), f.outside_port(), f.outside());
    for (const auto& [ip, port] : out_.led_to(g.vpc(), *forward))
      if (!inside.emplace(forward->protocol, ip, port).second)
        return bad(place, "port", "{} {} of {} has an outside port already", f.protocol(), port, ip.text());
    spec.forwards.push_back(*forward);
  }
  return {};
}

Result<> Reader::gateway(const v1::Gateway& g, int index) {
  auto object = named("gateway", "gateways", index, g.vpc(), g.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(g.vpc());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", g.vpc());
  for (const auto& [key, other] : out_.gateways)
    if (other.vpc == g.vpc()) return bad(*object, "vpc", "has a gateway already: {}", key);
  GatewaySpec spec;
  spec.name = g.name();
  spec.vpc = g.vpc();
  spec.vni = vpc->second.vni;
  spec.serves = g.serves();
  const Cidrs& cidr = vpc->second.cidr;
  MZ_CHECK(blocks(g, cidr, *object, spec));
  MZ_CHECK(shards(g.hosts(), *object, "hosts", spec.hosts));
  MZ_CHECK(outsides(g, cidr, *object, spec));
  MZ_CHECK(forwards(g, cidr, *object, spec));
  auto ports = parse_ports_per_endpoint(g.ports_per_endpoint());
  if (!ports) return wrap(ports.error(), *object + ": ports_per_endpoint");
  spec.ports_per_endpoint = *ports;
  out_.gateways.emplace(object_key(g.vpc(), g.name()), std::move(spec));
  return {};
}

}  // namespace mizar::goal
