// SPDX-License-Identifier: Apache-2.0
#include "userspace/transitd/control_packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <netinet/in.h>

#include <cstring>

#include "bpf/abi/wire.h"

namespace mizar {

namespace {

template <class T>
void append(std::vector<std::uint8_t>& out, const T& header) {
  const size_t at = out.size();
  out.resize(at + sizeof header);
  std::memcpy(out.data() + at, &header, sizeof header);
}

void append_tunnel(std::vector<std::uint8_t>& out, std::uint32_t self, std::uint32_t vni,
                   std::uint32_t origin, std::uint32_t flags) {
  mz_geneve g{};
  g.ver_optlen = 1 + MZ_OPT_WORDS;
  g.flags = MZ_GENEVE_F_OAM;
  g.proto = htons(MZ_GENEVE_PROTO_ETH);
  g.vni = htonl(vni << 8);
  append(out, g);
  mz_opt o{};
  o.h.opt_class = htons(MZ_OPT_CLASS);
  o.h.type = MZ_OPT_TYPE;
  o.h.len = MZ_OPT_WORDS;
  o.class_origin = htonl(mz_opt_word(0, origin));
  o.hops_sender = htonl(mz_opt_word(flags, self));
  append(out, o);
}

// Headers alone: nobody reads on, and no endpoint ever sees it.
void append_inner4(std::vector<std::uint8_t>& out, const Addr& from, const Addr& to) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(sizeof ip);
  ip.ttl = 64;
  ip.protocol = 253;  // RFC 3692: experimentation
  ip.saddr = htonl(from.v4_value());
  ip.daddr = htonl(to.v4_value());
  append(out, ip);
}

void append_inner6(std::vector<std::uint8_t>& out, const Addr& from, const Addr& to) {
  ipv6hdr ip{};
  ip.version = 6;
  ip.nexthdr = IPPROTO_NONE;
  ip.hop_limit = 64;
  std::memcpy(&ip.saddr, from.bytes().data(), sizeof ip.saddr);
  std::memcpy(&ip.daddr, to.bytes().data(), sizeof ip.daddr);
  append(out, ip);
}

// What is said is of the addresses of a packet inside. `mac`: each byte of where it goes to.
std::vector<std::uint8_t> about_packet(std::uint32_t self, std::uint32_t vni, std::uint32_t origin,
                                       std::uint32_t flags, std::uint8_t mac, const Addr& from, const Addr& to) {
  std::vector<std::uint8_t> out;
  append_tunnel(out, self, vni, origin, flags);
  ethhdr eth{};
  std::memset(eth.h_dest, mac, sizeof eth.h_dest);
  eth.h_proto = htons(to.is_v4() ? ETH_P_IP : ETH_P_IPV6);
  append(out, eth);
  if (to.is_v4())
    append_inner4(out, from, to);
  else
    append_inner6(out, from, to);
  return out;
}

}  // namespace

std::vector<std::uint8_t> probe_packet(std::uint32_t self) {
  std::vector<std::uint8_t> out;
  append_tunnel(out, self, 0, self, MZ_OPT_F_PROBE);
  // Nobody looks inside, but a decoder should find a whole frame there: one of
  // IEEE 802's local experimental type.
  ethhdr eth{};
  eth.h_proto = htons(0x88b5);
  append(out, eth);
  out.resize(out.size() + ETH_ZLEN - ETH_HLEN);
  return out;
}

std::vector<std::uint8_t> hint_packet(std::uint32_t self, std::uint32_t vni, const Addr& endpoint,
                                      const Addr& peer, std::uint32_t origin) {
  return about_packet(self, vni, origin, MZ_OPT_F_HINT, 0, endpoint, peer);
}

// To a group's MAC address, as what it says of is: any will do.
std::vector<std::uint8_t> group_packet(std::uint32_t self, std::uint32_t vni, const Addr& source, const Addr& group,
                                       bool member) {
  return about_packet(self, vni, member ? self : 0, MZ_OPT_F_GROUP, 0xff, source, group);
}

}  // namespace mizar
