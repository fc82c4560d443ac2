// SPDX-License-Identifier: Apache-2.0
// Sends UDP frames out of an interface without a sender's stack in front (XDP's live frames,
// Linux 5.18), on one CPU, as fast as it can, until SIGTERM:
//   live_frames IF GATEWAY_MAC SOURCE DESTINATION BYTES CPU
// To be run in the namespace of IF, with its address SOURCE; port 4000 to 5001. Prints "sending"
// after its first frames, "sent N" at the end.
// What follows the headers is whatever the page held.
#define _GNU_SOURCE // sched_setaffinity
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/linerate/linerate_abi.h" // before the skeleton, which names its types
#include "tools/linerate/live_frames.h"

#include "tools/linerate/generate.skel.h"

enum { CHUNK = 1 << 12, MOST = 1514, HEADERS = 48 };

static void die(const char *what)
{
	fprintf(stderr, "live_frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void mac_of(const char *name, unsigned char *mac)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq r = { 0 };

	strncpy(r.ifr_name, name, IFNAMSIZ - 1);
	if (s < 0 || ioctl(s, SIOCGIFHWADDR, &r))
		die(name);
	memcpy(mac, r.ifr_hwaddr.sa_data, 6);
	close(s);
}

static unsigned short checksum(const void *at, int bytes)
{
	const unsigned short *w = at;
	unsigned int sum = 0;

	for (; bytes > 0; bytes -= 2)
		sum += *w++;
	sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned short)~(sum + (sum >> 16));
}

static void fill(unsigned char *frame, char **argv, int bytes)
{
	struct ether_header eth = { .ether_type = htons(ETHERTYPE_IP) };
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			    .tot_len = htons((unsigned short)(bytes - 14)) };
	struct udphdr udp = { .source = htons(4000), .dest = htons(5001),
			      .len = htons((unsigned short)(bytes - 14 - 20)) };
	unsigned int m[6];

	if (sscanf(argv[2], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6 ||
	    inet_pton(AF_INET, argv[3], &ip.saddr) != 1 || inet_pton(AF_INET, argv[4], &ip.daddr) != 1) {
		errno = EINVAL;
		die("addresses");
	}
	for (int i = 0; i < 6; i++)
		eth.ether_dhost[i] = (unsigned char)m[i];
	mac_of(argv[1], eth.ether_shost);
	ip.check = checksum(&ip, sizeof(ip));
	memcpy(frame, &eth, sizeof(eth));
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 34, &udp, sizeof(udp));
}

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

int main(int argc, char **argv)
{
	static unsigned char frame[MOST];
	struct mz_lr_generate *l;
	unsigned long sent = 0;
	unsigned int bytes;
	cpu_set_t cpu;

	if (argc != 7) {
		fprintf(stderr, "usage: live_frames IF GATEWAY_MAC SOURCE DESTINATION BYTES CPU\n");
		return 2;
	}
	bytes = (unsigned int)atoi(argv[5]);
	if (bytes < 64 || bytes > MOST) {
		errno = ERANGE;
		die(argv[5]);
	}
	CPU_ZERO(&cpu);
	CPU_SET((size_t)atoi(argv[6]), &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		die("CPU");
	fill(frame, argv, (int)bytes);
	l = mz_lr_generate__open();
	if (!l)
		die("program");
	l->rodata->frame.out = if_nametoindex(argv[1]);
	l->rodata->frame.words = HEADERS / 8;
	memcpy(l->rodata->frame.headers, frame, HEADERS);
	if (mz_lr_generate__load(l))
		die("program");
	signal(SIGTERM, stop);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!stopped) {
		int err = mz_live_frames(bpf_program__fd(l->progs.generate), frame, bytes, CHUNK);

		if (err == -EINTR)
			break;
		errno = -err;
		if (err)
			die("live frames");
		if (!sent)
			puts("sending");
		sent += CHUNK;
	}
	printf("sent %lu\n", sent);
	return 0;
}
