// SPDX-License-Identifier: Apache-2.0
// Classes, rates and departure times. Clocks are set to times of the rows' choosing; TC's own
// clock runs meanwhile, so that what depends on now is told to a millisecond there.
#include "selftests/bpf/rows.h"

#include <arpa/inet.h>
#include <string.h>

#include "selftests/bpf/groups.h"
#include "selftests/bpf/policies.h"
#include "selftests/bpf/row.h"

#define MS          1000000ull
#define TICKS(ns)   ((uint64_t)(ns) << MZ_TICK_BITS)
#define FRAME       (14 + 20 + 8 + 10) // of INNER()
#define OF_ENDPOINT 5u
#define OF_VPC      6u
#define OF_RECEIVER 7u
#define OF_OTHERS   8u
#define SLACK       (50 * MS) // a test's own pace

// What a byte takes: 1 ms, so that a frame takes longer than a run.
#define BYTE        (MS << MZ_RATE_BITS)
#define COST(bytes) ((bytes) * MS) // ns

static struct mz_limit limit(void)
{
	struct mz_limit l = { .byte = BYTE, .mark = TICKS(20000 * MS), .drop = TICKS(20000 * MS),
			      .bucket = TICKS(20000 * MS), .horizon = TICKS(20000 * MS) };

	return l;
}

static void put_shaper(uint32_t slot, struct mz_shaper s)
{
	if (s.whole.byte || s.whole.packet || s.whole.floor)
		s.flags |= MZ_SHAPER_F_WHOLE;
	for (int k = 0; k < 3; k++)
		if (s.class_[k].byte || s.class_[k].packet)
			s.flags |= MZ_SHAPER_F_CLASSES;
	put("mz_shapers", &slot, &s);
}

// Until when all flows have packets waiting, from now on; 0: none has any. The table is too
// large for every row's reset.
static void all_wait(uint64_t ns)
{
	const uint64_t until = ns ? TICKS(T->ns() + ns) : 0;

	for (uint32_t i = 0; i < MZ_SPARSE_SLOTS; i++)
		put("mz_sparse", &i, &until);
}

static void begin(uint32_t world)
{
	T->reset();
	build_world(world);
	if (T->ns)
		all_wait(30000 * MS);
}

static struct mz_clocks clocks(uint32_t slot)
{
	struct mz_clocks c;

	assert_int_equal(T->lookup("mz_clocks", &slot, &c), 0);
	return c;
}

// All clocks of a class's whole, `ns` from now.
static uint64_t set_whole(uint32_t slot, enum mz_class k, uint64_t ns)
{
	struct mz_clocks c = clocks(slot);
	uint64_t at = T->ns() + ns;

	c.class_[k].whole.bytes = TICKS(at);
	put("mz_clocks", &slot, &c);
	return at;
}

static void put_level(uint32_t level, struct mz_level row)
{
	put("mz_levels", &level, &row);
}

// The endpoint is of `level`, its packets are kept to OF_ENDPOINT and, if `more`, to the VPC's
// and the uplink's; the uplink keeps packets until their time if `paced`.
static void shape_a(uint32_t level, int paced, uint32_t more)
{
	struct mz_port p;

	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &p), 0);
	p.flags |= MZ_EP_F_SHAPED | more;
	p.qos_class = (uint8_t)level;
	p.shaper[MZ_DIR_EGRESS] = OF_ENDPOINT;
	p.vpc_shaper[MZ_DIR_EGRESS] = OF_VPC;
	put("mz_ports", &T->ifindex, &p);
	for (uint32_t l = 0; l < MZ_LEVELS; l++)
		put_level(l, (struct mz_level){ .flags = paced ? MZ_LEVEL_F_PACED : 0 });
}

#define BEST_EFFORT MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 1)
#define PREMIUM     MZ_LEVEL(MZ_CLASS_PREMIUM, 0)

// A world whose EP_A is of best effort and whose uplink keeps packets; false where no program
// keeps rates.
static bool begin_paced(void)
{
	if (!T->ns)
		return false;
	begin(W_PATH);
	shape_a(BEST_EFFORT, 1, 0);
	return true;
}

static struct run last;

