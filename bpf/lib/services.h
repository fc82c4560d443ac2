/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services of the host for its endpoints: DHCP, DNS, metadata (bpf/abi/local.h); and
 * the prober of backends, whose connections go the other way.
 * They are ordinary sockets behind one veth; their clients get addresses that say
 * who they are, by arithmetic: local.h on the way there, reply.h on the way back. */
#ifndef MZ_LIB_SERVICES_H
#define MZ_LIB_SERVICES_H

#include "bpf/abi/local.h"
#include "bpf/lib/ip6.h"
#include "bpf/lib/nat.h"
#include "bpf/lib/rewrite.h"

#define MZ_PORT_PAIR(src, dst) mz_htonl((__u32)(src) << 16 | (dst))

static __always_inline struct mz_addr mz_words(__u32 a, __u32 d)
{
	struct mz_addr w = { .w = { mz_htonl(a), 0, 0, mz_htonl(d) } };

	return w;
}

static __always_inline int mz_is_service4(__be32 be)
{
	return (mz_ntohl(be) & ~((1u << (32 - MZ_SERVICES4_LEN)) - 1)) == MZ_SERVICES4;
}

static __always_inline int mz_is_service6(const struct mz_addr *a)
{
	return a->w[0] == mz_htonl(MZ_SERVICES6_HIGH) && !(a->w[1] | a->w[2]);
}

/* What the services offer, by the port on their side. */
static __always_inline int mz_is_offered(const struct mz_pkt *p, __u32 port)
{
	if (p->proto == IPPROTO_UDP)
		return port == MZ_DNS_PORT || port == (p->v6 ? MZ_DHCP6_SERVER_PORT : MZ_DHCP4_SERVER_PORT);
	return p->proto == IPPROTO_TCP && (port == MZ_DNS_PORT || port == MZ_METADATA_PORT);
}

/* Of either family, once it is known to be a service's address. */
static __always_inline int mz_is_prober(const struct mz_addr *a)
{
	return a->w[3] == mz_htonl(MZ_PROBER4);
}

static __always_inline int mz_is_host(const struct mz_addr *a)
{
	return mz_cfg.host && a->w[3] == mz_htonl(MZ_HOST4);
}

/* May the host reach this port of an endpoint? */
static __always_inline int mz_is_host_port(__be16 port)
{
	int is = 0;

	for (__u32 i = 0; i < MZ_HOST_PORTS; i++)
		is |= port == mz_cfg.host_ports[i];
	return is && port;
}

/* What an endpoint may send to a service, and to the prober or the host: there it opens
 * nothing. */
static __always_inline int mz_may_ask(struct mz_pkt *p)
{
	const __u8 *tcp;

	if (mz_is_host(&p->dst)) {
		if (!mz_is_host_port((__be16)p->ports))
			return 0;
	} else if (!mz_cfg.services) {
		return 0;
	} else if (!mz_is_prober(&p->dst)) {
		return mz_is_offered(p, mz_ntohl(p->ports) & 0xffff);
	}
	tcp = p->proto == IPPROTO_TCP ? mz_l4_header(p, 20) : NULL;
	return tcp && (tcp[13] & (MZ_TCP_ACK | MZ_TCP_RST));
}

#endif
