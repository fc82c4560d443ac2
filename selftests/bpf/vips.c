// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/vips.h"

#include <arpa/inet.h>

void put_vip(struct mz_addr ip, uint32_t size, uint32_t sticky)
{
	static const uint8_t protos[] = { 6, 17, 132 };
	struct mz_vip_key k = { .vni = VNI, .ip = ip };
	struct mz_vip v = { .first = VIP_FIRST, .size = size, .sticky = sticky, .id = 9 };

	put("mz_vips", &k, &v);
	k.port = htons(2000);
	for (size_t i = 0; i < sizeof(protos); i++) {
		k.proto = protos[i];
		put("mz_vips", &k, &v);
	}
}

void put_backend(uint32_t id, struct mz_addr ip, uint16_t port, uint16_t flags)
{
	struct mz_backend b = { .vni = VNI, .ip = ip, .port = htons(port), .flags = flags };

	put("mz_backends", &id, &b);
}

void put_vip_rows(const uint32_t ids[VIP_SIZE])
{
	for (uint32_t i = 0; i < VIP_SIZE; i++) {
		uint32_t row = VIP_FIRST + i;

		put("mz_vip_rows", &row, &ids[i]);
	}
}

void serve_by_r(uint8_t level)
{
	struct mz_vip_key k = { .vni = VNI, .ip = addr4(VIP), .port = htons(2000), .proto = IPPROTO_UDP };
	struct mz_vip v = { .first = VIP_FIRST, .size = VIP_SIZE, .id = 9, .level = level };
	struct mz_port port;

	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_VIPS;
	put("mz_ports", &T->ifindex, &port);
	put_backend(1, addr4(EP_R), 2001, 0);
	put_vip_rows(ROWS_OF(1));
	put("mz_vips", &k, &v);
}
