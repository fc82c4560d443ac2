// SPDX-License-Identifier: Apache-2.0
// What the daemon tells: status, endpoints, counters.
#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/base/names.h"
#include "userspace/transitd/daemon.h"
#include "userspace/transitd/reason_text.h"

namespace mizar {

std::string Daemon::host_label(std::uint32_t id) const {
  const auto name = goal_.host_names.find(id);
  return name == goal_.host_names.end() ? fmt::format("#{}", id) : name->second;
}

std::string Daemon::endpoint_by_ifindex(unsigned ifindex) const {
  for (const auto& [key, port] : ports_)
    if (port.ifindex == ifindex) return key;
  return fmt::format("interface {}", ifindex);
}

Daemon::Said Daemon::said() const {
  Said out;
  applied_.add_endpoints_to(out.all);
  added_.add_endpoints_to(out.all);
  add_newer_labels(out.all);
  for (auto& m : *out.all.mutable_endpoints()) out.endpoints[object_key(m.vpc(), m.name())] = &m;
  const auto& all = out.all.endpoints();  // those that were added come last
  for (auto m = all.begin() + applied_.endpoints(); m != all.end(); ++m) out.added.insert(object_key(m->vpc(), m->name()));
  return out;
}

Result<v1::EndpointStatus> Daemon::endpoint_status(const std::string& key) const {
  const auto e = goal_.endpoints.find(key);
  if (e == goal_.endpoints.end()) return fail(Code::not_found, "endpoint {}: there is none", key);
  Said all = said();
  return status_of(key, e->second, all);
}

v1::EndpointStatus Daemon::status_of(const std::string& key, const EndpointSpec& e, Said& said) const {
  v1::EndpointStatus s;
  if (const auto m = said.endpoints.find(key); m != said.endpoints.end()) s.mutable_endpoint()->Swap(m->second);
  s.mutable_endpoint()->set_mac(mac_text(e.mac));
  s.set_local(goal_.local(e));
  if (const auto& l = e.labels; goal_.local(e)) {
    s.mutable_endpoint()->clear_labels();
    s.mutable_endpoint()->clear_ports();
    s.mutable_endpoint()->clear_security_groups();
    policy::write_pod_labels(l, *s.mutable_endpoint());
  }
  const auto port = ports_.find(key);
  const auto problem = problems_.find(key);
  s.set_ready(port != ports_.end() && problem == problems_.end());
  if (problem != problems_.end())
    s.set_problem(problem->second);
  else if (const auto set = policies_.label_set(e);
           goal_.local(e) && set && policies_.place(e).label == MZ_LABEL_UNKNOWN)
    s.set_problem(fmt::format("its label set, {}, has no number: where policy judges, others refuse what it begins; make a plan with it",
                              set->text()));
  if (port != ports_.end()) {
    s.set_interface(Interfaces::host_name(e));
    s.set_ifindex(port->second.ifindex);
    s.set_mtu(port->second.mtu);
    if (host_ != 0) {
      const std::uint32_t slot = port->second.ifindex % MZ_PORTS;
      const Addrs& at = e.address;
      if (at.v4) s.set_host_address(client_address(Family::v4, slot).text());
      if (at.v6) s.set_host_address6(client_address(Family::v6, slot).text());
    }
  }
  s.set_added_locally(said.added.contains(key));
  return s;
}

v1::ListEndpointsReply Daemon::endpoints() const {
  v1::ListEndpointsReply reply;
  Said all = said();
  for (const auto& [key, e] : goal_.endpoints) *reply.add_endpoints() = status_of(key, e, all);
  return reply;
}

v1::GetLocalReply Daemon::local(std::uint64_t known) const {
  v1::GetLocalReply reply;
  reply.set_generation(generation_);
  if (known == generation_) return reply;
  *reply.mutable_state() = state();
  for (const auto& [key, port] : ports_) {
    auto* p = reply.add_ports();
    p->set_endpoint(key);
    p->set_ifindex(port.ifindex);
    p->set_mtu(port.mtu);
  }
  return reply;
}

v1::Status Daemon::status() {
  v1::Status s;
  s.set_version(MZ_VERSION);
  s.set_uptime_ms(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_).count()));
  if (goal_.self.name.empty()) return s;
  s.set_host(goal_.self.name);
  s.set_host_id(goal_.self.id);
  write_addresses(goal_.self.address, s);
  s.set_revision(goal_.revision);
  s.set_uplink(uplink_name_);
  s.set_uplink_mtu(uplink_mtu_);
  s.set_endpoint_mtu(endpoint_mtu());
  for (auto& r : roles()) s.add_roles(std::move(r));
  const std::map<std::string, std::uint64_t> capacity = {
      {"endpoints", dp_.endpoints().capacity()}, {"networks", dp_.networks().capacity()},
      {"vpcs", dp_.vpcs().capacity()},           {"hosts", dp_.hosts().capacity()},
      {"ports", dp_.ports().capacity()},         {"shard-tables", dp_.shards().capacity() / MZ_BUCKETS},
      {"paths", dp_.paths().capacity()},         {"flows", dp_.flows().capacity()},
      {"vips", dp_.vips().capacity()},           {"backends", dp_.backends().capacity()},
      {"vip-rows", dp_.vip_rows().capacity()},   {"outside", dp_.insides().capacity()},
      {"groups", dp_.groups().capacity()},       {"policies", dp_.policies().capacity()},
      {"policy-rows", dp_.policy_labels().capacity()}, {"policy-vectors", dp_.policy_vectors().capacity()}};
  auto used = tables_.used();
  if (auto paths = dp_.paths().entries()) used["paths"] = paths->size();
  used["flows"] = flows_.used();
  if (!goal_.services.empty()) used.merge(vips_.used());
  if (!goal_.gateways.empty()) used.merge(gateways_.used());
  if (groups_.used() != 0) used["groups"] = groups_.used();
  used.merge(policies_.used());
  for (const auto& [name, n] : used) {
    auto* t = s.add_tables();
    t->set_name(name);
    t->set_used(n);
    t->set_capacity(capacity.at(name));
    if (name == "flows") t->set_evicted(flows_.evicted());
  }
  for (const auto& [name, h] : goal_.hosts) {
    if (h.id == goal_.self.id) continue;
    auto* p = s.add_peers();
    p->set_name(name);
    p->set_id(h.id);
    write_addresses(h.address, *p);
    if (const auto ip = goal_.reach(h.id)) p->set_underlay(ip->text());
    p->set_hop(hops_.contains(h.id));
    const auto down = down_.find(h.id);
    p->set_down(down != down_.end() && down->second);
    const Way* w = underlay_.way(h.id);
    p->set_resolved(w && w->resolved);
    p->set_via(underlay_.describe(h.id));
    if (prober_)
      if (const auto rtt = prober_->rtt(h.id)) p->set_rtt_us(static_cast<std::uint64_t>(rtt->count()));
  }
  for (const Attachment& a : dp_.attachments()) {
    const std::string where = a.ifindex == uplink_         ? uplink_name_
                              : a.hook == Hook::services   ? (a.ifindex == host_ ? Interfaces::kHostFar : Interfaces::kServices)
                              : a.hook == Hook::gateway_in ? options_.outside
                                                           : endpoint_by_ifindex(a.ifindex);
    s.add_programs(fmt::format("{} {} {}", hook_name(a.hook), a.mode, where));
  }
  return s;
}

