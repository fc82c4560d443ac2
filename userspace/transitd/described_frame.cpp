// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/described_frame.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "bpf/abi/wire.h"

namespace mizar {

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kDefaultLength = 84, kMost = 3000;
constexpr std::uint8_t kEcho4 = 8, kEcho6 = 128, kSolicitation = 135, kSourceLinkAddress = 1;

template <class T>
void store(Bytes& b, size_t at, const T& v) {
  std::memcpy(b.data() + at, &v, sizeof v);
}

template <class T>
void append(Bytes& b, const T& v) {
  const auto* p = reinterpret_cast<const std::uint8_t*>(&v);
  b.insert(b.end(), p, p + sizeof v);
}

// RFC 1071, over whole bytes of any number.
class Checksum {
 public:
  template <class Range>
  Checksum& add(const Range& bytes) {
    for (const std::uint32_t byte : bytes) {
      odd_ = !odd_;
      sum_ += odd_ ? byte << 8 : byte;
    }
    return *this;
  }
  [[nodiscard]] std::uint16_t value() const {  // network order
    std::uint32_t sum = sum_;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return htons(static_cast<std::uint16_t>(~sum));
  }

 private:
  std::uint32_t sum_ = 0;
  bool odd_ = false;
};

struct Transport {
  std::uint8_t number;
  size_t header;
  size_t check;  // where its checksum is
};

Result<Transport> transport_of(const std::string& name, Family f) {
  if (name.empty() || name == "icmp")
    return f == Family::v4 ? Transport{IPPROTO_ICMP, 8, 2} : Transport{IPPROTO_ICMPV6, 8, 2};
  if (name == "tcp") return Transport{IPPROTO_TCP, sizeof(tcphdr), offsetof(tcphdr, check)};
  if (name == "udp") return Transport{IPPROTO_UDP, sizeof(udphdr), offsetof(udphdr, check)};
  if (name == "arp" || name == "nd")
    return fail(Code::invalid_argument, "trace: protocol: {} is for {} destinations", name,
                name == "arp" ? "IPv4" : "IPv6");
  return fail(Code::invalid_argument, "trace: protocol: '{}' is none of icmp, tcp, udp, arp, nd", name);
}

// Pseudo header of RFC 768 or RFC 8200 section 8.1, as far as the sum sees it.
void finish_transport(Bytes& l4, const Transport& t, const Addr& src, const Addr& dst) {
  Checksum sum;
  if (t.number != IPPROTO_ICMP) {
    const size_t skip = src.is_v4() ? 12 : 0;
    for (const auto& a : {src.bytes(), dst.bytes()}) sum.add(Bytes(a.begin() + skip, a.end()));
    const auto size = static_cast<std::uint16_t>(l4.size());
    sum.add(Bytes{static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size), 0, t.number});
  }
  const std::uint16_t check = sum.add(l4).value();
  store(l4, t.check, check == 0 ? std::uint16_t{0xffff} : check);
}

Bytes transport(const v1::TraceRequest& r, const Transport& t, const Addr& src, const Addr& dst,
                size_t length) {
  Bytes l4(length);
  if (t.number == IPPROTO_ICMP) {
    l4[0] = kEcho4;
  } else if (t.number == IPPROTO_ICMPV6) {
    l4[0] = kEcho6;
  } else {
    store(l4, 0, htons(static_cast<std::uint16_t>(r.source_port())));
    store(l4, 2, htons(static_cast<std::uint16_t>(r.destination_port())));
  }
  if (t.number == IPPROTO_UDP) store(l4, 4, htons(static_cast<std::uint16_t>(length)));
  if (t.number == IPPROTO_TCP) {
    l4[12] = sizeof(tcphdr) / 4 << 4;
    l4[13] = 0x02;  // SYN
  }
  finish_transport(l4, t, src, dst);
  return l4;
}

Bytes ethernet(const MacBytes& to, const MacBytes& from, std::uint16_t type) {
  Bytes f(to.begin(), to.end());
  f.insert(f.end(), from.begin(), from.end());
  append(f, htons(type));
  return f;
}

Bytes ip4_header(std::uint8_t protocol, const Addr& src, const Addr& dst, size_t payload) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<std::uint16_t>(sizeof ip + payload));
  ip.frag_off = htons(0x4000);
  ip.ttl = 64;
  ip.protocol = protocol;
  ip.saddr = htonl(src.v4_value());
  ip.daddr = htonl(dst.v4_value());
  Bytes b;
  append(b, ip);
  store(b, offsetof(iphdr, check), Checksum().add(b).value());
  return b;
}

Bytes ip6_header(std::uint8_t next, std::uint8_t hop_limit, const Addr& src, const Addr& dst,
                 size_t payload) {
  ipv6hdr ip{};
  ip.version = 6;
  ip.payload_len = htons(static_cast<std::uint16_t>(payload));
  ip.nexthdr = next;
  ip.hop_limit = hop_limit;
  std::memcpy(&ip.saddr, src.bytes().data(), sizeof ip.saddr);
  std::memcpy(&ip.daddr, dst.bytes().data(), sizeof ip.daddr);
  Bytes b;
  append(b, ip);
  return b;
}

