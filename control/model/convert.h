// SPDX-License-Identifier: Apache-2.0
// Between the model and the messages: region.proto in, goal states out.
#pragma once

#include <cstddef>

#include "control/model/planner.h"
#include "control/model/region.h"
#include "control/proto/region.pb.h"
#include "userspace/base/result.h"
#include "userspace/proto/transit.pb.h"

namespace centaurus {

// Parses and validates. Error: invalid_argument, one line naming object and
// field.
mizar::Result<Region> parse_region(const v1::Region& message);

// The leases of a plan, as they are kept. Error: invalid_argument.
mizar::Result<Leases> parse_leases(const v1::Leases& message);
v1::Leases to_message(const Leases& leases);

// What `region.hosts[host]` has to know.
mizar::v1::GoalState goal_state(const Region& region, const Plan& plan, std::size_t host);

}  // namespace centaurus
