// SPDX-License-Identifier: Apache-2.0
// Frames for the packet tables: what an endpoint sends, and what travels
// between hosts. A field left 0 takes the default named beside it.
#pragma once

#include <stdint.h>

#include "bpf/abi/wire.h"

struct frame {
	uint32_t len;
	uint8_t b[1536];
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

// Underlay: RFC 5737 TEST-NET-1. Tenants: RFC 2544 block.
#define SELF_IP   IP4(192, 0, 2, 1)
#define PEER_IP   IP4(192, 0, 2, 2)
#define BOUNCE_IP IP4(192, 0, 2, 3)
#define BACKUP_IP IP4(192, 0, 2, 4)
#define DIVIDE_IP IP4(192, 0, 2, 5)
#define STRANGER_IP IP4(192, 0, 2, 66)

#define EP_A IP4(198, 18, 1, 1)  // local
#define EP_B IP4(198, 18, 1, 2)  // local, same network
#define EP_R IP4(198, 18, 1, 9)  // on PEER, same network
#define EP_N IP4(198, 18, 9, 9)  // in a network this host does not know
#define EP_G IP4(198, 18, 1, 77) // nowhere

// Outside: RFC 5737 TEST-NET-2 is ours, TEST-NET-3 others'.
#define SHARED  IP4(198, 51, 100, 1)
#define FLOAT   IP4(198, 51, 100, 20)
#define OUT_R   IP4(203, 0, 113, 9)
#define OUT_R2  IP4(203, 0, 113, 10)
#define OUT_GW  IP4(203, 0, 113, 2)
#define OUT_NO  IP4(100, 64, 0, 1) // no route leads there

// IPv6 addresses in short: subnet and host part, 16 bits each, of 2001:db8::/48
// (RFC 3849); with fe80, ff02 and ffff as subnet: of the link, of a group, and
// ::ffff:198.18.0.0/112, which is IPv4's. Host part e064: the EUI-64 of MAC_A.
#define A6(subnet, host) ((uint32_t)(subnet) << 16 | (host))
#define EP6_A   A6(1, 0x11)
#define EP6_B   A6(1, 2)
#define EP6_R   A6(1, 9)
#define EP6_N   A6(9, 9)
#define LL6_A   A6(0xfe80, 0xa)
#define LL6_GW  0xfe80ffffu // fe80::4d:5aff:fe00:1
#define ALL6    A6(0xff02, 1)
#define GW_IP   IP4(198, 18, 1, 254)
#define GW6     A6(1, 1)
#define NONE6   0xeeee0000u // ::
#define SHARED6 A6(0x51, 1)
#define OUT6_R  A6(0x113, 9)
#define OUT6_GW A6(0x113, 2)
#define SELF6   A6(0xaa, 1)
#define PEER6   A6(0xaa, 2)
#define BOUNCE6 A6(0xaa, 3)
#define BACKUP6 A6(0xaa, 4)
#define DIVIDE6 A6(0xaa, 5)
#define ALL_DHCP6 A6(0xff02, 0x12)     // ff02::1:2
#define SVC6(host) A6(0x5aff, host)    // fd4d:5aff::host; a9fb: a9fe:a9fb
#define BESIDE_SVC6(host) A6(0x5afe, host) // fd4d:5aff:0:1::host
#define NO_CLIENT6(slot) A6(0x5a01, slot)  // fd4d:5a00::1:slot
#define CLIENT6(slot) A6(0x5a00, slot) // fd4d:5a00::slot
struct mz_addr addr6(uint32_t short_form);

enum { MAC_A = 1, MAC_B = 2, MAC_GW = 3, MAC_SELF = 4, MAC_NEXT = 5, MAC_GROUP = 6, MAC_OTHER = 7,
       MAC_GROUP6 = 8 };
const uint8_t *mac_bytes(int which);

// An Ethernet frame with IPv4, or with IPv6 (src6, dst6), as a tenant sends it.
struct inner {
	int v6;
	int dmac, smac;       // MAC_GW, MAC_A
	uint16_t ethertype;   // 0x0800
	uint32_t src, dst;    // EP_A, EP_B
	uint32_t src6, dst6;  // EP6_A, EP6_B
	const char *ext;      // next-header numbers of 8-byte extension headers
	int exts;             // how many
	uint8_t ext_units;    // the first one has that many 8 bytes more
	uint8_t version_ihl;  // 0x45, 0x60
	uint8_t tos, ttl;     // 0, 64
	uint8_t proto;        // UDP
	uint16_t frag;        // host order
	uint16_t frag_id;     // of a fragment
	int total_delta;      // added to the IP total length
	uint16_t payload;     // bytes behind the transport header: 10
	uint8_t flags;        // of TCP: ACK; of SCTP: its first chunk's type
	uint16_t sport, dport;// 1000, 2000; of ICMP: type and code, checksum
	uint16_t id;          // of an ICMP query: its length
	int zero_sport;
	int zero_src;         // from 0.0.0.0
	int sums;             // TCP, UDP and ICMP with their checksum
	uint16_t bootp_flags; // of DHCP
	int cut;              // bytes cut off the end
};
struct frame make_inner(struct inner in);
#define INNER(...) make_inner((struct inner){ __VA_ARGS__ })

// The Internet's checksum of `len` bytes, at `field`, which counts as zero if it is one of
// them; `seed` is the sum of what else it is about.
void put_checksum(uint8_t *field, const uint8_t *b, uint32_t len, uint32_t seed);

struct arp {
	int dmac, smac;     // MAC_GROUP, MAC_A
	uint16_t op;        // 1
	uint16_t hrd;       // 1
	int sha;            // MAC_A
	int tha;            // none (zero)
	uint32_t spa, tpa;  // EP_A, EP_R
	int zero_spa;       // a probe
	int cut;
};
struct frame make_arp(struct arp a);
#define ARP(...) make_arp((struct arp){ __VA_ARGS__ })

// Neighbour discovery. Options stand in the order named.
struct nd {
	int dmac, smac;      // MAC_GROUP6, MAC_A
	uint32_t src, dst;   // EP6_A, ALL6
	uint8_t type;        // 135
	uint8_t code, hops;  // 0, 255
	uint32_t word;       // what stands behind the checksum
	uint32_t target;     // 135 and 136: EP6_R
	int source;          // MAC of a source link-layer option, 0 = no option
	int target_ll;       // the same of a target's
	int nonce;           // an unknown option of 8 bytes
	uint32_t mtu;        // 134: MTU option
	uint32_t prefix;     // 134: prefix option, with its flags and lifetimes
	uint8_t prefix_flags;
	int zero_length;     // the first option has length 0
	int long_length;     // the first option is one unit longer than there are bytes
	int bad_sum;
	int grow;            // bytes of zeros in the message behind it all
	int cut;
};
struct frame make_nd(struct nd n);
#define ND(...) make_nd((struct nd){ __VA_ARGS__ })

// The ICMP error to MAC_A's endpoint about a frame: too big, `quote` bytes of it.
// from `source`, 0 = the gateway.
struct frame make_too_big(struct frame about, uint32_t quote, uint32_t mtu, uint32_t source);

// An ICMP error about a frame, of which it quotes `quote` bytes, with its checksum.
struct frame make_error(struct frame about, uint32_t quote, int type, uint32_t from, uint32_t to);

// A tunnel packet around a tenant's frame.
struct tunnel {
	struct inner in;       // src EP_R, dst EP_A
	const struct frame *frame; // instead; `in` only says what its flow is
	int smac, dmac;        // MAC_NEXT, MAC_SELF
	uint32_t src, dst;     // PEER_IP, SELF_IP
	int u6;                // IPv6 outside:
	uint32_t src6, dst6;   // PEER6, SELF6
	uint16_t flow;         // flow label: sport
	uint8_t ttl, tos;      // 64, 0
	uint8_t version_ihl;   // 0x45
	uint16_t frag;         // DF, host order
	uint8_t proto;         // UDP
	uint16_t sport, dport; // from the flow, 6081
	uint32_t vni;          // 7
	uint8_t version;       // Geneve's
	uint8_t oam;
	uint16_t gproto;       // 0x6558
	int no_option;
	int extra_option;      // an unknown one in front: 1 optional, 2 critical
	int twice;             // our option a second time
	int optlen_delta;      // added to the Geneve option length, words
	uint8_t opt_words;     // 3
	int inner_optlen;      // length of the last option too long by this
	uint32_t label;        // 0
	uint8_t qos_class, hops, flags;
	uint32_t origin;       // 2 (PEER); -1 = 0
	uint32_t sender;       // 2 (PEER)
	int cut;               // bytes cut off the end
	int keep;              // bytes kept of the whole (0 = all)
	int bare;              // no inner frame at all
};
struct frame make_tunnel(struct tunnel t);
#define TUNNEL(...) make_tunnel((struct tunnel){ __VA_ARGS__ })
// The tunnel around a frame of its own, from EP_R's host.
struct frame in_tunnel(struct frame inner);

// The frame an endpoint receives: from its gateway.
struct frame as_delivered(struct frame f, int mac);
