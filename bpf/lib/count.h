/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The notes of a traced packet, and the one exit of every packet. */
#ifndef MZ_LIB_COUNT_H
#define MZ_LIB_COUNT_H

#include "bpf/lib/maps.h"
#include "bpf/lib/pkt.h"

static __noinline int mz_note_slow(__u32 stage, __u32 object, __u32 id, __u32 value)
{
	__u32 zero = 0;
	struct mz_trace *t = mz_lookup(mz_trace, &zero);
	struct mz_note *n;
	__u32 at;

	if (!t)
		return 0;
	at = t->used;
	if (at >= MZ_NOTES)
		return 0;
	n = &t->note[at & (MZ_NOTES - 1)];
	n->stage = stage;
	n->object = object;
	n->id = id;
	n->value = value;
	t->used = at + 1;
	return 0;
}

/* Says, for a traced packet only, what a stage decided and by which object. */
static __always_inline void mz_note(struct mz_pkt *p, enum mz_stage stage, enum mz_object object,
				    __u32 id, __u32 value)
{
	if (mz_unlikely(p->trace))
		mz_note_slow(stage, object, id, value);
}

static __always_inline void mz_count(struct mz_pkt *p)
{
	__u32 slot = (p->vpc * MZ_DIRS + p->dir) * MZ_REASON_SLOTS + p->why;
	struct mz_count *c = mz_lookup(mz_counters, &slot);

	if (!c)
		return; /* cannot be: the daemon hands out slots inside the table */
	c->packets++;
	c->bytes += p->len;
}

/* `n` more of what there may be `most` of in a second, 0 = any number: 0 when these are
 * too many. */
static __always_inline int mz_within(struct mz_answers *a, __u32 n, __u32 most)
{
	__u32 now = mz_now();

	if (!a || !most)
		return 1;
	if (now - a->since >= mz_cfg.second) {
		a->since = now;
		a->count = 0;
	}
	a->count += n;
	return a->count <= most;
}

/* One answer more for the endpoint; 0 when it has had as many as it gets a second. */
static __always_inline int mz_may_answer(struct mz_pkt *p)
{
	__u32 slot = mz_in_ifindex(p) & (MZ_PORTS - 1);

	return mz_within(mz_lookup(mz_answered, &slot), 1, mz_cfg.answers);
}

/* Counts the packet under its reason and turns the decision into what the
 * hook understands. Every program ends here. */
static __always_inline int mz_finish(struct mz_pkt *p)
{
	__u32 zero = 0;
	struct mz_trace *t;

	if (MZ_JUMPS_COME_BACK && p->act == MZ_ACT_GONE)
		return mz_verdict(p);
	if (mz_unlikely(p->act == MZ_ACT_ANSWER || p->why == MZ_R_LOCAL_SERVICE) && p->dir == MZ_DIR_EGRESS &&
	    !p->trace && !mz_may_answer(p))
		mz_drop(p, MZ_R_ANSWER_RATE);
	if (mz_unlikely(p->trace)) {
		t = mz_lookup(mz_trace, &zero);
		if (t)
			t->reason = p->act == MZ_ACT_DEFER ? MZ_REASON_COUNT : p->why;
	} else if (p->act != MZ_ACT_DEFER) {
		mz_count(p);
	}
	return mz_verdict(p);
}

/* n, which is 1 to 128, so that the verifier of any kernel knows it is: it forgets what a
 * comparison of a copy has shown (6.12 does, and 6.1). */
static __always_inline __u32 mz_up_to_128(__u32 n)
{
	n -= 1;
	asm volatile("" : "+r"(n));
	n &= 127;
	asm volatile("" : "+r"(n));
	return n + 1;
}

/* A key's copy: the verifier of Linux 6.1 takes none from what a function that is
 * verified by itself was handed, and the stack is short. */
static __always_inline struct mz_flow_key *mz_own_key(const struct mz_flow_key *key)
{
	__u32 zero = 0;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);

	if (!j)
		return NULL;
	j->flow = *key;
	return &j->flow;
}

#endif
