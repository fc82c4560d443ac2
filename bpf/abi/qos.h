/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Quality of service: what class a packet is of, and when it may leave. Rates are kept by
 * earliest departure time (Saeed et al., Carousel, SIGCOMM 2017): each limit is a clock that
 * a packet moves on by the time it takes at that rate; it leaves at the latest of its clocks.
 * Times are ticks, 1/256 of a nanosecond of CLOCK_MONOTONIC, so that a packet of 64 bytes at
 * 100 Gbit/s is counted to 0.1 %. They wrap every 2.3 years, and are compared by difference. */
#ifndef MZ_ABI_QOS_H
#define MZ_ABI_QOS_H

#include "bpf/abi/types.h"

#define MZ_TICK_BITS 8  /* a tick is 2^-8 ns */
#define MZ_RATE_BITS 20 /* what a byte takes is told in 2^-20 ns: 0.01 % at 400 Gbit/s */

#define MZ_CLASSES 3u
enum mz_class { MZ_CLASS_PREMIUM, MZ_CLASS_EXPEDITED, MZ_CLASS_BEST_EFFORT };

/* Class and priority in one number, as packets carry it: 0 = not said, which is taken for
 * MZ_LEVEL_DEFAULT. Lower goes first. */
#define MZ_PRIORITIES 3u
#define MZ_LEVEL(class_, priority) (1u + (class_) * MZ_PRIORITIES + (priority))
#define MZ_LEVEL_DEFAULT MZ_LEVEL(MZ_CLASS_BEST_EFFORT, 1u)
#define MZ_LEVELS (1u + MZ_CLASSES * MZ_PRIORITIES)
/* Or'ed to it in a packet: the level is its conversation's, by a service or a rule of the
 * sender's host, not its endpoint's own: the answers are to have it, too. */
#define MZ_LEVEL_TOLD 0x80u

/* What a level is outside the overlay. Slot: the level; MZ_LEVEL_OF_DSCP + DSCP: what an
 * endpoint's own DSCP means where it is trusted, of which `level` alone counts. */
struct mz_level {
	__u32 priority; /* skb->priority: by it the uplink's qdisc finds a band or a class */
	__u8  outer;    /* DSCP of tunnel packets */
	__u8  inner;    /* F_INNER: DSCP written into the endpoint's own packet */
	__u8  level;
	__u8  flags;    /* MZ_LEVEL_F_* */
};
MZ_ABI_ASSERT(sizeof(struct mz_level) == 8);

#define MZ_LEVEL_OF_DSCP 16u
#define MZ_LEVEL_SLOTS   (MZ_LEVEL_OF_DSCP + 64u)
#define MZ_LEVEL_F_PACED 0x1 /* the uplink's qdisc keeps packets until skb->tstamp */
#define MZ_LEVEL_F_INNER 0x2
#define MZ_LEVEL_F_SPREAD 0x4 /* the level has MZ_LEVEL_QUEUES queues of equal parts: an endpoint's
			       * interface index, modulo that, is added to `priority` */
#define MZ_LEVEL_QUEUES 32u

/* One limit. Queues are virtual: how far its clock is ahead of now. */
struct mz_limit {
	__u64 byte;    /* 2^-20 ns a byte takes; 0 = any number of bytes */
	__u64 packet;  /* ticks a packet takes; 0 = any number of packets */
	__u64 floor;   /* 2^-20 ns a byte takes of the rate that is guaranteed; 0 = none */
	__u64 burst;   /* ticks the clock may lag behind now */
	__u64 mark;    /* queue past which ECN marks, ticks */
	__u64 drop;    /* ... past which CoDel drops (RFC 8289: its target) */
	__u64 bucket;  /* ... past which everything is dropped, where nothing keeps packets: how much
			* goes at once then */
	__u64 horizon; /* ... past which everything is, where something does */
};
MZ_ABI_ASSERT(sizeof(struct mz_limit) == 64);

/* The limits of an endpoint, a VPC on this host, or the uplink, in one direction. The whole
 * is served in the order of classes: none waits for what a later one has sent. */
