/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which port a local endpoint's new flow has outside. Touches no bytes: what is decided
 * is written by mz_stage_translate(). */
#ifndef MZ_LIB_SNAT_H
#define MZ_LIB_SNAT_H

#include "bpf/lib/network.h"

/* Ports tried for a new mapping. With nine of ten taken one is found 92 times of 100,
 * and the sender's next try looks elsewhere. */
#define MZ_SNAT_TRIES 24

/* Has the protocol a port, or an identifier, that can be exchanged? Not SCTP, whose
 * checksum, a CRC, covers its ports. */
static __always_inline int mz_has_ports(__u32 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMP || proto == MZ_ICMP6;
}

/* The i-th outside port to try for port `port`: itself where it is one of them, or what
 * has its place in the range, so that neighbours stay neighbours and even ports even
 * (RFC 4787 REQ-4; ranges begin at multiples of their size); then any of its parity. */
static __always_inline __u16 mz_snat_port(const struct mz_inside *in, __u16 port, __u32 i, __u32 salt)
{
	__u32 span = (__u32)in->last - in->first + 1, at = port;

	if (i)
		at += 2 * mz_mix32(salt + i);
	return (__u16)(in->first + (at & (span - 1)));
}

/* Both rows of a new mapping. The row of the outside port comes first and is taken only
 * where there is none: no port is given away twice, whoever else looks at the same time.
 * Returns 0 and the port in `m`, or not 0. */
static __always_inline int mz_snat_take(struct mz_mapping_key *key, struct mz_mapping *m,
					const struct mz_inside *in)
{
	__be16 port = key->port, taken = 0;
	const struct mz_mapping *other;
	__u32 salt = mz_mix32(m->seen ^ key->ip.w[3]) + port;
	int rc;

	m->port = port;
	key->outside = 1;
	for (__u32 i = 0; i < MZ_SNAT_TRIES; i++) {
		key->port = mz_htons(mz_snat_port(in, mz_ntohs(port), i, salt));
		rc = mz_insert_new(mz_mappings, key, m);
		if (!rc) {
			taken = key->port;
			break;
		}
		if (rc != -MZ_EEXIST)
			return -1;
	}
	if (!taken)
		return -1;
	m->port = taken;
	key->outside = 0;
	key->port = port;
	rc = mz_insert_new(mz_mappings, key, m);
	if (!rc)
		return 0;
	key->outside = 1; /* no room, or another packet of this port was faster */
	key->port = taken;
	mz_remove(mz_mappings, key);
	key->outside = 0;
	key->port = port;
	other = rc == -MZ_EEXIST ? mz_lookup(mz_mappings, key) : NULL;
	if (!other)
		return -1;
	m->port = other->port;
	return 0;
}

static __always_inline int mz_snat_map(struct mz_talk *t, const struct mz_inside *in)
{
	struct mz_mapping_key key = { .vni = t->flow.vni, .ip = t->flow.local, .port = t->flow.local_port,
				      .proto = (__u8)t->flow.proto };
	struct mz_mapping m = { .seen = mz_now() };
	struct mz_mapping *known = mz_lookup(mz_mappings, &key);

	if (known) {
		m.port = known->port;
		if (!t->trace) {
			known->idle = 0;
			known->seen = m.seen;
		}
	} else if (t->trace) { /* takes none: the one it would be most likely to get */
		m.port = mz_htons(mz_snat_port(in, mz_ntohs(key.port), 0, 0));
	} else if (mz_snat_take(&key, &m, in)) {
		return MZ_R_NAT_PORTS;
	}
	t->from_port = m.port;
	return 0;
}

/* Is it one of the endpoint's forwarded ports, which have their outside ports already? */
static __always_inline int mz_is_forwarded(const struct mz_talk *t)
{
	struct mz_inside_key key = { .vni = t->flow.vni, .ip = t->flow.local, .port = t->flow.local_port,
				     .proto = (__u16)t->flow.proto };

	return mz_lookup(mz_insides, &key) != NULL;
}

static __always_inline int mz_leads_outside(const struct mz_talk *t)
{
	const struct mz_network *net = mz_network_of(t->flow.vni, &t->flow.remote);

	return net && (net->flags & MZ_NET_F_OUTSIDE);
}

int mz_snat_choose(struct mz_talk *t);

/* For a packet that opens the flow t->flow of a local endpoint. Sets the rest of `t`
 * where it goes to the outside under a shared address. Returns 0, or why it is
 * dropped. */
__noinline int mz_snat_choose(struct mz_talk *t)
{
	struct mz_inside_key key = {};
	const struct mz_inside *in;
	int why;

	if (!t || !mz_leads_outside(t))
		return 0;
	key.vni = t->flow.vni;
	key.ip = t->flow.local;
	in = mz_lookup(mz_insides, &key);
	if (!in)
		return MZ_R_NAT_NONE;
	if (in->last - in->first == 0xffff) /* all of them: as they are */
		return 0;
	if (!mz_has_ports(t->flow.proto) || !t->flow.local_port)
		return MZ_R_NAT_PROTOCOL;
	if ((in->flags & MZ_INSIDE_F_FORWARDS) && mz_is_forwarded(t))
		return 0;
	why = mz_snat_map(t, in);
	if (why)
		return why;
	t->to = t->flow.remote;
	t->to_port = t->flow.remote_port;
	t->nat = MZ_FLOW_F_SOURCE;
	t->opens = 1;
	return 0;
}

/* The endpoint's port behind one of its outside ports: t->flow.local_port becomes it.
 * Returns the flow, or NULL where none was opened from inside: endpoint-independent
 * mapping, but what comes in is an answer (RFC 4787 REQ-8, the strictest of the three). */
static __noinline struct mz_flow *mz_snat_back(struct mz_talk *t)
{
	struct mz_mapping_key key = { .vni = t->flow.vni, .ip = t->flow.local, .port = t->flow.local_port,
				      .proto = (__u8)t->flow.proto, .outside = 1 };
	const struct mz_mapping *m = mz_lookup(mz_mappings, &key);
	struct mz_flow *f;

	if (!m)
		return NULL;
	t->from_port = t->flow.local_port;
	t->flow.local_port = m->port;
	if (t->flow.proto == IPPROTO_ICMP || t->flow.proto == MZ_ICMP6)
		t->flow.remote_port = m->port;
	f = mz_flow_at(t);
	if (!f || !(f->flags & MZ_FLOW_F_SOURCE) || f->from_port != t->from_port)
		return NULL;
	return f;
}

#endif
