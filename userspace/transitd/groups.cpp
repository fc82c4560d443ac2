// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/groups.h"

#include <algorithm>
#include <set>

#include "userspace/base/log.h"

namespace mizar {

namespace {

constexpr std::chrono::seconds kRepeat{1}, kRefresh{10};
constexpr unsigned kRepeats = 2;
constexpr std::chrono::milliseconds kWalk{1000}, kPause{250};

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

}  // namespace

std::vector<Addr> broadcast_addresses(const NetworkSpec& network) {
  std::vector<Addr> out;
  if (!network.cidr.v4) return out;
  out.push_back(Addr::v4(MZ_BROADCAST4));
  if (const auto& block = *network.cidr.v4; block.len < 31)
    out.push_back(Addr::v4(block.ip.v4_value() | (0xffffffffu >> block.len)));
  return out;
}

bool Groups::begin_walk(Clock::time_point now, bool at_once) {
  if (!at_once && now - walked_ < (changed_ ? kPause : kWalk)) return false;
  changed_ = false;
  walked_ = now;
  return true;
}

Groups::Locals Groups::locals(const Goal& goal, const TableSync::Ports& ports) const {
  Locals out;
  std::map<std::string, Local*> by_name;
  for (const auto& named : goal.networks) {
    const NetworkSpec& n = named.second;
    if (!has_groups(n)) continue;
    const auto row = dp_.networks().get(network_key(n.vni, n.cidr.first()));
    if (!row) continue;
    const auto [at, fresh] = out.emplace(Place(n.vni, row->shard), Local{&named, {}});
    if (fresh) by_name.emplace(named.first, &at->second);
  }
  if (out.empty()) return out;
  for (const auto& [key, port] : ports) {
    const auto e = goal.endpoints.find(key);
    if (e == goal.endpoints.end()) continue;
    const auto local = by_name.find(object_key(e->second.vpc, e->second.network));
    if (local != by_name.end()) local->second->interfaces.emplace(port.ifindex, key);
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

// One that has no room leaves the others theirs.
Result<> Groups::put_broadcast(const Goal& goal, std::uint32_t now, const Locals& locals) {
  Result<> first;
  std::set<std::string> crowded;
  for (const auto& [place, local] : locals) {
    const auto& [name, n] = *local.network;
    if (!n.services.broadcast) continue;
    mz_group all{};
    std::size_t used = 0;
    for (const auto& [ifindex, key] : local.interfaces) {
      if (!goal.endpoints.find(key)->second.address.v4) continue;
      if (used == MZ_GROUP_ROWS) {
        if (crowded.insert(name).second && !crowded_.contains(name))
          log::warning("network {}: broadcasts reach {} of its endpoints here, and no more", name, used);
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
      if (stands && same()) continue;
      if (auto rc = dp_.groups().put(key, all); !rc && first) first = std::move(rc);
    }
  }
  crowded_ = std::move(crowded);
  return first;
}

// joined_ is of a walk that came through: of half of one, bouncers would hear that the
// rest has no members.
Result<> Groups::walk_members(const TableSync::Ports& ports, std::uint32_t now, std::uint32_t patience,
                              const Locals& locals) {
  auto all = dp_.groups().entries();
  if (!all) return tl::unexpected(all.error());
  // Nobody asked before this daemon did. The clock comes round: that it was long enough is kept.
  asked_ = asked_ || is_silent({0, *since_}, now, patience);
  const auto is_out = [&](const mz_group_row& row) { return asked_ && is_silent(row, now, patience); };
  std::map<std::uint32_t, std::uint32_t> use;
  for (const auto& [key, port] : ports) use[port.ifindex % MZ_PORTS] = 0;
  std::vector<std::pair<std::string, Addr>> with_members;
  for (const auto& [key, seen] : *all) {
    const auto local = locals.find(Place(key.vni, key.network));
    const Addr group(key.group);
    const bool carried = local != locals.end() && carries(local->second.network->second, group);
    const bool joined = group.is_v4() ? group.v4_value() >> 28 == 0xe : true;  // else it is broadcast
    auto left = thin_out(dp_.groups(), key, seen, [&](const mz_group_row& row) {
      return carried && local->second.interfaces.contains(row.id) && !(joined && is_out(row));
    });
    if (!left) return tl::unexpected(left.error());
    if (*left == 0) continue;
    with_members.emplace_back(local->second.network->first, group);
    if (!joined) continue;
    std::set<std::uint32_t> members;
    for (const mz_group_row& row : seen.row)
      if (local->second.interfaces.contains(row.id) && !is_out(row)) members.insert(row.id);
    for (const auto id : members) use[id % MZ_PORTS]++;
  }
  joined_ = std::move(with_members);
  // The data plane counts, too: only where it went astray is it corrected.
  for (const auto& [slot, n] : use)
    if (const auto has = dp_.group_use().get(slot); has && *has != n) MZ_CHECK(dp_.group_use().put(slot, n));
  return {};
}

Result<bool> Groups::walk_hosts(const Goal& goal, std::uint32_t now, std::uint32_t patience, const Locals& locals) {
  auto all = dp_.group_hosts().entries();
  if (!all) return tl::unexpected(all.error());
  bool any = false;
  for (const auto& [key, seen] : *all) {
    const auto local = locals.find(Place(key.vni, key.network));
    const bool carried = local != locals.end() && carries(local->second.network->second, Addr(key.group));
    auto left = thin_out(dp_.group_hosts(), key, seen, [&](const mz_group_row& row) {
      return carried && goal.host_names.contains(row.id) && !is_silent(row, now, patience);
    });
    if (!left) return tl::unexpected(left.error());
    any = any || *left > 0;
  }
  return any;
}

Result<> Groups::walk(const Goal& goal, const TableSync::Ports& ports, std::uint32_t now, const Patience& patience) {
  if (!since_) since_ = now;
  const auto all = locals(goal, ports);
  if (all.empty() && idle_) return {};
  // A full table makes the first fail, and the others give it room.
  const auto broadcast = put_broadcast(goal, now, all);
  const auto members = walk_members(ports, now, patience.members, all);
  const auto hosts = walk_hosts(goal, now, patience.hosts, all);
  MZ_CHECK(members);
  if (!hosts) return tl::unexpected(hosts.error());
  idle_ = all.empty() && !*hosts && joined_.empty();
  return broadcast;
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
  for (const auto& [name, n] : goal.networks) {
    const auto& block = source.is_v4() ? n.cidr.v4 : n.cidr.v6;
    if (n.vni != vni || !has_groups(n) || !block || !block->contains(source)) continue;
    const auto row = dp_.networks().get(network_key(n.vni, n.cidr.first()));
    if (!row) continue;
    if (dp_.groups().get({n.vni, row->shard, group.abi()})) return std::nullopt;
    return Tell{host, vni, block->ip, group, false};
  }
  return std::nullopt;
}

Result<std::vector<Groups::Group>> Groups::list(const Goal& goal, const TableSync::Ports& ports) const {
  auto members = dp_.groups().entries(), hosts = dp_.group_hosts().entries();
  if (!members) return tl::unexpected(members.error());
  if (!hosts) return tl::unexpected(hosts.error());
  const auto here = locals(goal, ports);
  std::map<std::pair<std::string, Addr>, Group> out;
  const auto group_of = [&](const mz_group_key& key, const Local& local) -> Group& {
    Group& g = out[{local.network->first, Addr(key.group)}];
    g.network = local.network->first;
    g.address = Addr(key.group);
    return g;
  };
  for (const auto& [key, rows] : *members) {
    const auto local = here.find(Place(key.vni, key.network));
    if (local == here.end()) continue;
    Group& g = group_of(key, local->second);
    const auto& interfaces = local->second.interfaces;
    for (const mz_group_row& row : rows.row)
      if (const auto at = interfaces.find(row.id); at != interfaces.end()) g.members.emplace_back(at->second, row.seen);
  }
  for (const auto& [key, rows] : *hosts) {
    const auto local = here.find(Place(key.vni, key.network));
    if (local == here.end()) continue;
    Group& g = group_of(key, local->second);
    for (const mz_group_row& row : rows.row)
      if (row.id != 0) g.hosts.emplace_back(row.id, row.seen);
  }
  std::vector<Group> all;
  for (auto& [key, g] : out)
    if (!g.members.empty() || !g.hosts.empty()) all.push_back(std::move(g));
  return all;
}

}  // namespace mizar
