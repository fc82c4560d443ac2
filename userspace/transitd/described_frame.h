// SPDX-License-Identifier: Apache-2.0
// The packet a trace request describes, as the endpoint would send it.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/transitd/goal.h"

namespace mizar {

// The destination's family is the frame's. Error: invalid_argument, names the
// field.
Result<std::vector<std::uint8_t>> described_frame(const v1::TraceRequest& request,
                                                  const EndpointSpec& from);

}  // namespace mizar
