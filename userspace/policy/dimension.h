// SPDX-License-Identifier: Apache-2.0
// Blocks and ports as rows of a table that is searched by longest prefix: each row says
// which of some conditions what it covers fits. Private to this folder.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "userspace/policy/model.h"

namespace mizar::policy {

struct PortSpan {
  std::uint8_t protocol;
  std::uint16_t first, last;
  auto operator<=>(const PortSpan&) const = default;
};
// A rule's: sorted, neighbours joined.
using PortSpans = std::vector<PortSpan>;
PortSpans joined(PortSpans spans);
using Blocks = std::vector<Block>;  // a rule's

struct PortPrefix {
  std::uint8_t protocol;
  std::uint16_t port;
  unsigned bits;
  auto operator<=>(const PortPrefix&) const = default;
};

// Key -> which conditions (places in what was asked for) hold everywhere under it.
template <class Key>
using Rows = std::vector<std::pair<Key, std::vector<std::uint32_t>>>;

Rows<Prefix> rows_of(const std::vector<const Blocks*>& conditions);
Rows<PortPrefix> rows_of(const std::vector<const PortSpans*>& conditions);

// Conditions with a number each, from 1 on, and the rows of those asked for before.
template <class Condition, class Key>
class Dimension {
 public:
  std::uint32_t number(const Condition& c) {
    const auto [at, fresh] = numbers_.emplace(c, static_cast<std::uint32_t>(numbers_.size() + 1));
    if (fresh) conditions_.push_back(c);
    return at->second;
  }
  // Valid until the next call.
  const Rows<Key>& rows(const std::vector<std::uint32_t>& numbers) {
    const auto known = rows_.find(numbers);
    if (known != rows_.end()) return known->second;
    if (rows_.size() >= kKept) rows_.clear();
    std::vector<const Condition*> asked;
    for (const auto n : numbers) asked.push_back(&conditions_[n - 1]);
    return rows_.emplace(numbers, rows_of(asked)).first->second;
  }

 private:
  static constexpr std::size_t kKept = 1024;
  std::map<Condition, std::uint32_t> numbers_;
  std::vector<Condition> conditions_;
  std::map<std::vector<std::uint32_t>, Rows<Key>> rows_;
};

using BlockDimension = Dimension<Blocks, Prefix>;
using PortDimension = Dimension<PortSpans, PortPrefix>;

}  // namespace mizar::policy
