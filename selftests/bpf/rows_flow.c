// SPDX-License-Identifier: Apache-2.0
// Flows: each scenario is a few packets of one conversation, looked at after every
// one of them. Numbers are of RFC 9293 (TCP), 9260 (SCTP), 4787, 5382, 5508.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/row.h"

#define NO_FLOW 0xff

#define TCP_FIN 0x11
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_SYN_ACK 0x12

#define OUT MZ_DIR_EGRESS
#define IN  MZ_DIR_INGRESS

// What an endpoint's packet does to the flow of A with R.
struct step {
	const char *name;
	enum mz_dir dir;
	struct frame in;
	uint8_t state;  // MZ_FLOW_* afterwards, or NO_FLOW
	uint32_t timer; // MZ_TIMER_* it has then
	uint64_t out, back; // packets counted, from A and to A
	uint32_t errors;
	enum mz_reason why; // DIRECT or DELIVERED
	void (*before)(struct mz_flow *f); // changes the entry first
};

// From port 1000 (the default) to 2000, and back.
#define BACK .sport = 2000, .dport = 1000
#define TO_R(...)  INNER(.dst = EP_R, ##__VA_ARGS__)
#define TO_R6(...) INNER(.v6 = 1, .dst6 = EP6_R, ##__VA_ARGS__)
#define PORTS_TO_A(...)  TUNNEL(.in = { .src = EP_R, .dst = EP_A, ##__VA_ARGS__ })
#define PORTS_TO_A6(...) TUNNEL(.in = { .v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, ##__VA_ARGS__ })
#define TO_A(...)  PORTS_TO_A(BACK, ##__VA_ARGS__)
#define TO_A6(...) PORTS_TO_A6(BACK, ##__VA_ARGS__)

static struct mz_flow_key key_of(uint32_t proto, int v6)
{
	struct mz_flow_key k = { .vni = VNI, .proto = proto, .local_port = htons(1000), .remote_port = htons(2000) };

	k.local = v6 ? addr6(EP6_A) : addr4(EP_A);
	k.remote = v6 ? addr6(EP6_R) : addr4(EP_R);
	if (proto == IPPROTO_ICMP || proto == 58)
		k.local_port = k.remote_port = htons(18); // make_inner's identifier: 8 + payload
	return k;
}

static struct mz_flow_key without_ports(uint32_t proto, int v6)
{
	struct mz_flow_key k = key_of(proto, v6);

	k.local_port = k.remote_port = 0;
	return k;
}

// Packets of A come by, and go to, one interface: the one rows are run on.
static void flow_world(void)
{
	struct mz_ep_key a4 = { .vni = VNI, .ip = addr4(EP_A) }, a6 = { .vni = VNI, .ip = addr6(EP6_A) };
	struct mz_endpoint e = { .host = SELF, .ifindex = T->ifindex, .vpc = VPC_SLOT };

	build_world(W_PATH);
	memcpy(e.mac, mac_bytes(MAC_A), 6);
	put("mz_endpoints", &a4, &e);
	put("mz_endpoints", &a6, &e);
}

static void run_packet(enum mz_dir dir, const struct frame *in, enum mz_reason why)
{
	static struct counts before, after;
	struct run run = { .dir = dir, .frame = *in };
	uint32_t slot = (VPC_SLOT * MZ_DIRS + dir) * MZ_REASON_SLOTS + why;

	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_int_equal(after.c[slot].packets, before.c[slot].packets + 1);
	reached[why] = true;
}

