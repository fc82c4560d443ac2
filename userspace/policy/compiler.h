// SPDX-License-Identifier: Apache-2.0
// From the policies and label sets of a VPC to what its endpoints are judged by.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "userspace/policy/policy_set.h"

namespace mizar::policy {

// Knows which label sets there are. Not thread-safe.
class Compiler {
 public:
  explicit Compiler(std::shared_ptr<const PolicySet> policies, const std::map<std::uint32_t, LabelSet>& sets = {});

  // A number may be used again once it is removed; 0 is nobody's. Groups that are
  // compiled already: PolicySet::add_set(), remove_set().
  void add(std::uint32_t label, const LabelSet& set);
  void remove(std::uint32_t label);

  // The three lists by which endpoints with this label set are judged. Costs by the rules
  // that concern it and the label sets that these name.
  // Error: resource_exhausted, a list has more rules than it can hold.
  Result<Group> compile(const LabelSet& subject);

  [[nodiscard]] const PolicySet& policies() const { return *policies_; }

 private:
  friend class ListBuilder;

  std::shared_ptr<const PolicySet> policies_;
  Dimensions dimensions_;
  // Label sets have places; what is of a place stands in these.
  std::vector<std::uint32_t> labels_;
  std::vector<std::vector<ClassId>> classes_;
  std::vector<std::uint32_t> state_;  // their vector, while a list is built
  std::vector<std::uint32_t> free_;
  std::map<std::uint32_t, std::uint32_t> places_;       // label -> its place
  std::vector<std::vector<std::uint32_t>> members_;     // class -> places
};

// Of a label set alone, without a Compiler kept: for tests and `policy test`.
Result<Group> compile(const PolicySet& policies, const LabelSet& subject,
                      const std::map<std::uint32_t, LabelSet>& sets);

}  // namespace mizar::policy
