// SPDX-License-Identifier: Apache-2.0
// TC and XDP: the real objects, loaded into this process, pinned under a
// folder of its own, run by BPF_PROG_TEST_RUN.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/abi/tables.h" // before the skeletons, which name its types

#include "bpf/endpoint_answer.skel.h"
#include "bpf/endpoint_egress.skel.h"
#include "bpf/gateway_in.skel.h"
#include "bpf/gateway_out.skel.h"
#include "bpf/group_copy.skel.h"
#include "bpf/group_member.skel.h"
#include "bpf/uplink_deliver.skel.h"
#include "bpf/uplink_hop.skel.h"
#include "bpf/clock.skel.h"
#include "selftests/bpf/answer_xdp.skel.h"
#include "selftests/bpf/egress_xdp.skel.h"
#include "selftests/bpf/gateway_in_xdp.skel.h"
#include "selftests/bpf/gateway_out_xdp.skel.h"
#include "bpf/services_reply.skel.h"
#include "selftests/bpf/reply_xdp.skel.h"
#include "bpf/function_reply.skel.h"
#include "bpf/function_resume.skel.h"
#include "bpf/hop_resume.skel.h"
#include "selftests/bpf/function_reply_xdp.skel.h"
#include "selftests/bpf/bpffs.h"
#include "selftests/bpf/kernel.h"
#include "selftests/bpf/target.h"

static struct {
	char pins[128];
	struct mz_endpoint_egress *tc_egress;
	struct mz_uplink_deliver *tc_ingress;
	struct mz_egress_xdp *xdp_egress;
	struct mz_uplink_hop *xdp_ingress;
	struct { // the same, loaded with MZ_CFG_F_KEEP_FLOWS
		struct mz_endpoint_egress *tc_egress;
		struct mz_uplink_deliver *tc_ingress;
		struct mz_egress_xdp *xdp_egress;
		struct mz_uplink_hop *xdp_ingress;
	} keeps;
	bool keep;
	struct mz_services_reply *tc_reply;
	struct mz_reply_xdp *xdp_reply;
	struct mz_gateway_out *tc_out;
	struct mz_gateway_in *tc_in;
	struct mz_gateway_out_xdp *xdp_out;
	struct mz_gateway_in_xdp *xdp_in;
	struct mz_function_reply *tc_returned;
	struct mz_function_reply_xdp *xdp_returned;
	struct mz_endpoint_answer *tc_answer;
	struct mz_answer_xdp *xdp_answer;
	struct mz_group_copy *tc_copy;
	struct mz_group_member *tc_member;
	int capture; // socket that sees what leaves
	uint32_t copied;
	struct {
		uint32_t ifindex;
		struct frame f;
	} copies[64];
	struct mz_function_resume *tc_resume;
	struct mz_hop_resume *xdp_resume;
	struct bpf_object *told[MZ_FUNCTION_SLOTS];
	struct mz_clock *clock;
	struct ring_buffer *ring;
	uint32_t events;
	union mz_any_event last;
} s;

static int on_event(void *ctx, void *data, size_t size)
{
	(void)ctx;
	memcpy(&s.last, data, size < sizeof(s.last) ? size : sizeof(s.last));
	s.events++;
	return 0;
}

