// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: what endpoints say by IGMP and MLD, what they send to groups, and what
// hosts send and say of them, through the native pipeline. A frame may come as it is, or
// with its IGMP or MLD checksum made right, which an input would hardly find. What must
// hold: one reason, an endpoint in no more groups than it may, no copy to the sender, and
// none that is marked goes to a host.
#include <string.h>

#include "bpf/abi/hash.h"
#include "selftests/bpf/frame.h"
#include "selftests/fuzz/native_fuzz.h"

#define MEMBER 5u // interface of another member
#define GROUP IP4(239, 1, 2, 3)
#define GROUP6 A6(0xff02, 0x33)

enum { EGRESS = 1, SUM = 2, MULTICAST_ONLY = 4 }; // bits of an input's first byte

static void put_group(const char *table, struct mz_addr group, uint32_t a, uint32_t b)
{
	struct mz_group_key k = { .vni = 7, .network = 0, .group = group };
	struct mz_group g = { .row = { { a, 1 }, { b, 1 } } };

	put(table, &k, &g);
}

static void put_networks(uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(7), .ip = addr4(IP4(198, 18, 1, 0)) };
	struct mz_network net = { .vpc = 3, .flags = flags };

	put("mz_networks", &k, &net);
	k = (struct mz_net_key){ .prefixlen = 32 + 64, .vni = htonl(7), .ip = addr6(A6(1, 0)) };
	put("mz_networks", &k, &net);
}

static void build_world(void)
{
	struct mz_cfg cfg = { .self_ip4 = addr4(SELF_IP), .self_ip6 = addr6(SELF6), .self_id = 1, .uplink = 7, .second = 250 };
	struct mz_port port = { .ifindex = 1, .vni = 7, .ip4 = htonl(EP_A), .ip6 = addr6(EP6_A), .prefix6 = 64,
				.vpc = 3, .mtu = 1434, .flags = MZ_EP_F_GROUPS };
	struct mz_port member = { .ifindex = MEMBER, .vni = 7 };
	uint32_t one = 1;

	mz_native_reset();
	mz_native_configure(&cfg);
	mz_native_set_clock(100000);
	put_host(1, addr4(SELF_IP), 7);
	put_host(2, addr4(PEER_IP), 7);
	put_host(4, addr6(BACKUP6), 7);
	memcpy(port.mac, mac_bytes(MAC_A), 6);
	put("mz_ports", &one, &port);
	put("mz_ports", &member.ifindex, &member);
	for (uint32_t row = 0; row < MZ_BUCKETS; row++) {
		struct mz_shard s = { .primary = row & 1 ? 2 : 1 };

		put("mz_shards", &row, &s);
	}
}

static void build_groups(void)
{
	uint32_t one = 1, in = 3;

	mz_native_clear(mz_native_table("mz_groups"));
	mz_native_clear(mz_native_table("mz_group_hosts"));
	put("mz_group_use", &one, &in);
	put_group("mz_groups", addr4(GROUP), 1, MEMBER);
	put_group("mz_groups", addr6(GROUP6), MEMBER, 1);
	put_group("mz_groups", addr4(0xffffffff), 1, MEMBER);
	put_group("mz_group_hosts", addr4(GROUP), 2, 4);
	put_group("mz_group_hosts", addr6(GROUP6), 4, 2);
}

