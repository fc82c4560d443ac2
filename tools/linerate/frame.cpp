// SPDX-License-Identifier: Apache-2.0
#include "tools/linerate/frame.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cstring>

#include "bpf/abi/wire.h"

namespace linerate {

namespace {

constexpr unsigned kEth = 14;

// Writes headers one behind the other.
class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}

  template <class T>
  void put(const T& v) {
    std::memcpy(bytes_.data() + at_, &v, sizeof v);
    at_ += static_cast<unsigned>(sizeof v);
  }
  [[nodiscard]] unsigned at() const { return at_; }
  [[nodiscard]] unsigned left() const { return static_cast<unsigned>(bytes_.size()) - at_; }

 private:
  std::vector<std::uint8_t>& bytes_;
  unsigned at_ = 0;
};

std::uint16_t checksum(const iphdr& ip) {
  std::uint16_t words[10];
  std::memcpy(words, &ip, sizeof words);
  std::uint32_t sum = 0;
  for (const auto w : words) sum += w;
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~(sum + (sum >> 16)));
}

void put_eth(Writer& w, const mizar::MacBytes& to, const mizar::MacBytes& from) {
  w.put(to);
  w.put(from);
  w.put(htons(0x0800));
}

// From here to the end of the frame. No UDP checksum: stamps change, and IPv4 allows it.
void put_udp4(Writer& w, const mizar::Addr& from, const mizar::Addr& to, unsigned sport, unsigned dport) {
  iphdr ip{};
  ip.version = 4;
  ip.ihl = 5;
  ip.tot_len = htons(static_cast<std::uint16_t>(w.left()));
  ip.frag_off = htons(0x4000);  // don't fragment
  ip.ttl = 64;
  ip.protocol = IPPROTO_UDP;
  ip.saddr = htonl(from.v4_value());
  ip.daddr = htonl(to.v4_value());
  ip.check = checksum(ip);
  w.put(ip);
  udphdr udp{};
  udp.source = htons(static_cast<std::uint16_t>(sport));
  udp.dest = htons(static_cast<std::uint16_t>(dport));
  udp.len = htons(static_cast<std::uint16_t>(w.left()));
  w.put(udp);
}

void put_geneve(Writer& w, const Tunnel& t) {
  mz_geneve g{};
  g.ver_optlen = 1 + MZ_OPT_WORDS;
  g.proto = htons(MZ_GENEVE_PROTO_ETH);
  g.vni = htonl(t.vni << 8);
  w.put(g);
  mz_opt o{};
  o.h.opt_class = htons(MZ_OPT_CLASS);
  o.h.type = MZ_OPT_TYPE;
  o.h.len = MZ_OPT_WORDS;
  o.class_origin = htonl(mz_opt_word(0, t.sender));
  o.hops_sender = htonl(mz_opt_word(0, t.sender));
  w.put(o);
}

void put_pattern(std::vector<std::uint8_t>& bytes, unsigned from) {
  for (unsigned at = 0; from + at < bytes.size(); at += 8) {
    const std::uint64_t word = mz_lr_pattern(at);
    std::memcpy(bytes.data() + from + at, &word, std::min<std::size_t>(8, bytes.size() - from - at));
  }
}

}  // namespace

unsigned smallest_size(bool tunnel) {
  return (tunnel ? MZ_OUTER_LEN4 : 0) + MZ_LR_HEADER + static_cast<unsigned>(sizeof(mz_lr_stamp)) + kFcs;
}

unsigned mtu_needed(unsigned size) { return size - kEth - kFcs; }

Frame make_frame(const FrameSpec& spec) {
  Frame f;
  f.bytes.resize(spec.size - kFcs);
  f.layout.stream = spec.stream;
  Writer w(f.bytes);
  put_eth(w, spec.to_mac, spec.from_mac);
  const unsigned sport = MZ_UDP_PORT_MIN + spec.stream;
  if (const auto& t = spec.tunnel) {
    put_udp4(w, spec.from, spec.to, sport, MZ_GENEVE_PORT);
    put_geneve(w, *t);
    put_eth(w, MZ_GATEWAY_MAC, mizar::default_mac(t->vni, t->inner_from));
    f.layout.inner_at = w.at();
    f.layout.dst_base = t->inner_to.ip.v4_value();
    f.layout.dst_mask = t->inner_to.len == 0 ? ~0u : (1u << (32 - t->inner_to.len)) - 1;
    put_udp4(w, t->inner_from, t->inner_to.ip, sport, MZ_LR_PORT);
  } else {
    put_udp4(w, spec.from, spec.to, sport, MZ_LR_PORT);
  }
  f.layout.stamp_at = w.at();
  put_pattern(f.bytes, f.layout.stamp_at + sizeof(mz_lr_stamp));
  // Whole words: what of the stamp they hold is written over.
  f.layout.words = std::min<__u32>((f.layout.stamp_at + 7) / 8, MZ_LR_WORDS);
  std::memcpy(f.layout.headers, f.bytes.data(), f.layout.words * 8);
  return f;
}

namespace {

void set_destination(std::uint8_t* at, const mz_lr_frame& layout, mz_lr_sender& sender) {
  iphdr ip;
  std::memcpy(&ip, at, sizeof ip);
  sender.seed ^= sender.seed << 13;  // as the generator's program does
  sender.seed ^= sender.seed >> 17;
  sender.seed ^= sender.seed << 5;
  ip.daddr = htonl(layout.dst_base + (sender.seed & layout.dst_mask));
  ip.check = 0;
  ip.check = checksum(ip);
  std::memcpy(at, &ip, sizeof ip);
}

}  // namespace

void stamp_frame(std::span<std::uint8_t> bytes, const mz_lr_frame& layout, mz_lr_sender& sender,
                 std::uint64_t now_ns) {
  const auto seq = static_cast<std::uint32_t>(sender.seq++);
  if (layout.inner_at) set_destination(bytes.data() + layout.inner_at, layout, sender);
  mz_lr_stamp s{};
  s.magic = htons(MZ_LR_MAGIC);
  s.trial = htons(static_cast<std::uint16_t>(sender.trial));
  s.stream = htons(static_cast<std::uint16_t>(layout.stream));
  s.seq = htonl(seq);
  s.ns = !sender.timed || (seq & sender.time_mask) ? 0 : now_ns;
  std::memcpy(bytes.data() + layout.stamp_at, &s, sizeof s);
}

}  // namespace linerate
