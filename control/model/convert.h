// SPDX-License-Identifier: Apache-2.0
// Between the model and the messages: region.proto in, goal states out.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "control/model/planner.h"
#include "control/model/region.h"
#include "control/proto/region.pb.h"
#include "userspace/base/result.h"
#include "userspace/proto/transit.pb.h"

namespace centaurus {

// The text of a file that the region names. `warnings`: where to add lines about it.
using ReadFile = std::function<mizar::Result<std::string>(const std::string& name)>;

// Parses and validates. Error: invalid_argument, one line naming object and
// field; or what `read` returns. Appends to `warnings` what is taken otherwise than written.
mizar::Result<Region> parse_region(const v1::Region& message, const ReadFile& read, std::vector<std::string>& warnings);
mizar::Result<Region> parse_region(const v1::Region& message);  // which names no files

// What a plan gave out, as it is kept. Error: invalid_argument.
mizar::Result<Kept> parse_kept(const v1::Kept& message);
v1::Kept to_message(const Kept& kept);

// What `region.hosts[host]` has to know.
mizar::v1::GoalState goal_state(const Region& region, const Plan& plan, std::size_t host);

}  // namespace centaurus
