// SPDX-License-Identifier: Apache-2.0
#include <linux/neighbour.h>

#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

ndmsg neighbour_header(unsigned ifindex, const Addr& ip) {
  ndmsg h{};
  h.ndm_family = wire::family_of(ip);
  h.ndm_ifindex = static_cast<int>(ifindex);
  return h;
}

std::string name_of(unsigned ifindex, const Addr& ip) {
  return fmt::format("neighbour {} on link {}", ip.text(), ifindex);
}

}  // namespace

namespace wire {
Result<Neighbour> neighbour_of(const nlmsghdr& h) {
  const Attributes<ndmsg, NDA_MAX> at(h);
  if (!at.valid() || !at[NDA_DST]) return fail(Code::internal, "neighbour: unreadable message");
  const ndmsg& head = at.header();
  auto ip = addr_of(head.ndm_family, nla_data(at[NDA_DST]),
                    static_cast<std::size_t>(nla_len(at[NDA_DST])));
  if (!ip) return tl::unexpected(ip.error());
  Neighbour n;
  n.ifindex = static_cast<unsigned>(head.ndm_ifindex);
  n.ip = *ip;
  nlattr* mac = at[NDA_LLADDR];
  const bool has_mac = mac && nla_len(mac) == MZ_ETH_ALEN;
  if (has_mac) std::memcpy(n.mac.data(), nla_data(mac), n.mac.size());
  constexpr unsigned kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
  n.valid = has_mac && h.nlmsg_type == RTM_NEWNEIGH && (head.ndm_state & kUsable);
  n.permanent = head.ndm_state & NUD_PERMANENT;
  return n;
}
}  // namespace wire

Result<Neighbour> Netlink::neighbour(unsigned ifindex, const Addr& ip) {
  Message m(RTM_GETNEIGH, 0, neighbour_header(ifindex, ip));
  m.put_addr(NDA_DST, ip);
  const auto what = name_of(ifindex, ip);
  Result<Neighbour> out = fail(Code::internal, "{}: no answer", what);
  MZ_CHECK(wire::exchange(sock_.get(), m, what,
                          [&](const nlmsghdr& h) { out = wire::neighbour_of(h); }));
  return out;
}

Result<> Netlink::set_neighbour(unsigned ifindex, const Addr& ip, const MacBytes& mac,
                                bool permanent) {
  ndmsg h = neighbour_header(ifindex, ip);
  h.ndm_state = permanent ? NUD_PERMANENT : NUD_REACHABLE;
  Message m(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, h);
  m.put_addr(NDA_DST, ip);
  m.put_mac(NDA_LLADDR, mac);
  return wire::exchange(sock_.get(), m, "set " + name_of(ifindex, ip));
}

Result<> Netlink::delete_neighbour(unsigned ifindex, const Addr& ip) {
  Message m(RTM_DELNEIGH, NLM_F_ACK, neighbour_header(ifindex, ip));
  m.put_addr(NDA_DST, ip);
  return wire::exchange(sock_.get(), m, "delete " + name_of(ifindex, ip));
}

Result<> Netlink::probe_neighbour(unsigned ifindex, const Addr& ip) {
  // NTF_USE turns a permanent entry into one without state (Linux 5.16 and
  // later: NEIGH_UPDATE_F_USE clears NUD_PERMANENT), so look first.
  if (auto known = neighbour(ifindex, ip); known && known->permanent) return {};
  ndmsg h = neighbour_header(ifindex, ip);
  h.ndm_flags = NTF_USE;
  Message m(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, h);
  m.put_addr(NDA_DST, ip);
  return wire::exchange(sock_.get(), m, "probe " + name_of(ifindex, ip));
}

}  // namespace mizar::net
