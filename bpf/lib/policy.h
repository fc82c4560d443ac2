/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a flow may be. Its rules stand in a list; each dimension (label set of who
 * begins, address, protocol and port) gives the set of rules it fits, as bits with a
 * summary of their words (Baboescu and Varghese, SIGCOMM 2001: aggregated bit vectors).
 * The first bit of all three is the rule. As many look-ups whatever the number of rules;
 * a flow pays them once. */
#ifndef MZ_LIB_POLICY_H
#define MZ_LIB_POLICY_H

#include "bpf/lib/count.h"

#ifdef __clang__
#define MZ_ROLLED _Pragma("clang loop unroll(disable)") /* programs are to be short */
#else
#define MZ_ROLLED
#endif

/* The lowest bit's number; of 0 it means nothing. BPF has no instruction for it, and a
 * tree of comparisons is walked by the verifier in every combination: a de Bruijn
 * sequence (Leiserson, Prokop and Randall, 1998), of whose table it knows nothing. */
static const __u8 mz_bit_numbers[64] MZ_CONSTANT = {
	0, 1, 48, 2, 57, 49, 28, 3, 61, 58, 50, 42, 38, 29, 17, 4,
	62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
	46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9, 13, 8, 7, 6,
};

static __always_inline __u32 mz_lowest(__u64 v)
{
	__u32 n;

	v &= -v;
	asm volatile("" : "+r"(v)); /* or clang knows it again, and puts a table of its own beside mz_cfg */
	n = mz_bit_numbers[(v * 0x03f79d71b4cb0a89ull) >> 58];
	asm volatile("" : "+r"(n)); /* the compiler reads the table, the verifier does not */
	return n & 63;
}

__u32 mz_first_rule(__u32 from);

/* The first rule from this one on that stands in all of this CPU's mz_judging.vector;
 * MZ_POLICY_RULES: none. Verified by itself: its loop is long. */
__noinline __u32 mz_first_rule(__u32 from)
{
	const struct mz_policy_vector *a, *b, *c;
	__u64 words, bits = 0;
	__u32 zero = 0, first = from / 64, w = 0;
	const struct mz_judging *j = mz_lookup(mz_judging, &zero);

	if (!j)
		return MZ_POLICY_RULES;
	a = mz_lookup(mz_policy_vectors, &j->vector[0]);
	b = mz_lookup(mz_policy_vectors, &j->vector[1]);
	c = mz_lookup(mz_policy_vectors, &j->vector[2]);
	if (!a || !b || !c || first >= MZ_POLICY_WORDS) /* the empty set has no row */
		return MZ_POLICY_RULES;
	words = a->words & b->words & c->words & ~0ull << first;
	for (__u32 i = 0; words && i < MZ_POLICY_WORDS; i++) {
		w = mz_lowest(words);
		bits = a->word[w] & b->word[w] & c->word[w];
		if (w == first)
			bits &= ~0ull << (from & 63);
		if (bits)
			break;
		words &= words - 1;
	}
	return bits ? w * 64 + mz_lowest(bits) : MZ_POLICY_RULES;
}

/* The sets of rules that the flow's dimensions fit. */
static __always_inline void mz_find_vectors(struct mz_judging *j, const struct mz_talk *t,
					    const struct mz_policy_list *l, __u32 kind)
{
	const struct mz_flow_key *f = &t->flow;
	const __u32 *row;

	j->label.list = j->rule.list;
	j->label.label = j->from;
	row = mz_lookup(mz_policy_labels, &j->label);
	j->vector[0] = row ? *row : l->label;

	j->block.prefixlen = 32 + 128;
	j->block.list = mz_htonl(j->rule.list);
	j->block.ip = kind == MZ_POLICY_TO ? f->local : f->remote;
	row = mz_lookup(mz_policy_blocks, &j->block);
	j->vector[1] = row ? *row : l->block;

	j->port.prefixlen = 32 + 32;
	j->port.list = j->block.list;
	j->port.proto = mz_htons((__u16)f->proto);
	j->port.port = kind == MZ_POLICY_OUT ? f->remote_port : f->local_port;
	row = mz_lookup(mz_policy_ports, &j->port);
	j->vector[2] = row ? *row : l->port;
}