// Loads one skeleton with the test's configuration, more flags and the shared pins.
#define LOAD(field, type) LOAD_WITH(field, type, 0)
#define LOAD_WITH(field, type, more)                                                   \
	do {                                                                           \
		LIBBPF_OPTS(bpf_object_open_opts, o, .pin_root_path = s.pins);         \
		s.field = type##__open_opts(&o);                                       \
		if (!s.field)                                                          \
			return -errno;                                                 \
		s.field->rodata->mz_cfg = test_cfg();                                  \
		s.field->rodata->mz_cfg.flags |= (more);                               \
		if (type##__load(s.field))                                             \
			return -errno;                                                 \
	} while (0)

static int map_fd(const char *name)
{
	struct bpf_map *m = bpf_object__find_map_by_name(s.tc_in->obj, name);

	return m ? bpf_map__fd(m) : -1;
}

static int put_program(const char *map, uint32_t slot, int fd)
{
	return bpf_map_update_elem(map_fd(map), &slot, &fd, BPF_ANY);
}

static int answers(bool there)
{
	const uint32_t slot = MZ_FUNCTION_ANSWER;

	if (!there)
		return bpf_map_delete_elem(map_fd("mz_function_tc"), &slot) ||
		       bpf_map_delete_elem(map_fd("mz_function_xdp"), &slot);
	return put_program("mz_function_tc", slot, bpf_program__fd(s.tc_answer->progs.mz_endpoint_answer)) ||
	       put_program("mz_function_xdp", slot, bpf_program__fd(s.xdp_answer->progs.mz_answer_xdp));
}

bool only_tc(void)
{
	return getenv("PACKET_ONLY_TC") != NULL;
}

static int open_all(void)
{
	if (s.tc_ingress)
		return 0;
	snprintf(s.pins, sizeof(s.pins), BPFFS "/mz-selftest-%d", getpid());
	LOAD(tc_ingress, mz_uplink_deliver);
	LOAD(tc_egress, mz_endpoint_egress);
	LOAD(tc_reply, mz_services_reply);
	LOAD(tc_out, mz_gateway_out);
	LOAD(tc_in, mz_gateway_in);
	LOAD(tc_returned, mz_function_reply);
	LOAD(tc_answer, mz_endpoint_answer);
	LOAD(xdp_answer, mz_answer_xdp);
	LOAD(tc_copy, mz_group_copy);
	LOAD(tc_member, mz_group_member);
	LOAD(tc_resume, mz_function_resume);
	LOAD(xdp_resume, mz_hop_resume);
	if (!only_tc()) {
		LOAD(xdp_ingress, mz_uplink_hop);
		LOAD(xdp_egress, mz_egress_xdp);
		LOAD(xdp_reply, mz_reply_xdp);
		LOAD(xdp_out, mz_gateway_out_xdp);
		LOAD(xdp_in, mz_gateway_in_xdp);
		LOAD(xdp_returned, mz_function_reply_xdp);
	}
	if (put_program("mz_function_tc", MZ_FUNCTION_RESUME, bpf_program__fd(s.tc_resume->progs.mz_function_resume)) ||
	    put_program("mz_function_xdp", MZ_FUNCTION_RESUME, bpf_program__fd(s.xdp_resume->progs.mz_hop_resume)) ||
	    put_program("mz_group_tc", MZ_GROUP_COPY, bpf_program__fd(s.tc_copy->progs.mz_group_copy)) ||
	    put_program("mz_group_tc", MZ_GROUP_MEMBER, bpf_program__fd(s.tc_member->progs.mz_group_member_tc)) ||
	    answers(true))
		return -errno;
	s.capture = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (s.capture < 0)
		return -errno;
	s.clock = mz_clock__open_and_load();
	s.ring = ring_buffer__new(map_fd("mz_events"), on_event, NULL, NULL);
	return s.clock && s.ring ? 0 : -errno;
}

static int keep_flows(bool keep)
{
	if (keep && !s.keeps.tc_ingress) {
		LOAD_WITH(keeps.tc_ingress, mz_uplink_deliver, MZ_CFG_F_KEEP_FLOWS);
		LOAD_WITH(keeps.tc_egress, mz_endpoint_egress, MZ_CFG_F_KEEP_FLOWS);
	}
	if (keep && !s.keeps.xdp_ingress && !only_tc()) {
		LOAD_WITH(keeps.xdp_ingress, mz_uplink_hop, MZ_CFG_F_KEEP_FLOWS);
		LOAD_WITH(keeps.xdp_egress, mz_egress_xdp, MZ_CFG_F_KEEP_FLOWS);
	}
	s.keep = keep;
	return 0;
}

// ---- copies ----------------------------------------------------------------------

// Copies are on their way out when the program is over, and seen there.
static uint32_t copies(uint32_t i, uint32_t *ifindex, struct frame *f)
{
	static const uint8_t gateway[] = MZ_GATEWAY_MAC;
	struct frame got = { 0 };
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(s.capture, got.b, sizeof(got.b), 0, (struct sockaddr *)&from, &len)) > 0) {
		len = sizeof(from);
		if (from.sll_pkttype != PACKET_OUTGOING || (memcmp(got.b + 6, gateway, 6) && memcmp(got.b + 6, mac_bytes(MAC_SELF), 6)))
			continue;
		// The kernel's own: the outside alone has IPv6, and reports its groups.
		if (from.sll_ifindex == OUTSIDE && got.b[0] == 0x33 && got.b[1] == 0x33)
			continue;
		got.len = (uint32_t)n;
		s.copies[s.copied % 64].ifindex = (uint32_t)from.sll_ifindex;
		s.copies[s.copied++ % 64].f = got;
	}
	if (ifindex)
		*ifindex = s.copies[i % 64].ifindex;
	if (f)
		*f = s.copies[i % 64].f;
	return s.copied;
}

// ---- functions ----------------------------------------------------------------

