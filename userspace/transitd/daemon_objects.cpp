// SPDX-License-Identifier: Apache-2.0
// Single objects: deleting one, adding an endpoint without a goal-state file.
#include <unistd.h>

#include <algorithm>
#include <array>

#include "userspace/base/log.h"
#include "userspace/base/names.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

namespace {

// Takes the first that matches out of a repeated field.
template <class List, class Match>
bool take(List* list, Match match) {
  const auto at = std::find_if(list->begin(), list->end(), match);
  if (at == list->end()) return false;
  list->erase(at);
  return true;
}

template <class List, class Match>
const typename List::value_type* find(const List& list, Match match) {
  const auto at = std::find_if(list.begin(), list.end(), match);
  return at == list.end() ? nullptr : &*at;
}

std::string policy_key(const v1::Policy& p) {
  return object_key(p.vpc(), policy::full_name(p));
}

Failure still_used(const v1::DeleteRequest& r, std::string_view by) {
  return fail(Code::failed_precondition, "{}: still used by {}; delete that first", r.name(), by);
}

// What refers to the object, if anything.
Result<> check_unused(const v1::DeleteRequest& r, const v1::GoalState& all) {
  for (const auto& e : all.endpoints()) {
    const std::string who = "endpoint " + object_key(e.vpc(), e.name());
    if ((r.kind() == v1::KIND_NETWORK && object_key(e.vpc(), e.network()) == r.name()) ||
        (r.kind() == v1::KIND_VPC && e.vpc() == r.name()) ||
        (r.kind() == v1::KIND_HOST && e.host() == r.name()))
      return still_used(r, who);
  }
  for (const auto& n : all.networks())
    if (r.kind() == v1::KIND_VPC && n.vpc() == r.name())
      return still_used(r, "network " + object_key(n.vpc(), n.name()));
  for (const auto& s : all.services())
    if (r.kind() == v1::KIND_VPC && s.vpc() == r.name())
      return still_used(r, "service " + object_key(s.vpc(), s.name()));
  for (const auto& g : all.gateways())
    if (r.kind() == v1::KIND_VPC && g.vpc() == r.name())
      return still_used(r, "gateway " + object_key(g.vpc(), g.name()));
  for (const auto& p : all.policies())
    if (r.kind() == v1::KIND_VPC && p.vpc() == r.name()) return still_used(r, "policy " + policy_key(p));
  for (const auto& n : all.namespaces())
    if (r.kind() == v1::KIND_VPC && n.vpc() == r.name())
      return still_used(r, "namespace " + object_key(n.vpc(), n.name()));
  for (const auto& p : all.peerings())
    if (r.kind() == v1::KIND_VPC && (p.vpc() == r.name() || p.peer() == r.name()))
      return still_used(r, "peering " + object_key(p.vpc(), p.name()));
  if (r.kind() == v1::KIND_HOST && all.host() == r.name()) return still_used(r, "this very host");
  return {};
}

template <class Match>
void drop_names(v1::GoalState& s, Match match) {
  auto* names = s.mutable_names();
  names->erase(std::remove_if(names->begin(), names->end(), match), names->end());
}

bool take_object(v1::GoalState& s, const v1::DeleteRequest& r) {
  switch (r.kind()) {
    case v1::KIND_HOST:
      return take(s.mutable_hosts(), [&](const auto& h) { return h.name() == r.name(); });
    case v1::KIND_VPC:
      drop_names(s, [&](const auto& n) { return n.vpc() == r.name(); });
      return take(s.mutable_vpcs(), [&](const auto& v) { return v.name() == r.name(); });
    case v1::KIND_NETWORK:
      return take(s.mutable_networks(),
                  [&](const auto& n) { return object_key(n.vpc(), n.name()) == r.name(); });
    case v1::KIND_ENDPOINT:
      drop_names(s, [&](const auto& n) { return object_key(n.vpc(), n.name()) == r.name(); });
      return take(s.mutable_endpoints(),
                  [&](const auto& e) { return object_key(e.vpc(), e.name()) == r.name(); });
    case v1::KIND_SERVICE:
      return take(s.mutable_services(),
                  [&](const auto& x) { return object_key(x.vpc(), x.name()) == r.name(); });
    case v1::KIND_GATEWAY:
      return take(s.mutable_gateways(),
                  [&](const auto& x) { return object_key(x.vpc(), x.name()) == r.name(); });
    case v1::KIND_PEERING:
      return take(s.mutable_peerings(),
                  [&](const auto& x) { return object_key(x.vpc(), x.name()) == r.name(); });
    case v1::KIND_POLICY:
      return take(s.mutable_policies(), [&](const auto& x) { return policy_key(x) == r.name(); });
    case v1::KIND_NAMESPACE:
      return take(s.mutable_namespaces(),
                  [&](const auto& x) { return object_key(x.vpc(), x.name()) == r.name(); });
    default:
      return false;
  }
}

}  // namespace

