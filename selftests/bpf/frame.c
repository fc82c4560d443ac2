// SPDX-License-Identifier: Apache-2.0
// Written apart from the data plane, from the RFCs, so that a mistake there is
// not repeated here.
#include "selftests/bpf/frame.h"

#include <arpa/inet.h>
#include <string.h>

const uint8_t *mac_bytes(int which)
{
	static const uint8_t macs[][6] = {
		{ 0 },
		{ 0x02, 0, 0, 0, 0, 0x0a },
		{ 0x02, 0, 0, 0, 0, 0x0b },
		MZ_GATEWAY_MAC,
		{ 0x02, 0, 0, 0, 1, 0x01 },
		{ 0x02, 0, 0, 0, 1, 0x02 },
		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 0x02, 0, 0, 0, 0, 0x99 },
		{ 0x33, 0x33, 0, 0, 0, 0x01 },
	};

	return macs[which];
}

static void put(struct frame *f, const void *bytes, uint32_t len)
{
	memcpy(f->b + f->len, bytes, len);
	f->len += len;
}

static void put8(struct frame *f, uint8_t v)
{
	put(f, &v, 1);
}

static void put16(struct frame *f, uint16_t v)
{
	v = htons(v);
	put(f, &v, 2);
}

static void put32(struct frame *f, uint32_t v)
{
	v = htonl(v);
	put(f, &v, 4);
}

struct mz_addr addr6(uint32_t a)
{
	uint32_t subnet = a >> 16, host = a & 0xffff;
	struct mz_addr r = { .w = { htonl(0x20010db8), htonl(subnet), 0, htonl(host) } };

	if (subnet == 0xfe80 || subnet == 0xff02) {
		r.w[0] = htonl(subnet << 16);
		r.w[1] = 0;
	}
	if (a == ALL_DHCP6)
		r.w[3] = htonl(0x00010002);
	if (subnet == 0x5aff || subnet == 0x5a00)
		r = (struct mz_addr){ .w = { htonl(0xfd4d0000 | subnet), 0, 0, htonl(host) } };
	if (subnet == 0x5a01)
		r = (struct mz_addr){ .w = { htonl(0xfd4d5a00), 0, 0, htonl(0x10000u | host) } };
	if (subnet == 0x5afe)
		r = (struct mz_addr){ .w = { htonl(0xfd4d5aff), htonl(1), 0, htonl(host) } };
	if ((subnet == 0x5aff || subnet == 0x5afe) && host >> 4 == 0xa9f && host != 0xa9fe)
		r.w[3] = htonl(0xa9fe0000 | host);
	if (a == LL6_GW) {
		r.w[2] = htonl(0x004d5aff);
		r.w[3] = htonl(0xfe000001);
	}
	if (subnet == 0xffff)
		r = (struct mz_addr){ .w = { 0, 0, htonl(0xffff), htonl(IP4(198, 18, 0, 0) | host) } };
	if (host == 0xe064) {
		r.w[2] = htonl(0x000000ff);
		r.w[3] = htonl(0xfe00000a);
	}
	if (a == NONE6)
		memset(&r, 0, sizeof(r));
	return r;
}

static void put6(struct frame *f, uint32_t short_form)
{
	struct mz_addr a = addr6(short_form);

	put(f, &a, sizeof(a));
}

static void put_ip6(struct frame *f, uint32_t first, uint32_t payload, uint8_t next, uint8_t hops, uint32_t src,
		    uint32_t dst)
{
	put32(f, first);
	put16(f, (uint16_t)payload);
	put8(f, next);
	put8(f, hops);
	put6(f, src);
	put6(f, dst);
}

void put_checksum(uint8_t *field, const uint8_t *b, uint32_t len, uint32_t seed)
{
	field[0] = field[1] = 0;
	for (uint32_t i = 0; i < len; i++)
		seed += i % 2 ? b[i] : (uint32_t)b[i] << 8;
	while (seed >> 16)
		seed = (seed & 0xffff) + (seed >> 16);
	field[0] = (uint8_t)(~seed >> 8);
	field[1] = (uint8_t)~seed;
}

