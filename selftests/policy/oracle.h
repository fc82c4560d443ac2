// SPDX-License-Identifier: Apache-2.0
// What Kubernetes' API says of a flow, asked the slow and obvious way: every policy, every
// rule, every peer. Shares nothing with the compiler but the model.
#pragma once

#include <optional>
#include <vector>

#include "userspace/policy/model.h"

namespace mizar::policy {

// One end of a flow: a pod, or an address that is nobody's.
struct End {
  const Pod* pod = nullptr;
  Addr address;
};

struct Asked {
  End from, to;
  std::uint8_t protocol = 6;
  std::uint16_t port = 0;  // of `to`; 0 of protocols without
};

struct World {
  std::vector<Namespace> namespaces;
  std::vector<Policy> policies;
  std::vector<Pod> pods;
};

// Whether the flow may be: the egress of who begins it and the ingress of who receives it
// both say so.
bool allowed(const World& world, const Asked& flow);

}  // namespace mizar::policy