static void send_(const char *name, struct frame f, enum mz_reason why, uint32_t gso_size)
{
	static struct counts before, after;
	uint32_t slot = (VPC_SLOT * MZ_DIRS + MZ_DIR_EGRESS) * MZ_REASON_SLOTS + why;

	print_message("# %s: %s\n", T->name, name);
	last = (struct run){ .dir = MZ_DIR_EGRESS, .frame = f, .gso_size = gso_size };
	read_counts(&before);
	assert_int_equal(T->run(&last), 0);
	read_counts(&after);
	assert_int_equal(after.c[slot].packets, before.c[slot].packets + 1);
	reached[why] = true;
}
#define SEND(name, ...) send_(name, INNER(A_TO(EP_R), ##__VA_ARGS__), MZ_R_DIRECT, 0)

static void about(uint64_t got, uint64_t want)
{
	assert_in_range(got, want, want + SLACK);
}

// ---- one limit ------------------------------------------------------------------------

void test_qos_departure(void **state)
{
	uint64_t at;

	(void)state;
	if (!begin_paced())
		return;
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });

	SEND("idle: at once");
	assert_int_equal(last.departure, 0);
	about(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, T->ns() + COST(FRAME) - SLACK);

	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS);
	SEND("behind all that waits");
	assert_int_equal(last.departure, at);
	SEND("... and one behind the other");
	assert_int_equal(last.departure, at + COST(FRAME));
	SEND("... a larger one", .payload = 110);
	assert_int_equal(last.departure, at + 2 * COST(FRAME));
	SEND("... whose length is counted");
	assert_int_equal(last.departure, at + 3 * COST(FRAME) + COST(100));
}

// Flows without packets in the queue pass those that have some, but not each other.
void test_qos_sparse(void **state)
{
	uint64_t at, first;

	(void)state;
	if (!T->ns)
		return;
	begin(W_PATH);
	all_wait(0);
	shape_a(BEST_EFFORT, 1, 0);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS);
	SEND("a flow that has nothing waiting");
	assert_int_equal(last.departure, 0);
	SEND("... another one: behind that", .sport = 7);
	assert_true(last.departure != 0 && last.departure < at);
	first = last.departure;
	SEND("... a third, at half the rate: the others go on", .sport = 8);
	assert_int_equal(last.departure, first + 2 * COST(FRAME));
	at = clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS;
	assert_in_range(at, 0, T->ns() + 500 * MS + 3 * COST(FRAME)); // all of them were counted
	SEND("the third again: it has something waiting", .sport = 8);
	assert_int_equal(last.departure, at);
}

void test_qos_burst(void **state)
{
	struct mz_limit l = limit();
	uint64_t at;

	(void)state;
	if (!begin_paced())
		return;
	l.burst = TICKS(3 * COST(FRAME + 990)); // longer than the row takes
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });
	for (int i = 0; i < 4; i++) {
		SEND("as many as may at once, after a silence", .payload = 1000);
		assert_int_equal(last.departure, 0);
	}
	at = clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS;
	SEND("the next one waits");
	assert_int_equal(last.departure, at);
}

// Everything that may be wrong with a clock: it stands for one that is idle.
void test_qos_clock_wrong(void **state)
{
	(void)state;
	if (!begin_paced())
		return;
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 100000 * MS);
	SEND("a clock that is further ahead than any may be: time went back");
	assert_int_equal(last.departure, 0);
	about(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, T->ns() + COST(FRAME) - SLACK);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1ull << 55);
	SEND("half a turn ahead: idle for a year");
	assert_int_equal(last.departure, 0);
	about(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, T->ns() + COST(FRAME) - SLACK);
}

