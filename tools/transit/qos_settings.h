// SPDX-License-Identifier: Apache-2.0
// Classes and rates as operators write them: "class=premium egress=100M egress.premium=20M".
#pragma once

#include <string>
#include <vector>

#include "tools/transit/context.h"
#include "userspace/proto/transit.pb.h"

namespace transit {

namespace v1 = mizar::v1;

// Changes `request` (qos and levels) as one setting says. Keys:
//   class, priority, trust, link-rate
//   DIRECTION[.CLASS][.FIELD]   egress, ingress; premium, expedited, best-effort; rate (the
//                               default), packets, guaranteed, burst, weight
//   dscp.CLASS.PRIORITY         OUTER or OUTER,INNER
//   trust.CLASS.PRIORITY        DSCP,...
// 0 or "none" takes a limit away. Error: invalid_argument, naming the setting.
Result<> set(v1::SetQosRequest& request, const std::string& setting);

// The same words, one a setting, without those that say nothing.
std::vector<std::string> settings_of(const v1::Qos& qos);

}  // namespace transit
