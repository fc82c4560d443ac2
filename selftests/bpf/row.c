// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/row.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

const struct target *T;
bool reached[MZ_REASON_COUNT], skipped[MZ_REASON_COUNT];

struct mz_addr addr4(uint32_t v)
{
	struct mz_addr a = { .w = { 0, 0, htonl(0xffff), htonl(v) } };

	return a;
}

struct mz_cfg test_cfg(void)
{
	struct mz_cfg c = { .self_ip4 = addr4(SELF_IP), .self_ip6 = addr6(SELF6), .self_id = SELF, .uplink = 1,
			    .path_ttl = PATH_TTL, .hint_interval = HINT_INTERVAL,
			    .flags = MZ_CFG_F_HOP_FUNCTIONS, .services = 4, .second = 1u << 30, .host = 5,
			    .answers = ANSWERS, .group_packets = GROUP_PACKETS, .outside = OUTSIDE, .inner_mtu = 1434,
			    .outside_mtu = OUTSIDE_MTU, .outside_ip4 = addr4(OUT_GW), .outside_ip6 = addr6(OUT6_GW),
			    .home_shift = 64 - 4 };

	_Static_assert(TEST_HOME_LINES == 1 << 4, "home_shift");

	for (uint32_t i = 0; i < MZ_FLOW_TIMER_COUNT; i++)
		c.flow_timeout[i] = FLOW_TIMEOUT(i);
	c.host_ports[0] = htons(HOST_PORT);
	c.host_ports[MZ_HOST_PORTS - 1] = htons(HOST_PORT + 1);
	return c;
}

// ---- the world --------------------------------------------------------------

// As the daemon does with each endpoint.
static void put_home(const struct mz_ep_key *k, const struct mz_endpoint *e)
{
	const uint64_t key = mz_home_key(k->vni, k->ip.w[3]);
	const uint32_t row = mz_home_row(key, test_cfg().home_shift);
	struct mz_home_line line = { 0 };

	if (k->ip.w[0] || k->ip.w[1] || k->ip.w[2] != htonl(0xffff))
		return;
	assert_int_equal(T->lookup("mz_homes", &row, &line), 0);
	if (!mz_home_put(&line, key, mz_home(e->host, e->vpc)))
		line.more++;
	assert_int_equal(T->update("mz_homes", &row, &line), 0);
}

// XDP delivers to all that live here: a row is what it is on every target.
static void put_endpoints(const struct mz_ep_key *k, struct mz_endpoint e)
{
	e.flags |= e.ifindex ? MZ_EP_F_XDP : 0;
	assert_int_equal(T->update("mz_endpoints", k, &e), 0);
	put_home(k, &e);
}

void put(const char *map, const void *key, const void *value)
{
	if (!strcmp(map, "mz_endpoints"))
		put_endpoints(key, *(const struct mz_endpoint *)value);
	else
		assert_int_equal(T->update(map, key, value), 0);
}

static void put_host(uint32_t id, uint32_t ip, uint32_t ip6, uint32_t world)
{
	struct mz_host h = { .ip = addr4(ip), .flags = MZ_HOST_F_KNOWN };

	if ((world & W_UNDERLAY6) || (id == PEER && (world & W_PEER6)))
		h.ip = addr6(ip6);
	h.ifindex = world & W_FAR ? 2 : 1;
	if (!(world & W_NO_NEXTHOP))
		h.flags |= MZ_HOST_F_NEXTHOP;
	if (id == BOUNCER && (world & W_BOUNCER_DOWN))
		h.flags |= MZ_HOST_F_DOWN;
	if (id == BACKUP && (world & W_BACKUP_DOWN))
		h.flags |= MZ_HOST_F_DOWN;
	memcpy(h.dmac, mac_bytes(MAC_NEXT), 6);
	memcpy(h.smac, mac_bytes(MAC_SELF), 6);
	put("mz_hosts", &id, &h);
	put("mz_host_ids", &h.ip, &id);
}

