/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tenant's transport header: ports, and what the packet does to its flow. */
#ifndef MZ_LIB_L4_H
#define MZ_LIB_L4_H

#include "bpf/lib/ip4.h"

/* What a packet means to the state of its flow. */
enum mz_event_l4 {
	MZ_L4_PLAIN,
	MZ_L4_REPLY,  /* an ICMP answer: opens no flow, else plain */
	MZ_L4_OPEN,   /* SYN, INIT */
	MZ_L4_ACCEPT, /* SYN ACK, INIT ACK */
	MZ_L4_CLOSE,  /* FIN, SHUTDOWN and its answers */
	MZ_L4_ABORT,  /* RST, ABORT */
};

#define MZ_TCP_RST 0x04
#define MZ_TCP_ACK 0x10

/* Tables of 4-bit events: a number that the verifier cannot know costs it one
 * state, five that it knows cost it five. */
#define MZ_NIBBLE(index, event) ((__u64)(event) << ((index) * 4))

/* By FIN, SYN, RST and, moved down, ACK. RST ends whatever comes with it. */
static __always_inline __u8 mz_tcp_event(__u8 flags)
{
	const __u64 events =
		MZ_NIBBLE(1, MZ_L4_CLOSE) | MZ_NIBBLE(2, MZ_L4_OPEN) | MZ_NIBBLE(3, MZ_L4_OPEN) |
		MZ_NIBBLE(4, MZ_L4_ABORT) | MZ_NIBBLE(5, MZ_L4_ABORT) | MZ_NIBBLE(6, MZ_L4_ABORT) |
		MZ_NIBBLE(7, MZ_L4_ABORT) | MZ_NIBBLE(9, MZ_L4_CLOSE) | MZ_NIBBLE(10, MZ_L4_ACCEPT) |
		MZ_NIBBLE(11, MZ_L4_ACCEPT) | MZ_NIBBLE(12, MZ_L4_ABORT) | MZ_NIBBLE(13, MZ_L4_ABORT) |
		MZ_NIBBLE(14, MZ_L4_ABORT) | MZ_NIBBLE(15, MZ_L4_ABORT);
	__u32 index = (flags & 7) | (flags & MZ_TCP_ACK) >> 1;

	return (__u8)(events >> (index * 4) & 0xf);
}

/* By the first chunk's type, of which those above 15 say nothing. */
static __always_inline __u8 mz_sctp_event(__u8 chunk)
{
	const __u64 events = MZ_NIBBLE(1, MZ_L4_OPEN) | MZ_NIBBLE(2, MZ_L4_ACCEPT) | MZ_NIBBLE(6, MZ_L4_ABORT) |
			     MZ_NIBBLE(7, MZ_L4_CLOSE) | MZ_NIBBLE(8, MZ_L4_CLOSE) | MZ_NIBBLE(14, MZ_L4_CLOSE);

	return chunk < 16 ? (__u8)(events >> (chunk * 4) & 0xf) : (__u8)MZ_L4_PLAIN;
}

/* Bits of the ICMP types that ask, that answer (RFC 792, 950) and that report an
 * error (RFC 1122 3.2.2). Of ICMPv6 (RFC 4443) types below 128 are errors. */
#define MZ_ICMP4_ASKS    (1u << 8 | 1u << 13 | 1u << 15 | 1u << 17)
#define MZ_ICMP4_ANSWERS (1u << 0 | 1u << 14 | 1u << 16 | 1u << 18)
#define MZ_ICMP4_ERRORS  (1u << 3 | 1u << 4 | 1u << 5 | 1u << 11 | 1u << 12)
#define MZ_ICMP6_ASKS    (1u << 0) /* 128 is the first */
#define MZ_ICMP6_ANSWERS (1u << 1)

