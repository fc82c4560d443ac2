// SPDX-License-Identifier: Apache-2.0
// Classes and rates as they are set and told of; the qdiscs that sort and time packets.
#include <algorithm>

#include "bpf/abi/wire.h"
#include "userspace/base/log.h"
#include "userspace/net/offload.h"
#include "userspace/qos/text.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

namespace {

constexpr const char* kQos = "qos";  // in the store
static_assert(net::kLevelQueues == MZ_LEVEL_QUEUES);
constexpr std::array<const char*, 2> kDirections = {"egress", "ingress"};

// What a packet of class k would wait now at a shaper, ns.
std::uint64_t queue_ns(const mz_clocks& c, const mz_shaper& r, unsigned k, std::uint64_t now) {
  std::uint64_t most = 0;
  const auto look = [&](std::uint64_t clock) {
    const std::uint64_t ahead = clock - now;
    if (ahead <= MZ_CLOCK_MOST) most = std::max(most, ahead);
  };
  const auto limit = [&](const mz_limit& l, const mz_limit_clock& clock) {
    if (l.byte != 0) look(clock.bytes);
    if (l.packet != 0) look(clock.packets);
  };
  limit(r.whole, c.class_[k].whole);
  limit(r.class_[k], c.class_[k].own);
  return most >> MZ_TICK_BITS;
}

// Bits a second, of all that what the endpoint sends is kept to; 0 = nothing.
std::uint64_t slowest_of(const Goal& goal, const EndpointSpec& e, std::uint64_t uplink) {
  std::uint64_t slowest = 0;
  const auto vpc = goal.vpcs.find(e.vpc);
  for (const std::uint64_t rate : {e.qos.shaper[MZ_DIR_EGRESS].whole.rate, uplink,
                                   vpc == goal.vpcs.end() ? 0 : vpc->second.qos.shaper[MZ_DIR_EGRESS].whole.rate})
    if (rate != 0 && (slowest == 0 || rate < slowest)) slowest = rate;
  return slowest;
}

std::uint64_t monotonic_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Bits a second that endpoints and VPCs of this host are guaranteed together.
std::uint64_t guaranteed_in(const Goal& goal) {
  std::uint64_t sum = 0;
  const auto add = [&sum](const QosSpec& q) { sum += q.shaper[MZ_DIR_EGRESS].whole.guaranteed; };
  for (const auto& [name, v] : goal.vpcs) add(v.qos);
  for (const auto& [key, e] : goal.endpoints)
    if (goal.local(e)) add(e.qos);
  return sum;
}

// Bits a second that endpoints of this host may send together, of those that have a limit.
std::uint64_t ceilings_in(const Goal& goal) {
  std::uint64_t sum = 0;
  for (const auto& [key, e] : goal.endpoints)
    if (goal.local(e)) sum += e.qos.shaper[MZ_DIR_EGRESS].whole.rate;
  return sum;
}

std::string target_of(const v1::SetQosRequest& r) {
  if (!r.endpoint().empty()) return "endpoint " + r.endpoint();
  if (!r.vpc().empty()) return "vpc " + r.vpc();
  return r.uplink() ? "uplink" : "levels";
}

// What is stored when the request holds.
void put_request(const v1::SetQosRequest& r, v1::StoredQos& stored) {
  const auto put = [&r](auto* all, const std::string& name) {
    if (r.has_qos())
      (*all)[name] = r.qos();
    else
      all->erase(name);
  };
  if (!r.endpoint().empty()) put(stored.mutable_endpoints(), r.endpoint());
  if (!r.vpc().empty()) put(stored.mutable_vpcs(), r.vpc());
  if (r.uplink() && r.has_qos()) *stored.mutable_uplink() = r.qos();
  if (r.uplink() && !r.has_qos()) stored.clear_uplink();
  for (const auto& level : r.levels()) {
    auto* all = stored.mutable_levels();
    all->erase(std::remove_if(all->begin(), all->end(), [&level](const auto& l) {
                 return l.class_() == level.class_() && l.priority() == level.priority();
               }), all->end());
    *all->Add() = level;
  }
}

// Rates beside what the link carries.
Result<> check_rates(const Goal& goal, const v1::SetQosRequest& r, std::uint64_t link_rate, const std::string& link) {
  const std::uint64_t rate = goal.uplink.shaper[MZ_DIR_EGRESS].whole.rate;
  if (r.uplink() && link_rate != 0 && rate > link_rate)
    return fail(Code::invalid_argument, "uplink: egress.rate: {} are more than {} of link {}", bit_rate_text(rate), bit_rate_text(link_rate), link);
  if (goal.uplink.link_rate && rate == 0 && link_rate == 0)
    return fail(Code::failed_precondition, "uplink: link {} does not say its rate; give egress=RATE", link);
  const std::uint64_t most = rate != 0 ? rate : link_rate, sum = guaranteed_in(goal);
  if (most == 0 || sum <= most) return {};
  return fail(Code::invalid_argument, "{}: egress.guaranteed: endpoints and VPCs would be guaranteed {}, the uplink carries {}",
              target_of(r), bit_rate_text(sum), bit_rate_text(most));
}

}  // namespace

