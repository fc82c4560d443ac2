// SPDX-License-Identifier: Apache-2.0
// The pods and policies that questions about policy are asked of: a region's, or a
// daemon's.
#pragma once

#include <string>

#include "tools/transit/context.h"
#include "userspace/policy/reach.h"
#include "userspace/policy/yaml.h"

namespace transit {

// One VPC of a region's file; without a file, of the daemon: its own endpoints, as labels
// are known at an endpoint's host alone. Errors: not_found, and as files and calls give.
Result<mizar::policy::World> load_world(const Context& ctx, const std::string& vpc, const std::string& region);

// The files' policies and namespaces in place of those of the same names. Error:
// invalid_argument: a security group is named that is not there.
Result<> put(mizar::policy::World& world, const mizar::policy::Parsed& parsed, const std::string& vpc);

// An endpoint's name, or an address: of an endpoint, or of the outside. Error: not_found.
Result<mizar::policy::End> find_end(const mizar::policy::World& world, const std::string& vpc, const std::string& text);

// Puts both ends in one family, IPv4 where both have it. Error: invalid_argument.
Result<> meet(mizar::policy::End& from, mizar::policy::End& to);

}  // namespace transit
