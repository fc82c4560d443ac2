// SPDX-License-Identifier: Apache-2.0
#include <linux/if_addr.h>

#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

wire::Message address_message(int type, int flags, unsigned ifindex, const Prefix& a) {
  ifaddrmsg h{};
  h.ifa_family = wire::family_of(a.ip);
  h.ifa_prefixlen = static_cast<unsigned char>(a.len);
  h.ifa_index = ifindex;
  wire::Message m(type, NLM_F_ACK | flags, h);
  m.put_addr(IFA_LOCAL, a.ip);
  m.put_addr(IFA_ADDRESS, a.ip);
  return m;
}

Result<> check_length(const Prefix& p) {
  if (p.len <= (p.ip.is_v4() ? 32u : 128u)) return {};
  return fail(Code::invalid_argument, "{}: prefix length out of range", p.text());
}

}  // namespace

Result<> Netlink::add_address(unsigned ifindex, const Prefix& a) {
  MZ_CHECK(check_length(a));
  auto m = address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, a);
  // The control plane owns addresses; a second of duplicate detection would
  // only delay the first packet.
  if (!a.ip.is_v4()) m.put_u32(IFA_FLAGS, IFA_F_NODAD);
  auto rc =
      wire::exchange(sock_.get(), m, fmt::format("link {}: add address {}", ifindex, a.text()));
  if (!rc && rc.error().sys == EEXIST) return {};
  return rc;
}

Result<> Netlink::delete_address(unsigned ifindex, const Prefix& a) {
  MZ_CHECK(check_length(a));
  auto m = address_message(RTM_DELADDR, 0, ifindex, a);
  return wire::exchange(sock_.get(), m,
                        fmt::format("link {}: delete address {}", ifindex, a.text()));
}

}  // namespace mizar::net