// ---- qdiscs ----------------------------------------------------------------------------

std::uint64_t Daemon::uplink_rate(const Goal& goal) const {
  const std::uint64_t said = goal.uplink.shaper[MZ_DIR_EGRESS].whole.rate;
  return said != 0 || !goal.uplink.link_rate ? said : link_rate_;
}

// What the uplink is to have; none, with why, where nothing does.
std::pair<net::QueueingSpec, std::string> Daemon::wanted_queueing() {
  net::QueueingSpec spec;
  if (options_.queueing == "none" || !Qos::in_use(goal_)) return {spec, ""};
  if (const auto named = net::queueing_named(options_.queueing)) {
    spec.kind = *named;
  } else {
    const auto queues = net::tx_queues(netlink_, uplink_);
    spec.kind = net::choose_queueing(*queueing_support_, queues ? *queues : 1);
  }
  if (spec.kind == net::Queueing::none)
    return {spec, "the kernel has neither fq nor HTB: rates are kept by marks and drops"};
  if (spec.kind != net::Queueing::htb) return {spec, ""};
  spec.rate = uplink_rate(goal_);
  if (spec.rate == 0)
    return {{}, "the kernel has no fq, and HTB needs a rate: 'transit qos set uplink egress=RATE', or link-rate=on"};
  const QosShaper& s = goal_.uplink.shaper[MZ_DIR_EGRESS];
  for (unsigned k = 0; k < MZ_CLASSES; k++) spec.guaranteed[k * MZ_PRIORITIES + 1] = s.classes[k].guaranteed;
  return {spec, ""};
}

void Daemon::ensure_uplink_queueing() {
  if (uplink_ == 0) return;
  auto [spec, problem] = wanted_queueing();
  if (spec.kind != net::Queueing::none) {
    if (auto rc = net::set_queueing(netlink_, uplink_, spec, options_.replace_qdisc); !rc) {
      spec.kind = net::Queueing::none;
      problem = rc.error().what;
    }
  }
  // An earlier run's, or one whose rate nobody says any more, would go on shaping.
  if (spec.kind == net::Queueing::none && (queueing_ != net::Queueing::none || !queueing_known_))
    if (auto rc = net::clear_queueing(netlink_, uplink_); !rc) log::warning("{}", rc.error().what);
  queueing_known_ = true;
  if (!problem.empty()) problem = fmt::format("uplink {}: {}", uplink_name_, problem);
  if (problem != queueing_problem_ && !problem.empty()) log::warning("{}", problem);
  queueing_problem_ = problem;
  if (queueing_ != spec.kind) log::info("uplink {}: {}", uplink_name_, net::name_of(spec.kind));
  queueing_ = spec.kind;
}

// Bytes of TCP's superpackets over IPv4: what the uplink takes, which is its administrator's to say.
// Under an IPv6 header a packet of more than 64 KB would be a jumbogram, which nobody forwards.
unsigned Daemon::largest_superpacket() {
  if (uplink_ == 0 || goal_.overhead() != MZ_OVERHEAD4) return kSuperpacket;
  const auto limits = net::gso_limits(netlink_, uplink_);
  return limits ? std::max(limits->ipv4, kSuperpacket) : kSuperpacket;
}

// The kernel tells nobody when it changes.
void Daemon::follow_uplink(std::chrono::steady_clock::time_point now) {
  if (now < next_look_) return;
  next_look_ = now + std::chrono::seconds(1);
  if (ports_.empty() || largest_superpacket() == largest_superpacket_) return;
  ensure_endpoint_queueing();
}

