// SPDX-License-Identifier: Apache-2.0
// One described packet through the live programs and tables, each stage's
// decision in words, with the object responsible.
#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "bpf/abi/wire.h"
#include "userspace/transitd/daemon.h"
#include "userspace/transitd/reason_text.h"

namespace mizar {

namespace {

constexpr std::uint32_t kMinimum = sizeof(iphdr) + 8;

std::uint16_t checksum(const void* bytes, size_t len) {
  const auto* b = static_cast<const std::uint8_t*>(bytes);
  std::uint32_t sum = 0;
  for (size_t i = 0; i + 1 < len; i += 2) sum += static_cast<std::uint32_t>(b[i] << 8 | b[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

Result<std::uint8_t> protocol_of(const std::string& name) {
  if (name.empty() || name == "icmp") return std::uint8_t{IPPROTO_ICMP};
  if (name == "tcp") return std::uint8_t{IPPROTO_TCP};
  if (name == "udp") return std::uint8_t{IPPROTO_UDP};
  return fail(Code::invalid_argument, "trace: protocol: '{}' is none of icmp, tcp, udp, arp", name);
}

template <class T>
void store(std::vector<std::uint8_t>& frame, size_t at, const T& v) {
  std::memcpy(frame.data() + at, &v, sizeof v);
}

std::vector<std::uint8_t> arp_request(const EndpointSpec& from, const Addr& source, const Addr& target) {
  std::vector<std::uint8_t> f(42);
  std::fill(f.begin(), f.begin() + 6, 0xff);
  std::copy(from.mac.begin(), from.mac.end(), f.begin() + 6);
  store(f, 12, htons(ETH_P_ARP));
  store(f, 14, htons(ARPHRD_ETHER));
  store(f, 16, htons(ETH_P_IP));
  f[18] = ETH_ALEN;
  f[19] = 4;
  store(f, 20, htons(ARPOP_REQUEST));
  std::copy(from.mac.begin(), from.mac.end(), f.begin() + 22);
  store(f, 28, htonl(source.v4_value()));
  store(f, 38, htonl(target.v4_value()));
  return f;
}

}  // namespace

Result<std::vector<std::uint8_t>> Daemon::described_frame(const v1::TraceRequest& r,
                                                          const EndpointSpec& from) const {
  auto dst = Addr::parse(r.destination());
  if (!dst) return wrap(dst.error(), "trace: destination");
  auto src = r.source().empty() ? Result<Addr>(from.address) : Addr::parse(r.source());
  if (!src) return wrap(src.error(), "trace: source");
  if (!dst->is_v4() || !src->is_v4())
    return fail(Code::invalid_argument, "trace: addresses: only IPv4 for now");
  if (r.protocol() == "arp") return arp_request(from, *src, *dst);
  auto proto = protocol_of(r.protocol());
  if (!proto) return tl::unexpected(proto.error());
  const std::uint32_t length = r.length() ? r.length() : 84;
  if (length < kMinimum || length > 3000)
    return fail(Code::invalid_argument, "trace: length: must be {}..3000", kMinimum);
  if (r.source_port() > 65535 || r.destination_port() > 65535)
    return fail(Code::invalid_argument, "trace: ports: must be 0..65535");

  std::vector<std::uint8_t> f(ETH_HLEN + length);
  const std::uint8_t gw[ETH_ALEN] = MZ_GATEWAY_MAC;
  std::copy(gw, gw + ETH_ALEN, f.begin());
  std::copy(from.mac.begin(), from.mac.end(), f.begin() + 6);
  store(f, 12, htons(ETH_P_IP));
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<std::uint16_t>(length));
  ip.frag_off = htons(0x4000);
  ip.ttl = 64;
  ip.protocol = *proto;
  ip.saddr = htonl(src->v4_value());
  ip.daddr = htonl(dst->v4_value());
  ip.check = checksum(&ip, sizeof ip);
  store(f, ETH_HLEN, ip);
  if (*proto == IPPROTO_ICMP) {
    f[34] = 8;  // echo request
  } else {
    store(f, 34, htons(static_cast<std::uint16_t>(r.source_port())));
    store(f, 36, htons(static_cast<std::uint16_t>(r.destination_port())));
  }
  return f;
}

std::string Daemon::describe(const mz_note& n) const {
  const auto address = [&] { return Addr::v4(n.value).text(); };
  switch (n.stage) {
    case MZ_ST_PORT:
      return n.object == MZ_OBJ_PORT ? fmt::format("endpoint {}, VNI {}", endpoint_by_ifindex(n.id), n.value)
                                     : fmt::format("interface {} is no endpoint's", n.id);
    case MZ_ST_PARSE:
      return fmt::format("IPv4, protocol {}, {} bytes", n.id, n.value);
    case MZ_ST_SPOOF:
      return fmt::format("not an address of {}", endpoint_by_ifindex(n.id));
    case MZ_ST_RESPOND:
      return "answered here with the gateway's MAC";
    case MZ_ST_SENDER:
      return n.object == MZ_OBJ_HOST
                 ? fmt::format("host {}; the packet began at {}", host_label(n.id), n.value ? host_label(n.value) : "a foreign stack")
                 : fmt::format("{} is no known host", address());
    case MZ_ST_TUNNEL:
      return fmt::format("Geneve, VNI {}, forwarded {} times so far", n.id, n.value);
    case MZ_ST_ENDPOINTS:
      if (n.object == MZ_OBJ_PORT) return fmt::format("local: {}", endpoint_by_ifindex(n.id));
      if (n.object == MZ_OBJ_HOST) return fmt::format("this host bounces for it: on {}", host_label(n.id));
      return "not one this host knows";
    case MZ_ST_PATHS:
      if (n.object == MZ_OBJ_HOST)
        return fmt::format("on {}, seen {} ms ago", host_label(n.id), std::uint64_t{n.value} * 1000 / hz_);
      return n.value ? "learned once, too old now" : "none learned";
    case MZ_ST_NETWORKS: {
      if (n.object != MZ_OBJ_NETWORK) return "the network is not one this host knows";
      for (const auto& [key, net] : goal_.networks) {
        const auto row = dp_.networks().get(network_key(net.vni, net.cidr));
        if (row && row->shard / MZ_BUCKETS == n.id)
          return fmt::format("network {} {}{}", key, net.cidr.text(), n.value & MZ_NET_F_DIVIDER ? ", divided here" : "");
      }
      return "a network on its way out";
    }
    case MZ_ST_VPCS:
      return n.object == MZ_OBJ_VPC ? fmt::format("VNI {}: ask a divider", n.id) : fmt::format("VNI {} is not known here", n.id);
    case MZ_ST_SHARD:
      if (n.object == MZ_OBJ_BUCKET) return fmt::format("bucket {}: primary {}", n.id, n.value ? host_label(n.value) : "nobody");
      return fmt::format("{} does not answer: backup {}", host_label(n.value), host_label(n.id));
    case MZ_ST_HOST:
      return n.object == MZ_OBJ_HOST ? fmt::format("{} at {}", host_label(n.id), address())
                                     : fmt::format("{} is not in the hosts table", host_label(n.id));
    case MZ_ST_NEXTHOP:
      return fmt::format("not resolved; the kernel's FIB says {}", n.value);
    case MZ_ST_REWRITE:
      return n.object == MZ_OBJ_PORT ? fmt::format("inner frame for {}", endpoint_by_ifindex(n.id))
                                     : fmt::format("tunnel headers towards {}", host_label(n.id));
    default:
      return fmt::format("{} {}", n.id, n.value);
  }
}

Result<v1::TraceReply> Daemon::trace(const v1::TraceRequest& r) {
  if (!dp_.loaded()) return fail(Code::failed_precondition, "no programs yet: apply a goal state first");
  Hook hook = Hook::uplink_deliver;
  unsigned ifindex = uplink_;
  std::vector<std::uint8_t> frame(r.frame().begin(), r.frame().end());
  if (r.endpoint().empty()) {
    if (frame.size() < ETH_HLEN || frame.size() > 3500)
      return fail(Code::invalid_argument, "trace: give an endpoint, or a frame of {}..3500 bytes", ETH_HLEN);
    if (is_hop_host()) hook = Hook::uplink_hop;
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
    step->set_decision(describe(n));
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
