// SPDX-License-Identifier: Apache-2.0
#include "control/model/validate.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "control/model/outside.h"
#include "userspace/base/names.h"
#include "userspace/base/unique.h"

namespace centaurus {

namespace {

using mizar::at_field;
using mizar::Code;
using mizar::DisjointBlocks;
using mizar::each_family;
using mizar::Failure;
using mizar::Result;
using mizar::Unique;

template <class... A>
Failure bad(std::string_view object, const char* field, fmt::format_string<A...> f, A&&... a) {
  return mizar::fail(Code::invalid_argument, "{}: {}: {}", object, field,
                     fmt::format(f, std::forward<A>(a)...));
}

std::string key(const std::string& vpc, const std::string& name) { return vpc + "/" + name; }

// What errors call an element: its place in the list until its name is sound.
Result<std::string> named(const char* kind, const char* list, size_t index,
                          const std::string& name, const std::string& shown) {
  MZ_CHECK(at_field(mizar::check_name(name), fmt::format("{}[{}]", list, index), "name"));
  return fmt::format("{} {}", kind, shown);
}

// One pass over the region in the order of references.
class Validator {
 public:
  explicit Validator(const Region& region) : region_(region) {}

  Result<> run() {
    for (size_t i = 0; i < region_.hosts.size(); i++) MZ_CHECK(host(region_.hosts[i], i));
    MZ_CHECK(pools());
    for (size_t i = 0; i < region_.vpcs.size(); i++) MZ_CHECK(vpc(region_.vpcs[i], i));
    for (size_t i = 0; i < region_.networks.size(); i++) MZ_CHECK(network(region_.networks[i], i));
    for (size_t i = 0; i < region_.endpoints.size(); i++)
      MZ_CHECK(endpoint(region_.endpoints[i], i));
    for (const Network& n : region_.networks) MZ_CHECK(groups(n));
    for (size_t i = 0; i < region_.services.size(); i++) MZ_CHECK(service(region_.services[i], i));
    for (size_t i = 0; i < region_.gateways.size(); i++) MZ_CHECK(gateway(region_.gateways[i], i));
    for (size_t i = 0; i < region_.peerings.size(); i++) MZ_CHECK(peering(region_.peerings[i], i));
    for (const auto& [vpc, p] : region_.policy) MZ_CHECK(policy(vpc, p));
    for (const Endpoint& e : region_.endpoints) MZ_CHECK(membership(e));
    return {};
  }

 private:
  Result<> host(const Host& h, size_t index);
  Result<> pools() const;
  Result<> vpc(const Vpc& v, size_t index);
  Result<> network(const Network& n, size_t index);
  Result<> endpoint(const Endpoint& e, size_t index);
  Result<> attach(const Endpoint& e, const std::string& object);
  Result<> groups(const Network& n) const;
  Result<> service(const Service& s, size_t index);
  Result<> backends(const Service& s, const std::string& object) const;
  Result<> gateway(const Gateway& g, size_t index);
  Result<> gateway_hosts(const Gateway& g, const std::string& object) const;
  Result<> gateway_blocks(const Gateway& g, const mizar::Cidrs& vpc, const std::string& object);
  static Result<> of_pools(const Gateway& g, const mizar::Addr& address, const std::string& place);
  Result<> entry(const Gateway& g, const PortForward& f, const std::string& place) const;
  Result<> floating(const Gateway& g, const std::string& object) const;
  Result<> forwards(const Gateway& g, const std::string& object) const;
  Result<> outside(const Gateway& g, const mizar::Addr& address, const std::string& endpoint,
                   const std::string& place) const;

  Result<> peering(const Peering& p, size_t index);
  Result<> policy(const std::string& vpc, const VpcPolicy& p);
  Result<> membership(const Endpoint& e) const;
  Result<> part(const mizar::Prefix& part, const std::string& of, const std::string& seen_by, const std::string& place);

