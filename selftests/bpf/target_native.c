// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "bpf/target/native_api.h"
#include "selftests/bpf/target.h"

#define START 1000000u
#define HEADROOM 256u

// enum mz_act, whose header needs a target
enum { ACT_DROP, ACT_PASS, ACT_DEFER, ACT_SEND, ACT_RESOLVE, ACT_DELIVER, ACT_ANSWER, ACT_REENTER };

static int open_native(void)
{
	return 0;
}

static void close_native(void)
{
	mz_native_reset();
}

// The same for all packets of a row.
static uint64_t ns(void)
{
	return 86400ull * 1000000000;
}

static uint32_t copies_before; // the last reset

static void reset(void)
{
	struct mz_cfg cfg = test_cfg();

	copies_before += mz_native_copy_count(0, NULL);
	mz_native_reset();
	mz_native_configure(&cfg);
	mz_native_set_clock(START);
	mz_native_set_ns(ns());
}

static int keep_flows(bool keep)
{
	struct mz_cfg cfg = test_cfg();

	cfg.flags |= keep ? MZ_CFG_F_KEEP_FLOWS : 0;
	mz_native_configure(&cfg);
	return 0;
}

static void forget(const char *map)
{
	mz_native_clear(mz_native_table(map));
}

static int update(const char *map, const void *key, const void *value)
{
	struct mz_native_map *m = mz_native_table(map);

	return m ? mz_native_update(m, key, value) : -ENOENT;
}

static int lookup(const char *map, const void *key, void *value)
{
	struct mz_native_map *m = mz_native_table(map);
	const void *v = m ? mz_native_lookup(m, key) : NULL;

	if (!v)
		return -ENOENT;
	memcpy(value, v, m->value_size);
	return 0;
}

// What the kernel says on the other targets: no route to OUT_NO, and nothing larger
// than the interface takes.
static void ask_fib(struct mz_native_packet *pkt, struct bpf_fib_lookup *fib, const struct run *r)
{
	const uint8_t no_route[] = { 100, 64, 0, 1 };
	uint32_t inner = r->frame.len > 66 + 14 ? r->frame.len - 66 - 14 : 0;

	fib->ifindex = OUTSIDE;
	memcpy(fib->dmac, mac_bytes(MAC_NEXT), 6);
	memcpy(fib->smac, mac_bytes(MAC_SELF), 6);
	if (!memcmp(r->frame.b + 66 + 30, no_route, 4))
		pkt->fib_rc = BPF_FIB_LKUP_RET_NOT_FWDED;
	else if (inner > OUTSIDE_MTU)
		pkt->fib_rc = BPF_FIB_LKUP_RET_FRAG_NEEDED;
	pkt->fib = fib;
}

static int run(struct run *r)
{
	struct bpf_fib_lookup fib = { 0 };
	static uint8_t buffer[HEADROOM + sizeof(r->frame.b)];
	struct mz_native_packet pkt = { .data = buffer + HEADROOM, .len = r->frame.len,
					.headroom = r->no_room ? 0 : HEADROOM,
					.tailroom = r->no_room ? 0 : sizeof(r->frame.b) - r->frame.len,
					.fixed_head = r->no_room, .ifindex = 1,
					.gso_size = r->gso_size, .trace = r->trace };
	int act;

	memcpy(pkt.data, r->frame.b, r->frame.len);
	if (r->gateway == GW_OUT)
		ask_fib(&pkt, &fib, r);
	act = r->returned ? mz_native_returned(&pkt) :
	      r->reply ? mz_native_reply(&pkt) :
	      r->gateway == GW_OUT ? mz_native_gateway_out(&pkt) :
	      r->gateway == GW_IN ? mz_native_gateway_in(&pkt) :
	      r->dir == MZ_DIR_EGRESS ? mz_native_egress(&pkt) : mz_native_ingress(&pkt);
	r->frame.len = pkt.len;
	r->departure = pkt.departure;
	r->priority = pkt.priority;
	memcpy(r->frame.b, pkt.data, pkt.len);
	switch (act) {
	case ACT_DROP:
		r->verdict = V_DROP;
		return 0;
	case ACT_PASS:
	case ACT_DEFER:
		r->verdict = V_PASS;
		return 0;
	case ACT_SEND:
		r->verdict = pkt.out_ifindex == 1 ? V_TX : V_REDIRECT;
		return 0;
	case ACT_DELIVER:
	case ACT_REENTER:
		r->verdict = V_REDIRECT;
		return 0;
	case ACT_ANSWER:
		r->verdict = V_TX;
		return 0;
	default:
		return -EINVAL;
	}
}

static struct told {
	int verdict;
	struct mz_function_packet seen;
} told[MZ_FUNCTIONS];

static int tell(uint32_t slot, const struct mz_function_packet *p)
{
	told[slot].seen = *p;
	return told[slot].verdict;
}
#define TELLER(n)                                                                        \
	static int tell_##n(struct mz_native_packet *pkt, const struct mz_function_packet *p)  \
	{                                                                                \
		(void)pkt;                                                               \
		return tell(n, p);                                                       \
	}
TELLER(0)
TELLER(1)
TELLER(2)

// Endpoints' slots and hops' are the same functions here.
static int function(uint32_t slot, int verdict)
{
	static const mz_native_function tellers[] = { tell_0, tell_1, tell_2 };

	slot %= MZ_FUNCTIONS;
	told[slot] = (struct told){ .verdict = verdict };
	mz_native_set_function(slot, tellers[slot]);
	return 0;
}

static struct mz_function_packet seen(uint32_t slot)
{
	return told[slot % MZ_FUNCTIONS].seen;
}

static uint32_t copies(uint32_t i, uint32_t *ifindex, struct frame *f)
{
	struct mz_native_copy copy;
	uint32_t n = mz_native_copy_count(i - copies_before, &copy);

	if (ifindex)
		*ifindex = copy.ifindex;
	if (f) {
		f->len = copy.len;
		memcpy(f->b, copy.frame, copy.len);
	}
	return copies_before + n;
}

static uint32_t now(void)
{
	return START;
}

const struct target target_native = {
	.name = "native", .ifindex = 1, .same_interface = V_TX,
	.open = open_native, .close = close_native, .reset = reset,
	.forget = forget, .update = update, .lookup = lookup, .run = run, .events = mz_native_event_count, .now = now, .ns = ns,
	.endpoint_functions = true, .hop_functions = true, .function = function, .seen = seen,
	.copies = copies, .keep_flows = keep_flows,
};
