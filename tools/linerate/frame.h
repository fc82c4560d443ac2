// SPDX-License-Identifier: Apache-2.0
// The frames that are sent: UDP over IPv4, plain or in a tunnel packet as our hosts send them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tools/linerate/linerate_abi.h"
#include "userspace/base/addr.h"

namespace linerate {

// Sizes are RFC 2544's: with the 4 bytes of checksum that only the wire sees. There a frame takes a
// preamble and a gap besides.
inline constexpr unsigned kFcs = 4;
inline constexpr unsigned kWireExtra = 20;

struct Tunnel {
  std::uint32_t vni = 0;
  std::uint32_t sender = 0;  // host id that goes with the outer source address
  mizar::Addr inner_from = {};
  mizar::Prefix inner_to = {};  // each frame to one of it
};

struct FrameSpec {
  unsigned size = 64;
  mizar::MacBytes from_mac{}, to_mac{};
  mizar::Addr from = {}, to = {};
  std::optional<Tunnel> tunnel = std::nullopt;
  unsigned stream = 0;  // of its own flow, so that NICs spread streams over queues
};

struct Frame {
  std::vector<std::uint8_t> bytes;
  mz_lr_frame layout{};  // `out` is the sender's to set
};

// The least size that has room for headers and stamp.
unsigned smallest_size(bool tunnel);
unsigned mtu_needed(unsigned size);

// `spec.size` is at least the smallest.
Frame make_frame(const FrameSpec& spec);

// What the generator's program does to live frames, for those in our own memory.
void stamp_frame(std::span<std::uint8_t> bytes, const mz_lr_frame& layout, mz_lr_sender& sender,
                 std::uint64_t now_ns);

}  // namespace linerate