// Of IGMP behind a header of any length, and of MLD behind eight bytes of options.
static void make_sum(uint8_t *b, uint32_t len)
{
	uint32_t at, end, seed = 0;

	if (len < 62)
		return;
	if (b[12] == 8) {
		at = 14 + (b[14] & 15) * 4u;
		end = 14 + ((uint32_t)b[16] << 8 | b[17]);
	} else {
		at = 62;
		end = 54 + ((uint32_t)b[18] << 8 | b[19]);
		seed = end - at + 58;
		for (uint32_t i = 22; i < 54; i += 2)
			seed += (uint32_t)b[i] << 8 | b[i + 1];
	}
	if (end > len || at + 8 > end)
		return;
	put_checksum(b + at + 2, b + at, end - at, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mz_native_packet pkt = { .ifindex = 1, .headroom = HEADROOM };
	uint32_t vpc = 0, slot = 1, had;
	static int built;
	uint8_t *buffer;

	if (size < 1 || size > 2048)
		return 0;
	if (!built)
		build_world();
	built = 1;
	build_groups();
	put_networks(MZ_NET_F_MULTICAST | (data[0] & MULTICAST_ONLY ? 0 : MZ_NET_F_BROADCAST));
	had = mz_native_copy_count(0, NULL);
	buffer = calloc(1, HEADROOM + size - 1);
	memcpy(buffer + HEADROOM, data + 1, size - 1);
	if (data[0] & SUM)
		make_sum(buffer + HEADROOM, (uint32_t)size - 1);
	pkt.data = buffer + HEADROOM;
	pkt.len = (uint32_t)size - 1;
	if (data[0] & EGRESS)
		mz_native_egress(&pkt);
	else
		mz_native_ingress(&pkt);
	MUST(pkt.reason > MZ_R_NONE && pkt.reason < MZ_REASON_COUNT);
	MUST(counted(&vpc) == 1);
	MUST(vpc == 0 || vpc == 3);
	MUST(*(uint32_t *)mz_native_lookup(mz_native_table("mz_group_use"), &slot) <= MZ_ENDPOINT_GROUPS);
	MUST(mz_native_copy_count(0, NULL) <= had + 4);
	for (uint32_t i = had; i < mz_native_copy_count(0, NULL); i++) {
		struct mz_native_copy c;

		mz_native_copy_count(i, &c);
		MUST(c.ifindex == MEMBER || c.ifindex == 7 || (c.ifindex == 1 && !(data[0] & EGRESS)));
		if (c.ifindex != 7)
			continue;
		// What goes to a host says that it is a copy, in our option's flags.
		uint32_t outer = c.frame[12] == 8 ? MZ_OUTER_LEN4 : MZ_OUTER_LEN6;

		MUST(c.len >= outer + 14 && (c.frame[outer - 4] & MZ_OPT_F_COPY));
	}
	free(buffer);
	return 0;
}

// Writes the seeds: one frame of each sort. `group_fuzz_seeds DIR`.
#ifdef MZ_FUZZ_SEEDS
// `len` bytes of IGMP or MLD in an endpoint's frame.
static struct frame says(int v6, const void *bytes, uint32_t len)
{
	struct inner in = { .v6 = v6, .proto = v6 ? 58 : 2, .dst = IP4(224, 0, 0, 22), .src6 = LL6_A, .dst6 = A6(0xff02, 0x16),
			    .ttl = 1, .ext = "\0", .exts = v6, .dmac = v6 ? MAC_GROUP6 : MAC_GROUP };
	struct frame f = make_inner(in);
	uint32_t at = v6 ? 62 : 34;

	memcpy(f.b + at, bytes, len);
	f.len = at + len;
	f.b[v6 ? 19 : 17] = (uint8_t)(v6 ? len + 8 : len + 20);
	return f;
}
#define SAYS(v6, bytes) says(v6, bytes, sizeof(bytes) - 1)

static struct frame to_group(struct frame f, uint32_t at)
{
	memcpy(f.b + at, "\x01\x00\x5e\x01\x02\x03", 6);
	return f;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	save(argv[1], "report2", EGRESS | SUM, SAYS(0, "\x16\0\0\0\xef\1\2\3"));
	save(argv[1], "leave", EGRESS | SUM, SAYS(0, "\x17\0\0\0\xef\1\2\3"));
	save(argv[1], "report3", EGRESS | SUM,
	     SAYS(0, "\x22\0\0\0\0\0\0\2\4\1\0\1\xef\1\2\4\x0a\1\2\3\0\0\0\0\3\0\0\0\xef\1\2\3"));
	save(argv[1], "query", EGRESS | SUM, SAYS(0, "\x11\0\0\0\0\0\0\0"));
	save(argv[1], "mld1", EGRESS | SUM, SAYS(1, "\x83\0\0\0\0\0\0\0\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\x34"));
	save(argv[1], "done", EGRESS | SUM, SAYS(1, "\x84\0\0\0\0\0\0\0\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\x33"));
	save(argv[1], "mld2", EGRESS | SUM,
	     SAYS(1, "\x8f\0\0\0\0\0\0\1\4\0\0\1\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\x34" "0123456789abcdef"));
	save(argv[1], "sends", EGRESS, to_group(INNER(.dst = GROUP), 0));
	save(argv[1], "sends-other", EGRESS, to_group(INNER(.dst = GROUP + 1), 0));
	save(argv[1], "sends6", EGRESS, to_group(INNER(.v6 = 1, .dst6 = GROUP6), 0));
	save(argv[1], "broadcasts", EGRESS, INNER(.dst = 0xffffffff, .dmac = MAC_GROUP));
	save(argv[1], "comes", 0, to_group(TUNNEL(.in = { .dst = GROUP }), MZ_OUTER_LEN4));
	save(argv[1], "comes6", 0, to_group(TUNNEL(.in = { .v6 = 1, .dst6 = GROUP6 }), MZ_OUTER_LEN4));
	save(argv[1], "copy", 0, to_group(TUNNEL(.flags = MZ_OPT_F_COPY, .in = { .dst = GROUP }), MZ_OUTER_LEN4));
	save(argv[1], "over6", 0,
	     to_group(TUNNEL(.u6 = 1, .src6 = BACKUP6, .sender = 4, .origin = 4, .in = { .dst = GROUP }), MZ_OUTER_LEN6));
	save(argv[1], "host", 0, to_group(TUNNEL(.oam = 1, .flags = MZ_OPT_F_GROUP, .in = { .dst = GROUP }), MZ_OUTER_LEN4));
	return 0;
}
#endif
