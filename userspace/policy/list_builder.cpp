// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/list_builder.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace mizar::policy {

namespace {

const std::shared_ptr<const RuleName>& default_name() {
  static const auto name = std::make_shared<const RuleName>(RuleName{"default", "", "allow"});
  return name;
}

std::uint32_t verdict_of(Verdict v) {
  return v == Verdict::allow ? MZ_POLICY_ALLOW : v == Verdict::deny ? MZ_POLICY_DENY : MZ_POLICY_PASS;
}

void join(Bits& to, const Bits& more) {
  for (std::size_t w = 0; w < to.size(); w++) to[w] |= more[w];
}

}  // namespace

std::size_t ListBuilder::HashBits::operator()(const Bits& b) const {
  std::uint64_t h = 0x9e3779b97f4a7c15ull;
  for (const auto w : b) h = (std::rotl(h, 23) ^ w) * 0xff51afd7ed558ccdull;
  return h ^ h >> 32;
}

// ---- rules -----------------------------------------------------------------------

// 0: all of them. `never`: none, because its names mean nothing here.
std::uint32_t ListBuilder::ports_of(const Part& part, bool& never) const {
  if (part.ports.empty()) return 0;
  PortSpans spans;
  for (const Port& p : part.ports) {
    if (p.name.empty()) {
      spans.push_back({p.protocol, p.first, p.last});
      continue;
    }
    if (subject_ == nullptr) continue;
    for (const auto& [name, port] : subject_->ports)
      if (name == p.name && port.protocol == p.protocol) spans.push_back({p.protocol, port.port, port.port});
  }
  never = spans.empty();
  return never ? 0 : c_.dimensions_.ports.number(joined(std::move(spans)));
}

void ListBuilder::add(const Part& part, std::span<const ClassId> label) {
  bool never = false;
  const auto ports = ports_of(part, never);
  if (!never) bits_.push_back({part.tier, part.verdict, part.level, label, part.blocks, ports, part.name});
}

void ListBuilder::isolate(std::string why, std::span<const ClassId> label) {
  const auto name = std::make_shared<RuleName>(RuleName{"network", "", std::move(why)});
  const auto behind = std::find_if(bits_.begin(), bits_.end(), [](const Bit& b) { return b.tier > Tier::network; });
  bits_.insert(behind, {Tier::network, Verdict::deny, 0, label, 0, 0, name});
}

// Of allow rules of the network one after the other the order does not matter to what they
// allow: the best level goes first, for the first that fits decides.
void ListBuilder::order_levels() {
  const auto allows = [](const Bit& b) { return b.tier == Tier::network && b.verdict == Verdict::allow; };
  const auto first = std::find_if(bits_.begin(), bits_.end(), allows);
  std::stable_sort(first, std::find_if_not(first, bits_.end(), allows), [](const Bit& a, const Bit& b) {
    return static_cast<std::uint8_t>(a.level - 1) < static_cast<std::uint8_t>(b.level - 1);  // 0, not said, last
  });
}

// Those that differ in who begins alone become one.
void ListBuilder::merge() {
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint8_t>, std::size_t> first;
  std::vector<Bit> out;
  for (const Bit& b : bits_) {
    const bool mergeable = b.tier == Tier::network && b.verdict == Verdict::allow;
    const auto [at, fresh] = mergeable ? first.emplace(std::tuple(b.blocks, b.ports, b.level), out.size())
                                       : std::pair(first.end(), true);
    if (fresh) {
      out.push_back(b);
      continue;
    }
    Bit& into = out[at->second];
    into.merged++;
    if (into.label.empty()) continue;  // anybody already
    if (b.label.empty()) {
      into.label = {};
      continue;
    }
    auto& both = kept_.emplace_back(into.label.begin(), into.label.end());
    both.insert(both.end(), b.label.begin(), b.label.end());
    into.label = both;
  }
  for (Bit& b : out)
    if (b.merged != 0)
      b.name = std::make_shared<RuleName>(
          RuleName{b.name->tier, b.name->policy, fmt::format("{} and {} more", b.name->rule, b.merged)});
  bits_ = std::move(out);
}

void ListBuilder::number_rules(List& l) const {
  const auto behind = [&](Tier t) {
    return static_cast<std::uint32_t>(
        std::find_if(bits_.begin(), bits_.end(), [&](const Bit& b) { return b.tier > t; }) - bits_.begin());
  };
  const std::uint32_t next[] = {behind(Tier::admin), behind(Tier::network), behind(Tier::baseline)};
  for (const Bit& b : bits_)
    l.rules.push_back({verdict_of(b.verdict), b.verdict == Verdict::pass ? next[static_cast<int>(b.tier)] : 0, b.name, b.level});
  l.rules.push_back({MZ_POLICY_ALLOW, 0, default_name(), 0});
}

Result<List> ListBuilder::build(std::string_view group, std::string_view kind) {
  List l;
  if (bits_.empty()) return l;
  order_levels();
  if (bits_.size() >= MZ_POLICY_RULES) merge();
  if (bits_.size() >= MZ_POLICY_RULES)
    return fail(Code::resource_exhausted,
                "group '{}': list {}: {} rules, {} at most; select fewer endpoints by one policy or join rules", group,
                kind, bits_.size() + 1, MZ_POLICY_RULES);
  number_rules(l);
  words_ = (l.rules.size() + 63) / 64;
  build_labels(l);
  build_blocks(l);
  build_ports(l);
  return l;
}

