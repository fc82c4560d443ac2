// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/interfaces.h"

#include <arpa/inet.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "bpf/abi/local.h"
#include "bpf/abi/wire.h"
#include "userspace/net/netns.h"
#include "userspace/net/offload.h"
#include "userspace/net/queueing.h"
#include "userspace/net/tap.h"

namespace mizar {

namespace {

// Where our own choice of ifindex starts, far from what the kernel hands out.
constexpr unsigned kChosenIndex = 1u << 20;

// MTU of a veth's host end: the most there is, or the kernel drops what is too
// large before the data plane can tell the endpoint.
constexpr unsigned kHostEndMtu = 65535;

std::uint32_t fnv1a(std::string_view s) {
  std::uint32_t h = 2166136261u;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

// IPv6 is off for a link with less (RFC 8200 section 5).
constexpr unsigned kLeastMtu6 = 1280;

// Every address is behind the one gateway MAC; a network too small for a
// gateway's address has it on link.
Result<> configure4(net::Netlink& inside, unsigned ifindex, const Addr& ip, const Prefix& cidr) {
  MZ_CHECK(inside.add_address(ifindex, Prefix{ip, cidr.len}));
  net::Route all;
  all.dst = Prefix{Addr::v4(0), 0};
  all.ifindex = ifindex;
  if (has_gateway(cidr)) all.via = gateway_of(cidr);
  all.onlink = true;
  return inside.replace_route(all);
}

// The gateway is there by its link-local address, as routers are (RFC 4861).
Result<> configure6(net::Netlink& inside, unsigned ifindex, const Addr& ip, const Prefix& cidr) {
  auto rc = inside.add_address(ifindex, Prefix{ip, cidr.len});
  if (!rc && (rc.error().sys == EACCES || rc.error().sys == EOPNOTSUPP))
    return fail(Code::failed_precondition,
                "{}: IPv6 is off in the namespace: sysctl net.ipv6.conf.all.disable_ipv6=0, or take "
                "address6 away",
                ip.text());
  MZ_CHECK(std::move(rc));
  net::Route all;
  all.dst = Prefix{Addr(), 0};
  all.ifindex = ifindex;
  all.via = gateway_link_local();
  MZ_CHECK(inside.replace_route(all));
  // A worker of the kernel puts the address into effect; nothing may be
  // delivered before. It takes some 100 us, and is no error if it takes longer.
  for (int i = 0; i < 50; i++) {
    if (const auto way = inside.route_to(ip); way && way->local) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

// An endpoint's own end of its veth.
struct InnerEnd {
  net::Netlink inside;
  net::Link link;
};

Result<InnerEnd> inner_end(const NetnsSpec& where) {
  auto ns = net::NetnsRef::open(where.name);
  if (!ns) return tl::unexpected(ns.error());
  auto inside = net::Netlink::open_in(*ns);
  if (!inside) return tl::unexpected(inside.error());
  auto link = inside->link(where.interface);
  if (!link) return tl::unexpected(link.error());
  return InnerEnd{std::move(*inside), std::move(*link)};
}

}  // namespace

std::string Interfaces::host_name(const EndpointSpec& e) {
  if (const auto* tap = std::get_if<TapSpec>(&e.attach)) return tap->interface;
  return fmt::format("mz{:08x}", fnv1a(object_key(e.vpc, e.name)));
}

Result<LocalPort> Interfaces::make(const EndpointSpec& e, unsigned mtu) {
  if (const auto* ns = std::get_if<NetnsSpec>(&e.attach)) return make_veth(e, *ns, mtu);
  if (const auto* tap = std::get_if<TapSpec>(&e.attach)) return make_tap(*tap, mtu);
  return fail(Code::not_found, "endpoint {}: no interface yet (netns or tap)",
              object_key(e.vpc, e.name));
}

Result<LocalPort> Interfaces::make_veth(const EndpointSpec& e, const NetnsSpec& where,
                                        unsigned mtu) {
  auto ns = net::NetnsRef::open(where.name);
  if (!ns) return tl::unexpected(ns.error());
  const std::string host = host_name(e);
  if (const auto old = netlink_.link(host)) {
    const auto inner = inner_end(where);
    if (inner && inner->link.index == old->peer_index && inner->link.mac == e.mac)
      return LocalPort{old->index, true, mtu};
    MZ_CHECK(netlink_.delete_link(old->index));  // of an earlier namespace of that name
  }
  net::VethSpec spec;
  spec.host_name = host;
  spec.ns = &*ns;
  spec.inner_name = where.interface;
  spec.inner_mac = e.mac;
  spec.mtu = mtu;
  auto index = netlink_.add_veth(spec);
  // Two interfaces cannot share a slot of the port table: choose the index.
  for (unsigned i = kChosenIndex; index && taken_(*index); i++) {
    MZ_CHECK(netlink_.delete_link(*index));
    while (taken_(i)) i++;
    spec.host_index = i;
    index = netlink_.add_veth(spec);
  }
  if (!index) return tl::unexpected(index.error());
  return LocalPort{*index, true, mtu};
}

Result<LocalPort> Interfaces::make_tap(const TapSpec& tap, unsigned mtu) {
  auto made = net::ensure_tap(tap.interface);
  if (!made) return tl::unexpected(made.error());
  if (taken_(made->ifindex))
    return fail(Code::resource_exhausted,
                "tap {}: its ifindex {} shares a slot with another endpoint's; make it again",
                tap.interface, made->ifindex);
  return LocalPort{made->ifindex, false, mtu};
}

Result<> Interfaces::bring_up(const EndpointSpec& e, const NetworkSpec& network,
                              const LocalPort& port) {
  net::LinkChange up;
  up.up = true;
  up.mtu = port.peer ? kHostEndMtu : port.mtu;
  MZ_CHECK(netlink_.set_link(port.ifindex, up));
  const auto* where = std::get_if<NetnsSpec>(&e.attach);
  if (!where) return {};
  auto inner = inner_end(*where);
  if (!inner) return tl::unexpected(inner.error());
  up.mtu = port.mtu;
  auto& [inside, link] = *inner;
  MZ_CHECK(inside.set_link(link.index, up));
  if (e.address.v4) MZ_CHECK(configure4(inside, link.index, *e.address.v4, *network.cidr.v4));
  if (e.address.v6) {
    if (port.mtu < kLeastMtu6)
      return fail(Code::failed_precondition, "MTU {} is too small for IPv6, which needs {}: raise the uplink's",
                  port.mtu, kLeastMtu6);
    MZ_CHECK(configure6(inside, link.index, *e.address.v6, *network.cidr.v6));
  }
  return {};
}

Result<> Interfaces::set_superpackets(const EndpointSpec& e, const LocalPort& port, unsigned made, unsigned given) {
  const auto* where = std::get_if<NetnsSpec>(&e.attach);
  if (!where) return {};
  auto inner = inner_end(*where);
  if (!inner) return tl::unexpected(inner.error());
  // What waits for its time goes through the host's end; what comes straight does not.
  MZ_CHECK(net::set_gso_max(netlink_, port.ifindex, given));
  return net::set_gso_max(inner->inside, inner->link.index, made);
}

namespace {

Result<net::Ethtool> ethtool_inside(const NetnsSpec& where) {
  const auto ns = net::NetnsRef::open(where.name);
  if (!ns) return tl::unexpected(ns.error());
  return net::Ethtool::open_in(*ns);
}

}  // namespace

Result<> Interfaces::set_udp_superpackets(const EndpointSpec& e, bool on) {
  const auto* where = std::get_if<NetnsSpec>(&e.attach);
  if (!where) return {};
  const auto inside = ethtool_inside(*where);
  if (!inside) return tl::unexpected(inside.error());
  return inside->set_feature(where->interface, "tx-udp-segmentation", on);
}

// A veth polls where its end has a program or GRO (Linux 5.13).
Result<> Interfaces::set_polling(const EndpointSpec& e, bool on) {
  const auto* where = std::get_if<NetnsSpec>(&e.attach);
  if (!where) return {};
  const auto inside = ethtool_inside(*where);
  if (!inside) return tl::unexpected(inside.error());
  return inside->set(where->interface, net::Offload::gro, on);
}

constexpr const char* kServicesInside = "eth0";

// Both ends of a veth to sockets: the program's end, and theirs, where nobody is asked for a
// neighbour.
Result<> local_up(net::Netlink& host, unsigned far, net::Netlink& inside, unsigned near, net::LinkChange change) {
  net::LinkChange up;
  up.up = true;
  up.mtu = kHostEndMtu;
  MZ_CHECK(host.set_link(far, up));
  change.up = true;
  change.arp = false;
  return inside.set_link(near, change);
}

// Addresses of bpf/abi/local.h, of IPv6 their last words; and on link all clients'.
Result<> configure_local(net::Netlink& inside, unsigned ifindex, std::initializer_list<std::uint32_t> v4,
                         std::initializer_list<std::uint32_t> v6) {
  const auto six = [](std::uint32_t high, std::uint32_t low) {
    return Addr(mz_addr{{htonl(high), 0, 0, htonl(low)}});
  };
  for (const std::uint32_t ip : v4) MZ_CHECK(inside.add_address(ifindex, {Addr::v4(ip), 32}));
  for (const std::uint32_t low : v6) MZ_CHECK(inside.add_address(ifindex, {six(MZ_SERVICES6_HIGH, low), 128}));
  for (const Prefix& p : {Prefix{Addr::v4(MZ_CLIENT4), 16}, Prefix{six(MZ_CLIENT6_HIGH, 0), 112}}) {
    net::Route r;
    r.dst = p;
    r.ifindex = ifindex;
    MZ_CHECK(inside.replace_route(r));
  }
  return {};
}

Result<unsigned> Interfaces::make_services(const std::string& netns, unsigned mtu) {
  auto ns = net::NetnsRef::open(netns);
  if (!ns) return wrap(ns.error(), "services");
  auto inside = net::Netlink::open_in(*ns);
  if (!inside) return tl::unexpected(inside.error());
  auto host = netlink_.link(kServices);
  auto inner = inside->link(kServicesInside);
  if (host && (!inner || inner->index != host->peer_index)) {  // of an earlier namespace
    MZ_CHECK(netlink_.delete_link(host->index));
    host = fail(Code::not_found, "gone");
  }
  if (!host) {
    net::VethSpec spec;
    spec.host_name = kServices;
    spec.ns = &*ns;
    spec.inner_name = kServicesInside;
    MZ_CHECK(netlink_.add_veth(spec));
    host = netlink_.link(kServices);
    if (!host) return tl::unexpected(host.error());
    inner = inside->link(kServicesInside);
  }
  if (!inner) return tl::unexpected(inner.error());
  MZ_CHECK(local_up(netlink_, host->index, *inside, inner->index, {.mtu = mtu}));
  MZ_CHECK(configure_local(*inside, inner->index, {MZ_DHCP4_SERVER, MZ_DNS_SERVER4, MZ_METADATA4, MZ_PROBER4},
                           {MZ_DHCP6_SERVER_LOW, 0x53u, 0xa9fea9feu, MZ_PROBER4}));
  return host->index;
}

Result<unsigned> Interfaces::make_host(unsigned mtu) {
  auto far = netlink_.link(kHostFar);
  if (!far) {
    net::VethSpec spec;
    spec.host_name = kHostFar;
    spec.inner_name = kHost;
    MZ_CHECK(netlink_.add_veth(spec));
    far = netlink_.link(kHostFar);
    if (!far) return tl::unexpected(far.error());
  }
  const auto near = netlink_.link(kHost);
  if (!near) return tl::unexpected(near.error());
  // What comes in is addressed to the gateway's MAC address.
  MZ_CHECK(local_up(netlink_, far->index, netlink_, near->index, {.mtu = mtu, .mac = MacBytes MZ_GATEWAY_MAC}));
  MZ_CHECK(configure_local(netlink_, near->index, {MZ_HOST4}, {MZ_HOST4}));
  return far->index;
}

Result<> Interfaces::remove(const EndpointSpec& e) {
  const auto link = netlink_.link(host_name(e));
  if (!link) return {};
  if (auto rc = netlink_.delete_link(link->index); !rc && rc.error().code != Code::not_found)
    return rc;
  return {};
}

}  // namespace mizar
