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