  const Region& region_;
  std::uint32_t bouncers_ = 0, dividers_ = 0;  // sizes of the pools
  std::map<std::string, const Vpc*> vpcs_;
  std::map<std::string, const Network*> networks_;
  Unique<std::string> endpoints_, services_, peerings_;
  std::map<std::string, std::string> gateways_;  // by VPC
  DisjointBlocks pools_;                         // of all of them
  std::map<std::string, const Endpoint*> endpoint_of_;
  Unique<std::uint32_t> host_ids_, vnis_;
  Unique<mizar::Addr> host_addresses_;
  std::map<std::string, DisjointBlocks> blocks_;   // by VPC
  std::map<std::string, Unique<mizar::Addr>> addresses_;  // by VPC
  Unique<std::string> interfaces_;                 // "host netns NAME", "host tap NAME"
  std::map<std::string, const Host*> host_names_;
  std::map<std::string, std::set<std::string>> security_groups_;  // by VPC
};

Result<> Validator::host(const Host& h, size_t index) {
  auto object = named("host", "hosts", index, h.name, h.name);
  if (!object) return Failure(object.error());
  if (!host_names_.emplace(h.name, &h).second)
    return bad(*object, "name", "another host has the same");
  MZ_CHECK(at_field(mizar::check_host_id(h.id), *object, "id"));
  MZ_CHECK(at_field(host_ids_.claim(h.id, *object, fmt::to_string(h.id)), *object, "id"));
  const auto take = [&](const mizar::Addr& a) -> Result<> {
    MZ_CHECK(mizar::check_unicast(a));
    return host_addresses_.claim(a, *object, a.text());
  };
  MZ_CHECK(each_family(h.address, *object, "address", take));
  bouncers_ += h.bouncer;
  dividers_ += h.divider;
  return {};
}

// Hosts that share no family talk through bouncers and dividers alone, so each
// of these has to reach every host.
Result<> Validator::pools() const {
  const auto all = [this](mizar::Family f) {
    return std::all_of(region_.hosts.begin(), region_.hosts.end(),
                       [f](const Host& h) { return h.address.of(f).has_value(); });
  };
  if (all(mizar::Family::v4) || all(mizar::Family::v6)) return {};
  for (const Host& h : region_.hosts) {
    if ((!h.bouncer && !h.divider) || (h.address.v4 && h.address.v6)) continue;
    return bad("host " + h.name, h.address.v4 ? "address6" : "address",
               "is missing: not all hosts share a family, so a {} needs both",
               h.bouncer ? "bouncer" : "divider");
  }
  return {};
}

Result<> Validator::vpc(const Vpc& v, size_t index) {
  auto object = named("vpc", "vpcs", index, v.name, v.name);
  if (!object) return Failure(object.error());
  if (!vpcs_.emplace(v.name, &v).second) return bad(*object, "name", "another vpc has the same");
  MZ_CHECK(at_field(mizar::check_vni(v.vni), *object, "vni"));
  MZ_CHECK(at_field(vnis_.claim(v.vni, *object, fmt::to_string(v.vni)), *object, "vni"));
  MZ_CHECK(at_field(mizar::check_domain(v.domain), *object, "domain"));
  if (v.dividers > dividers_)
    return bad(*object, "dividers", "{} are asked for, the pool has {}", v.dividers, dividers_);
  return {};
}

Result<> Validator::network(const Network& n, size_t index) {
  auto object = named("network", "networks", index, n.name, key(n.vpc, n.name));
  if (!object) return Failure(object.error());
  const auto vpc = vpcs_.find(n.vpc);
  if (vpc == vpcs_.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", n.vpc);
  if (!networks_.emplace(key(n.vpc, n.name), &n).second)
    return bad(*object, "name", "another network of the vpc has the same");
  const auto place = [&](const mizar::Prefix& p) -> Result<> {
    MZ_CHECK(mizar::check_inside(p, n.vpc, vpc->second->cidr));
    return blocks_[n.vpc].claim(p, *object);
  };
  MZ_CHECK(each_family(n.cidr, *object, "cidr", place));
  if (n.bouncers > bouncers_)
    return bad(*object, "bouncers", "{} are asked for, the pool has {}", n.bouncers, bouncers_);
  return {};
}

Result<> Validator::endpoint(const Endpoint& e, size_t index) {
  auto object = named("endpoint", "endpoints", index, e.name, key(e.vpc, e.name));
  if (!object) return Failure(object.error());
  if (!vpcs_.contains(e.vpc)) return bad(*object, "vpc", "'{}' does not stand in vpcs", e.vpc);
  const auto network = networks_.find(key(e.vpc, e.network));
  if (network == networks_.end())
    return bad(*object, "network", "'{}' is no network of vpc {}", e.network, e.vpc);
  if (!endpoints_.claim(key(e.vpc, e.name), *object, e.name))
    return bad(*object, "name", "another endpoint of the vpc has the same");
  endpoint_of_.emplace(key(e.vpc, e.name), &e);
  const auto place = [&](const mizar::Addr& a) -> Result<> {
    MZ_CHECK(mizar::check_unicast(a));
    MZ_CHECK(mizar::check_inside(a, network->second->cidr));
    return addresses_[e.vpc].claim(a, *object, a.text());
  };
  MZ_CHECK(each_family(e.address, *object, "address", place));
  if (!host_names_.contains(e.host))
    return bad(*object, "host", "'{}' does not stand in hosts", e.host);
  MZ_CHECK(at_field(mizar::check_user_data(e.user_data), *object, "user_data"));
  return attach(e, *object);
}

Result<> Validator::attach(const Endpoint& e, const std::string& object) {
  if (!e.netns.empty() && !e.tap.empty())
    return bad(object, "tap", "an endpoint has a netns or a tap, not both");
  if (!e.netns.empty()) {
    MZ_CHECK(at_field(mizar::check_netns(e.netns), object, "netns"));
    MZ_CHECK(at_field(mizar::check_interface(e.interface), object, "interface"));
    const std::string place = e.netns + "/" + e.interface;
    return at_field(interfaces_.claim(e.host + " netns " + place, object, place), object, "netns");
  }
  if (!e.interface.empty())
    return bad(object, "interface", "is that in a netns, and the endpoint has none");
  if (e.tap.empty()) return {};
  MZ_CHECK(at_field(mizar::check_interface(e.tap), object, "tap"));
  return at_field(interfaces_.claim(e.host + " tap " + e.tap, object, e.tap), object, "tap");
}

// Between hosts a bouncer makes the copies.
Result<> Validator::groups(const Network& n) const {
  if (bouncers_ > 0 || (!n.services.multicast && !n.services.broadcast)) return {};
  const Endpoint* first = nullptr;
  for (const Endpoint& e : region_.endpoints) {
    if (e.vpc != n.vpc || e.network != n.name) continue;
    if (!first) first = &e;
    if (e.host != first->host)
      return bad("network " + key(n.vpc, n.name), n.services.multicast ? "multicast" : "broadcast",
                 "endpoints {} and {} live on two hosts, and no host is a bouncer, which would make the copies; "
                 "give one the role", first->name, e.name);
  }
  return {};
}

// Behind the endpoints: its addresses are none of theirs.
Result<> Validator::service(const Service& s, size_t index) {
  auto object = named("service", "services", index, s.name, key(s.vpc, s.name));
  if (!object) return Failure(object.error());
  const auto vpc = vpcs_.find(s.vpc);
  if (vpc == vpcs_.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", s.vpc);
  if (!services_.claim(key(s.vpc, s.name), *object, s.name))
    return bad(*object, "name", "another service of the vpc has the same");
  if (endpoint_of_.contains(key(s.vpc, s.name)))
    return bad(*object, "name", "an endpoint of the vpc has the same, and both have a name in DNS; choose another");
  const auto place = [&](const mizar::Addr& a) -> Result<> {
    MZ_CHECK(mizar::check_in_vpc(a, s.vpc, vpc->second->cidr));
    for (const auto& [name, n] : networks_)
      if (n->vpc == s.vpc) MZ_CHECK(mizar::check_place(a, name, n->cidr));
    return addresses_[s.vpc].claim(a, *object, a.text());
  };
  MZ_CHECK(each_family(s.address, *object, "address", place));
  MZ_CHECK(backends(s, *object));
  return at_field(mizar::check_sticky(s.sticky_seconds), *object, "sticky_seconds");
}

// Each serves what it has addresses for; a family that nobody serves is a mistake.
Result<> Validator::backends(const Service& s, const std::string& object) const {
  MZ_CHECK(at_field(mizar::check_backends(s.backends.size()), object, "backends"));
  Unique<std::string> taken;
  mizar::PerFamily<bool> served;
  for (size_t i = 0; i < s.backends.size(); i++) {
    const std::string place = fmt::format("{}: backends[{}]", object, i);
    const auto e = endpoint_of_.find(key(s.vpc, s.backends[i].endpoint));
    if (e == endpoint_of_.end())
      return bad(place, "endpoint", "'{}' is no endpoint of vpc {}", s.backends[i].endpoint, s.vpc);
    MZ_CHECK(at_field(taken.claim(e->first, object, s.backends[i].endpoint), place, "endpoint"));
    MZ_CHECK(at_field(mizar::check_weight(s.backends[i].weight), place, "weight"));
    const mizar::Addrs& has = e->second->address;
    if (!(s.address.v4 && has.v4) && !(s.address.v6 && has.v6))
      return bad(place, "endpoint", "'{}' has no {} address, as the service has; give it one, or take it out",
                 s.backends[i].endpoint, s.address.v4 ? "IPv4" : "IPv6");
    if (has.v4) served.v4 = true;
    if (has.v6) served.v6 = true;
  }
  if (s.backends.empty()) return {};
  if (s.address.v4 && !served.v4)
    return bad(object, "address", "no backend has an IPv4 address; give one an address, or leave this out");
  if (s.address.v6 && !served.v6)
    return bad(object, "address6", "no backend has an IPv6 address; give one an address6, or leave this out");
  return {};
}

Result<> Validator::gateway(const Gateway& g, size_t index) {
  auto object = named("gateway", "gateways", index, g.name, key(g.vpc, g.name));
  if (!object) return Failure(object.error());
  const auto vpc = vpcs_.find(g.vpc);
  if (vpc == vpcs_.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", g.vpc);
  const auto [first, fresh] = gateways_.emplace(g.vpc, *object);
  if (!fresh) return bad(*object, "vpc", "{} has one already, {}; give that more hosts or pools", g.vpc, first->second);
  MZ_CHECK(gateway_hosts(g, *object));
  MZ_CHECK(gateway_blocks(g, vpc->second->cidr, *object));
  MZ_CHECK(floating(g, *object));
  return forwards(g, *object);
}

Result<> Validator::gateway_hosts(const Gateway& g, const std::string& object) const {
  if (g.hosts.empty()) return bad(object, "hosts", "there is none; name the hosts that have an outside interface");
  Unique<std::string> taken;
  for (size_t i = 0; i < g.hosts.size(); i++) {
    const std::string& name = g.hosts[i];
    if (std::none_of(region_.hosts.begin(), region_.hosts.end(), [&](const Host& h) { return h.name == name; }))
      return bad(object, "hosts", "'{}' does not stand in hosts", name);
    MZ_CHECK(at_field(taken.claim(name, object, name), object, "hosts"));
    for (const Endpoint& e : region_.endpoints)
      if (e.vpc == g.vpc && e.host == name)
        return bad(object, "hosts", "{} carries endpoint {}; a gateway takes packets of its VPC by tunnel only: "
                   "move the endpoint, or name another host", name, key(e.vpc, e.name));
  }
  return {};
}

Result<> Validator::gateway_blocks(const Gateway& g, const mizar::Cidrs& vpc, const std::string& object) {
  for (size_t i = 0; i < g.destinations.size(); i++)
    for (const mizar::Prefix& own : vpc.all())
      if (own.contains(g.destinations[i]))
        return bad(fmt::format("{}: destinations[{}]", object, i).c_str(), "block", "{} lies in the VPC's own {}",
                   g.destinations[i].text(), own.text());
  for (size_t i = 0; i < g.pools.size(); i++) {
    const std::string place = fmt::format("{}: pools[{}]", object, i);
    for (const mizar::Prefix& own : vpc.all())
      if (own.overlaps(g.pools[i])) return bad(place, "block", "{} overlaps the VPC's own {}", g.pools[i].text(), own.text());
    for (const Host& h : region_.hosts)
      for (const mizar::Addr& a : h.address.all())
        if (g.pools[i].contains(a)) return bad(place, "block", "{} holds host {}'s address {}", g.pools[i].text(), h.name, a.text());
    if (auto rc = pools_.claim(g.pools[i], place); !rc) return mizar::wrap(rc.error(), place);
  }
  return {};
}

Result<> Validator::of_pools(const Gateway& g, const mizar::Addr& address, const std::string& place) {
  if (std::any_of(g.pools.begin(), g.pools.end(), [&](const auto& p) { return p.contains(address); })) return {};
  return bad(place, "address", "{} is in none of the gateway's pools", address.text());
}

// A port that leads to a service.
Result<> Validator::entry(const Gateway& g, const PortForward& f, const std::string& place) const {
  MZ_CHECK(of_pools(g, f.address, place));
  if (!f.endpoint.empty()) return bad(place, "service", "an endpoint is named as well; name one of the two");
  const Service* s = service_of(region_, g.vpc, f.service);
  if (s == nullptr) return bad(place, "service", "'{}' is no service of vpc {}", f.service, g.vpc);
  if (!s->address.of(f.address.family()))
    return bad(place, "service", "'{}' has no address of the family of {}; give it one", f.service, f.address.text());
  if (port_of(*s, f.protocol, f.to_port) == nullptr)
    return bad(place, "service_port", "'{}' does not offer {} {}", f.service, mizar::service_protocol(f.protocol), f.to_port);
  return {};
}

// The address is the gateway's to give, and the endpoint can have it.
Result<> Validator::outside(const Gateway& g, const mizar::Addr& address, const std::string& endpoint,
                            const std::string& place) const {
  MZ_CHECK(of_pools(g, address, place));
  const auto e = endpoint_of_.find(key(g.vpc, endpoint));
  if (e == endpoint_of_.end()) return bad(place, "endpoint", "'{}' is no endpoint of vpc {}", endpoint, g.vpc);
  if (!e->second->address.of(address.family()))
    return bad(place, "endpoint", "'{}' has no address of the family of {}; give it one", endpoint, address.text());
  return {};
}

Result<> Validator::floating(const Gateway& g, const std::string& object) const {
  Unique<mizar::Addr> taken;
  Unique<std::pair<std::string, mizar::Family>> floats;
  for (size_t i = 0; i < g.floating.size(); i++) {
    const Floating& f = g.floating[i];
    const std::string place = fmt::format("{}: floating[{}]", object, i);
    MZ_CHECK(outside(g, f.address, f.endpoint, place));
    MZ_CHECK(at_field(taken.claim(f.address, place, f.address.text()), place, "address"));
    MZ_CHECK(at_field(floats.claim({f.endpoint, f.address.family()}, place, f.endpoint), place, "endpoint"));
  }
  return {};
}

Result<> Validator::forwards(const Gateway& g, const std::string& object) const {
  Unique<std::tuple<std::uint16_t, mizar::Addr, std::uint16_t>> ports;
  Unique<std::tuple<std::uint16_t, std::string, mizar::Family, std::uint16_t>> endpoints;
  for (size_t i = 0; i < g.forwards.size(); i++) {
    const PortForward& f = g.forwards[i];
    const std::string place = fmt::format("{}: forwards[{}]", object, i);
    MZ_CHECK(f.service.empty() ? outside(g, f.address, f.endpoint, place) : entry(g, f, place));
    for (const Floating& other : g.floating)
      if (other.address == f.address)
        return bad(place, "address", "{} is the floating address of {}, and all its ports lead there", f.address.text(),
                   other.endpoint);
    MZ_CHECK(at_field(ports.claim({f.protocol, f.address, f.port}, place, fmt::to_string(f.port)), place, "port"));
    // What an endpoint's port sends has one outside address and port.
    const char* field = f.service.empty() ? "endpoint" : "service";
    for (const auto& [endpoint, port] : leads_to(region_, g, f)) {
      for (const Floating& other : g.floating)
        if (other.endpoint == endpoint && other.address.family() == f.address.family())
          return bad(place, field, "'{}' has the floating address {}, by which all its ports can be reached", endpoint,
                     other.address.text());
      MZ_CHECK(at_field(endpoints.claim({f.protocol, endpoint, f.address.family(), port}, place,
                                        fmt::format("port {} of {}", port, endpoint)),
                        place, field));
    }
  }
  return {};
}

// A part of VPC `of` lies in it, and `seen_by` uses none of it for itself.
Result<> Validator::part(const mizar::Prefix& part, const std::string& of, const std::string& seen_by,
                         const std::string& place) {
  if (auto rc = mizar::check_inside(part, of, vpcs_.at(of)->cidr); !rc) return mizar::wrap(rc.error(), place);
  if (auto rc = blocks_[seen_by].claim(part, place); !rc) return mizar::wrap(rc.error(), place);
  for (const Service& s : region_.services)
    for (const mizar::Addr& a : s.address.all())
      if (s.vpc == seen_by && part.contains(a))
        return bad(place, "block", "{} holds the address {} of service {}", part.text(), a.text(), key(s.vpc, s.name));
  for (const Gateway& g : region_.gateways) {
    if (g.vpc != seen_by) continue;
    for (const mizar::Prefix& d : g.destinations)
      if (part.contains(d)) return bad(place, "block", "{} holds {}, which gateway {} leads to", part.text(), d.text(), key(g.vpc, g.name));
    for (const mizar::Prefix& pool : g.pools)
      if (part.overlaps(pool)) return bad(place, "block", "{} overlaps pool {} of gateway {}", part.text(), pool.text(), key(g.vpc, g.name));
  }
  return {};
}

Result<> Validator::policy(const std::string& vpc, const VpcPolicy& p) {
  if (!vpcs_.contains(vpc)) return mizar::fail(Code::invalid_argument, "policies: vpc: '{}' is no vpc of the region", vpc);
  std::map<std::string, std::string> seen;  // name -> where
  for (const auto& x : p.policies)
    if (const auto [at, fresh] = seen.emplace(full_name(x), x.where); !fresh)
      return mizar::fail(Code::invalid_argument, "{}: policy {}: vpc {} has another of this name, at {}; give it another", x.where,
                         at->first, vpc, at->second);
  auto& groups = security_groups_[vpc];
  for (const auto& x : p.policies)
    if (is_security_group(x)) groups.insert(x.name);
  for (const auto& x : p.policies)
    MZ_CHECK(mizar::policy::check_references(vpc, x, [&groups](const std::string& name) { return groups.contains(name); }));
  Unique<std::string> names;
  for (const auto& n : p.namespaces)
    MZ_CHECK(at_field(names.claim(n.name, "namespace " + key(vpc, n.name), n.name), "namespace " + key(vpc, n.name), "name"));
  return {};
}

Result<> Validator::membership(const Endpoint& e) const {
  const auto groups = security_groups_.find(e.vpc);
  auto rc = mizar::policy::check_membership(e.vpc, e.labels.labels, [&](const std::string& name) {
    return groups != security_groups_.end() && groups->second.contains(name);
  });
  return rc ? std::move(rc) : Result<>(mizar::wrap(rc.error(), "endpoint " + key(e.vpc, e.name)));
}

Result<> Validator::peering(const Peering& p, size_t index) {
  auto object = named("peering", "peerings", index, p.name, key(p.vpc, p.name));
  if (!object) return Failure(object.error());
  if (p.vpc == p.peer) return bad(*object, "peer", "is the same VPC");
  for (const auto& [field, name] : {std::pair("vpc", &p.vpc), std::pair("peer", &p.peer)}) {
    if (!vpcs_.contains(*name)) return bad(*object, field, "'{}' does not stand in vpcs", *name);
    MZ_CHECK(at_field(peerings_.claim(key(*name, p.name), *object, p.name), *object, "name"));
  }
  for (size_t i = 0; i < p.parts.size(); i++)
    MZ_CHECK(part(p.parts[i], p.vpc, p.peer, fmt::format("{}: parts[{}]", *object, i)));
  for (size_t i = 0; i < p.peer_parts.size(); i++)
    MZ_CHECK(part(p.peer_parts[i], p.peer, p.vpc, fmt::format("{}: peer_parts[{}]", *object, i)));
  return {};
}

}  // namespace

Result<> validate(const Region& region) { return Validator(region).run(); }

}  // namespace centaurus