Bytes arp_request(const EndpointSpec& from, const Addr& source, const Addr& target) {
  MacBytes all;
  all.fill(0xff);
  Bytes f = ethernet(all, from.mac, ETH_P_ARP);
  arphdr arp{};
  arp.ar_hrd = htons(ARPHRD_ETHER);
  arp.ar_pro = htons(ETH_P_IP);
  arp.ar_hln = ETH_ALEN;
  arp.ar_pln = 4;
  arp.ar_op = htons(ARPOP_REQUEST);
  append(f, arp);
  f.insert(f.end(), from.mac.begin(), from.mac.end());
  append(f, htonl(source.v4_value()));
  f.resize(f.size() + ETH_ALEN);
  append(f, htonl(target.v4_value()));
  return f;
}

// RFC 4861 section 4.3, to the target's solicited-node group (RFC 4291 2.7.1).
Bytes solicitation(const EndpointSpec& from, const Addr& source, const Addr& target) {
  const auto& t = target.bytes();
  mz_addr group{};
  const std::uint8_t bytes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, t[13], t[14], t[15]};
  std::memcpy(&group, bytes, sizeof group);
  Bytes nd(8);
  nd[0] = kSolicitation;
  nd.insert(nd.end(), t.begin(), t.end());
  nd.insert(nd.end(), {kSourceLinkAddress, 1});
  nd.insert(nd.end(), from.mac.begin(), from.mac.end());
  finish_transport(nd, {IPPROTO_ICMPV6, 8, 2}, source, Addr(group));
  Bytes f = ethernet({0x33, 0x33, 0xff, t[13], t[14], t[15]}, from.mac, ETH_P_IPV6);
  const Bytes ip = ip6_header(IPPROTO_ICMPV6, 255, source, Addr(group), nd.size());
  f.insert(f.end(), ip.begin(), ip.end());
  f.insert(f.end(), nd.begin(), nd.end());
  return f;
}

Result<Addr> source_of(const v1::TraceRequest& r, const EndpointSpec& from, Family f) {
  const char* family = f == Family::v4 ? "IPv4" : "IPv6";
  if (r.source().empty()) {
    if (const auto& own = from.address.of(f)) return *own;
    return fail(Code::invalid_argument, "trace: destination: is {}, of which endpoint {} has no address",
                family, object_key(from.vpc, from.name));
  }
  auto src = Addr::parse(r.source());
  if (!src) return wrap(src.error(), "trace: source");
  if (src->family() != f)
    return fail(Code::invalid_argument, "trace: source: must be {}, as the destination is", family);
  return *src;
}

}  // namespace

Result<std::vector<std::uint8_t>> described_frame(const v1::TraceRequest& r,
                                                  const EndpointSpec& from) {
  const auto dst = Addr::parse(r.destination());
  if (!dst) return wrap(dst.error(), "trace: destination");
  const bool v4 = dst->is_v4();
  const auto src = source_of(r, from, dst->family());
  if (!src) return tl::unexpected(src.error());
  if (r.protocol() == "arp" && v4) return arp_request(from, *src, *dst);
  if (r.protocol() == "nd" && !v4) return solicitation(from, *src, *dst);
  const auto t = transport_of(r.protocol(), dst->family());
  if (!t) return tl::unexpected(t.error());
  const size_t header = v4 ? sizeof(iphdr) : sizeof(ipv6hdr);
  const std::uint32_t length = r.length() ? r.length() : kDefaultLength;
  if (length < header + t->header || length > kMost)
    return fail(Code::invalid_argument, "trace: length: must be {}..{}", header + t->header, kMost);
  if (r.source_port() > 65535 || r.destination_port() > 65535)
    return fail(Code::invalid_argument, "trace: ports: must be 0..65535");

  const Bytes l4 = transport(r, *t, *src, *dst, length - header);
  const Bytes ip = v4 ? ip4_header(t->number, *src, *dst, l4.size())
                      : ip6_header(t->number, 64, *src, *dst, l4.size());
  Bytes f = ethernet(MacBytes MZ_GATEWAY_MAC, from.mac, v4 ? ETH_P_IP : ETH_P_IPV6);
  f.insert(f.end(), ip.begin(), ip.end());
  f.insert(f.end(), l4.begin(), l4.end());
  return f;
}

std::vector<std::uint8_t> keepalive_frame(const mz_flow_key& flow, const MacBytes& to) {
  const Addr src(flow.remote), dst(flow.local);
  Bytes l4(sizeof(tcphdr));
  store(l4, 0, flow.remote_port);
  store(l4, 2, flow.local_port);
  l4[12] = sizeof(tcphdr) / 4 << 4;
  l4[13] = 0x10;  // ACK
  finish_transport(l4, {IPPROTO_TCP, sizeof(tcphdr), offsetof(tcphdr, check)}, src, dst);
  const Bytes ip = src.is_v4() ? ip4_header(IPPROTO_TCP, src, dst, l4.size())
                               : ip6_header(IPPROTO_TCP, 64, src, dst, l4.size());
  Bytes f = ethernet(to, MacBytes MZ_GATEWAY_MAC, src.is_v4() ? ETH_P_IP : ETH_P_IPV6);
  f.insert(f.end(), ip.begin(), ip.end());
  f.insert(f.end(), l4.begin(), l4.end());
  return f;
}

}  // namespace mizar
