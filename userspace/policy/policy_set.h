// SPDX-License-Identifier: Apache-2.0
// The policies of one VPC, taken apart: whom each is about, what divides label sets, and
// which rules concern whom, found without asking each.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "userspace/policy/dimension.h"
#include "userspace/policy/group.h"
#include "userspace/policy/label_set.h"
#include "userspace/policy/model.h"
#include "userspace/policy/selector.h"

namespace mizar::policy {

// A number for each pair of selectors (of namespaces and of pods) that policies use, and
// for some unions of these.
using ClassId = std::uint32_t;

// A rule, or the half of one whose peers are blocks: one bit of a list.
struct Part {
  std::uint32_t policy;
  Tier tier;
  Verdict verdict;
  std::uint8_t level;
  ClassId subject;             // whom its policy selects
  bool anyone;                 // or who fits one of `peers`
  std::vector<ClassId> peers;  // sorted
  std::uint32_t blocks;        // in Dimensions::blocks; 0: anywhere
  bool inside;                 // some endpoint's address may be in them
  bool named;                  // some of `ports` are names
  std::vector<Port> ports;     // none: all
  std::shared_ptr<const RuleName> name;
};

struct Dimensions {
  BlockDimension blocks;
  PortDimension ports;
};

// Safe for many threads, as long as none calls set_namespaces().
class PolicySet {
 public:
  // `inside`: where the VPC's endpoints have their addresses; none: anywhere. Egress rules
  // to blocks elsewhere concern no receiver.
  PolicySet(std::vector<Policy> policies, const std::vector<Namespace>& namespaces,
            std::vector<Prefix> inside = {});

  // Labels of namespaces are others; nothing but label_set() asks for them.
  void set_namespaces(const std::vector<Namespace>& namespaces);

  // What is left of a pod's labels, its namespace's and its ports' names where only what
  // some policy mentions counts. A namespace that is not known has no label but its name.
  [[nodiscard]] LabelSet label_set(const Pod& pod) const;
  // The NetworkPolicies that isolate it, by name.
  [[nodiscard]] std::vector<std::string> isolated_by(const LabelSet& set, bool egress) const;
  // Those that select it, sorted.
  [[nodiscard]] std::vector<ClassId> classes_of(const LabelSet& set) const;
  // Whether it is all pods of all namespaces: every label set there may be.
  [[nodiscard]] bool everybody(ClassId c) const { return classes_[c].everybody; }
  // Adds the rows of a label set that no packet has had yet, in place; `label` is its
  // number. Returns the lists (1 << kind) that got one.
  unsigned add_set(Group& g, std::uint32_t label, const LabelSet& set) const { return add_set(g, label, classes_of(set)); }
  // The same of a set whose classes_of() are known: for many groups at once.
  unsigned add_set(Group& g, std::uint32_t label, const std::vector<ClassId>& classes) const;

  [[nodiscard]] const std::vector<Policy>& policies() const { return policies_; }

 private:
  friend class Compiler;

  struct Class {
    std::uint32_t scope = 0;
    bool everybody = false;             // all pods of all namespaces
    std::vector<std::uint32_t> policies = {};  // that have it as their subject
    std::vector<std::uint32_t> egress = {};    // egress parts that have it as a peer
    std::vector<ClassId> unions = {};          // that it belongs to
  };
  struct NamespacePart {
    std::string ns;
    SortedLabels labels;
  };
  // Of a policy's parts in ingress_ or egress_.
  struct Range {
    std::uint32_t begin = 0, end = 0;
  };

  void note_keys(const Policy& p);
  void note_keys(const std::vector<Rule>& rules, const std::string& ns);
  [[nodiscard]] NamespacePart namespace_part(const std::string& name, const Labels& labels) const;
  std::uint32_t scope_of(const std::optional<Selector>& namespaces, const std::string& ns);
  ClassId class_of(const std::optional<Selector>& namespaces, const std::string& ns, const Selector& pods);
  ClassId union_of(const std::vector<ClassId>& members);
  void take_apart(std::uint32_t policy, bool egress);
  void take_apart(std::uint32_t policy, const Rule& r, std::vector<Part>& to);
  void index_egress();
  void merge_everywhere();
  [[nodiscard]] bool isolates(std::uint32_t policy, bool egress) const;
  [[nodiscard]] std::vector<std::uint32_t> selecting(const std::vector<ClassId>& classes) const;
  [[nodiscard]] std::vector<std::uint32_t> egress_towards(const std::vector<ClassId>& classes) const;
  [[nodiscard]] std::vector<std::string> isolating(const std::vector<std::uint32_t>& policies, bool egress) const;

  std::vector<Prefix> inside_;
  std::vector<Policy> policies_;  // in the order in which they are judged
  std::set<std::string, std::less<>> pod_keys_, ns_keys_, own_, port_names_;
  std::map<std::string, NamespacePart, std::less<>> namespaces_;

  ByText<std::uint32_t> own_scopes_, selector_scopes_;
  SelectorIndex scopes_;                   // by labels of namespaces
  std::vector<SelectorIndex> pods_;        // scope -> classes by labels of pods
  ByText<ClassId> class_numbers_;
  std::vector<Class> classes_;
  std::vector<ClassId> subjects_;          // policy -> class

  std::vector<Part> ingress_, egress_;
  std::vector<Range> ingress_of_, egress_of_;  // policy -> its parts
  std::vector<std::uint32_t> everywhere_;      // egress parts that any receiver may fit, by tier
  std::optional<ClassId> isolated_;            // whom some NetworkPolicy isolates for egress
  Dimensions dimensions_;
};

}  // namespace mizar::policy
