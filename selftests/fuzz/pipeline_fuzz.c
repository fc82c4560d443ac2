// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as a frame, from an endpoint or the underlay,
// through the native pipeline with populated tables. Beyond what the
// sanitizers find, it checks what must hold for every packet: one reason, one
// counter, an output that fits, no tenant's packet under another's VPC.
#include <string.h>

#include "bpf/abi/hash.h"
#include "selftests/bpf/frame.h"
#include "selftests/fuzz/native_fuzz.h"

// Bits of an input's first byte. Its two upper ones are the functions' verdict, where there are
// some; else endpoints have rates, and queues in front of the packet.
enum { EGRESS = 1, TAILROOM = 2, REPLY = 4, FUNCTIONS = 8, SPOILS = 16, RETURNED = 32, SHAPED = 64, QUEUED = 128 };

// Two functions at every point. Those that spoil leave nothing of the packet as it was
// looked at, and half of it: what comes behind must bear it.
static uint8_t kind;

static int function(struct mz_native_packet *pkt, const struct mz_function_packet *p)
{
	(void)p;
	if (kind & SPOILS) {
		for (uint32_t i = 0; i < pkt->len; i += 3)
			pkt->data[i] ^= 0x5a;
		pkt->len /= 2;
	}
	return kind >> 6;
}

static void put_functions(int on)
{
	struct mz_function_chains chains = { { (uint8_t)on, (uint8_t)on, (uint8_t)on, (uint8_t)on } };
	struct mz_function_chain chain = { .slot = { 2, 1 } };
	struct mz_function_slot slot = { .interface = 8 };
	struct mz_ep_key a[] = { { .vni = 7, .ip = addr4(EP_A) }, { .vni = 7, .ip = addr6(EP6_A) } };
	struct mz_port *port;
	struct mz_endpoint *e;
	uint32_t one = 1, vpc = 3;

	put("mz_function_chains", &one, &chain);
	put("mz_function_ports", &one, &chains);
	put("mz_function_vpcs", &vpc, &chains);
	for (uint32_t i = 0; i < MZ_FUNCTION_SLOTS; i++)
		put("mz_function_slots", &i, &slot);
	port = mz_native_lookup(mz_native_table("mz_ports"), &one);
	port->flags = on ? MZ_EP_F_EGRESS | MZ_EP_F_INGRESS : 0; /* each input says whether it is shaped */
	for (size_t i = 0; i < 2; i++) {
		e = mz_native_lookup(mz_native_table("mz_endpoints"), &a[i]);
		e->flags = on ? MZ_EP_F_PEER | MZ_EP_F_INGRESS : MZ_EP_F_PEER | MZ_EP_F_SHAPED;
	}
	mz_native_set_function(0, function);
	mz_native_set_function(1, function);
}

// ---- rates: of an endpoint, of all sorts at its VPC, of the uplink; both ways ----

#define NOW 1000000000000ull
enum { SHAPERS = 6 };

static struct mz_clocks *clocks(uint32_t slot)
{
	return mz_native_lookup(mz_native_table("mz_clocks"), &slot);
}

static void put_rates(void)
{
	const struct mz_limit l = { .byte = 800ull << MZ_RATE_BITS, .burst = 1000ull << MZ_TICK_BITS, .mark = 1ull << 28,
				    .drop = 1ull << 29, .bucket = 1ull << 30, .horizon = 1ull << 32 };
	const struct mz_shaper plain = { .flags = MZ_SHAPER_F_WHOLE, .whole = l };
	struct mz_shaper all = { .flags = MZ_SHAPER_F_WHOLE | MZ_SHAPER_F_CLASSES, .overhead = 24, .whole = l, .class_ = { l, l, l } };

	all.whole.byte = 1ull << 40; // a byte a millisecond
	all.whole.packet = all.class_[MZ_CLASS_EXPEDITED].packet = 1000ull << MZ_TICK_BITS;
	all.whole.floor = all.class_[MZ_CLASS_BEST_EFFORT].floor = 900ull << MZ_RATE_BITS;
	for (uint32_t i = 1; i <= SHAPERS; i++)
		put("mz_shapers", &i, i == 4 || i == 6 ? &all : &plain);
	for (uint32_t i = 0; i < MZ_LEVEL_SLOTS; i++) {
		struct mz_level level = { .priority = i, .outer = (uint8_t)(i & 63), .level = (uint8_t)(i % MZ_LEVELS),
					  .flags = MZ_LEVEL_F_PACED | MZ_LEVEL_F_INNER };

		put("mz_levels", &i, &level);
	}
}