// What an endpoint receives waits on its interface, where fq can keep it. Its own superpackets
// are no longer than a millisecond of the slowest rate that they are kept to: a shorter queue, even
// spacing, and turns of equal length where several wait.
void Daemon::ensure_endpoint_queueing() {
  const bool wanted = Qos::in_use(goal_) && queueing_support_ && queueing_support_->fq && options_.queueing != "none" &&
                      options_.queueing != "htb";
  const net::Queueing kind = wanted ? net::choose_queueing(*queueing_support_, 1) : net::Queueing::none;
  const std::uint64_t uplink = uplink_rate(goal_);
  largest_superpacket_ = largest_superpacket();
  for (const auto& [key, port] : ports_) {
    const auto e = goal_.endpoints.find(key);
    if (e == goal_.endpoints.end()) continue;
    const auto stands = endpoint_queueing_.find(port.ifindex);
    if (stands == endpoint_queueing_.end() || stands->second != kind) {  // an earlier run's may stand
      net::QueueingSpec spec;
      spec.kind = kind;
      auto rc = net::keeps_time(kind) ? net::set_queueing(netlink_, port.ifindex, spec, false)
                                 : net::clear_queueing(netlink_, port.ifindex);
      if (!rc) {
        log::warning("endpoint {}: {}", key, rc.error().what);
        endpoint_queueing_.erase(port.ifindex);
      } else {
        endpoint_queueing_[port.ifindex] = kind;
      }
    }
    const std::uint64_t rate = slowest_of(goal_, e->second, uplink);
    const unsigned bytes = rate != 0 ? superpacket_of(rate) : largest_superpacket_;
    const auto before = superpackets_.find(key);
    const std::pair<unsigned, unsigned> sizes{bytes, largest_superpacket_};
    if (before != superpackets_.end() && before->second == sizes) continue;  // else an earlier run's may stand
    const auto said = [](unsigned b) { return b == kSuperpacket ? 0 : b; };
    if (auto rc = interfaces_.set_superpackets(e->second, port, said(bytes), said(largest_superpacket_)); !rc)
      log::warning("endpoint {}: {}", key, rc.error().what);
    superpackets_[key] = sizes;
  }
}

void Daemon::ensure_queueing() {
  if (Qos::in_use(goal_) && !queueing_support_ && options_.queueing != "none") {
    auto found = net::probe_queueing();
    if (!found) log::warning("qdiscs: {}", found.error().what);
    queueing_support_ = found ? *found : net::QueueingSupport{};
  }
  link_rate_ = 0;
  if (auto eth = net::Ethtool::open())
    if (const auto rate = eth->rate(uplink_name_)) link_rate_ = *rate;
  ensure_uplink_queueing();
  ensure_endpoint_queueing();
}

Result<> Daemon::ensure_qos() {
  ensure_queueing();
  Qos::Surroundings around;
  around.paced = net::keeps_time(queueing_);
  around.queued = queueing_ == net::Queueing::htb;
  for (unsigned level = 0; level < MZ_LEVELS; level++)
    around.priority[level] =
        queueing_ == net::Queueing::none ? 0 : net::queue_priority(queueing_, (level == 0 ? MZ_LEVEL_DEFAULT : level) - 1);
  around.overhead = goal_.overhead() == MZ_OVERHEAD4 ? MZ_OUTER_LEN4 : MZ_OUTER_LEN6;
  around.uplink_rate = uplink_rate(goal_);
  for (const auto& [ifindex, kind] : endpoint_queueing_)
    if (net::keeps_time(kind)) around.paced_interfaces.insert(ifindex);
  return qos_.apply(goal_, around);
}

// ---- what is set here --------------------------------------------------------------------

Result<> Daemon::read_qos() {
  auto bytes = store_.get(kQos);
  if (!bytes) return tl::unexpected(bytes.error());
  if (*bytes && !stored_qos_.ParseFromString(**bytes))
    return fail(Code::internal, "store: {} are no rates; set them again after --reset", kQos);
  return {};
}

Result<> Daemon::overlay_qos(const v1::StoredQos& stored, Goal& goal) const {
  for (const auto& [key, q] : stored.endpoints()) {
    const auto e = goal.endpoints.find(key);
    if (e == goal.endpoints.end() || !goal.local(e->second)) continue;  // it may come back
    auto spec = parse_qos(q, QosOf::endpoint);
    if (!spec) return wrap(spec.error(), fmt::format("endpoint {}: qos", key));
    e->second.qos = *spec;
  }
  for (const auto& [name, q] : stored.vpcs()) {
    const auto v = goal.vpcs.find(name);
    if (v == goal.vpcs.end()) continue;
    auto spec = parse_qos(q, QosOf::vpc);
    if (!spec) return wrap(spec.error(), fmt::format("vpc {}: qos", name));
    v->second.qos = *spec;
  }
  if (stored.has_uplink()) {
    auto spec = parse_qos(stored.uplink(), QosOf::uplink);
    if (!spec) return wrap(spec.error(), "uplink: qos");
    goal.uplink = *spec;
  }
  return set_levels(stored.levels(), goal.levels);
}