struct mz_shaper {
	__u32 flags;    /* MZ_SHAPER_F_* */
	__u32 overhead; /* bytes a packet grows by on the wire, besides what it is here */
	struct mz_limit whole;
	struct mz_limit class_[MZ_CLASSES]; /* ceilings and guarantees inside the whole */
};
MZ_ABI_ASSERT(sizeof(struct mz_shaper) == 264);

#define MZ_SHAPER_F_WHOLE   0x1 /* `whole` limits something */
#define MZ_SHAPER_F_CLASSES 0x2 /* one of `class_` does */

/* Slots of the shapers table: 0 is nobody's. Others are handed out by the daemon. */
#define MZ_SHAPER_UPLINK_OUT 1u
#define MZ_SHAPER_UPLINK_IN  2u
#define MZ_SHAPER_FIRST      3u
#define MZ_SHAPERS           8192u /* unless the daemon gives the tables another size */

/* No clock that is in use is further ahead: packets are dropped long before. One that is,
 * after a year's silence or because time went back, stands for one that is idle. */
#define MZ_CLOCK_MOST (60ull * 1000000000ull << MZ_TICK_BITS)

/* When the next packet may leave by one limit, and CoDel's state of its queue. Two CPUs may
 * lose one another's changes of that, never of the clocks. */
struct mz_limit_clock {
	__u64 bytes;
	__u64 sparse; /* of flows without a queue, which pass those that have one, at half the rate */
	__u64 packets;
	__u64 above;     /* since when the queue has been past `drop`; 0 = it is not */
	__u64 next_drop;
	__u32 drops;     /* since the queue was last short */
	__u32 pad;
};
MZ_ABI_ASSERT(sizeof(struct mz_limit_clock) == 48);

struct mz_class_clocks {
	struct mz_limit_clock whole; /* the whole as this class sees it: moved on by it and those before it */
	struct mz_limit_clock own;   /* the class's ceiling */
	__u64 floor;                 /* the class's guarantee against the whole */
};
MZ_ABI_ASSERT(sizeof(struct mz_class_clocks) == 104);

struct mz_clocks {
	struct mz_class_clocks class_[MZ_CLASSES];
	__u64 floor; /* the whole's guarantee against what it is part of */
};
MZ_ABI_ASSERT(sizeof(struct mz_clocks) == 320);

/* What became of a class's packets at a shaper; superpackets count as what the wire sees. */
struct mz_shaped {
	__u64 packets;
	__u64 bytes; /* with `overhead` */
	__u64 marked;
	__u64 dropped;
	__u64 delay; /* ns they were to wait, in all */
};
struct mz_shaped_classes {
	struct mz_shaped class_[MZ_CLASSES];
};
MZ_ABI_ASSERT(sizeof(struct mz_shaped_classes) == 120);

/* Flow (by its hash) and shaper -> until when the flow has packets in the queue, ticks. */
#define MZ_SPARSE_SLOTS 65536u

/* The packet that is being shaped: the programs' stack is short. */
#define MZ_SHAPER_TIERS 5 /* uplink, VPC and endpoint of the sender; VPC and endpoint of the receiver */
struct mz_shaping {
	__u64 ns;    /* CLOCK_MONOTONIC */
	__u64 now;   /* the same in ticks */
	__u64 waits; /* how long the packet is to wait, ticks */
	__u32 shaper[MZ_SHAPER_TIERS];
	__u32 class_;   /* enum mz_class */
	__u32 bytes;    /* of the frame and its segments' headers, */
	__u32 wire;     /* ... with what the shaper at hand adds */
	__u32 segments;
	__u32 slot;       /* of its flow, in the sparse table */
	__u32 why;        /* enum mz_reason: to be dropped, */
	__u32 dropped_by; /* ... by this shaper */
	__u8  sparse;     /* its flow has no packet waiting; MZ_SPARSE_UNKNOWN: not looked at */
	__u8  paced;      /* something keeps it until its time */
	__u8  ect;        /* may be marked */
	__u8  mark;       /* is to be */
	__u32 pad;
};
MZ_ABI_ASSERT(sizeof(struct mz_shaping) == 80);

#define MZ_SPARSE_UNKNOWN 2

#endif
