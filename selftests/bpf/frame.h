// SPDX-License-Identifier: Apache-2.0
// Frames for the packet tables: what an endpoint sends, and what travels
// between hosts. A field left 0 takes the default named beside it.
#pragma once

#include <stdint.h>

#include "bpf/abi/wire.h"

struct frame {
	uint32_t len;
	uint8_t b[640];
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

enum { MAC_A = 1, MAC_B = 2, MAC_GW = 3, MAC_SELF = 4, MAC_NEXT = 5, MAC_GROUP = 6, MAC_OTHER = 7 };
const uint8_t *mac_bytes(int which);

// An Ethernet frame with IPv4, as a tenant sends it.
struct inner {
	int dmac, smac;       // MAC_GW, MAC_A
	uint16_t ethertype;   // 0x0800
	uint32_t src, dst;    // EP_A, EP_B
	uint8_t version_ihl;  // 0x45
	uint8_t tos, ttl;     // 0, 64
	uint8_t proto;        // UDP
	uint16_t frag;        // host order
	int total_delta;      // added to the IP total length
	uint16_t payload;     // UDP payload bytes: 10
	uint16_t sport, dport;// 1000, 2000
	int cut;              // bytes cut off the end
};
struct frame make_inner(struct inner in);
#define INNER(...) make_inner((struct inner){ __VA_ARGS__ })

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

// A tunnel packet around a tenant's frame.
struct tunnel {
	struct inner in;       // src EP_R, dst EP_A
	int smac, dmac;        // MAC_NEXT, MAC_SELF
	uint32_t src, dst;     // PEER_IP, SELF_IP
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

// The frame an endpoint receives: from its gateway.
struct frame as_delivered(struct frame f, int mac);