Result<> Daemon::remove(const v1::DeleteRequest& r) {
  if (r.kind() == v1::KIND_UNSPECIFIED || !v1::Kind_IsValid(r.kind()))
    return fail(Code::invalid_argument, "delete: kind: must be host, vpc, network, endpoint, service, gateway, peering, policy or namespace");
  v1::GoalState applied = applied_.all(), added = added_.all();
  if (!take_object(applied, r) && !take_object(added, r))
    return fail(Code::not_found, "{}: there is none", r.name());
  MZ_CHECK(check_unused(r, state()));
  v1::StoredLabels newer = newer_;
  const KeptState plan(std::move(applied)), beside(std::move(added));
  auto goal = merged(plan, beside, newer);
  if (!goal) return fail(Code::failed_precondition, "{}", goal.error().what);
  auto counts = adopt(std::move(*goal), plan, beside, newer);
  if (!counts) return tl::unexpected(counts.error());
  return {};
}

// A host nobody has planned for yet: itself, with id 1.
Result<> Daemon::make_standalone(v1::GoalState& added) const {
  if (options_.uplink.empty())
    return fail(Code::failed_precondition,
                "no goal state and no uplink: start transitd with --uplink, or apply a goal state");
  auto address = address_of_interface(options_.uplink);
  if (!address) return tl::unexpected(address.error());
  std::array<char, 64> name{};
  gethostname(name.data(), name.size() - 1);
  std::string host(name.data());
  std::transform(host.begin(), host.end(), host.begin(), [](unsigned char c) { return std::tolower(c); });
  std::replace_if(host.begin(), host.end(),
                  [](unsigned char c) { return !std::isalnum(c) && c != '.' && c != '-'; }, '-');
  added.set_host(host.empty() ? "host" : host);
  auto* h = added.add_hosts();
  h->set_name(added.host());
  h->set_id(1);
  address->is_v4() ? h->set_address(address->text()) : h->set_address6(address->text());
  return {};
}

// The VPC and network the request names, made for this host if it brings what
// they need.
Result<> Daemon::ensure_network(const v1::AddEndpointRequest& r, v1::GoalState& added,
                                v1::Endpoint& e) const {
  v1::GoalState all = applied_.rest();
  all.MergeFrom(added_.rest());
  const auto* vpc = find(all.vpcs(), [&](const auto& v) { return v.name() == r.vpc(); });
  if (!vpc && r.vni() == 0)
    return fail(Code::not_found,
                "vpc {}: not known here; give --vni, and --cidr or --cidr6, to make it for this host", r.vpc());
  if (vpc && r.vni() != 0 && vpc->vni() != r.vni())
    return fail(Code::invalid_argument, "vpc {}: vni: is {}, not {}", r.vpc(), vpc->vni(), r.vni());
  if (!vpc) {
    if (r.cidr().empty() && r.cidr6().empty())
      return fail(Code::invalid_argument, "vpc {}: cidr: needed to make it, or cidr6", r.vpc());
    auto* v = added.add_vpcs();
    v->set_name(r.vpc());
    v->set_vni(r.vni());
    v->set_cidr(r.cidr());
    v->set_cidr6(r.cidr6());
    v->set_domain(r.domain());
  }
  Addrs wanted;
  if (!r.address().empty() || !r.address6().empty()) {
    auto a = parse_addresses(r.address(), r.address6());
    if (!a) return wrap(a.error(), fmt::format("endpoint {}", e.name()));
    wanted = *a;
  }
  // Where the network is not named, one that has the addresses given.
  const auto holds = [&](const v1::Network& n) {
    const auto cidr = parse_blocks(n.cidr(), n.cidr6());
    const auto in = [&](const auto& ip, const auto& block) { return !ip || (block && block->contains(*ip)); };
    return cidr && in(wanted.v4, cidr->v4) && in(wanted.v6, cidr->v6);
  };
  const v1::Network* only = nullptr;
  size_t candidates = 0;
  for (const auto& n : all.networks()) {
    if (n.vpc() != r.vpc() || (!r.network().empty() && n.name() != r.network())) continue;
    if (r.network().empty() && !holds(n)) continue;
    only = &n;
    candidates++;
  }
  if (candidates == 1) {
    e.set_network(only->name());
    return {};
  }
  if (candidates > 1)
    return fail(Code::invalid_argument, "endpoint {}: network: {} of vpc {} fit; name one", e.name(),
                candidates, r.vpc());
  if (r.cidr().empty() && r.cidr6().empty())
    return fail(Code::not_found, "network {}: not known here; give --cidr or --cidr6 to make it for this host",
                object_key(r.vpc(), r.network().empty() ? "?" : r.network()));
  auto* n = added.add_networks();
  n->set_name(r.network().empty() ? "default" : r.network());
  n->set_vpc(r.vpc());
  n->set_cidr(r.cidr());
  n->set_cidr6(r.cidr6());
  *n->mutable_dns() = r.dns();
  e.set_network(n->name());
  return {};
}

