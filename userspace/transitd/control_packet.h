// SPDX-License-Identifier: Apache-2.0
// Packets hosts send each other about the overlay: UDP payloads to port 6081,
// as bpf/lib/control.h reads them.
#pragma once

#include <cstdint>
#include <vector>

#include "userspace/base/addr.h"

namespace mizar {

// A liveness probe; comes back as it is.
std::vector<std::uint8_t> probe_packet(std::uint32_t self);

// "(vni, endpoint) lives on host `origin`"; 0: "not here any more". `peer` is
// who sent to it, in the same family.
std::vector<std::uint8_t> hint_packet(std::uint32_t self, std::uint32_t vni, const Addr& endpoint,
                                      const Addr& peer, std::uint32_t origin);

// "This host has members of `group` in the network of `source`"; or none any more. Both of
// one family.
std::vector<std::uint8_t> group_packet(std::uint32_t self, std::uint32_t vni, const Addr& source, const Addr& group,
                                       bool member);

}  // namespace mizar
