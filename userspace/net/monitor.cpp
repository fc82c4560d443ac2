// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/monitor.h"

#include <linux/if.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

#include <map>
#include <set>
#include <utility>

#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

// A burst of 10,000 endpoints is about 40,000 events of 0.5 to 2 KB each.
constexpr int kBufferBytes = 32 << 20;
constexpr int kMaxDatagrams = 4096;
constexpr std::size_t kReceiveBytes = 32 * 1024;

bool is_multicast(const Addr& a) {
  return a.is_v4() ? a.v4_value() >> 28 == 0xe : a.bytes()[0] == 0xff;
}

// fe80::/10
bool is_link_local(const Addr& a) { return a.bytes()[0] == 0xfe && (a.bytes()[1] & 0xc0) == 0x80; }

// Collects one read's worth of events.
class Collector {
 public:
  void add(const nlmsghdr& h) {
    switch (h.nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK:
        return add_link(h);
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        return add_neighbour(h);
      case RTM_NEWROUTE:
      case RTM_DELROUTE:
        routes_ = routes_ || route_counts(h);
        return;
      case RTM_NEWRULE:
      case RTM_DELRULE:
      case RTM_NEWNEXTHOP:
      case RTM_DELNEXTHOP:
        routes_ = true;
        return;
      default:
        return;
    }
  }
  void set_lost() { lost_ = true; }

  Monitor::Changes take() {
    Monitor::Changes c;
    c.routes = routes_;
    c.lost = lost_;
    c.links.assign(links_.begin(), links_.end());
    c.gone_links.assign(gone_.begin(), gone_.end());
    c.down_links.assign(down_.begin(), down_.end());
    for (auto& [key, n] : neighbours_) c.neighbours.push_back(n);
    return c;
  }

 private:
  void add_link(const nlmsghdr& h) {
    const wire::Attributes<ifinfomsg, IFLA_MAX> at(h);
    // A bridge reports its ports under AF_BRIDGE: such a DELLINK only means
    // that the port left the bridge.
    if (!at.valid() || at.header().ifi_family != AF_UNSPEC) return;
    const auto index = static_cast<unsigned>(at.header().ifi_index);
    const bool gone = h.nlmsg_type == RTM_DELLINK;
    links_.insert(index);
    if (gone) gone_.insert(index);
    if (gone || !(at.header().ifi_flags & IFF_UP)) down_.insert(index);
  }

  void add_neighbour(const nlmsghdr& h) {
    const wire::Attributes<ndmsg, NDA_MAX> at(h);
    if (!at.valid() || (at.header().ndm_flags & NTF_PROXY)) return;
    auto n = wire::neighbour_of(h);  // fails for AF_BRIDGE, which has no address
    if (n && !is_multicast(n->ip)) neighbours_[{n->ifindex, n->ip}] = *n;
  }

  static bool route_counts(const nlmsghdr& h) {
    const wire::Attributes<rtmsg, RTA_MAX> at(h);
    if (!at.valid()) return true;
    switch (at.header().rtm_type) {
      case RTN_BROADCAST:
      case RTN_ANYCAST:
      case RTN_MULTICAST:
        return false;
      default:
        break;
    }
    nlattr* raw = at[RTA_DST];
    if (!raw) return true;
    const auto dst = wire::addr_of(at.header().rtm_family, nla_data(raw),
                                   static_cast<std::size_t>(nla_len(raw)));
    return !dst || !(is_multicast(*dst) || is_link_local(*dst));
  }

  bool routes_ = false, lost_ = false;
  std::set<unsigned> links_, gone_, down_;
  std::map<std::pair<unsigned, Addr>, Neighbour> neighbours_;
};

}  // namespace

Result<Monitor> Monitor::open() {
  NlSocket sock(nl_socket_alloc());
  if (!sock) return fail(Code::resource_exhausted, "netlink monitor: out of memory");
  nl_socket_disable_seq_check(sock.get());
  if (const int rc = nl_connect(sock.get(), NETLINK_ROUTE); rc < 0)
    return fail(Code::internal, "netlink monitor: {}", nl_geterror(rc));
  nl_socket_disable_msg_peek(sock.get());
  nl_socket_set_msg_buf_size(sock.get(), kReceiveBytes);
  const int fd = nl_socket_get_fd(sock.get());
  // Before the subscription, so that no event meets the small buffer. Without
  // CAP_NET_ADMIN the kernel caps it at net.core.rmem_max: smaller, still correct.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes) != 0)
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  if (nl_socket_set_nonblocking(sock.get()) < 0)
    return fail(Code::internal, "netlink monitor: non-blocking mode refused");
  constexpr int kGroups[] = {RTNLGRP_LINK,       RTNLGRP_NEIGH,     RTNLGRP_IPV4_ROUTE,
                             RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE,
                             RTNLGRP_NEXTHOP};
  for (int group : kGroups)
    if (const int rc = nl_socket_add_membership(sock.get(), group); rc < 0)
      return fail(Code::internal, "netlink monitor: group {}: {}", group, nl_geterror(rc));
  return Monitor(std::move(sock));
}

Result<Monitor> Monitor::open_in(const NetnsRef& ns) {
  std::optional<Monitor> made;
  MZ_CHECK(run_in(ns, [&]() -> Result<> {
    auto m = open();
    if (!m) return tl::unexpected(m.error());
    made.emplace(std::move(*m));
    return {};
  }));
  return std::move(*made);
}

int Monitor::fd() const { return nl_socket_get_fd(sock_.get()); }

Result<Monitor::Changes> Monitor::read() {
  Collector seen;
  for (int i = 0; i < kMaxDatagrams; i++) {
    const int rc = wire::receive(sock_.get(), [&](const nlmsghdr& h) {
      seen.add(h);
      return true;
    });
    if (rc == 0) break;
    if (rc == -ENOBUFS)
      seen.set_lost();
    else if (rc < 0)
      return fail_errno(Code::internal, -rc, "netlink monitor: receive");
  }
  return seen.take();
}

}  // namespace mizar::net
