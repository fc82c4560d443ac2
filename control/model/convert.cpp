// SPDX-License-Identifier: Apache-2.0
#include "control/model/convert.h"

#include <algorithm>

#include "control/model/validate.h"
#include "userspace/base/names.h"

namespace centaurus {

namespace {

using mizar::at_field;
using mizar::Code;
using mizar::Failure;
using mizar::Result;

// What errors call an object: its name, or its place when it has none.
std::string called(const char* kind, const char* list, int index, const std::string& vpc,
                   const std::string& name) {
  if (!mizar::check_name(name)) return fmt::format("{}[{}]", list, index);
  return vpc.empty() ? fmt::format("{} {}", kind, name)
                     : fmt::format("{} {}/{}", kind, vpc, name);
}

Result<Host> host(const v1::Host& m, int index) {
  const auto object = called("host", "hosts", index, "", m.name());
  Host out;
  out.name = m.name();
  out.id = m.id();
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  out.address = *ip;
  for (const auto& role : m.roles()) {
    bool* flag = role == "bouncer" ? &out.bouncer : role == "divider" ? &out.divider : nullptr;
    if (flag == nullptr)
      return mizar::fail(Code::invalid_argument, "{}: roles: '{}' must be bouncer or divider",
                         object, role);
    if (*flag)
      return mizar::fail(Code::invalid_argument, "{}: roles: '{}' is given twice", object, role);
    *flag = true;
  }
  return out;
}

Result<Vpc> vpc(const v1::Vpc& m, int index) {
  auto cidr = mizar::parse_blocks(m.cidr(), m.cidr6());
  if (!cidr) return mizar::wrap(cidr.error(), called("vpc", "vpcs", index, "", m.name()));
  return Vpc{m.name(), m.vni(), *cidr, m.dividers(), m.domain()};
}

Result<Network> network(const v1::Network& m, int index) {
  const auto object = called("network", "networks", index, m.vpc(), m.name());
  auto cidr = mizar::parse_blocks(m.cidr(), m.cidr6());
  if (!cidr) return mizar::wrap(cidr.error(), object);
  auto services = mizar::parse_services(m, *cidr);
  if (!services) return mizar::wrap(services.error(), object);
  return Network{m.name(), m.vpc(), *cidr, m.bouncers(), std::move(*services)};
}

Result<Endpoint> endpoint(const v1::Endpoint& m, int index) {
  const auto object = called("endpoint", "endpoints", index, m.vpc(), m.name());
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  Endpoint out{m.name(), m.vpc(), m.network(), *ip, {}, m.host(), m.label(), m.netns(), m.tap(),
               m.interface(), m.max_flows(), m.user_data()};
  if (!out.netns.empty() && out.interface.empty()) out.interface = mizar::kDefaultInterface;
  if (m.mac().empty()) return out;
  auto mac = at_field(mizar::parse_mac(m.mac()), object, "mac");
  if (!mac) return Failure(mac.error());
  out.mac = *mac;
  return out;
}

Result<Service> service(const v1::Service& m, int index) {
  const auto object = called("service", "services", index, m.vpc(), m.name());
  auto ip = mizar::parse_addresses(m.address(), m.address6());
  if (!ip) return mizar::wrap(ip.error(), object);
  auto ports = mizar::parse_service_ports(m.ports());
  if (!ports) return mizar::wrap(ports.error(), object);
  Service out{m.name(), m.vpc(), *ip, std::move(*ports), {}, m.sticky_seconds()};
  for (const auto& b : m.backends()) out.backends.push_back({b.endpoint(), b.has_weight() ? b.weight() : 1});
  return out;
}

// Converts a whole list with one of the functions above.
template <class Messages, class T, class Convert>
Result<> each(const Messages& from, std::vector<T>& to, Convert convert) {
  int index = 0;
  for (const auto& m : from) {
    auto item = convert(m, index++);
    if (!item) return Failure(item.error());
    to.push_back(std::move(*item));
  }
  return {};
}

// `at` makes the table in its message, which stays without one if nobody serves.
template <class Make>
void write_shards(const std::optional<Shards>& rows, Make at) {
  if (!rows) return;
  mizar::v1::ShardTable* t = at();
  for (const auto& row : *rows) {
    t->add_primary(row.primary);
    t->add_backup(row.backup);
  }
}

void write_endpoint(const Endpoint& e, std::uint32_t vni, bool local, mizar::v1::Endpoint& out) {
  out.set_name(e.name);
  out.set_vpc(e.vpc);
  out.set_network(e.network);
  mizar::write_addresses(e.address, out);
  out.set_mac(mizar::mac_text(e.mac ? *e.mac : mizar::default_mac(vni, e.address.first())));
  out.set_host(e.host);
  out.set_label(e.label);
  out.set_max_flows(e.max_flows);
  if (!local) return;  // only its own host connects it
  out.set_user_data(e.user_data);
  if (!e.netns.empty()) {
    out.mutable_netns()->set_name(e.netns);
    out.mutable_netns()->set_interface(e.interface);
  }
  if (!e.tap.empty()) out.mutable_tap()->set_interface(e.tap);
}

void write_name(const Endpoint& e, mizar::v1::Name& out) {
  out.set_vpc(e.vpc);
  out.set_network(e.network);
  out.set_name(e.name);
  mizar::write_addresses(e.address, out);
}

// Its backends' addresses: those of the families it has itself.
void write_service(const Service& s, const Region& region, mizar::v1::Service& out) {
  out.set_name(s.name);
  out.set_vpc(s.vpc);
  mizar::write_addresses(s.address, out);
  mizar::write_service_ports(s.ports, *out.mutable_ports());
  out.set_sticky_seconds(s.sticky_seconds);
  for (const Backend& b : s.backends) {
    const auto e = std::find_if(region.endpoints.begin(), region.endpoints.end(), [&](const Endpoint& x) {
      return x.vpc == s.vpc && x.name == b.endpoint;
    });
    mizar::Addrs at = e->address;
    if (!s.address.v4) at.v4.reset();
    if (!s.address.v6) at.v6.reset();
    auto* to = out.add_backends();
    to->set_name(b.endpoint);
    mizar::write_addresses(at, *to);
    if (b.weight != 1) to->set_weight(b.weight);
  }
}

}  // namespace

Result<Region> parse_region(const v1::Region& m) {
  Region out;
  out.revision = m.revision();
  MZ_CHECK(each(m.hosts(), out.hosts, host));
  MZ_CHECK(each(m.vpcs(), out.vpcs, vpc));
  MZ_CHECK(each(m.networks(), out.networks, network));
  MZ_CHECK(each(m.endpoints(), out.endpoints, endpoint));
  MZ_CHECK(each(m.services(), out.services, service));
  MZ_CHECK(validate(out));
  return out;
}

mizar::v1::GoalState goal_state(const Region& region, const Plan& plan, std::size_t host) {
  const HostPlan& share = plan.hosts[host];
  mizar::v1::GoalState out;
  out.set_revision(region.revision);
  out.set_host(region.hosts[host].name);
  for (const auto& h : region.hosts) {
    auto* to = out.add_hosts();
    to->set_name(h.name);
    to->set_id(h.id);
    mizar::write_addresses(h.address, *to);
  }
  std::map<std::string, std::uint32_t> vnis;
  for (const auto i : share.vpcs) {
    const auto& v = region.vpcs[i];
    vnis[v.name] = v.vni;
    auto* to = out.add_vpcs();
    to->set_name(v.name);
    to->set_vni(v.vni);
    mizar::write_blocks(v.cidr, *to);
    write_shards(plan.dividers[i], [to] { return to->mutable_dividers(); });
    to->set_domain(v.domain);
  }
  for (const auto i : share.networks) {
    const auto& n = region.networks[i];
    auto* to = out.add_networks();
    to->set_name(n.name);
    to->set_vpc(n.vpc);
    mizar::write_blocks(n.cidr, *to);
    write_shards(plan.bouncers[i], [to] { return to->mutable_bouncers(); });
    mizar::write_services(n.services, *to);
  }
  for (const auto i : share.endpoints) {
    const auto& e = region.endpoints[i];
    write_endpoint(e, vnis.at(e.vpc), e.host == region.hosts[host].name, *out.add_endpoints());
  }
  for (const auto i : share.names) write_name(region.endpoints[i], *out.add_names());
  for (const auto i : share.services) write_service(region.services[i], region, *out.add_services());
  return out;
}

}  // namespace centaurus
