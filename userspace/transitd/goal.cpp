// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/goal.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "bpf/abi/wire.h"
#include "userspace/base/balance.h"
#include "userspace/qos/annotations.h"
#include "userspace/transitd/goal_reader.h"

namespace mizar {

namespace {

policy::HasGroup groups_of(const Goal& goal, const std::string& vpc) {
  return [&goal, vpc](const std::string& name) {
    const auto spec = goal.policy.find(vpc);
    return spec != goal.policy.end() && spec->second.policies.contains(full_name(policy::Policy{.name = name, .tier = policy::Tier::network}));
  };
}

}  // namespace

namespace goal {

Result<std::string> named(const char* kind, const char* list, int index, const std::string& vpc,
                          const std::string& name) {
  const std::string place = fmt::format("{}[{}]", list, index);
  MZ_CHECK(at_field(check_name(name), place, "name"));
  return fmt::format("{} {}", kind, vpc.empty() ? name : object_key(vpc, name));
}

Result<> Reader::host(const v1::Host& h, int index) {
  auto object = named("host", "hosts", index, "", h.name());
  if (!object) return Failure(object.error());
  MZ_CHECK(at_field(check_host_id(h.id()), *object, "id"));
  auto ip = parse_addresses(h.address(), h.address6());
  if (!ip) return wrap(ip.error(), *object);
  MZ_CHECK(each_family(*ip, *object, "address", check_unicast));
  if (!out_.hosts.emplace(h.name(), HostSpec{h.name(), h.id(), *ip}).second)
    return bad(*object, "name", "another host has the same");
  MZ_CHECK(at_field(host_ids_.claim(h.id(), *object, fmt::to_string(h.id())), *object, "id"));
  MZ_CHECK(each_family(*ip, *object, "address", [&](const Addr& a) {
    return host_addresses_.claim(a, *object, a.text());
  }));
  out_.host_names.emplace(h.id(), h.name());
  return {};
}

Result<> Reader::self() {
  if (in_.host().empty()) return fail(Code::invalid_argument, "host: is missing: whom it is for");
  const auto at = out_.hosts.find(in_.host());
  if (at == out_.hosts.end())
    return fail(Code::invalid_argument, "host: '{}' does not stand in hosts", in_.host());
  out_.self = at->second;
  return {};
}

Result<> Reader::uplink() {
  auto qos = parse_qos(in_.uplink(), QosOf::uplink);
  if (!qos) return wrap(qos.error(), "uplink");
  out_.uplink = *qos;
  return set_levels(in_.levels(), out_.levels);
}

Result<> Reader::vpc(const v1::Vpc& v, int index) {
  auto object = named("vpc", "vpcs", index, "", v.name());
  if (!object) return Failure(object.error());
  MZ_CHECK(at_field(check_vni(v.vni()), *object, "vni"));
  auto cidr = parse_blocks(v.cidr(), v.cidr6());
  if (!cidr) return wrap(cidr.error(), *object);
  MZ_CHECK(at_field(check_domain(v.domain()), *object, "domain"));
  auto qos = parse_qos(v.qos(), QosOf::vpc);
  if (!qos) return wrap(qos.error(), *object + ": qos");
  VpcSpec spec{v.name(), v.vni(), *cidr, {}, v.domain(), *qos};
  MZ_CHECK(shards(v.dividers(), *object, "dividers", spec.dividers));
  if (!out_.vpcs.emplace(v.name(), std::move(spec)).second)
    return bad(*object, "name", "another vpc has the same");
  return at_field(vnis_.claim(v.vni(), *object, fmt::to_string(v.vni())), *object, "vni");
}

Result<> Reader::network(const v1::Network& n, int index) {
  auto object = named("network", "networks", index, n.vpc(), n.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(n.vpc());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", n.vpc());
  auto cidr = parse_blocks(n.cidr(), n.cidr6());
  if (!cidr) return wrap(cidr.error(), *object);
  MZ_CHECK(each_family(*cidr, *object, "cidr", [&](const Prefix& p) {
    return check_inside(p, n.vpc(), vpc->second.cidr);
  }));
  auto services = parse_services(n, *cidr);
  if (!services) return wrap(services.error(), *object);
  NetworkSpec spec{n.name(), n.vpc(), vpc->second.vni, *cidr, {}, std::move(*services)};
  MZ_CHECK(shards(n.bouncers(), *object, "bouncers", spec.bouncers));
  if (!out_.networks.emplace(object_key(n.vpc(), n.name()), std::move(spec)).second)
    return bad(*object, "name", "another network of the vpc has the same");
  return each_family(*cidr, *object, "cidr",
                     [&](const Prefix& p) { return blocks_[n.vpc()].claim(p, *object); });
}

Result<> Reader::endpoint(const v1::Endpoint& e, int index) {
  auto object = named("endpoint", "endpoints", index, e.vpc(), e.name());
  if (!object) return Failure(object.error());
  EndpointSpec spec;
  spec.name = e.name();
  spec.vpc = e.vpc();
  spec.network = e.network();
  spec.host = e.host();
  auto labels = policy::parse_pod_labels(e);
  if (!labels) return wrap(labels.error(), *object);
  spec.labels = std::move(*labels);
  spec.max_flows = e.max_flows();
  auto qos = parse_endpoint_qos(e);
  if (!qos) return wrap(qos.error(), *object);
  spec.qos = *qos;
  auto delivery = at_field(parse_delivery(e.delivery()), *object, "delivery");
  if (!delivery) return tl::unexpected(delivery.error());
  spec.delivery = *delivery;
  MZ_CHECK(at_field(check_user_data(e.user_data()), *object, "user_data"));
  spec.user_data = e.user_data();
  MZ_CHECK(address(spec, e, *object));
  const auto host = out_.hosts.find(e.host());
  if (host == out_.hosts.end())
    return bad(*object, "host", "'{}' does not stand in hosts", e.host());
  spec.host_id = host->second.id;
  MZ_CHECK(attach(spec, e, *object));
  if (!out_.endpoints.emplace(object_key(e.vpc(), e.name()), std::move(spec)).second)
    return bad(*object, "name", "another endpoint of the vpc has the same");
  return {};
}

Result<> Reader::peering(const v1::Peering& p, int index) {
  auto object = named("peering", "peerings", index, p.vpc(), p.name());
  if (!object) return Failure(object.error());
  const auto vpc = out_.vpcs.find(p.vpc()), peer = out_.vpcs.find(p.peer());
  if (vpc == out_.vpcs.end()) return bad(*object, "vpc", "'{}' does not stand in vpcs", p.vpc());
  if (peer == out_.vpcs.end()) return bad(*object, "peer", "'{}' does not stand in vpcs", p.peer());
  if (vpc == peer) return bad(*object, "peer", "is the same VPC");
  PeeringSpec spec{p.name(), p.vpc(), vpc->second.vni, p.peer(), peer->second.vni, {}, p.answers_only()};
  for (int i = 0; i < p.parts_size(); i++) {
    const std::string place = fmt::format("{}: parts[{}]", *object, i);
    auto part = Prefix::parse(p.parts(i));
    if (!part) return wrap(part.error(), place);
    if (auto rc = check_inside(*part, p.peer(), peer->second.cidr); !rc) return wrap(rc.error(), place);
    if (auto rc = blocks_[p.vpc()].claim(*part, place); !rc) return wrap(rc.error(), place);
    spec.parts.push_back(*part);
  }
  if (spec.parts.empty()) return bad(*object, "parts", "there is none");
  if (!out_.peerings.emplace(object_key(p.vpc(), p.name()), std::move(spec)).second)
    return bad(*object, "name", "the VPC has another peering of this name");
  return {};
}

Result<VpcPolicySpec*> Reader::policy_at(const std::string& vpc, const std::string& place) {
  if (!out_.vpcs.contains(vpc)) return bad(place, "vpc", "'{}' does not stand in vpcs", vpc);
  return &out_.policy[vpc];
}

Result<> Reader::policy_of(const v1::Policy& m, int index) {
  const std::string place = fmt::format("policies[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  auto p = policy::parse_policy(m);
  if (!p) return wrap(p.error(), m.name().empty() ? place : fmt::format("policy {}/{}", m.vpc(), m.name()));
  const std::string name = policy::full_name(*p);
  if (!(*spec)->policies.emplace(name, std::move(*p)).second)
    return bad("policy " + object_key(m.vpc(), name), "name", "another policy has the same");
  return {};
}

Result<> Reader::name_space(const v1::Namespace& m, int index) {
  const std::string place = fmt::format("namespaces[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  auto n = policy::parse_namespace(m);
  if (!n) return wrap(n.error(), place);
  if (!(*spec)->namespaces.emplace(m.name(), std::move(*n)).second)
    return bad("namespace " + object_key(m.vpc(), m.name()), "name", "another namespace of the vpc has the same");
  return {};
}

Result<> Reader::label_set(const v1::LabelSet& m, int index) {
  const std::string place = fmt::format("label_sets[{}]", index);
  auto spec = policy_at(m.vpc(), place);
  if (!spec) return tl::unexpected(spec.error());
  if (m.id() == 0 || m.id() >= MZ_LABEL_UNKNOWN) return bad(place, "id", "{} is not in 1..{}", m.id(), MZ_LABEL_UNKNOWN - 1);
  auto set = policy::parse_label_set(m);
  if (!set) return wrap(set.error(), place);
  if (!(*spec)->sets.emplace(m.id(), std::move(*set)).second)
    return bad(place, "id", "{} is another's in vpc {}", m.id(), m.vpc());
  return {};
}

// What rules and endpoints name of them.
Result<> Reader::security_groups() const {
  for (const auto& [vpc, spec] : out_.policy)
    for (const auto& [name, p] : spec.policies) MZ_CHECK(policy::check_references(vpc, p, groups_of(out_, vpc)));
  for (const auto& [key, e] : out_.endpoints) MZ_CHECK(check_groups(out_, e));
  return {};
}

Result<> Reader::address(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object) {
  const auto vpc = out_.vpcs.find(e.vpc());
  if (vpc == out_.vpcs.end()) return bad(object, "vpc", "'{}' does not stand in vpcs", e.vpc());
  const auto network = out_.networks.find(object_key(e.vpc(), e.network()));
  if (network == out_.networks.end())
    return bad(object, "network", "'{}' is no network of vpc {}", e.network(), e.vpc());
  spec.vni = vpc->second.vni;
  auto ip = parse_addresses(e.address(), e.address6());
  if (!ip) return wrap(ip.error(), object);
  spec.address = *ip;
  const auto place = [&](const Addr& a) -> Result<> {
    MZ_CHECK(check_unicast(a));
    MZ_CHECK(check_inside(a, network->second.cidr));
    return addresses_[e.vpc()].claim(a, object, a.text());
  };
  MZ_CHECK(each_family(*ip, object, "address", place));
  auto mac = e.mac().empty() ? Result<MacBytes>(default_mac(spec.vni, ip->first()))
                             : at_field(parse_mac(e.mac()), object, "mac");
  if (!mac) return Failure(mac.error());
  spec.mac = *mac;
  return {};
}

Result<> Reader::attach(EndpointSpec& spec, const v1::Endpoint& e, const std::string& object) {
  if (e.attach_case() == v1::Endpoint::ATTACH_NOT_SET) return {};
  const bool tap = e.has_tap();
  const char* field = tap ? "tap" : "netns";
  if (spec.host_id != out_.self.id)
    return bad(object, field, "only for endpoints of this host ({}), not of {}", out_.self.name,
               e.host());
  NetnsSpec netns;
  if (!tap) {
    netns = {e.netns().name(), e.netns().interface()};
    if (netns.interface.empty()) netns.interface = kDefaultInterface;
    MZ_CHECK(at_field(check_netns(netns.name), object, "netns.name"));
  }
  const std::string& interface = tap ? e.tap().interface() : netns.interface;
  MZ_CHECK(at_field(check_interface(interface), object,
                    tap ? "tap.interface" : "netns.interface"));
  MZ_CHECK(at_field(interfaces_.claim({netns.name, interface}, object,
                                      tap ? interface : netns.name + "/" + interface),
                    object, field));
  if (tap)
    spec.attach = TapSpec{interface};
  else
    spec.attach = std::move(netns);
  return {};
}

Result<std::uint32_t> Reader::known_host(std::uint32_t id) const {
  if (id != 0 && !out_.host_names.contains(id))
    return fail(Code::invalid_argument, "host id {} does not stand in hosts", id);
  return id;
}

Result<> Reader::shards(const v1::ShardTable& t, const std::string& object, const char* field,
                        std::optional<ShardTable>& out) const {
  if (t.primary_size() == 0 && t.backup_size() == 0) return {};
  if (t.primary_size() != MZ_BUCKETS || t.backup_size() != MZ_BUCKETS)
    return bad(object, field, "primary and backup have {} and {} entries, must have 0 or {} both",
               t.primary_size(), t.backup_size(), MZ_BUCKETS);
  ShardTable& rows = out.emplace();
  for (int b = 0; b < static_cast<int>(MZ_BUCKETS); b++) {
    auto primary = at_field(known_host(t.primary(b)), object,
                            fmt::format("{}.primary[{}]", field, b));
    if (!primary) return Failure(primary.error());
    auto backup = at_field(known_host(t.backup(b)), object,
                           fmt::format("{}.backup[{}]", field, b));
    if (!backup) return Failure(backup.error());
    if (*backup != 0 && *backup == *primary)
      return bad(object, field, "bucket {}: host id {} is its own backup", b, *backup);
    rows[static_cast<size_t>(b)] = {*primary, *backup};
  }
  return {};
}

}  // namespace goal

namespace {

bool same_shards(const std::optional<ShardTable>& a, const std::optional<ShardTable>& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return std::equal(a->begin(), a->end(), b->begin(), [](const mz_shard& x, const mz_shard& y) {
    return x.primary == y.primary && x.backup == y.backup;
  });
}

}  // namespace

std::string object_key(std::string_view vpc, std::string_view name) {
  return fmt::format("{}/{}", vpc, name);
}

policy::Pod pod_of(const EndpointSpec& e) { return {e.labels.ns, e.name, e.labels.labels, e.labels.ports, e.address}; }

Result<> check_groups(const Goal& goal, const EndpointSpec& e) {
  const auto& labels = e.labels.labels;
  const auto first = labels.lower_bound(policy::kGroupPrefix);
  if (first == labels.end() || !policy::group_of_key(first->first)) return {};  // of none
  if (auto rc = policy::check_membership(e.vpc, labels, groups_of(goal, e.vpc)); !rc)
    return wrap(rc.error(), "endpoint " + object_key(e.vpc, e.name));
  return {};
}

Result<Goal> parse_goal(const v1::GoalState& state) { return goal::Reader(state).read(); }

std::optional<ServicePortSpec> ServiceSpec::port(std::uint16_t protocol, std::uint16_t number) const {
  for (const ServicePortSpec& p : ports)
    if (p.protocol == protocol && p.port == number) return p;
  return std::nullopt;
}

std::vector<std::pair<Addr, std::uint16_t>> Goal::led_to(const std::string& vpc, const ForwardSpec& f) const {
  if (f.service.empty()) return {{f.address, f.port}};
  const auto s = services.find(object_key(vpc, f.service));
  const auto port = s == services.end() ? std::nullopt : s->second.port(f.protocol, f.port);
  std::vector<std::pair<Addr, std::uint16_t>> out;
  if (!port) return out;
  for (const BackendSpec& b : s->second.backends)
    if (const auto& ip = b.address.of(f.outside.family())) out.emplace_back(*ip, port->backend_port);
  return out;
}

std::optional<Addr> Goal::reach(std::uint32_t host) const {
  const auto name = host_names.find(host);
  if (name == host_names.end()) return std::nullopt;
  return meeting(self.address, hosts.find(name->second)->second.address);
}

unsigned Goal::overhead() const {
  const bool all4 = std::all_of(hosts.begin(), hosts.end(),
                                [](const auto& h) { return h.second.address.v4.has_value(); });
  return all4 ? MZ_OVERHEAD4 : MZ_OVERHEAD6;
}

bool operator==(const VpcSpec& a, const VpcSpec& b) {
  return a.name == b.name && a.vni == b.vni && a.cidr == b.cidr &&
         a.domain == b.domain && a.qos == b.qos && same_shards(a.dividers, b.dividers);
}

bool operator==(const NetworkSpec& a, const NetworkSpec& b) {
  return a.name == b.name && a.vpc == b.vpc && a.vni == b.vni && a.cidr == b.cidr &&
         a.services == b.services && same_shards(a.bouncers, b.bouncers);
}

}  // namespace mizar