static void check_flow(const struct mz_flow_key *k, const struct step *s)
{
	struct mz_flow f = { 0 };
	int rc = T->lookup("mz_flows", k, &f);

	if (s->state == NO_FLOW) {
		assert_int_not_equal(rc, 0);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(f.state, s->state);
	assert_int_equal(f.timeout, FLOW_TIMEOUT(s->timer));
	assert_int_equal(f.packets[OUT], s->out);
	assert_int_equal(f.packets[IN], s->back);
	assert_int_equal(f.errors, s->errors);
	assert_int_equal(f.ifindex, T->ifindex);
	assert_true(T->now() - f.seen < 1000);
}

static void scenario(const char *name, struct mz_flow_key key, const struct step *steps, size_t n)
{
	struct mz_flow f;

	print_message("# %s: %s\n", T->name, name);
	flow_world();
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];

		print_message("#   %s\n", s->name);
		if (s->before) {
			assert_int_equal(T->lookup("mz_flows", &key, &f), 0);
			s->before(&f);
			put("mz_flows", &key, &f);
		}
		run_packet(s->dir, &s->in, s->why ? s->why : s->dir == OUT ? MZ_R_DIRECT : MZ_R_DELIVERED);
		check_flow(&key, s);
	}
}
#define SCENARIO(name, key, ...)                                                       \
	do {                                                                           \
		const struct step steps_[] = { __VA_ARGS__ };                          \
		scenario(name, key, steps_, sizeof(steps_) / sizeof(steps_[0]));       \
	} while (0)

static void make_old(struct mz_flow *f)
{
	f->seen = T->now() - f->timeout - 1000;
}

// Silent for half its time: the next packet keeps it.
static void make_elderly(struct mz_flow *f)
{
	f->seen = T->now() - f->timeout / 2;
}

static void make_almost_old(struct mz_flow *f)
{
	f->seen = T->now() - f->timeout + 1000;
}

static void make_others(struct mz_flow *f)
{
	f->ifindex = 77;
}