static void put_endpoint(struct mz_addr ip, uint32_t host, uint32_t ifindex, uint16_t flags, int mac)
{
	struct mz_ep_key k = { .vni = VNI, .ip = ip };
	struct mz_endpoint e = { .host = host, .ifindex = ifindex, .vpc = VPC_SLOT, .flags = flags };

	memcpy(e.mac, mac_bytes(mac), 6);
	put("mz_endpoints", &k, &e);
}

static void put_shards(uint32_t first, uint32_t primary, uint32_t backup)
{
	struct mz_shard s = { .primary = primary, .backup = backup };

	for (uint32_t b = 0; b < MZ_BUCKETS; b++) {
		uint32_t row = first + b;

		put("mz_shards", &row, &s);
	}
}

static void put_path(struct mz_addr ip, uint32_t host, uint32_t age, uint32_t bounced_ago)
{
	struct mz_ep_key k = { .vni = VNI, .ip = ip };
	struct mz_path p = { .host = host, .seen = T->now() - age, .bounced = T->now() - bounced_ago };

	put("mz_paths", &k, &p);
}

static void put_port(uint32_t world)
{
	struct mz_port p = { .ifindex = T->ifindex, .vni = VNI, .ip4 = htonl(EP_A), .label = 0xabc,
			     .qos_class = 9, .vpc = VPC_SLOT, .mtu = 1434, .max_flows = 8 };

	if (world & W_SMALL_MTU)
		p.mtu = 37;
	if (world & W_MTU_500)
		p.mtu = 500;
	if (world & W_MTU_1280)
		p.mtu = 1280;
	memcpy(p.mac, mac_bytes(MAC_A), 6);
	if (!(world & W_NO_IP6))
		p.ip6 = addr6(world & W_EUI64 ? A6(1, 0xe064) : EP6_A);
	if (!(world & W_NO_GATEWAY)) {
		p.gateway4 = htonl(GW_IP);
		p.gateway6 = addr6(GW6);
	}
	p.prefix6 = world & W_NO_IP6 ? 0 : 64;
	if (world & W_NO_IP4)
		p.ip4 = 0;
	if (world & W_PORT_TAKEN)
		p.ifindex += MZ_PORTS;
	put("mz_ports", &T->ifindex, &p);
}

static void put_network(uint32_t world)
{
	struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(VNI),
				.ip = addr4(IP4(198, 18, 1, 0)) };
	struct mz_network n = { .shard = world & W_NO_SHARD ? 256 : 0, .vpc = VPC_SLOT,
				.flags = world & W_IS_DIVIDER ? MZ_NET_F_DIVIDER : 0 };

	put("mz_networks", &k, &n);
	k = (struct mz_net_key){ .prefixlen = 32 + 64, .vni = htonl(VNI), .ip = addr6(A6(1, 0)) };
	put("mz_networks", &k, &n);
}

// The endpoint that lives on PEER.
static void put_remote(struct mz_addr ip, uint32_t world)
{
	if (world & W_IS_BOUNCER)
		put_endpoint(ip, PEER, 0, 0, MAC_OTHER);
	if (world & W_PENDING)
		put_endpoint(ip, SELF, 0, 0, MAC_OTHER);
	if (world & W_PATH)
		put_path(ip, PEER, 10, 0);
	if (world & W_BOUNCED_LONG)
		put_path(ip, PEER, 10, HINT_INTERVAL * 2);
	if (world & W_OLD_PATH)
		put_path(ip, PEER, PATH_TTL + 1000, 0);
}

static void fill_lines(void)
{
	struct mz_home_line full;

	for (uint32_t row = 0; row < TEST_HOME_LINES; row++) {
		memset(&full, 0, sizeof(full));
		for (uint32_t i = 0; i < MZ_HOMES; i++)
			mz_home_put(&full, mz_home_key(VNI + 1 + i, htonl(row)), mz_home(BACKUP, VPC_SLOT));
		assert_int_equal(T->update("mz_homes", &row, &full), 0);
	}
}

