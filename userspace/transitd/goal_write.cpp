// SPDX-License-Identifier: Apache-2.0
// The message of a goal.
#include "userspace/base/names.h"
#include "userspace/transitd/goal.h"

namespace mizar {

namespace {

// `at` makes the table in its message, which stays without one if nobody serves.
template <class Make>
void write_shards(const std::optional<ShardTable>& rows, Make at) {
  if (!rows) return;
  v1::ShardTable* t = at();
  for (const auto& row : *rows) {
    t->add_primary(row.primary);
    t->add_backup(row.backup);
  }
}

void write_endpoint(const EndpointSpec& e, v1::Endpoint& out) {
  out.set_name(e.name);
  out.set_vpc(e.vpc);
  out.set_network(e.network);
  write_addresses(e.address, out);
  out.set_mac(mac_text(e.mac));
  out.set_host(e.host);
  policy::write_pod_labels(e.labels, out);
  out.set_max_flows(e.max_flows);
  if (!(e.qos == QosSpec{})) *out.mutable_qos() = to_message(e.qos);
  out.set_delivery(name_of(e.delivery));
  out.set_user_data(e.user_data);
  if (const auto* netns = std::get_if<NetnsSpec>(&e.attach)) {
    out.mutable_netns()->set_name(netns->name);
    out.mutable_netns()->set_interface(netns->interface);
  } else if (const auto* tap = std::get_if<TapSpec>(&e.attach)) {
    out.mutable_tap()->set_interface(tap->interface);
  }
}

void write_service(const ServiceSpec& s, const std::map<std::uint32_t, std::string>& hosts, v1::Service& out) {
  out.set_name(s.name);
  out.set_vpc(s.vpc);
  write_addresses(s.address, out);
  out.set_sticky_seconds(s.sticky_seconds);
  write_level(s.level, out);
  write_service_ports(s.ports, *out.mutable_ports());
  write_health(s.health, out);
  for (const BackendSpec& b : s.backends) {
    auto* backend = out.add_backends();
    backend->set_name(b.name);
    write_addresses(b.address, *backend);
    backend->set_weight(b.weight);
    if (b.host_id != 0) backend->set_host(hosts.at(b.host_id));
  }
}

void write_gateway(const GatewaySpec& g, v1::Gateway& out) {
  out.set_name(g.name);
  out.set_vpc(g.vpc);
  for (const Prefix& p : g.destinations) out.add_destinations(p.text());
  write_shards(g.hosts, [&] { return out.mutable_hosts(); });
  for (const Prefix& p : g.networks) out.add_networks(p.text());
  for (const OutsideSpec& a : g.addresses) {
    auto* to = out.add_addresses();
    to->set_address(a.address.text());
    to->set_outside(a.outside.text());
    to->set_first_port(a.ports.first);
    to->set_last_port(a.ports.last);
  }
  for (const ForwardSpec& f : g.forwards) {
    auto* to = out.add_forwards();
    to->set_protocol(service_protocol(f.protocol));
    to->set_outside(f.outside.text());
    to->set_outside_port(f.outside_port);
    if (f.service.empty())
      to->set_address(f.address.text());
    else
      to->set_service(f.service);
    to->set_port(f.port);
  }
  out.set_serves(g.serves);
  for (const Prefix& p : g.pools) out.add_pools(p.text());
  out.set_ports_per_endpoint(g.ports_per_endpoint);
}

void write_peering(const PeeringSpec& p, v1::Peering& out) {
  out.set_name(p.name);
  out.set_vpc(p.vpc);
  out.set_peer(p.peer);
  for (const Prefix& part : p.parts) out.add_parts(part.text());
  out.set_answers_only(p.answers_only);
}

}  // namespace

v1::GoalState to_state(const Goal& goal) {
  v1::GoalState out;
  out.set_revision(goal.revision);
  out.set_host(goal.self.name);
  for (const auto& [name, h] : goal.hosts) {
    auto* host = out.add_hosts();
    host->set_name(name);
    host->set_id(h.id);
    write_addresses(h.address, *host);
  }
  for (const auto& [name, v] : goal.vpcs) {
    auto* vpc = out.add_vpcs();
    vpc->set_name(name);
    vpc->set_vni(v.vni);
    write_blocks(v.cidr, *vpc);
    write_shards(v.dividers, [vpc] { return vpc->mutable_dividers(); });
    vpc->set_domain(v.domain);
    if (!(v.qos == QosSpec{})) *vpc->mutable_qos() = to_message(v.qos);
  }
  for (const auto& [key, n] : goal.networks) {
    auto* network = out.add_networks();
    network->set_name(n.name);
    network->set_vpc(n.vpc);
    write_blocks(n.cidr, *network);
    write_shards(n.bouncers, [network] { return network->mutable_bouncers(); });
    write_services(n.services, *network);
  }
  for (const auto& [key, e] : goal.endpoints) write_endpoint(e, *out.add_endpoints());
  for (const auto& [key, n] : goal.names) {
    auto* name = out.add_names();
    name->set_vpc(n.vpc);
    name->set_network(n.network);
    name->set_name(n.name);
    write_addresses(n.address, *name);
  }
  for (const auto& [key, s] : goal.services) write_service(s, goal.host_names, *out.add_services());
  for (const auto& [key, g] : goal.gateways) write_gateway(g, *out.add_gateways());
  for (const auto& [key, p] : goal.peerings) write_peering(p, *out.add_peerings());
  for (const auto& [vpc, spec] : goal.policy) {
    for (const auto& [name, p] : spec.policies) *out.add_policies() = policy::to_message(vpc, p);
    for (const auto& [name, n] : spec.namespaces) *out.add_namespaces() = policy::to_message(vpc, n);
    for (const auto& [id, set] : spec.sets) *out.add_label_sets() = policy::to_message(vpc, id, set);
  }
  if (!(goal.uplink == QosSpec{})) *out.mutable_uplink() = to_message(goal.uplink);
  for (const auto& level : changed_levels(goal.levels)) *out.add_levels() = level;
  return out;
}

}  // namespace mizar
