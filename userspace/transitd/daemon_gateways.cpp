// SPDX-License-Identifier: Apache-2.0
// This host as gateway, and as a host of endpoints behind one.
#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

const GatewaySpec* Daemon::served() const {
  for (const auto& [key, g] : goal_.gateways)
    if (g.serves) return &g;
  return nullptr;
}

Result<> Daemon::check_outside(const Goal& goal) const {
  for (const auto& [key, g] : goal.gateways)
    if (g.serves && options_.outside.empty())
      return fail(Code::failed_precondition,
                  "gateway {}: this host has no outside interface; start transitd with --outside INTERFACE", key);
  return {};
}

Result<> Daemon::ensure_outside() {
  if (!served()) return {};
  MZ_CHECK(check_outside(goal_));
  auto link = netlink_.link(options_.outside);
  if (!link) return wrap(link.error(), fmt::format("outside interface {}", options_.outside));
  if (outside_ != 0 && outside_ != link->index) MZ_CHECK(dp_.detach(Hook::gateway_in, outside_));
  outside_ = link->index;
  outside_mtu_ = link->mtu;
  auto here = addresses_of_interface(options_.outside);  // it may have none
  if (!here) return tl::unexpected(here.error());
  outside_address_ = *here;
  return {};
}

// Programs know the outside's MTU and addresses as constants.
void Daemon::on_outside_changes(const net::Monitor::Changes& c) {
  const bool link = std::find(c.links.begin(), c.links.end(), outside_) != c.links.end();
  if (outside_ == 0 || !served() || !(link || c.routes || c.lost)) return;
  const unsigned mtu = outside_mtu_;
  if (auto rc = ensure_outside(); !rc) {
    log::debug("{}", rc.error().what);
    return;
  }
  if (auto rc = ensure_programs(); !rc)
    log::error("{}", rc.error().what);
  else if (mtu != outside_mtu_)  // from now on packets are told of it
    log::info("outside interface {}: MTU {} -> {}", options_.outside, mtu, outside_mtu_);
}

// Before the networks table leads to them.
Result<> Daemon::ensure_gateways() {
  const auto doubtful = gateways_.apply(goal_);
  if (!doubtful) return tl::unexpected(doubtful.error());
  if (!*doubtful) return {};
  return flows_.forget_ports_unless(
      {[this](const mz_flow_key& key, const mz_flow& f) { return gateways_.keeps(key, f); },
       [this](const mz_mapping_key& key, const mz_mapping& m) { return gateways_.keeps(key, m); }});
}

// Behind the underlay's program, which leaves to it what a gateway is for. The pools are
// announced when packets to them are taken, and taken back first.
Result<> Daemon::attach_gateway() {
  if (served()) {
    MZ_CHECK(dp_.attach(Hook::gateway_out, uplink_));
    MZ_CHECK(dp_.attach(Hook::gateway_in, outside_));
    return ensure_pool_routes();
  }
  MZ_CHECK(ensure_pool_routes());
  for (const Attachment& a : dp_.attachments())
    if (a.hook == Hook::gateway_out || a.hook == Hook::gateway_in) MZ_CHECK(dp_.detach(a.hook, a.ifindex));
  return {};
}

// A routing daemon beside us exports them (protocol 77): the host that has one takes
// the pool's packets. They never carry any: those end in gateway_in.
Result<> Daemon::ensure_pool_routes() {
  std::set<Prefix> want;
  for (const auto& [key, g] : goal_.gateways)
    if (g.serves) want.insert(g.pools.begin(), g.pools.end());
  if (!pool_routes_) {  // of an earlier run; the kernel's table may be long
    auto have = netlink_.pool_routes();
    if (!have) return tl::unexpected(have.error());
    pool_routes_ = std::move(*have);
  }
  for (auto at = pool_routes_->begin(); at != pool_routes_->end();) {
    if (want.contains(*at)) {
      ++at;
      continue;
    }
    MZ_CHECK(netlink_.delete_pool_route(*at));
    at = pool_routes_->erase(at);
  }
  for (const Prefix& p : want) {
    if (pool_routes_->contains(p)) continue;
    MZ_CHECK(netlink_.add_pool_route(p));
    pool_routes_->insert(p);
  }
  return {};
}

}  // namespace mizar