void build_world(uint32_t world)
{
	uint32_t vni = VNI;
	struct mz_vpc vpc = { .shard = 128, .vpc = VPC_SLOT };

	T->reset();
	if (!(world & W_NO_HOSTS)) {
		put_host(SELF, SELF_IP, SELF6, world);
		put_host(PEER, PEER_IP, PEER6, world);
		put_host(BOUNCER, BOUNCE_IP, BOUNCE6, world);
		put_host(BACKUP, BACKUP_IP, BACKUP6, world);
		put_host(DIVIDER, DIVIDE_IP, DIVIDE6, world);
	}
	put_shards(0, world & W_SELF_BOUNCER ? SELF : BOUNCER, BACKUP);
	put_shards(128, world & W_SELF_DIVIDER ? SELF : DIVIDER, 0);
	put_shards(256, 0, 0);
	if (!(world & W_NO_PORT))
		put_port(world);
	if (!(world & W_NO_NETWORK))
		put_network(world);
	if (!(world & W_NO_VPC))
		put("mz_vpcs", &vni, &vpc);
	if (world & W_FULL_LINES)
		fill_lines();
	put_endpoint(addr4(EP_A), SELF, 2, MZ_EP_F_PEER, MAC_A);
	put_endpoint(addr4(EP_B), SELF, 3, world & W_TAP ? 0 : MZ_EP_F_PEER, MAC_B);
	put_endpoint(addr6(EP6_A), SELF, 2, MZ_EP_F_PEER, MAC_A);
	put_endpoint(addr6(EP6_B), SELF, 3, world & W_TAP ? 0 : MZ_EP_F_PEER, MAC_B);
	if (world & W_ANSWERED_OUT) {
		struct mz_answers had = { .since = T->now(), .count = ANSWERS };

		put("mz_answered", &T->ifindex, &had);
	}
	if (world & W_LINK6) {
		struct mz_addr link = addr6(LL6_A);

		put("mz_links6", &T->ifindex, &link);
	}
	put_remote(addr4(EP_R), world);
	put_remote(addr6(EP6_R), world);
}

// ---- running a row ----------------------------------------------------------

void read_counts(struct counts *all)
{
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++)
		assert_int_equal(T->lookup("mz_counters", &i, &all->c[i]), 0);
}

// Counters that do not stand where they should if only `want` had moved.
static void say_moves(const struct counts *before, const struct counts *after, uint32_t want)
{
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++) {
		uint64_t moved = after->c[i].packets - before->c[i].packets;

		if (moved != (i == want))
			print_message("  slot %u/%u reason %u moved by %d\n", i / (MZ_DIRS * MZ_REASON_SLOTS),
				      i / MZ_REASON_SLOTS % MZ_DIRS, i % MZ_REASON_SLOTS, (int)moved);
	}
}

static enum verdict expected_verdict(const struct row *r)
{
	switch (r->act) {
	case DROPPED:
		return V_DROP;
	case PASSED:
		return V_PASS;
	case DELIVERED:
		return V_REDIRECT;
	case ANSWERED:
		return T->same_interface;
	default:
		return r->far ? V_REDIRECT : T->same_interface;
	}
}