// ---- vectors -----------------------------------------------------------------------

void ListBuilder::set(Bits& b, std::size_t rule) const {
  if (b.empty()) b.resize(words_);
  b[rule / 64] |= 1ull << (rule % 64);
}

Bits& ListBuilder::at(ByCondition& m, std::uint32_t condition) const {
  Bits& b = m[condition];
  if (b.empty()) b.resize(words_);
  return b;
}

std::uint32_t ListBuilder::vector(List& l, const Bits& b) {
  const auto [at, fresh] = numbers_.emplace(b, static_cast<std::uint32_t>(l.vectors.size()));
  if (fresh) l.vectors.push_back(b);
  return at->second;
}

std::uint32_t ListBuilder::vector(List& l, const Bits& a, const Bits& b) {
  Bits both = a;
  join(both, b);
  return vector(l, both);
}

// ---- label sets ----------------------------------------------------------------------

// Who has no row fits the rules for anybody, and those for every label set there may be;
// without a label set the former alone.
void ListBuilder::build_labels(List& l) {
  Bits anybody(words_), everybody(words_);
  std::vector<std::pair<ClassId, std::uint32_t>> rules;
  for (std::uint32_t i = 0; i < bits_.size(); i++) {
    if (bits_[i].label.empty()) set(anybody, i);
    for (const auto c : bits_[i].label) {
      if (c_.policies_->everybody(c))
        set(everybody, i);
      else
        rules.emplace_back(c, i);
    }
  }
  set(anybody, bits_.size());  // the default
  l.label = vector(l, anybody, everybody);
  if (const auto none = vector(l, anybody); none != l.label) l.labels.push_back({0, none});
  std::sort(rules.begin(), rules.end());
  touched_.assign((c_.labels_.size() + 63) / 64, 0);
  for (std::size_t i = 0; i < rules.size();) {
    const ClassId c = rules[i].first;
    Bits b(words_);
    for (; i < rules.size() && rules[i].first == c; i++) set(b, rules[i].second);
    l.classes.emplace_back(c, vector(l, b));
    join_class(l, c, l.classes.back().second);
  }
  take_rows(l);
}

// Its members have these rules too. Many of them come from the same vector.
void ListBuilder::join_class(List& l, ClassId c, std::uint32_t with) {
  std::unordered_map<std::uint32_t, std::uint32_t> known;
  std::uint32_t from = ~0u, to = ~0u;
  for (const auto place : c_.members_[c]) {
    const std::uint64_t bit = 1ull << (place % 64);
    const std::uint32_t now = (touched_[place / 64] & bit) != 0 ? c_.state_[place] : l.label;
    touched_[place / 64] |= bit;
    if (now != from) {
      const auto [at, first] = known.emplace(now, 0);
      if (first) at->second = vector(l, l.vectors[now], l.vectors[with]);
      from = now;
      to = at->second;
    }
    c_.state_[place] = to;
  }
}

void ListBuilder::take_rows(List& l) {
  std::size_t most = l.labels.size();
  for (const auto w : touched_) most += static_cast<unsigned>(std::popcount(w));
  l.labels.reserve(most);
  bool sorted = true;
  for (std::size_t w = 0; w < touched_.size(); w++)
    for (auto bits = touched_[w]; bits != 0; bits &= bits - 1) {
      const auto place = w * 64 + static_cast<unsigned>(std::countr_zero(bits));
      if (c_.state_[place] == l.label) continue;
      sorted &= l.labels.empty() || l.labels.back().label < c_.labels_[place];
      l.labels.push_back({c_.labels_[place], c_.state_[place]});
    }
  if (!sorted)
    std::sort(l.labels.begin(), l.labels.end(), [](const LabelRow& a, const LabelRow& b) { return a.label < b.label; });
}

// ---- blocks and ports ------------------------------------------------------------------

namespace {

template <class Map>
std::vector<std::uint32_t> conditions_of(const Map& rules) {
  std::vector<std::uint32_t> out;
  for (const auto& [condition, bits] : rules)
    if (condition != 0) out.push_back(condition);
  return out;
}

}  // namespace

void ListBuilder::build_blocks(List& l) {
  ByCondition rules;
  for (std::size_t i = 0; i < bits_.size(); i++) set(at(rules, bits_[i].blocks), i);
  set(at(rules, 0), bits_.size());
  l.block = vector(l, rules[0]);
  const auto asked = conditions_of(rules);
  if (asked.empty()) return;
  for (const auto& [block, fits] : c_.dimensions_.blocks.rows(asked)) {
    Bits b = rules[0];
    for (const auto i : fits) join(b, rules[asked[i]]);
    l.blocks.push_back({block, vector(l, b)});
  }
}

void ListBuilder::build_ports(List& l) {
  ByCondition rules;
  for (std::size_t i = 0; i < bits_.size(); i++) set(at(rules, bits_[i].ports), i);
  set(at(rules, 0), bits_.size());
  l.port = vector(l, rules[0]);
  const auto asked = conditions_of(rules);
  if (asked.empty()) return;
  for (const auto& [key, fits] : c_.dimensions_.ports.rows(asked)) {
    Bits b = rules[0];
    for (const auto i : fits) join(b, rules[asked[i]]);
    l.ports.push_back({key.protocol, key.port, key.bits, vector(l, b)});
  }
}

}  // namespace mizar::policy