#define OR(value, fallback) ((value) ? (value) : (fallback))

static void put_ip4(struct frame *f, uint8_t vihl, uint8_t tos, uint32_t total, uint16_t id, uint16_t frag,
		    uint8_t ttl, uint8_t proto, uint32_t src, uint32_t dst)
{
	uint32_t at = f->len;
	uint32_t options = (vihl & 15u) > 5 ? ((vihl & 15u) - 5) * 4 : 0;

	put8(f, vihl);
	put8(f, tos);
	put16(f, (uint16_t)total);
	put16(f, id);
	put16(f, frag);
	put8(f, ttl);
	put8(f, proto);
	put16(f, 0);
	put32(f, src);
	put32(f, dst);
	for (uint32_t i = 0; i < options; i++)
		put8(f, 1); /* NOP */
	put_checksum(f->b + at + 10, f->b + at, 20 + options, 0);
}

static uint32_t l4_size(const struct inner *in)
{
	return in->proto == 6 ? 20 : 8;
}

// TCP; all else begins as UDP does.
static void put_l4(struct frame *f, const struct inner *in, uint32_t payload)
{
	uint32_t at = f->len;

	put16(f, in->zero_sport ? 0 : OR(in->sport, 1000));
	put16(f, OR(in->dport, 2000));
	if (in->proto == 6) {
		put32(f, 1);
		put32(f, 1);
		put16(f, (uint16_t)(0x5000 | OR(in->flags, 0x10)));
		put16(f, 1024);
		put32(f, 0);
	} else {
		put16(f, (uint16_t)OR(in->id, 8 + payload));
		put16(f, 0);
	}
	for (uint32_t i = 0; i < payload; i++)
		put8(f, (uint8_t)('a' + i % 26));
	if (in->proto == 132)
		f->b[at + 12] = in->flags;
	if (in->bootp_flags) {
		f->b[at + 18] = (uint8_t)(in->bootp_flags >> 8);
		f->b[at + 19] = (uint8_t)in->bootp_flags;
	}
}

// The checksum of TCP, UDP or ICMP at `at`, and but for ICMP over IPv4 over the
// addresses at `addresses`, right in front of it.
static void put_sum(struct frame *f, uint32_t addresses, uint32_t at, uint8_t proto)
{
	uint32_t field = at + (proto == 6 ? 16u : proto == 17 ? 6u : 2u), seed = proto + f->len - at;

	if (proto == 1) {
		addresses = at;
		seed = 0;
	}
	put_checksum(f->b + field, f->b + addresses, f->len - addresses, seed);
	if (proto == 17 && !f->b[field] && !f->b[field + 1])
		f->b[field] = f->b[field + 1] = 0xff;
}

static struct frame make_inner6(struct inner in)
{
	struct frame f = { 0 };
	uint32_t payload = OR(in.payload, 10), exts = (uint32_t)in.exts * 8 + in.ext_units * 8u;
	uint8_t proto = OR(in.proto, 17);

	put(&f, mac_bytes(OR(in.dmac, MAC_GW)), 6);
	put(&f, mac_bytes(OR(in.smac, MAC_A)), 6);
	put16(&f, OR(in.ethertype, 0x86dd));
	put_ip6(&f, (uint32_t)(OR(in.version_ihl, 0x60) >> 4) << 28 | (uint32_t)in.tos << 20,
		(uint32_t)((int)(exts + l4_size(&in) + payload) + in.total_delta), in.exts ? (uint8_t)in.ext[0] : proto,
		OR(in.ttl, 64), OR(in.src6, EP6_A), OR(in.dst6, EP6_B));
	for (int i = 0; i < in.exts; i++) {
		put8(&f, i + 1 < in.exts ? (uint8_t)in.ext[i + 1] : proto);
		put8(&f, i ? 0 : in.ext_units);
		put16(&f, in.frag);
		put32(&f, in.frag_id);
		for (int j = 0; !i && j < in.ext_units * 8; j++)
			put8(&f, 0);
	}
	put_l4(&f, &in, payload);
	if (in.sums)
		put_sum(&f, 22, 54, proto);
	f.len -= (uint32_t)in.cut;
	return f;
}