/* Queries carry an identifier that is theirs as ports are a connection's. */
static __always_inline void mz_read_icmp(struct mz_pkt *p, const __u8 *h)
{
	__u32 id = *(const __u16 *)(h + 4), known, asks, answers;

	if (p->v6) {
		p->icmp_error = !(h[0] >> 7);
		known = (__u32)(h[0] >> 1 == 64) << (h[0] & 1);
		asks = known & MZ_ICMP6_ASKS;
		answers = known & MZ_ICMP6_ANSWERS;
	} else {
		known = (__u32)!(h[0] >> 5) << (h[0] & 31);
		p->icmp_error = (known & MZ_ICMP4_ERRORS) != 0;
		asks = known & MZ_ICMP4_ASKS;
		answers = known & MZ_ICMP4_ANSWERS;
	}
	p->ports = asks | answers ? id | id << 16 : 0;
	p->event = answers ? MZ_L4_REPLY : MZ_L4_PLAIN;
}

/* Later fragments have no ports of their own: those of the first, if it came
 * before them. Else policy cannot tell whether they may pass. */
static __noinline int mz_ports_of_fragment(struct mz_pkt *p)
{
	struct mz_frag_key key = { .vni = p->vni, .src = p->src, .dst = p->dst, .id = p->frag_id, .proto = p->proto };
	struct mz_frag first = { .ports = p->ports, .seen = mz_now() };
	const struct mz_frag *known;

	if (!p->later) {
		if (!p->trace)
			mz_insert(mz_frags, &key, &first);
		return MZ_NEXT;
	}
	known = mz_lookup(mz_frags, &key);
	if (known && first.seen - known->seen < mz_cfg.flow_timeout[MZ_TIMER_FRAGMENT])
		p->ports = known->ports;
	else if (p->policy)
		return mz_drop(p, MZ_R_POLICY_FRAGMENT);
	else
		p->untracked = 1;
	return MZ_NEXT;
}

/* `size` bytes of transport header, or NULL where the IP packet ends before. */
static __always_inline const __u8 *mz_l4_header(struct mz_pkt *p, __u32 size)
{
	__u32 at = p->l2 + ETH_HLEN + p->l4;

	return at + size <= p->ip_end ? mz_at(p, at, size) : NULL;
}

static __always_inline int mz_read_l4(struct mz_pkt *p)
{
	const __u8 *h = NULL;

	mz_pull_l4(p, p->proto == IPPROTO_TCP || p->proto == IPPROTO_SCTP ? 20 : 8);
	if (p->proto == IPPROTO_TCP) {
		h = mz_l4_header(p, 20);
		if (!h)
			return -1;
		p->event = mz_tcp_event(h[13]);
	} else if (p->proto == IPPROTO_UDP) {
		h = mz_l4_header(p, 8);
		if (!h)
			return -1;
	} else if (p->proto == (p->v6 ? MZ_ICMP6 : IPPROTO_ICMP)) {
		h = mz_l4_header(p, 8);
		if (!h)
			return -1;
		mz_read_icmp(p, h);
		return 0;
	} else if (p->proto == IPPROTO_SCTP) {
		h = mz_l4_header(p, 16);
		if (!h)
			return -1;
		p->event = mz_sctp_event(h[12]);
	} else {
		return 0;
	}
	p->ports = *(const __u32 *)h;
	return 0;
}

/* Here the ways of families and protocols meet again, and the verifier has to
 * walk what follows once, not once for each. */
static __always_inline void mz_merge_parsed(struct mz_pkt *p)
{
	__u32 zero = mz_zero(p);

	p->l4 ^= zero;
	p->ports ^= zero;
	p->proto ^= (__u8)zero;
	p->event ^= (__u8)zero;
	p->icmp_error ^= (__u8)zero;
	p->fragment ^= (__u8)zero;
	p->later ^= (__u8)zero;
	p->df ^= (__u8)zero;
	p->tos ^= (__u8)zero;
	p->untracked ^= (__u8)zero;
}

/* Reads the transport header behind the IP header. Sets ports, event,
 * icmp_error. A header that its packet does not hold ends it with `cut`, a first
 * fragment's too: ports could hide behind it (RFC 1858). */
static __always_inline int mz_stage_l4(struct mz_pkt *p, enum mz_reason cut)
{
	mz_merge_parsed(p);
	if (!p->later && mz_read_l4(p))
		return mz_drop(p, cut);
	if (mz_unlikely(p->fragment))
		MZ_TRY(mz_ports_of_fragment(p));
	mz_merge_parsed(p);
	return MZ_NEXT;
}

#endif
