// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/dimension.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

namespace mizar::policy {

namespace {

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

// Which conditions hold where a walk over the tree of blocks stands.
class Walk {
 public:
  explicit Walk(const std::vector<const Blocks*>& conditions) : active_(conditions.size()) {
    for (std::uint32_t c = 0; c < conditions.size(); c++)
      for (const Block& b : *conditions[c]) {
        const auto number = static_cast<std::uint32_t>(state_.size());
        state_.push_back({c, 0, 0});
        keys_[b.cidr].push_back({number, false});
        for (const Prefix& e : b.except) keys_[e].push_back({number, true});
      }
    // In 16 bytes IPv4 lies inside of IPv6's shortest blocks: a row of its own keeps it out.
    if (std::any_of(keys_.begin(), keys_.end(), [](const auto& k) { return k.first.holds_mapped(); }))
      keys_[{Addr::v4(0), 0}];
  }

  Rows<Prefix> rows() {
    Rows<Prefix> out;
    for (const Family f : {Family::v4, Family::v6}) {
      std::vector<std::map<Prefix, Marks>::const_iterator> around;
      const auto leave = [&] {
        step(around.back()->second, -1);
        around.pop_back();
      };
      // In this order what is around a block stands before it.
      for (auto at = keys_.cbegin(); at != keys_.cend(); ++at) {
        if (at->first.family() != f) continue;
        while (!around.empty() && !around.back()->first.contains(at->first)) leave();
        around.push_back(at);
        step(at->second, 1);
        out.emplace_back(at->first, std::vector<std::uint32_t>(holding_.begin(), holding_.end()));
      }
      while (!around.empty()) leave();
    }
    std::sort(out.begin(), out.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    return out;
  }

 private:
  struct Mark {
    std::uint32_t block;
    bool except;
  };
  using Marks = std::vector<Mark>;
  struct State {
    std::uint32_t condition;
    int inside, excepted;
    [[nodiscard]] bool holds() const { return inside > 0 && excepted == 0; }
  };

  void step(const Marks& marks, int by) {
    for (const Mark& m : marks) {
      State& s = state_[m.block];
      const bool before = s.holds();
      (m.except ? s.excepted : s.inside) += by;
      if (s.holds() == before) continue;
      std::uint32_t& blocks = active_[s.condition];
      blocks += before ? -1u : 1u;
      if (blocks == 0)
        holding_.erase(s.condition);
      else
        holding_.insert(s.condition);
    }
  }

  std::map<Prefix, Marks> keys_;
  std::vector<State> state_;           // of each block
  std::vector<std::uint32_t> active_;  // condition -> its blocks that hold
  std::set<std::uint32_t> holding_;
};

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

Rows<Prefix> rows_of(const std::vector<const Blocks*>& conditions) { return Walk(conditions).rows(); }

Rows<PortPrefix> rows_of(const std::vector<const PortSpans*>& conditions) {
  std::set<PortPrefix> keys;
  for (const PortSpans* spans : conditions)
    for (const auto& s : *spans) split(s, keys);
  Rows<PortPrefix> out;
  for (const PortPrefix& key : keys) {
    auto& fits = out.emplace_back(key, std::vector<std::uint32_t>{}).second;
    for (std::uint32_t i = 0; i < conditions.size(); i++)
      if (holds(*conditions[i], key)) fits.push_back(i);
  }
  return out;
}

}  // namespace mizar::policy
