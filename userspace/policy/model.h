// SPDX-License-Identifier: Apache-2.0
// Policies as their authors mean them, whatever they were written in: Kubernetes
// NetworkPolicy (v1), ClusterNetworkPolicy (policy.networking.k8s.io v1alpha2), security
// groups. Plain data, without I/O. Names are Kubernetes'; a pod is an endpoint.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/addr.h"

namespace mizar::policy {

using Labels = std::map<std::string, std::string, std::less<>>;

enum class Op { in, not_in, exists, does_not_exist };
// One of matchLabels (`in` with one value) or matchExpressions. `not_in` also fits where
// the key is absent.
struct Requirement {
  std::string key;
  Op op = Op::in;
  std::vector<std::string> values = {};
  bool operator==(const Requirement&) const = default;
};
// All of these; none: everything.
struct Selector {
  std::vector<Requirement> all = {};
  bool operator==(const Selector&) const = default;
};

struct Block {
  Prefix cidr;
  std::vector<Prefix> except = {};
  auto operator<=>(const Block&) const = default;
};

// Either a block, or pods: of namespaces that `namespaces` selects, or, where that is
// absent, of the policy's own; all of them where `pods` is absent.
struct Peer {
  std::optional<Selector> namespaces = {};
  std::optional<Selector> pods = {};
  std::optional<Block> block = {};
  bool operator==(const Peer&) const = default;
};

// Ports of a protocol; all of them (0..65535); or those that pods call `name`: its own
// container port at ingress, the other end's at egress.
struct Port {
  std::uint8_t protocol = 6;  // IPPROTO_TCP, _UDP, _SCTP
  std::uint16_t first = 0, last = 65535;
  std::string name = {};
  bool operator==(const Port&) const = default;
};

enum class Verdict { allow, deny, pass };

struct Rule {
  std::string name = {};  // "ingress[0]", or as the author calls it
  Verdict verdict = Verdict::allow;
  // Absent: everybody, every protocol. Empty, in ClusterNetworkPolicy only: nobody.
  std::optional<std::vector<Peer>> peers = {};
  std::optional<std::vector<Port>> ports = {};
  std::uint8_t level = 0;  // of flows that it allows: MZ_LEVEL(); 0 = not said
  bool operator==(const Rule&) const = default;
};

// In this order. Of `network` all policies that select a pod in a direction are one: what
// none of their rules allows is denied. In the others lower priorities go first, then
// names; the first rule that fits decides, PASS goes on with the next tier.
enum class Tier { admin, network, baseline };

struct Policy {
  std::string name;
  std::string ns = {};  // of `network`; else, and of a security group, empty
  Tier tier = Tier::network;
  int priority = 0;     // of the others: 0..1000
  std::optional<Selector> namespaces = {};  // subject, beside `pods`; absent: `ns`
  Selector pods = {};
  bool ingress = true, egress = false;      // of `network`: which directions it isolates
  std::vector<Rule> ingress_rules = {}, egress_rules = {};
  std::string where = {};                   // "FILE:LINE"
  bool operator==(const Policy&) const = default;
};

// "NAMESPACE/NAME", or of a policy without one "NAME", of a security group
// "security-group:NAME".
std::string full_name(const Policy& p);

struct Namespace {
  std::string name;
  Labels labels = {};  // "kubernetes.io/metadata.name" besides, always its name
  bool operator==(const Namespace&) const = default;
};

struct NamedPort {
  std::uint8_t protocol = 6;
  std::uint16_t port = 0;
  auto operator<=>(const NamedPort&) const = default;
};

// What policy knows of an endpoint.
struct Pod {
  std::string ns;
  std::string name;
  Labels labels = {};
  std::map<std::string, NamedPort, std::less<>> ports = {};
  Addrs address = {};
};

}  // namespace mizar::policy
