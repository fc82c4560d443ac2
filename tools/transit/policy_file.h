// SPDX-License-Identifier: Apache-2.0
// Files that are about policy: Kubernetes' YAML, and regions that name some.
#pragma once

#include <string>
#include <vector>

#include "control/model/convert.h"
#include "tools/transit/context.h"
#include "userspace/policy/yaml.h"

namespace transit {

// A region with the policy files it names, which stand beside it. What is taken otherwise
// than written is told on standard error.
Result<centaurus::Region> load_region(const std::string& path);

// Policies and namespaces of files; "-" is standard input. The same of what is doubtful.
Result<mizar::policy::Parsed> load_policies(const std::vector<std::string>& paths);

}  // namespace transit
