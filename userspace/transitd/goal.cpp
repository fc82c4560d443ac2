// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/goal.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "bpf/abi/wire.h"
#include "userspace/base/balance.h"
#include "userspace/base/names.h"
#include "userspace/base/unique.h"
#include "userspace/qos/annotations.h"

namespace mizar {

namespace {

template <class... A>
Failure bad(std::string_view object, const char* field, fmt::format_string<A...> f, A&&... a) {
  return fail(Code::invalid_argument, "{}: {}: {}", object, field,
              fmt::format(f, std::forward<A>(a)...));
}

policy::HasGroup groups_of(const Goal& goal, const std::string& vpc) {
  return [&goal, vpc](const std::string& name) {
    const auto spec = goal.policy.find(vpc);
    return spec != goal.policy.end() && spec->second.policies.contains(full_name(policy::Policy{.name = name, .tier = policy::Tier::network}));
  };
}

// Reads one message into one Goal. A step for each kind, in the order of
// references: hosts, VPCs, networks, endpoints, services, gateways, peerings, policy.
class Reader {
 public:
  explicit Reader(const v1::GoalState& state) : in_(state) {}

  Result<Goal> read() {
    out_.revision = in_.revision();
    for (int i = 0; i < in_.hosts_size(); i++) MZ_CHECK(host(in_.hosts(i), i));
    MZ_CHECK(self());
    for (int i = 0; i < in_.vpcs_size(); i++) MZ_CHECK(vpc(in_.vpcs(i), i));
    for (int i = 0; i < in_.networks_size(); i++) MZ_CHECK(network(in_.networks(i), i));
    for (int i = 0; i < in_.endpoints_size(); i++) MZ_CHECK(endpoint(in_.endpoints(i), i));
    for (int i = 0; i < in_.names_size(); i++) MZ_CHECK(name(in_.names(i), i));
    for (int i = 0; i < in_.services_size(); i++) MZ_CHECK(service(in_.services(i), i));
    for (int i = 0; i < in_.gateways_size(); i++) MZ_CHECK(gateway(in_.gateways(i), i));
    for (int i = 0; i < in_.peerings_size(); i++) MZ_CHECK(peering(in_.peerings(i), i));
    for (int i = 0; i < in_.policies_size(); i++) MZ_CHECK(policy_of(in_.policies(i), i));
    for (int i = 0; i < in_.namespaces_size(); i++) MZ_CHECK(name_space(in_.namespaces(i), i));
    for (int i = 0; i < in_.label_sets_size(); i++) MZ_CHECK(label_set(in_.label_sets(i), i));
    MZ_CHECK(security_groups());
    MZ_CHECK(uplink());
    return std::move(out_);
  }

