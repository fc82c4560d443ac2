// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/table_sync.h"

#include <arpa/inet.h>

#include <algorithm>

#include "userspace/base/log.h"

namespace mizar {

namespace {

std::string vpc_table(std::uint32_t vni) { return fmt::format("vpc {}", vni); }

std::string network_table(const mz_net_key& k) {
  return fmt::format("network {} {}/{}", ntohl(k.vni), Addr(k.ip).text(), k.prefixlen);
}

bool leads_to_peer(const mz_network& n) { return (n.flags & MZ_NET_F_PEER) != 0; }
bool leads_to_peer(const mz_vpc&) { return false; }

}  // namespace

mz_ep_key endpoint_key(std::uint32_t vni, const Addr& ip) { return {vni, ip.abi()}; }

mz_net_key network_key(std::uint32_t vni, const Prefix& cidr) {
  return {32 + cidr.mapped_len(), htonl(vni), cidr.ip.abi()};
}

Result<> TableSync::recover() {
  MZ_CHECK(read_rows(dp_.hosts(), actual_.hosts));
  MZ_CHECK(read_rows(dp_.host_ids(), actual_.host_ids));
  MZ_CHECK(read_rows(dp_.shards(), actual_.shards));
  MZ_CHECK(read_rows(dp_.vpcs(), actual_.vpcs));
  MZ_CHECK(read_rows(dp_.networks(), actual_.networks));
  MZ_CHECK(read_rows(dp_.endpoints(), actual_.endpoints));
  MZ_CHECK(read_rows(dp_.ports(), actual_.ports));
  for (const auto& [vni, v] : actual_.vpcs)
    if (v.vpc != 0) slots_[vni] = v.vpc;
  name_shard_tables(actual_);
  // An array does not list its rows of zeros; ours stand all the same.
  for (const auto& [name, row] : shard_tables_)
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) actual_.shards.emplace(row + b, mz_shard{});
  return {};
}

// What stands counts, too, once: new rows are written before old ones go, and
// some of those linger.
Result<> TableSync::check(const Goal& goal) const {
  const auto fits = [](const char* what, size_t n, size_t capacity) -> Result<> {
    if (n <= capacity) return {};
    return fail(Code::resource_exhausted, "{}: {} wanted at a time, the table holds {}; {}", what, n,
                capacity, larger(fmt::format("--max-{}", what)));
  };
  size_t endpoints = actual_.endpoints.size(), networks = actual_.networks.size();
  size_t vpcs = actual_.vpcs.size();
  std::set<std::uint32_t> standing, kept;  // shard tables
  for (const auto& [name, row] : shard_tables_) standing.insert(row);
  size_t tables = standing.size();
  for (const auto& [key, e] : goal.endpoints)
    for (const Addr& ip : e.address.all()) endpoints += !actual_.endpoints.contains(endpoint_key(e.vni, ip));
  for (const auto& [name, v] : goal.vpcs) {
    vpcs += !actual_.vpcs.contains(v.vni);
    tables += !shard_tables_.contains(vpc_table(v.vni));
  }
  for (const auto& [key, n] : goal.networks) {
    bool keeps = false;  // the table of one of its blocks, as shard_table() finds it
    for (const Prefix& cidr : n.cidr.all()) {
      const mz_net_key k = network_key(n.vni, cidr);
      networks += !actual_.networks.contains(k);
      const auto found = shard_tables_.find(network_table(k));
      keeps = keeps || (found != shard_tables_.end() && kept.insert(found->second).second);
    }
    tables += !keeps;
  }
  for (const auto& [key, g] : goal.gateways) {
    bool keeps = false;
    for (const Prefix& p : g.destinations) {
      const mz_net_key k = network_key(g.vni, p);
      networks += !actual_.networks.contains(k);
      const auto found = shard_tables_.find(network_table(k));
      keeps = keeps || (found != shard_tables_.end() && kept.insert(found->second).second);
    }
    for (const Prefix& p : g.networks) networks += !actual_.networks.contains(network_key(g.vni, p));
    tables += !keeps;
  }
  for (const auto& [key, p] : goal.peerings)
    for (const Prefix& part : p.parts) networks += !actual_.networks.contains(network_key(p.vni, part));
  MZ_CHECK(fits("endpoints", endpoints, dp_.endpoints().capacity()));
  MZ_CHECK(fits("networks", networks, dp_.networks().capacity()));
  MZ_CHECK(fits("vpcs", vpcs, dp_.vpcs().capacity()));
  MZ_CHECK(fits("shard-tables", tables, dp_.shards().capacity() / MZ_BUCKETS));
  if (!goal.host_names.empty())
    MZ_CHECK(fits("hosts", goal.host_names.rbegin()->first + 1, dp_.hosts().capacity()));
  return {};
}

