/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who is in a group: what endpoints say by IGMP (RFC 1112, 2236, 3376) and MLD (RFC
 * 2710, 3810), and what hosts tell bouncers. Every port is one endpoint: a report stands
 * for nobody else, and who leaves leaves nobody behind. */
#ifndef MZ_LIB_GROUP_MEMBER_H
#define MZ_LIB_GROUP_MEMBER_H

#include "bpf/lib/eth.h"
#include "bpf/lib/group.h"

/* Types of records (RFC 3376 4.2.12, RFC 3810 5.2.12). */
#define MZ_RECORD_IS_INCLUDE 1
#define MZ_RECORD_TO_INCLUDE 3
#define MZ_RECORD_BLOCK      6

/* What is said, and by whom; for functions that are verified by themselves. */
struct mz_say {
	struct mz_group_key key;
	__u32 id;    /* interface, or host */
	__u32 hosts; /* it is a host */
	__u32 leave;
	__u32 at, end; /* of what is still to be read */
	__u32 v6;
	__u32 trace;
	__u32 changed; /* somebody came or left */
};

/* Groups that need no members: all hosts', and those of neighbour discovery, which the
 * network answers itself; none leaves the interface. */
static __always_inline int mz_group_is_plain(const struct mz_say *s)
{
	const struct mz_addr *g = &s->key.group;

	if (!s->v6)
		return g->w[3] == mz_htonl(0xe0000001);
	if ((mz_ntohl(g->w[0]) >> 16 & 0xf) <= 1)
		return 1;
	if (g->w[0] != mz_htonl(0xff020000) || g->w[1])
		return 0;
	return (!g->w[2] && g->w[3] == mz_htonl(1)) ||
	       (g->w[2] == mz_htonl(1) && (g->w[3] & mz_htonl(0xff000000)) == mz_htonl(0xff000000));
}

static __always_inline int mz_group_is_one(const struct mz_say *s)
{
	return s->v6 ? mz_ip6_is_group(&s->key.group) : mz_ntohl(s->key.group.w[3]) >> 28 == 0xe;
}

/* Its row, or NULL. */
static __noinline struct mz_group_row *mz_group_row_of(struct mz_group *g, __u32 id)
{
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++)
		if (g->row[i].id == id)
			return &g->row[i];
	return NULL;
}

/* Takes a free row; 0 where there is none. Another CPU may do so as well. */
static __noinline int mz_group_take(struct mz_group *g, __u32 id, __u32 now)
{
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++) {
		if (g->row[i].id || mz_atomic_swap(&g->row[i].id, 0, id))
			continue;
		g->row[i].seen = now;
		return 1;
	}
	return 0;
}

static __always_inline int mz_group_full(const struct mz_say *s)
{
	return s->hosts ? MZ_R_GROUP_HOSTS : MZ_R_GROUP_LIMIT;
}

static __always_inline struct mz_group *mz_group_of(const struct mz_say *s)
{
	struct mz_group_key key = s->key; /* as for mz_own_key() */

	return s->hosts ? mz_lookup(mz_group_hosts, &key) : mz_lookup(mz_groups, &key);
}

/* A new member or host. */
static __always_inline int mz_group_enter(struct mz_say *s, struct mz_group *g)
{
	__u32 slot = s->id & (MZ_PORTS - 1), zero = 0;
	__u32 *use = s->hosts ? NULL : mz_lookup(mz_group_use, &slot);
	struct mz_group_key key = s->key; /* as for mz_own_key() */
	const struct mz_group *none;

	if (use && *use >= MZ_ENDPOINT_GROUPS)
		return MZ_R_GROUP_LIMIT;
	if (!g) {
		none = mz_lookup(mz_new_group, &zero);
		if (!none)
			return mz_group_full(s);
		if (s->hosts)
			mz_insert_new(mz_group_hosts, &key, none);
		else
			mz_insert_new(mz_groups, &key, none);
		g = mz_group_of(s);
	}
	if (!g || !mz_group_take(g, s->id, mz_now()))
		return mz_group_full(s);
	if (use)
		mz_atomic_add(use, 1);
	s->changed = 1;
	return 0;
}

static __noinline int mz_group_is_empty(const struct mz_group *g)
{
	for (__u32 i = 0; i < MZ_GROUP_ROWS; i++)
		if (g->row[i].id)
			return 0;
	return 1;
}

/* With the last one goes the group, so that as many stand as endpoints may be in. */
static __always_inline void mz_group_quit(struct mz_say *s, const struct mz_group *g, struct mz_group_row *row)
{
	__u32 slot = s->id & (MZ_PORTS - 1);
	__u32 *use = s->hosts ? NULL : mz_lookup(mz_group_use, &slot);
	struct mz_group_key key = s->key;

	if (mz_atomic_swap(&row->id, s->id, 0) != s->id)
		return; /* another CPU did */
	s->changed = 1;
	if (use && *use)
		mz_atomic_add(use, -1);
	if (!mz_group_is_empty(g))
		return;
	if (s->hosts)
		mz_remove(mz_group_hosts, &key);
	else
		mz_remove(mz_groups, &key);
}

