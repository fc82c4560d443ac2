// SPDX-License-Identifier: Apache-2.0
#include "userspace/responder/snapshot.h"

#include <algorithm>

#include "bpf/abi/local.h"

namespace mizar::responder {

namespace {

// A verdict is to be heard soon also where probes are rare.
constexpr std::chrono::milliseconds kAskAtLeast{1000};

// Names of objects may have what DNS cannot say: "a..b".
bool sayable(const std::string& name) { return name.find("..") == std::string::npos; }

Zone::Holders holders_of(const Goal& goal, const mz_shard& row) {
  Zone::Holders out;
  out.self = row.primary == goal.self.id || row.backup == goal.self.id ||
             (row.primary == 0 && row.backup == 0);
  for (const auto id : {row.primary, row.backup})
    if (const auto ip = goal.reach(id); ip && !out.self) out.others.push_back(*ip);
  return out;
}

std::array<Zone::Holders, MZ_BUCKETS> all_holders(const Goal& goal, const VpcSpec& vpc) {
  std::array<Zone::Holders, MZ_BUCKETS> out;
  if (!vpc.dividers) return out;  // nobody to ask: what is known here is all
  for (std::size_t b = 0; b < out.size(); b++) out[b] = holders_of(goal, (*vpc.dividers)[b]);
  return out;
}

struct Named {
  const std::string &name, &network;
  const Addrs& address;
};

// What this host knows of a VPC by name: its own endpoints, those it bounces for,
// and what it is asked for as divider.
std::vector<Named> named_in(const Goal& goal, const std::string& vpc) {
  std::vector<Named> out;
  for (const auto& [key, n] : goal.names)
    if (n.vpc == vpc && sayable(n.name) && sayable(n.network))
      out.push_back({n.name, n.network, n.address});
  for (const auto& [key, e] : goal.endpoints)
    if (e.vpc == vpc && sayable(e.name) && sayable(e.network))
      out.push_back({e.name, e.network, e.address});
  return out;
}

std::shared_ptr<const Zone> make_zone(const Goal& goal, const VpcSpec& vpc, std::uint32_t serial) {
  std::string domain = domain_or_default(vpc.domain, vpc.name);
  if (!check_domain(domain)) domain.clear();
  auto zone = std::make_shared<Zone>(domain, vpc.vni, vpc.cidr);
  zone->set_serial(serial);
  zone->set_holders(all_holders(goal, vpc));
  const auto all = named_in(goal, vpc.name);
  // Where "a.b" is one endpoint and "a" another in network "b", the longer form wins.
  for (const Named& n : all)
    if (!goal.services.contains(object_key(vpc.name, n.name))) zone->add(n.name, n.address);
  for (const auto& [key, s] : goal.services) {
    if (s.vpc != vpc.name || !sayable(s.name)) continue;
    zone->add(s.name, s.address);
    zone->add_reverse(s.name, s.address);
  }
  for (const auto& [key, n] : goal.networks)
    if (n.vpc == vpc.name && sayable(n.name)) zone->add(n.name, {});
  for (const Named& n : all) {
    zone->add(n.name + "." + n.network, n.address);
    zone->add_reverse(n.name + "." + n.network, n.address);
  }
  return zone;
}

Client make_client(const Goal& goal, const EndpointSpec& e, std::uint32_t mtu,
                   std::shared_ptr<const Zone> zone) {
  const NetworkSpec& n = goal.networks.find(object_key(e.vpc, e.network))->second;
  Client c;
  c.name = e.name;
  c.vpc = e.vpc;
  c.network = e.network;
  c.address = e.address;
  c.cidr = n.cidr;
  c.mac = e.mac;
  c.mtu = mtu;
  c.services = n.services;
  c.user_data = e.user_data;
  c.zone = std::move(zone);
  return c;
}

}  // namespace

std::optional<std::uint32_t> slot_of(const Addr& ip) {
  std::uint32_t slot = 0;
  if (ip.is_v4()) {
    slot = ip.v4_value() - MZ_CLIENT4;
  } else {
    const auto& b = ip.bytes();
    slot = static_cast<std::uint32_t>(b[14]) << 8 | b[15];
  }
  if (slot >= MZ_PORTS || client_address(ip.family(), slot) != ip) return std::nullopt;
  return slot;
}

Result<std::shared_ptr<const Snapshot>> Snapshot::from(const v1::GetLocalReply& reply) {
  auto s = std::make_shared<Snapshot>();
  if (reply.state().host().empty()) return std::shared_ptr<const Snapshot>(s);  // no goal yet
  const auto goal = parse_goal(reply.state());
  if (!goal) return Failure(goal.error());
  s->self_ = goal->self.address;
  for (const auto& [name, h] : goal->hosts)
    if (h.id != goal->self.id)
      for (const Addr& ip : h.address.all()) s->hosts_.insert(ip);
  for (const auto& [name, vpc] : goal->vpcs)
    s->zones_[vpc.vni] = make_zone(*goal, vpc, static_cast<std::uint32_t>(reply.generation()));
  std::map<HealthSlot, std::uint32_t> slots;
  for (const auto& port : reply.ports()) {
    const auto e = goal->endpoints.find(port.endpoint());
    if (e == goal->endpoints.end()) continue;
    for (const Addr& ip : e->second.address.all()) slots[{e->second.vni, ip}] = port.ifindex() % MZ_PORTS;
    s->clients_[port.ifindex() % MZ_PORTS] =
        make_client(*goal, e->second, port.mtu(), s->zones_.at(e->second.vni));
  }
  s->add_health(*goal, slots);
  return std::shared_ptr<const Snapshot>(s);
}

// An endpoint that has no interface, yet or any more, cannot be reached: it is a target
// all the same, or its last verdict would stand for ever.
void Snapshot::add_health(const Goal& goal, const std::map<HealthSlot, std::uint32_t>& slots) {
  for (const auto& [key, s] : goal.services) {
    if (!s.health) continue;
    services_[{s.vni, s.name}] = key;
    std::map<Addr, HealthAsk> asks;  // by host
    const auto interval = std::min<std::chrono::milliseconds>(std::chrono::milliseconds(s.health->interval_ms), kAskAtLeast);
    for (const BackendSpec& b : s.backends) {
      const auto host = b.host_id == goal.self.id ? std::nullopt : goal.reach(b.host_id);
      for (const Addr& ip : b.address.all()) {
        backends_.insert({key, ip});
        const auto slot = slots.find({s.vni, ip});
        if (b.host_id == goal.self.id) {
          auto& target = targets_.emplace_back(HealthTarget{{key, ip}, {}, *s.health});
          if (slot != slots.end()) target.at = {client_address(ip.family(), slot->second), s.health->port};
        }
        if (!host) continue;
        auto& ask = asks[*host];
        ask = {key, s.vni, s.name, *host, std::move(ask.backends), interval};
        ask.backends.insert(ip);
      }
    }
    for (auto& [host, ask] : asks) asks_.push_back(std::move(ask));
  }
}

std::optional<std::string> Snapshot::service(std::uint32_t vni, const std::string& name) const {
  const auto at = services_.find({vni, name});
  return at == services_.end() ? std::nullopt : std::optional(at->second);
}

const Client* Snapshot::client(std::uint32_t slot) const {
  const auto at = clients_.find(slot);
  return at == clients_.end() ? nullptr : &at->second;
}

const Zone* Snapshot::zone(std::uint32_t vni) const {
  const auto at = zones_.find(vni);
  return at == zones_.end() ? nullptr : at->second.get();
}

}  // namespace mizar::responder
