// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/policy_tables.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

namespace mizar {
namespace {

__be32 be32(std::uint32_t v) { return __builtin_bswap32(v); }
__be16 be16(std::uint16_t v) { return __builtin_bswap16(v); }

mz_policy_block_key block_key(std::uint32_t list, const Prefix& p) {
  return {.prefixlen = 32 + p.mapped_len(), .list = be32(list), .ip = p.ip.abi()};
}

mz_policy_port_key port_key(std::uint32_t list, const policy::PortRow& r) {
  return {.prefixlen = 32 + 16 + r.bits, .list = be32(list), .proto = be16(r.protocol), .port = be16(r.port)};
}

bool is_empty(const policy::Bits& bits) {
  return std::all_of(bits.begin(), bits.end(), [](std::uint64_t w) { return w == 0; });
}

mz_policy_vector vector_row(const policy::Bits& bits) {
  mz_policy_vector v{};
  for (std::size_t w = 0; w < bits.size() && w < MZ_POLICY_WORDS; w++) {
    v.word[w] = bits[w];
    if (bits[w] != 0) v.words |= std::uint64_t{1} << w;
  }
  return v;
}

Result<> room(const char* table, const char* option, std::size_t used, std::size_t more, std::uint32_t capacity) {
  if (used + more <= capacity) return {};
  return fail(Code::resource_exhausted, "policy: {} rows of {} are needed, and {} are in use, of {}: {}",
              more, table, used, capacity, larger(option));
}

// What has gone already is no error.
template <class K, class V>
Result<> erase_row(Table<K, V>& table, const K& key) {
  auto rc = table.erase(key);
  return !rc && rc.error().code != Code::not_found ? rc : Result<>{};
}

template <class K, class V, class Keep>
Result<> erase_unless(Table<K, V>& table, const Keep& keep) {
  auto all = table.entries();
  if (!all) return tl::unexpected(all.error());
  for (const auto& [key, value] : *all)
    if (!keep(key)) MZ_CHECK(erase_row(table, key));
  return {};
}

}  // namespace

Result<> PolicyTables::recover(std::uint32_t last) {
  auto groups = dp_.policies().entries();
  if (!groups) return tl::unexpected(groups.error());
  auto vectors = dp_.policy_vectors().entries();
  if (!vectors) return tl::unexpected(vectors.error());
  for (const auto& [number, row] : *groups) stray_groups_.insert(number);
  for (const auto& [number, row] : *vectors) stray_vectors_.insert(number);
  if (!stray_groups_.empty()) last_group_ = *stray_groups_.rbegin();
  if (!stray_vectors_.empty()) last_vector_ = *stray_vectors_.rbegin();
  if (last != 0) last_group_ = last % MZ_POLICY_MAX;
  strays_ = true;  // rows without a group may be left as well
  return {};
}

std::uint32_t PolicyTables::next_group() const {
  std::uint32_t n = last_group_;
  do n = n + 1 < MZ_POLICY_MAX ? n + 1 : 1;
  while (groups_.contains(n) || left_.contains(n) || stray_groups_.contains(n));
  return n;
}

std::uint32_t PolicyTables::next_vector() const {
  std::uint32_t n = last_vector_;
  do n++;
  while (n == 0 || bits_of_.contains(n) || stray_vectors_.contains(n));
  return n;
}

Result<> PolicyTables::erase_strays() {
  if (!strays_) return {};
  const auto ours = [this](std::uint32_t list) { return groups_.contains(list >> 2); };
  const auto keep_label = [&](const mz_policy_label_key& k) {
    const std::uint32_t vni = k.list & ~MZ_POLICY_KNOWN(0);
    return vni != k.list ? known_.contains({vni, k.label}) : ours(k.list);
  };
  MZ_CHECK(erase_unless(dp_.policies(), [this](std::uint32_t number) { return groups_.contains(number); }));
  MZ_CHECK(erase_unless(dp_.policy_labels(), keep_label));
  MZ_CHECK(erase_unless(dp_.policy_blocks(), [&](const mz_policy_block_key& k) { return ours(be32(k.list)); }));
  MZ_CHECK(erase_unless(dp_.policy_ports(), [&](const mz_policy_port_key& k) { return ours(be32(k.list)); }));
  MZ_CHECK(erase_unless(dp_.policy_rules(), [&](const mz_policy_rule_key& k) { return ours(k.list); }));
  MZ_CHECK(erase_unless(dp_.policy_vectors(), [this](std::uint32_t number) { return bits_of_.contains(number); }));
  strays_ = false;
  stray_groups_.clear();
  stray_vectors_.clear();
  return {};
}

// The tables refuse what they have no room for, strays of an earlier run included; this
// says it before anything is written.
Result<> PolicyTables::check_room(const std::vector<const policy::Group*>& groups, std::size_t sets) const {
  std::size_t labels = sets, blocks = 0, ports = 0, rules = 0;
  std::set<policy::Bits> vectors;
  for (const policy::Group* g : groups)
    for (const policy::List& l : g->list) {
      labels += l.labels.size();
      blocks += l.blocks.size();
      ports += l.ports.size();
      rules += l.rules.size();
      for (const policy::Bits& b : l.vectors)
        if (!is_empty(b) && !vectors_.contains(b)) vectors.insert(b);
    }
  MZ_CHECK(room("mz_policies", "--max-policies", groups_.size(), groups.size(), dp_.policies().capacity()));
  MZ_CHECK(room("mz_policy_labels", "--max-policy-rows", labels_ + known_.size(), labels, dp_.policy_labels().capacity()));
  MZ_CHECK(room("mz_policy_blocks", "--max-policy-rows", blocks_, blocks, dp_.policy_blocks().capacity()));
  MZ_CHECK(room("mz_policy_ports", "--max-policy-rows", ports_, ports, dp_.policy_ports().capacity()));
  MZ_CHECK(room("mz_policy_rules", "--max-policy-rows", rules_, rules, dp_.policy_rules().capacity()));
  return room("mz_policy_vectors", "--max-policy-vectors", vectors_.size(), vectors.size(), dp_.policy_vectors().capacity());
}

// The vector's number, held once more from now on. Of the empty set 0, which has no row.
Result<std::uint32_t> PolicyTables::hold(const policy::Bits& bits) {
  if (is_empty(bits)) return 0u;
  auto found = vectors_.find(bits);
  if (found == vectors_.end()) {
    const std::uint32_t number = next_vector();
    MZ_CHECK(dp_.policy_vectors().put(number, vector_row(bits)));
    last_vector_ = number;
    bits_of_.emplace(number, bits);
    found = vectors_.emplace(bits, Vector{number, 0}).first;
  }
  found->second.holders++;
  return found->second.number;
}

// A label set's row holds its vector by itself: label sets come and go while their group stands.
Result<> PolicyTables::put_row(const mz_policy_label_key& key, const policy::Bits& bits, Stored& s) {
  const auto v = hold(bits);
  if (!v) return tl::unexpected(v.error());
  if (auto rc = dp_.policy_labels().put(key, *v); !rc) {
    (void)let_go(*v);
    return rc;
  }
  const auto [at, fresh] = s.labels.emplace(std::pair(key.list, key.label), *v);
  labels_ += fresh;
  return fresh ? Result<>() : let_go(std::exchange(at->second, *v));
}

Result<> PolicyTables::drop_row(LabelRows::iterator row, Stored& s) {
  MZ_CHECK(erase_row(dp_.policy_labels(), mz_policy_label_key{row->first.first, row->first.second}));
  MZ_CHECK(let_go(row->second));
  s.labels.erase(row);
  labels_--;
  return {};
}

Result<> PolicyTables::put_list(std::uint32_t number, mz_policy_kind kind, const policy::List& list, Stored& s) {
  const std::uint32_t name = MZ_POLICY_LIST(number, static_cast<std::uint32_t>(kind));
  std::vector<std::uint32_t> vectors;
  for (const policy::Bits& bits : list.vectors) {
    const auto v = hold(bits);
    if (!v) return tl::unexpected(v.error());
    s.vectors.push_back(*v);
    vectors.push_back(*v);
  }
  if (list.rules.empty()) return {};
  s.row.list[kind] = {vectors.at(list.label), vectors.at(list.block), vectors.at(list.port),
                      static_cast<std::uint32_t>(list.rules.size())};
  for (; s.rules[kind] < list.rules.size(); s.rules[kind]++, rules_++) {
    const policy::ListRule& r = list.rules[s.rules[kind]];
    MZ_CHECK(dp_.policy_rules().put({name, s.rules[kind]}, {0, static_cast<std::uint8_t>(r.verdict), r.level, 0, r.next}));
  }
  for (const policy::LabelRow& r : list.labels) MZ_CHECK(put_row({name, r.label}, list.vectors.at(r.vector), s));
  for (const policy::BlockRow& r : list.blocks) {
    MZ_CHECK(dp_.policy_blocks().put(block_key(name, r.block), vectors.at(r.vector)));
    s.blocks.push_back(block_key(name, r.block));
    blocks_++;
  }
  for (const policy::PortRow& r : list.ports) {
    MZ_CHECK(dp_.policy_ports().put(port_key(name, r), vectors.at(r.vector)));
    s.ports.push_back(port_key(name, r));
    ports_++;
  }
  return {};
}

Result<std::uint32_t> PolicyTables::put(const policy::Group& group) {
  for (auto l = left_.begin(); l != left_.end();) l = drop(l->first, l->second) ? left_.erase(l) : std::next(l);
  MZ_CHECK(check_room({&group}, 0));
  const std::uint32_t number = next_group();  // there is one: the tables are smaller
  Stored s;
  const auto write = [&]() -> Result<> {
    for (std::size_t kind = 0; kind < MZ_POLICY_KINDS; kind++)
      MZ_CHECK(put_list(number, static_cast<mz_policy_kind>(kind), group.list[kind], s));
    return dp_.policies().put(number, s.row);
  };
  if (auto rc = write(); !rc) {
    if (!drop(number, s)) {  // or its rows would judge for who had the number next
      last_group_ = number;
      left_.emplace(number, std::move(s));
    }
    return tl::unexpected(rc.error());
  }
  last_group_ = number;
  groups_.emplace(number, std::move(s));
  return number;
}

Result<> PolicyTables::put_label(std::uint32_t number, const policy::Group& group, unsigned lists, std::uint32_t label) {
  Stored& s = groups_.at(number);
  for (std::uint32_t kind = 0; kind < MZ_POLICY_KINDS; kind++) {
    if ((lists >> kind & 1) == 0) continue;
    const policy::List& list = group.list[kind];
    const auto row = std::find_if(list.labels.begin(), list.labels.end(), [&](const auto& r) { return r.label == label; });
    if (row == list.labels.end()) continue;
    MZ_CHECK(room("mz_policy_labels", "--max-policy-rows", labels_ + known_.size(), 1, dp_.policy_labels().capacity()));
    MZ_CHECK(put_row({MZ_POLICY_LIST(number, kind), label}, list.vectors.at(row->vector), s));
  }
  return {};
}

Result<> PolicyTables::erase_label(std::uint32_t number, std::uint32_t label) {
  Stored& s = groups_.at(number);
  for (std::uint32_t kind = 0; kind < MZ_POLICY_KINDS; kind++)
    if (const auto row = s.labels.find({MZ_POLICY_LIST(number, kind), label}); row != s.labels.end()) MZ_CHECK(drop_row(row, s));
  return {};
}

Result<> PolicyTables::know(std::uint32_t vni, std::uint32_t label) {
  if (known_.contains({vni, label})) return {};
  MZ_CHECK(room("mz_policy_labels", "--max-policy-rows", labels_ + known_.size(), 1, dp_.policy_labels().capacity()));
  MZ_CHECK(dp_.policy_labels().put({MZ_POLICY_KNOWN(vni), label}, 1));
  known_.emplace(vni, label);
  return {};
}

Result<> PolicyTables::forget(std::uint32_t vni, std::uint32_t label) {
  MZ_CHECK(erase_row(dp_.policy_labels(), mz_policy_label_key{MZ_POLICY_KNOWN(vni), label}));
  known_.erase({vni, label});
  return {};
}

Result<> PolicyTables::erase(std::uint32_t number) {
  const auto found = groups_.find(number);
  if (found == groups_.end()) return fail(Code::not_found, "policy group {}", number);
  MZ_CHECK(drop(number, found->second));
  groups_.erase(found);
  return {};
}

// The group first: a packet that asks for it meanwhile is refused, not half judged. What
// has gone is forgotten at once, so that another try goes on where this one stops.
Result<> PolicyTables::drop(std::uint32_t number, Stored& s) {
  MZ_CHECK(erase_row(dp_.policies(), number));
  while (!s.labels.empty()) MZ_CHECK(drop_row(s.labels.begin(), s));
  for (; !s.blocks.empty(); s.blocks.pop_back(), blocks_--) MZ_CHECK(erase_row(dp_.policy_blocks(), s.blocks.back()));
  for (; !s.ports.empty(); s.ports.pop_back(), ports_--) MZ_CHECK(erase_row(dp_.policy_ports(), s.ports.back()));
  for (std::uint32_t kind = 0; kind < MZ_POLICY_KINDS; kind++)
    for (std::uint32_t& n = s.rules[kind]; n > 0; n--, rules_--)
      MZ_CHECK(erase_row(dp_.policy_rules(), mz_policy_rule_key{MZ_POLICY_LIST(number, kind), n - 1}));
  for (; !s.vectors.empty(); s.vectors.pop_back()) MZ_CHECK(let_go(s.vectors.back()));
  return {};
}

// The other end of hold().
Result<> PolicyTables::let_go(std::uint32_t vector) {
  if (vector == 0) return {};
  const auto held = vectors_.find(bits_of_.at(vector));
  if (held->second.holders == 1) {
    MZ_CHECK(erase_row(dp_.policy_vectors(), vector));
    vectors_.erase(held);
    bits_of_.erase(vector);
    return {};
  }
  held->second.holders--;
  return {};
}

std::map<std::string, std::uint64_t> PolicyTables::used() const {
  if (groups_.empty() && known_.empty()) return {};
  return {{"policies", groups_.size()},
          {"policy-rows", std::max({labels_ + known_.size(), blocks_, ports_, rules_})},
          {"policy-vectors", vectors_.size()}};
}

std::vector<std::uint64_t> PolicyTables::hits(std::uint32_t number, mz_policy_kind kind) const {
  std::vector<std::uint64_t> all;
  const auto found = groups_.find(number);
  if (found == groups_.end()) return all;
  for (std::uint32_t r = 0; r < found->second.rules[kind]; r++) {
    const auto row = dp_.policy_rules().get({MZ_POLICY_LIST(number, static_cast<std::uint32_t>(kind)), r});
    all.push_back(row ? row->hits : 0);
  }
  return all;
}

}  // namespace mizar