int mz_group_change(struct mz_say *s);

/* One group, as `s` says. Returns 0, or why it is refused. */
__noinline int mz_group_change(struct mz_say *s)
{
	struct mz_group_row *row = NULL;
	struct mz_group *g;

	if (!s || s->trace || mz_group_is_plain(s))
		return 0;
	g = mz_group_of(s);
	if (g)
		row = mz_group_row_of(g, s->id);
	if (s->leave) {
		if (g && row)
			mz_group_quit(s, g, row);
		return 0;
	}
	if (!row)
		return mz_group_enter(s, g);
	row->seen = mz_now();
	return 0;
}

/* ---- messages ----------------------------------------------------------------- */

struct mz_record {
	__u8   type, aux;
	__be16 sources;
	__be32 group[4]; /* IPv4: the first */
};

int mz_group_record(mz_ctx_t *ctx, struct mz_say *s);

/* The record at s->at, which is moved behind it. Of its sources only whether there are
 * any counts. Returns 0, or why the report ends here. */
__noinline int mz_group_record(mz_ctx_t *ctx, struct mz_say *s)
{
	struct mz_record r = { 0 };
	__u32 n;
	int bad;

	if (!s)
		return 0;
	bad = s->v6 ? mz_ctx_load(ctx, s->at, &r, 20) : mz_ctx_load(ctx, s->at, &r, 8);
	n = mz_ntohs(r.sources);
	s->at += s->v6 ? 20 + n * 16 + r.aux * 4u : 8 + n * 4 + r.aux * 4u;
	if (s->v6)
		__builtin_memcpy(&s->key.group, r.group, sizeof(s->key.group));
	else
		s->key.group = mz_addr4(r.group[0]);
	if (bad || s->at > s->end || !mz_group_is_one(s))
		return s->v6 ? MZ_R_MLD_INVALID : MZ_R_IGMP_INVALID;
	if (!r.type || r.type >= MZ_RECORD_BLOCK) /* unknown ones are passed over (RFC 3376 4.2.12) */
		return 0;
	s->leave = !n && (r.type == MZ_RECORD_IS_INCLUDE || r.type == MZ_RECORD_TO_INCLUDE);
	if (!n && r.type == 5)
		return 0;
	return mz_group_change(s);
}

#define MZ_REPORT_PIECE 128u

/* The sum over the bytes from s->at to s->end, of at most 2048. */
static __noinline __u32 mz_report_sum(mz_ctx_t *ctx, const struct mz_say *s, __u32 sum)
{
	for (__u32 i = 0; i < 2048 / MZ_REPORT_PIECE; i++) {
		__u8 b[MZ_REPORT_PIECE] __attribute__((aligned(8))) = { 0 };
		__u32 at = s->at + i * MZ_REPORT_PIECE, n = s->end - at;

		if (at >= s->end)
			break;
		if (n > MZ_REPORT_PIECE)
			n = MZ_REPORT_PIECE;
		if (mz_ctx_load(ctx, at, b, mz_up_to_128(n)))
			break;
		sum = mz_csum(b, MZ_REPORT_PIECE, sum);
	}
	return sum;
}

/* The pseudo-header of RFC 8200 8.1, without the addresses. */
static __always_inline __u32 mz_report_seed(const struct mz_pkt *p, __u32 len)
{
	__u32 sum;

	if (!p->v6)
		return 0;
	sum = mz_htons((__u16)len) + (__u32)mz_htons(MZ_ICMP6);
	return mz_csum((const __u8 *)&p->dst, 16, mz_csum((const __u8 *)&p->src, 16, sum));
}

struct mz_report {
	__u8   type, code;
	__be16 check;
	__be32 word[5]; /* IGMP: the group; MLD: response time, then the group; v3, v2: the last
			 * 16 bits of the first are how many records follow */
};

/* Who may say it, and is it whole? */
static __always_inline int mz_report_check(struct mz_pkt *p, const struct mz_port *port, struct mz_say *s,
					   struct mz_report *r)
{
	enum mz_reason bad = p->v6 ? MZ_R_MLD_INVALID : MZ_R_IGMP_INVALID;
	const struct mz_ip6 *ip = mz_at(p, ETH_HLEN, sizeof(*ip));
	__u32 len;

	s->at = ETH_HLEN + p->l4;
	s->end = p->ip_end;
	len = s->end - s->at;
	if (p->v6 ? mz_ip6_is_none(&port->ip6) : !port->ip4 || (p->src.w[3] && p->src.w[3] != port->ip4)) {
		mz_note(p, MZ_ST_SPOOF, MZ_OBJ_PORT, port->ifindex, 0);
		return mz_drop(p, MZ_R_SRC_IP);
	}
	/* RFC 3810 5.1.14, 5.2.13: from the link, and no further. */
	if (p->v6 && (!ip || ip->hops != 1 || !(mz_ip6_is_none(&p->src) || mz_ip6_is_link_local(&p->src))))
		return mz_drop(p, bad);
	if (p->fragment || s->end <= s->at || len < 8 || len > 2048)
		return mz_drop(p, bad);
	if (mz_fold(mz_report_sum(p->ctx, s, mz_report_seed(p, len))))
		return mz_drop(p, bad);
	if (len >= sizeof(*r) ? mz_ctx_load(p->ctx, s->at, r, sizeof(*r)) : mz_ctx_load(p->ctx, s->at, r, 8))
		return mz_drop(p, bad);
	if (p->v6 && r->type != MZ_MLD_REPORT_V2 && len < sizeof(*r))
		return mz_drop(p, bad);
	return MZ_NEXT;
}