/* The rule that decides: the first match, and after a PASS the first of the tiers behind.
 * Leaves it in j->rule, MZ_POLICY_RULES where none does, and its verdict. */
static __always_inline void mz_decide(struct mz_judging *j, const struct mz_talk *t)
{
	struct mz_policy_rule *rule;

	j->verdict = MZ_POLICY_DENY;
	j->rule.rule = 0;
	MZ_ROLLED
	for (int tier = 0; tier < MZ_POLICY_TIERS; tier++) {
		j->rule.rule = mz_first_rule(j->rule.rule);
		rule = mz_lookup(mz_policy_rules, &j->rule);
		if (!rule)
			return;
		if (!t->trace)
			mz_atomic_add(&rule->hits, 1);
		else
			mz_note_slow(MZ_ST_POLICY, MZ_OBJ_RULE, j->rule.list, j->rule.rule);
		j->verdict = rule->verdict;
		if (!j->level)
			j->level = rule->level;
		if (rule->verdict != MZ_POLICY_PASS)
			return;
		j->rule.rule = rule->next;
	}
}

static __always_inline void mz_tell_denied(struct mz_judging *j, const struct mz_talk *t)
{
	struct mz_denial *d = &j->denial;

	if (t->trace || !mz_within(&j->told, 1, MZ_DENIALS))
		return;
	d->type = MZ_EVENT_DENIED;
	d->list = j->rule.list;
	d->flow = t->flow;
	d->rule = j->rule.rule;
	d->label = j->from;
	mz_ring_output(mz_events, d, sizeof(*d));
}

/* The lists of who receives. */
#define MZ_POLICY_RECEIVER (1u << MZ_POLICY_IN | 1u << MZ_POLICY_TO)

/* Whether this host's groups know the label set of who begins: 0 is that of the outside. */
static __always_inline int mz_label_known(struct mz_judging *j, const struct mz_talk *t)
{
	j->label.list = MZ_POLICY_KNOWN(t->flow.vni);
	j->label.label = j->from;
	if (!j->from || mz_lookup(mz_policy_labels, &j->label))
		return 1;
	if (t->trace)
		mz_note_slow(MZ_ST_POLICY, MZ_OBJ_MISS, j->from, t->flow.vni);
	return 0;
}

int mz_judge(struct mz_talk *t, __u32 kinds);

/* Whether the flow at t->flow may be, by these lists (bits of enum mz_policy_kind) of the
 * policy that mz_flow_asks() left on this CPU. Closed where the tables do not say: a list
 * ends with a rule that fits everything. Returns 0, or why not. */
__noinline int mz_judge(struct mz_talk *t, __u32 kinds)
{
	const struct mz_policy *group;
	const struct mz_policy_list *l;
	__u32 zero = 0;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);

	if (!t || !j || !kinds)
		return 0;
	group = mz_lookup(mz_policies, &j->policy);
	if (!group)
		return MZ_R_POLICY_CLOSED;
	if ((kinds & MZ_POLICY_RECEIVER) && !mz_label_known(j, t))
		return MZ_R_POLICY_LABEL;
	MZ_ROLLED
	for (__u32 kind = 0; kind < MZ_POLICY_KINDS; kind++) {
		asm volatile("" : "+r"(j), "+r"(t)); /* no addresses worked out before: the stack is short */
		l = &group->list[kind];
		if (!(kinds >> kind & 1) || !l->rules)
			continue;
		j->rule.list = MZ_POLICY_LIST(j->policy, kind);
		mz_find_vectors(j, t, l, kind);
		mz_decide(j, t);
		if (j->verdict == MZ_POLICY_ALLOW)
			continue;
		mz_tell_denied(j, t);
		return kind == MZ_POLICY_IN ? MZ_R_POLICY_INGRESS : MZ_R_POLICY_EGRESS;
	}
	return 0;
}

#endif
