// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/shapers.h"

struct mz_limit limit(void)
{
	struct mz_limit l = { .byte = BYTE, .mark = TICKS(20000 * MS), .drop = TICKS(20000 * MS),
			      .bucket = TICKS(20000 * MS), .horizon = TICKS(20000 * MS) };

	return l;
}

void put_shaper(uint32_t slot, struct mz_shaper s)
{
	if (s.whole.byte || s.whole.packet || s.whole.floor)
		s.flags |= MZ_SHAPER_F_WHOLE;
	for (int k = 0; k < 3; k++)
		if (s.class_[k].byte || s.class_[k].packet)
			s.flags |= MZ_SHAPER_F_CLASSES;
	put("mz_shapers", &slot, &s);
}

void all_wait(uint64_t ns)
{
	const uint64_t until = ns ? TICKS(T->ns() + ns) : 0;

	for (uint32_t i = 0; i < MZ_SPARSE_SLOTS; i++)
		put("mz_sparse", &i, &until);
}

void begin(uint32_t world)
{
	T->reset();
	build_world(world);
	if (T->ns)
		all_wait(30000 * MS);
}

struct mz_clocks clocks(uint32_t slot)
{
	struct mz_clocks c;

	assert_int_equal(T->lookup("mz_clocks", &slot, &c), 0);
	return c;
}

uint64_t set_whole(uint32_t slot, enum mz_class k, uint64_t ns)
{
	struct mz_clocks c = clocks(slot);
	uint64_t at = T->ns() + ns;

	c.class_[k].whole.bytes = TICKS(at);
	put("mz_clocks", &slot, &c);
	return at;
}

void put_level(uint32_t level, struct mz_level row)
{
	put("mz_levels", &level, &row);
}

void shape_a(uint32_t level, int paced, uint32_t more)
{
	struct mz_port p;

	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &p), 0);
	p.flags |= MZ_EP_F_SHAPED | more;
	p.qos_class = (uint8_t)level;
	p.shaper[MZ_DIR_EGRESS] = OF_ENDPOINT;
	p.vpc_shaper[MZ_DIR_EGRESS] = OF_VPC;
	put("mz_ports", &T->ifindex, &p);
	for (uint32_t l = 0; l < MZ_LEVELS; l++)
		put_level(l, (struct mz_level){ .flags = paced ? MZ_LEVEL_F_PACED : 0 });
}

bool begin_paced(void)
{
	if (!T->ns)
		return false;
	begin(W_PATH);
	shape_a(BEST_EFFORT, 1, 0);
	return true;
}

struct run last;
uint64_t last_from, last_to;

void send_(const char *name, struct frame f, enum mz_reason why, uint32_t gso_size)
{
	static struct counts before, after;
	uint32_t slot = (VPC_SLOT * MZ_DIRS + MZ_DIR_EGRESS) * MZ_REASON_SLOTS + why;

	print_message("# %s: %s\n", T->name, name);
	last = (struct run){ .dir = MZ_DIR_EGRESS, .frame = f, .gso_size = gso_size };
	read_counts(&before);
	last_from = T->ns ? T->ns() : 0;
	assert_int_equal(T->run(&last), 0);
	last_to = T->ns ? T->ns() : 0;
	read_counts(&after);
	assert_int_equal(after.c[slot].packets, before.c[slot].packets + 1);
	reached[why] = true;
}

void went_on(uint64_t ticks, uint64_t cost)
{
	assert_in_range(ticks >> MZ_TICK_BITS, last_from + cost, last_to + cost);
}
