// SPDX-License-Identifier: Apache-2.0
#include "control/model/convert.h"

#include <algorithm>

#include "control/model/validate.h"
#include "userspace/base/names.h"
#include "userspace/policy/yaml.h"
#include "userspace/qos/annotations.h"

namespace centaurus {

namespace {

using mizar::at_field;
using mizar::Code;
using mizar::Failure;
using mizar::Result;

// What errors call an object: its name, or its place when it has none.
std::string called(const char* kind, const char* list, int index, const std::string& vpc,
                   const std::string& name) {
  if (!mizar::check_name(name)) return fmt::format("{}[{}]", list, index);
  return vpc.empty() ? fmt::format("{} {}", kind, name)
                     : fmt::format("{} {}/{}", kind, vpc, name);
}

Result<Host> host(const v1::Host& m, int index) {
  const auto object = called("host", "hosts", index, "", m.name());
  Host out;
  out.name = m.name();
  out.id = m.id();
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  out.address = *ip;
  auto qos = mizar::parse_qos(m.qos(), mizar::QosOf::uplink);
  if (!qos) return mizar::wrap(qos.error(), object + ": qos");
  out.qos = *qos;
  for (const auto& role : m.roles()) {
    bool* flag = role == "bouncer" ? &out.bouncer : role == "divider" ? &out.divider : nullptr;
    if (flag == nullptr)
      return mizar::fail(Code::invalid_argument, "{}: roles: '{}' must be bouncer or divider",
                         object, role);
    if (*flag)
      return mizar::fail(Code::invalid_argument, "{}: roles: '{}' is given twice", object, role);
    *flag = true;
  }
  return out;
}

Result<Vpc> vpc(const v1::Vpc& m, int index) {
  auto cidr = mizar::parse_blocks(m.cidr(), m.cidr6());
  if (!cidr) return mizar::wrap(cidr.error(), called("vpc", "vpcs", index, "", m.name()));
  auto qos = mizar::parse_qos(m.qos(), mizar::QosOf::vpc);
  if (!qos) return mizar::wrap(qos.error(), called("vpc", "vpcs", index, "", m.name()) + ": qos");
  return Vpc{m.name(), m.vni(), *cidr, m.dividers(), m.domain(), *qos};
}

Result<Network> network(const v1::Network& m, int index) {
  const auto object = called("network", "networks", index, m.vpc(), m.name());
  auto cidr = mizar::parse_blocks(m.cidr(), m.cidr6());
  if (!cidr) return mizar::wrap(cidr.error(), object);
  auto services = mizar::parse_services(m, *cidr);
  if (!services) return mizar::wrap(services.error(), object);
  return Network{m.name(), m.vpc(), *cidr, m.bouncers(), std::move(*services)};
}

Result<Endpoint> endpoint(const v1::Endpoint& m, int index) {
  const auto object = called("endpoint", "endpoints", index, m.vpc(), m.name());
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  auto labels = mizar::policy::parse_pod_labels(m);
  if (!labels) return mizar::wrap(labels.error(), object);
  auto qos = mizar::parse_endpoint_qos(m);
  if (!qos) return mizar::wrap(qos.error(), object);
  auto delivery = at_field(mizar::parse_delivery(m.delivery()), object, "delivery");
  if (!delivery) return tl::unexpected(delivery.error());
  Endpoint out{m.name(), m.vpc(), m.network(), *ip, {}, m.host(), m.netns(), m.tap(),
               m.interface(), m.max_flows(), m.user_data(), std::move(*labels), *qos, *delivery};
  if (!out.netns.empty() && out.interface.empty()) out.interface = mizar::kDefaultInterface;
  if (m.mac().empty()) return out;
  auto mac = at_field(mizar::parse_mac(m.mac()), object, "mac");
  if (!mac) return Failure(mac.error());
  out.mac = *mac;
  return out;
}

Result<Service> service(const v1::Service& m, int index) {
  const auto object = called("service", "services", index, m.vpc(), m.name());
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  auto ports = mizar::parse_service_ports(m.ports());
  if (!ports) return mizar::wrap(ports.error(), object);
  auto health = mizar::parse_health(m, *ports);
  if (!health) return mizar::wrap(health.error(), object);
  auto level = mizar::parse_level(m.class_(), m.priority());
  if (!level) return mizar::wrap(level.error(), object);
  Service out{m.name(), m.vpc(), *ip, std::move(*ports), {}, m.sticky_seconds(), *level, std::move(*health)};
  for (const auto& b : m.backends()) out.backends.push_back({b.endpoint(), b.has_weight() ? b.weight() : 1});
  return out;
}

Result<std::vector<mizar::Prefix>> blocks(const google::protobuf::RepeatedPtrField<std::string>& from,
                                          const std::string& object, const char* field, bool pool) {
  std::vector<mizar::Prefix> out;
  for (int i = 0; i < from.size(); i++) {
    auto block = pool ? mizar::parse_pool(from[i]) : mizar::Prefix::parse(from[i]);
    if (!block) return mizar::wrap(block.error(), fmt::format("{}: {}[{}]", object, field, i));
    out.push_back(*block);
  }
  return out;
}

Result<Gateway> gateway(const v1::Gateway& m, int index) {
  const auto object = called("gateway", "gateways", index, m.vpc(), m.name());
  auto destinations = blocks(m.destinations(), object, "destinations", false);
  if (!destinations) return tl::unexpected(destinations.error());
  auto pools = blocks(m.pools(), object, "pools", true);
  if (!pools) return tl::unexpected(pools.error());
  auto ports = mizar::parse_ports_per_endpoint(m.ports_per_endpoint());
  if (!ports) return mizar::wrap(ports.error(), object + ": ports_per_endpoint");
  Gateway out{m.name(), m.vpc(), {m.hosts().begin(), m.hosts().end()}, *destinations, *pools, *ports, {}, {}};
  for (int i = 0; i < m.floating_size(); i++) {
    auto address = mizar::Addr::parse(m.floating(i).address());
    if (!address) return mizar::wrap(address.error(), fmt::format("{}: floating[{}]: address", object, i));
    out.floating.push_back({*address, m.floating(i).endpoint()});
  }
  for (int i = 0; i < m.forwards_size(); i++) {
    const auto& f = m.forwards(i);
    const std::string place = fmt::format("{}: forwards[{}]", object, i);
    auto address = mizar::Addr::parse(f.address());
    if (!address) return mizar::wrap(address.error(), place + ": address");
    auto forward = mizar::parse_service_port(f.protocol(), f.port(), f.service().empty() ? f.endpoint_port() : f.service_port());
    if (!forward) return mizar::wrap(forward.error(), place);
    out.forwards.push_back({forward->protocol, *address, forward->port, f.endpoint(), f.service(), forward->backend_port});
  }
  return out;
}

Result<Peering> peering(const v1::Peering& m, int index) {
  const auto object = called("peering", "peerings", index, m.vpc(), m.name());
  auto parts = blocks(m.parts(), object, "parts", false);
  if (!parts) return tl::unexpected(parts.error());
  auto peer_parts = blocks(m.peer_parts(), object, "peer_parts", false);
  if (!peer_parts) return tl::unexpected(peer_parts.error());
  return Peering{m.name(), m.vpc(), m.peer(), *parts, *peer_parts, m.one_way()};
}

// Namespaces and policies of files, and namespaces of the region itself: theirs are the
// region's, if both name one.
Result<> policy(const v1::Region& m, const ReadFile& read, std::vector<std::string>& warnings, Region& out) {
  for (int i = 0; i < m.policies_size(); i++) {
    const auto& f = m.policies(i);
    if (f.file().empty()) return mizar::fail(Code::invalid_argument, "policies[{}]: file: is missing", i);
    auto text = read(f.file());
    if (!text) return mizar::wrap(text.error(), fmt::format("policies[{}]", i));
    auto parsed = mizar::policy::parse_policies(*text, f.file(), warnings);
    if (!parsed) return tl::unexpected(parsed.error());
    VpcPolicy& to = out.policy[f.vpc()];
    to.policies.insert(to.policies.end(), parsed->policies.begin(), parsed->policies.end());
    to.namespaces.insert(to.namespaces.end(), parsed->namespaces.begin(), parsed->namespaces.end());
  }
  for (int i = 0; i < m.namespaces_size(); i++) {
    auto n = mizar::policy::parse_namespace(m.namespaces(i));
    if (!n) return mizar::wrap(n.error(), fmt::format("namespaces[{}]", i));
    auto& all = out.policy[m.namespaces(i).vpc()].namespaces;
    std::erase_if(all, [&](const auto& x) { return x.name == n->name; });
    all.push_back(std::move(*n));
  }
  return {};
}

// Converts a whole list with one of the functions above.
template <class Messages, class T, class Convert>
Result<> each(const Messages& from, std::vector<T>& to, Convert convert) {
  int index = 0;
  for (const auto& m : from) {
    auto item = convert(m, index++);
    if (!item) return Failure(item.error());
    to.push_back(std::move(*item));
  }
  return {};
}

// `at` makes the table in its message, which stays without one if nobody serves.
template <class Make>
void write_shards(const std::optional<Shards>& rows, Make at) {
  if (!rows) return;
  mizar::v1::ShardTable* t = at();
  for (const auto& row : *rows) {
    t->add_primary(row.primary);
    t->add_backup(row.backup);
  }
}

void write_endpoint(const Endpoint& e, std::uint32_t vni, bool local, mizar::v1::Endpoint& out) {
  out.set_name(e.name);
  out.set_vpc(e.vpc);
  out.set_network(e.network);
  mizar::write_addresses(e.address, out);
  out.set_mac(mizar::mac_text(e.mac ? *e.mac : mizar::default_mac(vni, e.address.first())));
  out.set_host(e.host);
  out.set_max_flows(e.max_flows);
  if (!local) return;  // only its own host connects it
  out.set_user_data(e.user_data);
  out.set_delivery(mizar::name_of(e.delivery));
  if (!(e.qos == mizar::QosSpec{})) *out.mutable_qos() = mizar::to_message(e.qos);
  mizar::policy::write_pod_labels(e.labels, out);
  if (!e.netns.empty()) {
    out.mutable_netns()->set_name(e.netns);
    out.mutable_netns()->set_interface(e.interface);
  }
  if (!e.tap.empty()) out.mutable_tap()->set_interface(e.tap);
}

void write_name(const Endpoint& e, mizar::v1::Name& out) {
  out.set_vpc(e.vpc);
  out.set_network(e.network);
  out.set_name(e.name);
  mizar::write_addresses(e.address, out);
}

// Its backends' addresses: those of the families it has itself. Where they live is told
// to those who ask there.
void write_service(const Service& s, const Region& region, mizar::v1::Service& out) {
  out.set_name(s.name);
  out.set_vpc(s.vpc);
  mizar::write_addresses(s.address, out);
  mizar::write_service_ports(s.ports, *out.mutable_ports());
  out.set_sticky_seconds(s.sticky_seconds);
  mizar::write_level(s.level, out);
  mizar::write_health(s.health, out);
  for (const Backend& b : s.backends) {
    const auto e = std::find_if(region.endpoints.begin(), region.endpoints.end(), [&](const Endpoint& x) {
      return x.vpc == s.vpc && x.name == b.endpoint;
    });
    mizar::Addrs at = e->address;
    if (!s.address.v4) at.v4.reset();
    if (!s.address.v6) at.v6.reset();
    auto* to = out.add_backends();
    to->set_name(b.endpoint);
    mizar::write_addresses(at, *to);
    if (b.weight != 1) to->set_weight(b.weight);
    if (s.health) to->set_host(e->host);
  }
}

// Where the gateway is, all of it; elsewhere what is that host's.
void write_gateway(const Region& region, const Plan& plan, std::size_t index, std::size_t host,
                   mizar::v1::Gateway& out) {
  const Gateway& g = region.gateways[index];
  const std::string& here = region.hosts[host].name;
  const bool serves = std::find(g.hosts.begin(), g.hosts.end(), here) != g.hosts.end();
  out.set_name(g.name);
  out.set_vpc(g.vpc);
  for (const auto& d : g.destinations) out.add_destinations(d.text());
  write_shards(plan.gateways[index], [&out] { return out.mutable_hosts(); });
  std::map<std::string, const Endpoint*> endpoints;
  for (const auto& e : region.endpoints)
    if (e.vpc == g.vpc && (serves || e.host == here)) endpoints.emplace(e.name, &e);
  const auto address = [&](const std::string& endpoint, const mizar::Addr& outside, const mizar::PortRange& ports) {
    const auto e = endpoints.find(endpoint);
    if (e == endpoints.end()) return;
    auto* to = out.add_addresses();
    to->set_address(e->second->address.of(outside.family())->text());
    to->set_outside(outside.text());
    to->set_first_port(ports.first);
    to->set_last_port(ports.last);
  };
  for (const auto& f : g.floating) address(f.endpoint, f.address, {});
  for (const auto& l : plan.kept.leases)
    if (l.vpc == g.vpc) address(l.endpoint, l.outside, l.ports);
  for (const auto& f : g.forwards) {
    const auto ports = leads_to(region, g, f);
    if (!serves && std::none_of(ports.begin(), ports.end(), [&](const auto& p) { return endpoints.contains(p.first); })) continue;
    auto* to = out.add_forwards();
    to->set_protocol(mizar::service_protocol(f.protocol));
    to->set_outside(f.address.text());
    to->set_outside_port(f.port);
    if (f.service.empty())
      to->set_address(endpoints.at(f.endpoint)->address.of(f.address.family())->text());
    else
      to->set_service(f.service);
    to->set_port(f.to_port);
  }
  out.set_serves(serves);
  out.set_ports_per_endpoint(g.ports_per_endpoint);
  if (serves)
    for (const auto& p : g.pools) out.add_pools(p.text());
  const auto& known = plan.hosts[host].networks;
  for (std::size_t n = 0; n < region.networks.size(); n++)
    if (region.networks[n].vpc == g.vpc && !std::binary_search(known.begin(), known.end(), n))
      for (const auto& block : region.networks[n].cidr.all()) out.add_networks(block.text());
}

// As the peering's first VPC sees it, or the other.
void write_peering(const Peering& p, bool mirrored, mizar::v1::Peering& out) {
  out.set_name(p.name);
  out.set_vpc(mirrored ? p.peer : p.vpc);
  out.set_peer(mirrored ? p.vpc : p.peer);
  for (const auto& part : mirrored ? p.parts : p.peer_parts) out.add_parts(part.text());
  out.set_answers_only(mirrored && p.one_way);
}

// All of a VPC's: whatever comes to one of its endpoints may be from any other.
void write_policy(const std::string& vpc, const Region& region, const Plan& plan, mizar::v1::GoalState& out) {
  const auto p = region.policy.find(vpc);
  if (p == region.policy.end()) return;
  for (const auto& x : p->second.policies) *out.add_policies() = mizar::policy::to_message(vpc, x);
  for (const auto& x : p->second.namespaces) *out.add_namespaces() = mizar::policy::to_message(vpc, x);
  if (const auto numbers = plan.kept.labels.find(vpc); numbers != plan.kept.labels.end())
    for (const auto& [id, set] : numbers->second.all()) *out.add_label_sets() = mizar::policy::to_message(vpc, id, set);
}

}  // namespace

Result<Kept> parse_kept(const v1::Kept& m) {
  Kept kept;
  Leases& out = kept.leases;
  for (int i = 0; i < m.leases_size(); i++) {
    const auto& l = m.leases(i);
    auto outside = mizar::Addr::parse(l.outside());
    if (!outside) return mizar::wrap(outside.error(), fmt::format("leases[{}]: outside", i));
    auto ports = mizar::parse_port_range(l.first_port(), l.last_port());
    if (!ports) return mizar::wrap(ports.error(), fmt::format("leases[{}]", i));
    out.push_back({l.vpc(), l.endpoint(), *outside, *ports});
  }
  const auto read = [&kept](const auto& list, const char* field, auto into) -> Result<> {
    for (int i = 0; i < list.size(); i++) {
      auto set = mizar::policy::parse_label_set(list[i]);
      if (!set) return mizar::wrap(set.error(), fmt::format("{}[{}]", field, i));
      (kept.labels[list[i].vpc()].*into).emplace(list[i].id(), std::move(*set));
    }
    return {};
  };
  MZ_CHECK(read(m.label_sets(), "label_sets", &mizar::policy::LabelNumbers::sets));
  MZ_CHECK(read(m.leaving(), "leaving", &mizar::policy::LabelNumbers::leaving));
  return kept;
}

v1::Kept to_message(const Kept& kept) {
  v1::Kept out;
  for (const auto& [vpc, numbers] : kept.labels) {
    for (const auto& [id, set] : numbers.sets) *out.add_label_sets() = mizar::policy::to_message(vpc, id, set);
    for (const auto& [id, set] : numbers.leaving) *out.add_leaving() = mizar::policy::to_message(vpc, id, set);
  }
  for (const Lease& l : kept.leases) {
    auto* to = out.add_leases();
    to->set_vpc(l.vpc);
    to->set_endpoint(l.endpoint);
    to->set_outside(l.outside.text());
    to->set_first_port(l.ports.first);
    to->set_last_port(l.ports.last);
  }
  return out;
}

Result<Region> parse_region(const v1::Region& m) {
  std::vector<std::string> warnings;
  return parse_region(m, [](const std::string& name) -> Result<std::string> {
    return mizar::fail(Code::invalid_argument, "{}: files are not read here", name);
  }, warnings);
}

Result<Region> parse_region(const v1::Region& m, const ReadFile& read, std::vector<std::string>& warnings) {
  Region out;
  out.revision = m.revision();
  MZ_CHECK(each(m.hosts(), out.hosts, host));
  if (auto rc = mizar::set_levels(m.qos_levels(), out.levels); !rc) return mizar::wrap(rc.error(), "qos_levels");
  MZ_CHECK(each(m.vpcs(), out.vpcs, vpc));
  MZ_CHECK(each(m.networks(), out.networks, network));
  MZ_CHECK(each(m.endpoints(), out.endpoints, endpoint));
  MZ_CHECK(each(m.services(), out.services, service));
  MZ_CHECK(each(m.gateways(), out.gateways, gateway));
  MZ_CHECK(each(m.peerings(), out.peerings, peering));
  const auto vpc_of = [&out](const std::string& name) {
    return std::find_if(out.vpcs.begin(), out.vpcs.end(), [&](const Vpc& x) { return x.name == name; });
  };
  for (Gateway& g : out.gateways) {
    const auto v = vpc_of(g.vpc);
    if (!g.destinations.empty() || v == out.vpcs.end()) continue;
    if (v->cidr.v4) g.destinations.push_back({mizar::Addr::v4(0), 0});
    if (v->cidr.v6) g.destinations.push_back(*mizar::Prefix::parse("2000::/3"));  // global unicast, RFC 4291 2.4
  }
  for (Peering& p : out.peerings)
    for (auto [name, parts] : {std::pair(&p.vpc, &p.parts), std::pair(&p.peer, &p.peer_parts)})
      if (const auto v = vpc_of(*name); parts->empty() && v != out.vpcs.end()) *parts = v->cidr.all();
  MZ_CHECK(policy(m, read, warnings, out));
  MZ_CHECK(validate(out));
  return out;
}

mizar::v1::GoalState goal_state(const Region& region, const Plan& plan, std::size_t host) {
  const HostPlan& share = plan.hosts[host];
  mizar::v1::GoalState out;
  out.set_revision(region.revision);
  out.set_host(region.hosts[host].name);
  for (const auto& h : region.hosts) {
    auto* to = out.add_hosts();
    to->set_name(h.name);
    to->set_id(h.id);
    mizar::write_addresses(h.address, *to);
  }
  std::map<std::string, std::uint32_t> vnis;
  for (const auto i : share.vpcs) {
    const auto& v = region.vpcs[i];
    vnis[v.name] = v.vni;
    auto* to = out.add_vpcs();
    to->set_name(v.name);
    to->set_vni(v.vni);
    mizar::write_blocks(v.cidr, *to);
    write_shards(plan.dividers[i], [to] { return to->mutable_dividers(); });
    to->set_domain(v.domain);
    if (!(v.qos == mizar::QosSpec{})) *to->mutable_qos() = mizar::to_message(v.qos);
  }
  for (const auto i : share.networks) {
    const auto& n = region.networks[i];
    auto* to = out.add_networks();
    to->set_name(n.name);
    to->set_vpc(n.vpc);
    mizar::write_blocks(n.cidr, *to);
    write_shards(plan.bouncers[i], [to] { return to->mutable_bouncers(); });
    mizar::write_services(n.services, *to);
  }
  for (const auto i : share.endpoints) {
    const auto& e = region.endpoints[i];
    write_endpoint(e, vnis.at(e.vpc), e.host == region.hosts[host].name, *out.add_endpoints());
  }
  for (const auto i : share.names) write_name(region.endpoints[i], *out.add_names());
  for (const auto i : share.services) write_service(region.services[i], region, *out.add_services());
  for (const auto i : share.gateways) write_gateway(region, plan, i, host, *out.add_gateways());
  for (const auto& [i, mirrored] : share.peerings) write_peering(region.peerings[i], mirrored, *out.add_peerings());
  for (const auto i : share.policies) write_policy(region.vpcs[i].name, region, plan, out);
  const auto& uplink = region.hosts[host].qos;
  if (!(uplink == mizar::QosSpec{})) *out.mutable_uplink() = mizar::to_message(uplink);
  for (const auto& level : mizar::changed_levels(region.levels)) *out.add_levels() = level;
  return out;
}

}  // namespace centaurus