Result<std::uint32_t> TableSync::shard_table(const std::vector<std::string>& names,
                                             const Wanted& w) {
  const auto name_all = [&](std::uint32_t row) {
    for (const auto& name : names) shard_tables_[name] = row;
    return row;
  };
  // A block that has gone to another network does not take the table along.
  for (const auto& name : names)
    if (const auto found = shard_tables_.find(name);
        found != shard_tables_.end() && !w.shards.contains(found->second))
      return name_all(found->second);
  // Nor is one handed out that packets still read.
  std::set<std::uint32_t> taken;
  for (const auto& [other, row] : shard_tables_) taken.insert(row);
  for (const auto& [key, n] : actual_.networks) taken.insert(n.shard);
  for (const auto& [vni, v] : actual_.vpcs) taken.insert(v.shard);
  std::uint32_t row = 0;
  for (const auto t : taken) {
    if (t != row) break;
    row += MZ_BUCKETS;
  }
  if (row + MZ_BUCKETS > dp_.shards().capacity())
    return fail(Code::resource_exhausted, "shards: no room for the table of {}; {}", names.front(),
                larger("--max-shard-tables"));
  return name_all(row);
}

std::uint32_t TableSync::slot_of(std::uint32_t vni) const {
  const auto found = slots_.find(vni);
  return found == slots_.end() ? 0 : found->second;
}

std::uint32_t TableSync::vpc_slot(std::uint32_t vni) {
  if (const auto slot = slot_of(vni)) return slot;
  std::set<std::uint32_t> taken{0};
  for (const auto& [other, slot] : slots_) taken.insert(slot);
  std::uint32_t slot = 0;
  while (taken.contains(slot)) slot++;
  // Past the last slot the table has no row; clear_counters() says so.
  if (auto rc = dp_.clear_counters(slot); !rc) {
    log::warning("VPC with VNI {}: no counters of its own ({}); see --max-vpc-slots", vni,
                 rc.error().what);
    return 0;
  }
  slots_[vni] = slot;
  return slot;
}

void TableSync::want_hosts(const Goal& goal, Wanted& w) const {
  for (const auto& [name, h] : goal.hosts) {
    const auto ip = goal.reach(h.id);
    if (!ip) continue;  // no family in common: never sent to, nothing taken from it
    mz_host entry{};
    entry.ip = ip->abi();
    entry.flags = MZ_HOST_F_KNOWN;
    host_state_(h.id, entry);
    w.hosts.emplace(h.id, entry);
    w.host_ids.emplace(entry.ip, h.id);
  }
}

Result<> TableSync::want_vpcs(const Goal& goal, Wanted& w) {
  for (const auto& [name, v] : goal.vpcs) {
    auto row = shard_table({vpc_table(v.vni)}, w);
    if (!row) return tl::unexpected(row.error());
    w.vpcs.emplace(v.vni, mz_vpc{*row, vpc_slot(v.vni)});
    const ShardTable none{};
    const ShardTable& table = v.dividers ? *v.dividers : none;
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) w.shards.emplace(*row + b, table[b]);
  }
  return {};
}

