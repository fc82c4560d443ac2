// SPDX-License-Identifier: Apache-2.0
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/veth.h>

#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

ifinfomsg link_header(unsigned index) {
  ifinfomsg h{};
  h.ifi_family = AF_UNSPEC;
  h.ifi_index = static_cast<int>(index);
  return h;
}

bool flag_of(nlattr* a) { return a && nla_len(a) >= 1 && nla_get_u8(a) != 0; }

TunInfo tun_of(nlattr* data) {
  std::array<nlattr*, IFLA_TUN_MAX + 1> at{};
  if (nla_parse_nested(at.data(), IFLA_TUN_MAX, data, nullptr) < 0) return {};
  return {.tap = at[IFLA_TUN_TYPE] && nla_get_u8(at[IFLA_TUN_TYPE]) == IFF_TAP,
          .vnet_hdr = flag_of(at[IFLA_TUN_VNET_HDR]),
          .multi_queue = flag_of(at[IFLA_TUN_MULTI_QUEUE]),
          .persistent = flag_of(at[IFLA_TUN_PERSIST])};
}

// The driver's part of a link.
void read_kind(nlattr* linkinfo, Link& l) {
  std::array<nlattr*, IFLA_INFO_MAX + 1> at{};
  if (!linkinfo || nla_parse_nested(at.data(), IFLA_INFO_MAX, linkinfo, nullptr) < 0) return;
  if (at[IFLA_INFO_KIND]) l.kind = nla_get_string(at[IFLA_INFO_KIND]);
  if (l.kind == "tun" && at[IFLA_INFO_DATA]) l.tun = tun_of(at[IFLA_INFO_DATA]);
}

Link link_of(const nlmsghdr& h) {
  const wire::Attributes<ifinfomsg, IFLA_MAX> at(h);
  if (!at.valid()) return {};
  Link l;
  l.index = static_cast<unsigned>(at.header().ifi_index);
  l.name = at.text(IFLA_IFNAME);
  read_kind(at[IFLA_LINKINFO], l);
  l.qdisc = at.text(IFLA_QDISC);
  l.mtu = at.u32(IFLA_MTU);
  if (nlattr* mac = at[IFLA_ADDRESS]; mac && nla_len(mac) == MZ_ETH_ALEN)
    std::memcpy(l.mac.data(), nla_data(mac), l.mac.size());
  l.up = at.header().ifi_flags & IFF_UP;
  l.running = l.up && (at.header().ifi_flags & IFF_RUNNING);
  l.peer_index = at.u32(IFLA_LINK);
  return l;
}

// Counters and virtual functions are most of an answer and none of our business.
void skip_statistics(Message& m) { m.put_u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS); }

Result<Link> ask_link(nl_sock* sock, Message& m, const std::string& what) {
  Link out;
  MZ_CHECK(wire::exchange(sock, m, what, [&](const nlmsghdr& h) { out = link_of(h); }));
  if (out.index == 0) return fail(Code::internal, "{}: unreadable answer", what);
  return out;
}

// What both ends of a pair are born with.
void put_end(Message& m, const std::string& name, const MacBytes& mac, const VethSpec& spec) {
  m.put_text(IFLA_IFNAME, name);
  if (mac != MacBytes{}) m.put_mac(IFLA_ADDRESS, mac);
  if (spec.mtu != 0) m.put_u32(IFLA_MTU, spec.mtu);
  if (spec.queues != 0) {
    m.put_u32(IFLA_NUM_TX_QUEUES, spec.queues);
    m.put_u32(IFLA_NUM_RX_QUEUES, spec.queues);
  }
}

Message veth_message(const VethSpec& spec) {
  ifinfomsg header = link_header(spec.host_index);
  if (spec.host_up) header.ifi_flags = header.ifi_change = IFF_UP;
  Message m(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, header);
  put_end(m, spec.host_name, spec.host_mac, spec);
  if (spec.txqlen != 0) m.put_u32(IFLA_TXQLEN, spec.txqlen);
  m.nest(IFLA_LINKINFO, [&] {
    m.put_text(IFLA_INFO_KIND, "veth");
    m.nest(IFLA_INFO_DATA, [&] {
      m.nest(VETH_INFO_PEER, [&] {
        m.append(link_header(spec.inner_index));
        put_end(m, spec.inner_name, spec.inner_mac, spec);
        if (spec.ns) m.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.ns->fd()));
      });
    });
  });
  return m;
}

}  // namespace

