// SPDX-License-Identifier: Apache-2.0
// One described packet through the live programs and tables, each stage's
// decision in words, with the object responsible.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <cstring>

#include "userspace/transitd/daemon.h"
#include "userspace/transitd/described_frame.h"
#include "userspace/transitd/reason_text.h"

namespace mizar {

namespace {

// Whom a tunnel packet says it is from.
std::string outer_source(const std::vector<std::uint8_t>& frame) {
  mz_addr a{};
  if (frame.size() >= ETH_HLEN + sizeof(ipv6hdr) && frame[12] == 0x86 && frame[13] == 0xdd) {
    std::memcpy(&a, frame.data() + ETH_HLEN + offsetof(ipv6hdr, saddr), sizeof a);
    return Addr(a).text();
  }
  if (frame.size() < ETH_HLEN + sizeof(iphdr)) return "it";
  __be32 v4;
  std::memcpy(&v4, frame.data() + ETH_HLEN + offsetof(iphdr, saddr), sizeof v4);
  return Addr::v4(ntohl(v4)).text();
}

const char* flow_state_name(std::uint32_t state) {
  static constexpr std::array names = {
#define X(name, tcp, other) #name,
      MZ_FLOW_STATES(X)
#undef X
  };
  return state < names.size() ? names[state] : "?";
}

}  // namespace

std::string Daemon::describe(const mz_note& n, const std::vector<std::uint8_t>& frame) const {
  switch (n.stage) {
    case MZ_ST_PORT:
      return n.object == MZ_OBJ_PORT ? fmt::format("endpoint {}, VNI {}", endpoint_by_ifindex(n.id), n.value)
                                     : fmt::format("interface {} is no endpoint's", n.id);
    case MZ_ST_PARSE:
      return fmt::format("IP protocol {}, {} bytes", n.id, n.value);
    case MZ_ST_SPOOF:
      return fmt::format("not an address of {}", endpoint_by_ifindex(n.id));
    case MZ_ST_RESPOND:
      return "answered here for the gateway";
    case MZ_ST_SENDER:
      return n.object == MZ_OBJ_HOST
                 ? fmt::format("host {}; the packet began at {}", host_label(n.id), n.value ? host_label(n.value) : "a foreign stack")
                 : fmt::format("{} is {}", outer_source(frame),
                               n.id ? "not where " + host_label(n.id) + " may send from" : "no known host");
    case MZ_ST_TUNNEL:
      return fmt::format("Geneve, VNI {}, forwarded {} times so far", n.id, n.value);
    case MZ_ST_FLOWS: {
      const char* whose = n.value == MZ_DIR_EGRESS ? "sender's" : "receiver's";
      if (n.object != MZ_OBJ_FLOW) return fmt::format("{}: none yet", whose);
      return fmt::format("{}: {}", whose, flow_state_name(n.id));
    }
    case MZ_ST_SERVICE:
      return describe_service(n);
    case MZ_ST_POLICY:
      return n.object == MZ_OBJ_RULE ? describe_rule(n.id, n.value)
                                     : fmt::format("label set {} is none this host knows in VNI {}", n.id, n.value);
    case MZ_ST_NAT:
      return fmt::format("{}", n.id);
    case MZ_ST_ENDPOINTS:
      if (n.object == MZ_OBJ_PORT) return fmt::format("local: {}", endpoint_by_ifindex(n.id));
      if (n.object == MZ_OBJ_HOST) return fmt::format("this host bounces for it: on {}", host_label(n.id));
      return "not one this host knows";
    case MZ_ST_PATHS:
      if (n.object == MZ_OBJ_HOST)
        return fmt::format("on {}, seen {} ms ago", host_label(n.id), std::uint64_t{n.value} * 1000 / hz_);
      return n.value ? "learned once, too old now" : "none learned";
    case MZ_ST_NETWORKS: {
      if (n.object == MZ_OBJ_VPC) {
        for (const auto& [key, p] : goal_.peerings)
          if (p.peer_vni == n.id) return fmt::format("of vpc {} from here on, by peering {}", p.peer, p.name);
        return fmt::format("of VNI {} from here on, by a peering on its way out", n.id);
      }
      if (n.object != MZ_OBJ_NETWORK) return "the network is not one this host knows";
      for (const auto& [key, net] : goal_.networks) {
        const auto row = dp_.networks().get(network_key(net.vni, net.cidr.first()));
        if (row && row->shard / MZ_BUCKETS == n.id)
          return fmt::format("network {} {}{}", key, net.cidr.text(), n.value & MZ_NET_F_DIVIDER ? ", divided here" : "");
      }
      for (const auto& [key, g] : goal_.gateways) {
        const auto row = dp_.networks().get(network_key(g.vni, g.destinations.front()));
        if (row && row->shard / MZ_BUCKETS == n.id) return fmt::format("outside, by gateway {}", key);
      }
      return "a network on its way out";
    }
    case MZ_ST_VPCS:
      return n.object == MZ_OBJ_VPC ? fmt::format("VNI {}: ask a divider", n.id) : fmt::format("VNI {} is not known here", n.id);
    case MZ_ST_SHARD:
      if (n.object == MZ_OBJ_BUCKET) return fmt::format("bucket {}: primary {}", n.id, n.value ? host_label(n.value) : "nobody");
      return fmt::format("{} does not answer: backup {}", host_label(n.value), host_label(n.id));
    case MZ_ST_HOST: {
      const auto ip = goal_.reach(n.id);
      return n.object == MZ_OBJ_HOST && ip ? fmt::format("{} at {}", host_label(n.id), ip->text())
                                           : fmt::format("{} is not in the hosts table", host_label(n.id));
    }
    case MZ_ST_NEXTHOP:
      return fmt::format("not resolved; the kernel's FIB says {}", n.value);
    case MZ_ST_GROUP:
      return fmt::format("{} {} on {}", n.id, n.id == 1 ? "copy" : "copies",
                         n.object == MZ_OBJ_PORT ? "this host, for the group's members" : "their way, to hosts of its members");
    case MZ_ST_FUNCTIONS: {
      const auto functions = functions_.list();
      const bool hop = n.value == MZ_POINT_HOP;
      for (const auto& f : functions.functions())
        if (f.slot() == n.id && (f.function().points(0) == "hop") == hop)
          return fmt::format("{} would see it, as first of its point", f.function().name());
      return fmt::format("one of slot {}", n.id);
    }
    case MZ_ST_REWRITE:
      return n.object == MZ_OBJ_PORT ? fmt::format("inner frame for {}", endpoint_by_ifindex(n.id))
                                     : fmt::format("tunnel headers towards {}", host_label(n.id));
    default:
      return fmt::format("{} {}", n.id, n.value);
  }
}

// Which service's address and port, or which of its backends was chosen.
std::string Daemon::describe_service(const mz_note& n) const {
  if (n.object == MZ_OBJ_BACKEND) {
    const auto b = vips_.backend_of(n.id);
    if (!b) return fmt::format("backend {}", n.id);
    const std::string port = fmt::format("port {}", ntohs(b->port));
    for (const auto& [key, s] : goal_.services)
      for (const BackendSpec& spec : s.backends)
        if (s.vni == b->vni && (spec.address.v4 == Addr(b->ip) || spec.address.v6 == Addr(b->ip)))
          return fmt::format("backend {} ({}), {}", Addr(b->ip).text(), object_key(s.vpc, spec.name), port);
    return fmt::format("backend {}, {}", Addr(b->ip).text(), port);
  }
  const auto vip = vips_.vip_of(n.id);
  if (!vip) return fmt::format("VIP {}", n.id);
  std::string name = Addr(vip->ip).text();
  for (const auto& [key, s] : goal_.services)
    if (s.vni == vip->vni && (s.address.v4 == Addr(vip->ip) || s.address.v6 == Addr(vip->ip))) name = key;
  const std::string what = fmt::format("{} {} {}", name, service_protocol(vip->proto), ntohs(vip->port));
  return n.value ? fmt::format("{}: one of {} rows", what, n.value) : fmt::format("{}: nobody serves it", what);
}

Result<v1::TraceReply> Daemon::trace(const v1::TraceRequest& r) {
  if (!dp_.loaded()) return fail(Code::failed_precondition, "no programs yet: apply a goal state first");
  Hook hook = Hook::uplink_deliver;
  unsigned ifindex = uplink_;
  std::vector<std::uint8_t> frame(r.frame().begin(), r.frame().end());
  if (r.endpoint().empty()) {
    if (frame.size() < ETH_HLEN || frame.size() > 3500)
      return fail(Code::invalid_argument, "trace: give an endpoint, or a frame of {}..3500 bytes", ETH_HLEN);
    if (wants_xdp()) hook = Hook::uplink_hop;
  } else {
    const auto e = goal_.endpoints.find(r.endpoint());
    if (e == goal_.endpoints.end()) return fail(Code::not_found, "endpoint {}: there is none", r.endpoint());
    const auto port = ports_.find(r.endpoint());
    if (port == ports_.end())
      return fail(Code::failed_precondition, "endpoint {}: lives on {}, not connected here; trace it there",
                  r.endpoint(), e->second.host);
    auto described = described_frame(r, e->second);
    if (!described) return tl::unexpected(described.error());
    frame = std::move(*described);
    hook = Hook::endpoint;
    ifindex = port->second.ifindex;
  }
  auto t = dp_.trace(hook, ifindex, frame);
  if (t && t->reason == MZ_REASON_COUNT) {
    // XDP leaves local delivery to the program behind it.
    hook = Hook::uplink_deliver;
    t = dp_.trace(hook, ifindex, frame);
  }
  if (!t) return tl::unexpected(t.error());

  v1::TraceReply reply;
  reply.set_host(goal_.self.name);
  std::uint32_t to = 0, port = 0;
  for (const mz_note& n : t->notes) {
    auto* step = reply.add_steps();
    step->set_stage(stage_text(n.stage));
    step->set_decision(describe(n, frame));
    if (n.stage == MZ_ST_HOST && n.object == MZ_OBJ_HOST) to = n.id;
    if (n.stage == MZ_ST_ENDPOINTS && n.object == MZ_OBJ_PORT) port = n.id;
  }
  const ReasonText& why = reason_text(t->reason);
  reply.set_reason(why.name);
  reply.set_verdict(why.kind);
  if (std::strcmp(why.kind, "SEND") == 0) reply.set_next_host(host_label(to));
  if (std::strcmp(why.kind, "DELIVER") == 0) reply.set_endpoint(endpoint_by_ifindex(port));
  reply.set_frame(std::string(t->frame.begin(), t->frame.end()));
  return reply;
}

}  // namespace mizar
