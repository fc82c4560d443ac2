/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses between endpoints and services on their own host. The data plane
 * translates without state: a packet of the endpoint in port slot S to a service
 * address arrives on the host from client(S), ports unchanged; what the host
 * sends to client(S) comes out at that endpoint. So the source address is the
 * endpoint's identity, and no endpoint can forge it. Numbers in host order. */
#ifndef MZ_ABI_LOCAL_H
#define MZ_ABI_LOCAL_H

#include "bpf/abi/tables.h"

/* client(S), S = ifindex % MZ_PORTS: 100.64.0.0 + S (RFC 6598) and fd4d:5a00::S. */
#define MZ_CLIENT4       0x64400000u
#define MZ_CLIENT6_HIGH  0xfd4d5a00u /* first word, S is the last */
#define MZ_CLIENT6_WORDS { MZ_CLIENT6_HIGH, 0, 0, 0 }

/* 169.254.169.248/29 holds the services of IPv4. */
#define MZ_SERVICES4      0xa9fea9f8u
#define MZ_SERVICES4_LEN  29
#define MZ_DHCP4_SERVER   0xa9fea9fcu /* 169.254.169.252; also what was broadcast */
#define MZ_DNS_SERVER4    0xa9fea9fdu /* 169.254.169.253 */
#define MZ_METADATA4      0xa9fea9feu /* 169.254.169.254 */

/* Health probes come from 169.254.169.251 and fd4d:5aff::a9fe:a9fb, whose last words
 * are the same. Towards it an endpoint answers, and never opens: TCP with ACK or RST. */
#define MZ_PROBER4 0xa9fea9fbu

/* The host's own processes, to ports of endpoints that the host allows, are
 * 169.254.169.250 and fd4d:5aff::a9fe:a9fa; the same holds. */
#define MZ_HOST4 0xa9fea9fau

/* fd4d:5aff::547, fd4d:5aff::53, fd4d:5aff::a9fe:a9fe */
#define MZ_SERVICES6_HIGH     0xfd4d5affu
#define MZ_DHCP6_SERVER_LOW   0x00000547u
#define MZ_DHCP6_SERVER_WORDS { MZ_SERVICES6_HIGH, 0, 0, MZ_DHCP6_SERVER_LOW } /* also what went to ff02::1:2 */
#define MZ_DNS_SERVER6_WORDS  { MZ_SERVICES6_HIGH, 0, 0, 0x00000053u }
#define MZ_METADATA6_WORDS    { MZ_SERVICES6_HIGH, 0, 0, 0xa9fea9feu }
#define MZ_PROBER6_WORDS      { MZ_SERVICES6_HIGH, 0, 0, MZ_PROBER4 }
#define MZ_HOST6_WORDS        { MZ_SERVICES6_HIGH, 0, 0, MZ_HOST4 }

#define MZ_DNS_PORT          53
#define MZ_METADATA_PORT     80
#define MZ_DHCP4_SERVER_PORT 67
#define MZ_DHCP4_CLIENT_PORT 68
#define MZ_DHCP6_SERVER_PORT 547
#define MZ_DHCP6_CLIENT_PORT 546

MZ_ABI_ASSERT((MZ_CLIENT4 & (MZ_PORTS - 1)) == 0); /* one addition never carries */

#endif
