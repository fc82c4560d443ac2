// SPDX-License-Identifier: Apache-2.0
// Groups of networks that carry multicast or broadcast: members are asked, bouncers told.
#include "userspace/base/log.h"
#include "userspace/transitd/control_packet.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

namespace {

// A bouncer forgets a host that it did not hear of for so long, in which its daemon may be
// away.
constexpr std::chrono::seconds kHostPatience{300};

}  // namespace

void Daemon::tell_group(const Groups::Tell& t) const {
  const auto to = goal_.reach(t.host);
  if (to && prober_) prober_->send(*to, group_packet(goal_.self.id, t.vni, t.source, t.group, t.member));
}

// Interfaces of endpoints whose networks carry multicast.
std::vector<unsigned> Daemon::multicast_interfaces() const {
  std::vector<unsigned> out;
  for (const auto& [key, port] : ports_) {
    const auto e = goal_.endpoints.find(key);
    if (e == goal_.endpoints.end() || problems_.contains(key)) continue;
    const auto n = goal_.networks.find(object_key(e->second.vpc, e->second.network));
    if (n != goal_.networks.end() && n->second.services.multicast) out.push_back(port.ifindex);
  }
  return out;
}

void Daemon::ensure_groups(bool now) {
  const auto at = std::chrono::steady_clock::now();
  if (!dp_.loaded() || !groups_.begin_walk(at, now)) return;
  const auto jiffies = [this](std::chrono::milliseconds t) { return static_cast<std::uint32_t>(t.count() * hz_ / 1000); };
  const auto clock = dp_.clock();
  if (!clock) return;
  querier_.ask(multicast_interfaces(), at);
  const auto rc = groups_.walk(goal_, ports_, *clock, {jiffies(querier_.patience()), jiffies(kHostPatience)});
  const std::string problem = rc ? "" : rc.error().what;
  if (!rc && problem != groups_problem_) log::warning("groups: {}", problem);
  groups_problem_ = problem;
  // What bouncers hear is of the last walk that came through: they forget who says nothing.
  if (!prober_) return;  // nobody can be told yet
  for (const Groups::Tell& t : groups_.tells(goal_, at)) tell_group(t);
}

Result<v1::ListGroupsReply> Daemon::list_groups(const v1::ListGroupsRequest& request) const {
  v1::ListGroupsReply reply;
  if (!dp_.loaded()) return reply;
  if (!request.vpc().empty() && !goal_.vpcs.contains(request.vpc()))
    return fail(Code::not_found, "vpc {}: there is none", request.vpc());
  const auto now = dp_.clock();
  if (!now) return tl::unexpected(now.error());
  auto all = groups_.list(goal_, ports_);
  if (!all) return tl::unexpected(all.error());
  const auto ago = [&](std::uint32_t seen) {
    return static_cast<std::int32_t>(*now - seen) > 0 ? std::uint64_t{*now - seen} * 1000 / hz_ : 0;
  };
  for (const Groups::Group& g : *all) {
    const NetworkSpec& n = goal_.networks.find(g.network)->second;
    if (!request.vpc().empty() && n.vpc != request.vpc()) continue;
    const bool everybody = g.address.is_v4() && g.address.v4_value() >> 28 != 0xe;
    auto* to = reply.add_groups();
    to->set_network(g.network);
    to->set_address(g.address.text());
    for (const auto& [name, seen] : g.members) {
      auto* m = to->add_members();
      m->set_name(name);
      m->set_heard_ms(everybody ? 0 : ago(seen));
    }
    for (const auto& [id, seen] : g.hosts) {
      auto* h = to->add_hosts();
      h->set_name(host_label(id));
      h->set_heard_ms(ago(seen));
    }
    if (!n.bouncers) continue;
    const mz_addr ip = g.address.abi();
    const mz_shard& row = (*n.bouncers)[mz_bucket(&ip)];
    const auto down = [this](std::uint32_t id) { return id == 0 || (down_.contains(id) && down_.at(id)); };
    const std::uint32_t hop = down(row.primary) && !down(row.backup) ? row.backup : row.primary;
    if (hop != 0) to->set_bouncer(host_label(hop));
  }
  return reply;
}

}  // namespace mizar
