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

static uint16_t checksum(const uint8_t *b, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += (uint32_t)b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#define OR(value, fallback) ((value) ? (value) : (fallback))

static void put_ip4(struct frame *f, uint8_t vihl, uint8_t tos, uint32_t total, uint16_t frag,
		    uint8_t ttl, uint8_t proto, uint32_t src, uint32_t dst)
{
	uint32_t at = f->len;
	uint32_t options = (vihl & 15u) > 5 ? ((vihl & 15u) - 5) * 4 : 0;
	uint16_t sum;

	put8(f, vihl);
	put8(f, tos);
	put16(f, (uint16_t)total);
	put16(f, 0);
	put16(f, frag);
	put8(f, ttl);
	put8(f, proto);
	put16(f, 0);
	put32(f, src);
	put32(f, dst);
	for (uint32_t i = 0; i < options; i++)
		put8(f, 1); /* NOP */
	sum = htons(checksum(f->b + at, 20 + options));
	memcpy(f->b + at + 10, &sum, 2);
}

struct frame make_inner(struct inner in)
{
	struct frame f = { 0 };
	uint8_t vihl = OR(in.version_ihl, 0x45);
	uint32_t payload = OR(in.payload, 10);
	uint32_t options = (vihl & 15u) > 5 ? ((vihl & 15u) - 5) * 4 : 0;
	uint32_t total = 20 + options + 8 + payload;

	put(&f, mac_bytes(OR(in.dmac, MAC_GW)), 6);
	put(&f, mac_bytes(OR(in.smac, MAC_A)), 6);
	put16(&f, OR(in.ethertype, 0x0800));
	put_ip4(&f, vihl, in.tos, (uint32_t)((int)total + in.total_delta), in.frag, OR(in.ttl, 64),
		OR(in.proto, 17), OR(in.src, EP_A), OR(in.dst, EP_B));
	put16(&f, OR(in.sport, 1000));
	put16(&f, OR(in.dport, 2000));
	put16(&f, (uint16_t)(8 + payload));
	put16(&f, 0);
	for (uint32_t i = 0; i < payload; i++)
		put8(&f, (uint8_t)('a' + i % 26));
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

/* The outer source port: the flow's entropy, over addresses, protocol and
 * ports of the inner packet. */
static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x85ebca6bu;
	x = (x ^ x >> 13) * 0xc2b2ae35u;
	return x ^ x >> 16;
}

static uint16_t entropy_port(const struct inner *in, uint32_t src, uint32_t dst)
{
	uint8_t proto = OR(in->proto, 17);
	uint32_t ports = (uint32_t)OR(in->sport, 1000) << 16 | OR(in->dport, 2000);

	if ((in->frag & 0x3fff) || (proto != 6 && proto != 17 && proto != 132))
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
	in = make_inner(t.in);
	if (t.bare)
		in.len = 0;
	opts += (t.twice ? 16 : 0) + (t.extra_option ? 8 : 0);
	put(&f, mac_bytes(OR(t.dmac, MAC_SELF)), 6);
	put(&f, mac_bytes(OR(t.smac, MAC_NEXT)), 6);
	put16(&f, 0x0800);
	put_ip4(&f, OR(t.version_ihl, 0x45), t.tos, 20 + 8 + 8 + opts + in.len, OR(t.frag, 0x4000),
		OR(t.ttl, 64), OR(t.proto, 17), OR(t.src, PEER_IP), OR(t.dst, SELF_IP));
	put16(&f, OR(t.sport, entropy_port(&t.in, t.in.src, t.in.dst)));
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