void test_qos_drops(void **state)
{
	struct mz_limit l = limit();
	struct mz_shaped_classes n;
	struct mz_clocks c;
	uint32_t slot = OF_ENDPOINT;
	uint64_t at;

	(void)state;
	if (!T->ns) { // XDP keeps to no rates: these are TC's
		reached[MZ_R_QOS_RATE] = reached[MZ_R_QOS_QUEUE] = reached[MZ_R_QOS_HORIZON] = true;
		return;
	}
	begin(W_PATH);
	shape_a(BEST_EFFORT, 1, 0);
	l.mark = TICKS(1 * MS);
	l.drop = TICKS(300 * MS);
	l.bucket = TICKS(300 * MS);
	l.horizon = TICKS(1000 * MS);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });

	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 200 * MS);
	SEND("ECT in a queue that is past the mark: CE", .tos = 2);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] & 3, 3);
	assert_int_equal(last.frame.b[14 + 1] & 3, 3);
	SEND("ECT(1): the same, and the DSCP stays", .tos = 0xb9);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0xbb);
	SEND("Not-ECT is not marked");
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0);

	// CoDel: the queue has been past its target for an interval.
	c = clocks(OF_ENDPOINT);
	c.class_[2].whole.bytes = TICKS(T->ns() + 600 * MS);
	c.class_[2].whole.above = TICKS(T->ns() - 200 * MS);
	c.class_[2].whole.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	at = c.class_[2].whole.bytes;
	send_("CoDel: dropped", INNER(A_TO(EP_R)), MZ_R_QOS_QUEUE, 0);
	assert_int_equal(last.verdict, V_DROP);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes, at); // nobody waits for it
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.drops, 1);
	SEND("CoDel: the next one only after a while");
	c = clocks(OF_ENDPOINT);
	c.class_[2].whole.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	SEND("CoDel: ECT is marked instead", .tos = 2);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] & 3, 3);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 100 * MS);
	SEND("the queue is short again");
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.above, 0);
	c = (struct mz_clocks){ 0 };
	c.class_[2].whole.above = TICKS(T->ns() - 200 * MS);
	put("mz_clocks", &slot, &c);
	SEND("... or nothing waits at all");
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.above, 0);

	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1500 * MS);
	send_("beyond the horizon, whatever it is", INNER(A_TO(EP_R), .tos = 2), MZ_R_QOS_HORIZON, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, at);
	assert_int_equal(T->lookup("mz_shaped", &slot, &n), 0);
	if (T == &target_native) { // of TC each CPU has its own
		assert_int_equal(n.class_[2].dropped, 2);
		assert_int_equal(n.class_[2].marked, 3);
	}

	// Nothing keeps packets: a bucket of tokens.
	shape_a(BEST_EFFORT, 0, 0);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 200 * MS);
	SEND("not paced: at once as long as the bucket has room");
	assert_int_equal(last.departure, 0);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS);
	send_("not paced: full is full", INNER(A_TO(EP_R)), MZ_R_QOS_RATE, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, at);
}

// The whole's queue is short, the class's own is not: CoDel looks at each by itself.
void test_qos_ceiling_drops(void **state)
{
	struct mz_shaper s = { .whole = limit() };
	struct mz_clocks c;
	uint32_t slot = OF_ENDPOINT;

	(void)state;
	if (!begin_paced())
		return;
	s.whole.byte = 1;
	s.class_[2] = limit();
	s.class_[2].mark = TICKS(1 * MS);
	s.class_[2].drop = TICKS(300 * MS);
	put_shaper(OF_ENDPOINT, s);
	c = clocks(OF_ENDPOINT);
	c.class_[2].own.bytes = TICKS(T->ns() + 600 * MS);
	put("mz_clocks", &slot, &c);
	SEND("the class's queue is past its target: noted");
	c = clocks(OF_ENDPOINT);
	assert_true(c.class_[2].own.above != 0);
	c.class_[2].own.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	send_("... for an interval: dropped", INNER(A_TO(EP_R)), MZ_R_QOS_QUEUE, 0);
	c = clocks(OF_ENDPOINT);
	c.class_[2].own.bytes = 0;
	c.class_[2].whole.above = c.class_[2].own.above;
	put("mz_clocks", &slot, &c);
	SEND("nothing waits any more, not even past the mark: both are forgotten");
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].own.above, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.above, 0);
}

// Of two limits that would drop it the first that was asked counts it, with its reason.
void test_qos_first_drops(void **state)
{
	struct mz_limit queue = limit(), horizon = limit();
	struct mz_shaped_classes n;
	struct mz_clocks c;
	uint32_t slot = OF_VPC;

	(void)state;
	if (!begin_paced())
		return;
	queue.mark = TICKS(1 * MS);
	queue.drop = TICKS(2 * MS);
	horizon.horizon = TICKS(100 * MS);
	put_shaper(OF_VPC, (struct mz_shaper){ .whole = queue });
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = horizon });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 700 * MS);
	c = clocks(OF_VPC);
	c.class_[2].whole.bytes = TICKS(T->ns() + 600 * MS);
	c.class_[2].whole.above = TICKS(T->ns() - 200 * MS);
	c.class_[2].whole.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	send_("the VPC's queue, then the endpoint's horizon", INNER(A_TO(EP_R)), MZ_R_QOS_QUEUE, 0);
	if (T != &target_native)
		return;
	assert_int_equal(T->lookup("mz_shaped", &slot, &n), 0);
	assert_int_equal(n.class_[2].dropped, 1);
	slot = OF_ENDPOINT;
	assert_int_equal(T->lookup("mz_shaped", &slot, &n), 0);
	assert_int_equal(n.class_[2].dropped, 0);
}

