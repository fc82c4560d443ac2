// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/groups.h"

#include <algorithm>
#include <set>

#include "userspace/base/log.h"

namespace mizar {

namespace {

constexpr std::chrono::seconds kRepeat{1}, kRefresh{10};
constexpr unsigned kRepeats = 2;

bool has_groups(const NetworkSpec& n) { return n.services.multicast || n.services.broadcast; }

bool is_silent(const mz_group_row& row, std::uint32_t now, std::uint32_t patience) {
  return static_cast<std::int32_t>(now - row.seen) > static_cast<std::int32_t>(patience);
}

bool empty(const mz_group& g) {
  return std::all_of(std::begin(g.row), std::end(g.row), [](const mz_group_row& r) { return r.id == 0; });
}

bool carries(const NetworkSpec& n, const Addr& group) {
  const auto all = broadcast_addresses(n);
  const bool everybody = std::find(all.begin(), all.end(), group) != all.end();
  return everybody ? n.services.broadcast : n.services.multicast;
}

// Interfaces of this host's endpoints of a network, with their keys.
std::map<std::uint32_t, std::string> interfaces_of(const Goal& goal, const TableSync::Ports& ports,
                                                   const NetworkSpec& network) {
  std::map<std::uint32_t, std::string> out;
  for (const auto& [key, port] : ports) {
    const auto e = goal.endpoints.find(key);
    if (e != goal.endpoints.end() && e->second.vpc == network.vpc && e->second.network == network.name)
      out.emplace(port.ifindex, key);
  }
  return out;
}

}  // namespace

std::vector<Addr> broadcast_addresses(const NetworkSpec& network) {
  std::vector<Addr> out;
  if (!network.cidr.v4) return out;
  out.push_back(Addr::v4(MZ_BROADCAST4));
  if (const auto& block = *network.cidr.v4; block.len < 31)
    out.push_back(Addr::v4(block.ip.v4_value() | (0xffffffffu >> block.len)));
  return out;
}

std::map<Groups::Place, const Groups::Network*> Groups::places(const Goal& goal) const {
  std::map<Place, const Network*> out;
  for (const auto& named : goal.networks) {
    const NetworkSpec& n = named.second;
    if (!has_groups(n)) continue;
    if (const auto row = dp_.networks().get(network_key(n.vni, n.cidr.first())))
      out.emplace(Place(n.vni, row->shard), &named);
  }
  return out;
}

// The group is read again right before it is written: the data plane may have entered
// somebody meanwhile. What is lost in spite of that comes with the next report.
template <class Stays>
Result<std::size_t> Groups::thin_out(Table<mz_group_key, mz_group>& table, const mz_group_key& key,
                                     const mz_group& seen, Stays stays) {
  const auto thin = [&stays](mz_group& g) {
    std::set<std::uint32_t> twice;
    bool changed = false;
    for (mz_group_row& row : g.row) {
      if (row.id == 0 || (stays(row) && twice.insert(row.id).second)) continue;
      row = {};
      changed = true;
    }
    return changed;
  };
  mz_group g = seen;
  if (thin(g) || empty(g)) {
    const auto now = table.get(key);
    if (!now) return std::size_t{0};
    g = *now;
    const bool changed = thin(g);
    if (empty(g)) {
      if (auto rc = table.erase(key); !rc && rc.error().code != Code::not_found) return tl::unexpected(rc.error());
      return std::size_t{0};
    }
    if (changed) MZ_CHECK(table.put(key, g));
  }
  return static_cast<std::size_t>(
      std::count_if(std::begin(g.row), std::end(g.row), [](const mz_group_row& r) { return r.id != 0; }));
}

Result<> Groups::put_broadcast(const Goal& goal, const TableSync::Ports& ports, std::uint32_t now,
                               const std::map<Place, const Network*>& networks) {
  for (const auto& [place, named] : networks) {
    const NetworkSpec& n = named->second;
    if (!n.services.broadcast) continue;
    mz_group all{};
    std::size_t used = 0;
    for (const auto& [ifindex, key] : interfaces_of(goal, ports, n)) {
      if (!goal.endpoints.find(key)->second.address.v4) continue;
      if (used == MZ_GROUP_ROWS) {
        log::warning("network {}: broadcasts reach {} of its endpoints here, and no more", named->first, used);
        break;
      }
      all.row[used++] = {ifindex, now};
    }
    if (used == 0) continue;
    for (const Addr& group : broadcast_addresses(n)) {
      const mz_group_key key{place.first, place.second, group.abi()};
      const auto stands = dp_.groups().get(key);
      const auto same = [&] {
        return std::equal(std::begin(all.row), std::end(all.row), std::begin(stands->row),
                          [](const mz_group_row& a, const mz_group_row& b) { return a.id == b.id; });
      };
      if (!stands || !same()) MZ_CHECK(dp_.groups().put(key, all));
    }
  }
  return {};
}

Result<> Groups::walk_members(const Goal& goal, const TableSync::Ports& ports, std::uint32_t now,
                              std::uint32_t patience, const std::map<Place, const Network*>& networks) {
  auto all = dp_.groups().entries();
  if (!all) return tl::unexpected(all.error());
  std::map<Place, std::map<std::uint32_t, std::string>> interfaces;
  for (const auto& [place, named] : networks) interfaces[place] = interfaces_of(goal, ports, named->second);
  std::map<std::uint32_t, std::uint32_t> use;
  joined_.clear();
  for (const auto& [key, seen] : *all) {
    const Place place(key.vni, key.network);
    const auto network = networks.find(place);
    const Addr group(key.group);
    const bool carried = network != networks.end() && carries(network->second->second, group);
    const bool joined = group.is_v4() ? group.v4_value() >> 28 == 0xe : true;  // else it is broadcast
    auto left = thin_out(dp_.groups(), key, seen, [&](const mz_group_row& row) {
      return carried && interfaces[place].contains(row.id) && !(joined && is_silent(row, now, patience));
    });
    if (!left) return tl::unexpected(left.error());
    if (*left == 0) continue;
    joined_.emplace_back(network->second->first, group);
    if (!joined) continue;
    std::set<std::uint32_t> members;
    for (const mz_group_row& row : seen.row)
      if (interfaces[place].contains(row.id) && !is_silent(row, now, patience)) members.insert(row.id);
    for (const auto id : members) use[id % MZ_PORTS]++;
  }
  // The data plane counts, too: only where it went astray is it corrected.
  for (const auto& [slot, n] : use_)
    if (!use.contains(slot)) use.emplace(slot, 0);
  for (const auto& [slot, n] : use)
    if (const auto has = dp_.group_use().get(slot); has && *has != n) MZ_CHECK(dp_.group_use().put(slot, n));
  use_ = std::move(use);
  return {};
}

Result<> Groups::walk_hosts(const Goal& goal, std::uint32_t now, std::uint32_t patience,
                            const std::map<Place, const Network*>& networks) {
  auto all = dp_.group_hosts().entries();
  if (!all) return tl::unexpected(all.error());
  bool any = false;
  for (const auto& [key, seen] : *all) {
    const auto network = networks.find(Place(key.vni, key.network));
    const bool carried = network != networks.end() && carries(network->second->second, Addr(key.group));
    auto left = thin_out(dp_.group_hosts(), key, seen, [&](const mz_group_row& row) {
      return carried && goal.host_names.contains(row.id) && !is_silent(row, now, patience);
    });
    if (!left) return tl::unexpected(left.error());
    any = any || *left > 0;
  }
  idle_ = networks.empty() && !any && joined_.empty();
  return {};
}

Result<> Groups::walk(const Goal& goal, const TableSync::Ports& ports, std::uint32_t now, const Patience& patience) {
  const auto networks = places(goal);
  if (networks.empty() && idle_) return {};
  MZ_CHECK(put_broadcast(goal, ports, now, networks));
  MZ_CHECK(walk_members(goal, ports, now, patience.members, networks));
  return walk_hosts(goal, now, patience.hosts, networks);
}

std::vector<Groups::Tell> Groups::tells(const Goal& goal, Clock::time_point now) {
  std::vector<Tell> out;
  std::set<std::pair<std::pair<std::string, Addr>, std::uint32_t>> wanted;
  for (const auto& [name, group] : joined_) {
    const auto network = goal.networks.find(name);
    if (network == goal.networks.end() || !network->second.bouncers) continue;
    const NetworkSpec& n = network->second;
    const mz_addr ip = group.abi();
    const mz_shard& row = (*n.bouncers)[mz_bucket(&ip)];
    const auto& block = group.is_v4() ? n.cidr.v4 : n.cidr.v6;
    if (!block) continue;
    for (const auto host : {row.primary, row.backup}) {
      if (host == 0 || host == goal.self.id) continue;
      const std::pair key(std::pair(name, group), host);
      wanted.insert(key);
      Told& t = told_[key];
      if (t.times > 0 && now - t.last < (t.times <= kRepeats ? kRepeat : kRefresh)) continue;
      t.times = std::min(t.times + 1, kRepeats + 1);
      t.last = now;
      t.what = {host, n.vni, block->ip, group, true};
      out.push_back(t.what);
    }
  }
  for (auto at = told_.begin(); at != told_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    at->second.what.member = false;
    out.push_back(at->second.what);  // once: a copy that comes in spite of it is answered
    at = told_.erase(at);
  }
  return out;
}

void Groups::tell_again(std::uint32_t host) {
  for (auto& [key, told] : told_)
    if (key.second == host) told.times = 0;
}

std::optional<Groups::Tell> Groups::nobody(const Goal& goal, std::uint32_t vni, const Addr& source,
                                           const Addr& group, std::uint32_t host) const {
  for (const auto& [place, named] : places(goal)) {
    const NetworkSpec& n = named->second;
    const auto& block = source.is_v4() ? n.cidr.v4 : n.cidr.v6;
    if (n.vni != vni || !block || !block->contains(source)) continue;
    if (dp_.groups().get({place.first, place.second, group.abi()})) return std::nullopt;
    return Tell{host, vni, block->ip, group, false};
  }
  return std::nullopt;
}

Result<std::vector<Groups::Group>> Groups::list(const Goal& goal, const TableSync::Ports& ports) const {
  auto members = dp_.groups().entries(), hosts = dp_.group_hosts().entries();
  if (!members) return tl::unexpected(members.error());
  if (!hosts) return tl::unexpected(hosts.error());
  const auto networks = places(goal);
  std::map<std::pair<std::string, Addr>, Group> out;
  const auto group_of = [&](const mz_group_key& key) -> Group* {
    const auto network = networks.find(Place(key.vni, key.network));
    if (network == networks.end()) return nullptr;
    Group& g = out[{network->second->first, Addr(key.group)}];
    g.network = network->second->first;
    g.address = Addr(key.group);
    return &g;
  };
  for (const auto& [key, rows] : *members) {
    Group* g = group_of(key);
    if (!g) continue;
    const auto here = interfaces_of(goal, ports, goal.networks.find(g->network)->second);
    for (const mz_group_row& row : rows.row)
      if (const auto at = here.find(row.id); at != here.end()) g->members.emplace_back(at->second, row.seen);
  }
  for (const auto& [key, rows] : *hosts)
    if (Group* g = group_of(key))
      for (const mz_group_row& row : rows.row)
        if (row.id != 0) g->hosts.emplace_back(row.id, row.seen);
  std::vector<Group> all;
  for (auto& [key, g] : out)
    if (!g.members.empty() || !g.hosts.empty()) all.push_back(std::move(g));
  return all;
}

}  // namespace mizar
