// SPDX-License-Identifier: Apache-2.0
// What the daemon does about what happens: hosts and interfaces that come and go, and what
// the data plane asks for.
#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/transitd/control_packet.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

void Daemon::fill_host(std::uint32_t id, mz_host& entry) const {
  const auto down = down_.find(id);
  if (down != down_.end() && down->second) entry.flags |= MZ_HOST_F_DOWN;
  const Way* w = underlay_.way(id);
  if (!w || !w->resolved) return;
  entry.flags |= MZ_HOST_F_NEXTHOP;
  entry.ifindex = w->ifindex;
  std::copy(w->dmac.begin(), w->dmac.end(), entry.dmac);
  std::copy(w->smac.begin(), w->smac.end(), entry.smac);
}

void Daemon::on_host_changed(std::uint32_t id) {
  if (!dp_.loaded()) return;
  if (auto rc = tables_.update_host(goal_, id); !rc) log::warning("host {}: {}", id, rc.error().what);
}

void Daemon::on_liveness(std::uint32_t id, bool down) {
  const bool hop = hops_.contains(id), watched = watched_.contains(id);
  if (!hop && !watched) return;
  down_[id] = down;
  if (hop)
    log::warning("hop {} {}", host_label(id), down ? "does not answer: its backup takes over" : "answers again");
  if (watched)
    log::warning("host {} of backends {}", host_label(id), down ? "does not answer: they are out as long as others are well" : "answers again");
  on_host_changed(id);
  if (watched) (void)meet_verdicts();
  if (down) return;
  groups_.tell_again(id);  // it may come without what it knew
  groups_.changed();
}

void Daemon::on_event(const mz_event& e) {
  if (e.type == MZ_EVENT_GROUP) {
    groups_.changed();  // tend() looks
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  auto& last = recent_events_[e];
  if (now - last < std::chrono::milliseconds(100)) return;
  last = now;
  const auto host = goal_.reach(e.host);
  if (!host) return;
  if (e.type == MZ_EVENT_NEIGH) {
    underlay_.resolve(e.host);
    return;
  }
  if (!prober_) return;
  if (e.type == MZ_EVENT_NO_MEMBER) {
    if (const auto t = groups_.nobody(goal_, e.vni, Addr(e.src), Addr(e.dst), e.host)) tell_group(*t);
    return;
  }
  // To the sender: where the endpoint it sends to lives, or that it left.
  const std::uint32_t origin = e.type == MZ_EVENT_HINT ? goal_.self.id : 0;
  prober_->send(*host,
                hint_packet(goal_.self.id, e.vni, Addr(e.dst), Addr(e.src), origin));
}

void Daemon::on_monitor() {
  auto changes = monitor_.read();
  if (!changes) {
    log::warning("netlink: {}", changes.error().what);
    return;
  }
  underlay_.on_changes(*changes);
  on_outside_changes(*changes);
  for (const unsigned gone : changes->gone_links) {
    if (gone == host_) {
      log::warning("{}: gone, and made anew", Interfaces::kHost);
      if (auto rc = dp_.detach(Hook::services, gone); !rc) log::warning("{}", rc.error().what);
      host_ = 0;
    }
    if (gone == services_) {
      services_problem_ = "services: their interface is gone; waiting for their namespace";
      log::warning("{}", services_problem_);
      if (auto rc = dp_.detach(Hook::services, gone); !rc) log::warning("{}", rc.error().what);
      services_ = 0;
    }
    for (auto p = ports_.begin(); p != ports_.end(); ++p) {
      if (p->second.ifindex != gone) continue;
      log::warning("endpoint {}: its interface is gone", p->first);
      problems_[p->first] = "its interface is gone; waiting for its namespace";
      if (auto rc = dp_.detach(Hook::endpoint, gone); !rc) log::warning("{}", rc.error().what);
      ports_.erase(p);
      generation_++;
      if (auto rc = apply_tables(); !rc) log::error("{}", rc.error().what);
      break;
    }
  }
  if (uplink_ == 0 || std::find(changes->links.begin(), changes->links.end(), uplink_) == changes->links.end())
    return;
  const auto link = netlink_.link(uplink_);
  if (!link || link->mtu == uplink_mtu_) return;
  const unsigned was = uplink_mtu_;
  uplink_mtu_ = link->mtu;
  if (auto rc = ensure_programs(); !rc)
    log::error("{}", rc.error().what);
  else  // from now on packets are told of it
    log::info("uplink {}: MTU {} -> {}", uplink_name_, was, uplink_mtu_);
  connect_pending();
  ensure_services();
  ensure_host();
}

}  // namespace mizar
