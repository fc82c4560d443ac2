// SPDX-License-Identifier: Apache-2.0
// Rows 8 and 13v: frames through a hop, or to a tap, by BPF_F_TEST_XDP_LIVE_FRAMES.
//   live attach IF redirect|tx  an empty hop on an interface
//   live attach IF TAP          what redirects all to a tap
//   live drain TAP              reads it until it is killed
//   live run IF DMAC SECONDS [ENDPOINT]
//                               tunnel packets out of IF, counted when they come back; prints
//                               {"mpps":..,"sent":..,"received":..,"seconds":..}, once for warming up
// Run it in the namespace of IF. The frames are those of a host 1 (10.77.1.1)
// to a hop (10.77.3.1), VNI 100, for endpoints 10.0.4.0-10.0.7.255, or for one.
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bpf/abi/tables.h" // before the skeletons, which name its types
#include "perf/bench_abi.h"
#include "selftests/bpf/frame.h"
#include "tools/linerate/linerate_abi.h"
#include "tools/linerate/live_frames.h"

#include "perf/bench_live.skel.h"
#include "tools/linerate/generate.skel.h"

enum { CHUNK = 1 << 15, WORDS = 9 /* of headers that are written anew */ };

static void die(const char *what)
{
	fprintf(stderr, "live: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct mz_bench_live *load(int out)
{
	struct mz_bench_live *l = mz_bench_live__open();
	struct bpf_map *m;

	if (!l)
		die("open");
	bpf_object__for_each_map(m, l->obj)
		bpf_map__set_pin_path(m, NULL);
	l->rodata->out = (uint32_t)out;
	if (mz_bench_live__load(l))
		die("load");
	return l;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct frame frame_to(const char *dmac)
{
	struct frame f = TUNNEL(.src = IP4(10, 77, 1, 1), .dst = IP4(10, 77, 3, 1), .vni = 100, .sender = 1,
				.origin = 1, .in.src = IP4(10, 0, 128, 1), .in.dst = IP4(10, 0, 4, 0));
	unsigned m[6];

	if (sscanf(dmac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		die(dmac);
	for (int i = 0; i < 6; i++)
		f.b[i] = (uint8_t)m[i];
	return f;
}

static struct mz_lr_generate *generator(const struct frame *f, int ifindex, const char *endpoint)
{
	struct mz_lr_generate *g = mz_lr_generate__open();
	struct mz_lr_frame *to;

	if (!g)
		die("open the generator");
	to = &g->rodata->frame;
	memcpy(to->headers, f->b, WORDS * 8);
	to->words = WORDS;
	to->out = (uint32_t)ifindex;
	to->inner_at = MZ_OUTER_LEN4 + 14;
	to->dst_base = IP4(10, 0, 4, 0);
	to->dst_mask = 1023;
	if (endpoint) {
		to->dst_base = ntohl(inet_addr(endpoint));
		to->dst_mask = 0;
	}
	if (mz_lr_generate__load(g))
		die("load the generator");
	return g;
}

// What is under way when the generator stops is not worth waiting for.
static void run(struct mz_bench_live *l, struct mz_lr_generate *g, const struct frame *f, double seconds)
{
	double start, took = 0;
	uint64_t sent = 0, from = l->bss->received;

	start = now();
	while (took < seconds) {
		int err = mz_live_frames(bpf_program__fd(g->progs.generate), f->b, f->len, CHUNK);

		errno = -err;
		if (err)
			die("live frames");
		sent += CHUNK;
		took = now() - start;
	}
	from = l->bss->received - from;
	printf("{\"mpps\": %.4f, \"sent\": %lu, \"received\": %lu, \"seconds\": %.3f}\n", (double)from / took / 1e6,
	       (unsigned long)sent, (unsigned long)from, took);
}

static void attach(int ifindex, const char *way)
{
	struct mz_bench_live *l = load((int)if_nametoindex(way));
	struct bpf_program *empty = !strcmp(way, "redirect") ? l->progs.empty_redirect
				    : !strcmp(way, "tx")     ? l->progs.empty_tx
							     : l->progs.empty_deliver;

	if (bpf_xdp_attach(ifindex, bpf_program__fd(empty), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
}

static void drain(const char *tap)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR);
	static uint8_t frame[65536];

	strncpy(r.ifr_name, tap, sizeof(r.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		die(tap);
	while (read(fd, frame, sizeof(frame)) > 0)
		;
	die(tap);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct mz_bench_live *l;
	struct mz_lr_generate *g;
	struct frame f;
	int ifindex;

	if (!(argc == 4 && !strcmp(what, "attach")) && !(argc == 3 && !strcmp(what, "drain")) &&
	    !((argc == 5 || argc == 6) && !strcmp(what, "run"))) {
		fprintf(stderr, "usage: live attach IF redirect|tx|TAP | live drain TAP | live run IF DMAC SECONDS [ENDPOINT]\n");
		return 2;
	}
	ifindex = (int)if_nametoindex(argv[2]);
	if (!ifindex)
		die(argv[2]);
	if (!strcmp(what, "drain"))
		drain(argv[2]);
	if (!strcmp(what, "attach")) {
		attach(ifindex, argv[3]);
		return 0;
	}
	l = load(0);
	if (bpf_xdp_attach(ifindex, bpf_program__fd(l->progs.sink), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
	f = frame_to(argv[3]);
	g = generator(&f, ifindex, argc == 6 ? argv[5] : NULL);
	run(l, g, &f, atof(argv[4]) / 10); // warm up
	fflush(stdout);
	run(l, g, &f, atof(argv[4]));
	bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	return 0;
}