// What moves a clock on by more than any clock may be ahead is no way to an idle one.
void test_qos_absurd(void **state)
{
	struct mz_limit l = limit();

	(void)state;
	if (!begin_paced())
		return;
	l.byte = 1000 * BYTE; // 52 s and more
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });
	SEND("a packet of more than a minute", .payload = 100);
	assert_int_equal(last.departure, 0);
	send_("... the next one does not go for nothing", INNER(A_TO(EP_R), .payload = 100), MZ_R_QOS_HORIZON, 0);
}

void test_qos_packets(void **state)
{
	struct mz_limit l = limit();
	uint64_t at;
	struct mz_clocks c;
	uint32_t slot = OF_ENDPOINT;

	(void)state;
	if (!begin_paced())
		return;
	l.byte = 0;
	l.packet = TICKS(7 * MS);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });
	c = clocks(OF_ENDPOINT);
	at = T->ns() + 500 * MS;
	c.class_[2].whole.packets = TICKS(at);
	put("mz_clocks", &slot, &c);
	SEND("packets a second: in its place");
	assert_int_equal(last.departure, at);
	SEND("... whatever its size", .payload = 1000);
	assert_int_equal(last.departure, at + 7 * MS);
}

// What the wire sees of superpackets: headers of each segment.
void test_qos_superpackets(void **state)
{
	const uint32_t payload = 1000, gso = 400, slot = OF_ENDPOINT; // three segments
	struct mz_shaper s = { .whole = limit() };
	struct mz_clocks c;
	uint64_t at;

	(void)state;
	if (!begin_paced())
		return;
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS);
	at = clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS;
	send_("TCP superpacket", INNER(A_TO(EP_B), .proto = IPPROTO_TCP, .payload = (uint16_t)payload), MZ_R_LOCAL, gso);
	assert_int_equal((clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS) - at,
			 COST(payload + 3 * (14 + 20 + 20)));
	s.overhead = 24;
	s.whole.packet = TICKS(7 * MS);
	put_shaper(OF_ENDPOINT, s);
	c = clocks(OF_ENDPOINT);
	at = T->ns() + 500 * MS;
	c.class_[2].whole.bytes = c.class_[2].whole.packets = TICKS(at);
	put("mz_clocks", &slot, &c);
	send_("... what each grows by on the wire, and that they are three",
	      INNER(A_TO(EP_B), .proto = IPPROTO_TCP, .payload = (uint16_t)payload), MZ_R_LOCAL, gso);
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[2].whole.bytes >> MZ_TICK_BITS) - at, COST(payload + 3 * (14 + 20 + 20 + 24)));
	assert_int_equal((c.class_[2].whole.packets >> MZ_TICK_BITS) - at, 3 * 7 * MS);
}

// ---- several limits -------------------------------------------------------------------

void test_qos_latest(void **state)
{
	struct mz_limit vpc = limit();
	uint64_t later;

	(void)state;
	if (!begin_paced())
		return;
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	put_shaper(OF_VPC, (struct mz_shaper){ .whole = vpc });
	put_shaper(MZ_SHAPER_UPLINK_OUT, (struct mz_shaper){ .whole = limit(), .overhead = MZ_OUTER_LEN4 });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 300 * MS);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 100 * MS);
	later = set_whole(OF_VPC, MZ_CLASS_BEST_EFFORT, 400 * MS);
	set_whole(MZ_SHAPER_UPLINK_OUT, MZ_CLASS_BEST_EFFORT, 200 * MS);
	SEND("the latest of its clocks: the VPC's");
	assert_int_equal(last.departure, later);
	later = set_whole(MZ_SHAPER_UPLINK_OUT, MZ_CLASS_BEST_EFFORT, 600 * MS);
	SEND("... the uplink's");
	assert_int_equal(last.departure, later);
	SEND("... which counts the tunnel");
	assert_int_equal(last.departure, later + COST(FRAME + MZ_OUTER_LEN4));
}

