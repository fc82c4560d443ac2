// SPDX-License-Identifier: Apache-2.0
#include <linux/if_link.h>

#include <algorithm>

#include "userspace/net/queueing.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

constexpr unsigned kKernelDefault = 65536;  // GSO_LEGACY_MAX_SIZE
constexpr int kGsoIpv4MaxSize = 63;         // IFLA_GSO_IPV4_MAX_SIZE, Linux 6.3

ifinfomsg header_of(unsigned ifindex) {
  ifinfomsg h{};
  h.ifi_index = static_cast<int>(ifindex);
  return h;
}

}  // namespace

Result<> set_gso_max(Netlink& nl, unsigned ifindex, unsigned bytes) {
  const auto what = fmt::format("link {}: set the largest packet to {} bytes", ifindex, bytes);
  if (ifindex == 0) return fail(Code::invalid_argument, "{}: index 0 is no link", what);
  if (bytes == 0) {
    bytes = kKernelDefault;
    Message ask(RTM_GETLINK, 0, header_of(ifindex));
    MZ_CHECK(wire::exchange(nl.socket(), ask, what, [&](const nlmsghdr& h) {
      const wire::Attributes<ifinfomsg, IFLA_MAX> at(h);
      const std::uint32_t most = at.valid() ? at.u32(IFLA_TSO_MAX_SIZE) : 0;
      if (most != 0) bytes = std::min(bytes, most);
    }));
  }
  Message m(RTM_SETLINK, NLM_F_ACK, header_of(ifindex));
  m.put_u32(IFLA_GSO_MAX_SIZE, bytes);
  m.put_u32(kGsoIpv4MaxSize, bytes);  // an older kernel passes it over
  return wire::exchange(nl.socket(), m, what);
}

}  // namespace mizar::net