struct frame make_inner(struct inner in)
{
	if (in.v6)
		return make_inner6(in);
	struct frame f = { 0 };
	uint8_t vihl = OR(in.version_ihl, 0x45);
	uint32_t payload = OR(in.payload, 10);
	uint32_t options = (vihl & 15u) > 5 ? ((vihl & 15u) - 5) * 4 : 0;
	uint32_t total = 20 + options + l4_size(&in) + payload;

	put(&f, mac_bytes(OR(in.dmac, MAC_GW)), 6);
	put(&f, mac_bytes(OR(in.smac, MAC_A)), 6);
	put16(&f, OR(in.ethertype, 0x0800));
	put_ip4(&f, vihl, in.tos, (uint32_t)((int)total + in.total_delta), in.frag_id, in.frag, OR(in.ttl, 64),
		OR(in.proto, 17), in.zero_src ? 0 : OR(in.src, EP_A), OR(in.dst, EP_B));
	put_l4(&f, &in, payload);
	if (in.sums)
		put_sum(&f, 26, 34, OR(in.proto, 17));
	f.len -= (uint32_t)in.cut;
	return f;
}

struct frame make_arp(struct arp a)
{
	struct frame f = { 0 };

	put(&f, mac_bytes(OR(a.dmac, MAC_GROUP)), 6);
	put(&f, mac_bytes(OR(a.smac, MAC_A)), 6);
	put16(&f, 0x0806);
	put16(&f, OR(a.hrd, 1));
	put16(&f, 0x0800);
	put8(&f, 6);
	put8(&f, 4);
	put16(&f, OR(a.op, 1));
	put(&f, mac_bytes(OR(a.sha, MAC_A)), 6);
	put32(&f, a.zero_spa ? 0 : OR(a.spa, EP_A));
	put(&f, mac_bytes(a.tha), 6);
	put32(&f, OR(a.tpa, EP_R));
	f.len -= (uint32_t)a.cut;
	return f;
}

static void put_lladdr(struct frame *f, const struct nd *n, uint8_t type, int mac)
{
	if (!mac)
		return;
	put8(f, type);
	put8(f, n->zero_length ? 0 : n->long_length ? 2 : 1);
	put(f, mac_bytes(mac), 6);
}

struct frame make_nd(struct nd n)
{
	struct frame f = { 0 };
	uint8_t type = OR(n.type, 135);
	uint32_t at, len;

	put(&f, mac_bytes(OR(n.dmac, MAC_GROUP6)), 6);
	put(&f, mac_bytes(OR(n.smac, MAC_A)), 6);
	put16(&f, 0x86dd);
	put_ip6(&f, 0x60000000, 0, 58, OR(n.hops, 255), OR(n.src, EP6_A), OR(n.dst, ALL6));
	at = f.len;
	put8(&f, type);
	put8(&f, n.code);
	put16(&f, 0);
	put32(&f, n.word);
	if (type == 134) {
		put32(&f, 0);
		put32(&f, 0);
	}
	if (type == 135 || type == 136)
		put6(&f, OR(n.target, EP6_R));
	put_lladdr(&f, &n, 1, n.source);
	put_lladdr(&f, &n, 2, n.target_ll);
	if (n.nonce) {
		put16(&f, 0x0e01); /* RFC 3971 */
		put16(&f, 1);
		put32(&f, 2);
	}
	if (n.mtu) {
		put16(&f, 0x0501);
		put16(&f, 0);
		put32(&f, n.mtu);
	}
	if (n.prefix) {
		put16(&f, 0x0304);
		put8(&f, 64);
		put8(&f, n.prefix_flags);
		put32(&f, 86400);
		put32(&f, 14400);
		put32(&f, 0);
		put6(&f, n.prefix & 0xffff0000u);
	}
	f.len += (uint32_t)n.grow;
	len = f.len - at;
	f.b[18] = (uint8_t)(len >> 8);
	f.b[19] = (uint8_t)len;
	put_checksum(f.b + at + 2, f.b + 22, f.len - 22, len + 58);
	f.b[at + 3] ^= n.bad_sum ? 1 : 0;
	f.len -= (uint32_t)n.cut;
	return f;
}