static void set_constant(struct bpf_object *obj, const char *name, uint32_t value)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(obj, ".rodata");
	struct btf *btf = bpf_object__btf(obj);
	const struct btf_type *section = btf__type_by_id(btf, (uint32_t)btf__find_by_name(btf, ".rodata"));
	const struct btf_var_secinfo *v = btf_var_secinfos(section);
	size_t size;
	char *data = (char *)bpf_map__initial_value(rodata, &size);

	for (int i = 0; i < btf_vlen(section); i++, v++)
		if (!strcmp(btf__name_by_offset(btf, btf__type_by_id(btf, v->type)->name_off), name))
			memcpy(data + v->offset, &value, sizeof(value));
}

static int function(uint32_t slot, int verdict)
{
	const char *folder = getenv("O") ? getenv("O") : "build";
	const char *name = slot < MZ_FUNCTIONS ? "told" : "told_at_hop";
	LIBBPF_OPTS(bpf_object_open_opts, o);
	struct bpf_program *p;
	struct bpf_map *m;
	char path[256];

	snprintf(path, sizeof(path), "%s/selftests/bpf/functions/told.bpf.o", folder);
	bpf_object__close(s.told[slot]);
	s.told[slot] = bpf_object__open_file(path, &o);
	if (!s.told[slot])
		return -errno;
	set_constant(s.told[slot], "verdict", (uint32_t)verdict);
	bpf_object__for_each_program(p, s.told[slot]) {
		bpf_program__set_autoload(p, !strcmp(bpf_program__name(p), name));
		bpf_program__set_type(p, slot < MZ_FUNCTIONS ? BPF_PROG_TYPE_SCHED_CLS : BPF_PROG_TYPE_XDP);
		if (slot >= MZ_FUNCTIONS) {
			bpf_program__set_flags(p, BPF_F_XDP_HAS_FRAGS);
			bpf_program__set_expected_attach_type(p, BPF_XDP);
		}
	}
	bpf_object__for_each_map(m, s.told[slot])
		if (map_fd(bpf_map__name(m)) >= 0)
			bpf_map__reuse_fd(m, map_fd(bpf_map__name(m)));
	if (bpf_object__load(s.told[slot]))
		return -EINVAL;
	p = bpf_object__find_program_by_name(s.told[slot], name);
	return put_program(slot < MZ_FUNCTIONS ? "mz_function_tc" : "mz_function_xdp", slot % MZ_FUNCTIONS,
			   bpf_program__fd(p));
}

static struct mz_function_packet seen(uint32_t slot)
{
	struct mz_function_packet p = { 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(s.told[slot], "seen"), &zero, &p);
	return p;
}

static void remove_pins(void)
{
	DIR *d = opendir(s.pins);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(s.pins);
}

// As far as it was opened.
static void close_all(void)
{
	if (!s.tc_ingress)
		return;
	for (size_t i = 0; i < MZ_FUNCTION_SLOTS; i++)
		bpf_object__close(s.told[i]);
	mz_endpoint_answer__destroy(s.tc_answer);
	mz_answer_xdp__destroy(s.xdp_answer);
	mz_group_copy__destroy(s.tc_copy);
	mz_group_member__destroy(s.tc_member);
	if (s.capture > 0)
		close(s.capture);
	mz_function_resume__destroy(s.tc_resume);
	mz_hop_resume__destroy(s.xdp_resume);
	mz_function_reply__destroy(s.tc_returned);
	mz_function_reply_xdp__destroy(s.xdp_returned);
	remove_pins();
	ring_buffer__free(s.ring);
	mz_uplink_deliver__destroy(s.tc_ingress);
	mz_endpoint_egress__destroy(s.tc_egress);
	mz_uplink_hop__destroy(s.xdp_ingress);
	mz_egress_xdp__destroy(s.xdp_egress);
	mz_uplink_deliver__destroy(s.keeps.tc_ingress);
	mz_endpoint_egress__destroy(s.keeps.tc_egress);
	mz_uplink_hop__destroy(s.keeps.xdp_ingress);
	mz_egress_xdp__destroy(s.keeps.xdp_egress);
	mz_services_reply__destroy(s.tc_reply);
	mz_reply_xdp__destroy(s.xdp_reply);
	mz_gateway_out__destroy(s.tc_out);
	mz_gateway_in__destroy(s.tc_in);
	mz_gateway_out_xdp__destroy(s.xdp_out);
	mz_gateway_in_xdp__destroy(s.xdp_in);
	mz_clock__destroy(s.clock);
	memset(&s, 0, sizeof(s));
}

