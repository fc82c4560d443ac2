// SPDX-License-Identifier: Apache-2.0
// Selectors: whom they fit, and which of many fit somebody without asking each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "userspace/policy/model.h"

namespace mizar::policy {

// Labels as they stand in a label set: sorted by key, each key once.
using SortedLabels = std::vector<std::pair<std::string, std::string>>;

bool fits(const Selector& s, const SortedLabels& labels);
// Why nothing can ever fit it; nothing if something can.
std::optional<std::string> contradiction(const Selector& s);
// The same text for selectors that say the same in another order.
std::string canonical(const Selector& s);

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
};
template <class T>
using ByText = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

// Selectors with a number each. One is asked only of labels that have a (key, value) or a
// key that it demands; those that demand none are asked of all.
class SelectorIndex {
 public:
  void add(std::uint32_t number, Selector s);
  // Appends the numbers of those that fit, in no order.
  void find(const SortedLabels& labels, std::vector<std::uint32_t>& out) const;

 private:
  struct Entry {
    std::uint32_t number;
    Selector selector;
  };
  void ask(const std::vector<std::uint32_t>& places, const SortedLabels& labels,
           std::vector<std::uint32_t>& out) const;

  std::vector<Entry> entries_;
  ByText<std::vector<std::uint32_t>> by_value_, by_key_;  // places in entries_
  std::vector<std::uint32_t> rest_;
};

}  // namespace mizar::policy
