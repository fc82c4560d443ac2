/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows: what is remembered of each conversation of a local endpoint. */
#ifndef MZ_ABI_FLOWS_H
#define MZ_ABI_FLOWS_H

#include "bpf/abi/types.h"

/* A conversation as its local endpoint sees it. Two endpoints of one host have
 * an entry each, as they would on two hosts. */
struct mz_flow_key {
	__u32 vni;
	struct mz_addr local, remote;
	__be16 local_port, remote_port; /* ICMP queries: the identifier, twice */
	__u32 proto;                    /* IPPROTO_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_flow_key) == 44);

/* Of a TCP connection (RFC 9293) and an SCTP association (RFC 9260) as much as
 * timers and policy need; all else is OPENING, then ESTABLISHED.
 * X(name, text for TCP and SCTP, text for others) */
#define MZ_FLOW_STATES(X) \
	X(OPENING, "SYN_SENT", "UNREPLIED") /* one side has spoken */ \
	X(ANSWERED, "SYN_RECV", "REPLIED")  /* SYN and SYN ACK, INIT and INIT ACK seen */ \
	X(ESTABLISHED, "ESTABLISHED", "REPLIED") \
	X(CLOSING, "FIN_WAIT", "REPLIED")   /* one side has closed */ \
	X(CLOSED, "TIME_WAIT", "REPLIED")   /* both have */ \
	X(RESET, "CLOSE", "REPLIED")        /* RST or ABORT */

enum mz_flow_state {
#define X(name, tcp, other) MZ_FLOW_##name,
	MZ_FLOW_STATES(X)
#undef X
	MZ_FLOW_STATE_COUNT
};

/* Seconds of silence after which a flow has ended. X(name, option, seconds, text) */
#define MZ_FLOW_TIMERS(X) \
	X(TCP_OPENING, "tcp-opening", 240, "RFC 5382 REQ-5: a partly open connection, at least 4 min") \
	X(TCP_ESTABLISHED, "tcp-established", 7440, "RFC 5382 REQ-5: at least 2 h 4 min") \
	X(TCP_CLOSING, "tcp-closing", 240, "RFC 5382 REQ-5: a closing connection, at least 4 min") \
	X(TCP_CLOSED, "tcp-closed", 120, "RFC 9293 3.4.2: 2 MSL, as Linux waits twice over") \
	X(TCP_RESET, "tcp-reset", 10, "as nf_conntrack") \
	X(SCTP_OPENING, "sctp-opening", 60, "as nf_conntrack") \
	X(SCTP_ESTABLISHED, "sctp-established", 7440, "as TCP") \
	X(SCTP_CLOSING, "sctp-closing", 60, "as nf_conntrack") \
	X(UDP_OPENING, "udp-opening", 120, "RFC 4787 REQ-5: at least 2 min") \
	X(UDP_ESTABLISHED, "udp-established", 300, "RFC 4787 REQ-5: 5 min recommended") \
	X(ICMP, "icmp", 60, "RFC 5508 REQ-2: a query, at least 60 s") \
	X(OTHER, "other", 600, "as nf_conntrack") \
	X(FRAGMENT, "fragment", 30, "a first fragment's ports, for the later ones: as nf_conntrack reassembles")

enum mz_flow_timer {
#define X(name, option, seconds, text) MZ_TIMER_##name,
	MZ_FLOW_TIMERS(X)
#undef X
	MZ_FLOW_TIMER_COUNT
};

/* Counts are of packets as the programs see them, superpackets once; two CPUs
 * that carry one direction at once may lose some. Directions: enum mz_dir. */
struct mz_flow {
	__u64 packets[2];
	__u64 bytes[2];
	__u32 seen;    /* last packet, jiffies */
	__u32 opened;  /* first packet, jiffies */
	__u32 timeout; /* jiffies of silence it survives in this state */
	__u32 ifindex; /* the endpoint's, when it was made: another owner of the
			* address does not inherit the flow */
	__u32 errors : 8; /* ICMP errors about it; 255: or more */
	__u32 host : 24;  /* where the other end was, as mz_paths had it, ... */
	__u8  state;   /* MZ_FLOW_* */
	__u8  quiet;   /* directions (bits) in which a plain packet changes nothing */
	__u8  opener;  /* direction of the first packet */
	__u8  flags;   /* MZ_FLOW_F_* */
	/* Of a translated flow. Its key is what the endpoint sees. */
	struct mz_addr to;  /* F_NAT: where its packets go; F_REVERSE: the key's remote */
	__be16 to_port;     /* address and port in the entry this one leads to */
	__be16 from_port;   /* F_SELF, F_SOURCE: the port they come from */
	__u32  policy;      /* the group of the endpoint that allowed it, ... */
	__u32  label;       /* ... and the other end's label set by then */
	__u8   level;       /* MZ_LEVEL() by the rule that allowed it or, F_NAT, by its service; 0 = none */
	__u8   heard;       /* ... as the other end's host says (MZ_LEVEL_TOLD) */
	__u16  taught;      /* ... then, MZ_TAUGHT(jiffies): a turn or two later it is asked again */
};
MZ_ABI_ASSERT(sizeof(struct mz_flow) == 88);

/* Turns in which a flow keeps what it was taught: a second each at 250 Hz. They begin anew after
 * hours; what was true then is taken for true once more for one of them. */
#define MZ_TAUGHT_BITS 8
#define MZ_TAUGHT(jiffies) ((__u16)((jiffies) >> MZ_TAUGHT_BITS))

#define MZ_FLOW_F_CLOSED_OUT 0x1 /* 1 << MZ_DIR_EGRESS: the endpoint has closed */
#define MZ_FLOW_F_CLOSED_IN  0x2 /* 1 << MZ_DIR_INGRESS: the other side has */
#define MZ_FLOW_F_HANDSHAKE  0x4 /* seen from its first packet */
#define MZ_FLOW_F_NAT        0x8 /* to a service: its destination is translated */
#define MZ_FLOW_F_SELF       0x10 /* F_NAT, by the client itself: its source is, too */
#define MZ_FLOW_F_SOURCE     0x40 /* to the outside: its source port is translated */
#define MZ_FLOW_F_REVERSE    0x20 /* no flow: the key a backend's answers have, which
				   * leads to the flow; only `ifindex` and `to` count */

/* First fragment -> its ports, for the later ones. */
struct mz_frag_key {
	__u32 vni;
	struct mz_addr src, dst;
	__be32 id; /* of IPv4, 16 bits */
	__u32 proto;
};
MZ_ABI_ASSERT(sizeof(struct mz_frag_key) == 44);

struct mz_frag {
	__be32 ports; /* as in the packet: source, destination */
	__u32  seen;  /* jiffies */
};
MZ_ABI_ASSERT(sizeof(struct mz_frag) == 8);

/* What became of flows, each CPU for itself. */
struct mz_flow_stats {
	__u64 opened;  /* entries made */
	__u64 refused; /* endpoint's quota reached */
	__u64 failed;  /* no room at all: the packet went on untracked */
};
MZ_ABI_ASSERT(sizeof(struct mz_flow_stats) == 24);

#endif
