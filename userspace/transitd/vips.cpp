// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/vips.h"

#include <arpa/inet.h>

#include <algorithm>
#include <set>
#include <utility>

#include "bpf/abi/hash.h"

namespace mizar {

namespace {

mz_vip_key vip_key(std::uint32_t vni, const Addr& ip, std::uint16_t port, std::uint16_t proto) {
  return {vni, ip.abi(), htons(port), proto};
}

// Who it is, whatever its state.
mz_backend identity(mz_backend b) {
  b.flags = 0;
  return b;
}

// The same on every host and in both families' own tables.
std::uint32_t maglev_key(const mz_backend& b) {
  return mz_mix32(mz_addr_hash(&b.ip) ^ ntohs(b.port));
}

}  // namespace

// Ids that clients' entries name count as handed out, too.
Result<> Vips::recover() {
  MZ_CHECK(read_rows(dp_.vips(), vips_));
  MZ_CHECK(read_rows(dp_.backends(), backends_));
  for (const auto& [id, b] : backends_) last_backend_ = std::max(last_backend_, id);
  for (const auto& [key, v] : vips_) {
    last_vip_ = std::max(last_vip_, v.id);
    Ids& rows = rows_[key].rows;
    for (std::uint32_t i = 0; i < v.size; i++) {
      rows.push_back(dp_.vip_rows().get(v.first + i).value_or(0));
      const auto backend = backends_.find(rows.back());
      if (backend != backends_.end())
        members_.emplace(Member{key, identity(backend->second)}, rows.back());
    }
  }
  auto stickies = dp_.stickies().entries();
  if (!stickies) return tl::unexpected(stickies.error());
  for (const auto& [key, s] : *stickies) {
    last_vip_ = std::max(last_vip_, key.vip);
    last_backend_ = std::max(last_backend_, s.backend);
  }
  auto entries = dp_.entries().entries();
  if (!entries) return tl::unexpected(entries.error());
  for (const auto& [key, e] : *entries) last_backend_ = std::max(last_backend_, e.backend);
  doubtful_ = true;
  return {};
}

std::set<Addr> Vips::not_well(const ServiceSpec& s, const Addr& vip) const {
  std::set<Addr> out;
  std::optional<std::set<Addr>> stand;
  for (const BackendSpec& b : s.backends) {
    const auto& ip = b.address.of(vip.family());
    if (!ip) continue;
    auto well = well_(s, b, vip.family());
    if (!well) {
      if (!stand) stand = standing(s, vip);
      well = stand->contains(*ip);
    }
    if (!*well) out.insert(*ip);
  }
  return out;
}

std::set<Addr> Vips::standing(const ServiceSpec& s, const Addr& vip) const {
  std::set<Addr> out;
  for (const ServicePortSpec& port : s.ports) {
    const auto rows = rows_.find(vip_key(s.vni, vip, port.port, port.protocol));
    if (rows == rows_.end()) continue;
    for (const std::uint32_t id : std::set(rows->second.rows.begin(), rows->second.rows.end()))
      if (const auto b = backends_.find(id); b != backends_.end()) out.emplace(b->second.ip);
  }
  return out;
}

Vips::Wanted Vips::want(const Goal& goal, unsigned hz, bool all_well) const {
  Wanted out;
  out.last_backend = last_backend_;
  // Backends in no row (draining ones, when the daemon was restarted) and what a
  // failed apply() left have ids as well.
  std::multimap<mz_backend, std::uint32_t, ByBytes> spare;
  std::set<std::uint32_t> owned;
  for (const auto& [member, id] : members_) owned.insert(id);
  for (const auto& [id, b] : backends_)
    if (!owned.contains(id)) spare.emplace(identity(b), id);
  const auto id_of = [&](const Member& m) {
    if (const auto at = members_.find(m); at != members_.end()) return at->second;
    if (const auto at = spare.find(m.backend); at != spare.end()) return spare.extract(at).mapped();
    return ++out.last_backend;
  };
  const auto table_of = [&](const mz_vip_key& key, const ServiceSpec& s, const ServicePortSpec& port, Family family,
                            const std::set<Addr>& out_of_it) {
    std::vector<MaglevBackend> some;
    for (const BackendSpec& b : s.backends) {
      const auto& ip = b.address.of(family);
      if (!ip) continue;
      mz_backend entry{s.vni, ip->abi(), htons(port.backend_port), 0};
      const Member member{key, entry};
      const std::uint32_t id = id_of(member);
      out.members.emplace(member, id);
      const std::uint32_t weight = out_of_it.contains(*ip) ? 0 : b.weight;
      if (weight == 0) entry.flags |= MZ_BACKEND_F_DRAIN;
      out.backends.emplace(id, entry);
      some.push_back({id, maglev_key(entry), weight});
    }
    const auto stands = rows_.find(key);
    if (!some.empty() && stands != rows_.end() && stands->second.of == some) return stands->second;
    made_++;
    // Those without a weight keep the size: one that goes moves only its own clients.
    auto rows = maglev_table(some, maglev_size(some.size()));
    return Maglev{std::move(some), std::move(rows)};
  };
  for (const auto& [name, s] : goal.services) {
    for (const Addr& vip : s.address.all()) {
      const auto unwell = s.health && !all_well ? not_well(s, vip) : std::set<Addr>();
      out.vips.emplace(vip_key(s.vni, vip, 0, 0), WantedVip{});
      for (const ServicePortSpec& port : s.ports) {
        const mz_vip_key key = vip_key(s.vni, vip, port.port, port.protocol);
        out.vips.emplace(key, WantedVip{table_of(key, s, port, vip.family(), unwell), s.sticky_seconds * hz, s.level});
      }
    }
  }
  return out;
}

Result<std::uint32_t> Vips::free_rows(std::uint32_t size) const {
  std::map<std::uint32_t, std::uint32_t> taken;  // first -> size
  for (const auto& [key, v] : vips_)
    if (v.size != 0) taken.emplace(v.first, v.size);
  for (const Piece& p : left_) taken.emplace(p.first, p.size);
  std::uint32_t at = 0;
  for (const auto& [first, n] : taken) {
    if (first >= at && first - at >= size) break;
    at = std::max(at, first + n);
  }
  if (std::uint64_t{at} + size > dp_.vip_rows().capacity())
    return fail(Code::resource_exhausted,
                "vip-rows: no {} rows in one piece left; {}", size,
                larger("--max-vip-rows"));
  return at;
}

// What stands counts, too: new rows are written before old ones go.
Result<> Vips::check(const Goal& goal) const {
  const auto fits = [](const char* what, std::size_t n, std::size_t capacity) -> Result<> {
    if (n <= capacity) return {};
    return fail(Code::resource_exhausted, "{}: {} wanted at a time, the table holds {}; {}", what, n,
                capacity, larger(fmt::format("--max-{}", what)));
  };
  const Wanted w = want(goal, 1, true);
  std::size_t vips = vips_.size(), backends = backends_.size(), rows = 0;
  for (const auto& [key, v] : vips_) rows += v.size;
  for (const auto& [key, v] : w.vips) {
    vips += !vips_.contains(key);
    const auto stands = rows_.find(key);
    if (stands == rows_.end() || stands->second.rows != v.table.rows) rows += v.table.rows.size();
  }
  for (const auto& [id, b] : w.backends) backends += !backends_.contains(id);
  MZ_CHECK(fits("vips", vips, dp_.vips().capacity()));
  MZ_CHECK(fits("backends", backends, dp_.backends().capacity()));
  return fits("vip-rows", rows, dp_.vip_rows().capacity());
}

Result<> Vips::put_vip(const mz_vip_key& key, const WantedVip& wanted, Changes& n) {
  const auto stands = vips_.find(key);
  const bool known = stands != vips_.end();
  const Ids& rows = wanted.table.rows;
  mz_vip v{0, static_cast<__u32>(rows.size()), wanted.sticky,
           known ? stands->second.id : last_vip_ + 1, wanted.level, {}};
  if (known && rows_[key].rows == rows) {
    v.first = stands->second.first;
    rows_[key] = wanted.table;  // others may have made the same
    if (same_bytes(stands->second, v)) return {};
  } else if (!rows.empty()) {
    const auto first = free_rows(v.size);
    if (!first) return tl::unexpected(first.error());
    v.first = *first;
    for (std::uint32_t i = 0; i < v.size; i++) MZ_CHECK(dp_.vip_rows().put(v.first + i, rows[i]));
  }
  MZ_CHECK(dp_.vips().put(key, v));
  known ? n.vips.changed++ : n.vips.added++;
  last_vip_ = std::max(last_vip_, v.id);
  if (known && stands->second.size != 0 && stands->second.first != v.first)
    left_.push_back({stands->second.first, stands->second.size});
  vips_.insert_or_assign(key, v);
  rows_.insert_or_assign(key, wanted.table);
  return {};
}

Result<> Vips::erase_unwanted(const Wanted& w, Changes& n) {
  const auto erased = erase_rows(dp_.vips(), vips_, w.vips, n.vips);
  std::erase_if(rows_, [this](const auto& row) { return !vips_.contains(row.first); });
  MZ_CHECK(erased);
  RowChanges gone;
  const auto rc = erase_rows(dp_.backends(), backends_, w.backends, gone);
  doubtful_ = doubtful_ || gone.removed != 0;
  return rc;
}

Result<Vips::Changes> Vips::apply(const Goal& goal, unsigned hz) {
  Changes n;
  left_.clear();
  const Wanted w = want(goal, hz);
  last_backend_ = w.last_backend;
  MZ_CHECK(put_rows(dp_.backends(), backends_, w.backends));
  for (const auto& [key, v] : w.vips) MZ_CHECK(put_vip(key, v, n));
  MZ_CHECK(erase_unwanted(w, n));
  members_ = w.members;
  n.doubtful = std::exchange(doubtful_, false);
  return n;
}

bool Vips::serves(const mz_flow_key& k, const mz_flow& f) const {
  const auto proto = static_cast<std::uint16_t>(k.proto);
  if (members_.contains(Member{{k.vni, k.remote, k.remote_port, proto}, {k.vni, f.to, f.to_port, 0}})) return true;
  // A client that serves itself has an entry as backend, too, seen from there.
  return (f.flags & MZ_FLOW_F_SELF) != 0 &&
         members_.contains(Member{{k.vni, k.remote, f.from_port, proto}, {k.vni, k.local, k.local_port, 0}});
}

std::optional<mz_vip_key> Vips::vip_of(std::uint32_t vip) const {
  for (const auto& [key, v] : vips_)
    if (v.id == vip) return key;
  return std::nullopt;
}

std::optional<mz_backend> Vips::backend_of(std::uint32_t backend) const {
  const auto at = backends_.find(backend);
  return at == backends_.end() ? std::nullopt : std::optional(at->second);
}

std::map<std::string, std::uint64_t> Vips::used() const {
  std::uint64_t rows = 0;
  for (const auto& [key, v] : vips_) rows += v.size;
  return {{"vips", vips_.size()}, {"backends", backends_.size()}, {"vip-rows", rows}};
}

}  // namespace mizar