// Only what the tests write: wiping 65,536 array slots a row would take long.
static void wipe(const char *name, uint32_t slots)
{
	int fd = map_fd(name);
	uint8_t key[64], value[2048] = { 0 };
	uint32_t i;

	if (slots) {
		for (i = 0; i < slots; i++)
			bpf_map_update_elem(fd, &i, value, BPF_ANY);
		return;
	}
	while (!bpf_map_get_next_key(fd, NULL, key))
		if (bpf_map_delete_elem(fd, key))
			break;
}

static void reset(void)
{
	s.keep = false;
	wipe("mz_ports", 4);
	wipe("mz_hosts", 16);
	wipe("mz_shards", 4 * 128);
	wipe("mz_trace", 1);
	wipe("mz_endpoints", 0);
	wipe("mz_homes", TEST_HOME_LINES);
	wipe("mz_paths", 0);
	wipe("mz_flows", 0);
	wipe("mz_vips", 0);
	wipe("mz_backends", 0);
	wipe("mz_stickies", 0);
	wipe("mz_entries", 0);
	wipe("mz_insides", 0);
	wipe("mz_outsides", 0);
	wipe("mz_pools", 0);
	wipe("mz_mappings", 0);
	wipe("mz_frags", 0);
	wipe("mz_flow_use", 8);
	wipe("mz_answered", 4);
	wipe("mz_links6", 0);
	wipe("mz_groups", 0);
	wipe("mz_group_hosts", 0);
	wipe("mz_group_use", 4);
	wipe("mz_group_sent", 4);
	wipe("mz_function_ports", 4);
	wipe("mz_function_vpcs", 4);
	wipe("mz_function_chains", 4);
	wipe("mz_function_slots", MZ_FUNCTION_SLOTS);
	wipe("mz_levels", 80);
	wipe("mz_shapers", 9);
	wipe("mz_clocks", 9);
	wipe("mz_policies", 0);
	wipe("mz_policy_labels", 0);
	wipe("mz_policy_blocks", 0);
	wipe("mz_policy_ports", 0);
	wipe("mz_policy_vectors", 0);
	wipe("mz_policy_rules", 0);
	wipe("mz_judging", 1);
	wipe("mz_networks", 0);
	wipe("mz_vpcs", 0);
	wipe("mz_host_ids", 0);
	ring_buffer__consume(s.ring);
	s.events = 0;
	memset(&s.last, 0, sizeof(s.last));
}

static void forget(const char *map)
{
	wipe(map, 0);
}

static int update(const char *map, const void *key, const void *value)
{
	return bpf_map_update_elem(map_fd(map), key, value, BPF_ANY);
}

static int lookup_functions(const void *key, struct mz_function_count *sum)
{
	struct mz_function_count each[64];

	memset(sum, 0, sizeof(*sum));
	if (libbpf_num_possible_cpus() > 64 || bpf_map_lookup_elem(map_fd("mz_function_counts"), key, each))
		return -ENOENT;
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum->packets += each[i].packets;
		sum->dropped += each[i].dropped;
		sum->taken += each[i].taken;
	}
	return 0;
}

static int lookup(const char *map, const void *key, void *value)
{
	if (!strcmp(map, "mz_function_counts"))
		return lookup_functions(key, value);
	if (strcmp(map, "mz_counters"))
		return bpf_map_lookup_elem(map_fd(map), key, value);
	// Per CPU: the sum is what anybody wants to know.
	int cpus = libbpf_num_possible_cpus();
	struct mz_count *each = calloc((size_t)cpus, sizeof(*each)), sum = { 0, 0 };
	int rc = each ? bpf_map_lookup_elem(map_fd(map), key, each) : -ENOMEM;

	for (int i = 0; !rc && i < cpus; i++) {
		sum.packets += each[i].packets;
		sum.bytes += each[i].bytes;
	}
	free(each);
	memcpy(value, &sum, sizeof(sum));
	return rc;
}