void test_qos_classes(void **state)
{
	struct mz_shaper s = { .whole = limit() };
	uint64_t premium, expedited, best, at;
	struct mz_clocks c;
	uint32_t slot = OF_ENDPOINT;

	(void)state;
	if (!T->ns)
		return;
	begin(W_PATH);
	shape_a(PREMIUM, 1, 0);
	put_shaper(OF_ENDPOINT, s);
	premium = set_whole(OF_ENDPOINT, MZ_CLASS_PREMIUM, 100 * MS);
	expedited = set_whole(OF_ENDPOINT, MZ_CLASS_EXPEDITED, 300 * MS);
	best = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS);
	SEND("premium waits for premium alone");
	assert_int_equal(last.departure, premium);
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[0].whole.bytes >> MZ_TICK_BITS), premium + COST(FRAME));
	assert_int_equal((c.class_[1].whole.bytes >> MZ_TICK_BITS), expedited + COST(FRAME)); // all wait for it
	assert_int_equal((c.class_[2].whole.bytes >> MZ_TICK_BITS), best + COST(FRAME));

	shape_a(PREMIUM | MZ_LEVEL_TOLD, 1, 0);
	SEND("so does a conversation of that level");
	assert_int_equal(last.departure, premium + COST(FRAME));
	shape_a(PREMIUM, 1, 0);
	premium = set_whole(OF_ENDPOINT, MZ_CLASS_PREMIUM, 100 * MS) - COST(FRAME);
	best = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 500 * MS) - COST(FRAME);
	shape_a(BEST_EFFORT, 1, 0);
	SEND("best effort waits for all");
	assert_int_equal(last.departure, best + COST(FRAME));
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[0].whole.bytes >> MZ_TICK_BITS), premium + COST(FRAME)); // and nobody for it

	s.class_[2].floor = 2 * BYTE;
	put_shaper(OF_ENDPOINT, s);
	c.class_[2].floor = TICKS(T->ns() + 900 * MS);
	put("mz_clocks", &slot, &c);
	SEND("nor where its guarantee is later");
	assert_int_equal(last.departure, best + 2 * COST(FRAME));
	assert_int_equal((clocks(OF_ENDPOINT).class_[0].whole.bytes >> MZ_TICK_BITS), premium + COST(FRAME));
	c = clocks(OF_ENDPOINT);
	c.class_[2].floor = TICKS(T->ns() + 250 * MS);
	put("mz_clocks", &slot, &c);
	at = c.class_[2].floor >> MZ_TICK_BITS;
	expedited = c.class_[1].whole.bytes >> MZ_TICK_BITS;
	SEND("but no longer than what it is guaranteed");
	assert_int_equal(last.departure, at);
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[0].whole.bytes >> MZ_TICK_BITS), premium + 2 * COST(FRAME)); // which those before it wait for
	assert_int_equal((c.class_[1].whole.bytes >> MZ_TICK_BITS), expedited + COST(FRAME));
	SEND("... by a clock of its own");
	assert_int_equal(last.departure, at + 2 * COST(FRAME));

	s.class_[2] = limit();
	s.class_[2].byte = 3 * BYTE;
	put_shaper(OF_ENDPOINT, s);
	c = clocks(OF_ENDPOINT);
	c.class_[2].own.bytes = TICKS(T->ns() + 900 * MS);
	put("mz_clocks", &slot, &c);
	at = c.class_[2].own.bytes >> MZ_TICK_BITS;
	SEND("the class's ceiling");
	assert_int_equal(last.departure, at);
	SEND("... and its pace");
	assert_int_equal(last.departure, at + 3 * COST(FRAME));
}

// What an endpoint is guaranteed of its VPC.
void test_qos_guarantee(void **state)
{
	struct mz_shaper s = { .whole = limit() };
	uint32_t slot = OF_ENDPOINT;
	struct mz_clocks c;
	uint64_t at;

	(void)state;
	if (!begin_paced())
		return;
	s.whole.floor = 2 * BYTE;
	put_shaper(OF_ENDPOINT, s);
	put_shaper(OF_VPC, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_VPC, MZ_CLASS_BEST_EFFORT, 700 * MS);
	c = clocks(OF_ENDPOINT);
	c.floor = TICKS(T->ns() + 300 * MS);
	put("mz_clocks", &slot, &c);
	at = c.floor >> MZ_TICK_BITS;
	SEND("no longer for the VPC than what the endpoint is guaranteed");
	assert_int_equal(last.departure, at);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 600 * MS);
	SEND("but for its own ceiling");
	assert_int_equal(last.departure, at);
}

