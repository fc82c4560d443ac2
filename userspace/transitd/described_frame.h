// SPDX-License-Identifier: Apache-2.0
// Inner frames the daemon makes: what a trace request describes, as the endpoint would
// send it, and what asks an endpoint where its connection stands.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/abi/flows.h"
#include "userspace/base/result.h"
#include "userspace/proto/transit.pb.h"
#include "userspace/transitd/goal.h"

namespace mizar {

// The destination's family is the frame's. Error: invalid_argument, names the
// field.
Result<std::vector<std::uint8_t>> described_frame(const v1::TraceRequest& request,
                                                  const EndpointSpec& from);

// From the flow's remote end to its local one: a TCP segment out of any window, which
// is answered by an ACK that says where the connection stands (RFC 9293 section 3.10.7.4;
// the keepalive of section 3.8.4). `flow` is TCP.
std::vector<std::uint8_t> keepalive_frame(const mz_flow_key& flow, const MacBytes& to);

}  // namespace mizar