static int run_tc(struct run *r)
{
	struct __sk_buff skb = { .gso_size = r->gso_size, .mark = r->trace ? MZ_TRACE_MARK : 0 };
	struct __sk_buff left = { 0 };
	uint8_t out[2048];
	int fd = bpf_program__fd(r->returned	    ? s.tc_returned->progs.mz_function_reply
				 : r->reply	    ? s.tc_reply->progs.mz_services_reply
				 : r->gateway == GW_OUT    ? s.tc_out->progs.mz_gateway_out_tc
				 : r->gateway == GW_IN     ? s.tc_in->progs.mz_gateway_in_tc
				 : r->dir == MZ_DIR_EGRESS
					 ? (s.keep ? s.keeps.tc_egress : s.tc_egress)->progs.mz_endpoint_egress
					 : (s.keep ? s.keeps.tc_ingress : s.tc_ingress)->progs.mz_uplink_deliver);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = r->frame.b, .data_size_in = r->frame.len,
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &skb,
		    .ctx_size_in = sizeof(skb), .ctx_out = &left, .ctx_size_out = sizeof(left), .repeat = 1);

	// A superpacket that is not TCP cannot be resized: the kernel refuses.
	if (r->no_room) {
		skb.gso_size = 100;
		skb.gso_segs = 1;
	}
	if (bpf_prog_test_run_opts(fd, &o))
		return -errno;
	r->frame.len = o.data_size_out;
	memcpy(r->frame.b, out, o.data_size_out);
	r->departure = left.tstamp;
	r->priority = left.priority;
	switch ((int)o.retval) {
	case 2: // TC_ACT_SHOT
		r->verdict = V_DROP;
		return 0;
	case -1: // TC_ACT_UNSPEC
		r->verdict = V_PASS;
		return 0;
	case 7: // TC_ACT_REDIRECT
		r->verdict = V_REDIRECT;
		return 0;
	default:
		return -EINVAL;
	}
}

static int run_xdp(struct run *r)
{
	// Metadata in front of the frame: our mark, or so much that no header fits.
	uint8_t in[2048] = { 0 }, out[2048];
	uint32_t meta = r->no_room ? 192 : r->trace ? 4 : 0;
	struct xdp_md md = { .data = meta, .data_end = meta + r->frame.len, .ingress_ifindex = 0 };
	int fd = bpf_program__fd(r->returned	    ? s.xdp_returned->progs.mz_function_reply_xdp
				 : r->reply	    ? s.xdp_reply->progs.mz_reply_xdp
				 : r->gateway == GW_OUT    ? s.xdp_out->progs.mz_gateway_out_xdp
				 : r->gateway == GW_IN     ? s.xdp_in->progs.mz_gateway_in_xdp
				 : r->dir == MZ_DIR_EGRESS
					 ? (s.keep ? s.keeps.xdp_egress : s.xdp_egress)->progs.mz_egress_xdp
					 : (s.keep ? s.keeps.xdp_ingress : s.xdp_ingress)->progs.mz_uplink_hop);
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = in, .data_size_in = meta + r->frame.len,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = 1);

	if (r->trace)
		memcpy(in, &(uint32_t){ MZ_TRACE_MARK }, 4);
	memcpy(in + meta, r->frame.b, r->frame.len);
	if (meta) {
		o.ctx_in = &md;
		o.ctx_size_in = sizeof(md);
	}
	if (bpf_prog_test_run_opts(fd, &o)) // so much metadata: only newer kernels
		return r->no_room && errno == EINVAL && kernel_before(6, 12) ? -ENOTSUP : -errno;
	r->frame.len = o.data_size_out - meta;
	memcpy(r->frame.b, out + meta, r->frame.len);
	static const enum verdict verdicts[] = { V_DROP, V_DROP, V_PASS, V_TX, V_REDIRECT };
	if (o.retval < 1 || o.retval > 4)
		return -EINVAL;
	r->verdict = verdicts[o.retval];
	return 0;
}

static uint32_t events(union mz_any_event *last)
{
	ring_buffer__consume(s.ring);
	if (last)
		*last = s.last;
	return s.events;
}

static uint32_t now(void)
{
	uint8_t frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	bpf_prog_test_run_opts(bpf_program__fd(s.clock->progs.mz_clock), &o);
	return o.retval;
}

static uint64_t ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

const struct target target_tc = {
	.name = "tc", .ifindex = 1, .has_fib = true, .same_interface = V_REDIRECT,
	.open = open_all, .close = close_all, .reset = reset,
	.forget = forget, .update = update, .lookup = lookup, .run = run_tc, .events = events, .now = now, .ns = ns,
	.endpoint_functions = true, .function = function, .seen = seen, .answers = answers, .copies = copies,
	.keep_flows = keep_flows,
};
const struct target target_xdp = {
	.name = "xdp", .ifindex = 1, .has_fib = true, .same_interface = V_TX,
	.open = open_all, .close = close_all, .reset = reset,
	.forget = forget, .update = update, .lookup = lookup, .run = run_xdp, .events = events, .now = now,
	.hop_functions = true, .function = function, .seen = seen, .answers = answers, .keep_flows = keep_flows,
};