Result<> TableSync::want_networks(const Goal& goal, Wanted& w) {
  for (const auto& [key, n] : goal.networks) {
    std::vector<mz_net_key> keys;
    std::vector<std::string> names;
    for (const Prefix& cidr : n.cidr.all()) {
      keys.push_back(network_key(n.vni, cidr));
      names.push_back(network_table(keys.back()));
    }
    auto row = shard_table(names, w);
    if (!row) return tl::unexpected(row.error());
    const auto& dividers = goal.vpcs.find(n.vpc)->second.dividers;
    const bool divides =
        dividers && std::any_of(dividers->begin(), dividers->end(), [&](const mz_shard& s) {
          return s.primary == goal.self.id || s.backup == goal.self.id;
        });
    const std::uint32_t flags = (divides ? MZ_NET_F_DIVIDER : 0u) | (n.services.multicast ? MZ_NET_F_MULTICAST : 0u) |
                                (n.services.broadcast ? MZ_NET_F_BROADCAST : 0u);
    for (const mz_net_key& k : keys) w.networks.emplace(k, mz_network{*row, slot_of(n.vni), flags, 0});
    const ShardTable none{};
    const ShardTable& table = n.bouncers ? *n.bouncers : none;
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) w.shards.emplace(*row + b, table[b]);
  }
  return {};
}

// The outside, by its gateways; and what is the VPC's in spite of a gateway's wide
// blocks, by its dividers.
Result<> TableSync::want_ways_out(const Goal& goal, Wanted& w) {
  for (const auto& [name, g] : goal.gateways) {
    std::vector<mz_net_key> keys;
    std::vector<std::string> names;
    for (const Prefix& p : g.destinations) {
      keys.push_back(network_key(g.vni, p));
      names.push_back(network_table(keys.back()));
    }
    auto row = shard_table(names, w);
    if (!row) return tl::unexpected(row.error());
    const mz_network way{*row, slot_of(g.vni), MZ_NET_F_OUTSIDE | (g.serves ? MZ_NET_F_SERVED : 0u), 0};
    for (const mz_net_key& k : keys) w.networks.emplace(k, way);
    const ShardTable none{};
    const ShardTable& table = g.hosts ? *g.hosts : none;
    for (std::uint32_t b = 0; b < MZ_BUCKETS; b++) w.shards.emplace(*row + b, table[b]);
    for (const Prefix& p : g.networks)
      w.networks.emplace(network_key(g.vni, p),
                         mz_network{w.vpcs.at(g.vni).shard, slot_of(g.vni), MZ_NET_F_ELSEWHERE, 0});
  }
  return {};
}

// Of the peers only which VPC it is: its own rows say more.
void TableSync::want_peers(const Goal& goal, Wanted& w) const {
  for (const auto& [key, p] : goal.peerings)
    for (const Prefix& part : p.parts)
      w.networks.emplace(network_key(p.vni, part),
                         mz_network{0, slot_of(p.vni), MZ_NET_F_PEER | (p.answers_only ? MZ_NET_F_ANSWERS : 0u), p.peer_vni});
}

void TableSync::want_endpoint(const Goal& goal, const EndpointSpec& e, const LocalPort* port, std::uint32_t offers,
                              Wanted& w) const {
  mz_endpoint entry{};
  entry.host = e.host_id;
  entry.vpc = slot_of(e.vni);
  std::copy(e.mac.begin(), e.mac.end(), entry.mac);
  if (goal.local(e) && port != nullptr) {
    const Policies::Place policy = policy_(e);
    entry.ifindex = port->ifindex;
    const Qos::Place qos = qos_(e, port->ifindex);
    const std::uint32_t flags = (port->peer ? MZ_EP_F_PEER : 0u) | flags_(e);
    entry.flags = static_cast<__u16>(flags | qos.endpoint_flags);
    entry.policy = policy.group;
    mz_port p{};
    p.ifindex = port->ifindex;
    p.vni = e.vni;
    const NetworkSpec& network = goal.networks.find(object_key(e.vpc, e.network))->second;
    const auto& cidr = network.cidr;
    if (e.address.v4) {
      p.ip4 = e.address.v4->abi().w[3];
      if (has_gateway(*cidr.v4)) p.gateway4 = gateway_of(*cidr.v4).abi().w[3];
    }
    if (e.address.v6) {
      p.ip6 = e.address.v6->abi();
      p.prefix6 = static_cast<__u8>(cidr.v6->len);
      if (has_gateway(*cidr.v6)) p.gateway6 = gateway_of(*cidr.v6).abi();
    }
    std::copy(e.mac.begin(), e.mac.end(), p.mac);
    p.label = policy.label;
    p.policy = policy.group;
    p.vpc = entry.vpc;
    p.mtu = port->mtu;
    p.flags = flags | offers | qos.port_flags;
    p.qos_class = qos.level;
    std::copy(qos.shaper.begin(), qos.shaper.end(), p.shaper);
    std::copy(qos.vpc_shaper.begin(), qos.vpc_shaper.end(), p.vpc_shaper);
    if (network.services.multicast || network.services.broadcast) p.flags |= MZ_EP_F_GROUPS;
    p.max_flows = e.max_flows ? e.max_flows : max_flows_;
    w.ports.emplace(p.ifindex % MZ_PORTS, p);
  }
  for (const Addr& ip : e.address.all()) w.endpoints.emplace(endpoint_key(e.vni, ip), entry);
}

