// SPDX-License-Identifier: Apache-2.0
// Outside addresses, in rows of endpoints' hosts and of gateways.
#pragma once

#include "selftests/bpf/row.h"

#define PING 0x0800
#define PONG .zero_sport = 1
#define PING6 0x8000
#define PONG6 0x8100
#define FROM_OUTSIDE 0x4 // MZ_OPT_F_*
#define TO_MAPPED 0xc
#define NOTHING ((struct frame){ 0 })

// The ports of a shared address that its endpoint has.
#define FIRST 1024u
#define LAST  2047u

// What an endpoint of VNI has outside: ports of an address, or all of one.
void put_inside(struct mz_addr ip, struct mz_addr outside, uint16_t first, uint16_t last, uint16_t flags);
// A port of it forwarded in, as hosts and gateways know it. Ports of the host's order.
void put_forward(struct mz_addr ip, uint16_t port, uint16_t proto, struct mz_addr outside, uint16_t outside_port);
// A piece of an outside address is the endpoint's.
void put_piece(struct mz_addr outside, uint16_t piece, struct mz_addr ip);
void put_pool(struct mz_addr ip, uint16_t shift, uint16_t flags);
// Everything else is outside; MZ_NET_F_SERVED: by this host, else by BOUNCER.
void put_way_out(uint32_t flags);
// The packet a router further: one TTL less, from `smac` to `dmac`.
struct frame hopped(struct frame f, int dmac, int smac);
// What EP_R's host gets when one outside, OUT_R2, sends an error about `sent`, as EP_R sent it.
struct frame error_to_r(struct frame sent, uint8_t flags);