struct frame make_too_big(struct frame about, uint32_t quote, uint32_t mtu, uint32_t source)
{
	int v6 = about.b[12] == 0x86;
	struct frame f = { 0 };
	uint32_t at;

	put(&f, mac_bytes(MAC_A), 6);
	put(&f, mac_bytes(MAC_GW), 6);
	put(&f, about.b + 12, 2);
	if (v6)
		put_ip6(&f, 0x60000000, 8 + quote, 58, 64, OR(source, GW6), EP6_A);
	else
		put_ip4(&f, 0x45, 0xc0, 28 + quote, 0, 0, 64, 1, OR(source, GW_IP), EP_A);
	at = f.len;
	put8(&f, v6 ? 2 : 3);
	put8(&f, v6 ? 0 : 4);
	put16(&f, 0);
	put32(&f, mtu);
	put(&f, about.b + 14, quote);
	put_sum(&f, 22, at, v6 ? 58 : 1);
	return f;
}

struct frame make_error(struct frame about, uint32_t quote, int type, uint32_t from, uint32_t to)
{
	int v6 = about.b[12] == 0x86;
	struct frame f = v6 ? INNER(.v6 = 1, .src6 = from, .dst6 = to, .proto = 58, .payload = (uint16_t)quote)
			    : INNER(.src = from, .dst = to, .proto = 1, .payload = (uint16_t)quote);
	uint32_t at = v6 ? 54 : 34;

	f.b[at] = (uint8_t)type;
	memcpy(f.b + at + 8, about.b + 14, quote);
	put_sum(&f, v6 ? 22 : 26, at, v6 ? 58 : 1);
	return f;
}

/* The outer source port: the flow's entropy, over addresses, protocol and
 * ports of the inner packet. */
static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x85ebca6bu;
	x = (x ^ x >> 13) * 0xc2b2ae35u;
	return x ^ x >> 16;
}

static uint32_t mix6(uint32_t short_form)
{
	struct mz_addr a = addr6(short_form);

	return mix(mix(mix(mix(ntohl(a.w[0]) ^ 0x9e3779b9u) ^ ntohl(a.w[1])) ^ ntohl(a.w[2])) ^ ntohl(a.w[3]));
}

static uint16_t entropy_port(const struct inner *in)
{
	uint32_t ports = (uint32_t)OR(in->sport, 1000) << 16 | OR(in->dport, 2000);
	uint32_t src = in->v6 ? mix6(in->src6) : in->src, dst = in->v6 ? mix6(in->dst6) : in->dst;
	uint8_t proto = OR(in->proto, 17);
	int fragment = in->v6 ? in->exts && memchr(in->ext, 44, (size_t)in->exts) : in->frag & 0x3fff;

	if ((proto == 1 && (in->sport >> 8 == 8 || (in->sport == 0 && in->zero_sport))) || (proto == 58 && in->sport >> 9 == 64))
		ports = OR(in->id, 8u + OR(in->payload, 10)) * 0x10001u; // an identifier, twice
	else if (proto != 6 && proto != 17 && proto != 132)
		ports = 0;
	if (fragment)
		ports = 0;
	return (uint16_t)(0xc000 | (mix(mix(mix(src ^ proto) ^ dst) ^ ports) & 0x3fff));
}

