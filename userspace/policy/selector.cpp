// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace mizar::policy {

namespace {

const std::string* value_of(const SortedLabels& labels, std::string_view key) {
  const auto at = std::lower_bound(labels.begin(), labels.end(), key,
                                   [](const auto& l, std::string_view k) { return l.first < k; });
  return at != labels.end() && at->first == key ? &at->second : nullptr;
}

bool among(const std::vector<std::string>& values, const std::string& v) {
  return std::find(values.begin(), values.end(), v) != values.end();
}

bool fits(const Requirement& r, const std::string* value) {
  switch (r.op) {
    case Op::in: return value != nullptr && among(r.values, *value);
    case Op::not_in: return value == nullptr || !among(r.values, *value);
    case Op::exists: return value != nullptr;
    case Op::does_not_exist: return value == nullptr;
  }
  return false;
}

// What is demanded of one key.
struct Demand {
  bool present = false, absent = false;
  std::optional<std::set<std::string>> of = {};
  std::set<std::string> not_of = {};

  void add(const Requirement& r) {
    present |= r.op == Op::in || r.op == Op::exists;
    absent |= r.op == Op::does_not_exist;
    const std::set<std::string> values(r.values.begin(), r.values.end());
    if (r.op == Op::not_in) not_of.insert(values.begin(), values.end());
    if (r.op != Op::in) return;
    if (!of) of = values;
    std::erase_if(*of, [&](const auto& v) { return !values.contains(v); });
  }
  [[nodiscard]] bool possible() const {
    if (present && absent) return false;
    return !of || std::any_of(of->begin(), of->end(), [&](const auto& v) { return !not_of.contains(v); });
  }
};

std::string pair_text(std::string_view key, std::string_view value) {
  return fmt::format("{}={}", key, value);
}

}  // namespace

bool fits(const Selector& s, const SortedLabels& labels) {
  return std::all_of(s.all.begin(), s.all.end(),
                     [&](const auto& r) { return fits(r, value_of(labels, r.key)); });
}

std::optional<std::string> contradiction(const Selector& s) {
  std::map<std::string, Demand> demands;
  for (const auto& r : s.all) demands[r.key].add(r);
  for (const auto& [key, d] : demands)
    if (!d.possible()) return fmt::format("no pod or namespace can fit what is demanded of label {}", key);
  return std::nullopt;
}

std::string canonical(const Selector& s) {
  static constexpr const char* kOps[] = {"in", "notin", "exists", "absent"};
  std::set<std::string> parts;
  for (const auto& r : s.all) {
    const std::set<std::string> values(r.values.begin(), r.values.end());
    parts.insert(fmt::format("{} {} ({})", r.key, kOps[static_cast<int>(r.op)], fmt::join(values, ",")));
  }
  return fmt::format("{}", fmt::join(parts, ";"));
}

void SelectorIndex::add(std::uint32_t number, Selector s) {
  const auto place = static_cast<std::uint32_t>(entries_.size());
  const Requirement* best = nullptr;  // `in` with the fewest values, else `exists`
  for (const auto& r : s.all) {
    if (r.op != Op::in && r.op != Op::exists) continue;
    if (best == nullptr || (r.op == Op::in && (best->op == Op::exists || r.values.size() < best->values.size())))
      best = &r;
  }
  if (best == nullptr) {
    rest_.push_back(place);
  } else if (best->op == Op::exists) {
    by_key_[best->key].push_back(place);
  } else {
    for (const auto& v : std::set<std::string>(best->values.begin(), best->values.end()))
      by_value_[pair_text(best->key, v)].push_back(place);
  }
  entries_.push_back({number, std::move(s)});
}

void SelectorIndex::ask(const std::vector<std::uint32_t>& places, const SortedLabels& labels,
                        std::vector<std::uint32_t>& out) const {
  for (const auto place : places)
    if (fits(entries_[place].selector, labels)) out.push_back(entries_[place].number);
}

void SelectorIndex::find(const SortedLabels& labels, std::vector<std::uint32_t>& out) const {
  ask(rest_, labels, out);
  for (const auto& [key, value] : labels) {
    if (const auto at = by_key_.find(key); at != by_key_.end()) ask(at->second, labels, out);
    if (by_value_.empty()) continue;
    if (const auto at = by_value_.find(pair_text(key, value)); at != by_value_.end())
      ask(at->second, labels, out);
  }
}

}  // namespace mizar::policy
