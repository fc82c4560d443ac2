// SPDX-License-Identifier: Apache-2.0
// Services, in rows of clients' hosts and of gateways: port 2000 of a VIP is port 2001
// of its backends.
#pragma once

#include "selftests/bpf/row.h"

#define VIP  IP4(198, 18, 1, 50)
#define VIP6 A6(1, 0x50)
#define VIP_FIRST 100u // row of the table in use
#define VIP_SIZE  7u

#define TCP_SYN 0x02
#define TCP_RST 0x04

// TCP, UDP and SCTP; `size` 0: nobody serves it.
void put_vip(struct mz_addr ip, uint32_t size, uint32_t sticky);
void put_backend(uint32_t id, struct mz_addr ip, uint16_t port, uint16_t flags);
void put_vip_rows(const uint32_t ids[VIP_SIZE]);
#define ROWS_OF(id) ((const uint32_t[VIP_SIZE]){ id, id, id, id, id, id, id })
// A's packets to UDP port 2000 of VIP go to R; `level`: MZ_LEVEL() of theirs, 0: none.
void serve_by_r(uint8_t level);