static void put_option(struct frame *f, const struct tunnel *t)
{
	uint32_t origin = t->origin == (uint32_t)-1 ? 0 : OR(t->origin, 2);

	put16(f, MZ_OPT_CLASS);
	put8(f, MZ_OPT_TYPE);
	put8(f, (uint8_t)(OR(t->opt_words, 3) + t->inner_optlen));
	put32(f, t->label);
	put32(f, (uint32_t)t->qos_class << 24 | origin);
	put32(f, (uint32_t)t->hops << 28 | (uint32_t)t->flags << 24 | OR(t->sender, 2));
}

struct frame make_tunnel(struct tunnel t)
{
	struct frame f = { 0 }, in;
	uint32_t opts = t.no_option ? 0 : 16;

	t.in.src = OR(t.in.src, EP_R);
	t.in.dst = OR(t.in.dst, EP_A);
	t.in.src6 = OR(t.in.src6, EP6_R);
	t.in.dst6 = OR(t.in.dst6, EP6_A);
	in = t.frame ? *t.frame : make_inner(t.in);
	if (t.bare)
		in.len = 0;
	opts += (t.twice ? 16 : 0) + (t.extra_option ? 8 : 0);
	put(&f, mac_bytes(OR(t.dmac, MAC_SELF)), 6);
	put(&f, mac_bytes(OR(t.smac, MAC_NEXT)), 6);
	t.sport = OR(t.sport, entropy_port(&t.in));
	if (t.u6) {
		put16(&f, 0x86dd);
		put_ip6(&f, (uint32_t)(OR(t.version_ihl, 0x60) >> 4) << 28 | (uint32_t)t.tos << 20 | OR(t.flow, t.sport),
			8 + 8 + opts + in.len, OR(t.proto, 17), OR(t.ttl, 64), OR(t.src6, PEER6), OR(t.dst6, SELF6));
	} else {
		put16(&f, 0x0800);
		put_ip4(&f, OR(t.version_ihl, 0x45), t.tos, 20 + 8 + 8 + opts + in.len, 0, OR(t.frag, 0x4000),
			OR(t.ttl, 64), OR(t.proto, 17), OR(t.src, PEER_IP), OR(t.dst, SELF_IP));
	}
	put16(&f, t.sport);
	put16(&f, OR(t.dport, 6081));
	put16(&f, (uint16_t)(8 + 8 + opts + in.len));
	put16(&f, 0);
	put8(&f, (uint8_t)(t.version << 6 | (uint8_t)((int)opts / 4 + t.optlen_delta)));
	put8(&f, t.oam ? 0x80 : 0);
	put16(&f, OR(t.gproto, 0x6558));
	put32(&f, OR(t.vni, 7) << 8);
	if (t.extra_option) {
		put16(&f, 0x0102);
		put8(&f, t.extra_option == 2 ? 0x85 : 0x05);
		put8(&f, 1);
		put32(&f, 0xfeedface);
	}
	if (!t.no_option)
		put_option(&f, &t);
	if (t.twice)
		put_option(&f, &t);
	put(&f, in.b, in.len);
	f.len -= (uint32_t)t.cut;
	if (t.keep)
		f.len = (uint32_t)t.keep;
	return f;
}

struct frame as_delivered(struct frame f, int mac)
{
	memcpy(f.b, mac_bytes(mac), 6);
	memcpy(f.b + 6, mac_bytes(MAC_GW), 6);
	return f;
}

struct frame in_tunnel(struct frame inner)
{
	struct frame f = TUNNEL(.in = { .src = EP_R, .payload = 1200 });

	memcpy(f.b + 66, inner.b, inner.len);
	f.len = 66 + inner.len;
	f.b[16] = (uint8_t)((f.len - 14) >> 8);
	f.b[17] = (uint8_t)(f.len - 14);
	f.b[38] = (uint8_t)((f.len - 34) >> 8);
	f.b[39] = (uint8_t)(f.len - 34);
	put_checksum(f.b + 24, f.b + 14, 20, 0);
	return f;
}
