/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mirror: copies of endpoints' frames to a collector, in Geneve (the VPC is the VNI)
 * or ERSPAN type II (the VNI's low 10 bits are the session, as many as it has).
 *
 *	transit function load mirror.bpf.o --at egress --at ingress --vpc blue \
 *		--set collector=192.0.2.9 --set source=192.0.2.1 --set sample=100
 *
 * The way to the collector is asked of the kernel's FIB, which wants forwarding on the
 * underlay's interface (sysctl net.ipv4.conf.eth0.forwarding=1) and the next hop
 * resolved; else copies count as no_way in the map `mirrored`.
 *
 * The headers are put on, the packet is cloned out of the underlay's interface, the
 * headers come off. Bounded by `sample` (one packet of so many), `rate` (copies a
 * second and CPU) and `longest` (larger frames are not copied). Superpackets leave
 * as the underlay's segments of them, in ERSPAN all with one sequence number. The
 * kernel remembers the tunnel they were in for this, and its family: those of IPv6
 * endpoints are not copied, and none with superpackets=0. */
#include <linux/ip.h>

#include <mizar/function.h>

const volatile __be32 collector[4] = {}; /* IPv4 addresses */
const volatile __be32 source[4] = {};    /* of this host */
const volatile __u8 erspan = 0;          /* else Geneve */
const volatile __u32 sample = 1;
const volatile __u32 rate = 10000;
const volatile __u32 longest = 0xffffffff;
const volatile __u8 superpackets = 1; /* 0 where the underlay is IPv6: see above */
const volatile __u32 vni = 0; /* of the collector; 0 = the packet's */

#define ETH_LEN  14
#define ROOM     50 /* IPv4 20, UDP and Geneve 8 + 8 or GRE and ERSPAN 8 + 8, the frame's Ethernet 14 */
#define AF_INET  2
#define DECAP_L3_IPV6 (1ull << 8) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV6, Linux 6.3 */

struct outcome {
	__u64 copied;
	__u64 over_rate;
	__u64 superpackets; /* not copied */
	__u64 no_way; /* the collector's next hop is not resolved */
	__u64 second, in_second; /* of rate */
	__u64 sequence;
};

/* What became of copies, on each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct outcome);
	__uint(max_entries, 1);
} mirrored SEC(".maps");

struct headers {
	__u8 eth[ETH_LEN];
	struct iphdr ip;
	union {
		struct {
			__be16 sport, dport, len, check;
			__be32 flags_proto, vni;
		} geneve;
		struct {
			__be16 flags, proto;
			__be32 sequence;
			__be32 version_session, index;
		} erspan;
	};
	__u8 inner[ETH_LEN];
} __attribute__((packed, aligned(2)));
_Static_assert(sizeof(struct headers) == ETH_LEN + ROOM, "what is opened is filled");

static __always_inline __be16 checksum(struct iphdr *ip)
{
	__u64 sum = (__u64)bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__be16)~sum;
}

/* The same port for both directions of a flow, out of 16,384. */
static __always_inline __u16 entropy(const struct mz_function_packet *p)
{
	__u32 h = bpf_ntohl(p->src[3] ^ p->dst[3]) ^ (__u32)bpf_ntohs(p->src_port ^ p->dst_port) ^ p->proto;

	h *= 0x9e3779b1u;
	return (__u16)(0xc000 | h >> 18);
}

/* `total` of a superpacket may be more than 16 bits can say: 0 then, and the kernel goes by its own length. */
static __always_inline void fill(struct headers *h, const struct mz_function_packet *p, __u32 total, __u32 sequence)
{
	__u32 id = vni ? vni : p->vni, length = total > 0xffff ? 0 : total;
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .tot_len = bpf_htons((__u16)length), .frag_off = bpf_htons(0x4000),
			    .protocol = erspan ? 47 : 17, .saddr = source[3], .daddr = collector[3] };

	ip.check = checksum(&ip);
	h->ip = ip;
	if (erspan) {
		h->erspan.flags = bpf_htons(0x1000); /* a sequence number follows */
		h->erspan.proto = bpf_htons(0x88be);
		h->erspan.sequence = bpf_htonl(sequence);
		h->erspan.version_session = bpf_htonl(1u << 28 | (id & 0x3ff));
		h->erspan.index = bpf_htonl(p->point & 0xfffff);
	} else {
		h->geneve.sport = bpf_htons(entropy(p));
		h->geneve.dport = bpf_htons(6081);
		h->geneve.len = bpf_htons((__u16)(length ? length - 20 : 0));
		h->geneve.check = 0;
		h->geneve.flags_proto = bpf_htonl(0x6558);
		h->geneve.vni = bpf_htonl(id << 8);
	}
}