// What every clock shows before a packet; some say nonsense.
static void set_clocks(uint64_t ahead)
{
	for (uint32_t i = 1; i <= SHAPERS; i++) {
		struct mz_clocks *c = clocks(i);

		memset(c, 0, sizeof(*c));
		for (uint64_t *at = (uint64_t *)c; ahead && at + 1 < (uint64_t *)(c + 1); at++)
			*at = (NOW << MZ_TICK_BITS) + ahead * (uint64_t)(at - (uint64_t *)c + 1);
	}
}

// No packet moves a clock by more than half of what is in use, and one that is dropped none.
static void check_clocks(const struct mz_clocks *before, int dropped)
{
	const uint64_t now = NOW << MZ_TICK_BITS;
	uint64_t from;

	for (uint32_t i = 0; i < SHAPERS; i++) {
		const struct mz_clocks *c = clocks(i + 1);

		for (uint32_t k = 0; k < MZ_CLASSES; k++) {
			const struct mz_limit_clock *then = &before[i].class_[k].whole, *is = &c->class_[k].whole;

			MUST(!dropped || (is->bytes == then->bytes && is->sparse == then->sparse && is->packets == then->packets));
			from = then->bytes - now <= MZ_CLOCK_MOST ? then->bytes : now;
			MUST(is->bytes == then->bytes || (int64_t)(is->bytes - from) <= (int64_t)(MZ_CLOCK_MOST / 2));
		}
	}
}

