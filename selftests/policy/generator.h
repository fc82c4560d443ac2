// SPDX-License-Identifier: Apache-2.0
// Small worlds of policies, dense with what is hard: overlaps, excepts, negations, names
// of ports that differ from pod to pod, tiers that pass. The same seed, the same world.
#pragma once

#include <cstdint>
#include <string>

#include "selftests/policy/oracle.h"

namespace mizar::policy {

World make_world(std::uint32_t seed);

// For people: policies, namespaces and pods, a line each.
std::string text(const World& world);
std::string text(const Asked& flow);

}  // namespace mizar::policy
