// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: a conversation of up to eight frames, from an endpoint, the underlay
// and the outside, through the native pipeline of a host that balances services and is
// a gateway besides. What stays from one frame to the next (flows, mappings, fragments)
// meets whatever comes. Checked for each: one reason, at most one counter, an output
// that fits; and at the end that no outside port was given away twice.
#include <string.h>

#include "bpf/abi/hash.h"
#include "selftests/bpf/frame.h"
#include "selftests/fuzz/native_fuzz.h"

#define TAILROOM 128u
#define FRAMES   8
#define FIRST    1024u
#define LAST     1087u // few, so that they run out

static void put_network(uint32_t prefixlen, struct mz_addr ip, uint32_t shard, uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + prefixlen, .vni = htonl(7), .ip = ip };
	struct mz_network n = { .shard = shard, .vpc = 3, .flags = flags };

	put("mz_networks", &k, &n);
}

// `ip` has ports of `outside`, and its port 80 that address's 8080.
static void put_outside(struct mz_addr ip, struct mz_addr outside, uint16_t first, uint16_t last)
{
	struct mz_inside_key k = { .vni = 7, .ip = ip };
	struct mz_inside in = { .ip = outside, .first = first, .last = last, .flags = MZ_INSIDE_F_FORWARDS };
	struct mz_outside_key ok = { .ip = outside };
	struct mz_outside out = { .vni = 7, .ip = ip };
	struct mz_pool_key pk = { .prefixlen = 128, .ip = outside };
	struct mz_pool pool = { .shift = last == 65535 ? 16 : 6, .flags = MZ_POOL_F_FORWARDS };

	put("mz_insides", &k, &in);
	ok.port = htons((uint16_t)(first >> pool.shift));
	put("mz_outsides", &ok, &out);
	put("mz_pools", &pk, &pool);
	k.port = htons(80);
	k.proto = 6;
	in = (struct mz_inside){ .ip = outside, .port = htons(8080) };
	put("mz_insides", &k, &in);
	ok.port = htons(8080);
	ok.proto = 6;
	out.port = htons(80);
	put("mz_outsides", &ok, &out);
}

static void put_service(struct mz_addr vip, struct mz_addr backend, uint32_t id)
{
	struct mz_vip_key k = { .vni = 7, .ip = vip };
	struct mz_vip v = { .first = id, .size = 1, .sticky = 100, .id = id };
	struct mz_backend b = { .vni = 7, .ip = backend, .port = htons(2001) };
	const uint8_t protos[] = { 6, 17, 132 };

	put("mz_vips", &k, &(struct mz_vip){ 0 });
	k.port = htons(2000);
	for (size_t i = 0; i < sizeof(protos); i++) {
		k.proto = protos[i];
		put("mz_vips", &k, &v);
	}
	put("mz_vip_rows", &id, &id);
	put("mz_backends", &id, &b);
}

