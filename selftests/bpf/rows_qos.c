// SPDX-License-Identifier: Apache-2.0
// Classes, rates and departure times.
#include <netinet/in.h>

#include "selftests/bpf/rows.h"
#include "selftests/bpf/shapers.h"

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
	went_on(clocks(OF_ENDPOINT).class_[2].whole.bytes, COST(FRAME));

	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS);
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
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS);
	SEND("a flow that has nothing waiting");
	assert_int_equal(last.departure, 0);
	SEND("... another one: behind that", .sport = 7);
	assert_true(last.departure != 0 && last.departure < at);
	first = last.departure;
	SEND("... a third, at half the rate: the others go on", .sport = 8);
	assert_int_equal(last.departure, first + 2 * COST(FRAME));
	at = clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS;
	assert_in_range(at, 0, T->ns() + 5000 * MS + 3 * COST(FRAME)); // all of them were counted
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
	l.burst = TICKS(3 * COST(FRAME + 190)); // longer than the row takes, and not than the machine runs
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });
	for (int i = 0; i < 4; i++) {
		SEND("as many as may at once, after a silence", .payload = 200);
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
	went_on(clocks(OF_ENDPOINT).class_[2].whole.bytes, COST(FRAME));
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1ull << 55);
	SEND("half a turn ahead: idle for a year");
	assert_int_equal(last.departure, 0);
	went_on(clocks(OF_ENDPOINT).class_[2].whole.bytes, COST(FRAME));
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
	l.packet = TICKS(70 * MS);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });
	c = clocks(OF_ENDPOINT);
	at = T->ns() + 5000 * MS;
	c.class_[2].whole.packets = TICKS(at);
	put("mz_clocks", &slot, &c);
	SEND("packets a second: in its place");
	assert_int_equal(last.departure, at);
	SEND("... whatever its size", .payload = 1000);
	assert_int_equal(last.departure, at + 70 * MS);
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
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS);
	at = clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS;
	send_("TCP superpacket", INNER(A_TO(EP_B), .proto = IPPROTO_TCP, .payload = (uint16_t)payload), MZ_R_LOCAL, gso);
	assert_int_equal((clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS) - at,
			 COST(payload + 3 * (14 + 20 + 20)));
	s.overhead = 24;
	s.whole.packet = TICKS(70 * MS);
	put_shaper(OF_ENDPOINT, s);
	c = clocks(OF_ENDPOINT);
	at = T->ns() + 5000 * MS;
	c.class_[2].whole.bytes = c.class_[2].whole.packets = TICKS(at);
	put("mz_clocks", &slot, &c);
	send_("... what each grows by on the wire, and that they are three",
	      INNER(A_TO(EP_B), .proto = IPPROTO_TCP, .payload = (uint16_t)payload), MZ_R_LOCAL, gso);
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[2].whole.bytes >> MZ_TICK_BITS) - at, COST(payload + 3 * (14 + 20 + 20 + 24)));
	assert_int_equal((c.class_[2].whole.packets >> MZ_TICK_BITS) - at, 3 * 70 * MS);
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
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 3000 * MS);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1000 * MS);
	later = set_whole(OF_VPC, MZ_CLASS_BEST_EFFORT, 4000 * MS);
	set_whole(MZ_SHAPER_UPLINK_OUT, MZ_CLASS_BEST_EFFORT, 2000 * MS);
	SEND("the latest of its clocks: the VPC's");
	assert_int_equal(last.departure, later);
	later = set_whole(MZ_SHAPER_UPLINK_OUT, MZ_CLASS_BEST_EFFORT, 6000 * MS);
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
	premium = set_whole(OF_ENDPOINT, MZ_CLASS_PREMIUM, 1000 * MS);
	expedited = set_whole(OF_ENDPOINT, MZ_CLASS_EXPEDITED, 3000 * MS);
	best = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS);
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
	premium = set_whole(OF_ENDPOINT, MZ_CLASS_PREMIUM, 1000 * MS) - COST(FRAME);
	best = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS) - COST(FRAME);
	shape_a(BEST_EFFORT, 1, 0);
	SEND("best effort waits for all");
	assert_int_equal(last.departure, best + COST(FRAME));
	c = clocks(OF_ENDPOINT);
	assert_int_equal((c.class_[0].whole.bytes >> MZ_TICK_BITS), premium + COST(FRAME)); // and nobody for it

	s.class_[2].floor = 2 * BYTE;
	put_shaper(OF_ENDPOINT, s);
	c.class_[2].floor = TICKS(T->ns() + 9000 * MS);
	put("mz_clocks", &slot, &c);
	SEND("nor where its guarantee is later");
	assert_int_equal(last.departure, best + 2 * COST(FRAME));
	assert_int_equal((clocks(OF_ENDPOINT).class_[0].whole.bytes >> MZ_TICK_BITS), premium + COST(FRAME));
	c = clocks(OF_ENDPOINT);
	c.class_[2].floor = TICKS(T->ns() + 2500 * MS);
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
	c.class_[2].own.bytes = TICKS(T->ns() + 9000 * MS);
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
	set_whole(OF_VPC, MZ_CLASS_BEST_EFFORT, 7000 * MS);
	c = clocks(OF_ENDPOINT);
	c.floor = TICKS(T->ns() + 3000 * MS);
	put("mz_clocks", &slot, &c);
	at = c.floor >> MZ_TICK_BITS;
	SEND("no longer for the VPC than what the endpoint is guaranteed");
	assert_int_equal(last.departure, at);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 6000 * MS);
	SEND("but for its own ceiling");
	assert_int_equal(last.departure, at);
}