Result<> Daemon::make_qos_true() {
  if (!dp_.loaded()) return {};
  MZ_CHECK(qos_.check(goal_));
  MZ_CHECK(ensure_qos());
  for (const auto& [key, e] : goal_.endpoints)
    if (goal_.local(e)) MZ_CHECK(tables_.update_endpoint(goal_, ports_, e));
  return qos_.settle();
}

// Guarantees and ceilings beside what the uplink has.
std::vector<std::string> Daemon::qos_warnings(const Goal& goal) const {
  std::vector<std::string> out;
  const QosShaper& up = goal.uplink.shaper[MZ_DIR_EGRESS];
  const std::uint64_t rate = uplink_rate(goal), guaranteed = guaranteed_in(goal), ceilings = ceilings_in(goal);
  std::array<bool, MZ_CLASSES> used{};
  for (const auto& [key, e] : goal.endpoints) {
    if (!goal.local(e)) continue;
    const unsigned level = e.qos.level == 0 ? MZ_LEVEL_DEFAULT : e.qos.level;
    used[(level - 1) / MZ_PRIORITIES] = true;
    if (e.qos.trust) used.fill(true);
  }
  if (rate != 0 && guaranteed > rate)
    out.push_back(fmt::format("uplink: endpoints and VPCs are guaranteed {} together, it carries {}", bit_rate_text(guaranteed), bit_rate_text(rate)));
  if (rate != 0 && ceilings > rate)
    out.push_back(fmt::format("uplink: endpoints may send {} together, it carries {}", bit_rate_text(ceilings), bit_rate_text(rate)));
  const auto weighted = [](const QosLimit& l) { return l.weight != 0; };
  if (queueing_ == net::Queueing::htb && std::any_of(up.classes.begin(), up.classes.end(), weighted))
    out.emplace_back("uplink: weights mean nothing to HTB, which serves the classes in their order; guarantee what a class is to have");
  for (unsigned k = 0; k < MZ_CLASSES; k++)
    if (!up.classes[k].empty() && !used[k])
      out.push_back(fmt::format("uplink: egress.{} has limits, and no endpoint of this host is of that class", kClassNames[k]));
  return out;
}

Result<v1::SetQosReply> Daemon::set_qos(const v1::SetQosRequest& r) {
  MZ_CHECK(store_labels());  // what waits points into the goal that goes
  const int targets = !r.endpoint().empty() + !r.vpc().empty() + r.uplink();
  if (targets > 1 || (targets == 0 && r.levels().empty()))
    return fail(Code::invalid_argument, "qos: name one target: an endpoint, a VPC or the uplink");
  if (goal_.self.name.empty())
    return fail(Code::failed_precondition, "qos: this host has no goal state yet; apply a plan, or add an endpoint");
  const auto e = goal_.endpoints.find(r.endpoint());
  if (!r.endpoint().empty() && (e == goal_.endpoints.end() || !goal_.local(e->second)))
    return fail(Code::not_found, "endpoint {}: there is none on this host", r.endpoint());
  if (!r.vpc().empty() && !goal_.vpcs.contains(r.vpc())) return fail(Code::not_found, "vpc {}: there is none here", r.vpc());

  v1::StoredQos stored = stored_qos_;
  put_request(r, stored);
  // All of it anew: where nothing is set here any more, the plan's word holds.
  std::swap(stored_qos_, stored);
  v1::StoredLabels labels = newer_;
  auto merge = merged(applied_, added_, labels);
  std::swap(stored_qos_, stored);
  if (!merge) return tl::unexpected(merge.error());
  Goal& next = *merge;
  MZ_CHECK(check_rates(next, r, link_rate_, uplink_name_));
  MZ_CHECK(qos_.check(next));
  v1::SetQosReply reply;
  for (auto& w : qos_warnings(next)) reply.add_warnings(std::move(w));
  if (r.dry_run()) return reply;

  MZ_CHECK(store_.put(kQos, stored.SerializeAsString()));
  std::swap(goal_, next);
  std::swap(stored_qos_, stored);
  if (auto rc = make_qos_true(); !rc) {
    std::swap(goal_, next);
    std::swap(stored_qos_, stored);
    if (auto back = store_.put(kQos, stored_qos_.SerializeAsString()); !back) log::error("{}", back.error().what);
    if (auto back = make_qos_true(); !back) log::error("{}", back.error().what);
    return tl::unexpected(rc.error());
  }
  log::info("qos of {} set", target_of(r));
  return reply;
}