// ---- what is received; both ends here -----------------------------------------------------

static void shape_receiver(uint32_t ifindex, uint32_t ip, uint32_t mac, int paced)
{
	struct mz_ep_key k = { .vni = VNI, .ip = addr4(ip) };
	struct mz_port p = { .ifindex = ifindex, .vni = VNI, .ip4 = htonl(ip), .vpc = VPC_SLOT, .max_flows = 8,
			     .flags = paced ? MZ_EP_F_PACED : 0, .shaper = { 0, OF_RECEIVER }, .vpc_shaper = { 0, OF_OTHERS } };
	struct mz_endpoint e;

	memcpy(p.mac, mac_bytes((int)mac), 6);
	put("mz_ports", &ifindex, &p);
	assert_int_equal(T->lookup("mz_endpoints", &k, &e), 0);
	e.flags |= MZ_EP_F_SHAPED;
	put("mz_endpoints", &k, &e);
}

void test_qos_ingress(void **state)
{
	struct mz_limit l = limit();
	struct run r;
	uint64_t at;

	(void)state;
	begin(0);
	shape_receiver(2, EP_A, MAC_A, 1);
	if (!T->ns) { // XDP leaves it to TC
		r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
		assert_int_equal(T->run(&r), 0);
		assert_int_equal(r.verdict, V_PASS);
		return;
	}
	l.mark = TICKS(1 * MS);
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = l });
	put_shaper(MZ_SHAPER_UPLINK_IN, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 300 * MS);
	pass("delivered as ever", MZ_DIR_INGRESS, TUNNEL(.in = { R_TO_A }), MZ_R_DELIVERED, DELIVERED_A());
	at = set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 400 * MS);
	r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
	assert_int_equal(T->run(&r), 0);
	assert_int_equal(r.departure, at);
	pass("ECT in a long queue: CE", MZ_DIR_INGRESS, TUNNEL(.tos = 2, .in = { R_TO_A, .tos = 2 }), MZ_R_DELIVERED,
	     DELIVERED_A(.tos = 3));
	at = set_whole(MZ_SHAPER_UPLINK_IN, MZ_CLASS_BEST_EFFORT, 700 * MS);
	r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.in = { R_TO_A }) };
	assert_int_equal(T->run(&r), 0);
	assert_int_equal(r.departure, at);
	pass("of a class that the sender's host says: waits for its own", MZ_DIR_INGRESS,
	     TUNNEL(.qos_class = PREMIUM, .in = { R_TO_A, .sport = 9 }), MZ_R_DELIVERED, DELIVERED_A(.sport = 9));
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 25000 * MS);
	pass("beyond the horizon", MZ_DIR_INGRESS, TUNNEL(.in = { R_TO_A }), MZ_R_QOS_HORIZON, (struct frame){ 0 });
}

// A rule's level holds where its flow is received, too.
void test_qos_rule(void **state)
{
	struct mz_policy_rule_key k = { .list = MZ_POLICY_LIST(5, MZ_POLICY_IN) };
	struct mz_policy_rule rule = { .verdict = MZ_POLICY_ALLOW, .level = PREMIUM };
	struct run r;
	uint64_t at;

	(void)state;
	if (!T->ns)
		return;
	begin(0);
	judged_by(5);
	put_label(MZ_POLICY_KNOWN(VNI), 101, 0);
	put_verdict(5, MZ_POLICY_IN, MZ_POLICY_ALLOW);
	put("mz_policy_rules", &k, &rule);
	shape_receiver(T->ifindex, EP_A, MAC_A, 1);
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 900 * MS);
	at = set_whole(OF_RECEIVER, MZ_CLASS_PREMIUM, 300 * MS);
	for (int i = 0; i < 2; i++) { // its first packet, and one of a settled flow
		print_message("# %s: waits for the class of the rule\n", T->name);
		r = (struct run){ .dir = MZ_DIR_INGRESS, .frame = TUNNEL(.label = 101, .in = { R_TO_A }) };
		assert_int_equal(T->run(&r), 0);
		assert_int_equal(r.departure, at + (uint64_t)i * COST(FRAME));
	}
}

