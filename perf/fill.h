// SPDX-License-Identifier: Apache-2.0
// The tables that micro's and paths' cases find: sizes and addresses, and who fills them.
#ifndef MZ_PERF_FILL_H
#define MZ_PERF_FILL_H

#include <stdint.h>

#include "bpf/abi/tables.h"
#include "selftests/bpf/frame.h"

struct bpf_object;

enum { VNI = 7, SELF = 1, PEER = 2, HOSTS = 256, NETWORKS = 1024, PATHS = 4096, PORTS = 64, BACKENDS = 1024, VIPS = 4096 };
enum { ENDPOINTS = IP4(10, 0, 0, 0), REMOTES = IP4(11, 0, 0, 0), FAR_NETS = IP4(12, 0, 0, 0), SERVICES = IP4(13, 0, 0, 0) };

// Remote addresses of the host's cases, from REMOTES on: 4,096, the first 256 of 16 blocks each.
#define SPREAD 0xf00ffu
// The endpoint's, to who sent it what TUNNEL() has in it.
#define ANSWER() INNER(.payload = 100, .src = ENDPOINTS, .sport = 2000, .dport = 1000)

struct mz_addr addr4(uint32_t v); // host order
struct mz_cfg config(void); // of host SELF; nothing ages
// Lines of mz_homes for as many endpoints, as the daemon has them; and mz_cfg's home_shift for them.
uint32_t home_lines(uint32_t endpoints);
uint32_t home_shift(uint32_t lines);

// Of the program that fills: into a kernel's tables, or the native ones (obj NULL).
void put(struct bpf_object *obj, const char *map, const void *key, const void *value);
void put_batch(struct bpf_object *obj, const char *map, const void *keys, const void *values, uint32_t n);

void fill_hosts(struct bpf_object *obj);
// A power of two of them, from ENDPOINTS on: behind interface 1, or with hosts in turn.
void fill_endpoints(struct bpf_object *obj, uint32_t count, int local, uint32_t policy);
// The same of VPCs from VNI on, so many each, with hosts in turn; 1,024 in all and more.
void fill_vpcs(struct bpf_object *obj, uint32_t vpcs, uint32_t each);
// NETWORKS of /24 from FAR_NETS on, served by every host in turn.
void fill_networks(struct bpf_object *obj);
// PATHS from REMOTES on, and those of SPREAD, seen at `now` (jiffies).
void fill_paths(struct bpf_object *obj, uint32_t now);
// The endpoint `ip` behind interface 1; flags: MZ_EP_F_*.
void fill_port(struct bpf_object *obj, uint32_t ip, uint16_t flags, uint32_t policy);
// The first `limits` of that endpoint's own, its VPC's and the uplink's rates, so high that
// nobody waits: 2^40 bits a second.
void fill_shapers(struct bpf_object *obj, uint32_t limits);
// Groups from 1 on, of as many rules each and one that denies the rest (bench_abi.h).
void fill_policy(struct bpf_object *obj, uint32_t groups, uint32_t rules);
// VIPS services from SERVICES on, of BACKENDS remote backends, all by one table.
void fill_services(struct bpf_object *obj);

#endif