void test_flow_tcp(void **state)
{
	(void)state;
	SCENARIO("9293 3.5 an endpoint connects, both close", key_of(6, 0),
		 { "SYN", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "SYN with FIN", OUT, TO_R(.proto = 6, .flags = 0x03), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 2, 0 },
		 { "SYN again", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 3, 0 },
		 { "its own SYN ACK is no answer", OUT, TO_R(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 4, 0 },
		 { "an ACK is no answer", IN, TO_A(.proto = 6), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 4, 1 },
		 { "SYN ACK", IN, TO_A(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 4, 2 },
		 { "SYN ACK again", IN, TO_A(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 4, 3 },
		 { "data before the ACK", IN, TO_A(.proto = 6), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 4, 4 },
		 { "ACK", OUT, TO_R(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 5, 4 },
		 { "data", OUT, TO_R(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 6, 4 },
		 { "data back", IN, TO_A(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 6, 5 },
		 { "a stray SYN changes nothing", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 7, 5 },
		 { "FIN", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 8, 5 },
		 { "FIN again", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 9, 5 },
		 { "data of the side still open", IN, TO_A(.proto = 6), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 9, 6 },
		 { "its FIN", IN, TO_A(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSED, MZ_TIMER_TCP_CLOSED, 9, 7 },
		 { "the last ACK", OUT, TO_R(.proto = 6), MZ_FLOW_CLOSED, MZ_TIMER_TCP_CLOSED, 10, 7 },
		 { "RST in TIME-WAIT", OUT, TO_R(.proto = 6, .flags = TCP_RST), MZ_FLOW_RESET, MZ_TIMER_TCP_RESET, 11, 7 },
		 { "SYN: another connection", IN, TO_A(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 0, 1 });
	SCENARIO("the other side connects", key_of(6, 0),
		 { "SYN", IN, TO_A(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 0, 1 },
		 { "SYN ACK", OUT, TO_R(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 1, 1 },
		 { "ACK with FIN: closing at once", IN, TO_A(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 1, 2 },
		 { "FIN", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSED, MZ_TIMER_TCP_CLOSED, 2, 2 });
	SCENARIO("9293 3.5 both connect at once", key_of(6, 0),
		 { "SYN", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "SYN", IN, TO_A(.proto = 6, .flags = TCP_SYN), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 1, 1 },
		 { "SYN ACK", OUT, TO_R(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 1 },
		 { "SYN ACK", IN, TO_A(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 2 });
	SCENARIO("9293 3.5.2 refused", key_of(6, 0),
		 { "SYN", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "RST", IN, TO_A(.proto = 6, .flags = TCP_RST | 0x10), MZ_FLOW_RESET, MZ_TIMER_TCP_RESET, 1, 1 },
		 { "FIN after it", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_RESET, MZ_TIMER_TCP_RESET, 2, 1 },
		 { "SYN: it tries again", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 });
	SCENARIO("RST with everything else set", key_of(6, 0),
		 { "SYN", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "all flags", IN, TO_A(.proto = 6, .flags = 0xff), MZ_FLOW_RESET, MZ_TIMER_TCP_RESET, 1, 1 });
	SCENARIO("a connection older than the table", key_of(6, 0),
		 { "data", OUT, TO_R(.proto = 6), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "more", OUT, TO_R(.proto = 6), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 2, 0 },
		 { "the other side too", IN, TO_A(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 1 });
	SCENARIO("its SYN ACK is the first seen", key_of(6, 0),
		 { "SYN ACK", IN, TO_A(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 0, 1 },
		 { "ACK", OUT, TO_R(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 1, 1 });
	SCENARIO("its FIN is", key_of(6, 0),
		 { "FIN", IN, TO_A(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 0, 1 },
		 { "FIN", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSED, MZ_TIMER_TCP_CLOSED, 1, 1 });
	SCENARIO("its RST is: nothing to remember", key_of(6, 0),
		 { "RST", IN, TO_A(.proto = 6, .flags = TCP_RST), NO_FLOW });
	SCENARIO("IPv6", key_of(6, 1),
		 { "SYN", OUT, TO_R6(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "SYN ACK", IN, TO_A6(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 1, 1 },
		 { "ACK", OUT, TO_R6(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 1 });
}

void test_flow_others(void **state)
{
	(void)state;
	SCENARIO("4787 REQ-5 UDP", key_of(17, 0),
		 { "asks", OUT, TO_R(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "asks again", OUT, TO_R(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 2, 0, .before = make_elderly },
		 { "is answered", IN, TO_A(), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 1, .before = make_elderly },
		 { "goes on", OUT, TO_R(), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 3, 1 });
	SCENARIO("UDP, IPv6, asked by the other side", key_of(17, 1),
		 { "is asked", IN, TO_A6(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 0, 1 },
		 { "answers", OUT, TO_R6(), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 1, 1 });
	SCENARIO("5508 REQ-1, REQ-2 ping", key_of(1, 0),
		 { "request", OUT, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0 },
		 { "reply", IN, TUNNEL(.in = { .proto = 1, .zero_sport = 1 }), MZ_FLOW_ESTABLISHED, MZ_TIMER_ICMP, 1, 1 },
		 { "next reply", IN, TUNNEL(.in = { .proto = 1, .zero_sport = 1 }), MZ_FLOW_ESTABLISHED, MZ_TIMER_ICMP, 1, 2 });
	SCENARIO("a reply nobody asked for", key_of(1, 0),
		 { "reply", IN, TUNNEL(.in = { .proto = 1, .zero_sport = 1 }), NO_FLOW });
	SCENARIO("ping of IPv6", key_of(58, 1),
		 { "request", OUT, INNER(.v6 = 1, .dst6 = EP6_R, .proto = 58, .sport = 0x8000), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0 },
		 { "reply", IN, TUNNEL(.in = { .v6 = 1, .proto = 58, .sport = 0x8100 }), MZ_FLOW_ESTABLISHED, MZ_TIMER_ICMP, 1, 1 });
	SCENARIO("a reply of IPv6 nobody asked for", key_of(58, 1),
		 { "reply", IN, TUNNEL(.in = { .v6 = 1, .proto = 58, .sport = 0x8100 }), NO_FLOW });
	SCENARIO("9260 5.1 an SCTP association", key_of(132, 0),
		 { "INIT", OUT, TO_R(.proto = 132, .flags = 1), MZ_FLOW_OPENING, MZ_TIMER_SCTP_OPENING, 1, 0 },
		 { "INIT ACK", IN, TO_A(.proto = 132, .flags = 2), MZ_FLOW_ANSWERED, MZ_TIMER_SCTP_OPENING, 1, 1 },
		 { "COOKIE ECHO", OUT, TO_R(.proto = 132, .flags = 10), MZ_FLOW_ESTABLISHED, MZ_TIMER_SCTP_ESTABLISHED, 2, 1 },
		 { "DATA", IN, TO_A(.proto = 132), MZ_FLOW_ESTABLISHED, MZ_TIMER_SCTP_ESTABLISHED, 2, 2 },
		 { "a chunk type above 15", IN, TO_A(.proto = 132, .flags = 0x86), MZ_FLOW_ESTABLISHED, MZ_TIMER_SCTP_ESTABLISHED, 2, 3 },
		 { "SHUTDOWN", OUT, TO_R(.proto = 132, .flags = 7), MZ_FLOW_CLOSING, MZ_TIMER_SCTP_CLOSING, 3, 3 },
		 { "SHUTDOWN ACK", IN, TO_A(.proto = 132, .flags = 8), MZ_FLOW_CLOSED, MZ_TIMER_SCTP_CLOSING, 3, 4 },
		 { "SHUTDOWN COMPLETE", OUT, TO_R(.proto = 132, .flags = 14), MZ_FLOW_CLOSED, MZ_TIMER_SCTP_CLOSING, 4, 4 });
	SCENARIO("9260 3.3.7 ABORT", key_of(132, 0),
		 { "INIT", OUT, TO_R(.proto = 132, .flags = 1), MZ_FLOW_OPENING, MZ_TIMER_SCTP_OPENING, 1, 0 },
		 { "ABORT", IN, TO_A(.proto = 132, .flags = 6), MZ_FLOW_RESET, MZ_TIMER_SCTP_CLOSING, 1, 1 });
	SCENARIO("ICMPv6 that asks and answers nothing has no identifier", without_ports(58, 1),
		 { "MLD report", OUT, INNER(.v6 = 1, .dst6 = EP6_R, .proto = 58, .sport = 0x8200), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0 });
	SCENARIO("a protocol without ports", without_ports(47, 0),
		 { "out", OUT, TO_R(.proto = 47), MZ_FLOW_OPENING, MZ_TIMER_OTHER, 1, 0 },
		 { "back", IN, TO_A(.proto = 47), MZ_FLOW_ESTABLISHED, MZ_TIMER_OTHER, 1, 1 });
}

void test_flow_ends(void **state)
{
	(void)state;
	SCENARIO("silence longer than its timer: another flow", key_of(17, 0),
		 { "out", OUT, TO_R(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "back", IN, TO_A(), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 1, 1 },
		 { "much later", IN, TO_A(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 0, 1, .before = make_old });
	SCENARIO("of another owner of the address", key_of(17, 0),
		 { "out", OUT, TO_R(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "back", IN, TO_A(), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 1, 1 },
		 { "the new one's", IN, TO_A(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 0, 1, .before = make_others });
}

// What flows have unless transitd is told otherwise, and that it is waited for.
void test_flow_timers(void **state)
{
	(void)state;
	static const uint32_t seconds[] = {
#define X(name, option, secs, text) [MZ_TIMER_##name] = (secs),
		MZ_FLOW_TIMERS(X)
#undef X
	};
	static const struct {
		const char *name;
		enum mz_flow_timer timer;
		uint32_t least;
	} rows[] = {
		{ "5382 REQ-5 an established connection: 2 h 4 min", MZ_TIMER_TCP_ESTABLISHED, 7440 },
		{ "5382 REQ-5 one partly open: 4 min", MZ_TIMER_TCP_OPENING, 240 },
		{ "5382 REQ-5 one that closes: 4 min", MZ_TIMER_TCP_CLOSING, 240 },
		{ "4787 REQ-5 UDP: 2 min", MZ_TIMER_UDP_OPENING, 120 },
		{ "4787 REQ-5c ... 5 min recommended", MZ_TIMER_UDP_ESTABLISHED, 300 },
		{ "5508 REQ-2 a query: 60 s", MZ_TIMER_ICMP, 60 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("# %s: %s\n", T->name, rows[i].name);
		assert_in_range(seconds[rows[i].timer], rows[i].least, UINT32_MAX);
	}
	SCENARIO("5382 REQ-5 silent almost as long: the same connection", key_of(6, 0),
		 { "SYN", OUT, TO_R(.proto = 6, .flags = TCP_SYN), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 1, 0 },
		 { "SYN ACK, late", IN, TO_A(.proto = 6, .flags = TCP_SYN_ACK), MZ_FLOW_ANSWERED, MZ_TIMER_TCP_OPENING, 1, 1, .before = make_almost_old },
		 { "ACK, late", OUT, TO_R(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 1, .before = make_almost_old },
		 { "data, late", IN, TO_A(.proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_TCP_ESTABLISHED, 2, 2, .before = make_almost_old },
		 { "FIN, late", OUT, TO_R(.proto = 6, .flags = TCP_FIN), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 3, 2, .before = make_almost_old },
		 { "data, late", IN, TO_A(.proto = 6), MZ_FLOW_CLOSING, MZ_TIMER_TCP_CLOSING, 3, 3, .before = make_almost_old });
	SCENARIO("5508 REQ-2 silent almost as long: the same query", key_of(1, 0),
		 { "request", OUT, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0 },
		 { "reply, late", IN, TUNNEL(.in = { .proto = 1, .zero_sport = 1 }), MZ_FLOW_ESTABLISHED, MZ_TIMER_ICMP, 1, 1, .before = make_almost_old });
}

static void set_used(uint32_t n)
{
	uint32_t slot = T->ifindex;

	put("mz_flow_use", &slot, &n);
}

static uint32_t get_used(void)
{
	uint32_t slot = T->ifindex, n = 0;

	assert_int_equal(T->lookup("mz_flow_use", &slot, &n), 0);
	return n;
}

void test_flow_quota(void **state)
{
	(void)state;
	struct frame first = TO_R(), other = TO_R(.sport = 1001), in = PORTS_TO_A(.dport = 1002);
	struct step old = { .state = MZ_FLOW_OPENING, .timer = MZ_TIMER_UDP_OPENING, .out = 2 };
	struct mz_flow_key k = key_of(17, 0);
	struct mz_flow f;

	print_message("# %s: an endpoint's quota\n", T->name);
	flow_world();
	run_packet(OUT, &first, MZ_R_DIRECT);
	assert_int_equal(get_used(), 1);
	set_used(8);
	run_packet(OUT, &other, MZ_R_FLOW_QUOTA);
	run_packet(IN, &in, MZ_R_FLOW_QUOTA);
	run_packet(OUT, &first, MZ_R_DIRECT); // one it has goes on
	check_flow(&k, &old);
	assert_int_equal(T->lookup("mz_flows", &k, &f), 0);
	make_old(&f);
	put("mz_flows", &k, &f);
	old.out = 1;
	run_packet(OUT, &first, MZ_R_DIRECT); // and so does one in the place of one that ended
	check_flow(&k, &old);
	assert_int_equal(get_used(), 8);
	set_used(7);
	run_packet(OUT, &other, MZ_R_DIRECT);
	assert_int_equal(get_used(), 8);
}

// Both ends on this host: A sends to B, whose side has an entry of its own.
void test_flow_local(void **state)
{
	(void)state;
	struct mz_flow_key a = { .vni = VNI, .proto = 17, .local_port = htons(1000), .remote_port = htons(2000) }, b = a;
	struct mz_port port = { .ifindex = 3, .vni = VNI, .max_flows = 1 };
	struct frame to_b = INNER(.dst = EP_B), more = INNER(.dst = EP_B, .sport = 1001);
	uint32_t slot = 3;
	struct mz_flow f = { 0 };

	print_message("# %s: both ends on this host\n", T->name);
	flow_world();
	put("mz_ports", &slot, &port);
	a.local = b.remote = addr4(EP_A);
	a.remote = b.local = addr4(EP_B);
	b.local_port = htons(2000);
	b.remote_port = htons(1000);
	run_packet(OUT, &to_b, MZ_R_LOCAL);
	assert_int_equal(T->lookup("mz_flows", &a, &f), 0);
	assert_int_equal(f.ifindex, T->ifindex);
	assert_int_equal(f.opener, MZ_DIR_EGRESS);
	assert_int_equal(f.bytes[OUT], to_b.len);
	assert_int_equal(T->lookup("mz_flows", &b, &f), 0);
	assert_int_equal(f.ifindex, 3);
	assert_int_equal(f.opener, MZ_DIR_INGRESS);
	assert_int_equal(f.bytes[IN], to_b.len);
	run_packet(OUT, &more, MZ_R_FLOW_QUOTA); // the receiver's
}

#define FIRST  .frag = 0x2000
#define LATER  .frag = 0x0002 // tail of a datagram: what stands there is data, not ports
#define EXT44  .ext = "\x2c", .exts = 1

void test_flow_fragments(void **state)
{
	(void)state;
	SCENARIO("the later ones are of the first one's flow", key_of(17, 0),
		 { "first", OUT, TO_R(FIRST), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "later", OUT, TO_R(LATER, .sport = 7, .dport = 8), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 2, 0 },
		 { "first of the answer", IN, TO_A(FIRST), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 1 },
		 { "later of the answer", IN, PORTS_TO_A(LATER, .sport = 7, .dport = 8), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 2 },
		 { "a later TCP one is of no UDP flow", OUT, TO_R(LATER, .proto = 6), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 2 });
	SCENARIO("IPv6", key_of(17, 1),
		 { "first", OUT, TO_R6(EXT44, .frag = 0x0001), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "later", OUT, TO_R6(EXT44, .frag = 0x0010, .sport = 7), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 2, 0 },
		 { "first of the answer", IN, TO_A6(EXT44, .frag = 0x0001), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 1 },
		 { "later of the answer", IN, PORTS_TO_A6(EXT44, .frag = 0x0010, .sport = 7), MZ_FLOW_ESTABLISHED, MZ_TIMER_UDP_ESTABLISHED, 2, 2 });
	SCENARIO("one whose first was not seen", key_of(17, 0),
		 { "later", OUT, TO_R(LATER), NO_FLOW });
	SCENARIO("... opens none without ports either", without_ports(17, 0),
		 { "later", OUT, TO_R(LATER), NO_FLOW });
	SCENARIO("one of another datagram", key_of(17, 0),
		 { "first", OUT, TO_R(FIRST), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "later", OUT, TO_R(LATER, .frag_id = 3), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 });
	SCENARIO("... of IPv6", key_of(17, 1),
		 { "first", OUT, TO_R6(EXT44, .frag = 0x0001), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "later", OUT, TO_R6(EXT44, .frag = 0x0010, .frag_id = 3), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 });

	struct mz_frag_key k = { .vni = VNI, .src = addr4(EP_A), .dst = addr4(EP_R), .proto = 17 };
	struct mz_frag old = { .ports = htonl(1000u << 16 | 2000),
			       .seen = T->now() - FLOW_TIMEOUT(MZ_TIMER_FRAGMENT) };
	struct mz_flow_key key = key_of(17, 0);
	struct step none = { .state = NO_FLOW }, one = { .state = MZ_FLOW_OPENING, .timer = MZ_TIMER_UDP_OPENING, .out = 1 };
	struct frame later = TO_R(LATER);

	print_message("# %s: one whose first is long gone\n", T->name);
	flow_world();
	put("mz_frags", &k, &old);
	run_packet(OUT, &later, MZ_R_DIRECT);
	check_flow(&key, &none);
	old.seen = T->now();
	put("mz_frags", &k, &old);
	run_packet(OUT, &later, MZ_R_DIRECT);
	check_flow(&key, &one);
}

#define FROM_R(...)  INNER(.src = EP_R, .dst = EP_A, BACK, ##__VA_ARGS__)
#define FROM_R6(...) INNER(.v6 = 1, .src6 = EP6_R, .dst6 = EP6_A, BACK, ##__VA_ARGS__)

void test_flow_errors(void **state)
{
	(void)state;
	SCENARIO("1122 3.2.2 an error about what A sent, from anybody", key_of(17, 0),
		 { "out", OUT, TO_R(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "unreachable", IN, in_tunnel(make_error(TO_R(), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 1 },
		 { "time exceeded, by a router", IN, in_tunnel(make_error(TO_R(), 28, 11, EP_N, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2 },
		 { "about another flow", IN, in_tunnel(make_error(TO_R(.sport = 9), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2 },
		 { "about what another sent", IN, in_tunnel(make_error(TO_R(.src = EP_B), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2 },
		 { "about what A was sent", IN, in_tunnel(make_error(FROM_R(), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2 },
		 { "about a later fragment", IN, in_tunnel(make_error(TO_R(LATER), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2, MZ_R_ICMP_INVALID },
		 { "792 quotes too little", IN, in_tunnel(make_error(TO_R(), 27, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2, MZ_R_ICMP_INVALID },
		 { "quotes a header too short", IN, in_tunnel(make_error(TO_R(.version_ihl = 0x44), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2, MZ_R_ICMP_INVALID },
		 { "quotes another version", IN, in_tunnel(make_error(TO_R(.version_ihl = 0x65), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2, MZ_R_ICMP_INVALID },
		 { "behind IP options", IN, in_tunnel(make_error(TO_R(.version_ihl = 0x47), 36, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 3 });
	SCENARIO("by A, about what it was sent", key_of(6, 0),
		 { "in", IN, TO_A(.proto = 6), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 0, 1 },
		 { "unreachable", OUT, make_error(FROM_R(.proto = 6), 28, 3, EP_A, EP_R), MZ_FLOW_OPENING, MZ_TIMER_TCP_OPENING, 0, 1, 1 });
	SCENARIO("about a ping", key_of(1, 0),
		 { "request", OUT, INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0 },
		 { "unreachable", IN, in_tunnel(make_error(INNER(.dst = EP_R, .proto = 1, .sport = 0x0800), 28, 3, EP_R, EP_A)), MZ_FLOW_OPENING, MZ_TIMER_ICMP, 1, 0, 1 });
	SCENARIO("8201 4, 4443 3.2 IPv6: too big", key_of(17, 1),
		 { "out", OUT, TO_R6(), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0 },
		 { "too big", IN, in_tunnel(make_error(TO_R6(), 48, 2, EP6_R, EP6_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 1 },
		 { "4443 3 quotes too little", IN, in_tunnel(make_error(TO_R6(), 47, 2, EP6_R, EP6_A)), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 1, MZ_R_ICMP_INVALID },
		 { "by A, quotes too little", OUT, make_error(FROM_R6(), 47, 1, EP6_A, EP6_R), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 1, MZ_R_ICMP_INVALID },
		 { "by A", OUT, make_error(FROM_R6(), 48, 1, EP6_A, EP6_R), MZ_FLOW_OPENING, MZ_TIMER_UDP_OPENING, 1, 0, 2 });
	SCENARIO("none opens a flow", key_of(17, 0),
		 { "unreachable", IN, in_tunnel(make_error(TO_R(), 28, 3, EP_R, EP_A)), NO_FLOW });
}

// A described packet looks and leaves no trace of itself.
void test_flow_trace(void **state)
{
	(void)state;
	struct run run = { .dir = OUT, .trace = true };
	struct mz_flow_key k = key_of(17, 0);
	struct step none = { .state = NO_FLOW }, one = { .state = MZ_FLOW_OPENING, .timer = MZ_TIMER_UDP_OPENING, .out = 1 };
	struct frame f = TO_R(), first = TO_R(FIRST);
	struct mz_frag_key frag = { .vni = VNI, .src = addr4(EP_A), .dst = addr4(EP_R), .proto = 17 };
	struct mz_frag ports;

	print_message("# %s: a described packet\n", T->name);
	flow_world();
	run.frame = f;
	assert_int_equal(T->run(&run), 0);
	check_flow(&k, &none);
	run.frame = first;
	assert_int_equal(T->run(&run), 0);
	assert_int_not_equal(T->lookup("mz_frags", &frag, &ports), 0);
	run_packet(OUT, &f, MZ_R_DIRECT);
	run.frame = f;
	assert_int_equal(T->run(&run), 0);
	run.frame = make_error(FROM_R(), 28, 3, EP_A, EP_R);
	assert_int_equal(T->run(&run), 0);
	check_flow(&k, &one);
}