void TableSync::want_endpoints(const Goal& goal, const Ports& ports, Wanted& w) const {
  std::map<std::uint32_t, std::uint32_t> offers;  // VNI -> flags of its ports
  for (const auto& [key, s] : goal.services) offers[s.vni] |= MZ_EP_F_VIPS;
  for (const auto& [key, g] : goal.gateways) offers[g.vni] |= MZ_EP_F_OUT;
  for (const auto& [key, p] : goal.peerings) offers[p.vni] |= MZ_EP_F_PEERED;
  for (const auto& [key, e] : goal.endpoints) {
    const auto port = ports.find(key);
    const auto of_vpc = offers.find(e.vni);
    want_endpoint(goal, e, port == ports.end() ? nullptr : &port->second, of_vpc == offers.end() ? 0 : of_vpc->second, w);
  }
}

// What the goal has no more, but old paths of others still lead to.
void TableSync::keep_lingering(Wanted& w) {
  const auto now = Clock::now();
  const auto keep = [&](auto& lingering, const auto& actual, auto& want) {
    for (const auto& [key, value] : actual) {
      if (leads_to_peer(value)) continue;  // two VPCs part at once
      if (want.contains(key)) {
        lingering.erase(key);
        continue;
      }
      const auto until = lingering.try_emplace(key, now + linger_).first->second;
      if (until <= now) {
        lingering.erase(key);
        continue;
      }
      want.emplace(key, value);
      for (std::uint32_t b = 0; b < MZ_BUCKETS; b++)
        if (const auto row = actual_.shards.find(value.shard + b); row != actual_.shards.end())
          w.shards.insert(*row);
    }
  };
  keep(lingering_networks_, actual_.networks, w.networks);
  keep(lingering_vpcs_, actual_.vpcs, w.vpcs);
}

// The tables that have a row leading to them; others are free.
void TableSync::name_shard_tables(const Wanted& w) {
  shard_tables_.clear();
  for (const auto& [vni, v] : w.vpcs) shard_tables_[vpc_table(vni)] = v.shard;
  for (const auto& [key, n] : w.networks)
    if (!leads_to_peer(n)) shard_tables_[network_table(key)] = n.shard;
}

void TableSync::release_tables(const Wanted& w) {
  name_shard_tables(w);
  std::erase_if(slots_, [&](const auto& s) { return !w.vpcs.contains(s.first); });
}

Result<TableSync::Wanted> TableSync::want(const Goal& goal, const Ports& ports) {
  Wanted w;
  want_hosts(goal, w);
  MZ_CHECK(want_vpcs(goal, w));
  MZ_CHECK(want_networks(goal, w));
  MZ_CHECK(want_ways_out(goal, w));
  want_peers(goal, w);
  want_endpoints(goal, ports, w);
  keep_lingering(w);
  for (const auto& [slot, port] : actual_.ports)
    if (draining_.contains(port.ifindex)) w.ports.try_emplace(slot, port);
  return w;
}

Result<> TableSync::drained(unsigned ifindex) {
  draining_.erase(ifindex);
  const auto row = actual_.ports.find(ifindex % MZ_PORTS);
  if (row == actual_.ports.end() || row->second.ifindex != ifindex) return {};
  MZ_CHECK(dp_.ports().erase(row->first));
  actual_.ports.erase(row);
  return {};
}