static void build_world(void)
{
	struct mz_cfg cfg = { .self_ip4 = addr4(SELF_IP), .self_ip6 = addr6(SELF6), .self_id = 1, .uplink = 1, .path_ttl = 1000,
			      .hint_interval = 10, .services = 9, .host = 10, .host_ports = { 0x5000 }, .second = 250, .outside = 77, .inner_mtu = 1000, .outside_mtu = 900 };
	struct mz_port port = { .ifindex = 1, .vni = 7, .ip4 = htonl(EP_A), .ip6 = addr6(EP6_A), .prefix6 = 64, .vpc = 3,
				.mtu = 1000, .max_flows = 1000, .flags = MZ_EP_F_VIPS | MZ_EP_F_OUT };
	uint32_t slot = 1;

	for (uint32_t i = 0; i < MZ_FLOW_TIMER_COUNT; i++)
		cfg.flow_timeout[i] = 100;
	mz_native_reset();
	mz_native_configure(&cfg);
	mz_native_set_clock(100000);
	put_host(1, addr4(SELF_IP), 1);
	put_host(2, addr4(PEER_IP), 1);
	put_host(3, addr4(BOUNCE_IP), 1);
	memcpy(port.mac, mac_bytes(MAC_A), 6);
	put("mz_ports", &slot, &port);
	put_network(96 + 24, addr4(IP4(198, 18, 1, 0)), 0, 0);
	put_network(64, addr6(A6(1, 0)), 0, 0);
	put_network(96, addr4(0), 0, MZ_NET_F_OUTSIDE | MZ_NET_F_SERVED);
	put_network(3, (struct mz_addr){ .w = { htonl(0x20000000) } }, 0, MZ_NET_F_OUTSIDE | MZ_NET_F_SERVED);
	for (uint32_t row = 0; row < MZ_BUCKETS; row++)
		put("mz_shards", &row, &(struct mz_shard){ .primary = 3 });
	put_endpoint(addr4(EP_A), 1, 1);
	put_endpoint(addr4(EP_R), 2, 0);
	put_endpoint(addr6(EP6_A), 1, 1);
	put_endpoint(addr6(EP6_R), 2, 0);
	put_outside(addr4(EP_A), addr4(SHARED), FIRST, LAST);
	put_outside(addr6(EP6_A), addr6(SHARED6), FIRST, LAST);
	put_outside(addr4(EP_R), addr4(FLOAT), 0, 65535);
	put_service(addr4(IP4(198, 18, 1, 50)), addr4(EP_R), 1);
	put_service(addr6(A6(1, 0x50)), addr6(EP6_A), 2);
}

static void run(uint8_t way, const uint8_t *data, uint32_t len)
{
	uint32_t room = way & 4 ? TAILROOM : 0, vpc;
	uint8_t *buffer = calloc(1, HEADROOM + len + room);
	struct mz_native_packet pkt = { .ifindex = 1, .headroom = HEADROOM, .tailroom = room, .data = buffer + HEADROOM, .len = len };

	memcpy(pkt.data, data, len);
	if ((way & 3) == 0)
		mz_native_egress(&pkt);
	else if ((way & 3) == 1)
		mz_native_ingress(&pkt);
	else if ((way & 3) == 2)
		mz_native_gateway_out(&pkt);
	else
		mz_native_gateway_in(&pkt);
	MUST(pkt.reason > MZ_R_NONE && pkt.reason < MZ_REASON_COUNT);
	MUST(counted(&vpc) <= 1); // what is left to the next program it counts
	MUST(pkt.data >= buffer && pkt.data + pkt.len <= buffer + HEADROOM + len + room);
	free(buffer);
}

