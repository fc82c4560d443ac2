// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/outside.h"

#include <arpa/inet.h>
#include <string.h>

void put_inside(struct mz_addr ip, struct mz_addr outside, uint16_t first, uint16_t last, uint16_t flags)
{
	struct mz_inside_key k = { .vni = VNI, .ip = ip };
	struct mz_inside v = { .ip = outside, .first = first, .last = last, .flags = flags };

	put("mz_insides", &k, &v);
}

void put_forward(struct mz_addr ip, uint16_t port, uint16_t proto, struct mz_addr outside, uint16_t outside_port)
{
	struct mz_inside_key k = { .vni = VNI, .ip = ip, .port = htons(port), .proto = proto };
	struct mz_inside v = { .ip = outside, .port = htons(outside_port) };
	struct mz_outside_key ok = { .ip = outside, .port = htons(outside_port), .proto = proto };
	struct mz_outside o = { .vni = VNI, .ip = ip, .port = htons(port) };

	put("mz_insides", &k, &v);
	put("mz_outsides", &ok, &o);
}

void put_piece(struct mz_addr outside, uint16_t piece, struct mz_addr ip)
{
	struct mz_outside_key k = { .ip = outside, .port = htons(piece) };
	struct mz_outside o = { .vni = VNI, .ip = ip };

	put("mz_outsides", &k, &o);
}

void put_pool(struct mz_addr ip, uint16_t shift, uint16_t flags)
{
	struct mz_pool_key k = { .prefixlen = 128, .ip = ip };
	struct mz_pool p = { .shift = shift, .flags = flags };

	put("mz_pools", &k, &p);
}

void put_way_out(uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + 96, .vni = htonl(VNI), .ip = addr4(0) };
	struct mz_network n = { .shard = 384, .vpc = VPC_SLOT, .flags = MZ_NET_F_OUTSIDE | flags };
	struct mz_shard s = { .primary = BOUNCER, .backup = BACKUP };

	for (uint32_t b = 0; b < MZ_BUCKETS; b++) {
		uint32_t row = 384 + b;

		put("mz_shards", &row, &s);
	}
	put("mz_networks", &k, &n);
	k = (struct mz_net_key){ .prefixlen = 32 + 3, .vni = htonl(VNI), .ip = { .w = { htonl(0x20000000) } } };
	put("mz_networks", &k, &n);
}

struct frame hopped(struct frame f, int dmac, int smac)
{
	f.b[22]--; // TTL
	f.b[24]++;
	memcpy(f.b, mac_bytes(dmac), 6);
	memcpy(f.b + 6, mac_bytes(smac), 6);
	return f;
}

struct frame error_to_r(struct frame sent, uint8_t flags)
{
	const struct frame error = hopped(make_error(sent, 28, 3, OUT_R2, EP_R), MAC_GW, MAC_GW);

	return TUNNEL(.in = { .src = OUT_R2, .dst = EP_R, .proto = 1, .sport = 0x0300 }, .frame = &error, .src = SELF_IP, .dst = PEER_IP,
		      .dmac = MAC_NEXT, .smac = MAC_SELF, .origin = SELF, .sender = SELF, .flags = flags);
}
