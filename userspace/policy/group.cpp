// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <tuple>

namespace mizar::policy {

namespace {

bool less(const LabelRow& a, const LabelRow& b) { return a.label < b.label; }

bool same_key(const LabelRow& a, const LabelRow& b) { return a.label == b.label; }
bool same_key(const BlockRow& a, const BlockRow& b) { return a.block == b.block; }
bool same_key(const PortRow& a, const PortRow& b) {
  return std::tie(a.protocol, a.port, a.bits) == std::tie(b.protocol, b.port, b.bits);
}

template <class Row>
bool same_rows(const List& a, const List& b, const std::vector<Row>& in_a, const std::vector<Row>& in_b) {
  return std::equal(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(), [&](const Row& x, const Row& y) {
    return same_key(x, y) && a.vectors[x.vector] == b.vectors[y.vector];
  });
}

bool same_rule(const ListRule& a, const ListRule& b) {
  return a.verdict == b.verdict && a.next == b.next && a.level == b.level && *a.name == *b.name;
}

bool same(const List& a, const List& b) {
  if (!std::equal(a.rules.begin(), a.rules.end(), b.rules.begin(), b.rules.end(), same_rule)) return false;
  return a.rules.empty() ||
         (a.vectors[a.label] == b.vectors[b.label] && a.vectors[a.block] == b.vectors[b.block] &&
          a.vectors[a.port] == b.vectors[b.port] && same_rows(a, b, a.labels, b.labels) &&
          same_rows(a, b, a.blocks, b.blocks) && same_rows(a, b, a.ports, b.ports));
}

std::uint32_t find_label(const List& l, std::uint32_t label) {
  const auto at = std::lower_bound(l.labels.begin(), l.labels.end(), LabelRow{label, 0}, less);
  return at != l.labels.end() && at->label == label ? at->vector : l.label;
}

// By the 16 bytes, as the data plane does: IPv4 lies inside of IPv6's shortest blocks.
bool covers(const Prefix& p, const Addr& ip) {
  const auto &a = p.ip.bytes(), &b = ip.bytes();
  const unsigned whole = p.mapped_len() / 8, rest = p.mapped_len() % 8;
  return std::equal(a.begin(), a.begin() + whole, b.begin()) &&
         (rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}

std::uint32_t find_block(const List& l, const Addr& ip) {
  const BlockRow* best = nullptr;
  for (const auto& row : l.blocks)
    if (covers(row.block, ip) && (best == nullptr || row.block.mapped_len() > best->block.mapped_len())) best = &row;
  return best == nullptr ? l.block : best->vector;
}

std::uint32_t find_port(const List& l, std::uint8_t protocol, std::uint16_t port) {
  const PortRow* best = nullptr;
  for (const auto& row : l.ports)
    if (row.protocol == protocol && (row.port ^ port) >> (16 - row.bits) == 0 &&
        (best == nullptr || row.bits > best->bits))
      best = &row;
  return best == nullptr ? l.port : best->vector;
}

// The first rule from `from` on that stands in all three.
std::optional<std::uint32_t> first_rule(const Bits& a, const Bits& b, const Bits& c, std::uint32_t from) {
  for (std::size_t w = from / 64; w < a.size(); w++) {
    std::uint64_t bits = a[w] & b[w] & c[w];
    if (w == from / 64) bits &= ~0ull << (from & 63);
    if (bits != 0) return static_cast<std::uint32_t>(w * 64 + static_cast<unsigned>(std::countr_zero(bits)));
  }
  return std::nullopt;
}

bool judge_list(const List& l, mz_policy_kind kind, const Flow& f, std::vector<Met>& met) {
  const Bits& label = l.vectors[find_label(l, f.label)];
  const Bits& block = l.vectors[find_block(l, kind == MZ_POLICY_TO ? f.local : f.remote)];
  const Bits& port = l.vectors[find_port(l, f.protocol, f.port)];
  std::uint32_t from = 0;
  for (int tier = 0; tier < MZ_POLICY_TIERS; tier++) {
    const auto at = first_rule(label, block, port, from);
    if (!at) return false;
    const ListRule& rule = l.rules[*at];
    met.push_back({kind, *at, rule.verdict, rule.name, rule.level});
    if (rule.verdict != MZ_POLICY_PASS) return rule.verdict == MZ_POLICY_ALLOW;
    from = rule.next;
  }
  return false;
}

}  // namespace

std::string RuleName::text() const {
  return policy.empty() ? fmt::format("{} {}", tier, rule) : fmt::format("{} policy {} rule {}", tier, policy, rule);
}

const char* verdict_name(std::uint32_t verdict) {
  return verdict == MZ_POLICY_ALLOW ? "allow" : verdict == MZ_POLICY_DENY ? "deny" : "pass";
}

std::string verdict_text(std::string_view verdict, std::string_view level) {
  return level.empty() ? std::string(verdict) : fmt::format("{} as {}", verdict, level);
}

const char* list_name(std::uint32_t kind) {
  static constexpr std::array<const char*, MZ_POLICY_KINDS> kNames = {"ingress", "egress towards it", "egress to outside"};
  return kind < kNames.size() ? kNames[kind] : "?";
}

bool same(const Group& a, const Group& b) {
  return std::equal(a.list.begin(), a.list.end(), b.list.begin(),
                    [](const List& x, const List& y) { return same(x, y); });
}

unsigned remove_set(Group& g, std::uint32_t label) {
  unsigned changed = 0;
  for (unsigned kind = 0; kind < MZ_POLICY_KINDS; kind++)
    if (std::erase_if(g.list[kind].labels, [&](const LabelRow& r) { return r.label == label; }) != 0)
      changed |= 1u << kind;
  return changed;
}

Judgement judge(const Group& g, unsigned kinds, const Flow& f) {
  Judgement j;
  for (unsigned kind = 0; kind < MZ_POLICY_KINDS && j.allowed; kind++)
    if ((kinds >> kind & 1) != 0 && !g.list[kind].rules.empty())
      j.allowed = judge_list(g.list[kind], static_cast<mz_policy_kind>(kind), f, j.met);
  return j;
}

}  // namespace mizar::policy