static void build_world(void)
{
	struct mz_cfg cfg = { .self_ip4 = addr4(SELF_IP), .self_ip6 = addr6(SELF6), .self_id = 1, .uplink = 1, .path_ttl = 1000,
			      .hint_interval = 10, .services = 9, .host = 10, .host_ports = { 0x5000 }, .second = 250, .flags = MZ_CFG_F_HOP_FUNCTIONS };
	struct mz_port port = { .ifindex = 1, .vni = 7, .ip4 = htonl(EP_A), .ip6 = addr6(EP6_A),
				.prefix6 = 64, .vpc = 3, .mtu = 1434, .max_flows = 1000, .shaper = { 3, 5 }, .vpc_shaper = { 4, 6 } };
	struct mz_net_key nk = { .prefixlen = 32 + 96 + 24, .vni = htonl(7), .ip = addr4(IP4(198, 18, 1, 0)) };
	struct mz_network net = { .shard = 0, .vpc = 3 };
	struct mz_vpc vpc = { .shard = 128, .vpc = 3 };
	uint32_t slot = 1, vni = 7;

	mz_native_reset();
	mz_native_configure(&cfg);
	mz_native_set_clock(100000);
	mz_native_set_ns(NOW);
	put_rates();
	put_host(1, addr4(SELF_IP), 1);
	put_host(2, addr4(PEER_IP), 1);
	put_host(3, addr4(BOUNCE_IP), 1);
	put_host(4, addr6(BACKUP6), 1);
	memcpy(port.mac, mac_bytes(MAC_A), 6);
	put("mz_ports", &slot, &port);
	put("mz_networks", &nk, &net);
	nk = (struct mz_net_key){ .prefixlen = 32 + 64, .vni = htonl(7), .ip = addr6(A6(1, 0)) };
	put("mz_networks", &nk, &net);
	put("mz_vpcs", &vni, &vpc);
	for (uint32_t row = 0; row < 2 * MZ_BUCKETS; row++) {
		struct mz_shard s = { .primary = 3 };

		put("mz_shards", &row, &s);
	}
	put_endpoint(addr4(EP_A), 1, 1);
	put_endpoint(addr4(EP_R), 2, 0);
	put_endpoint(addr6(EP6_A), 1, 1);
	put_endpoint(addr6(EP6_R), 4, 0); // on the other family's underlay
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buffer;
	struct mz_native_packet pkt = { .ifindex = 1, .headroom = HEADROOM };
	static const char *const learned[] = { "mz_paths", "mz_flows", "mz_frags", "mz_links6" };
	static int built, functions = -1;
	struct mz_clocks before[SHAPERS];
	struct mz_port *port;
	uint32_t vpc = 0, one = 1;

	if (size < 1 || size > 4096)
		return 0;
	if (!built)
		build_world();
	built = 1;
	for (size_t i = 0; i < sizeof(learned) / sizeof(learned[0]); i++)
		mz_native_clear(mz_native_table(learned[i]));
	// Exactly as large as the frame: a read past its end is one past the buffer's.
	// Or with room for an answer that is longer than the question.
	kind = data[0];
	if (functions != !!(kind & FUNCTIONS))
		put_functions(functions = !!(kind & FUNCTIONS));
	if (!functions) {
		port = mz_native_lookup(mz_native_table("mz_ports"), &one);
		port->flags = kind & SHAPED ? MZ_EP_F_SHAPED | MZ_EP_F_TRUST : 0;
		pkt.gso_size = kind & SHAPED && size > 200 ? 1u + (data[size - 1] & 3) : 0;
		set_clocks(!(kind & QUEUED) ? 0 : data[size / 2] == 255 ? 1ull << 60 : (uint64_t)data[size / 2] << 22);
		for (uint32_t i = 0; i < SHAPERS; i++)
			before[i] = *clocks(i + 1);
	}
	pkt.tailroom = kind & TAILROOM ? 128 : 0;
	buffer = calloc(1, HEADROOM + size - 1 + pkt.tailroom);
	memcpy(buffer + HEADROOM, data + 1, size - 1);
	pkt.data = buffer + HEADROOM;
	pkt.len = (uint32_t)(size - 1);
	if (kind & RETURNED)
		mz_native_returned(&pkt);
	else if (kind & REPLY)
		mz_native_reply(&pkt);
	else if (kind & EGRESS)
		mz_native_egress(&pkt);
	else
		mz_native_ingress(&pkt);
	MUST(pkt.reason > MZ_R_NONE && pkt.reason < MZ_REASON_COUNT);
	MUST(counted(&vpc) == 1);
	MUST(vpc == 0 || vpc == 3);
	if (!functions)
		check_clocks(before, pkt.reason == MZ_R_QOS_RATE || pkt.reason == MZ_R_QOS_QUEUE || pkt.reason == MZ_R_QOS_HORIZON);
	MUST(pkt.data >= buffer);
	MUST(pkt.data + pkt.len <= buffer + HEADROOM + size - 1 + (kind & TAILROOM ? 128 : 0));
	free(buffer);
	return 0;
}