// What was not given, in each family the network has: the lowest address nobody
// has. The first is the gateway's.
Result<> Daemon::choose_addresses(const v1::GoalState& all, v1::Endpoint& e) const {
  const auto* n = find(all.networks(), [&](const auto& x) { return x.vpc() == e.vpc() && x.name() == e.network(); });
  const std::string network = "network " + object_key(e.vpc(), e.network());
  const auto cidr = parse_blocks(n->cidr(), n->cidr6());
  if (!cidr) return wrap(cidr.error(), network);
  std::set<Addr> taken;
  for (const auto& other : all.endpoints())
    if (other.vpc() == e.vpc())
      if (const auto a = parse_addresses(other.address(), other.address6()))
        for (const Addr& ip : a->all()) taken.insert(ip);
  for (const auto& s : all.services())
    if (s.vpc() == e.vpc())
      if (const auto a = parse_addresses(s.address(), s.address6()))
        for (const Addr& ip : a->all()) taken.insert(ip);
  const auto lowest = [&](const Prefix& block) -> Result<std::string> {
    for (std::uint64_t i = 2; i <= taken.size() + 2; i++) {
      const Addr a = address_at(block, i);
      if (!check_inside(a, *cidr)) break;
      if (!taken.contains(a)) return a.text();
    }
    return fail(Code::resource_exhausted, "{}: no free address in {}", network, block.text());
  };
  if (cidr->v4 && e.address().empty()) {
    auto a = lowest(*cidr->v4);
    if (!a) return tl::unexpected(a.error());
    e.set_address(*a);
  }
  if (cidr->v6 && e.address6().empty()) {
    auto a = lowest(*cidr->v6);
    if (!a) return tl::unexpected(a.error());
    e.set_address6(*a);
  }
  return {};
}

Result<v1::EndpointStatus> Daemon::add_endpoint(const v1::AddEndpointRequest& r) {
  if (r.netns().empty()) return fail(Code::invalid_argument, "endpoint: netns: must be given");
  v1::Endpoint e;
  e.set_name(r.name().empty() ? r.netns().substr(r.netns().rfind('/') + 1) : r.name());
  if (r.vpc().empty()) return fail(Code::invalid_argument, "endpoint {}: vpc: must be given", e.name());
  e.set_vpc(r.vpc());
  e.set_address(r.address());
  e.set_address6(r.address6());
  e.set_mac(r.mac());
  e.set_namespace_(r.namespace_());
  *e.mutable_labels() = r.labels();
  *e.mutable_ports() = r.ports();
  *e.mutable_security_groups() = r.security_groups();
  e.set_max_flows(r.max_flows());
  e.set_user_data(r.user_data());
  *e.mutable_annotations() = r.annotations();
  e.set_delivery(r.delivery());
  e.mutable_netns()->set_name(r.netns());
  e.mutable_netns()->set_interface(r.interface());
  if (auto ns = net::NetnsRef::open(r.netns()); !ns)
    return wrap(ns.error(), fmt::format("endpoint {}", e.name()));
  const std::string key = object_key(e.vpc(), e.name());
  if (goal_.endpoints.contains(key))
    return fail(Code::already_exists, "endpoint {}: exists; delete it first, or choose another name", key);

  v1::GoalState added = added_.all();
  if (goal_.self.name.empty()) MZ_CHECK(make_standalone(added));
  e.set_host(goal_.self.name.empty() ? added.host() : goal_.self.name);
  MZ_CHECK(ensure_network(r, added, e));
  v1::GoalState all = applied_.all();
  all.MergeFrom(added);
  MZ_CHECK(choose_addresses(all, e));
  *added.add_endpoints() = e;
  v1::StoredLabels newer = newer_;
  const KeptState with(std::move(added)), without = added_;
  auto goal = merged(applied_, with, newer);
  if (!goal) return tl::unexpected(goal.error());
  auto counts = adopt(std::move(*goal), applied_, with, newer);
  if (!counts) return tl::unexpected(counts.error());
  if (const auto p = problems_.find(key); p != problems_.end()) {
    // Asked for by somebody who waits: all or nothing, and the reason.
    const std::string why = p->second;
    auto back = merged(applied_, without, newer);
    if (back)
      if (auto rc = adopt(std::move(*back), applied_, without, newer); !rc) log::error("{}", rc.error().what);
    return fail(Code::internal, "endpoint {}: {}", key, why);
  }
  return endpoint_status(key);
}

}  // namespace mizar
