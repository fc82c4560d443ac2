/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows 3 and 4: decap and encap, behind wrappers that restore their input. */
#include "perf/bench_room.h"

#include "bpf/lib/egress.h"
#include "bpf/lib/ingress.h"

#define BENCH_HOOK "tc"
#define BENCH_DONE TC_ACT_OK
#include "perf/bench.h"

#define BENCH_INNER_IP (MZ_OUTER_LEN4 + ETH_HLEN)

/* The packet of a flow, as far as its stage looks at it. */
static __always_inline struct mz_pkt bench_packet(struct __sk_buff *ctx)
{
	__u32 r = bench_random();
	struct mz_pkt p = { .ctx = ctx, .len = 142, .vni = 7, .proto = IPPROTO_UDP, .ports = bench_ports(r),
			    .src = mz_addr4(bench_src(r)), .dst = mz_addr4(bench_dst(r)) };

	return p;
}

BENCH_OP(flow)
{
	struct mz_pkt p = bench_packet(ctx);

	bench.sink += (__u64)mz_stage_flow(&p, 0, MZ_DIR_EGRESS, 1, MZ_FLOW_ONLY);
	return BENCH_DONE;
}

/* What it cannot do without: one look-up; of a new flow, which it does not find, and one update. */
BENCH_OP(flow_lookup)
{
	struct mz_pkt p = bench_packet(ctx);
	const struct mz_flow *f;

	mz_flow_key_of(&p.talk.flow, &p, MZ_DIR_EGRESS);
	f = mz_lookup(mz_flows, &p.talk.flow);
	bench.sink += f ? f->state : 0;
	return BENCH_DONE;
}

BENCH_OP(flow_update)
{
	struct mz_pkt p = bench_packet(ctx);
	struct mz_flow f = { .seen = 1, .ifindex = 1 };

	mz_flow_key_of(&p.talk.flow, &p, MZ_DIR_EGRESS);
	f.opener = mz_lookup(mz_flows, &p.talk.flow) != NULL;
	bench.sink += (__u64)mz_insert(mz_flows, &p.talk.flow, &f);
	return BENCH_DONE;
}

/* The two directions of a translated flow are two entries. */
BENCH_OP(flow_update_both)
{
	struct mz_pkt p = bench_packet(ctx);
	struct mz_flow f = { .seen = 1, .ifindex = 1, .to = p.dst, .to_port = mz_htons(2001) };

	mz_flow_key_of(&p.talk.flow, &p, MZ_DIR_EGRESS);
	bench.sink += (__u64)mz_insert(mz_flows, &p.talk.flow, &f);
	p.talk.flow.remote_port = f.to_port;
	bench.sink += (__u64)mz_insert(mz_flows, &p.talk.flow, &f);
	return BENCH_DONE;
}

/* Takes back what the same packets have opened. */
BENCH_OP(flow_forget)
{
	struct mz_pkt p = bench_packet(ctx);
	struct mz_flow_key answers;
	const struct mz_flow *f;

	mz_flow_key_of(&p.talk.flow, &p, MZ_DIR_EGRESS);
	answers = p.talk.flow;
	f = mz_lookup(mz_flows, &answers);
	if (!f)
		return BENCH_DONE;
	answers.remote = f->to;
	answers.remote_port = f->to_port;
	mz_remove(mz_flows, &answers);
	mz_remove(mz_flows, &p.talk.flow);
	return BENCH_DONE;
}

/* What leads to a service's backend. */
BENCH_OP(backend)
{
	__u32 r = bench_random(), row = r % MZ_BENCH_ROWS, *id;
	struct mz_vip_key key = { .vni = 7, .ip = mz_addr4(bench_dst(r)), .port = mz_htons(2000), .proto = IPPROTO_UDP };
	struct mz_vip *v = mz_lookup(mz_vips, &key);
	struct mz_backend *b;

	(void)ctx;
	id = v ? mz_lookup(mz_vip_rows, &row) : NULL;
	b = id ? mz_lookup(mz_backends, id) : NULL;
	bench.sink += b ? b->port : bench_src(r);
	return BENCH_DONE;
}