Result<v1::Stats> Daemon::stats(const v1::GetStatsRequest& request) {
  v1::Stats out;
  if (!dp_.loaded()) return out;
  std::map<std::uint32_t, std::string> slots{{0, "-"}};
  for (const auto& [vni, slot] : tables_.vpc_slots()) {
    const auto vpc = std::find_if(goal_.vpcs.begin(), goal_.vpcs.end(),
                                  [&, v = vni](const auto& x) { return x.second.vni == v; });
    slots[slot] = vpc == goal_.vpcs.end() ? fmt::format("vni {}", vni) : vpc->first;
  }
  if (!request.vpc().empty() && !goal_.vpcs.contains(request.vpc()))
    return fail(Code::not_found, "vpc {}: there is none", request.vpc());
  for (const auto& [slot, name] : slots) {
    if (!request.vpc().empty() && name != request.vpc()) continue;
    auto counts = dp_.counters(slot);
    if (!counts) return tl::unexpected(counts.error());
    for (std::uint32_t dir = 0; dir < MZ_DIRS; dir++) {
      for (std::uint32_t why = 1; why < MZ_REASON_COUNT; why++) {
        const mz_count& c = (*counts)[dir * MZ_REASON_SLOTS + why];
        if (c.packets == 0 && !request.zero()) continue;
        auto* row = out.add_rows();
        row->set_vpc(name);
        row->set_direction(dir == MZ_DIR_EGRESS ? "egress" : "ingress");
        row->set_reason(reason_text(why).name);
        row->set_packets(c.packets);
        row->set_bytes(c.bytes);
      }
    }
  }
  return out;
}

}  // namespace mizar
