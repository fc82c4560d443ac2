// SPDX-License-Identifier: Apache-2.0
// What the daemon counts, as Prometheus' metric families.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "tools/transit/context.h"

namespace transit {

// All families, read now from the daemon at ctx.socket. Few of them grow with what there is:
// packets by VPC and reason, rates by who has some, hops by their number. Errors: as Client.
Result<std::vector<prometheus::MetricFamily>> collect_metrics(const Context& ctx);

}  // namespace transit
