// SPDX-License-Identifier: Apache-2.0
// Frames out of an interface by BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18), in C for whoever has a program
// that sends them: transit-linerate, row 8 of the benchmarks, topology tests.
#pragma once

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#define MZ_LIVE_BATCH 64 // as many as a NIC's driver takes at once

// Runs the program for `count` copies of the frame, on this CPU. Returns 0 or -errno; -EINVAL: the frame
// does not fit in a page.
static inline int mz_live_frames(int program, const void *frame, __u32 length, __u32 count)
{
	struct xdp_md md;
	struct bpf_test_run_opts o;

	memset(&md, 0, sizeof(md));
	memset(&o, 0, sizeof(o));
	md.data_end = length;
	o.sz = sizeof(o);
	o.data_in = frame;
	o.data_size_in = length;
	o.ctx_in = &md;
	o.ctx_size_in = sizeof(md);
	o.repeat = (int)count;
	o.batch_size = MZ_LIVE_BATCH;
	o.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	return bpf_prog_test_run_opts(program, &o) ? -errno : 0;
}
