// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/device.h"

#include <linux/genetlink.h>
#include <linux/if_link.h>

#include <cstring>

#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Attributes;
using wire::Message;

// linux/netdev.h of Linux 6.3.
constexpr int kDevGet = 1;          // NETDEV_CMD_DEV_GET
constexpr int kDevIfindex = 1;      // NETDEV_A_DEV_IFINDEX
constexpr int kDevXdpFeatures = 3;  // NETDEV_A_DEV_XDP_FEATURES, by these bits:
constexpr std::uint64_t kBasic = 1, kRedirect = 2, kXmit = 4, kZeroCopy = 8, kOffload = 16, kRxSg = 32, kXmitSg = 64;

XdpMode mode_of(std::uint8_t attached) {
  switch (attached) {
    case XDP_ATTACHED_DRV: return XdpMode::native;
    case XDP_ATTACHED_SKB: return XdpMode::generic;
    case XDP_ATTACHED_HW: return XdpMode::offload;
    case XDP_ATTACHED_MULTI: return XdpMode::several;
    default: return XdpMode::none;
  }
}

void read_xdp(nlattr* nest, DeviceInfo& out) {
  nlattr* at[IFLA_XDP_MAX + 1] = {};
  if (nest == nullptr || nla_parse_nested(at, IFLA_XDP_MAX, nest, nullptr) < 0) return;
  if (at[IFLA_XDP_ATTACHED]) out.xdp = mode_of(nla_get_u8(at[IFLA_XDP_ATTACHED]));
  if (at[IFLA_XDP_PROG_ID]) out.xdp_program = nla_get_u32(at[IFLA_XDP_PROG_ID]);
}

// 0: there is none of that name.
Result<int> family_id(nl_sock* sock, const std::string& name) {
  const genlmsghdr header{CTRL_CMD_GETFAMILY, 1, 0};
  Message m(GENL_ID_CTRL, 0, header);
  m.put_text(CTRL_ATTR_FAMILY_NAME, name);
  int id = 0;
  const auto done = wire::exchange(sock, m, "generic netlink family " + name, [&](const nlmsghdr& h) {
    const Attributes<genlmsghdr, CTRL_ATTR_MAX> at(h);
    if (at.valid() && at[CTRL_ATTR_FAMILY_ID]) id = nla_get_u16(at[CTRL_ATTR_FAMILY_ID]);
  });
  if (!done && done.error().code != Code::not_found) return tl::unexpected(done.error());
  return id;
}

}  // namespace

Result<DeviceInfo> device_info(Netlink& nl, const std::string& name) {
  MZ_CHECK(wire::check_name(name));
  Message m(RTM_GETLINK, 0, ifinfomsg{});
  m.put_text(IFLA_IFNAME, name);
  DeviceInfo out;
  MZ_CHECK(wire::exchange(nl.socket(), m, "link " + name, [&](const nlmsghdr& h) {
    const Attributes<ifinfomsg, IFLA_MAX> at(h);
    if (!at.valid()) return;
    out.rx_queues = at.u32(IFLA_NUM_RX_QUEUES);
    out.tx_queues = at.u32(IFLA_NUM_TX_QUEUES);
    out.max_mtu = at.u32(IFLA_MAX_MTU);
    read_xdp(at[IFLA_XDP], out);
    if (const nlattr* a = at[IFLA_STATS64]; a && nla_len(a) >= static_cast<int>(offsetof(rtnl_link_stats64, multicast))) {
      rtnl_link_stats64 stats{};
      std::memcpy(&stats, nla_data(a), offsetof(rtnl_link_stats64, multicast));
      out.tx_dropped = stats.tx_dropped;
    }
  }));
  return out;
}

Result<std::optional<XdpFeatures>> xdp_features(unsigned ifindex) {
  const auto sock = wire::connect(NETLINK_GENERIC);
  if (!sock) return tl::unexpected(sock.error());
  const auto family = family_id(sock->get(), "netdev");
  if (!family) return tl::unexpected(family.error());
  if (*family == 0) return std::optional<XdpFeatures>();
  const genlmsghdr header{kDevGet, 1, 0};
  Message m(*family, 0, header);
  m.put_u32(kDevIfindex, ifindex);
  XdpFeatures out;
  MZ_CHECK(wire::exchange(sock->get(), m, fmt::format("link {}: XDP features", ifindex), [&](const nlmsghdr& h) {
    const Attributes<genlmsghdr, 16> at(h);
    if (!at.valid() || !at[kDevXdpFeatures]) return;
    const std::uint64_t bits = nla_get_u64(at[kDevXdpFeatures]);
    out = {(bits & kBasic) != 0, (bits & kRedirect) != 0, (bits & kXmit) != 0,   (bits & kZeroCopy) != 0,
           (bits & kOffload) != 0, (bits & kRxSg) != 0,   (bits & kXmitSg) != 0};
  }));
  return std::optional(out);
}

}  // namespace mizar::net
