// SPDX-License-Identifier: Apache-2.0
// The packet tables: every stage and every reason, the same rows on TC, XDP
// and native.
//
//   packet_test              all targets
//   packet_test --break KIND a wrong expectation of that kind, which must fail
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selftests/bpf/bpffs.h"
#include "selftests/bpf/row.h"
#include "selftests/bpf/rows.h"

// A traced packet is decided and rewritten, but leaves no trace elsewhere.
static void test_trace(void **state)
{
	(void)state;
	static struct counts before, after;
	struct run run = { .dir = MZ_DIR_INGRESS, .frame = TUNNEL(), .trace = true };
	struct frame want = DELIVERED_A();
	struct mz_trace t = { 0 };
	uint32_t zero = 0;
	struct row no_path = { .path = NO_PATH };

	build_world(0);
	put("mz_trace", &zero, &t);
	read_counts(&before);
	assert_int_equal(T->run(&run), 0);
	read_counts(&after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(run.frame.len, want.len);
	assert_memory_equal(run.frame.b, want.b, want.len);
	check_path(&no_path);
	assert_int_equal(T->lookup("mz_trace", &zero, &t), 0);
	assert_int_equal(t.reason, MZ_R_DELIVERED);
	assert_in_range(t.used, 4, MZ_NOTES);
	assert_int_equal(t.note[0].stage, MZ_ST_TUNNEL);
	assert_int_equal(t.note[1].stage, MZ_ST_SENDER);
	assert_int_equal(t.note[1].id, PEER);
}

static void test_every_reason(void **state)
{
	(void)state;
	static const char *const names[] = { "NONE",
#define X(name, kind, text, advice) #name,
					     MZ_REASONS(X)
#undef X
	};
	int missing = 0;

	for (int why = MZ_R_NONE + 1; why < MZ_REASON_COUNT; why++) {
		if (reached[why] || skipped[why])
			continue;
		print_message("# %s: no row reaches %s\n", T->name, names[why]);
		missing++;
	}
	assert_int_equal(missing, 0);
}

// ---- main -------------------------------------------------------------------

static const struct target *const targets[] = { &target_tc, &target_xdp, &target_native };

// A row that is wrong in one way: the harness has to notice.
static const char *broken;

static void test_broken(void **state)
{
	(void)state;
	struct row r = { "broken", 0, TUNNEL(), DELIVERED, MZ_R_DELIVERED, .out = DELIVERED_A(),
			 .path = PEER };

	if (!strcmp(broken, "action"))
		r.act = DROPPED;
	else if (!strcmp(broken, "reason"))
		r.why = MZ_R_BOUNCED;
	else if (!strcmp(broken, "bytes"))
		r.out.b[20] ^= 1;
	else if (!strcmp(broken, "length"))
		r.out.len--;
	else if (!strcmp(broken, "vpc"))
		r.no_vpc = 1;
	else if (!strcmp(broken, "path"))
		r.path = NO_PATH;
	else if (!strcmp(broken, "event"))
		r.event = MZ_EVENT_HINT;
	else if (strcmp(broken, "none"))
		fail_msg("no such kind of mistake: %s", broken);
	run_row(&r, MZ_DIR_INGRESS);
}

// A network of its own: the FIB answers what target.h says, whatever the machine has.
static int private_network(void)
{
	static const char *const forwarding[] = { "/proc/sys/net/ipv4/ip_forward",
						  "/proc/sys/net/ipv6/conf/all/forwarding" };
	int fd;

	if (unshare(CLONE_NEWNET))
		return -1;
	for (size_t i = 0; i < 2; i++) {
		fd = open(forwarding[i], O_WRONLY);
		if (fd < 0 || write(fd, "1", 1) != 1)
			return -1;
		close(fd);
	}
	return system("ip link add outside index 77 mtu 1400 address 02:00:00:00:01:01 type veth peer name beyond index 78 && "
		      "ip link set lo up && for i in 2 3; do ip link add m$i index $i type veth peer name p$i index 10$i && "
		      "sysctl -qw net.ipv6.conf.m$i.disable_ipv6=1 net.ipv6.conf.p$i.disable_ipv6=1 && ip link set p$i up && "
		      "ip link set m$i up || exit 1; done && "
		      "ip link set beyond up && ip link set outside up && "
		      "ip addr add 203.0.113.1/24 dev outside && ip addr add 2001:db8:0:113::1/64 dev outside nodad && "
		      "for i in 203.0.113.9 203.0.113.10 2001:db8:0:113::9; do "
		      "ip neigh add $i dev outside lladdr 02:00:00:00:01:02 nud permanent || exit 1; done");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_egress_ways),      cmocka_unit_test(test_egress_drops),
		cmocka_unit_test(test_arp), cmocka_unit_test(test_too_big), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_echo),             cmocka_unit_test(test_ingress_delivery),
		cmocka_unit_test(test_ingress_delivery_deferred), cmocka_unit_test(test_ingress_hops),
		cmocka_unit_test(test_ingress_senders),
		cmocka_unit_test(test_ingress_malformed), cmocka_unit_test(test_control),
		cmocka_unit_test(test_ip6_egress),       cmocka_unit_test(test_nd),
		cmocka_unit_test(test_ip6_ingress),      cmocka_unit_test(test_ip6_underlay),
		cmocka_unit_test(test_ecn_out),          cmocka_unit_test(test_ecn_in),
		cmocka_unit_test(test_qos_departure),    cmocka_unit_test(test_qos_burst),
		cmocka_unit_test(test_qos_sparse),
		cmocka_unit_test(test_qos_clock_wrong),  cmocka_unit_test(test_qos_drops),
		cmocka_unit_test(test_qos_packets),      cmocka_unit_test(test_qos_superpackets),
		cmocka_unit_test(test_qos_latest),       cmocka_unit_test(test_qos_classes),
		cmocka_unit_test(test_qos_guarantee),    cmocka_unit_test(test_qos_ingress),
		cmocka_unit_test(test_qos_local),        cmocka_unit_test(test_qos_group),
		cmocka_unit_test(test_qos_levels),       cmocka_unit_test(test_qos_ceiling_drops),
		cmocka_unit_test(test_qos_first_drops),  cmocka_unit_test(test_qos_absurd),
		cmocka_unit_test(test_qos_rule),
		cmocka_unit_test(test_level_rule),       cmocka_unit_test(test_level_lists),
		cmocka_unit_test(test_level_heard),      cmocka_unit_test(test_level_service),
		cmocka_unit_test(test_flow_tcp),         cmocka_unit_test(test_flow_others),
		cmocka_unit_test(test_flow_ends),        cmocka_unit_test(test_flow_quota),
		cmocka_unit_test(test_flow_local),       cmocka_unit_test(test_flow_fragments),
		cmocka_unit_test(test_flow_errors),      cmocka_unit_test(test_flow_trace),
		cmocka_unit_test(test_host_known),       cmocka_unit_test(test_host_changes),
		cmocka_unit_test(test_host_others),      cmocka_unit_test(test_host_service),
		cmocka_unit_test(test_policy_match),     cmocka_unit_test(test_policy_blocks),
		cmocka_unit_test(test_policy_many),      cmocka_unit_test(test_policy_tiers),
		cmocka_unit_test(test_policy_flows),     cmocka_unit_test(test_policy_egress),
		cmocka_unit_test(test_policy_local),     cmocka_unit_test(test_policy_told),
		cmocka_unit_test(test_policy_known),     cmocka_unit_test(test_policy_kept),
		cmocka_unit_test(test_policy_odd_protocols), cmocka_unit_test(test_policy_own_geneve),
		cmocka_unit_test(test_local_requests),   cmocka_unit_test(test_local_replies),
		cmocka_unit_test(test_vip_ways),         cmocka_unit_test(test_vip_stays),
		cmocka_unit_test(test_vip_sctp),         cmocka_unit_test(test_vip_fragments),
		cmocka_unit_test(test_nat_fragments),
		cmocka_unit_test(test_vip_sticky),       cmocka_unit_test(test_vip_local),
		cmocka_unit_test(test_vip_clashes),      cmocka_unit_test(test_vip_errors),
		cmocka_unit_test(test_nat_mapping),      cmocka_unit_test(test_nat_filter),
		cmocka_unit_test(test_nat_ports),        cmocka_unit_test(test_nat_errors),
		cmocka_unit_test(test_nat_errors_end_nothing), cmocka_unit_test(test_flow_timers),
		cmocka_unit_test(test_nat_functions),    cmocka_unit_test(test_gateway_functions),
		cmocka_unit_test(test_gateway_out),      cmocka_unit_test(test_gateway_in),
		cmocka_unit_test(test_gateway_policy),
		cmocka_unit_test(test_entry),            cmocka_unit_test(test_entry_answers),
		cmocka_unit_test(test_entry_alike),      cmocka_unit_test(test_entry_refused),
		cmocka_unit_test(test_peer_out),         cmocka_unit_test(test_peer_answers),
		cmocka_unit_test(test_peer_in),          cmocka_unit_test(test_peer_functions),
		cmocka_unit_test(test_vip_refused),      cmocka_unit_test(test_vip_functions),
		cmocka_unit_test(test_group_egress),     cmocka_unit_test(test_group_ingress),
		cmocka_unit_test(test_group_igmp),       cmocka_unit_test(test_group_mld),
		cmocka_unit_test(test_group_hosts),      cmocka_unit_test(test_group_described),
		cmocka_unit_test(test_group_policy),
		cmocka_unit_test(test_functions_egress), cmocka_unit_test(test_functions_ingress),
		cmocka_unit_test(test_functions_denied),
		cmocka_unit_test(test_functions_hop),    cmocka_unit_test(test_functions_described),
		cmocka_unit_test(test_functions_returned),
		cmocka_unit_test(test_trace),            cmocka_unit_test(test_every_reason),
	};
	const struct CMUnitTest wrong[] = { cmocka_unit_test(test_broken) };
	int failed = 0;

	if (argc == 3 && !strcmp(argv[1], "--break"))
		broken = argv[2];
	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root: it loads BPF programs\n");
		return 4;
	}
	if (!bpffs_there("packet_test"))
		return 1;
	if (private_network()) {
		perror("packet_test: network namespace");
		return 1;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	for (size_t i = 0; i < (only_tc() ? 1 : sizeof(targets) / sizeof(targets[0])); i++) {
		T = targets[i];
		memset(reached, 0, sizeof(reached));
		memset(skipped, 0, sizeof(skipped));
		if (T->open()) {
			fprintf(stderr, "packet_test: cannot load programs for %s, see above\n", T->name);
			failed++;
			break;
		}
		failed += broken ? cmocka_run_group_tests_name(T->name, wrong, NULL, NULL)
				 : cmocka_run_group_tests_name(T->name, all, NULL, NULL);
	}
	target_tc.close();
	return failed ? 1 : 0;
}