void test_qos_local(void **state)
{
	struct mz_shaper guaranteed = { .whole = limit() };
	uint64_t at;

	(void)state;
	if (!T->ns)
		return;
	begin(0);
	shape_a(BEST_EFFORT, 0, 0);
	shape_receiver(3, EP_B, MAC_B, 1);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	put_shaper(OF_RECEIVER, (struct mz_shaper){ .whole = limit() });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 200 * MS);
	at = set_whole(OF_RECEIVER, MZ_CLASS_BEST_EFFORT, 500 * MS);
	send_("both ends here: the receiver's limit", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 700 * MS);
	send_("both ends here: the sender's", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
	guaranteed.whole.floor = 2 * BYTE;
	put_shaper(OF_RECEIVER, guaranteed);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 900 * MS);
	send_("what the receiver is guaranteed is nothing to the sender", INNER(A_TO(EP_B)), MZ_R_LOCAL, 0);
	assert_int_equal(last.departure, at);
}

// Packets to groups are no way around a rate.
void test_qos_group(void **state)
{
	uint64_t at;

	(void)state;
	if (!T->ns || !has_groups())
		return;
	with_groups(0, MZ_NET_F_MULTICAST);
	all_wait(30000 * MS);
	shape_a(BEST_EFFORT, 0, 0);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = limit() });
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 100 * MS);
	meet("to a group: counted once", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_GROUP_SENT, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, at + COST(FRAME));
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 25000 * MS);
	meet("to a group: more than its rate", MZ_DIR_EGRESS, TO_GROUP(), MZ_R_QOS_RATE, 0);
}

// ---- levels -------------------------------------------------------------------------------

// The outer TOS, or traffic class, of the last packet; of a trusted endpoint by its own DSCP.
static uint8_t outer_tos(void)
{
	return last.frame.b[14 + 1];
}

void test_qos_levels(void **state)
{
	struct mz_port p;

	(void)state;
	begin(W_PATH);
	put_level(9, (struct mz_level){ .outer = 46, .priority = 12 });
	SEND("outside: the level's DSCP; ECN as it is; inside: kept", .tos = 0x49);
	assert_int_equal(outer_tos(), 46 << 2 | 1);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0x49);
	if (!T->ns)
		return;
	assert_int_equal(last.priority, 12);
	put_level(9, (struct mz_level){ .outer = 46, .inner = 10, .flags = MZ_LEVEL_F_INNER });
	SEND("inside: written anew, with its checksum", .tos = 0x49);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 10 << 2 | 1);
	assert_int_equal(*(uint16_t *)(last.frame.b + MZ_OUTER_LEN4 + 14 + 10),
			 *(uint16_t *)(INNER(A_TO(EP_R), .tos = 10 << 2 | 1).b + 14 + 10));
	send_("the same of IPv6", INNER(.v6 = 1, .src6 = EP6_A, .dst6 = EP6_R, .smac = MAC_A, .tos = 0x49), MZ_R_DIRECT, 0);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14] , 0x60 | (10 << 2 | 1) >> 4);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] >> 4, (10 << 2 | 1) & 0xf);

	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &p), 0);
	p.qos_class = 200; // no level: as none
	put("mz_ports", &T->ifindex, &p);
	put_level(0, (struct mz_level){ .outer = 7 });
	SEND("a level that is none");
	assert_int_equal(outer_tos(), 7 << 2);

	p.qos_class = BEST_EFFORT;
	p.flags |= MZ_EP_F_TRUST;
	put("mz_ports", &T->ifindex, &p);
	put_level(MZ_LEVEL_OF_DSCP + 0x12, (struct mz_level){ .level = 2 });
	put_level(2, (struct mz_level){ .outer = 40 });
	put_level(BEST_EFFORT, (struct mz_level){ .outer = 3 });
	SEND("trusted: what its DSCP means", .tos = 0x48);
	assert_int_equal(outer_tos(), 40 << 2);
	SEND("trusted: a DSCP that means nothing leaves it its own class", .tos = 0x4c);
	assert_int_equal(outer_tos(), 3 << 2);
}