Result<Daemon::Counted> Daemon::counted_once(Qos::Kind kind, const std::string& name) {
  Counted out;
  const auto began = monotonic_ns();
  for (unsigned dir = 0; dir < MZ_DIRS; dir++) {
    const auto at = qos_.slots().find({kind, name, dir});
    if (at == qos_.slots().end()) continue;
    const auto counts = dp_.shaped(at->second);
    if (!counts) return tl::unexpected(counts.error());
    const auto row = dp_.shapers().get(at->second);
    const auto clocks = dp_.clocks().get(at->second);
    for (unsigned k = 0; k < MZ_CLASSES; k++) {
      const mz_shaped& n = counts->class_[k];
      auto& q = out.queues.emplace_back();
      q.set_direction(kDirections[dir]);
      q.set_class_(kClassNames[k]);
      q.set_packets(n.packets);
      q.set_bytes(n.bytes);
      q.set_marked(n.marked);
      q.set_dropped(n.dropped);
      q.set_delay_ns(n.delay);
      if (row && clocks) q.set_queue_ns(queue_ns(*clocks, *row, k, began << MZ_TICK_BITS));
    }
  }
  out.took_ns = monotonic_ns() - began;
  out.time_ns = began + out.took_ns / 2;
  return out;
}

// A rate is the difference of two such looks, and a daemon whose CPU is taken away between the
// clock and the counts is wrong by as long as it stood: it looks again, and keeps the shortest.
Result<Daemon::Counted> Daemon::counted_of(Qos::Kind kind, const std::string& name) {
  constexpr std::uint64_t kShort = 500'000;  // ns; a look takes some tens of microseconds
  auto best = counted_once(kind, name);
  for (int again = 0; again < 5 && best && best->took_ns > kShort; again++) {
    auto next = counted_once(kind, name);
    if (!next || next->took_ns < best->took_ns) best = std::move(next);
  }
  return best;
}

Result<v1::QosStatus> Daemon::qos_status() {
  v1::QosStatus out;
  if (const auto q = netlink_.root_qdisc(uplink_); uplink_ != 0 && q) out.set_qdisc(*q);
  out.set_queueing(net::name_of(queueing_));
  out.set_paced(net::keeps_time(queueing_));
  out.set_problem(queueing_problem_);
  out.set_link_rate(link_rate_);
  out.set_uplink_rate(uplink_rate(goal_));
  out.set_guaranteed(guaranteed_in(goal_));
  out.set_ceilings(ceilings_in(goal_));
  for (auto& w : qos_warnings(goal_)) out.add_warnings(std::move(w));
  for (const auto& level : to_messages(goal_.levels)) *out.add_levels() = level;

  const auto add = [&](Qos::Kind kind, const char* text, const std::string& name, const QosSpec& spec, bool here) -> Result<> {
    auto* t = out.add_targets();
    t->set_kind(text);
    t->set_name(name);
    *t->mutable_qos() = to_message(spec);
    t->set_here(here);
    auto counted = counted_of(kind, name);
    if (!counted) return tl::unexpected(counted.error());
    t->set_time_ns(counted->time_ns);
    for (auto& q : counted->queues) *t->add_queues() = std::move(q);
    return {};
  };
  if (!(goal_.uplink == QosSpec{})) MZ_CHECK(add(Qos::Kind::uplink, "uplink", "", goal_.uplink, stored_qos_.has_uplink()));
  for (const auto& [name, v] : goal_.vpcs)
    if (!(v.qos == QosSpec{})) MZ_CHECK(add(Qos::Kind::vpc, "vpc", name, v.qos, stored_qos_.vpcs().contains(name)));
  for (const auto& [key, e] : goal_.endpoints) {
    if (!goal_.local(e)) continue;
    if (e.qos == QosSpec{}) continue;
    MZ_CHECK(add(Qos::Kind::endpoint, "endpoint", key, e.qos, stored_qos_.endpoints().contains(key)));
    const auto port = ports_.find(key);
    const auto kind = port == ports_.end() ? endpoint_queueing_.end() : endpoint_queueing_.find(port->second.ifindex);
    out.mutable_targets()->rbegin()->set_paced(kind != endpoint_queueing_.end() && net::keeps_time(kind->second));
  }
  return out;
}

}  // namespace mizar
