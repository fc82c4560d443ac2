// SPDX-License-Identifier: Apache-2.0
// The spec of a SecurityGroup. Private to this folder.
#pragma once

#include "userspace/policy/model.h"
#include "userspace/policy/yaml_reader.h"

namespace mizar::policy {

// Into `p`, which has its name already. Errors: as parse_policies().
Result<> read_security_group(const Value& spec, Policy& p);

}  // namespace mizar::policy
