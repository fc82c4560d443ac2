/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flood guard: bounds what one source may begin with an endpoint. TCP SYNs and UDP
 * datagrams of each (endpoint, source) spend tokens of a bucket; all else passes.
 *
 *	transit function load flood_guard.bpf.o --at ingress --vpc blue --set rate=100 --set burst=200 */
#include <mizar/function.h>

const volatile __u32 rate = 1000;  /* tokens a second */
const volatile __u32 burst = 2000; /* tokens a bucket holds */

struct source {
	__u32 ifindex; /* of the endpoint */
	__be32 addr[4];
};

struct bucket {
	__u64 tokens; /* nanoseconds' worth: a token is 10^9 / rate */
	__u64 seen;
};

/* Full means that the source longest silent is forgotten, and begins with a full
 * bucket. 65,536 x 88 B. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct source);
	__type(value, struct bucket);
	__uint(max_entries, 65536);
} sources SEC(".maps");

static int begins_something(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	__u8 flags;

	if (p->fragment)
		return 0;
	if (p->proto == 17)
		return 1;
	/* SYN without ACK */
	return p->proto == 6 && !bpf_skb_load_bytes(skb, p->l4 + 13, &flags, 1) && (flags & 0x12) == 0x02;
}

MZ_ENDPOINT_FUNCTION(flood_guard)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	__u64 now = bpf_ktime_get_ns(), token = 1000000000ull / (rate ? rate : 1), full = token * burst;
	struct source key = { .ifindex = p->ifindex };
	struct bucket *b, fresh = { .tokens = full - token, .seen = now };
	__u64 has;

	if (!begins_something(skb, p))
		return MZ_FUNCTION_NEXT;
	__builtin_memcpy(key.addr, p->src, sizeof(key.addr));
	b = bpf_map_lookup_elem(&sources, &key);
	if (!b) {
		bpf_map_update_elem(&sources, &key, &fresh, BPF_ANY);
		return MZ_FUNCTION_NEXT;
	}
	/* Two CPUs at once may spend one token twice: a bound, no accounting. */
	has = b->tokens + (now - b->seen);
	if (has > full)
		has = full;
	b->seen = now;
	b->tokens = has < token ? has : has - token;
	return has < token ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