/* The first packet of a flow that some rule is about, as its judge is told of it. */
static __always_inline struct mz_judging *bench_flow(struct mz_talk *t)
{
	__u32 zero = 0, r = bench_random(), rule = (r >> 8) & bench.rule_mask;
	struct mz_judging *j = mz_lookup(mz_judging, &zero);

	t->flow = (struct mz_flow_key){ .vni = 7, .proto = IPPROTO_UDP, .local = mz_addr4(bench_dst(r)),
					.remote = mz_addr4(mz_htonl(bench.src_base + (rule % MZ_BENCH_BLOCKS << 8) + (r & 255))),
					.local_port = mz_htons((__u16)(2000 + rule % MZ_BENCH_PORTS)), .remote_port = 1000 };
	if (j) {
		j->policy = 1 + (r & bench.group_mask);
		j->from = 1 + rule + bench.denied;
	}
	return j;
}

BENCH_OP(judge_key)
{
	struct mz_talk t = {};
	struct mz_judging *j = bench_flow(&t);

	(void)ctx;
	bench.sink += j ? j->from + t.flow.remote.w[3] : 0;
	return BENCH_DONE;
}

/* What it answers is seen once more, so that no case times anything else. */
BENCH_OP(judge)
{
	struct mz_talk t = {};
	int why;

	(void)ctx;
	bench_flow(&t);
	why = mz_judge(&t, MZ_POLICY_RECEIVER);
	if (why != (bench.denied ? MZ_R_POLICY_INGRESS : 0))
		bench.wrong++;
	return BENCH_DONE;
}

/* One look-up by label set. */
BENCH_OP(judge_label)
{
	struct mz_talk t = {};
	struct mz_judging *j = bench_flow(&t);
	struct mz_policy_label_key key;
	const __u32 *row;

	(void)ctx;
	if (!j)
		return BENCH_DONE;
	key = (struct mz_policy_label_key){ .list = MZ_POLICY_LIST(j->policy, MZ_POLICY_IN), .label = j->from };
	row = mz_lookup(mz_policy_labels, &key);
	bench.sink += row ? *row : 0;
	return BENCH_DONE;
}

/* All that a judge asks tables for. */
BENCH_OP(judge_lookups)
{
	struct mz_talk t = {};
	struct mz_judging *j = bench_flow(&t);
	const struct mz_policy *group;
	const struct mz_policy_list *l;
	__u64 sum = 0;

	(void)ctx;
	if (!j)
		return BENCH_DONE;
	group = mz_lookup(mz_policies, &j->policy);
	if (!group)
		return BENCH_DONE;
	sum += (__u64)mz_label_known(j, &t);
	l = &group->list[MZ_POLICY_IN];
	j->rule.list = MZ_POLICY_LIST(j->policy, MZ_POLICY_IN);
	mz_find_vectors(j, &t, l, MZ_POLICY_IN);
	for (int i = 0; i < 3; i++) {
		const struct mz_policy_vector *v = mz_lookup(mz_policy_vectors, &j->vector[i]);

		sum += v ? v->words : 0;
	}
	j->rule.rule = bench.denied ? bench.rule_mask + 1 : j->from - 1;
	{
		const struct mz_policy_rule *rule = mz_lookup(mz_policy_rules, &j->rule);

		sum += rule ? rule->verdict : 0;
	}
	bench.sink += sum;
	return BENCH_DONE;
}

BENCH_OP(empty)
{
	(void)ctx;
	return BENCH_DONE;
}

BENCH_OP(redirect)
{
	__u32 r = bench_random();

	(void)ctx;
	bench.sink += bench_dst(r) + bench_src(r);
	return (int)bpf_redirect(1, 0);
}

BENCH_OP(redirect_peer)
{
	__u32 r = bench_random();

	(void)ctx;
	bench.sink += bench_dst(r) + bench_src(r);
	return (int)bpf_redirect_peer(1, 0);
}

/* Room made and taken back. */
BENCH_OP(room)
{
	return bench_grow(ctx) || bench_shrink(ctx) ? TC_ACT_SHOT : BENCH_DONE;
}

/* Inner frame -> tunnel packet -> inner frame. */
BENCH_OP(wrap_deliver)
{
	return bench_grow(ctx) || bench_restore(ctx, 10, BENCH_INNER_IP) || bench_shrink(ctx) ?
		       TC_ACT_SHOT : BENCH_DONE;
}

