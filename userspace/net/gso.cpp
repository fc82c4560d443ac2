// SPDX-License-Identifier: Apache-2.0
#include <linux/if_link.h>

#include <algorithm>

#include "userspace/net/queueing.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

constexpr int kGsoIpv4MaxSize = 63;  // IFLA_GSO_IPV4_MAX_SIZE, Linux 6.3

ifinfomsg header_of(unsigned ifindex) {
  ifinfomsg h{};
  h.ifi_index = static_cast<int>(ifindex);
  return h;
}

}  // namespace

Result<GsoLimits> gso_limits(Netlink& nl, unsigned ifindex) {
  const auto what = fmt::format("link {}: its largest packet", ifindex);
  if (ifindex == 0) return fail(Code::invalid_argument, "{}: index 0 is no link", what);
  GsoLimits out;
  Message ask(RTM_GETLINK, 0, header_of(ifindex));
  MZ_CHECK(wire::exchange(nl.socket(), ask, what, [&](const nlmsghdr& h) {
    const wire::Attributes<ifinfomsg, kGsoIpv4MaxSize> at(h);
    if (!at.valid()) return;
    if (const auto bytes = at.u32(IFLA_TSO_MAX_SIZE)) out.driver = bytes;
    if (const auto bytes = at.u32(kGsoIpv4MaxSize)) out.ipv4 = bytes;
  }));
  return out;
}

Result<> set_gso_max(Netlink& nl, unsigned ifindex, unsigned bytes) {
  const auto what = fmt::format("link {}: set the largest packet to {} bytes", ifindex, bytes);
  if (ifindex == 0) return fail(Code::invalid_argument, "{}: index 0 is no link", what);
  if (bytes == 0) {
    const auto limits = gso_limits(nl, ifindex);
    if (!limits) return tl::unexpected(limits.error());
    bytes = std::min(kGsoDefault, limits->driver);
  }
  Message m(RTM_SETLINK, NLM_F_ACK, header_of(ifindex));
  m.put_u32(IFLA_GSO_MAX_SIZE, std::min(bytes, kGsoDefault));
  m.put_u32(kGsoIpv4MaxSize, bytes);  // an older kernel passes it over
  return wire::exchange(nl.socket(), m, what);
}

}  // namespace mizar::net
