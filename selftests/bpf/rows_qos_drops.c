// SPDX-License-Identifier: Apache-2.0
// Packets that their rates mark or drop.
#include "selftests/bpf/rows.h"
#include "selftests/bpf/shapers.h"

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
	l.drop = TICKS(3000 * MS);
	l.bucket = TICKS(3000 * MS);
	l.horizon = TICKS(10000 * MS);
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = l });

	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 2000 * MS);
	SEND("ECT in a queue that is past the mark: CE", .tos = 2);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] & 3, 3);
	assert_int_equal(last.frame.b[14 + 1] & 3, 3);
	SEND("ECT(1): the same, and the DSCP stays", .tos = 0xb9);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0xbb);
	SEND("Not-ECT is not marked");
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1], 0);

	// CoDel: the queue has been past its target for an interval.
	c = clocks(OF_ENDPOINT);
	c.class_[2].whole.bytes = TICKS(T->ns() + 6000 * MS);
	c.class_[2].whole.above = TICKS(T->ns() - 2000 * MS);
	c.class_[2].whole.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	at = c.class_[2].whole.bytes;
	send_("CoDel: dropped", INNER(A_TO(EP_R)), MZ_R_QOS_QUEUE, 0);
	assert_int_equal(last.verdict, V_DROP);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes, at); // nobody waits for it
	c = clocks(OF_ENDPOINT);
	assert_int_equal(c.class_[2].whole.drops, 1);
	went_on(c.class_[2].whole.next_drop, 100 * MS); // RFC 8289 4.2: the interval
	c.class_[2].whole.next_drop = TICKS(T->ns() + 20000 * MS);
	put("mz_clocks", &slot, &c);
	SEND("CoDel: the next one only after a while");
	c = clocks(OF_ENDPOINT);
	c.class_[2].whole.next_drop = TICKS(T->ns() - 1);
	put("mz_clocks", &slot, &c);
	SEND("CoDel: ECT is marked instead", .tos = 2);
	assert_int_equal(last.frame.b[MZ_OUTER_LEN4 + 14 + 1] & 3, 3);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 1000 * MS);
	SEND("the queue is short again");
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.above, 0);
	c = (struct mz_clocks){ 0 };
	c.class_[2].whole.above = TICKS(T->ns() - 2000 * MS);
	put("mz_clocks", &slot, &c);
	SEND("... or nothing waits at all");
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.above, 0);

	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 15000 * MS);
	send_("beyond the horizon, whatever it is", INNER(A_TO(EP_R), .tos = 2), MZ_R_QOS_HORIZON, 0);
	assert_int_equal(clocks(OF_ENDPOINT).class_[2].whole.bytes >> MZ_TICK_BITS, at);
	assert_int_equal(T->lookup("mz_shaped", &slot, &n), 0);
	if (T == &target_native) { // of TC each CPU has its own
		assert_int_equal(n.class_[2].dropped, 2);
		assert_int_equal(n.class_[2].marked, 3);
	}

	// Nothing keeps packets: a bucket of tokens.
	shape_a(BEST_EFFORT, 0, 0);
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 2000 * MS);
	SEND("not paced: at once as long as the bucket has room");
	assert_int_equal(last.departure, 0);
	at = set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 5000 * MS);
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
	s.class_[2].drop = TICKS(3000 * MS);
	put_shaper(OF_ENDPOINT, s);
	c = clocks(OF_ENDPOINT);
	c.class_[2].own.bytes = TICKS(T->ns() + 6000 * MS);
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
	horizon.horizon = TICKS(1000 * MS);
	put_shaper(OF_VPC, (struct mz_shaper){ .whole = queue });
	put_shaper(OF_ENDPOINT, (struct mz_shaper){ .whole = horizon });
	set_whole(OF_ENDPOINT, MZ_CLASS_BEST_EFFORT, 7000 * MS);
	c = clocks(OF_VPC);
	c.class_[2].whole.bytes = TICKS(T->ns() + 6000 * MS);
	c.class_[2].whole.above = TICKS(T->ns() - 2000 * MS);
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
