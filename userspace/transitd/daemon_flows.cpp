// SPDX-License-Identifier: Apache-2.0
// What the daemon tells of flows.
#include <arpa/inet.h>
#include <malloc.h>

#include <algorithm>

#include "userspace/base/log.h"
#include "userspace/transitd/daemon.h"

namespace mizar {

namespace {

constexpr std::uint32_t kTopDefault = 10;
constexpr std::uint32_t kTopInterval = 1000;

bool empty(const v1::FlowFilter& f) {
  return f.vpc().empty() && f.endpoint().empty() && f.address().empty() && f.protocol().empty() && f.port() == 0;
}

std::uint64_t carried(const mz_flow& f, bool packets) {
  return packets ? f.packets[0] + f.packets[1] : f.bytes[0] + f.bytes[1];
}

}  // namespace

std::set<unsigned> Daemon::port_interfaces() const {
  std::set<unsigned> all;
  for (const auto& [key, port] : ports_) all.insert(port.ifindex);
  return all;
}

Result<FlowFilter> Daemon::flow_filter(const v1::FlowFilter& f) const {
  FlowFilter out;
  if (!f.vpc().empty()) {
    const auto vpc = goal_.vpcs.find(f.vpc());
    if (vpc == goal_.vpcs.end()) return fail(Code::not_found, "vpc {}: there is none", f.vpc());
    out.vni = vpc->second.vni;
  }
  if (!f.endpoint().empty()) {
    const auto port = ports_.find(f.endpoint());
    if (port == ports_.end())
      return fail(Code::not_found, "endpoint {}: none of this name is connected here", f.endpoint());
    out.ifindex = port->second.ifindex;
  }
  if (!f.address().empty()) {
    auto address = Addr::parse(f.address());
    if (!address) return wrap(address.error(), "filter: address");
    out.address = *address;
  }
  if (!f.protocol().empty()) {
    auto protocol = parse_protocol(f.protocol());
    if (!protocol) return tl::unexpected(protocol.error());
    out.protocol = *protocol;
  }
  if (f.port() > 65535) return fail(Code::invalid_argument, "port {}: give 1..65535", f.port());
  if (f.port() != 0) out.port = static_cast<std::uint16_t>(f.port());
  return out;
}

v1::Flow Daemon::flow_message(const Flows::Entry& entry, std::uint32_t now) const {
  const auto& [k, f] = entry;
  const auto ms = [this](std::uint32_t jiffies) { return std::uint64_t{jiffies} * 1000 / hz_; };
  const std::uint32_t idle = static_cast<std::int32_t>(now - f.seen) > 0 ? now - f.seen : 0;
  v1::Flow m;
  const auto vpc = std::find_if(goal_.vpcs.begin(), goal_.vpcs.end(),
                                [&](const auto& v) { return v.second.vni == k.vni; });
  m.set_vpc(vpc == goal_.vpcs.end() ? fmt::format("vni {}", k.vni) : vpc->first);
  m.set_endpoint(endpoint_by_ifindex(f.ifindex));
  m.set_protocol(protocol_text(k.proto));
  m.set_address(Addr(k.local).text());
  m.set_port(ntohs(k.local_port));
  m.set_remote_address(Addr(k.remote).text());
  m.set_remote_port(ntohs(k.remote_port));
  m.set_state(flow_state_text(k, f));
  m.set_opened_here(f.opener == MZ_DIR_EGRESS);
  m.set_packets_out(f.packets[MZ_DIR_EGRESS]);
  m.set_bytes_out(f.bytes[MZ_DIR_EGRESS]);
  m.set_packets_in(f.packets[MZ_DIR_INGRESS]);
  m.set_bytes_in(f.bytes[MZ_DIR_INGRESS]);
  m.set_age_ms(ms(now - f.opened));
  m.set_idle_ms(ms(idle));
  m.set_ends_ms(ms(f.timeout > idle ? f.timeout - idle : 0));
  m.set_icmp_errors(f.errors);
  // Of a client that serves itself the entry it has as a backend leads to no other.
  const bool serves_itself = (f.flags & MZ_FLOW_F_SELF) != 0 && f.opener == MZ_DIR_INGRESS;
  if ((f.flags & MZ_FLOW_F_NAT) != 0 && !serves_itself) {
    m.set_backend_address(Addr(f.to).text());
    m.set_backend_port(ntohs(f.to_port));
  }
  return m;
}

Result<v1::ListFlowsReply> Daemon::list_flows(const v1::ListFlowsRequest& request) const {
  v1::ListFlowsReply reply;
  if (!dp_.loaded()) return reply;
  auto filter = flow_filter(request.filter());
  if (!filter) return tl::unexpected(filter.error());
  const auto now = dp_.clock();
  if (!now) return tl::unexpected(now.error());
  auto found = flows_.find(*filter, request.limit());
  if (!found) return tl::unexpected(found.error());
  for (const auto& e : found->flows) *reply.add_flows() = flow_message(e, *now);
  reply.set_more(found->more);
  return reply;
}

Result<v1::FlushFlowsReply> Daemon::flush_flows(const v1::FlushFlowsRequest& request) {
  v1::FlushFlowsReply reply;
  if (empty(request.filter()) && !request.all())
    return fail(Code::invalid_argument, "flush: say which flows, or all of them (--all)");
  if (!dp_.loaded()) return reply;
  auto filter = flow_filter(request.filter());
  if (!filter) return tl::unexpected(filter.error());
  auto n = flows_.flush(*filter);
  if (!n) return tl::unexpected(n.error());
  reply.set_flushed(*n);
  log::info("{} flows flushed", *n);
  return reply;
}

// The first look now, the second when the interval is over.
void Daemon::top_flows(const v1::TopFlowsRequest& request, TopDone done) {
  const std::uint32_t interval = request.interval_ms() ? request.interval_ms() : kTopInterval;
  if (interval < 100 || interval > 10000) {
    done(fail(Code::invalid_argument, "interval {} ms: give 100..10000", interval));
    return;
  }
  if (!dp_.loaded()) {
    done(v1::ListFlowsReply());
    return;
  }
  auto filter = flow_filter(request.filter());
  if (!filter) {
    done(tl::unexpected(filter.error()));
    return;
  }
  auto first = flows_.find(*filter, 0);
  if (!first) {
    done(tl::unexpected(first.error()));
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  PendingTop top{now, now + std::chrono::milliseconds(interval), *filter, request, {}, std::move(done)};
  for (const auto& [key, flow] : first->flows) top.before.emplace(key, flow);
  tops_.push_back(std::move(top));
}

Result<v1::ListFlowsReply> Daemon::second_look(const PendingTop& top) const {
  auto found = flows_.find(top.filter, 0);
  if (!found) return tl::unexpected(found.error());
  const auto now = dp_.clock();
  if (!now) return tl::unexpected(now.error());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - top.began;
  const bool packets = top.request.by_packets();
  std::vector<std::pair<std::uint64_t, Flows::Entry>> moved;
  for (Flows::Entry& e : found->flows) {
    const auto before = top.before.find(e.first);
    mz_flow& f = e.second;
    // Another flow of the same ports may have begun meanwhile: it counts from 0.
    if (before != top.before.end() && before->second.opened == f.opened)
      for (const int dir : {MZ_DIR_EGRESS, MZ_DIR_INGRESS}) {
        f.packets[dir] -= std::min(before->second.packets[dir], f.packets[dir]);
        f.bytes[dir] -= std::min(before->second.bytes[dir], f.bytes[dir]);
      }
    if (carried(f, packets) != 0) moved.emplace_back(carried(f, packets), e);
  }
  const std::size_t limit = std::min<std::size_t>(top.request.limit() ? top.request.limit() : kTopDefault, moved.size());
  std::partial_sort(moved.begin(), moved.begin() + static_cast<std::ptrdiff_t>(limit), moved.end(),
                    [](const auto& a, const auto& b) { return a.first > b.first; });
  v1::ListFlowsReply reply;
  reply.set_more(moved.size() - limit);
  const auto a_second = [&](std::uint64_t n) { return static_cast<std::uint64_t>(static_cast<double>(n) / took.count()); };
  for (std::size_t i = 0; i < limit; i++) {
    v1::Flow m = flow_message(moved[i].second, *now);
    m.set_packets_out(a_second(m.packets_out()));
    m.set_bytes_out(a_second(m.bytes_out()));
    m.set_packets_in(a_second(m.packets_in()));
    m.set_bytes_in(a_second(m.bytes_in()));
    *reply.add_flows() = m;
  }
  return reply;
}

void Daemon::tend() {
  if (dp_.loaded() && !options_.no_flows)
    if (auto rc = flows_.step(); !rc) log::warning("flows: {}", rc.error().what);
  const auto now = std::chrono::steady_clock::now();
  if (finish_leaving(now)) retry_pending();  // what waited for their place
  ensure_groups(false);
  follow_uplink(now);
  tend_policies();
  if (dp_.loaded())
    if (auto rc = qos_.tune(goal_, now); !rc) log::warning("qos: {}", rc.error().what);
  if (trim_due_ && *trim_due_ <= now) {
    malloc_trim(0);  // messages, goals, rows: several times what stays of them
    trim_due_.reset();
  }
  for (auto top = tops_.begin(); top != tops_.end();) {
    if (now < top->due) {
      ++top;
      continue;
    }
    top->done(second_look(*top));
    top = tops_.erase(top);
  }
}

}  // namespace mizar
