// SPDX-License-Identifier: Apache-2.0
// Packets the daemon makes itself: hints and probes, and what a trace describes.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "bpf/abi/wire.h"
#include "userspace/transitd/control_packet.h"
#include "userspace/transitd/described_frame.h"

namespace mizar {
namespace {

using Bytes = std::vector<std::uint8_t>;

Addr addr(const char* text) { return Addr::parse(text).value(); }

Bytes part(const Bytes& b, size_t at, size_t n) {
  EXPECT_LE(at + n, b.size());
  return at + n <= b.size() ? Bytes(b.begin() + static_cast<long>(at), b.begin() + static_cast<long>(at + n)) : Bytes();
}

unsigned word(const Bytes& b, size_t at) { return static_cast<unsigned>(b[at] << 8 | b[at + 1]); }

std::string address_in(const Bytes& b, size_t at, size_t n) {
  char text[INET6_ADDRSTRLEN];
  const Bytes raw = part(b, at, n);
  return raw.empty() ? "" : inet_ntop(n == 4 ? AF_INET : AF_INET6, raw.data(), text, sizeof text);
}

// Ones' complement sum of 16-bit words; 0xffff where the checksum is right.
unsigned sum(Bytes b) {
  if (b.size() % 2) b.push_back(0);
  unsigned s = 0;
  for (size_t i = 0; i < b.size(); i += 2) s += word(b, i);
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return s;
}

// The transport header and data of an IP packet with their pseudo header.
Bytes with_pseudo_header(const Bytes& frame) {
  const bool v6 = word(frame, 12) == 0x86dd;
  const size_t header = v6 ? 40 : 20;
  const Bytes l4 = part(frame, 14 + header, frame.size() - 14 - header);
  Bytes all = v6 ? part(frame, 22, 32) : part(frame, 26, 8);
  const auto n = l4.size();
  all.insert(all.end(), {0, frame[v6 ? 20 : 23], static_cast<std::uint8_t>(n >> 8),
                         static_cast<std::uint8_t>(n)});
  all.insert(all.end(), l4.begin(), l4.end());
  return all;
}

constexpr size_t kInner = 8 + 16;  // after Geneve and our option

TEST(ControlPacket, AHintReadsAsAPacketOfTheEndpointItIsAbout) {
  const Bytes four = hint_packet(3, 7, addr("10.0.1.5"), addr("10.0.2.5"), 9);
  EXPECT_EQ(word(four, kInner + 12), 0x0800u);
  EXPECT_EQ(address_in(four, kInner + 14 + 12, 4), "10.0.1.5");
  EXPECT_EQ(address_in(four, kInner + 14 + 16, 4), "10.0.2.5");
  EXPECT_EQ(four.size(), kInner + 14 + 20);

  const Bytes six = hint_packet(3, 7, addr("fd00:1::5"), addr("fd00:2::5"), 9);
  EXPECT_EQ(word(six, kInner + 12), 0x86ddu);
  EXPECT_EQ(part(six, kInner + 14, 8), (Bytes{0x60, 0, 0, 0, 0, 0, 59, 64}))
      << "no payload, no next header";
  EXPECT_EQ(address_in(six, kInner + 14 + 8, 16), "fd00:1::5");
  EXPECT_EQ(address_in(six, kInner + 14 + 24, 16), "fd00:2::5");
  EXPECT_EQ(six.size(), kInner + 14 + 40);
  // All before the inner packet is the same for both.
  EXPECT_EQ(part(six, 0, kInner + 12), part(four, 0, kInner + 12));
  EXPECT_EQ(part(six, 0, 8), (Bytes{4, MZ_GENEVE_F_OAM, 0x65, 0x58, 0, 0, 7, 0}));
  EXPECT_EQ(part(six, 16, 8), (Bytes{0, 0, 0, 9, MZ_OPT_F_HINT, 0, 0, 3}));
}

TEST(ControlPacket, WhatIsSaidOfAGroupReadsAsAPacketToIt) {
  const Bytes four = group_packet(3, 7, addr("10.0.1.0"), addr("239.1.2.3"), true);
  EXPECT_EQ(part(four, kInner, 12), (Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(word(four, kInner + 12), 0x0800u);
  EXPECT_EQ(address_in(four, kInner + 14 + 12, 4), "10.0.1.0");
  EXPECT_EQ(address_in(four, kInner + 14 + 16, 4), "239.1.2.3");
  EXPECT_EQ(part(four, 16, 8), (Bytes{0, 0, 0, 3, MZ_OPT_F_GROUP, 0, 0, 3}));

  const Bytes six = group_packet(3, 7, addr("fd00:1::"), addr("ff15::1"), false);
  EXPECT_EQ(word(six, kInner + 12), 0x86ddu);
  EXPECT_EQ(address_in(six, kInner + 14 + 8, 16), "fd00:1::");
  EXPECT_EQ(address_in(six, kInner + 14 + 24, 16), "ff15::1");
  EXPECT_EQ(part(six, 16, 8), (Bytes{0, 0, 0, 0, MZ_OPT_F_GROUP, 0, 0, 3}));
  EXPECT_EQ(six.size(), kInner + 14 + 40);
}

EndpointSpec sender() {
  EndpointSpec e;
  e.name = "a";
  e.vpc = "red";
  e.address = {addr("10.0.1.5"), addr("fd00:1::5")};
  e.mac = {0x02, 0, 0, 0, 0, 0x05};
  return e;
}

struct FrameCase {
  const char* name;
  const char *destination, *protocol;
  unsigned length;      // of the IP packet
  unsigned type;        // Ethernet
  unsigned transport;   // its number in the IP header
};
class DescribedFrame : public testing::TestWithParam<FrameCase> {};

TEST_P(DescribedFrame, IsAWholePacketWithRightChecksums) {
  const auto& c = GetParam();
  v1::TraceRequest r;
  r.set_destination(c.destination);
  r.set_protocol(c.protocol);
  r.set_length(c.length);
  r.set_source_port(4000);
  r.set_destination_port(80);
  const auto f = described_frame(r, sender());
  ASSERT_TRUE(f) << f.error().what;
  const bool v6 = c.type == 0x86dd;
  const unsigned length = c.length ? c.length : 84;
  ASSERT_EQ(f->size(), 14 + length);
  EXPECT_EQ(part(*f, 0, 6), (Bytes MZ_GATEWAY_MAC));
  EXPECT_EQ(part(*f, 6, 6), (Bytes{0x02, 0, 0, 0, 0, 0x05}));
  EXPECT_EQ(word(*f, 12), c.type);
  EXPECT_EQ((*f)[v6 ? 20 : 23], c.transport);
  EXPECT_EQ(v6 ? word(*f, 18) + 40 : word(*f, 16), length);
  EXPECT_EQ(v6 ? address_in(*f, 22, 16) : address_in(*f, 26, 4), v6 ? "fd00:1::5" : "10.0.1.5");
  EXPECT_EQ(v6 ? address_in(*f, 38, 16) : address_in(*f, 30, 4), c.destination);
  EXPECT_EQ(v6 ? 0xffffu : sum(part(*f, 14, 20)), 0xffffu);
  const size_t l4 = v6 ? 54 : 34;
  if (c.transport == 1) {
    EXPECT_EQ((*f)[l4], 8);
    EXPECT_EQ(sum(part(*f, l4, f->size() - l4)), 0xffffu);
    return;
  }
  EXPECT_EQ(sum(with_pseudo_header(*f)), 0xffffu);
  if (c.transport == 58) {
    EXPECT_EQ((*f)[l4], 128);
    return;
  }
  EXPECT_EQ(word(*f, l4), 4000u);
  EXPECT_EQ(word(*f, l4 + 2), 80u);
  if (c.transport == 17) {
    EXPECT_EQ(word(*f, l4 + 4), f->size() - l4);
  } else {
    EXPECT_EQ((*f)[l4 + 12], 0x50);
  }
}

const FrameCase kFrames[] = {
    {"icmp4", "10.0.2.5", "", 0, 0x0800, 1},      {"icmp4_odd", "10.0.2.5", "icmp", 29, 0x0800, 1},
    {"tcp4", "10.0.2.5", "tcp", 0, 0x0800, 6},    {"udp4", "10.0.2.5", "udp", 1001, 0x0800, 17},
    {"icmp6", "fd00:2::5", "", 0, 0x86dd, 58},    {"icmp6_least", "fd00:2::5", "icmp", 48, 0x86dd, 58},
    {"tcp6", "fd00:2::5", "tcp", 60, 0x86dd, 6},  {"udp6", "fd00:2::5", "udp", 1001, 0x86dd, 17},
};
INSTANTIATE_TEST_SUITE_P(, DescribedFrame, testing::ValuesIn(kFrames),
                         [](const auto& i) { return i.param.name; });

TEST(TraceFrame, Arp) {
  v1::TraceRequest r;
  r.set_destination("10.0.1.9");
  r.set_protocol("arp");
  const auto f = described_frame(r, sender());
  ASSERT_TRUE(f) << f.error().what;
  ASSERT_EQ(f->size(), 42u);
  EXPECT_EQ(part(*f, 0, 6), Bytes(6, 0xff));
  EXPECT_EQ(part(*f, 12, 10), (Bytes{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1}));
  EXPECT_EQ(part(*f, 22, 6), (Bytes{0x02, 0, 0, 0, 0, 0x05}));
  EXPECT_EQ(address_in(*f, 28, 4), "10.0.1.5");
  EXPECT_EQ(part(*f, 32, 6), Bytes(6));
  EXPECT_EQ(address_in(*f, 38, 4), "10.0.1.9");
}

TEST(TraceFrame, NeighbourSolicitation) {
  v1::TraceRequest r;
  r.set_destination("fd00:1::12:3456");
  r.set_protocol("nd");
  const auto f = described_frame(r, sender());
  ASSERT_TRUE(f) << f.error().what;
  ASSERT_EQ(f->size(), 14u + 40 + 32);
  EXPECT_EQ(part(*f, 0, 6), (Bytes{0x33, 0x33, 0xff, 0x12, 0x34, 0x56}));
  EXPECT_EQ(part(*f, 18, 4), (Bytes{0, 32, 58, 255})) << "hop limit 255, or nobody believes it";
  EXPECT_EQ(address_in(*f, 22, 16), "fd00:1::5");
  EXPECT_EQ(address_in(*f, 38, 16), "ff02::1:ff12:3456");
  EXPECT_EQ((*f)[54], 135);
  EXPECT_EQ(address_in(*f, 62, 16), "fd00:1::12:3456");
  EXPECT_EQ(part(*f, 78, 8), (Bytes{1, 1, 0x02, 0, 0, 0, 0, 0x05}));
  EXPECT_EQ(sum(with_pseudo_header(*f)), 0xffffu);
}

TEST(TraceFrame, ForgedSource) {
  v1::TraceRequest r;
  r.set_destination("fd00:2::5");
  r.set_source("fd00:1::66");
  EXPECT_EQ(address_in(*described_frame(r, sender()), 22, 16), "fd00:1::66");
}

TEST(TraceFrame, BadRequests) {
  const struct {
    const char *destination, *protocol, *source;
    unsigned length;
    const char* error;
  } rows[] = {
      {"web", "", "", 0, "trace: destination: 'web' is not an IP address"},
      {"10.0.2.5", "", "web", 0, "trace: source: 'web' is not an IP address"},
      {"10.0.2.5", "", "fd00::1", 0, "trace: source: must be IPv4, as the destination is"},
      {"fd00:2::5", "", "10.0.1.5", 0, "trace: source: must be IPv6, as the destination is"},
      {"fd00:2::5", "arp", "", 0, "trace: protocol: arp is for IPv4 destinations"},
      {"10.0.2.5", "nd", "", 0, "trace: protocol: nd is for IPv6 destinations"},
      {"10.0.2.5", "sctp", "", 0, "trace: protocol: 'sctp' is none of icmp, tcp, udp, arp, nd"},
      {"10.0.2.5", "icmp", "", 27, "trace: length: must be 28..3000"},
      {"fd00:2::5", "icmp", "", 47, "trace: length: must be 48..3000"},
      {"fd00:2::5", "tcp", "", 59, "trace: length: must be 60..3000"},
      {"fd00:2::5", "udp", "", 3001, "trace: length: must be 48..3000"},
  };
  for (const auto& row : rows) {
    v1::TraceRequest r;
    r.set_destination(row.destination);
    r.set_protocol(row.protocol);
    r.set_source(row.source);
    r.set_length(row.length);
    const auto f = described_frame(r, sender());
    EXPECT_EQ(f ? "" : f.error().what, row.error);
  }
  EndpointSpec four = sender();
  four.address.v6.reset();
  v1::TraceRequest r;
  r.set_destination("fd00:2::5");
  EXPECT_EQ(described_frame(r, four).error().what,
            "trace: destination: is IPv6, of which endpoint red/a has no address");
}

TEST(Keepalive, IsASegmentOfTheRemoteEnd) {
  for (const bool six : {false, true}) {
    const Addr local = addr(six ? "fd00:1::5" : "10.0.1.5"), remote = addr(six ? "fd00:9::1" : "10.0.9.1");
    const mz_flow_key key{7, local.abi(), remote.abi(), htons(40000), htons(80), IPPROTO_TCP};
    const Bytes f = keepalive_frame(key, {2, 0, 0, 0, 0, 5});
    const size_t l4 = 14u + (six ? 40 : 20);
    EXPECT_EQ(part(f, 0, 6), (Bytes{2, 0, 0, 0, 0, 5}));
    EXPECT_EQ(part(f, 6, 6), (Bytes MZ_GATEWAY_MAC));
    EXPECT_EQ(address_in(f, six ? 22 : 26, six ? 16 : 4), remote.text());
    EXPECT_EQ(address_in(f, six ? 38 : 30, six ? 16 : 4), local.text());
    ASSERT_EQ(f.size(), l4 + 20);
    EXPECT_EQ(word(f, l4), 80u);
    EXPECT_EQ(word(f, l4 + 2), 40000u);
    EXPECT_EQ(f[l4 + 13], 0x10);
    EXPECT_EQ(sum(with_pseudo_header(f)), 0xffffu);
    if (!six) {
      EXPECT_EQ(sum(part(f, 14, 20)), 0xffffu);
    }
  }
}

}  // namespace
}  // namespace mizar
