// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/qos.h"

#include <algorithm>

#include "userspace/base/bytes.h"

namespace mizar {

namespace {

// Of the rest, where nobody says: no class starves.
constexpr std::array<std::uint32_t, MZ_CLASSES> kLeast = {0, 100, 50};  // thousandths of the uplink
constexpr double kSmooth = 0.3;  // of what is measured ten times a second: a third of a second

const QosShaper& of(const QosSpec& spec, unsigned dir) { return spec.shaper[dir]; }

}  // namespace

bool Qos::in_use(const Goal& goal) {
  const auto says = [](const QosSpec& q) { return q.limits() || q.level != 0 || q.trust; };
  return says(goal.uplink) || goal.uplink.link_rate ||
         std::any_of(goal.vpcs.begin(), goal.vpcs.end(), [&](const auto& v) { return says(v.second.qos); }) ||
         std::any_of(goal.endpoints.begin(), goal.endpoints.end(),
                     [&](const auto& e) { return goal.local(e.second) && says(e.second.qos); });
}

Result<> Qos::recover(const Goal& goal) {
  auto ports = dp_.ports().entries();
  if (!ports) return tl::unexpected(ports.error());
  for (const auto& [at, port] : *ports) {
    const auto e = std::find_if(goal.endpoints.begin(), goal.endpoints.end(), [&, &row = port](const auto& x) {
      return x.second.vni == row.vni && goal.local(x.second) &&
             (x.second.address.v4 ? x.second.address.v4->abi().w[3] == row.ip4
                                  : x.second.address.v6 && same_bytes(x.second.address.v6->abi(), row.ip6));
    });
    if (e == goal.endpoints.end()) continue;
    for (unsigned dir = 0; dir < MZ_DIRS; dir++) {
      if (port.shaper[dir] != 0) slots_[{Kind::endpoint, e->first, dir}] = port.shaper[dir];
      if (port.vpc_shaper[dir] != 0) slots_[{Kind::vpc, e->second.vpc, dir}] = port.vpc_shaper[dir];
    }
  }
  auto rows = dp_.shapers().entries();
  if (!rows) return tl::unexpected(rows.error());
  for (const auto& [at, row] : *rows) rows_[at] = row;
  return {};
}

Result<> Qos::check(const Goal& goal) const {
  std::size_t n = MZ_SHAPER_FIRST;
  const auto count = [&n](const QosSpec& q) { n += !of(q, MZ_DIR_EGRESS).empty() + !of(q, MZ_DIR_INGRESS).empty(); };
  for (const auto& [name, v] : goal.vpcs) count(v.qos);
  for (const auto& [key, e] : goal.endpoints)
    if (goal.local(e)) count(e.qos);
  const std::size_t capacity = dp_.shapers().capacity();
  if (n <= capacity) return {};
  return fail(Code::resource_exhausted, "qos: {} rates wanted, the table holds {}; {}", n, capacity, larger("--max-shapers"));
}

Result<std::uint32_t> Qos::slot(const Owner& owner) {
  if (std::get<0>(owner) == Kind::uplink)
    return std::get<2>(owner) == MZ_DIR_EGRESS ? MZ_SHAPER_UPLINK_OUT : MZ_SHAPER_UPLINK_IN;
  if (const auto found = slots_.find(owner); found != slots_.end()) return found->second;
  std::set<std::uint32_t> taken;
  for (const auto& [other, at] : slots_) taken.insert(at);
  std::uint32_t free = MZ_SHAPER_FIRST;
  while (taken.contains(free)) free++;
  if (free >= dp_.shapers().capacity())
    return fail(Code::resource_exhausted, "qos: all {} shapers of this host are in use; {}", free, larger("--max-shapers"));
  // Nothing of who had it before.
  MZ_CHECK(dp_.clocks().put(free, mz_clocks{}));
  MZ_CHECK(dp_.clear_shaped(free));
  return free;
}

Result<> Qos::put(std::uint32_t slot, const mz_shaper& row) {
  const auto stands = rows_.find(slot);
  if (stands != rows_.end() && same_bytes(stands->second, row)) return {};
  MZ_CHECK(dp_.shapers().put(slot, row));
  rows_[slot] = row;
  return {};
}

Result<> Qos::put_levels(const Goal& goal) {
  for (std::uint32_t at = 0; at < MZ_LEVEL_SLOTS; at++) {
    mz_level row = goal.levels[at];
    if (at < MZ_LEVELS) {
      row.priority = around_.priority[at];
      if (around_.paced) row.flags |= MZ_LEVEL_F_PACED;
      if (around_.queued) row.flags |= MZ_LEVEL_F_SPREAD;
    }
    const auto stands = levels_.find(at);
    if (stands != levels_.end() && same_bytes(stands->second, row)) continue;
    MZ_CHECK(dp_.levels().put(at, row));
    levels_[at] = row;
  }
  return {};
}

// The uplink's limits with what nobody has to say: its rate, and that no class starves.
QosShaper Qos::uplink_out(const Goal& goal) const {
  QosShaper s = of(goal.uplink, MZ_DIR_EGRESS);
  if (around_.queued) return {};
  if (s.whole.rate == 0) s.whole.rate = around_.uplink_rate;
  const std::uint64_t rate = s.whole.rate;
  if (rate == 0) return s;
  std::uint64_t weights = 0;
  for (const auto& l : s.classes) weights += l.weight;
  const auto rest = static_cast<double>(rate) - std::min(premium_.rate, static_cast<double>(rate));
  for (unsigned k = MZ_CLASS_EXPEDITED; k < MZ_CLASSES; k++) {
    QosLimit& l = s.classes[k];
    std::uint64_t part = rate / 1000 * kLeast[k];
    if (weights != 0 && l.weight != 0)
      part = std::max(part, static_cast<std::uint64_t>(rest * l.weight / static_cast<double>(weights)));
    if (l.guaranteed == 0) l.guaranteed = std::max(part, kMinRate);
  }
  return s;
}

Result<> Qos::apply(const Goal& goal, const Surroundings& around) {
  around_ = around;
  MZ_CHECK(put_levels(goal));
  wanted_.clear();
  const auto want = [&](Kind kind, const std::string& name, const QosShaper& s, unsigned dir, std::uint32_t overhead) -> Result<> {
    if (s.empty()) return {};
    const Owner owner{kind, name, dir};
    auto at = slot(owner);
    if (!at) return tl::unexpected(at.error());
    MZ_CHECK(put(*at, shaper_row(s, overhead)));
    slots_[owner] = *at;
    wanted_[owner] = *at;
    return {};
  };
  MZ_CHECK(want(Kind::uplink, "", uplink_out(goal), MZ_DIR_EGRESS, around.overhead));
  MZ_CHECK(want(Kind::uplink, "", of(goal.uplink, MZ_DIR_INGRESS), MZ_DIR_INGRESS, around.overhead));
  for (const auto& [name, v] : goal.vpcs)
    for (unsigned dir = 0; dir < MZ_DIRS; dir++) MZ_CHECK(want(Kind::vpc, name, of(v.qos, dir), dir, 0));
  for (const auto& [key, e] : goal.endpoints) {
    if (!goal.local(e)) continue;
    for (unsigned dir = 0; dir < MZ_DIRS; dir++) MZ_CHECK(want(Kind::endpoint, key, of(e.qos, dir), dir, 0));
  }
  return {};
}

Result<> Qos::settle() {
  for (auto at = slots_.begin(); at != slots_.end();) {
    if (wanted_.contains(at->first)) {
      ++at;
      continue;
    }
    MZ_CHECK(put(at->second, mz_shaper{}));
    at = slots_.erase(at);
  }
  // Of an earlier run, and nobody's now.
  std::set<std::uint32_t> owned;
  for (const auto& [owner, slot] : slots_) owned.insert(slot);
  for (const auto& [slot, row] : rows_)
    if (!owned.contains(slot) && row.flags != 0) MZ_CHECK(dp_.shapers().put(slot, mz_shaper{}));
  std::erase_if(rows_, [&owned](const auto& r) { return !owned.contains(r.first); });
  return {};
}

Qos::Place Qos::place(const EndpointSpec& e, unsigned ifindex) const {
  Place p;
  p.level = e.qos.level;
  const auto key = object_key(e.vpc, e.name);
  const auto at = [this](Kind kind, const std::string& name, unsigned dir) -> std::uint32_t {
    const auto found = wanted_.find({kind, name, dir});
    return found == wanted_.end() ? 0 : found->second;
  };
  for (unsigned dir = 0; dir < MZ_DIRS; dir++) {
    p.shaper[dir] = static_cast<std::uint16_t>(at(Kind::endpoint, key, dir));
    p.vpc_shaper[dir] = static_cast<std::uint16_t>(at(Kind::vpc, e.vpc, dir));
    const bool shaped = p.shaper[dir] != 0 || p.vpc_shaper[dir] != 0 || at(Kind::uplink, "", dir) != 0;
    if (shaped) (dir == MZ_DIR_EGRESS ? p.port_flags : p.endpoint_flags) |= MZ_EP_F_SHAPED;
  }
  if (around_.paced_interfaces.contains(ifindex)) p.port_flags |= MZ_EP_F_PACED;
  if (e.qos.trust) p.port_flags |= MZ_EP_F_TRUST;
  return p;
}

Result<> Qos::tune(const Goal& goal, std::chrono::steady_clock::time_point now) {
  if (!wanted_.contains({Kind::uplink, "", MZ_DIR_EGRESS})) return {};
  auto counts = dp_.shaped(MZ_SHAPER_UPLINK_OUT);
  if (!counts) return tl::unexpected(counts.error());
  const std::uint64_t bytes = counts->class_[MZ_CLASS_PREMIUM].bytes;
  const double seconds = std::chrono::duration<double>(now - premium_.at).count();
  if (premium_.at.time_since_epoch().count() != 0 && seconds > 0 && bytes >= premium_.bytes) {
    const double rate = static_cast<double>(bytes - premium_.bytes) * 8 / seconds;
    premium_.rate += kSmooth * (rate - premium_.rate);
  }
  premium_.at = now;
  premium_.bytes = bytes;
  return put(MZ_SHAPER_UPLINK_OUT, shaper_row(uplink_out(goal), around_.overhead));
}

}  // namespace mizar
