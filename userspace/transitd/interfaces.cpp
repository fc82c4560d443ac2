// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/interfaces.h"

#include "userspace/net/netns.h"
#include "userspace/net/tap.h"

namespace mizar {

namespace {

// Where our own choice of ifindex starts, far from what the kernel hands out.
constexpr unsigned kChosenIndex = 1u << 20;

std::uint32_t fnv1a(std::string_view s) {
  std::uint32_t h = 2166136261u;
  for (const char c : s) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
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
    auto inside = net::Netlink::open_in(*ns);
    const auto inner = inside ? inside->link(where.interface) : Result<net::Link>(tl::unexpected(inside.error()));
    if (inner && inner->index == old->peer_index && inner->mac == e.mac)
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
  up.mtu = port.mtu;
  MZ_CHECK(netlink_.set_link(port.ifindex, up));
  const auto* where = std::get_if<NetnsSpec>(&e.attach);
  if (!where) return {};

  auto ns = net::NetnsRef::open(where->name);
  if (!ns) return tl::unexpected(ns.error());
  auto inside = net::Netlink::open_in(*ns);
  if (!inside) return tl::unexpected(inside.error());
  const auto inner = inside->link(where->interface);
  if (!inner) return tl::unexpected(inner.error());
  MZ_CHECK(inside->set_link(inner->index, up));
  MZ_CHECK(inside->add_address(inner->index, Prefix{e.address, network.cidr.len}));
  // Every address is behind the one gateway MAC; a network too small for a
  // gateway's address has it on link.
  net::Route all;
  all.dst = Prefix{Addr::v4(0), 0};
  all.ifindex = inner->index;
  if (network.cidr.len < 31) all.via = gateway_of(network.cidr);
  all.onlink = true;
  return inside->replace_route(all);
}

Result<> Interfaces::remove(const EndpointSpec& e) {
  const auto link = netlink_.link(host_name(e));
  if (!link) return {};
  if (auto rc = netlink_.delete_link(link->index); !rc && rc.error().code != Code::not_found)
    return rc;
  return {};
}

}  // namespace mizar
