// SPDX-License-Identifier: Apache-2.0
// One list, from the rules that stand in it. Private to this folder.
#pragma once

#include <deque>
#include <span>
#include <unordered_map>

#include "userspace/policy/compiler.h"

namespace mizar::policy {

class ListBuilder {
 public:
  // `subject`: whose ports names mean; nullptr: names mean nothing.
  ListBuilder(Compiler& compiler, const LabelSet* subject) : c_(compiler), subject_(subject) {}

  // In order of tiers. `label`: of which classes who begins is one; none: anybody.
  void add(const Part& part, std::span<const ClassId> label);
  // Behind the network's rules: what they do not allow is denied.
  void isolate(std::string why, std::span<const ClassId> label);
  // Merges what can be if there are too many. Error: resource_exhausted.
  Result<List> build(std::string_view group, std::string_view kind);

 private:
  struct Bit {
    Tier tier;
    Verdict verdict;
    std::uint8_t level;
    std::span<const ClassId> label;
    std::uint32_t blocks, ports;
    std::shared_ptr<const RuleName> name;
    std::uint32_t merged = 0;  // how many more it stands for
  };
  struct HashBits {
    std::size_t operator()(const Bits& b) const;
  };
  // A condition's number -> the rules that have it; 0: those without.
  using ByCondition = std::map<std::uint32_t, Bits>;

  [[nodiscard]] std::uint32_t ports_of(const Part& part, bool& never) const;
  void order_levels();
  void merge();
  void number_rules(List& l) const;
  void set(Bits& b, std::size_t rule) const;
  Bits& at(ByCondition& m, std::uint32_t condition) const;
  std::uint32_t vector(List& l, const Bits& b);
  std::uint32_t vector(List& l, const Bits& a, const Bits& b);
  void build_labels(List& l);
  void join_class(List& l, ClassId c, std::uint32_t with);
  void take_rows(List& l);
  void build_blocks(List& l);
  void build_ports(List& l);

  Compiler& c_;
  const LabelSet* subject_;
  std::vector<Bit> bits_;
  std::deque<std::vector<ClassId>> kept_;  // labels of merged ones
  std::size_t words_ = 0;
  std::unordered_map<Bits, std::uint32_t, HashBits> numbers_;
  std::vector<std::uint64_t> touched_;
};

}  // namespace mizar::policy
