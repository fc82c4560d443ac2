// SPDX-License-Identifier: Apache-2.0
// What a link's driver can do, and how it is set: queues, XDP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/net/netlink.h"

namespace mizar::net {

enum class XdpMode { none, generic, native, offload, several };

struct DeviceInfo {
  unsigned rx_queues = 0, tx_queues = 0;
  unsigned max_mtu = 0;  // bytes; 0: the driver does not say
  XdpMode xdp = XdpMode::none;
  std::uint32_t xdp_program = 0;  // its id, 0: none or several
  std::uint64_t tx_dropped = 0;   // packets
};
// Errors: not_found, invalid_argument (name).
Result<DeviceInfo> device_info(Netlink& nl, const std::string& name);

// Of the driver, as it stands now: a veth takes XDP frames only while its other end has NAPI.
struct XdpFeatures {
  bool basic = false;       // native XDP
  bool redirect = false;    // XDP_REDIRECT
  bool xmit = false;        // frames redirected to it
  bool zero_copy = false;   // AF_XDP
  bool offload = false;     // programs on the NIC
  bool rx_buffers = false;  // receives frames of several buffers
  bool xmit_buffers = false;
};
// By the netdev family of generic netlink, of the calling thread's namespace. Nothing: Linux before 6.3,
// which has not that family.
Result<std::optional<XdpFeatures>> xdp_features(unsigned ifindex);

}  // namespace mizar::net
