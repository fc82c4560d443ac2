// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/underlay.h"

#include <algorithm>

#include "userspace/base/log.h"

namespace mizar {

Way Underlay::find(const Addr& address) {
  Way w;
  const auto hop = netlink_.route_to(address);
  if (!hop || hop->local) return w;
  w.ifindex = hop->ifindex;
  w.gateway = hop->gateway;
  const auto link = netlink_.link(hop->ifindex);
  if (!link) return w;
  w.smac = link->mac;
  const auto n = netlink_.neighbour(hop->ifindex, hop->gateway);
  if (n && n->valid) {
    w.dmac = n->mac;
    w.resolved = true;
  }
  return w;
}

void Underlay::update(std::uint32_t host, Entry& e) {
  const Way w = find(e.address);
  if (!w.resolved && w.ifindex != 0) {
    if (auto rc = netlink_.probe_neighbour(w.ifindex, w.gateway); !rc)
      log::debug("host {}: {}", host, rc.error().what);
  }
  if (w == e.way) return;
  e.way = w;
  changed_(host);
}

void Underlay::set_hosts(const std::map<std::uint32_t, Addr>& hosts) {
  std::erase_if(hosts_, [&](const auto& h) {
    const auto now = hosts.find(h.first);
    return now == hosts.end() || now->second != h.second.address;
  });
  for (const auto& [id, address] : hosts) {
    const auto [at, fresh] = hosts_.try_emplace(id, Entry{address, {}});
    if (fresh) update(id, at->second);
  }
}

const Way* Underlay::way(std::uint32_t host) const {
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? nullptr : &found->second.way;
}

void Underlay::on_changes(const net::Monitor::Changes& c) {
  const bool all = c.routes || c.lost;
  for (auto& [id, e] : hosts_) {
    const bool link = std::find(c.links.begin(), c.links.end(), e.way.ifindex) != c.links.end();
    const bool neighbour = std::any_of(
        c.neighbours.begin(), c.neighbours.end(), [&, &way = e.way](const net::Neighbour& n) {
          return n.ifindex == way.ifindex && n.ip == way.gateway &&
                 (n.valid != way.resolved || (n.valid && n.mac != way.dmac));
        });
    if (all || link || neighbour) update(id, e);
  }
}

void Underlay::resolve(std::uint32_t host) {
  if (const auto found = hosts_.find(host); found != hosts_.end()) update(host, found->second);
}

void Underlay::refresh() {
  std::set<std::pair<unsigned, Addr>> seen;
  for (auto& [id, e] : hosts_) {
    if (e.way.ifindex == 0) update(id, e);
    if (e.way.ifindex == 0 || !seen.emplace(e.way.ifindex, e.way.gateway).second) continue;
    if (auto rc = netlink_.probe_neighbour(e.way.ifindex, e.way.gateway); !rc)
      log::debug("host {}: {}", id, rc.error().what);
  }
}

std::string Underlay::describe(std::uint32_t host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) return "no family in common";
  const Way& w = found->second.way;
  if (w.ifindex == 0) return "no route";
  const auto link = netlink_.link(w.ifindex);
  const std::string dev = link ? link->name : fmt::format("if{}", w.ifindex);
  const std::string via =
      w.gateway == found->second.address ? "on link" : "via " + w.gateway.text();
  return fmt::format("{} {} ({})", dev, via, w.resolved ? mac_text(w.dmac) : "unresolved");
}

}  // namespace mizar
