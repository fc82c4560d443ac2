// SPDX-License-Identifier: Apache-2.0
// Policies and namespaces as Kubernetes writes them, and security groups.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/policy/model.h"

namespace mizar::policy {

struct Parsed {
  std::vector<Policy> policies = {};
  std::vector<Namespace> namespaces = {};
};

// Documents of NetworkPolicy (networking.k8s.io/v1), ClusterNetworkPolicy
// (policy.networking.k8s.io/v1alpha2), SecurityGroup (centaurus/v1), Namespace (v1) and List
// of these. Whether the groups that rules name exist is for the VPC's owner to ask. All or nothing:
// what is not known to be understood is an error, "FILE:LINE: OBJECT: FIELD: what; next
// step". Appends to `warnings` what is taken otherwise than written.
// Errors: invalid_argument; unimplemented (peers by domain name or node, rules for ICMP alone).
Result<Parsed> parse_policies(std::string_view text, std::string_view file,
                              std::vector<std::string>& warnings);

}  // namespace mizar::policy
