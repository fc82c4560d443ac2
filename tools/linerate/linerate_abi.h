/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What transit-linerate's frames carry, and what its programs share with it. */
#ifndef MZ_LINERATE_ABI_H
#define MZ_LINERATE_ABI_H

#include "bpf/abi/types.h"

#define MZ_LR_PORT    7 /* UDP; RFC 2544, C.2.6.4 */
#define MZ_LR_MAGIC   0x4c52
#define MZ_LR_STREAMS 64 /* senders of a trial, one a CPU */
#define MZ_LR_TRIALS  4  /* whose counts are kept */

/* Behind the UDP header: a frame of 64 bytes has room for just this. What follows is mz_lr_pattern(). */
struct mz_lr_stamp {
	__be16 magic;
	__be16 trial;
	__be16 stream;
	__be32 seq;
	__u64  ns; /* CLOCK_MONOTONIC, the sender's byte order; 0: not to be timed */
} __attribute__((packed, aligned(2)));
MZ_ABI_ASSERT(sizeof(struct mz_lr_stamp) == 18);

#define MZ_LR_HEADER 42 /* Ethernet, IPv4, UDP */

/* 8 bytes of the payload, `at` bytes behind the stamp, a multiple of 8: each byte is the low half
 * of its offset. In memory order on little-endian machines alone, as all of this tool. */
static inline __u64 mz_lr_pattern(__u32 at)
{
	return 0x0706050403020100ull + (at & 0xff) * 0x0101010101010101ull;
}

/* Headers of a sender's frames; pages come back as who received them left them. */
#define MZ_LR_WORDS 14
struct mz_lr_frame {
	__u64 headers[MZ_LR_WORDS];
	__u32 words;     /* of them; the frame is at least as long */
	__u32 out;       /* interface */
	__u32 stamp_at;  /* offset, 0: none */
	__u32 inner_at;  /* offset of an IPv4 header whose destination varies, 0: none */
	__u32 dst_base;  /* host order: base + (random & mask) */
	__u32 dst_mask;
	__u32 stream;
	__u32 pad;
};

/* When frames are due. In the generator's program too: each run of live frames costs a millisecond
 * to set up, which no rate survives that is kept outside of it. */
struct mz_lr_pace {
	__u64 start; /* CLOCK_MONOTONIC; 0: with the first look at the clock */
	__u64 gap;   /* between two frames, ns << MZ_LR_GAP_BITS, which leaves room for four hours; 0: none */
	__u64 most;  /* frames that are made up for */
	__u64 last;  /* when some were due */
};

#define MZ_LR_GAP_BITS 20
#define MZ_LR_BATCH    64 /* frames between two looks at the clock */

/* Frames to send now. Who was kept from sending for long does not make up for it: that would be a
 * burst, which the rate does not say. */
static inline __u64 mz_lr_due(struct mz_lr_pace *p, __u64 now, __u64 sent)
{
	__u64 owed;

	if (!p->start)
		p->start = now;
	if (!p->gap) {
		p->last = now;
		return MZ_LR_BATCH;
	}
	owed = ((now - p->start) << MZ_LR_GAP_BITS) / p->gap + 1;
	if (owed <= sent)
		return 0;
	owed -= sent;
	if (owed > p->most) {
		p->start += ((owed - p->most) * p->gap) >> MZ_LR_GAP_BITS;
		owed = p->most;
	}
	p->last = now;
	return owed < MZ_LR_BATCH ? owed : MZ_LR_BATCH;
}

/* What a sender has sent, and is to send. */
struct mz_lr_sender {
	__u64 seq; /* stamps have its lower half */
	__u32 trial;
	__u32 seed;
	__u32 thread;    /* whose frames `refused` counts */
	__u32 timed;     /* some of the frames are */
	__u32 time_mask; /* those whose sequence numbers have none of these bits */
	__u32 pad;
	__u64 refused;   /* by the interface: never on the wire */
	__u64 frames;    /* in all */
	__u64 granted;   /* may be sent before the next look at the clock */
	struct mz_lr_pace pace;
};

/* Latency: 32 buckets for each power of two, so 3 % wide; the last takes all above. */
#define MZ_LR_BUCKETS 1024

static inline __u32 mz_lr_bucket(__u64 ns)
{
	__u32 shift = 0;

	if (ns >= 1ull << 36)
		return MZ_LR_BUCKETS - 1;
	for (__u32 step = 16; step; step /= 2) { /* until below 64 */
		if (ns >> (step + 5)) {
			ns >>= step;
			shift += step;
		}
	}
	return ns < 32 ? (__u32)ns : shift * 32 + (__u32)ns;
}

/* One stream of a trial, as it was received. */
struct mz_lr_stream {
	__u64 received; /* once each; the others are duplicates */
	__u64 bytes;
	__u64 duplicates;
	__u64 reordered;    /* behind a later one */
	__u64 late;         /* so far behind that it may be a duplicate; not in `received` */
	__u64 wrong_length; /* not what the headers say, or cut */
	__u64 corrupted;    /* payload; only where it is looked at */
	__u64 timed;
	__u64 slowest; /* ns */
	__u32 next;    /* behind the highest sequence number */
	__u32 trial;
	__u64 latency[MZ_LR_BUCKETS];
};

/* Sequence numbers seen: 32 a word, whose upper half says which trial and round they are of.
 * A frame may be 2^20 behind the newest and still be told from a duplicate. */
#define MZ_LR_SEEN_WORDS (1u << 15)

struct mz_lr_receiver {
	__u32 trial;  /* the one that counts, 0: any */
	__u32 verify; /* look at payloads */
	__u32 out;    /* where reflected frames leave, 0: where they came */
	__u32 pad;
	__u64 stale;     /* of another trial */
	__u64 reflected;
	__u64 foreign; /* went on to the kernel */
};

static inline __u32 mz_lr_slot(__u32 trial, __u32 stream)
{
	return trial % MZ_LR_TRIALS * MZ_LR_STREAMS + stream;
}

#endif