// Both rows of every mapping, or none; and the ports are the endpoint's.
static void check_mappings(struct mz_addr ip, uint8_t proto)
{
	struct mz_mapping_key k = { .vni = 7, .ip = ip, .proto = proto };
	uint32_t back = 0, there = 0;

	for (uint32_t port = 0; port < 65536; port++) {
		const struct mz_mapping *m;

		k.outside = 1;
		k.port = htons((uint16_t)port);
		m = mz_native_lookup(mz_native_table("mz_mappings"), &k);
		if (m) {
			MUST(port >= FIRST && port <= LAST);
			back++;
		}
		k.outside = 0;
		m = mz_native_lookup(mz_native_table("mz_mappings"), &k);
		if (!m)
			continue;
		there++;
		k.outside = 1;
		k.port = m->port;
		m = mz_native_lookup(mz_native_table("mz_mappings"), &k);
		MUST(m && ntohs(m->port) == port);
	}
	MUST(back == there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kept[] = { "mz_paths", "mz_flows", "mz_frags", "mz_links6", "mz_mappings", "mz_stickies", "mz_entries" };
	static unsigned built, inputs;

	if (!built++)
		build_world();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		mz_native_clear(mz_native_table(kept[i]));
	// Each frame: its way, its length in two bytes, itself.
	for (int i = 0; i < FRAMES && size >= 3; i++) {
		uint32_t len = (uint32_t)data[1] << 8 | data[2];

		if (len > size - 3)
			len = (uint32_t)size - 3;
		run(data[0], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	if (inputs++ % 64 == 0) {
		check_mappings(addr4(EP_A), 6);
		check_mappings(addr4(EP_A), 17);
		check_mappings(addr6(EP6_A), 17);
	}
	return 0;
}

// Writes the seeds: `gateway_fuzz_seeds DIR`.
#ifdef MZ_FUZZ_SEEDS
enum { E, U, O, I };
struct step {
	int way;
	struct frame f;
};

static void save_steps(const char *dir, const char *name, const struct step *steps, size_t n)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "wb");
	if (!out)
		exit(1);
	for (size_t i = 0; i < n; i++) {
		const struct frame *f = &steps[i].f;

		if (fputc(steps[i].way, out) == EOF || fputc((int)(f->len >> 8), out) == EOF || fputc((int)(f->len & 0xff), out) == EOF ||
		    fwrite(f->b, 1, f->len, out) != f->len)
			exit(1);
	}
	if (fclose(out))
		exit(1);
}
#define SAVE(name, ...)                                                           \
	do {                                                                      \
		const struct step steps_[] = { __VA_ARGS__ };                     \
		save_steps(argv[1], name, steps_, sizeof(steps_) / sizeof(steps_[0]));  \
	} while (0)

int main(int argc, char **argv)
{
	struct frame error = make_error(INNER(.src = EP_A, .dst = OUT_R, .sport = 1064), 28, 3, OUT_R2, EP_A);

	if (argc != 2)
		return 2;
	SAVE("out-and-back", { E, INNER(.dst = OUT_R) },
	     { U, TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .sport = 2000, .dport = 1064 }, .flags = 0xc) });
	SAVE("tcp", { E, INNER(.dst = OUT_R, .proto = 6, .flags = 2) },
	     { U, TUNNEL(.in = { .src = OUT_R, .dst = EP_A, .proto = 6, .flags = 0x12, .sport = 2000, .dport = 1064 }, .flags = 0xc) });
	SAVE("ports", { E, INNER(.dst = OUT_R) }, { E, INNER(.dst = OUT_R, .sport = 1064) }, { E, INNER(.dst = OUT_R, .sport = 2024) },
	     { E, INNER(.dst = OUT_R2) });
	SAVE("ping", { E, INNER(.dst = OUT_R, .proto = 1, .sport = 0x0800) });
	SAVE("ping6", { E, INNER(.v6 = 1, .dst6 = OUT6_R, .proto = 58, .sport = 0x8000) });
	SAVE("out6", { E, INNER(.v6 = 1, .dst6 = OUT6_R) });
	SAVE("error", { E, INNER(.dst = OUT_R) },
	     { U, TUNNEL(.in = { .src = OUT_R2, .dst = EP_A, .proto = 1, .sport = 0x0300 }, .frame = &error, .flags = 0xc) });
	SAVE("gateway-out", { O, TUNNEL(.in = { .src = EP_R, .dst = OUT_R }) });
	SAVE("hairpin", { O, TUNNEL(.in = { .src = EP_R, .dst = SHARED, .proto = 6, .dport = 8080 }) });
	SAVE("gateway-in", { I, INNER(.src = OUT_R, .dst = FLOAT) }, { I, INNER(.src = OUT_R, .dst = SHARED, .dport = 1064) });
	SAVE("gateway-in6", { I, INNER(.v6 = 1, .src6 = OUT6_R, .dst6 = SHARED6, .dport = 1064) });
	SAVE("forward", { I, INNER(.src = OUT_R, .dst = SHARED, .proto = 6, .dport = 8080) });
	SAVE("fragments", { I, INNER(.src = OUT_R, .dst = SHARED, .dport = 1064, .frag = 0x2000) },
	     { I, INNER(.src = OUT_R, .dst = SHARED, .frag = 0x0010) });
	SAVE("too-big", { I | 4, INNER(.src = OUT_R, .dst = FLOAT, .frag = 0x4000, .payload = 1200) });
	SAVE("service", { E, INNER(.dst = IP4(198, 18, 1, 50)) }, { U, TUNNEL(.in = { .src = EP_R, .dst = EP_A, .sport = 2001, .dport = 1000 }) });
	SAVE("service6", { E, INNER(.v6 = 1, .dst6 = A6(1, 0x50)) });
	SAVE("refused", { E | 4, INNER(.dst = IP4(198, 18, 1, 50), .proto = 6, .dport = 9, .flags = 2) });
	return 0;
}
#endif
