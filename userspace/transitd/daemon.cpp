// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/daemon.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "bpf/abi/wire.h"
#include "userspace/base/log.h"
#include "userspace/base/names.h"
#include "userspace/base/unique_fd.h"
#include "userspace/transitd/described_frame.h"

namespace mizar {

namespace {

constexpr const char* kGoal = "goal";
constexpr const char* kLabels = "labels";  // newer ones

// Goals that come one after the other use the same memory again: what they took goes back after the last.
constexpr std::chrono::milliseconds kQuiet{300};

struct InterfaceAddress {
  std::string interface;
  Addr address;
};

// Every address of this host, IPv4 first.
Result<std::vector<InterfaceAddress>> addresses_here() {
  ifaddrs* raw = nullptr;
  if (getifaddrs(&raw) != 0) return fail_errno(Code::internal, errno, "list addresses");
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> all(raw, freeifaddrs);
  std::vector<InterfaceAddress> v4, v6;
  for (const ifaddrs* a = all.get(); a; a = a->ifa_next) {
    if (!a->ifa_addr) continue;
    if (a->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(a->ifa_addr);
      v4.push_back({a->ifa_name, Addr::v4(ntohl(in->sin_addr.s_addr))});
    } else if (a->ifa_addr->sa_family == AF_INET6) {
      mz_addr bytes;
      std::memcpy(&bytes, &reinterpret_cast<const sockaddr_in6*>(a->ifa_addr)->sin6_addr, sizeof bytes);
      v6.push_back({a->ifa_name, Addr(bytes)});
    }
  }
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

// The interface that has the host's addresses. Error: failed_precondition.
Result<std::string> interface_with(const Addrs& host) {
  const auto here = addresses_here();
  if (!here) return tl::unexpected(here.error());
  std::string name;
  for (const Addr& address : host.all()) {
    const auto at = std::find_if(here->begin(), here->end(),
                                 [&](const auto& a) { return a.address == address; });
    if (at == here->end())
      return fail(Code::failed_precondition,
                  "host address {} is on no interface: configure it, or fix the goal state",
                  address.text());
    if (!name.empty() && name != at->interface)
      return fail(Code::failed_precondition,
                  "host addresses {} and {} are on {} and {}: both must be on the uplink",
                  host.v4->text(), host.v6->text(), name, at->interface);
    name = at->interface;
  }
  return name;
}

std::string name_in_vpc(const v1::Policy& p) { return policy::full_name(p); }
std::string name_in_vpc(const v1::Namespace& n) { return n.name(); }

// Every address it had is still there: its interface can stay.
bool keeps(const EndpointSpec& now, const EndpointSpec& before) {
  return (!before.address.v4 || now.address.v4 == before.address.v4) &&
         (!before.address.v6 || now.address.v6 == before.address.v6);
}

void merge_into(v1::GoalState& into, const KeptState& kept) {
  const v1::GoalState& more = kept.rest();
  into.mutable_vpcs()->MergeFrom(more.vpcs());
  into.mutable_networks()->MergeFrom(more.networks());
  kept.add_endpoints_to(into);
  into.mutable_policies()->MergeFrom(more.policies());
  into.mutable_namespaces()->MergeFrom(more.namespaces());
  if (into.host().empty()) {
    into.set_host(more.host());
    into.mutable_hosts()->MergeFrom(more.hosts());
  }
}

}  // namespace

Result<Addrs> addresses_of_interface(const std::string& name) {
  const auto here = addresses_here();
  if (!here) return tl::unexpected(here.error());
  Addrs out;
  for (const auto& a : *here) {
    if (a.interface != name || !check_unicast(a.address)) continue;
    auto& of_family = a.address.is_v4() ? out.v4 : out.v6;
    if (!of_family) of_family = a.address;
  }
  return out;
}

Result<Addr> address_of_interface(const std::string& name) {
  const auto all = addresses_of_interface(name);
  if (!all) return tl::unexpected(all.error());
  if (!all->v4 && !all->v6) return fail(Code::not_found, "uplink {}: no such interface, or it has no address", name);
  return all->first();
}

Daemon::Daemon(EventLoop& loop, Dataplane& dp, Store& store, DaemonOptions options,
               net::Netlink netlink, net::Netlink for_underlay, net::Netlink for_interfaces,
               net::Monitor monitor)
    : loop_(loop),
      dp_(dp),
      store_(store),
      options_(std::move(options)),
      netlink_(std::move(netlink)),
      monitor_(std::move(monitor)),
      underlay_(std::move(for_underlay), [this](std::uint32_t id) { on_host_changed(id); }),
      interfaces_(std::move(for_interfaces),
                  [this](unsigned ifindex) {
                    const auto p = dp_.ports().get(ifindex % MZ_PORTS);
                    return p && p->ifindex != 0 && p->ifindex != ifindex;
                  }),
      policies_(dp),
      qos_(dp),
      tables_(dp, [this](std::uint32_t id, mz_host& entry) { fill_host(id, entry); },
              kPathTtl, options_.max_flows),
      verdicts_([this](std::uint32_t host) {
        const auto d = down_.find(host);
        return d != down_.end() && d->second;
      }),
      vips_(dp),
      gateways_(dp),
      flows_(dp, [this] { return port_interfaces(); }),
      functions_(dp, store),
      groups_(dp),
      querier_(dp, std::chrono::seconds(options_.query_seconds)),
      generation_(std::random_device{}()) {
  generation_ = (generation_ << 31) + 1;  // room to count, and never 0
  tables_.set_flags([this](const EndpointSpec& e) { 
    return functions_.flags(e) | (by_xdp_.contains(object_key(e.vpc, e.name)) ? MZ_EP_F_XDP : 0u);
  });
  tables_.set_policy([this](const EndpointSpec& e) { return policies_.place(e); });
  tables_.set_qos([this](const EndpointSpec& e, unsigned ifindex) { return qos_.place(e, ifindex); });
  vips_.set_well([this](const ServiceSpec& s, const BackendSpec& b, Family f) { return verdicts_.well(s, b, f); });
}

Result<std::unique_ptr<Daemon>> Daemon::start(EventLoop& loop, Dataplane& dp, Store& store,
                                              DaemonOptions options) {
  auto a = net::Netlink::open(), b = net::Netlink::open(), c = net::Netlink::open();
  auto monitor = net::Monitor::open();
  if (!a || !b || !c) return tl::unexpected((!a ? a : !b ? b : c).error());
  if (!monitor) return tl::unexpected(monitor.error());
  std::unique_ptr<Daemon> d(new Daemon(loop, dp, store, std::move(options), std::move(*a),
                                       std::move(*b), std::move(*c), std::move(*monitor)));
  MZ_CHECK(d->recover());
  MZ_CHECK(d->watch());
  return d;
}

Result<> Daemon::recover() {
  auto hz = dp_.clock_hz();
  if (!hz) return tl::unexpected(hz.error());
  hz_ = *hz;
  auto bytes = store_.get(kGoal);
  if (!bytes) return tl::unexpected(bytes.error());
  v1::StoredGoal stored;
  if (*bytes && !stored.ParseFromString(**bytes))
    return fail(Code::internal, "store: {} is not a goal state; apply it again after --reset", kGoal);
  applied_ = KeptState(std::move(*stored.mutable_applied()));
  added_ = KeptState(std::move(*stored.mutable_added()));
  bytes = store_.get(kLabels);
  if (!bytes) return tl::unexpected(bytes.error());
  if (*bytes && !newer_.ParseFromString(**bytes))
    return fail(Code::internal, "store: {} are no labels; set them again after --reset", kLabels);
  MZ_CHECK(read_qos());
  if (applied_.rest().host().empty() && added_.rest().host().empty()) {
    log::info("no goal state yet: waiting for 'transit apply'");
    return {};
  }
  auto goal = merged(applied_, added_, newer_);
  if (!goal) return tl::unexpected(goal.error());
  goal_ = std::move(*goal);
  auto counts = reconcile();
  if (!counts) return tl::unexpected(counts.error());
  log::info("revision {} taken up: {} added, {} changed, {} removed", goal_.revision,
            counts->added, counts->changed, counts->removed);
  return {};
}

Result<> Daemon::watch() {
  MZ_CHECK(loop_.watch(monitor_.fd(), [this] { on_monitor(); }));
  MZ_CHECK(loop_.every(std::chrono::milliseconds(250), [this] { retry_pending(); }));
  MZ_CHECK(loop_.every(std::chrono::milliseconds(100), [this] { tend(); }));
  return loop_.every(std::chrono::seconds(10), [this] {
    underlay_.refresh();
    recent_events_.clear();
    log_verdicts();
    if (auto rc = tables_.expire(); !rc) log::warning("{}", rc.error().what);
  });
}

// ---- the goal ---------------------------------------------------------------

Result<Goal> Daemon::merged(const KeptState& applied, const KeptState& added, v1::StoredLabels& newer) const {
  v1::GoalState all = applied.all();
  merge_into(all, added);
  if (!standalone(applied)) all.mutable_label_sets()->MergeFrom(newer.sets());
  auto goal = parse_goal(all);
  if (!goal) return goal;
  // Of endpoints that are gone, labels go as well.
  auto* labels = newer.mutable_endpoints();
  labels->erase(std::remove_if(labels->begin(), labels->end(),
                               [&](const auto& l) {
                                 const auto e = goal->endpoints.find(l.endpoint());
                                 return e == goal->endpoints.end() || !goal->local(e->second);
                               }),
                labels->end());
  for (const auto& l : newer.endpoints()) {
    auto parsed = policy::parse_pod_labels(l);
    if (!parsed) return wrap(parsed.error(), "endpoint " + l.endpoint());
    auto& e = goal->endpoints.find(l.endpoint())->second;
    e.labels = std::move(*parsed);
    MZ_CHECK(check_groups(*goal, e));
  }
  MZ_CHECK(overlay_qos(stored_qos_, *goal));
  if (standalone(applied)) MZ_CHECK(number_labels(policies_.in_use(*goal), *goal, newer));
  return goal;
}

Result<> Daemon::check(const Goal& goal) {
  if (options_.no_flows && !goal.services.empty())
    return fail(Code::failed_precondition,
                "service {}: needs flows, which are off on this host; start transitd without --no-flows",
                goal.services.begin()->first);
  if (options_.no_flows && !goal.gateways.empty())
    return fail(Code::failed_precondition,
                "gateway {}: needs flows, which are off on this host; start transitd without --no-flows",
                goal.gateways.begin()->first);
  for (const auto& [key, p] : goal.peerings)
    if (options_.no_flows && p.answers_only)
      return fail(Code::failed_precondition,
                  "peering {}: needs flows, which are off on this host; start transitd without --no-flows", key);
  for (const auto& [vpc, p] : goal.policy)
    if (options_.no_flows && !p.policies.empty())
      return fail(Code::failed_precondition,
                  "policy {}/{}: needs flows, which are off on this host; start transitd without --no-flows", vpc,
                  p.policies.begin()->first);
  MZ_CHECK(check_outside(goal));
  MZ_CHECK(tables_.check(goal));
  MZ_CHECK(policies_.check(goal));
  MZ_CHECK(qos_.check(goal));
  MZ_CHECK(gateways_.check(goal));
  return vips_.check(goal);
}

Result<> Daemon::save(const KeptState& applied, const KeptState& added) {
  return store_.put(kGoal, KeptState::stored(applied, added));
}

Result<> Daemon::save(const v1::StoredLabels& newer) { return store_.put(kLabels, newer.SerializeAsString()); }

// Stored first: what a caller was told survives whatever happens next. When the
// data plane refuses in spite of the checks, the old goal comes back.
Result<RowChanges> Daemon::adopt(Goal next, const KeptState& applied, const KeptState& added,
                                 const v1::StoredLabels& newer, bool moved) {
  MZ_CHECK(store_labels());
  if (dp_.loaded()) MZ_CHECK(check(next));
  const bool labels = newer.SerializeAsString() != newer_.SerializeAsString();
  if (labels) MZ_CHECK(save(newer));
  MZ_CHECK(save(applied, added));
  finish_leaving(std::chrono::steady_clock::time_point::max());
  Goal old = std::exchange(goal_, std::move(next));
  // An endpoint that is connected otherwise now makes room first; one that left
  // goes when the tables have forgotten it.
  std::vector<const EndpointSpec*> left;
  for (const auto& [key, e] : old.endpoints) {
    if (!old.local(e)) continue;
    const auto now = goal_.endpoints.find(key);
    if (now == goal_.endpoints.end() || !goal_.local(now->second))
      left.push_back(&e);
    else if (now->second.attach != e.attach || now->second.mac != e.mac || !keeps(now->second, e))
      disconnect(e);
    else if (now->second.address != e.address)
      grown_.insert(key);
  }
  if (moved)
    for (const EndpointSpec* e : left) let_drain(*e);
  auto counts = reconcile();
  if (!counts) {
    for (const Leaving& l : std::exchange(leaving_, {})) tables_.keep(ports_.at(object_key(l.endpoint.vpc, l.endpoint.name)).ifindex);
    goal_ = std::move(old);
    if (auto rc = save(applied_, added_); !rc) log::error("{}", rc.error().what);
    if (labels)
      if (auto rc = save(newer_); !rc) log::error("{}", rc.error().what);
    if (!goal_.self.name.empty())
      if (auto rc = reconcile(); !rc) log::error("back to revision {}: {}", goal_.revision, rc.error().what);
    return counts;
  }
  applied_ = applied;
  added_ = added;
  newer_ = newer;
  generation_++;
  trim_due_ = std::chrono::steady_clock::now() + kQuiet;
  verdicts_.prune(goal_);
  if (!moved)
    for (const EndpointSpec* e : left) disconnect(*e);
  retry_pending();  // what waited for their place
  return counts;
}

Result<v1::ApplyReply> Daemon::apply(const v1::ApplyRequest& request) {
  const v1::GoalState& next = request.state();
  if (next.revision() < applied_.rest().revision())
    return fail(Code::failed_precondition,
                "revision {} is older than {}, which is in force: make a newer plan",
                next.revision(), applied_.rest().revision());
  // The applied half has to stand alone, or the error would blame the other.
  MZ_CHECK(parse_goal(next));
  // What was added here and now comes by the plan is the plan's.
  v1::GoalState added = added_.all();
  const auto by_plan = [&](const auto& list, const auto& object) {
    return std::any_of(list.begin(), list.end(), [&](const auto& o) { return o.name() == object.name(); });
  };
  auto* vpcs = added.mutable_vpcs();
  vpcs->erase(std::remove_if(vpcs->begin(), vpcs->end(), [&](const auto& v) { return by_plan(next.vpcs(), v); }), vpcs->end());
  auto* nets = added.mutable_networks();
  nets->erase(std::remove_if(nets->begin(), nets->end(),
                             [&](const auto& n) {
                               return std::any_of(next.networks().begin(), next.networks().end(),
                                                  [&](const auto& o) { return o.vpc() == n.vpc() && o.name() == n.name(); });
                             }),
              nets->end());
  auto* eps = added.mutable_endpoints();
  for (auto& e : *eps) e.set_host(next.host());
  eps->erase(std::remove_if(eps->begin(), eps->end(),
                            [&](const auto& e) {
                              return std::any_of(next.endpoints().begin(), next.endpoints().end(),
                                                 [&](const auto& o) { return o.vpc() == e.vpc() && o.name() == e.name(); });
                            }),
             eps->end());
  added.clear_host();
  added.clear_hosts();
  const auto of_plan = [](auto* list, const auto& planned) {
    list->erase(std::remove_if(list->begin(), list->end(),
                               [&](const auto& o) {
                                 return std::any_of(planned.begin(), planned.end(), [&](const auto& p) {
                                   return p.vpc() == o.vpc() && name_in_vpc(p) == name_in_vpc(o);
                                 });
                               }),
                list->end());
  };
  of_plan(added.mutable_policies(), next.policies());
  of_plan(added.mutable_namespaces(), next.namespaces());
  // Numbers of label sets are the plan's, and so are labels of its endpoints.
  v1::StoredLabels newer;
  for (const auto& l : newer_.endpoints())
    if (std::none_of(next.endpoints().begin(), next.endpoints().end(),
                     [&](const auto& e) { return object_key(e.vpc(), e.name()) == l.endpoint(); }))
      *newer.add_endpoints() = l;
  const KeptState applied(next), beside(std::move(added));
  auto goal = merged(applied, beside, newer);
  if (!goal) return tl::unexpected(goal.error());
  v1::ApplyReply reply;
  reply.set_revision(next.revision());
  if (request.dry_run()) {
    if (dp_.loaded()) MZ_CHECK(check(*goal));
    return reply;
  }
  auto counts = adopt(std::move(*goal), applied, beside, newer, true);
  if (!counts) return tl::unexpected(counts.error());
  reply.set_added(counts->added);
  reply.set_changed(counts->changed);
  reply.set_removed(counts->removed);
  log::info("revision {} applied: {} added, {} changed, {} removed", next.revision(),
            counts->added, counts->changed, counts->removed);
  return reply;
}

v1::GoalState Daemon::state() const {
  v1::GoalState all = applied_.all();
  merge_into(all, added_);
  all.mutable_label_sets()->MergeFrom(newer_.sets());
  add_newer_labels(all);
  return all;
}

void Daemon::add_newer_labels(v1::GoalState& all) const {
  if (newer_.endpoints().empty()) return;
  std::unordered_map<std::string, v1::Endpoint*> by_key;
  for (auto& e : *all.mutable_endpoints()) by_key.emplace(object_key(e.vpc(), e.name()), &e);
  for (const auto& l : newer_.endpoints()) {
    const auto e = by_key.find(l.endpoint());
    if (e == by_key.end()) continue;
    e->second->set_namespace_(l.namespace_());
    *e->second->mutable_labels() = l.labels();
    *e->second->mutable_ports() = l.ports();
    *e->second->mutable_security_groups() = l.security_groups();
  }
}

// ---- making it true -----------------------------------------------------------

Result<RowChanges> Daemon::reconcile() {
  MZ_CHECK(ensure_uplink());
  MZ_CHECK(ensure_outside());
  ensure_services();
  ensure_host();
  MZ_CHECK(ensure_programs());
  MZ_CHECK(check(goal_));  // the first goal could not be, before they were loaded
  const auto vips = ensure_vips();  // before ports say that there are any
  if (!vips) return tl::unexpected(vips.error());
  MZ_CHECK(ensure_gateways());
  MZ_CHECK(policies_.apply(goal_));  // before ports and endpoints are judged by it
  std::map<std::uint32_t, Addr> others;
  for (const auto& [name, h] : goal_.hosts)
    if (const auto ip = goal_.reach(h.id); ip && h.id != goal_.self.id) others.emplace(h.id, *ip);
  underlay_.set_hosts(others);
  ensure_hops();
  auto counts = sync_endpoints(make_interfaces());
  if (!counts) return counts;
  MZ_CHECK(policies_.settle(goal_));
  MZ_CHECK(qos_.settle());
  counts->added += vips->vips.added;
  counts->changed += vips->vips.changed;
  counts->removed += vips->vips.removed;
  if (services_ != 0) MZ_CHECK(dp_.attach(Hook::services, services_));
  drop_host();
  if (host_ != 0) MZ_CHECK(dp_.attach(Hook::services, host_));
  MZ_CHECK(dp_.attach(Hook::uplink_deliver, uplink_));
  MZ_CHECK(ensure_xdp());
  MZ_CHECK(attach_gateway());
  ensure_groups(true);
  return counts;
}

Result<> Daemon::ensure_uplink() {
  std::string name = options_.uplink;
  if (name.empty()) {
    auto found = interface_with(goal_.self.address);
    if (!found) return tl::unexpected(found.error());
    name = *found;
  }
  auto link = netlink_.link(name);
  if (!link) return wrap(link.error(), fmt::format("uplink {}", name));
  if (uplink_ != 0 && uplink_ != link->index) {
    MZ_CHECK(dp_.detach(Hook::uplink_deliver, uplink_));
    MZ_CHECK(dp_.detach(Hook::uplink_hop, uplink_));
    MZ_CHECK(dp_.detach(Hook::gateway_out, uplink_));
  }
  uplink_ = link->index;
  uplink_name_ = name;
  uplink_mtu_ = link->mtu;
  uplink_is_veth_ = link->kind == "veth";
  return {};
}

Result<> Daemon::ensure_programs() {
  const bool first = !dp_.loaded();
  if (first) MZ_CHECK(functions_.read());
  mz_cfg cfg{};
  if (goal_.self.address.v4) cfg.self_ip4 = goal_.self.address.v4->abi();
  if (goal_.self.address.v6) cfg.self_ip6 = goal_.self.address.v6->abi();
  cfg.self_id = goal_.self.id;
  cfg.uplink = uplink_;
  cfg.path_ttl = static_cast<__u32>(options_.path_ttl.count() * hz_);
  cfg.hint_interval = static_cast<__u32>(options_.hint_interval.count() * hz_ / 1000);
  cfg.flags = (uplink_is_veth_ ? MZ_CFG_F_NO_XDP_TX : 0u) | (options_.no_flows ? MZ_CFG_F_NO_FLOWS : 0u) |
              (options_.keep_flows ? MZ_CFG_F_KEEP_FLOWS : 0u) |
              (functions_.at_hops() ? MZ_CFG_F_HOP_FUNCTIONS : 0u);
  cfg.services = services_;
  cfg.host = host_;
  for (std::size_t i = 0; i < options_.host_ports.size(); i++) cfg.host_ports[i] = htons(options_.host_ports[i]);
  cfg.outside = outside_;
  cfg.inner_mtu = endpoint_mtu();
  cfg.outside_mtu = outside_mtu_;
  if (outside_address_.v4) cfg.outside_ip4 = outside_address_.v4->abi();
  if (outside_address_.v6) cfg.outside_ip6 = outside_address_.v6->abi();
  cfg.second = hz_;
  cfg.answers = options_.answers;
  cfg.group_packets = options_.group_packets;
  for (std::size_t i = 0; i < options_.flow_seconds.size(); i++)
    cfg.flow_timeout[i] = options_.flow_seconds[i] * hz_;
  if (cfg_ && same_bytes(*cfg_, cfg)) return {};
  MZ_CHECK(dp_.load(cfg));
  cfg_ = cfg;
  if (!first) return {};
  MZ_CHECK(tables_.recover());
  MZ_CHECK(recover_groups());
  MZ_CHECK(qos_.recover(goal_));
  MZ_CHECK(vips_.recover());
  MZ_CHECK(gateways_.recover());
  MZ_CHECK(functions_.recover());
  for (const auto& [id, h] : goal_.host_names)
    if (const auto entry = dp_.hosts().get(id)) down_[id] = (entry->flags & MZ_HOST_F_DOWN) != 0;
  if (dp_.event_fd() < 0) return {};  // it never tells anything
  return loop_.watch(dp_.event_fd(), [this] {
    dp_.poll_events([this](const mz_any_event& e) {
      e.event.type == MZ_EVENT_DENIED ? on_denial(e.denial) : on_event(e.event);
    });
  });
}

// The hops this host sends to are probed, and the hosts of backends it asks about.
void Daemon::ensure_hops() {
  hops_.clear();
  watched_.clear();
  const auto take = [this](const std::optional<ShardTable>& t) {
    if (!t) return;
    for (const mz_shard& s : *t)
      for (const auto id : {s.primary, s.backup})
        if (id != 0 && id != goal_.self.id) hops_.insert(id);
  };
  for (const auto& [name, v] : goal_.vpcs) take(v.dividers);
  for (const auto& [key, n] : goal_.networks) take(n.bouncers);
  for (const auto& [key, g] : goal_.gateways) take(g.hosts);
  for (const auto& [key, s] : goal_.services)
    for (const BackendSpec& b : s.backends)
      if (s.health && b.host_id != goal_.self.id) watched_.insert(b.host_id);
  std::erase_if(down_, [&](const auto& d) { return !hops_.contains(d.first) && !watched_.contains(d.first); });
  ensure_prober();
}

// An IPv6 address is not usable until its duplicate detection is over, which
// after a boot may be later than this: tried again until it is.
void Daemon::ensure_prober() {
  if (!prober_ || probing_as_ != goal_.self) {
    prober_.reset();
    auto p = Prober::start(goal_.self.id, goal_.self.address, [this](std::uint32_t id, bool down) {
      loop_.post([this, id, down] { on_liveness(id, down); });
    });
    const std::string problem = p ? "" : p.error().what;
    if (!p && problem != probing_problem_) log::warning("{}", problem);
    probing_problem_ = problem;
    if (!p) return;
    prober_ = std::move(*p);
    probing_as_ = goal_.self;
  }
  std::map<std::uint32_t, Addr> targets;
  for (const auto* set : {&hops_, &watched_})
    for (const auto id : *set)
      if (const auto ip = goal_.reach(id)) targets[id] = *ip;
  prober_->set_targets(targets, down_);
}

bool Daemon::is_hop_host() const {
  const auto r = roles();
  return std::any_of(r.begin(), r.end(), [](const auto& s) { return s == "bouncer" || s == "divider"; });
}

std::vector<std::string> Daemon::roles() const {
  const auto serves = [this](const std::optional<ShardTable>& t) {
    return t && std::any_of(t->begin(), t->end(), [this](const mz_shard& s) {
             return s.primary == goal_.self.id || s.backup == goal_.self.id;
           });
  };
  std::vector<std::string> r;
  if (std::any_of(goal_.endpoints.begin(), goal_.endpoints.end(),
                  [this](const auto& e) { return goal_.local(e.second); }))
    r.emplace_back("endpoint-host");
  if (std::any_of(goal_.networks.begin(), goal_.networks.end(),
                  [&](const auto& n) { return serves(n.second.bouncers); }))
    r.emplace_back("bouncer");
  if (std::any_of(goal_.vpcs.begin(), goal_.vpcs.end(),
                  [&](const auto& v) { return serves(v.second.dividers); }))
    r.emplace_back("divider");
  if (served()) r.emplace_back("gateway");
  return r;
}

unsigned Daemon::endpoint_mtu() const {
  const unsigned over = goal_.overhead();
  return uplink_mtu_ > over ? std::min(uplink_mtu_ - over, 65535u) : 0;
}

Result<v1::ReplaceProgramsReply> Daemon::replace_programs(const std::string& directory) {
  if (!cfg_) return fail(Code::failed_precondition, "no programs yet: apply a goal state first");
  MZ_CHECK(dp_.load(*cfg_, directory));
  v1::ReplaceProgramsReply reply;
  reply.set_replaced(static_cast<std::uint32_t>(dp_.attachments().size()));
  return reply;
}

}  // namespace mizar
