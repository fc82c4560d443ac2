// SPDX-License-Identifier: Apache-2.0
// Who may begin a flow with whom, asked of policies alone: no kernel, no packet. For
// `transit policy test` and `diff`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "userspace/policy/compiler.h"
#include "userspace/policy/model.h"

namespace mizar::policy {

// A VPC as policy sees it.
struct World {
  std::vector<Policy> policies = {};
  std::vector<Namespace> namespaces = {};
  std::vector<Prefix> inside = {};  // its blocks
  std::vector<Pod> pods = {};
};

// One end of a flow: a pod, or an address outside of the VPC.
struct End {
  const Pod* pod = nullptr;
  Addr address = {};  // the one that is used
};

// Compiles what it is asked for, once each.
class Reach {
 public:
  explicit Reach(const World& world);

  // Errors: resource_exhausted, rules of somebody do not fit into a list.
  Result<Judgement> judge(const End& from, const End& to, std::uint8_t protocol, std::uint16_t port);
  [[nodiscard]] LabelSet label_set(const Pod& pod) const { return policies_->label_set(pod); }

 private:
  Result<const Group*> group(const Pod& pod);

  std::shared_ptr<PolicySet> policies_;
  std::map<LabelSet, std::uint32_t> numbers_;
  std::unique_ptr<Compiler> compiler_;
  std::map<LabelSet, Group> groups_;
};

// Ports whose verdict changes alike.
struct PortRange {
  std::uint8_t protocol = 0;
  std::uint16_t first = 0, last = 0;  // 0..0: a protocol without ports
  auto operator<=>(const PortRange&) const = default;
};
struct Change {
  std::string from, to;           // "shop/web-1 and 3 more", "outside (198.51.100.0/24)"
  bool opens = false;             // else it closes
  std::vector<PortRange> ports = {};
  std::string by = {};            // the rule that decides afterwards
};

// What is allowed in one world and not in the other, whose pods are the same by name.
// Those that no policy of the two tells apart stand in one line.
Result<std::vector<Change>> differences(const World& before, const World& after);

// "tcp/80", "udp/1-1024", "tcp", "icmp".
std::string text(const PortRange& r);

}  // namespace mizar::policy