static __always_inline int may_copy(struct outcome *o)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000ull;

	if (o->second != second) {
		o->second = second;
		o->in_second = 0;
	}
	if (o->in_second++ < rate)
		return 1;
	o->over_rate++;
	return 0;
}

/* Takes the headers off. Before Linux 6.3 the kernel cannot be told that an IPv6 packet comes out of
 * IPv4 headers: these become IPv6's first, 20 bytes longer, then all of it goes. */
static __always_inline int take_off(struct __sk_buff *skb, int v6)
{
	if (!bpf_skb_adjust_room(skb, -ROOM, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO | (v6 ? DECAP_L3_IPV6 : 0)))
		return 0;
	return !v6 || bpf_skb_change_proto(skb, bpf_htons(0x86dd), 0) ||
	       bpf_skb_adjust_room(skb, -ROOM - 20, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

/* Puts the headers on, sends a clone, takes them off. Not 0: the packet is not what
 * it was. */
static __always_inline int copy(struct __sk_buff *skb, const struct mz_function_packet *p, struct outcome *o)
{
	__u64 l4 = erspan ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	struct bpf_fib_lookup fib = { .family = AF_INET, .ifindex = p->uplink, .ipv4_src = source[3], .ipv4_dst = collector[3] };
	struct headers h = {};

	if (bpf_skb_load_bytes(skb, 0, h.inner, ETH_LEN))
		return 0;
	if (bpf_fib_lookup(skb, &fib, sizeof(fib), BPF_FIB_LOOKUP_OUTPUT)) {
		o->no_way++;
		return 0;
	}
	if (bpf_skb_adjust_room(skb, ROOM, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | l4 |
					BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_LEN))) {
		/* What came through a tunnel just now is one to the kernel already (-EALREADY), with
		 * the same frame inside; that it is IPv4's now, it learns by an IPv6 header that is
		 * translated. */
		if (bpf_skb_adjust_room(skb, p->v6 ? ROOM + 20 : ROOM, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
			return 0;
		if (p->v6 && bpf_skb_change_proto(skb, bpf_htons(0x0800), 0))
			return -1;
	}
	__builtin_memcpy(h.eth, fib.dmac, 6);
	__builtin_memcpy(h.eth + 6, fib.smac, 6);
	h.eth[12] = 0x08;
	fill(&h, p, skb->len - ETH_LEN, (__u32)o->sequence++);
	if (!bpf_skb_store_bytes(skb, 0, &h, sizeof(h), 0) && !bpf_clone_redirect(skb, fib.ifindex, 0))
		o->copied++;
	return take_off(skb, p->v6) || bpf_skb_store_bytes(skb, 0, h.inner, ETH_LEN, 0);
}

MZ_ENDPOINT_FUNCTION(mirror)(struct __sk_buff *skb, const struct mz_function_packet *p)
{
	__u32 zero = 0;
	struct outcome *o = bpf_map_lookup_elem(&mirrored, &zero);

	if (!o || skb->len > longest || (sample > 1 && bpf_get_prandom_u32() % sample))
		return MZ_FUNCTION_NEXT;
	if (skb->gso_size && (p->v6 || !superpackets)) {
		o->superpackets++;
		return MZ_FUNCTION_NEXT;
	}
	return may_copy(o) && copy(skb, p, o) ? MZ_FUNCTION_DROP : MZ_FUNCTION_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
