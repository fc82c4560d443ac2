// SPDX-License-Identifier: Apache-2.0
#include "selftests/bpf/groups.h"

#include <arpa/inet.h>
#include <string.h>

const uint8_t mac4[6] = { 0x01, 0x00, 0x5e, 1, 2, 3 }, mac6[6] = { 0x33, 0x33, 0, 0, 0, 0x33 };
struct denied denied;

struct mz_group_key key_of(struct mz_addr group)
{
	return (struct mz_group_key){ .vni = VNI, .network = NETWORK, .group = group };
}

void put_rows(const char *table, struct mz_addr group, uint32_t a, uint32_t b, uint32_t c)
{
	struct mz_group_key k = key_of(group);
	struct mz_group g = { .row = { { a, T->now() }, { 0, 0 }, { b, T->now() }, { c, T->now() } } };

	put(table, &k, &g);
}

void with_groups(uint32_t world, uint32_t flags)
{
	struct mz_net_key k = { .prefixlen = 32 + 96 + 24, .vni = htonl(VNI), .ip = addr4(IP4(198, 18, 1, 0)) };
	struct mz_network n = { .shard = NETWORK, .vpc = VPC_SLOT, .flags = flags };
	struct mz_port port;

	build_world(world);
	put("mz_networks", &k, &n);
	k = (struct mz_net_key){ .prefixlen = 32 + 64, .vni = htonl(VNI), .ip = addr6(A6(1, 0)) };
	put("mz_networks", &k, &n);
	assert_int_equal(T->lookup("mz_ports", &T->ifindex, &port), 0);
	port.flags |= MZ_EP_F_GROUPS;
	put("mz_ports", &T->ifindex, &port);
	for (uint32_t member = IF_B; member <= IF_C; member++)
		put("mz_ports", &member, &(struct mz_port){ .ifindex = member, .vni = VNI });
}

// No row of a target that cannot copy gets this far.
int has_groups(void)
{
	static const enum mz_reason ours[] = { MZ_R_GROUP_SENT, MZ_R_GROUP_COPIED, MZ_R_GROUP_DELIVERED,
					       MZ_R_GROUP_NOBODY, MZ_R_GROUP_REPORT, MZ_R_GROUP_HOST, MZ_R_GROUP_LOST,
					       MZ_R_GROUP_RATE, MZ_R_GROUP_LIMIT, MZ_R_GROUP_HOSTS, MZ_R_GROUP_QUERY,
					       MZ_R_IGMP_INVALID, MZ_R_MLD_INVALID, MZ_R_GROUP_DENIED };

	if (T->copies)
		return 1;
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		reached[ours[i]] = true;
	return 0;
}

static uint32_t *denied_by(uint32_t why)
{
	return why == MZ_R_POLICY_INGRESS  ? &denied.ingress :
	       why == MZ_R_POLICY_EGRESS   ? &denied.egress :
	       why == MZ_R_POLICY_CLOSED   ? &denied.closed :
	       why == MZ_R_POLICY_FRAGMENT ? &denied.fragment :
	       why == MZ_R_POLICY_LABEL	   ? &denied.label :
	       why == MZ_R_L4_TRUNCATED	   ? &denied.cut :
					     NULL;
}

struct frame meet_run(const char *name, struct run run, enum mz_reason why, uint32_t copies, uint64_t losses)
{
	static struct counts before, after;
	const struct frame in = run.frame;
	const enum mz_dir dir = run.dir;
	uint32_t want = (VPC_SLOT * MZ_DIRS + dir) * MZ_REASON_SLOTS + why, had = T->copies(0, NULL, NULL);
	uint64_t lost = 0;

	print_message("# %s: %s\n", T->name, name);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	memset(&denied, 0, sizeof(denied));
	// What is not carried is counted before anybody knows whose it is.
	if (why == MZ_R_INNER_MULTICAST || why == MZ_R_GENEVE_CONTROL)
		want = after.c[want].packets == before.c[want].packets ? dir * MZ_REASON_SLOTS + why : want;
	for (uint32_t i = 0; i < SLOTS * MZ_DIRS * MZ_REASON_SLOTS; i++) {
		uint64_t moved = after.c[i].packets - before.c[i].packets;
		uint32_t *by = denied_by(i % MZ_REASON_SLOTS);

		if (i / MZ_REASON_SLOTS == VPC_SLOT * MZ_DIRS + dir && by) {
			*by = (uint32_t)moved;
			assert_int_equal(after.c[i].bytes - before.c[i].bytes,
					 moved * (dir == MZ_DIR_EGRESS ? in.len : in.len - MZ_OUTER_LEN4));
			continue;
		}
		if (i % MZ_REASON_SLOTS == MZ_R_GROUP_LOST)
			lost += moved;
		else if (moved != (i == want))
			print_message("  reason %u moved by %d, wanted %u\n", i % MZ_REASON_SLOTS, (int)moved, why);
		if (i % MZ_REASON_SLOTS != MZ_R_GROUP_LOST)
			assert_int_equal(moved, i == want);
	}
	if (lost)
		reached[MZ_R_GROUP_LOST] = true;
	if (losses != ANY)
		assert_int_equal(lost, losses);
	assert_int_equal(after.c[want].bytes - before.c[want].bytes, in.len);
	assert_int_equal(T->copies(0, NULL, NULL) - had, copies);
	reached[why] = true;
	return run.frame;
}

struct frame judged(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, uint32_t copies)
{
	return meet_run(name, (struct run){ .dir = dir, .frame = in }, why, copies, 0);
}

struct frame meet(const char *name, enum mz_dir dir, struct frame in, enum mz_reason why, uint32_t copies)
{
	struct frame f = meet_run(name, (struct run){ .dir = dir, .frame = in }, why, copies, ANY);

	DENIED(0);
	return f;
}

// Without what its flow chooses: the outer source port, and IPv6's label.
static void forget_entropy(struct frame *f)
{
	int v6 = f->b[12] == 0x86;

	memset(f->b + (v6 ? 54 : 34), 0, 2);
	if (v6)
		memset(f->b + 16, 0, 2);
}

void same(struct frame got, struct frame want, int tunnel)
{
	if (tunnel) {
		forget_entropy(&got);
		forget_entropy(&want);
	}
	for (uint32_t i = 0; i < got.len || i < want.len; i++)
		if (got.b[i] != want.b[i])
			print_message("  byte %u: %02x, wanted %02x\n", i, got.b[i], want.b[i]);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.b, want.b, want.len);
}

void copy_is(uint32_t i, uint32_t ifindex, struct frame want, int tunnel)
{
	struct frame got = { 0 };
	uint32_t at = 0;

	T->copies(i, &at, &got);
	assert_int_equal(at, ifindex);
	same(got, want, tunnel);
}

struct frame with_mac(struct frame f, uint32_t off, const uint8_t *dst, int src)
{
	memcpy(f.b + off, dst, 6);
	if (src)
		memcpy(f.b + off + 6, mac_bytes(src), 6);
	return f;
}