 private:
  Result<> host(const v1::Host& h, int index);
  Result<> self();
  Result<> vpc(const v1::Vpc& v, int index);
  Result<> network(const v1::Network& n, int index);
  Result<> endpoint(const v1::Endpoint& e, int index);
  Result<> name(const v1::Name& n, int index);
  Result<> service(const v1::Service& s, int index);
  Result<> backends(const v1::Service& s, const Cidrs& vpc, const std::string& object,
                    ServiceSpec& spec) const;
  Result<> gateway(const v1::Gateway& g, int index);
  Result<> blocks(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  Result<> outsides(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  static Result<> forward_to(const std::string& address, ForwardSpec& out, const std::string& place);
  Result<> entry(const v1::Gateway& g, const std::string& service, ForwardSpec& out, const std::string& place) const;
  Result<> forwards(const v1::Gateway& g, const Cidrs& vpc, const std::string& object, GatewaySpec& spec);
  Result<> peering(const v1::Peering& p, int index);
  Result<VpcPolicySpec*> policy_at(const std::string& vpc, const std::string& place);
  Result<> policy_of(const v1::Policy& m, int index);
  Result<> name_space(const v1::Namespace& m, int index);
  Result<> label_set(const v1::LabelSet& m, int index);
  Result<> security_groups() const;
  Result<> uplink();
  Result<> address(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object);
  Result<> attach(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object);
  Result<> shards(const v1::ShardTable& t, const std::string& object, const char* field,
                  std::optional<ShardTable>& out) const;
  Result<std::uint32_t> known_host(std::uint32_t id) const;

  const v1::GoalState& in_;
  Goal out_;
  Unique<Addr> host_addresses_;
  Unique<std::uint32_t> host_ids_, vnis_;
  DisjointBlocks pools_;  // of all VPCs
  std::map<std::string, DisjointBlocks> blocks_;             // by VPC
  std::map<std::string, Unique<Addr>> addresses_;            // by VPC
  Unique<std::pair<std::string, std::string>> interfaces_;   // namespace ("" = host's), name
};

// The element's name as errors show it, once the name itself is sound.
Result<std::string> named(const char* kind, const char* list, int index, const std::string& vpc,
                          const std::string& name) {
  const std::string place = fmt::format("{}[{}]", list, index);
  MZ_CHECK(at_field(check_name(name), place, "name"));
  return fmt::format("{} {}", kind, vpc.empty() ? name : object_key(vpc, name));
}

Result<> Reader::host(const v1::Host& h, int index) {
  auto object = named("host", "hosts", index, "", h.name());
  if (!object) return Failure(object.error());
  MZ_CHECK(at_field(check_host_id(h.id()), *object, "id"));
  auto ip = parse_addresses(h.address(), h.address6());
  if (!ip) return wrap(ip.error(), *object);
  MZ_CHECK(each_family(*ip, *object, "address", check_unicast));
  if (!out_.hosts.emplace(h.name(), HostSpec{h.name(), h.id(), *ip}).second)
    return bad(*object, "name", "another host has the same");
  MZ_CHECK(at_field(host_ids_.claim(h.id(), *object, fmt::to_string(h.id())), *object, "id"));
  MZ_CHECK(each_family(*ip, *object, "address", [&](const Addr& a) {
    return host_addresses_.claim(a, *object, a.text());
  }));
  out_.host_names.emplace(h.id(), h.name());
  return {};
}

Result<> Reader::self() {
  if (in_.host().empty()) return fail(Code::invalid_argument, "host: is missing: whom it is for");
  const auto at = out_.hosts.find(in_.host());
  if (at == out_.hosts.end())
    return fail(Code::invalid_argument, "host: '{}' does not stand in hosts", in_.host());
  out_.self = at->second;
  return {};
}

Result<> Reader::uplink() {
  auto qos = parse_qos(in_.uplink(), QosOf::uplink);
  if (!qos) return wrap(qos.error(), "uplink");
  out_.uplink = *qos;
  return set_levels(in_.levels(), out_.levels);
}

Result<> Reader::vpc(const v1::Vpc& v, int index) {
  auto object = named("vpc", "vpcs", index, "", v.name());
  if (!object) return Failure(object.error());
  MZ_CHECK(at_field(check_vni(v.vni()), *object, "vni"));
  auto cidr = parse_blocks(v.cidr(), v.cidr6());
  if (!cidr) return wrap(cidr.error(), *object);
  MZ_CHECK(at_field(check_domain(v.domain()), *object, "domain"));
  auto qos = parse_qos(v.qos(), QosOf::vpc);
  if (!qos) return wrap(qos.error(), *object + ": qos");
  VpcSpec spec{v.name(), v.vni(), *cidr, {}, v.domain(), *qos};
  MZ_CHECK(shards(v.dividers(), *object, "dividers", spec.dividers));
  if (!out_.vpcs.emplace(v.name(), std::move(spec)).second)
    return bad(*object, "name", "another vpc has the same");
  return at_field(vnis_.claim(v.vni(), *object, fmt::to_string(v.vni())), *object, "vni");
}

Result<> Reader::network(const v1::Network& n, int index) {
  auto object = named("network", "networks", index, n.vpc(), n.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(n.vpc());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", n.vpc());
  auto cidr = parse_blocks(n.cidr(), n.cidr6());
  if (!cidr) return wrap(cidr.error(), *object);
  MZ_CHECK(each_family(*cidr, *object, "cidr", [&](const Prefix& p) {
    return check_inside(p, n.vpc(), vpc->second.cidr);
  }));
  auto services = parse_services(n, *cidr);
  if (!services) return wrap(services.error(), *object);
  NetworkSpec spec{n.name(), n.vpc(), vpc->second.vni, *cidr, {}, std::move(*services)};
  MZ_CHECK(shards(n.bouncers(), *object, "bouncers", spec.bouncers));
  if (!out_.networks.emplace(object_key(n.vpc(), n.name()), std::move(spec)).second)
    return bad(*object, "name", "another network of the vpc has the same");
  return each_family(*cidr, *object, "cidr",
                     [&](const Prefix& p) { return blocks_[n.vpc()].claim(p, *object); });
}

Result<> Reader::endpoint(const v1::Endpoint& e, int index) {
  auto object = named("endpoint", "endpoints", index, e.vpc(), e.name());
  if (!object) return Failure(object.error());
  EndpointSpec spec;
  spec.name = e.name();
  spec.vpc = e.vpc();
  spec.network = e.network();
  spec.host = e.host();
  auto labels = policy::parse_pod_labels(e);
  if (!labels) return wrap(labels.error(), *object);
  spec.labels = std::move(*labels);
  spec.max_flows = e.max_flows();
  auto qos = parse_endpoint_qos(e);
  if (!qos) return wrap(qos.error(), *object);
  spec.qos = *qos;
  MZ_CHECK(at_field(check_user_data(e.user_data()), *object, "user_data"));
  spec.user_data = e.user_data();
  MZ_CHECK(address(spec, e, *object));
  const auto host = out_.hosts.find(e.host());
  if (host == out_.hosts.end())
    return bad(*object, "host", "'{}' does not stand in hosts", e.host());
  spec.host_id = host->second.id;
  MZ_CHECK(attach(spec, e, *object));
  if (!out_.endpoints.emplace(object_key(e.vpc(), e.name()), std::move(spec)).second)
    return bad(*object, "name", "another endpoint of the vpc has the same");
  return {};
}

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

Result<> Reader::peering(const v1::Peering& p, int index) {
  auto object = named("peering", "peerings", index, p.vpc(), p.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(p.vpc()), peer = out_.vpcs.find(p.peer());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", p.vpc());
  if (peer == out_.vpcs.end()) return bad(*object, "peer", "'{}' does not stand in vpcs", p.peer());
  if (vpc == peer) return bad(*object, "peer", "is the same VPC");
  PeeringSpec spec{p.name(), p.vpc(), vpc->second.vni, p.peer(), peer->second.vni, {}, p.answers_only()};
  for (int i = 0; i < p.parts_size(); i++) {
    const std::string place = fmt::format("{}: parts[{}]", *object, i);
    auto part = Prefix::parse(p.parts(i));
    if (!part) return wrap(part.error(), place);
    if (auto rc = check_inside(*part, p.peer(), peer->second.cidr); !rc) return wrap(rc.error(), place);
    if (auto rc = blocks_[p.vpc()].claim(*part, place); !rc) return wrap(rc.error(), place);
    spec.parts.push_back(*part);
  }
  if (spec.parts.empty()) return bad(*object, "parts", "there is none");
  if (!out_.peerings.emplace(object_key(p.vpc(), p.name()), std::move(spec)).second)
    return bad(*object, "name", "the VPC has another peering of this name");
  return {};
}

Result<VpcPolicySpec*> Reader::policy_at(const std::string& vpc, const std::string& place) {
  if (!out_.vpcs.contains(vpc)) return bad(place, "vpc", "'{}' does not stand in vpcs", vpc);
  return &out_.policy[vpc];
}

Result<> Reader::policy_of(const v1::Policy& m, int index) {
  const std::string place = fmt::format("policies[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  auto p = policy::parse_policy(m);
  if (!p) return wrap(p.error(), m.name().empty() ? place : fmt::format("policy {}/{}", m.vpc(), m.name()));
  const std::string name = policy::full_name(*p);
  if (!(*spec)->policies.emplace(name, std::move(*p)).second)
    return bad("policy " + object_key(m.vpc(), name), "name", "another policy has the same");
  return {};
}

Result<> Reader::name_space(const v1::Namespace& m, int index) {
  const std::string place = fmt::format("namespaces[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  auto n = policy::parse_namespace(m);
  if (!n) return wrap(n.error(), place);
  if (!(*spec)->namespaces.emplace(m.name(), std::move(*n)).second)
    return bad("namespace " + object_key(m.vpc(), m.name()), "name", "another namespace of the vpc has the same");
  return {};
}

Result<> Reader::label_set(const v1::LabelSet& m, int index) {
  const std::string place = fmt::format("label_sets[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  if (m.id() == 0 || m.id() >= MZ_LABEL_UNKNOWN) return bad(place, "id", "{} is not in 1..{}", m.id(), MZ_LABEL_UNKNOWN - 1);
  auto set = policy::parse_label_set(m);
  if (!set) return wrap(set.error(), place);
  if (!(*spec)->sets.emplace(m.id(), std::move(*set)).second)
    return bad(place, "id", "{} is another's in vpc {}", m.id(), m.vpc());
  return {};
}

// What rules and endpoints name of them.
Result<> Reader::security_groups() const {
  for (const auto& [vpc, spec] : out_.policy)
    for (const auto& [name, p] : spec.policies) MZ_CHECK(policy::check_references(vpc, p, groups_of(out_, vpc)));
  for (const auto& [key, e] : out_.endpoints) MZ_CHECK(check_groups(out_, e));
  return {};
}

Result<> Reader::address(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object) {
  const auto vpc = out_.vpcs.find(e.vpc());
  if (vpc == out_.vpcs.end()) return bad(object, "vpc", "'{}' does not stand in vpcs", e.vpc());
  const auto network = out_.networks.find(object_key(e.vpc(), e.network()));
  if (network == out_.networks.end())
    return bad(object, "network", "'{}' is no network of vpc {}", e.network(), e.vpc());
  spec.vni = vpc->second.vni;
  auto ip = parse_addresses(e.address(), e.address6());
  if (!ip) return wrap(ip.error(), object);
  spec.address = *ip;
  const auto place = [&](const Addr& a) -> Result<> {
    MZ_CHECK(check_unicast(a));
    MZ_CHECK(check_inside(a, network->second.cidr));
    return addresses_[e.vpc()].claim(a, object, a.text());
  };
  MZ_CHECK(each_family(*ip, object, "address", place));
  auto mac = e.mac().empty() ? Result<MacBytes>(default_mac(spec.vni, ip->first()))
                             : at_field(parse_mac(e.mac()), object, "mac");
  if (!mac) return Failure(mac.error());
  spec.mac = *mac;
  return {};
}

Result<> Reader::attach(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object) {
  if (e.attach_case() == v1::Endpoint::ATTACH_NOT_SET) return {};
  const bool tap = e.has_tap();
  const char* field = tap ? "tap" : "netns";
  if (spec.host_id != out_.self.id)
    return bad(object, field, "only for endpoints of this host ({}), not of {}", out_.self.name,
               e.host());
  NetnsSpec netns;
  if (!tap) {
    netns = {e.netns().name(), e.netns().interface()};
    if (netns.interface.empty()) netns.interface = kDefaultInterface;
    MZ_CHECK(at_field(check_netns(netns.name), object, "netns.name"));
  }
  const std::string& interface = tap ? e.tap().interface() : netns.interface;
  MZ_CHECK(at_field(check_interface(interface), object,
                    tap ? "tap.interface" : "netns.interface"));
  MZ_CHECK(at_field(interfaces_.claim({netns.name, interface}, object,
                                      tap ? interface : netns.name + "/" + interface),
                    object, field));
  if (tap)
    spec.attach = TapSpec{interface};
  else
    spec.attach = std::move(netns);
  return {};
}

Result<std::uint32_t> Reader::known_host(std::uint32_t id) const {
  if (id != 0 && !out_.host_names.contains(id))
    return fail(Code::invalid_argument, "host id {} does not stand in hosts", id);
  return id;
}

Result<> Reader::shards(const v1::ShardTable& t, const std::string& object, const char* field,
                        std::optional<ShardTable>& out) const {
  if (t.primary_size() == 0 && t.backup_size() == 0) return {};
  if (t.primary_size() != MZ_BUCKETS || t.backup_size() != MZ_BUCKETS)
    return bad(object, field, "primary and backup have {} and {} entries, must have 0 or {} both",
               t.primary_size(), t.backup_size(), MZ_BUCKETS);
  ShardTable& rows = out.emplace();
  for (int b = 0; b < static_cast<int>(MZ_BUCKETS); b++) {
    auto primary = at_field(known_host(t.primary(b)), object,
                            fmt::format("{}.primary[{}]", field, b));
    if (!primary) return Failure(primary.error());
    auto backup = at_field(known_host(t.backup(b)), object,
                           fmt::format("{}.backup[{}]", field, b));
    if (!backup) return Failure(backup.error());
    if (*backup != 0 && *backup == *primary)
      return bad(object, field, "bucket {}: host id {} is its own backup", b, *backup);
    rows[static_cast<size_t>(b)] = {*primary, *backup};
  }
  return {};
}

bool same_shards(const std::optional<ShardTable>& a, const std::optional<ShardTable>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return std::equal(a->begin(), a->end(), b->begin(), [](const mz_shard& x, const mz_shard& y) {
    return x.primary == y.primary && x.backup == y.backup;
  });
}

}  // namespace

std::string object_key(std::string_view vpc, std::string_view name) {
  return fmt::format("{}/{}", vpc, name);
}

policy::Pod pod_of(const EndpointSpec& e) { return {e.labels.ns, e.name, e.labels.labels, e.labels.ports, e.address}; }

Result<> check_groups(const Goal& goal, const EndpointSpec& e) {
  const auto& labels = e.labels.labels;
  const auto first = labels.lower_bound(policy::kGroupPrefix);
  if (first == labels.end() || !policy::group_of_key(first->first)) return {};  // of none
  if (auto rc = policy::check_membership(e.vpc, labels, groups_of(goal, e.vpc)); !rc)
    return wrap(rc.error(), "endpoint " + object_key(e.vpc, e.name));
  return {};
}

Result<Goal> parse_goal(const v1::GoalState& state) { return Reader(state).read(); }

std::optional<ServicePortSpec> ServiceSpec::port(std::uint16_t protocol, std::uint16_t number) const {
  for (const ServicePortSpec& p : ports)
    if (p.protocol == protocol && p.port == number) return p;
  return std::nullopt;
}

std::vector<std::pair<Addr, std::uint16_t>> Goal::led_to(const std::string& vpc, const ForwardSpec& f) const {
  if (f.service.empty()) return {{f.address, f.port}};
  const auto s = services.find(object_key(vpc, f.service));
  const auto port = s == services.end() ? std::nullopt : s->second.port(f.protocol, f.port);
  std::vector<std::pair<Addr, std::uint16_t>> out;
  if (!port) return out;
  for (const BackendSpec& b : s->second.backends)
    if (const auto& ip = b.address.of(f.outside.family())) out.emplace_back(*ip, port->backend_port);
  return out;
}

std::optional<Addr> Goal::reach(std::uint32_t host) const {
  const auto name = host_names.find(host);
  if (name == host_names.end()) return std::nullopt;
  return meeting(self.address, hosts.find(name->second)->second.address);
}

unsigned Goal::overhead() const {
  const bool all4 = std::all_of(hosts.begin(), hosts.end(),
                                [](const auto& h) { return h.second.address.v4.has_value(); });
  return all4 ? MZ_OVERHEAD4 : MZ_OVERHEAD6;
}

bool operator==(const VpcSpec& a, const VpcSpec& b) {
  return a.name == b.name && a.vni == b.vni && a.cidr == b.cidr &&
         a.domain == b.domain && a.qos == b.qos && same_shards(a.dividers, b.dividers);
}

bool operator==(const NetworkSpec& a, const NetworkSpec& b) {
  return a.name == b.name && a.vpc == b.vpc && a.vni == b.vni && a.cidr == b.cidr &&
         a.services == b.services && same_shards(a.bouncers, b.bouncers);
}

}  // namespace mizar