static __always_inline int bench_flow_found(__u32 r, enum mz_dir dir)
{
	__be32 answers = mz_htonl(dir == MZ_DIR_EGRESS ? 2000u << 16 | 1000 : 1000u << 16 | 2000);
	__be32 ports = bench.port_mask ? bench_ports(r) : answers;
	struct mz_flow_key key = { .vni = 7, .proto = IPPROTO_UDP };
	struct mz_flow *f;

	key.local = mz_addr4(dir == MZ_DIR_EGRESS ? bench_src(r) : bench_dst(r));
	key.remote = mz_addr4(dir == MZ_DIR_EGRESS ? bench_dst(r) : bench_src(r));
	key.local_port = (__be16)(dir == MZ_DIR_EGRESS ? ports : ports >> 16);
	key.remote_port = (__be16)(dir == MZ_DIR_EGRESS ? ports >> 16 : ports);
	f = mz_lookup(mz_flows, &key);
	if (!f)
		return 0;
	f->packets[dir]++;
	f->bytes[dir] += 142;
	return 1;
}

/* A floor that did not find what it was to find would be none. */
static __always_inline int bench_failed(void)
{
	bench.wrong++;
	return TC_ACT_SHOT;
}

/* Between grow and shrink, as mz_ingress() is. */
static __always_inline int bench_floor_deliver(struct __sk_buff *ctx, int flows)
{
	__u32 r;

	if (bench_grow(ctx) || bench_restore(ctx, 10, BENCH_INNER_IP))
		return bench_failed();
	r = bench.seed;
	if (!bench_known(bench_src(r)) || !bench_endpoint_host(bench_dst(r)) || !bench_path_host(bench_src(r)) ||
	    (flows && !bench_flow_found(r, MZ_DIR_INGRESS)) || bench_shrink(ctx))
		return bench_failed();
	bench_send(ctx, bench.host_base, 2);
	bench_count(ctx);
	return (int)bpf_redirect_peer(1, 0);
}

BENCH_OP(floor_deliver)
{
	return bench_floor_deliver(ctx, 0);
}

BENCH_OP(floor_deliver_flows)
{
	return bench_floor_deliver(ctx, 1);
}

/* A service's packet: its flow says which backend, whose path says which host. */
static __always_inline __u32 bench_backend_host(const struct mz_addr *to)
{
	struct mz_ep_key key = { .vni = 7, .ip = *to };
	struct mz_path *p = mz_lookup(mz_paths, &key);

	return p ? p->host : 0;
}

static __always_inline struct mz_flow *bench_service_flow(__u32 r)
{
	struct mz_flow_key key = { .vni = 7, .proto = IPPROTO_UDP, .local = mz_addr4(bench_src(r)), .remote = mz_addr4(bench_dst(r)) };
	__be32 ports = bench_ports(r);

	key.local_port = (__be16)ports;
	key.remote_port = (__be16)(ports >> 16);
	return mz_lookup(mz_flows, &key);
}

/* What the backends' answers leave in their flows. */
BENCH_OP(answers)
{
	struct mz_flow *f = bench_service_flow(bench_random());

	(void)ctx;
	if (!f)
		return BENCH_DONE;
	f->host = bench.host_base;
	f->taught = MZ_TAUGHT(mz_now());
	return BENCH_DONE;
}

static __always_inline __u32 bench_service_hit(__u32 r)
{
	struct mz_flow *f = bench_service_flow(r);

	if (!f)
		return 0;
	f->packets[MZ_DIR_EGRESS]++;
	f->bytes[MZ_DIR_EGRESS] += 142;
	return bench_backend_host(&f->to);
}

/* A new flow, which is not found, is two entries: its own, and its answers'. */
static __always_inline __u32 bench_service_new(__u32 r)
{
	struct mz_flow_key key = { .vni = 7, .proto = IPPROTO_UDP, .local = mz_addr4(bench_src(r)), .remote = mz_addr4(bench_dst(r)) };
	struct mz_vip_key vip = { .vni = 7, .ip = mz_addr4(bench_dst(r)), .port = mz_htons(2000), .proto = IPPROTO_UDP };
	struct mz_vip *v = mz_lookup(mz_vips, &vip);
	struct mz_flow f = { .seen = 1, .ifindex = 1 };
	__be32 ports = bench_ports(r);
	struct mz_backend *b;
	__u32 row, *id;

	if (!v)
		return 0;
	f.opener = bench_service_flow(r) != NULL; /* none as a rule, which one has to know */
	row = r % v->size;
	id = mz_lookup(mz_vip_rows, &row);
	b = id ? mz_lookup(mz_backends, id) : NULL;
	if (!b)
		return 0;
	key.local_port = (__be16)ports;
	key.remote_port = (__be16)(ports >> 16);
	f.to = b->ip;
	f.to_port = b->port;
	mz_insert(mz_flows, &key, &f);
	key.remote = b->ip;
	key.remote_port = b->port;
	mz_insert(mz_flows, &key, &f);
	return bench_backend_host(&b->ip);
}

