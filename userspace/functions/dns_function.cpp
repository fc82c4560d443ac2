// SPDX-License-Identifier: Apache-2.0
#include "userspace/functions/dns_function.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "userspace/responder/dns.h"
#include "userspace/responder/dns_message.h"

namespace mizar::functions {

namespace {

using responder::Bytes;
using responder::DnsQuery;
using responder::View;

constexpr std::uint32_t kTtl = 30;

template <class T>
std::optional<T> at(std::span<const std::uint8_t> b, size_t off) {
  T t;
  if (off + sizeof t > b.size()) return std::nullopt;
  std::memcpy(&t, b.data() + off, sizeof t);
  return t;
}

// One's complement sum of 16-bit words, not folded.
std::uint64_t sum_of(const void* data, size_t size, std::uint64_t sum = 0) {
  const auto* b = static_cast<const std::uint8_t*>(data);
  for (size_t i = 0; i + 1 < size; i += 2) sum += static_cast<std::uint64_t>(b[i] << 8 | b[i + 1]);
  return size % 2 ? sum + static_cast<std::uint64_t>(b[size - 1] << 8) : sum;
}
std::uint16_t folded(std::uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<std::uint16_t>(~sum));
}

// The message of one query, answered from the list.
Bytes answer_message(View message, const Names& names) {
  const auto q = responder::parse_packet(message);
  if (!q || ldns_pkt_qr(q.get()) || ldns_pkt_get_opcode(q.get()) != LDNS_PACKET_QUERY ||
      ldns_rr_list_rr_count(ldns_pkt_question(q.get())) != 1)
    return {};
  const ldns_rr* question = ldns_rr_list_rr(ldns_pkt_question(q.get()), 0);
  const View owner = responder::owner_of(*question);
  DnsQuery query;
  query.id = ldns_pkt_id(q.get());
  query.rd = ldns_pkt_rd(q.get());
  query.cd = ldns_pkt_cd(q.get());
  query.edns = ldns_pkt_edns(q.get());
  query.udp_size = query.edns ? std::clamp<std::uint16_t>(ldns_pkt_edns_udp_size(q.get()), 512, responder::kDnsUdpMax) : 512;
  query.name.assign(owner.begin(), owner.end());
  query.type = ldns_rr_get_type(question);
  query.klass = ldns_rr_get_class(question);
  const auto found = names.find(responder::name_text(owner));
  auto answer = responder::begin_answer(query, found == names.end() ? LDNS_RCODE_NXDOMAIN : LDNS_RCODE_NOERROR);
  ldns_pkt_set_aa(answer.get(), true);
  if (found != names.end() && query.klass == LDNS_RR_CLASS_IN)
    for (const Addr& a : found->second) {
      const ldns_rr_type type = a.is_v4() ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA;
      if (query.type != type && query.type != LDNS_RR_TYPE_ANY) continue;
      const mz_addr raw = a.abi();
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(&raw);
      ldns_rr* rr = responder::new_rr(owner, type, kTtl);
      responder::add_bytes(rr, a.is_v4() ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA,
                           a.is_v4() ? View(bytes + 12, 4) : View(bytes, 16));
      ldns_pkt_push_rr(answer.get(), LDNS_SECTION_ANSWER, rr);
    }
  return responder::finish_answer(*answer, query);
}

struct Datagram {
  size_t udp = 0;  // offset
  View message;
};

std::optional<Datagram> datagram_of(std::span<const std::uint8_t> frame, bool v6) {
  Datagram d;
  size_t end = frame.size();
  if (v6) {
    const auto ip = at<ip6_hdr>(frame, ETH_HLEN);
    if (!ip || ip->ip6_nxt != IPPROTO_UDP) return std::nullopt;  // extension headers: none in DNS
    d.udp = ETH_HLEN + sizeof *ip;
    end = std::min(end, d.udp + ntohs(ip->ip6_plen));
  } else {
    const auto ip = at<iphdr>(frame, ETH_HLEN);
    if (!ip || ip->version != 4 || ip->ihl < 5 || ip->protocol != IPPROTO_UDP || (ntohs(ip->frag_off) & 0x3fff))
      return std::nullopt;
    d.udp = ETH_HLEN + size_t{ip->ihl} * 4;
    end = std::min(end, ETH_HLEN + size_t{ntohs(ip->tot_len)});
  }
  const auto udp = at<udphdr>(frame.first(end), d.udp);
  if (!udp || ntohs(udp->len) < sizeof *udp || d.udp + ntohs(udp->len) > end) return std::nullopt;
  d.message = frame.subspan(d.udp + sizeof *udp, ntohs(udp->len) - sizeof *udp);
  return d;
}

}  // namespace

Result<Names> read_names(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::not_found, "names {}: cannot be read", path);
  Names names;
  std::string line;
  for (int n = 1; std::getline(file, line); n++) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string address, name;
    if (!(words >> address)) continue;
    const auto a = Addr::parse(address);
    if (!a) return fail(Code::invalid_argument, "names {}: line {}: '{}' is no IP address", path, n, address);
    while (words >> name) {
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
      if (name.ends_with('.')) name.pop_back();
      names[name].push_back(*a);
    }
  }
  return names;
}

std::optional<std::vector<std::uint8_t>> answer_frame(std::span<const std::uint8_t> frame, const Names& names) {
  const auto eth = at<ethhdr>(frame, 0);
  if (!eth || (ntohs(eth->h_proto) != ETH_P_IP && ntohs(eth->h_proto) != ETH_P_IPV6)) return std::nullopt;
  const bool v6 = ntohs(eth->h_proto) == ETH_P_IPV6;
  const auto query = datagram_of(frame, v6);
  if (!query) return std::nullopt;
  const Bytes message = answer_message(query->message, names);
  if (message.empty()) return std::nullopt;

  const auto length = static_cast<std::uint16_t>(sizeof(udphdr) + message.size());
  const auto asked = at<udphdr>(frame, query->udp);
  ethhdr e = *eth;
  std::swap_ranges(e.h_dest, e.h_dest + ETH_ALEN, e.h_source);
  udphdr u{};
  u.source = asked->dest;
  u.dest = asked->source;
  u.len = htons(length);
  std::vector<std::uint8_t> out;
  const auto add = [&out](const void* p, size_t n) {
    const auto* b = static_cast<const std::uint8_t*>(p);
    out.insert(out.end(), b, b + n);
  };
  add(&e, sizeof e);
  std::uint64_t sum = IPPROTO_UDP + std::uint64_t{length};  // the pseudo-header
  if (v6) {
    ip6_hdr ip = *at<ip6_hdr>(frame, ETH_HLEN);
    std::swap(ip.ip6_src, ip.ip6_dst);
    ip.ip6_plen = htons(length);
    ip.ip6_hops = 64;
    sum = sum_of(&ip.ip6_src, 32, sum);
    add(&ip, sizeof ip);
  } else {
    const auto was = *at<iphdr>(frame, ETH_HLEN);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    ip.tot_len = htons(static_cast<std::uint16_t>(sizeof ip + length));
    ip.saddr = was.daddr;
    ip.daddr = was.saddr;
    ip.check = folded(sum_of(&ip, sizeof ip));
    sum = sum_of(&ip.saddr, 8, sum);
    add(&ip, sizeof ip);
  }
  u.check = folded(sum_of(message.data(), message.size(), sum_of(&u, sizeof u, sum)));
  if (u.check == 0) u.check = 0xffff;
  add(&u, sizeof u);
  add(message.data(), message.size());
  return out;
}

}  // namespace mizar::functions
