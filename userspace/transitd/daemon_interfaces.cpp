// SPDX-License-Identifier: Apache-2.0
// Interfaces as the daemon sees to them: endpoints come, wait for their namespace
// and leave; the services' veth.
#include "userspace/base/log.h"
#include "userspace/base/names.h"
#include "userspace/net/offload.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

namespace {

// An endpoint that has moved away may answer what reached it for so long.
constexpr std::chrono::milliseconds kDrain{100};

std::string key_of(const EndpointSpec& e) { return object_key(e.vpc, e.name); }

}  // namespace

void Daemon::report(const std::string& key, const Result<>& rc) {
  if (rc) {
    problems_.erase(key);
    return;
  }
  const auto before = problems_.find(key);
  if (before == problems_.end() || before->second != rc.error().what)
    log::warning("endpoint {}: {}", key, rc.error().what);
  problems_[key] = rc.error().what;
}

// Superpackets leave a NIC as packets. A veth hands them on as they are, and those of UDP are lost
// at their receiver then: Linux leaves the mark of a tunnel's superpacket on what comes out of
// bpf_skb_adjust_room(), by which a socket without UDP_GRO cannot cut it.
bool Daemon::uplink_is_wire() const {
  const auto ethtool = net::Ethtool::open();
  const auto driver = ethtool ? ethtool->driver(uplink_name_) : Result<std::string>(tl::unexpected(ethtool.error()));
  return !driver || *driver != "veth";
}

// New interfaces are made, down, and guarded by their program before anything
// else; after a restart the tables must not lose those that carry traffic. They
// come up when the table of ports knows them, so that their first ARP is
// answered, and before anything is delivered to them.
Result<RowChanges> Daemon::sync_endpoints(const std::vector<const EndpointSpec*>& fresh) {
  MZ_CHECK(ensure_qos());
  const auto tcs = choose_delivery();
  const bool wire = fresh.empty() || uplink_is_wire();
  auto counts = apply_tables([&] {
    for (const EndpointSpec* e : fresh) {
      report(object_key(e->vpc, e->name),
             interfaces_.bring_up(*e, goal_.networks.find(object_key(e->vpc, e->network))->second,
                                  ports_.at(object_key(e->vpc, e->name))));
      if (wire) continue;
      if (auto rc = Interfaces::set_udp_superpackets(*e, false); !rc) log::debug("{}", rc.error().what);
    }
  });
  if (!counts) return counts;
  for (const EndpointSpec* e : tcs)
    if (auto rc = Interfaces::set_polling(*e, false); !rc) log::debug("{}", rc.error().what);
  // A path learned while it lived elsewhere must not outlive its coming here.
  for (const EndpointSpec* e : fresh)
    for (const Addr& ip : e->address.all()) {
      auto rc = dp_.paths().erase(endpoint_key(e->vni, ip));
      if (!rc && rc.error().code != Code::not_found) return tl::unexpected(rc.error());
    }
  return counts;
}

// Local endpoints whose interface is not known or not well yet, or has another
// MTU or one more address now: it is made, or found.
std::vector<const EndpointSpec*> Daemon::make_interfaces() {
  std::vector<const EndpointSpec*> fresh;
  for (const auto& [key, e] : goal_.endpoints) {
    if (!goal_.local(e)) continue;
    const auto known = ports_.find(key);
    if (known != ports_.end() && known->second.mtu == endpoint_mtu() && !problems_.contains(key) &&
        !grown_.contains(key))
      continue;
    auto port = interfaces_.make(e, endpoint_mtu());
    const Result<> rc = port ? dp_.attach(Hook::endpoint, port->ifindex) : tl::unexpected(port.error());
    if (!rc) {
      report(key, rc);
      continue;
    }
    ports_[key] = *port;
    by_xdp_.erase(key);  // it may be another
    generation_++;
    fresh.push_back(&e);
  }
  grown_.clear();
  return fresh;
}

std::vector<const EndpointSpec*> Daemon::choose_delivery() {
  std::vector<const EndpointSpec*> tcs;
  for (const auto& [key, port] : ports_) {
    const auto e = goal_.endpoints.find(key);
    if (e == goal_.endpoints.end()) continue;
    const Delivery wanted = e->second.delivery == Delivery::unsaid ? options_.delivery : e->second.delivery;
    if ((wanted == Delivery::xdp) == by_xdp_.contains(key)) continue;
    if (wanted == Delivery::tc) {
      by_xdp_.erase(key);
      tcs.push_back(&e->second);
    } else if (auto rc = Interfaces::set_polling(e->second, true); !rc) {
      log::warning("endpoint {}: TC delivers to it, XDP cannot: {}", key, rc.error().what);
    } else {
      by_xdp_.insert(key);
    }
  }
  return tcs;
}

