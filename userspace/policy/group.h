// SPDX-License-Identifier: Apache-2.0
// A group as the data plane holds it (bpf/abi/policy.h), before rows and vectors have
// numbers of their host; and what it says to a flow.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bpf/abi/policy.h"
#include "userspace/base/addr.h"
#include "userspace/policy/label_set.h"

namespace mizar::policy {

// Rule r is bit r % 64 of word r / 64. As many words as the list's rules need.
using Bits = std::vector<std::uint64_t>;

struct RuleName {
  std::string tier;    // "admin", "network", "baseline", "default"
  std::string policy;  // "shop/web"; of the default and of isolation empty
  std::string rule;    // "ingress[0]", "isolated by shop/web", "allow"
  // "admin policy top rule watchers"
  [[nodiscard]] std::string text() const;
  bool operator==(const RuleName&) const = default;
};

struct ListRule {
  std::uint32_t verdict = MZ_POLICY_ALLOW;  // enum mz_policy_verdict
  std::uint32_t next = 0;                   // PASS: the first rule of the next tier
  std::shared_ptr<const RuleName> name = {};
  std::uint8_t level = 0;                   // of flows that it allows; 0 = not said
};

struct LabelRow {
  std::uint32_t label;  // 0: of the outside and of other VPCs
  std::uint32_t vector;
};
struct BlockRow {
  Prefix block;
  std::uint32_t vector;
};
struct PortRow {
  std::uint8_t protocol;
  std::uint16_t port;
  unsigned bits;  // of the port; 0: all of the protocol
  std::uint32_t vector;
};

// Vectors are places in `vectors`, each of which is there once. A row stands where it
// says other than what stands behind it.
struct List {
  std::vector<ListRule> rules = {};  // none: everything is allowed
  std::vector<Bits> vectors = {};
  std::uint32_t label = 0, block = 0, port = 0;  // of what has no row
  std::vector<LabelRow> labels = {};             // sorted
  std::vector<BlockRow> blocks = {};
  std::vector<PortRow> ports = {};
  // What a selector adds to the default's rules: for PolicySet::add_set().
  std::vector<std::pair<std::uint32_t, std::uint32_t>> classes = {};
};

struct Group {
  LabelSet subject = {};
  std::array<List, MZ_POLICY_KINDS> list = {};  // by enum mz_policy_kind
};

// "allow", "deny" or "pass"; enum mz_policy_verdict.
const char* verdict_name(std::uint32_t verdict);
// "allow", "allow as premium high"
std::string verdict_text(std::string_view verdict, std::string_view level);
// "ingress", "egress towards it" or "egress to outside"; enum mz_policy_kind.
const char* list_name(std::uint32_t kind);

// Whether they say the same to every flow, with the same words.
bool same(const Group& a, const Group& b);

// Of whom has a label set that is gone. Returns the lists (1 << kind) that had a row.
unsigned remove_set(Group& g, std::uint32_t label);

// A flow's first packet, as its judge sees it.
struct Flow {
  std::uint32_t label = 0;  // of who begins it; 0: not of this VPC
  Addr remote = {}, local = {};  // local: the endpoint's that the group is of
  std::uint8_t protocol = 0;
  std::uint16_t port = 0;  // destination; 0 of protocols without
};

// A rule that a flow met: the last of its list decided.
struct Met {
  mz_policy_kind kind;
  std::uint32_t rule;
  std::uint32_t verdict;
  std::shared_ptr<const RuleName> name;
  std::uint8_t level = 0;
};
struct Judgement {
  bool allowed = true;
  std::vector<Met> met = {};  // of lists without rules nothing

  // What decided; nullptr: no list has rules.
  [[nodiscard]] const Met* decider() const { return met.empty() ? nullptr : &met.back(); }
};

// The lists of who receives (MZ_POLICY_RECEIVER of bpf/lib/policy.h), and of who sends
// to the outside.
inline constexpr unsigned kReceiver = 1u << MZ_POLICY_IN | 1u << MZ_POLICY_TO;
inline constexpr unsigned kSender = 1u << MZ_POLICY_OUT;

// As mz_judge() in bpf/lib/policy.h does it.
Judgement judge(const Group& g, unsigned kinds, const Flow& f);

}  // namespace mizar::policy