// Additions from the ground up, removals from the top down: no packet meets a
// row that points to one that is not there.
Result<RowChanges> TableSync::apply(const Goal& goal, const Ports& ports,
                                    const std::function<void()>& ports_known) {
  auto w = want(goal, ports);
  if (!w) return tl::unexpected(w.error());
  RowChanges n;
  MZ_CHECK(put_rows(dp_.hosts(), actual_.hosts, w->hosts, n));
  MZ_CHECK(put_rows(dp_.host_ids(), actual_.host_ids, w->host_ids));
  MZ_CHECK(put_rows(dp_.shards(), actual_.shards, w->shards));
  MZ_CHECK(put_rows(dp_.vpcs(), actual_.vpcs, w->vpcs, n));
  MZ_CHECK(put_rows(dp_.networks(), actual_.networks, w->networks, n));
  MZ_CHECK(put_rows(dp_.ports(), actual_.ports, w->ports));
  if (ports_known) ports_known();
  MZ_CHECK(put_rows(dp_.endpoints(), actual_.endpoints, w->endpoints, n));
  MZ_CHECK(erase_rows(dp_.endpoints(), actual_.endpoints, w->endpoints, n));
  MZ_CHECK(erase_rows(dp_.ports(), actual_.ports, w->ports));
  MZ_CHECK(erase_rows(dp_.networks(), actual_.networks, w->networks, n));
  MZ_CHECK(erase_rows(dp_.vpcs(), actual_.vpcs, w->vpcs, n));
  MZ_CHECK(erase_rows(dp_.shards(), actual_.shards, w->shards));
  MZ_CHECK(erase_rows(dp_.host_ids(), actual_.host_ids, w->host_ids));
  MZ_CHECK(erase_rows(dp_.hosts(), actual_.hosts, w->hosts, n));
  release_tables(*w);
  return n;
}

// The port first: what it sends from now on has the new number.
Result<> TableSync::update_endpoint(const Goal& goal, const Ports& ports, const EndpointSpec& e) {
  const auto port = ports.find(object_key(e.vpc, e.name));
  if (port == ports.end()) return {};
  constexpr std::uint32_t kOffers = MZ_EP_F_VIPS | MZ_EP_F_OUT | MZ_EP_F_PEERED;
  const auto stands = actual_.ports.find(port->second.ifindex % MZ_PORTS);
  if (stands == actual_.ports.end()) return {};
  Wanted w;
  want_endpoint(goal, e, &port->second, stands->second.flags & kOffers, w);
  MZ_CHECK(put_rows(dp_.ports(), actual_.ports, w.ports));
  return put_rows(dp_.endpoints(), actual_.endpoints, w.endpoints);
}

Result<> TableSync::update_host(const Goal& goal, std::uint32_t id) {
  const auto ip = goal.reach(id);
  if (!ip) return {};
  mz_host entry{};
  entry.ip = ip->abi();
  entry.flags = MZ_HOST_F_KNOWN;
  host_state_(id, entry);
  return put_rows(dp_.hosts(), actual_.hosts, {{id, entry}});
}

Result<> TableSync::expire(Clock::time_point now) {
  Wanted w;
  w.networks = actual_.networks;
  w.vpcs = actual_.vpcs;
  const auto drop = [now](auto& lingering, auto& want) {
    std::erase_if(lingering, [&](const auto& l) {
      if (l.second > now) return false;
      want.erase(l.first);
      return true;
    });
  };
  drop(lingering_networks_, w.networks);
  drop(lingering_vpcs_, w.vpcs);
  MZ_CHECK(erase_rows(dp_.networks(), actual_.networks, w.networks));
  MZ_CHECK(erase_rows(dp_.vpcs(), actual_.vpcs, w.vpcs));
  release_tables(w);
  return {};
}

std::map<std::string, std::uint64_t> TableSync::used() const {
  std::set<std::uint32_t> tables;
  for (const auto& [name, row] : shard_tables_) tables.insert(row);
  return {{"endpoints", actual_.endpoints.size()}, {"networks", actual_.networks.size()},
          {"vpcs", actual_.vpcs.size()},           {"hosts", actual_.hosts.size()},
          {"ports", actual_.ports.size()},         {"shard-tables", tables.size()}};
}

}  // namespace mizar