void check_path(const struct row *r)
{
	struct mz_ep_key k = { .vni = VNI, .ip = r->path6 ? addr6(EP6_R) : addr4(EP_R) };
	struct mz_path p = { 0 };
	int rc;

	if (r->path == ANY_PATH)
		return;
	rc = T->lookup("mz_paths", &k, &p);
	if (r->path == NO_PATH) {
		assert_int_not_equal(rc, 0);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(p.host, r->path);
	assert_true(T->now() - p.seen < 1000);
}

static void check_event(const struct row *r)
{
	union mz_any_event last = { 0 };
	uint32_t n = T->events(&last);
	struct mz_event e = last.event;

	assert_int_equal(n, r->event ? 1 : 0);
	if (!r->event)
		return;
	assert_int_equal(e.type, r->event);
	if (r->event != MZ_EVENT_NEIGH)
		assert_int_equal(e.vni, VNI);
}

static void check_bytes(const struct row *r, const struct run *run)
{
	if (!r->out.len)
		return;
	if (run->frame.len != r->out.len || memcmp(run->frame.b, r->out.b, r->out.len)) {
		for (uint32_t i = 0; i < run->frame.len || i < r->out.len; i++)
			if (run->frame.b[i] != r->out.b[i])
				print_message("  byte %u: %02x, wanted %02x\n", i, run->frame.b[i],
					      r->out.b[i]);
	}
	assert_int_equal(run->frame.len, r->out.len);
	assert_memory_equal(run->frame.b, r->out.b, r->out.len);
}

void run_row(const struct row *r, enum mz_dir dir)
{
	static struct counts before, after;
	struct run run = { .dir = dir, .frame = r->in, .gso_size = r->gso_size, .no_room = r->no_room,
			   .reply = r->reply, .returned = r->returned };
	uint32_t want = ((r->no_vpc ? 0 : VPC_SLOT) * MZ_DIRS + dir) * MZ_REASON_SLOTS + r->why;
	int rc;

	print_message("# %s: %s\n", T->name, r->name);
	build_world(r->world);
	read_counts(&before);
	rc = T->run(&run);
	if (rc == -ENOTSUP) {
		print_message("#   skipped: this kernel's test runs take no metadata over 32 bytes\n");
		skipped[r->why] = true;
		return;
	}
	assert_int_equal(rc, 0);
	read_counts(&after);
	say_moves(&before, &after, want);
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++)
		assert_int_equal(after.c[i].packets - before.c[i].packets, i == want);
	assert_int_equal(after.c[want].bytes - before.c[want].bytes, r->in.len);
	assert_int_equal(run.verdict, expected_verdict(r));
	check_bytes(r, &run);
	check_path(r);
	check_event(r);
	reached[r->why] = true;
}

enum verdict pass_by(const char *name, int gateway, enum mz_dir dir, struct frame in, enum mz_reason why,
		     struct frame out)
{
	static struct counts before, after;
	struct row r = { .out = out };
	struct run run = { .gateway = gateway, .dir = dir, .frame = in };
	uint32_t slot = (VPC_SLOT * MZ_DIRS + dir) * MZ_REASON_SLOTS + why, first = dir * MZ_REASON_SLOTS + why;

	print_message("# %s: %s\n", T->name, name);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	if (after.c[slot].packets + after.c[first].packets != before.c[slot].packets + before.c[first].packets + 1)
		say_moves(&before, &after, slot);
	assert_int_equal(after.c[slot].packets + after.c[first].packets,
			 before.c[slot].packets + before.c[first].packets + 1);
	reached[why] = true;
	check_bytes(&r, &run);
	return run.verdict;
}

void pass(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, struct frame out)
{
	pass_by(name, NO_GATEWAY, dir, in, why, out);
}

void with_function(struct mz_addr ip, uint32_t ifindex, enum mz_function_point point)
{
	struct mz_ep_key k = { .vni = VNI, .ip = ip };
	struct mz_function_chain chain = { .slot = { 1 } };
	struct mz_function_chains chains = { { 0 } };
	struct mz_function_slot slot = { 0 };
	uint32_t one = 1, zero = 0;
	struct mz_endpoint e;
	struct mz_port port;

	assert_int_equal(T->lookup("mz_endpoints", &k, &e), 0);
	assert_int_equal(T->lookup("mz_ports", &ifindex, &port), 0);
	port.flags |= point == MZ_POINT_EGRESS ? MZ_EP_F_EGRESS : 0;
	e.flags |= point == MZ_POINT_EGRESS ? 0 : MZ_EP_F_INGRESS;
	chains.chain[point] = 1;
	put("mz_endpoints", &k, &e);
	put("mz_ports", &ifindex, &port);
	put("mz_function_chains", &one, &chain);
	put("mz_function_slots", &zero, &slot);
	put("mz_function_ports", &ifindex, &chains);
	assert_int_equal(T->function(0, MZ_FUNCTION_NEXT), 0);
}

void saw(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	struct mz_function_packet p = T->seen(0);

	assert_int_equal(p.src[3], htonl(src));
	assert_int_equal(p.dst[3], htonl(dst));
	assert_int_equal(p.src_port, htons(sport));
	assert_int_equal(p.dst_port, htons(dport));
}