Result<Link> Netlink::link(unsigned ifindex) {
  if (ifindex == 0) return fail(Code::invalid_argument, "link index 0 is no link");
  Message m(RTM_GETLINK, 0, link_header(ifindex));
  skip_statistics(m);
  return ask_link(sock_.get(), m, fmt::format("link {}", ifindex));
}

Result<Link> Netlink::link(const std::string& name) {
  MZ_CHECK(wire::check_name(name));
  Message m(RTM_GETLINK, 0, link_header(0));
  m.put_text(IFLA_IFNAME, name);
  skip_statistics(m);
  return ask_link(sock_.get(), m, fmt::format("link {}", name));
}

Result<std::vector<Link>> Netlink::links() {
  constexpr int kTries = 5;  // links come and go while the kernel lists them
  Result<> rc;
  for (int i = 0; i < kTries; i++) {
    std::vector<Link> out;
    Message m(RTM_GETLINK, NLM_F_DUMP, link_header(0));
    skip_statistics(m);
    rc = wire::exchange(sock_.get(), m, "list links", [&](const nlmsghdr& h) {
      if (Link l = link_of(h); l.index != 0) out.push_back(std::move(l));
    });
    if (rc) return out;
    if (rc.error().sys != EINTR) break;
  }
  return tl::unexpected(rc.error());
}

Result<unsigned> Netlink::add_veth(const VethSpec& spec) {
  MZ_CHECK(wire::check_name(spec.host_name));
  MZ_CHECK(wire::check_name(spec.inner_name));
  const auto what = fmt::format("add veth {} with inner end {}", spec.host_name, spec.inner_name);
  if (spec.inner_index != 0 && spec.host_index == 0)
    return fail(Code::invalid_argument, "{}: an inner index needs a host index", what);
  Message m = veth_message(spec);
  auto rc = wire::exchange(sock_.get(), m, what);
  if (!rc) {
    Error e = rc.error();
    if (e.sys == EBUSY) e.code = Code::already_exists;  // the wanted index is taken
    return tl::unexpected(std::move(e));
  }
  if (spec.host_index != 0) return spec.host_index;
  // An echo of the new link would save this question, from Linux 6.2 on.
  auto made = link(spec.host_name);
  if (!made) return wrap(made.error(), what);
  return made->index;
}

Result<> Netlink::delete_link(unsigned ifindex) {
  // Index 0 and no name would be refused by the kernel in its own way.
  if (ifindex == 0) return fail(Code::invalid_argument, "delete link: index 0 is no link");
  Message m(RTM_DELLINK, NLM_F_ACK, link_header(ifindex));
  return wire::exchange(sock_.get(), m, fmt::format("delete link {}", ifindex));
}

Result<> Netlink::set_link(unsigned ifindex, const LinkChange& change) {
  if (ifindex == 0) return fail(Code::invalid_argument, "change link: index 0 is no link");
  if (change.name) MZ_CHECK(wire::check_name(*change.name));
  ifinfomsg header = link_header(ifindex);
  if (change.up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *change.up ? IFF_UP : 0;
  }
  if (change.arp) {
    header.ifi_change |= IFF_NOARP;
    if (!*change.arp) header.ifi_flags |= IFF_NOARP;
  }
  Message m(RTM_SETLINK, NLM_F_ACK, header);
  if (change.mtu) m.put_u32(IFLA_MTU, *change.mtu);
  if (change.name) m.put_text(IFLA_IFNAME, *change.name);
  if (change.txqlen) m.put_u32(IFLA_TXQLEN, *change.txqlen);
  if (change.mac) m.put_mac(IFLA_ADDRESS, *change.mac);
  return wire::exchange(sock_.get(), m, fmt::format("change link {}", ifindex));
}

}  // namespace mizar::net