Result<> Daemon::ensure_xdp() {
  return wants_xdp() ? dp_.attach(Hook::uplink_hop, uplink_) : dp_.detach(Hook::uplink_hop, uplink_);
}

void Daemon::disconnect(const EndpointSpec& e) {
  const std::string key = object_key(e.vpc, e.name);
  if (const auto port = ports_.find(key); port != ports_.end()) {
    if (auto rc = dp_.detach(Hook::endpoint, port->second.ifindex); !rc) log::warning("{}", rc.error().what);
    endpoint_queueing_.erase(port->second.ifindex);
    superpackets_.erase(key);
    by_xdp_.erase(key);
    ports_.erase(port);
    flows_.hurry();
    generation_++;
  }
  problems_.erase(key);
  if (auto rc = interfaces_.remove(e); !rc) log::warning("endpoint {}: {}", key, rc.error().what);
}

// One that was never connected has nothing to drain.
void Daemon::let_drain(const EndpointSpec& e) {
  const auto port = ports_.find(key_of(e));
  if (port == ports_.end()) {
    disconnect(e);
    return;
  }
  tables_.drain(port->second.ifindex);
  leaving_.push_back({e, std::chrono::steady_clock::now() + kDrain});
}

bool Daemon::finish_leaving(std::chrono::steady_clock::time_point now) {
  return std::erase_if(leaving_, [&](const Leaving& l) {
    if (l.due > now) return false;
    const auto port = ports_.find(key_of(l.endpoint));
    if (port != ports_.end())
      if (auto rc = tables_.drained(port->second.ifindex); !rc) log::warning("{}", rc.error().what);
    disconnect(l.endpoint);
    return true;
  }) != 0;
}

// What can be connected now, or has another MTU. The tables are compared with the
// goal only if there is something.
void Daemon::connect_pending() {
  const auto fresh = make_interfaces();
  if (fresh.empty()) return;
  if (auto counts = sync_endpoints(fresh); !counts) log::error("{}", counts.error().what);
  if (auto rc = ensure_xdp(); !rc) log::error("{}", rc.error().what);
}

void Daemon::connect_services() {
  ensure_services();
  if (services_ == 0) return;
  auto rc = ensure_programs();
  if (rc) rc = dp_.attach(Hook::services, services_);
  if (!rc) services_problem_ = rc.error().what;
  if (!rc) log::warning("services: {}", rc.error().what);
}

// Namespaces come and go without telling: look again at what is not ready.
void Daemon::retry_pending() {
  if (!prober_ && !goal_.self.name.empty()) ensure_prober();
  if (!problems_.empty()) connect_pending();
  if (!services_problem_.empty()) connect_services();
  if (!verdicts_met_) (void)meet_verdicts();
  if (!options_.host_ports.empty() && host_ == 0 && dp_.loaded()) connect_host();
  functions_.look_for_interfaces();
}

// The veth of the host's own processes; somebody may have deleted it.
void Daemon::connect_host() {
  ensure_host();
  if (host_ == 0) return;
  auto rc = ensure_programs();
  if (rc) rc = dp_.attach(Hook::services, host_);
  if (!rc) log::warning("{}: {}", Interfaces::kHostFar, rc.error().what);
}

// What a daemon with other options left. Its program goes first: the next one is put on
// every interface that has one.
void Daemon::drop_host() {
  const auto far = netlink_.link(Interfaces::kHostFar);
  if (!options_.host_ports.empty() || !far) return;
  auto rc = dp_.detach(Hook::services, far->index);
  if (rc) rc = netlink_.delete_link(far->index);
  if (!rc) log::warning("{}: {}", Interfaces::kHostFar, rc.error().what);
}

void Daemon::ensure_host() {
  if (options_.host_ports.empty() || (host_ != 0 && host_mtu_ == endpoint_mtu())) return;
  const auto made = interfaces_.make_host(endpoint_mtu());
  if (!made) log::warning("{}: {}", Interfaces::kHost, made.error().what);
  host_ = made ? *made : 0;
  host_mtu_ = endpoint_mtu();
}

// The namespace may come later than the goal: tried again until it is there.
void Daemon::ensure_services() {
  if (options_.services.empty() || (services_ != 0 && services_mtu_ == endpoint_mtu())) return;
  auto made = interfaces_.make_services(options_.services, endpoint_mtu());
  const std::string problem = made ? "" : made.error().what;
  if (!made && problem != services_problem_) log::warning("{}", problem);
  services_problem_ = problem;
  services_ = made ? *made : 0;
  services_mtu_ = endpoint_mtu();
}

}  // namespace mizar
