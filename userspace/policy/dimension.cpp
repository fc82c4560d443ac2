// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/dimension.h"

#include <algorithm>
#include <bit>
#include <set>

namespace mizar::policy {

namespace {

bool holds(const Blocks& blocks, const Prefix& p) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Block& b) {
    return b.cidr.contains(p) && std::none_of(b.except.begin(), b.except.end(),
                                              [&](const Prefix& e) { return e.contains(p); });
  });
}

bool holds(const PortSpans& spans, const PortPrefix& p) {
  const unsigned last = p.port + (0xffffu >> p.bits);
  return std::any_of(spans.begin(), spans.end(), [&](const PortSpan& s) {
    return s.protocol == p.protocol && s.first <= p.port && last <= s.last;
  });
}

// The largest aligned blocks that make up a span.
void split(const PortSpan& s, std::set<PortPrefix>& to) {
  for (unsigned at = s.first; at <= s.last;) {
    unsigned free = at == 0 ? 16 : std::min(16u, static_cast<unsigned>(std::countr_zero(at)));
    while (at + (1u << free) - 1 > s.last) free--;
    to.insert({s.protocol, static_cast<std::uint16_t>(at), 16 - free});
    at += 1u << free;
  }
}

template <class Key, class Condition>
Rows<Key> answer(const std::set<Key>& keys, const std::vector<const Condition*>& conditions) {
  Rows<Key> out;
  for (const Key& key : keys) {
    auto& fits = out.emplace_back(key, std::vector<std::uint32_t>{}).second;
    for (std::uint32_t i = 0; i < conditions.size(); i++)
      if (holds(*conditions[i], key)) fits.push_back(i);
  }
  return out;
}

}  // namespace

PortSpans joined(PortSpans spans) {
  std::sort(spans.begin(), spans.end());
  PortSpans out;
  for (const auto& s : spans) {
    if (!out.empty() && out.back().protocol == s.protocol && s.first <= out.back().last + 1u)
      out.back().last = std::max(out.back().last, s.last);
    else
      out.push_back(s);
  }
  return out;
}

Rows<Prefix> rows_of(const std::vector<const Blocks*>& conditions) {
  std::set<Prefix> keys;
  for (const Blocks* blocks : conditions)
    for (const Block& b : *blocks) {
      keys.insert(b.cidr);
      keys.insert(b.except.begin(), b.except.end());
    }
  // In 16 bytes IPv4 lies inside of IPv6's shortest blocks: a row of its own keeps it out.
  if (std::any_of(keys.begin(), keys.end(), [](const Prefix& p) { return p.holds_mapped(); }))
    keys.insert({Addr::v4(0), 0});
  return answer(keys, conditions);
}

Rows<PortPrefix> rows_of(const std::vector<const PortSpans*>& conditions) {
  std::set<PortPrefix> keys;
  for (const PortSpans* spans : conditions)
    for (const auto& s : *spans) split(s, keys);
  return answer(keys, conditions);
}

}  // namespace mizar::policy