// Writes the seeds: one frame of each sort. `pipeline_fuzz_seeds DIR`.
#ifdef MZ_FUZZ_SEEDS
int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	save(argv[1], "local", 1, INNER());
	save(argv[1], "local6", 1, INNER(.v6 = 1));
	save(argv[1], "remote6", 1, INNER(.v6 = 1, .dst6 = EP6_N));
	save(argv[1], "extensions6", 1, INNER(.v6 = 1, .ext = "\0\x3c\x2c", .exts = 3));
	save(argv[1], "solicit", 3, ND(.source = MAC_A));
	save(argv[1], "probe6", 3, ND(.src = NONE6));
	save(argv[1], "router-solicit", 3, ND(.type = 133, .src = LL6_A, .source = MAC_A));
	save(argv[1], "deliver6", 0, TUNNEL(.in = { .v6 = 1 }));
	save(argv[1], "deliver-underlay6", 0, TUNNEL(.u6 = 1, .src6 = BACKUP6, .sender = 4, .in = { .v6 = 1 }));
	save(argv[1], "across", 0, TUNNEL(.in = { .v6 = 1, .src6 = EP6_A, .dst6 = EP6_R }));
	save(argv[1], "across-back", 0,
	     TUNNEL(.u6 = 1, .src6 = BACKUP6, .sender = 4, .in = { .src = EP_A, .dst = EP_R }));
	save(argv[1], "remote", 1, INNER(.dst = EP_R));
	save(argv[1], "options", 1, INNER(.dst = EP_R, .version_ihl = 0x48));
	save(argv[1], "arp", 1, ARP());
	save(argv[1], "deliver", 0, TUNNEL());
	save(argv[1], "bounce", 0, TUNNEL(.in = { .src = EP_A, .dst = EP_R }));
	save(argv[1], "foreign", 0, TUNNEL(.no_option = 1));
	save(argv[1], "extra", 0, TUNNEL(.extra_option = 1, .in = { .src = EP_A, .dst = EP_R }));
	save(argv[1], "probe", 0, TUNNEL(.oam = 1, .flags = MZ_OPT_F_PROBE, .sport = 40000));
	save(argv[1], "hint", 0, TUNNEL(.oam = 1, .flags = MZ_OPT_F_HINT));
	save(argv[1], "tcp", 1, INNER(.dst = EP_R, .proto = 6));
	save(argv[1], "first-fragment", 1, INNER(.dst = EP_R, .frag = 0x2000));
	save(argv[1], "later-fragment", 1, INNER(.dst = EP_R, .frag = 0x0010));
	save(argv[1], "unreachable", 0, TUNNEL(.in = { .proto = 1, .sport = 0x0301, .payload = 40 }));
	save(argv[1], "unreachable6", 0, TUNNEL(.in = { .v6 = 1, .proto = 58, .sport = 0x0100, .payload = 60 }));
	save(argv[1], "dns", 1, INNER(.dst = IP4(169, 254, 169, 253), .dport = 53));
	save(argv[1], "dns6", 1, INNER(.v6 = 1, .dst6 = SVC6(0x53), .dport = 53));
	save(argv[1], "dhcp", 1,
	     INNER(.dmac = MAC_GROUP, .zero_src = 1, .dst = 0xffffffff, .sport = 68, .dport = 67, .payload = 240));
	save(argv[1], "dhcp6", 1,
	     INNER(.v6 = 1, .dmac = MAC_GROUP6, .src6 = LL6_A, .dst6 = ALL_DHCP6, .sport = 546, .dport = 547));
	save(argv[1], "reply", 4, INNER(.src = IP4(169, 254, 169, 253), .dst = IP4(100, 64, 0, 1), .sport = 53));
	save(argv[1], "reply-dhcp", 4,
	     INNER(.src = IP4(169, 254, 169, 252), .dst = IP4(100, 64, 0, 1), .sport = 67, .dport = 68, .payload = 240));
	save(argv[1], "reply6", 4, INNER(.v6 = 1, .src6 = SVC6(0x547), .dst6 = CLIENT6(1), .sport = 547, .dport = 546));
	save(argv[1], "function-sent", FUNCTIONS | EGRESS, INNER(.dst = EP_R));
	save(argv[1], "function-local", FUNCTIONS | EGRESS, INNER(.dst = EP_A));
	save(argv[1], "function-received", FUNCTIONS, TUNNEL());
	save(argv[1], "function-received6", FUNCTIONS, TUNNEL(.in = { .v6 = 1 }));
	save(argv[1], "function-hop", FUNCTIONS, TUNNEL(.in = { .src = EP_A, .dst = EP_R }));
	save(argv[1], "function-spoils", FUNCTIONS | SPOILS | EGRESS, INNER(.dst = EP_R));
	save(argv[1], "function-spoils-received", FUNCTIONS | SPOILS, TUNNEL());
	save(argv[1], "function-takes", FUNCTIONS | EGRESS | 2 << 6, INNER(.dst = EP_R));
	save(argv[1], "function-returned", RETURNED, INNER(.src = EP_R, .dst = EP_A));
	save(argv[1], "shaped", SHAPED | EGRESS, INNER(.dst = EP_R));
	save(argv[1], "shaped-local", SHAPED | EGRESS, INNER(.dst = EP_A));
	save(argv[1], "shaped-large", SHAPED | EGRESS, INNER(.dst = EP_R, .proto = 6, .payload = 498));
	save(argv[1], "shaped6", SHAPED | QUEUED | EGRESS, INNER(.v6 = 1, .dst6 = EP6_R, .tos = 2));
	save(argv[1], "shaped-received", SHAPED | QUEUED, TUNNEL());
	save(argv[1], "ce", 0, TUNNEL(.tos = 3, .in = { .tos = 2 }));
	return 0;
}
#endif
