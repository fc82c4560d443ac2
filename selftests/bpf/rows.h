// SPDX-License-Identifier: Apache-2.0
// The packet tables, each a cmocka test.
#pragma once

// rows_egress.c
void test_egress_ways(void **state);
void test_egress_drops(void **state);
void test_arp(void **state);
void test_too_big(void **state);
void test_answers(void **state);
void test_echo(void **state);
// rows_ingress.c
void test_ingress_delivery(void **state);
void test_ingress_delivery_deferred(void **state);
void test_ingress_hops(void **state);
void test_ingress_senders(void **state);
void test_ingress_malformed(void **state);
void test_control(void **state);
// rows_ip6.c
void test_ip6_egress(void **state);
void test_nd(void **state);
void test_ip6_ingress(void **state);
void test_ip6_underlay(void **state);
// rows_ecn.c
void test_ecn_out(void **state);
void test_ecn_in(void **state);
// rows_qos.c
void test_qos_departure(void **state);
void test_qos_sparse(void **state);
void test_qos_burst(void **state);
void test_qos_clock_wrong(void **state);
void test_qos_packets(void **state);
void test_qos_superpackets(void **state);
void test_qos_latest(void **state);
void test_qos_classes(void **state);
void test_qos_guarantee(void **state);
// rows_qos_drops.c
void test_qos_drops(void **state);
void test_qos_ceiling_drops(void **state);
void test_qos_first_drops(void **state);
void test_qos_absurd(void **state);
// rows_qos_ways.c
void test_qos_ingress(void **state);
void test_qos_rule(void **state);
void test_qos_local(void **state);
void test_qos_group(void **state);
void test_qos_levels(void **state);
// rows_conversation.c
void test_level_rule(void **state);
void test_level_lists(void **state);
void test_level_heard(void **state);
void test_level_service(void **state);
// rows_local.c
void test_local_requests(void **state);
void test_local_replies(void **state);
// rows_group.c
void test_group_egress(void **state);
void test_group_ingress(void **state);
void test_group_igmp(void **state);
void test_group_mld(void **state);
void test_group_hosts(void **state);
void test_group_described(void **state);
// rows_group_policy.c
void test_group_policy(void **state);
// rows_function.c
void test_functions_egress(void **state);
void test_functions_ingress(void **state);
void test_functions_denied(void **state);
void test_functions_hop(void **state);
void test_functions_described(void **state);
void test_functions_returned(void **state);
// rows_flow.c
void test_flow_tcp(void **state);
void test_flow_others(void **state);
void test_flow_ends(void **state);
void test_flow_timers(void **state);
void test_flow_quota(void **state);
void test_flow_local(void **state);
void test_flow_fragments(void **state);
void test_flow_errors(void **state);
void test_flow_trace(void **state);
// rows_host.c
void test_host_known(void **state);
void test_host_changes(void **state);
void test_host_others(void **state);
void test_host_service(void **state);
// rows_policy.c
void test_policy_match(void **state);
void test_policy_blocks(void **state);
void test_policy_many(void **state);
void test_policy_tiers(void **state);
void test_policy_flows(void **state);
void test_policy_egress(void **state);
void test_policy_local(void **state);
void test_policy_told(void **state);
void test_policy_known(void **state);
void test_policy_kept(void **state);
// rows_policy_cve.c
void test_policy_odd_protocols(void **state);
void test_policy_own_geneve(void **state);
// rows_nat.c
void test_nat_mapping(void **state);
void test_nat_filter(void **state);
void test_nat_fragments(void **state);
void test_nat_ports(void **state);
void test_nat_errors(void **state);
void test_nat_errors_end_nothing(void **state);
void test_nat_functions(void **state);
void test_gateway_functions(void **state);
void test_peer_out(void **state);
void test_peer_answers(void **state);
void test_peer_in(void **state);
void test_peer_functions(void **state);
void test_gateway_out(void **state);
void test_gateway_policy(void **state);
void test_gateway_in(void **state);
void test_entry(void **state);
void test_entry_alike(void **state);
void test_entry_answers(void **state);
void test_entry_refused(void **state);
// rows_vip.c
void test_vip_ways(void **state);
void test_vip_sctp(void **state);
void test_vip_fragments(void **state);
void test_vip_stays(void **state);
void test_vip_sticky(void **state);
void test_vip_local(void **state);
void test_vip_refused(void **state);
void test_vip_clashes(void **state);
void test_vip_errors(void **state);
void test_vip_functions(void **state);
