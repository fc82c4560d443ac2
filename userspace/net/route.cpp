// SPDX-License-Identifier: Apache-2.0
#include "userspace/net/netlink.h"
#include "userspace/net/wire.h"

namespace mizar::net {

namespace {

using wire::Message;

// struct rtvia ends in a flexible array; this is its IPv6 form.
struct Via6 {
  std::uint16_t family;
  std::array<std::uint8_t, 16> bytes;
};
static_assert(sizeof(Via6) == 18);

Result<> check_route(const Route& r) {
  if (r.dst.len > (r.dst.ip.is_v4() ? 32u : 128u))
    return fail(Code::invalid_argument, "route {}: prefix length out of range", r.dst.text());
  if (r.via && r.via->is_v4() && !r.dst.ip.is_v4())
    return fail(Code::invalid_argument, "route {}: IPv6 cannot go through IPv4 gateway {}",
                r.dst.text(), r.via->text());
  if (!r.via && r.ifindex == 0)
    return fail(Code::invalid_argument, "route {}: neither gateway nor link", r.dst.text());
  return {};
}

void put_path(Message& m, const Route& r) {
  if (r.dst.len > 0) m.put_addr(RTA_DST, r.dst.ip);
  if (r.ifindex != 0) m.put_u32(RTA_OIF, r.ifindex);
  if (!r.via) return;
  if (r.via->is_v4() == r.dst.ip.is_v4()) {
    m.put_addr(RTA_GATEWAY, *r.via);
  } else {
    const Via6 via{AF_INET6, r.via->bytes()};
    m.put(RTA_VIA, &via, sizeof via);
  }
}

rtmsg route_header(const Route& r) {
  rtmsg h{};
  h.rtm_family = wire::family_of(r.dst.ip);
  h.rtm_dst_len = static_cast<unsigned char>(r.dst.len);
  h.rtm_table = RT_TABLE_MAIN;
  h.rtm_type = RTN_UNICAST;
  h.rtm_scope = r.via || !r.dst.ip.is_v4() ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  return h;
}

// Path MTU or the route's own, from RTA_METRICS.
unsigned mtu_of(nlattr* metrics) {
  std::array<nlattr*, RTAX_MAX + 1> at{};
  if (!metrics || nla_parse_nested(at.data(), RTAX_MAX, metrics, nullptr) < 0) return 0;
  return at[RTAX_MTU] ? nla_get_u32(at[RTAX_MTU]) : 0;
}

Result<Addr> gateway_of(const wire::Attributes<rtmsg, RTA_MAX>& at, const Addr& dst) {
  if (nlattr* via = at[RTA_VIA]; via && nla_len(via) >= 2) {
    std::uint16_t family;
    std::memcpy(&family, nla_data(via), sizeof family);
    return wire::addr_of(family, static_cast<const char*>(nla_data(via)) + sizeof family,
                         static_cast<std::size_t>(nla_len(via)) - sizeof family);
  }
  if (nlattr* gw = at[RTA_GATEWAY])
    return wire::addr_of(at.header().rtm_family, nla_data(gw),
                         static_cast<std::size_t>(nla_len(gw)));
  return dst;
}

Result<NextHop> next_hop_of(const nlmsghdr& h, const Addr& dst) {
  const wire::Attributes<rtmsg, RTA_MAX> at(h);
  if (!at.valid()) return fail(Code::internal, "route to {}: unreadable answer", dst.text());
  switch (at.header().rtm_type) {
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_THROW:
      return fail(Code::unavailable, "route to {}: a route rejects it", dst.text());
    default:
      break;
  }
  NextHop hop;
  hop.ifindex = at.u32(RTA_OIF);
  hop.local = at.header().rtm_type == RTN_LOCAL;
  hop.mtu = mtu_of(at[RTA_METRICS]);
  auto gw = gateway_of(at, dst);
  if (!gw) return tl::unexpected(gw.error());
  hop.gateway = *gw;
  hop.on_link = *gw == dst;
  if (nlattr* src = at[RTA_PREFSRC])
    if (auto a = wire::addr_of(at.header().rtm_family, nla_data(src),
                               static_cast<std::size_t>(nla_len(src))))
      hop.source = *a;
  return hop;
}

}  // namespace

Result<> Netlink::replace_route(const Route& r) {
  MZ_CHECK(check_route(r));
  rtmsg h = route_header(r);
  h.rtm_protocol = RTPROT_STATIC;
  if (r.onlink) h.rtm_flags = RTNH_F_ONLINK;
  Message m(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, h);
  put_path(m, r);
  if (r.source) m.put_addr(RTA_PREFSRC, *r.source);
  if (r.metric != 0) m.put_u32(RTA_PRIORITY, r.metric);
  if (r.mtu != 0) m.nest(RTA_METRICS, [&] { m.put_u32(RTAX_MTU, r.mtu); });
  return wire::exchange(sock_.get(), m, fmt::format("set route {}", r.dst.text()));
}

Result<> Netlink::delete_route(const Route& r) {
  MZ_CHECK(check_route(r));
  rtmsg h = route_header(r);
  h.rtm_scope = RT_SCOPE_NOWHERE;  // any
  Message m(RTM_DELROUTE, NLM_F_ACK, h);
  put_path(m, r);
  if (r.metric != 0) m.put_u32(RTA_PRIORITY, r.metric);
  return wire::exchange(sock_.get(), m, fmt::format("delete route {}", r.dst.text()));
}

namespace {

rtmsg pool_header(const Prefix& block) {
  rtmsg h{};
  h.rtm_family = wire::family_of(block.ip);
  h.rtm_dst_len = static_cast<unsigned char>(block.len);
  h.rtm_table = RT_TABLE_MAIN;
  h.rtm_type = RTN_UNREACHABLE;
  h.rtm_protocol = Netlink::kPoolProtocol;
  return h;
}

}  // namespace

Result<std::set<Prefix>> Netlink::pool_routes() {
  std::set<Prefix> found;
  for (const int family : {AF_INET, AF_INET6}) {
    rtmsg h{};
    h.rtm_family = static_cast<unsigned char>(family);
    Message m(RTM_GETROUTE, NLM_F_DUMP, h);
    auto rc = wire::exchange(sock_.get(), m, "list routes", [&](const nlmsghdr& answer) {
      const wire::Attributes<rtmsg, RTA_MAX> at(answer);
      if (!at.valid() || at.header().rtm_protocol != kPoolProtocol || at.header().rtm_type != RTN_UNREACHABLE ||
          at.header().rtm_table != RT_TABLE_MAIN || !at[RTA_DST])
        return;
      if (auto ip = wire::addr_of(family, nla_data(at[RTA_DST]), static_cast<std::size_t>(nla_len(at[RTA_DST]))))
        found.insert({*ip, at.header().rtm_dst_len});
    });
    if (!rc) return tl::unexpected(rc.error());
  }
  return found;
}

Result<> Netlink::add_pool_route(const Prefix& block) {
  Message m(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, pool_header(block));
  m.put_addr(RTA_DST, block.ip);
  m.put_u32(RTA_PRIORITY, 4096);  // whoever routes the block otherwise comes first
  return wire::exchange(sock_.get(), m, fmt::format("set route of pool {}", block.text()));
}

Result<> Netlink::delete_pool_route(const Prefix& block) {
  Message m(RTM_DELROUTE, NLM_F_ACK, pool_header(block));
  m.put_addr(RTA_DST, block.ip);
  auto rc = wire::exchange(sock_.get(), m, fmt::format("delete route of pool {}", block.text()));
  return rc || rc.error().code == Code::not_found ? Result<>() : rc;
}

Result<NextHop> Netlink::route_to(const Addr& dst) {
  rtmsg h{};
  h.rtm_family = wire::family_of(dst);
  h.rtm_dst_len = dst.is_v4() ? 32 : 128;
  Message m(RTM_GETROUTE, 0, h);
  m.put_addr(RTA_DST, dst);
  const auto what = fmt::format("route to {}", dst.text());
  Result<NextHop> hop = fail(Code::internal, "{}: no answer", what);
  auto rc = wire::exchange(sock_.get(), m, what,
                           [&](const nlmsghdr& answer) { hop = next_hop_of(answer, dst); });
  if (rc) return hop;
  Error e = rc.error();
  // A rejecting route shows as the error its packets would get.
  if (e.sys == EACCES || e.sys == EINVAL) e.code = Code::unavailable;
  return tl::unexpected(std::move(e));
}

}  // namespace mizar::net
