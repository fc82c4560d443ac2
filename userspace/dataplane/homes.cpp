// SPDX-License-Identifier: Apache-2.0
#include "userspace/dataplane/homes.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <set>

#include "userspace/base/addr.h"

namespace mizar {

namespace {

constexpr std::uint32_t kPerLine = 6;  // endpoints of a full table: three to six, for lines are a power of two
constexpr std::uint32_t kFewest = 64;  // a page of them
constexpr std::uint32_t kNoHome = 0;   // what no line can say of it

// IPv6 endpoints are asked for in the endpoints table.
std::optional<std::uint64_t> key_of(const mz_ep_key& k) {
  if (!Addr(k.ip).is_v4()) return std::nullopt;
  return mz_home_key(k.vni, k.ip.w[3]);
}

std::uint32_t home_of(const mz_endpoint& e) { return e.vpc < MZ_HOME_SLOTS ? mz_home(e.host, e.vpc) : kNoHome; }

}  // namespace

std::uint32_t home_lines(std::uint32_t endpoints) { return std::max(kFewest, std::bit_ceil(endpoints / kPerLine)); }

std::uint32_t home_shift(std::uint32_t lines) { return 64 - static_cast<std::uint32_t>(std::countr_zero(lines)); }

void Homes::bind(std::span<mz_home_line> lines, const Entries& entries) {
  lines_ = lines;
  shift_ = home_shift(static_cast<std::uint32_t>(lines.size()));
  waiting_.clear();
  std::set<std::uint64_t> wanted;
  for (const auto& [k, e] : entries)
    if (const auto key = key_of(k)) wanted.insert(*key);
  for (mz_home_line& line : lines_)
    for (const std::uint64_t key : line.key)
      if (key != 0 && !wanted.contains(key)) mz_home_take(&line, key);
  for (const auto& [k, e] : entries) put(k, e);
  for (std::uint32_t row = 0; row < lines_.size(); row++) set_more(row);
}

void Homes::put(const mz_ep_key& k, const mz_endpoint& e) {
  if (const auto key = key_of(k)) put_home(*key, home_of(e));
}

void Homes::put_home(std::uint64_t key, std::uint32_t home) {
  const std::uint32_t row = row_of(key);
  const auto full = waiting_.find(row);
  const bool waits = full != waiting_.end() && full->second.contains(key);
  if (home != kNoHome && !waits && mz_home_put(&lines_[row], key, home) != 0) return;
  waiting_[row][key] = home;
  set_more(row);                                             // from here on it is asked for,
  if (home == kNoHome) mz_home_take(&lines_[row], key);      // and not before
}

void Homes::erase(const mz_ep_key& k) {
  const auto key = key_of(k);
  if (!key) return;
  const std::uint32_t row = row_of(*key);
  mz_home_take(&lines_[row], *key);
  const auto full = waiting_.find(row);
  if (full == waiting_.end()) return;
  Waiting& waiting = full->second;
  waiting.erase(*key);
  // Whoever waited takes the room, in the line first.
  for (auto at = waiting.begin(); at != waiting.end();) {
    const bool moved = at->second != kNoHome && mz_home_put(&lines_[row], at->first, at->second) != 0;
    at = moved ? waiting.erase(at) : std::next(at);
  }
  set_more(row);
  if (waiting.empty()) waiting_.erase(full);
}

void Homes::set_more(std::uint32_t row) {
  const auto at = waiting_.find(row);
  const auto n = at == waiting_.end() ? 0 : static_cast<std::uint32_t>(at->second.size());
  __atomic_store_n(&lines_[row].more, n, __ATOMIC_RELEASE);
}

}  // namespace mizar