static __always_inline int mz_report_records(struct mz_pkt *p, struct mz_say *s, __u32 n)
{
	int why = 0;

	s->at += 8;
	for (__u32 i = 0; i < MZ_GROUP_RECORDS && i < n; i++) {
		int rc = mz_group_record(p->ctx, s);

		if (!rc)
			continue;
		why = rc;
		if (why != MZ_R_GROUP_LIMIT) /* what is refused ends nothing */
			break;
	}
	if (!why && n > MZ_GROUP_RECORDS)
		why = MZ_R_GROUP_LIMIT;
	return why;
}

static __always_inline int mz_report(struct mz_pkt *p, struct mz_say *s, const struct mz_report *r)
{
	__u8 type = r->type;

	if (p->v6) {
		__builtin_memcpy(&s->key.group, &r->word[1], sizeof(s->key.group));
		s->leave = type == MZ_MLD_DONE;
	} else {
		s->key.group = mz_addr4(r->word[0]);
		s->leave = type == MZ_IGMP_LEAVE;
	}
	if (type == (p->v6 ? MZ_MLD_REPORT_V2 : MZ_IGMP_REPORT_V3))
		return mz_report_records(p, s, mz_ntohl(r->word[0]) & 0xffff);
	if (!p->v6 && type != MZ_IGMP_REPORT_V1 && type != MZ_IGMP_REPORT_V2 && type != MZ_IGMP_LEAVE)
		return MZ_R_IGMP_INVALID;
	if (!mz_group_is_one(s))
		return p->v6 ? MZ_R_MLD_INVALID : MZ_R_IGMP_INVALID;
	return mz_group_change(s);
}

/* Somebody came or left: the daemon tells bouncers. */
static __noinline void mz_group_tell(struct mz_pkt *p)
{
	struct mz_event e = { .type = MZ_EVENT_GROUP, .vni = p->vni, .src = p->src, .dst = p->dst };

	mz_ring_output(mz_events, &e, sizeof(e));
}

/* All an endpoint says of groups ends here. */
static __always_inline int mz_member_report(struct mz_pkt *p)
{
	const struct mz_port *port = mz_port_of(mz_in_ifindex(p));
	const struct mz_network *net;
	struct mz_say s = { .id = mz_in_ifindex(p), .v6 = p->v6, .trace = p->trace };
	struct mz_report r = { 0 };
	struct mz_addr own;
	int why;

	if (!port)
		return mz_drop(p, MZ_R_NO_PORT);
	if (!p->trace && !mz_may_answer(p))
		return mz_drop(p, MZ_R_ANSWER_RATE);
	MZ_TRY(mz_report_check(p, port, &s, &r));
	if (r.type == (p->v6 ? MZ_MLD_QUERY : MZ_IGMP_QUERY))
		return mz_drop(p, MZ_R_GROUP_QUERY);
	own = p->v6 ? port->ip6 : mz_addr4(port->ip4);
	net = mz_network_of(p->vni, &own);
	if (!net || !(net->flags & MZ_NET_F_MULTICAST))
		return mz_drop(p, MZ_R_MULTICAST);
	s.key.vni = p->vni;
	s.key.network = net->shard;
	why = mz_report(p, &s, &r);
	if (s.changed)
		mz_group_tell(p);
	mz_note(p, MZ_ST_RESPOND, MZ_OBJ_PORT, port->ifindex, 0);
	return mz_drop(p, why ? (enum mz_reason)why : MZ_R_GROUP_REPORT);
}

/* What a host says: its own members, of the group that the inner packet would go to. */
static __always_inline int mz_member_host(struct mz_pkt *p)
{
	const struct mz_network *net = mz_network_of(p->vni, &p->src);
	struct mz_say s = { .id = p->sender, .hosts = 1, .v6 = p->v6, .trace = p->trace, .leave = !p->origin };
	int why;

	if (!net || !(p->opt_flags & MZ_OPT_F_GROUP) || (p->origin && p->origin != p->sender))
		return mz_drop(p, MZ_R_GENEVE_CONTROL);
	s.key.vni = p->vni;
	s.key.network = net->shard;
	s.key.group = p->dst;
	why = mz_group_change(&s);
	return mz_drop(p, why ? (enum mz_reason)why : MZ_R_GROUP_HOST);
}

static __always_inline int mz_group_member(mz_ctx_t *ctx)
{
	struct mz_pkt p = { .ctx = ctx };

	if (mz_function_restore(&p, 0)) {
		if (p.oam)
			mz_member_host(&p);
		else
			mz_member_report(&p);
	}
	return mz_finish(&p);
}

#endif