static __always_inline int bench_rewrite(struct __sk_buff *ctx, __u32 r)
{
	struct iphdr *ip = (void *)((__u8 *)(long)ctx->data + ETH_HLEN);

	if ((__u8 *)(ip + 1) + 4 > (__u8 *)(long)ctx->data_end)
		return -1;
	ip->check = mz_checksum_after(ip->check, r & 0xffff, r >> 16);
	ip->daddr = mz_htonl(r);
	*(__be16 *)((__u8 *)(ip + 1) + 2) = (__be16)r;
	return 0;
}

enum bench_way { BENCH_BARE, BENCH_FLOW, BENCH_SERVICE, BENCH_SERVICE_NEW };

/* The host a packet of an endpoint goes to, as it is found out each way; 0 where it is not. */
static __always_inline __u32 bench_next_host(struct __sk_buff *ctx, enum bench_way way)
{
	__u32 r = bench.seed, host;

	if (way >= BENCH_SERVICE) {
		host = way == BENCH_SERVICE ? bench_service_hit(r) : bench_service_new(r);
		/* Its address and port, and what each does to the checksum: of a packet whose sender left
		 * that to the interface the address alone counts, so it takes two. */
		return bpf_l4_csum_replace(ctx, ETH_HLEN + 20 + 6, 0, r, BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0) ||
				       bpf_l4_csum_replace(ctx, ETH_HLEN + 20 + 6, 0, r, BPF_F_MARK_MANGLED_0) ||
				       bench_rewrite(ctx, r) ?
			       0 :
			       host;
	}
	if (way == BENCH_FLOW && !bench_flow_found(r, MZ_DIR_EGRESS))
		return 0;
	host = bench_endpoint_host(bench_dst(r));
	return host ? host : bench_path_host(bench_dst(r));
}

static __always_inline int bench_floor_egress(struct __sk_buff *ctx, enum bench_way way)
{
	__u32 slot = 1, host;
	struct mz_port *p;

	if (bench_restore(ctx, 2, ETH_HLEN))
		return bench_failed();
	p = mz_lookup(mz_ports, &slot);
	if (!p || p->vni != 7)
		return bench_failed();
	host = bench_next_host(ctx, way);
	if (!host || bench_grow(ctx))
		return bench_failed();
	bench_send(ctx, host, 10);
	bench_count(ctx);
	return bench_shrink(ctx) ? TC_ACT_SHOT : (int)bpf_redirect(1, 0);
}

BENCH_OP(floor_encap)
{
	return bench_floor_egress(ctx, BENCH_BARE);
}

BENCH_OP(floor_encap_flows)
{
	return bench_floor_egress(ctx, BENCH_FLOW);
}

BENCH_OP(floor_service_hit)
{
	return bench_floor_egress(ctx, BENCH_SERVICE);
}

BENCH_OP(floor_service_new)
{
	return bench_floor_egress(ctx, BENCH_SERVICE_NEW);
}

BENCH_OP(deliver)
{
	int verdict = bench_grow(ctx) || bench_restore(ctx, 10, BENCH_INNER_IP) ? TC_ACT_SHOT : mz_ingress(ctx);

	/* What was dropped still has its outer headers, and would grow with each packet. */
	return verdict == TC_ACT_SHOT && bench_shrink(ctx) ? TC_ACT_SHOT : verdict;
}

BENCH_OP(wrap_encap)
{
	return bench_restore(ctx, 2, ETH_HLEN) || bench_grow(ctx) || bench_shrink(ctx) ?
		       TC_ACT_SHOT : BENCH_DONE;
}

BENCH_OP(encap)
{
	int verdict = bench_restore(ctx, 2, ETH_HLEN) ? TC_ACT_SHOT : mz_egress(ctx);

	/* What was dropped has not grown, or the next packet would be cut. */
	return verdict != TC_ACT_SHOT && bench_shrink(ctx) ? TC_ACT_SHOT : verdict;
}

/* Row 15's floor. */
BENCH_OP(ktime)
{
	__u32 r = bench_random();

	(void)ctx;
	bench.sink += bench_dst(r) + bench_src(r) + mz_now_ns();
	return BENCH_DONE;
}
