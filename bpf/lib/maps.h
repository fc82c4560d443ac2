/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tables. MZ_MAP(name, type, key, value, entries, flags) is the target's:
 * a pinned BPF map, or an in-memory table of the native build.
 *
 * Sizes are those of scale medium; the daemon sets those of the declared scale
 * before it loads (userspace/dataplane/sizes.h). Bytes are for x86-64 and medium. */
#ifndef MZ_LIB_MAPS_H
#define MZ_LIB_MAPS_H

#include "bpf/abi/reasons.h"
#include "bpf/abi/functions.h"
#include "bpf/abi/tables.h"

/* ifindex % MZ_PORTS -> what that interface may send. Writer: daemon. Reader:
 * every packet of an endpoint. 65,536 x 88 B = 5.5 MiB. Cannot fill up; two
 * interfaces of one slot are refused by the daemon, which picks ifindexes. */
MZ_MAP(mz_ports, ARRAY, __u32, struct mz_port, MZ_PORTS, MZ_MAP_RDONLY);

/* (VNI, address) -> endpoint: local ones, and a bouncer's share. Writer:
 * daemon. Reader: every packet. 104 B an entry, allocated when written; a full
 * table refuses the goal state. */
MZ_MAP(mz_endpoints, HASH, struct mz_ep_key, struct mz_endpoint, 131072, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (VNI, IPv4 address) -> host, of what stands in the table above: five to a line of 64 B. Writer:
 * daemon. Reader: packets that look for another host. 32,768 x 64 B = 2 MiB, one
 * line for three to six entries of the table above; what a full line does not hold is looked for above. */
MZ_MAP(mz_homes, ARRAY, __u32, struct mz_home_line, 32768, MZ_MAP_MMAPABLE);

/* (VNI, address) -> host a packet of that address last came from. Writers: the
 * data plane, and the daemon when an endpoint goes. Reader: packets to other
 * hosts. LRU: 65,536 x 104 B = 6.5 MiB; full means the longest unused path is
 * forgotten and learned again through a bouncer. */
MZ_MAP(mz_paths, LRU_HASH, struct mz_ep_key, struct mz_path, 65536, 0);

/* (VNI, prefix) -> network. Writer: daemon. Reader: packets without a direct
 * path. 60 B an entry, allocated when written; full refuses the goal state. */
MZ_MAP(mz_networks, LPM_TRIE, struct mz_net_key, struct mz_network, 16384, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* VNI -> dividers. Writer: daemon. Reader: packets to networks this host does
 * not know. 80 B an entry, allocated when written; full refuses the goal state. */
MZ_MAP(mz_vpcs, HASH, __u32, struct mz_vpc, 16384, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Shard tables of networks and VPCs, MZ_BUCKETS rows each. Writer: daemon.
 * Reader: packets without a direct path. 131,072 x 8 B = 1 MiB = 1,024 tables;
 * full refuses the goal state. */
MZ_MAP(mz_shards, ARRAY, __u32, struct mz_shard, 131072, MZ_MAP_RDONLY);

/* Host id -> underlay address, next hop, state. Writer: daemon. Reader: every
 * packet from or to another host. 65,536 x 40 B = 2.5 MiB; a host id past the
 * end is refused by the daemon. */
MZ_MAP(mz_hosts, ARRAY, __u32, struct mz_host, 65536, MZ_MAP_RDONLY);

/* Underlay address -> host id, for senders whose packets lack our option.
 * Writer: daemon. Reader: packets of foreign Geneve stacks. */
MZ_MAP(mz_host_ids, HASH, struct mz_addr, __u32, 65536, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Packets and bytes per (VPC slot, direction, reason). Writer: every packet,
 * on its own CPU. Reader: daemon. 256 slots x 4 KiB = 1 MiB a CPU; VPCs past
 * the last slot share slot 0, which the daemon reports. */
MZ_MAP(mz_counters, PERCPU_ARRAY, __u32, struct mz_count, 256 * MZ_DIRS * MZ_REASON_SLOTS, 0);

/* (VNI, local and remote address and port, protocol) -> flow. Writer: the data
 * plane; the daemon takes ended ones out. Reader: every packet of or to a local
 * endpoint. LRU: 131,072 x 200 B = 25 MiB; full means that the flow longest
 * without a packet is forgotten, and begun again by its next packet. */
MZ_MAP(mz_flows, LRU_HASH, struct mz_flow_key, struct mz_flow, 131072, 0);

/* ifindex % MZ_PORTS -> flows this endpoint has. Writers: the data plane counts
 * up, the daemon counts anew with each walk over the table. Reader: packets that
 * open a flow. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_flow_use, ARRAY, __u32, __u32, MZ_PORTS, 0);

/* First fragment -> ports. Writer and reader: fragments. LRU: 4,096 x 112 B;
 * full means that the rest of an old datagram is not tracked. */
MZ_MAP(mz_frags, LRU_HASH, struct mz_frag_key, struct mz_frag, 4096, 0);

/* Writer: packets that open a flow, on their own CPU. Reader: daemon. */
MZ_MAP(mz_flow_stats, PERCPU_ARRAY, __u32, struct mz_flow_stats, 1, 0);

/* Where a CPU puts an entry together: its stack is short. */
MZ_MAP(mz_new_flow, PERCPU_ARRAY, __u32, struct mz_flow, 1, 0);

/* (VNI, VIP, port, protocol) -> service. Writer: daemon. Reader: packets that open a
 * flow, in VPCs that have services. 88 B an entry, allocated when written; full
 * refuses the goal state. */
MZ_MAP(mz_vips, HASH, struct mz_vip_key, struct mz_vip, 16384, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Maglev tables, one behind the other: row -> backend id, 0 = none. Writer: daemon.
 * Reader: packets that open a flow to a service. 1,048,576 x 8 B = 8 MiB; full
 * refuses the goal state. */
MZ_MAP(mz_vip_rows, ARRAY, __u32, __u32, 1048576, MZ_MAP_RDONLY);

/* Backend id -> address and port. Writer: daemon. Reader: as above. 80 B an entry,
 * allocated when written; full refuses the goal state. */
MZ_MAP(mz_backends, HASH, __u32, struct mz_backend, 65536, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (service, client) -> backend, for services whose clients stay. Writer and reader:
 * packets that open a flow to one. LRU: 16,384 x 88 B = 1.4 MiB; full means that
 * the client longest without a new flow is balanced anew. */
MZ_MAP(mz_stickies, LRU_HASH, struct mz_sticky_key, struct mz_sticky, 16384, 0);

/* Flow from outside to a service, as the service has it -> backend. Writer and reader:
 * such packets, on a gateway. LRU: 65,536 x 120 B = 7.5 MiB; full means that the flow
 * longest without a packet is balanced anew, alike unless backends changed. */
MZ_MAP(mz_entries, LRU_HASH, struct mz_flow_key, struct mz_sticky, 65536, 0);

/* (VNI, address, port, protocol) -> outside address and ports. Writer: daemon.
 * Readers: packets of local endpoints that open a flow to the outside; on a gateway,
 * all that leave. 88 B an entry, allocated when written; full refuses the goal state. */
MZ_MAP(mz_insides, HASH, struct mz_inside_key, struct mz_inside, 131072, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (outside address, port, protocol) -> endpoint. Writer: daemon. Reader: on a gateway,
 * packets from the outside. 88 B an entry, allocated when written; full refuses the
 * goal state. */
MZ_MAP(mz_outsides, HASH, struct mz_outside_key, struct mz_outside, 131072, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Outside prefix -> how its addresses are shared. Writer: daemon. Reader: on a gateway,
 * every packet of the outside interface. Full refuses the goal state. */
MZ_MAP(mz_pools, LPM_TRIE, struct mz_pool_key, struct mz_pool, 4096, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Endpoint's port -> outside port, and back. Writers: packets that open a flow to the
 * outside; the daemon takes out what no flow needs any more. Readers: the same, and
 * packets from the outside. 72 B an entry, two a mapping; full means that a new port
 * of an endpoint cannot leave (NAT_PORTS), never that one is given away twice. */
MZ_MAP(mz_mappings, HASH, struct mz_mapping_key, struct mz_mapping, 131072, MZ_MAP_SPARSE);

/* ifindex % MZ_PORTS -> how often this endpoint was answered lately. Writer and
 * reader: packets that are answered. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_answered, ARRAY, __u32, struct mz_answers, MZ_PORTS, 0);

/* ifindex % MZ_PORTS -> link-local address that last asked for DHCPv6. Writer:
 * endpoints' requests. Reader: answers. LRU: 4,096 x 80 B; a client whose address
 * was forgotten asks again. */
MZ_MAP(mz_links6, LRU_HASH, __u32, struct mz_addr, 4096, 0);

/* ifindex % MZ_PORTS -> chains of functions of that endpoint. Writer: daemon.
 * Reader: packets of endpoints that have functions. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_function_ports, ARRAY, __u32, struct mz_function_chains, MZ_PORTS, MZ_MAP_RDONLY);

/* VPC's counter slot -> its chain at hops. Writer: daemon. Reader: packets that are
 * forwarded for others. 256 x 8 B; a VPC that has no slot can have no functions there. */
MZ_MAP(mz_function_vpcs, ARRAY, __u32, struct mz_function_chains, 256, MZ_MAP_RDONLY);

/* Chain -> slots. Writer: daemon. Reader: packets that meet functions. 2 KiB. */
MZ_MAP(mz_function_chains, ARRAY, __u32, struct mz_function_chain, MZ_FUNCTION_CHAINS, MZ_MAP_RDONLY);

/* Slot -> what the function has. Writer: daemon. Reader: packets that meet it. */
MZ_MAP(mz_function_slots, ARRAY, __u32, struct mz_function_slot, MZ_FUNCTION_SLOTS, MZ_MAP_RDONLY);

/* Slot -> function; MZ_FUNCTION_RESUME: the program they come back to;
 * MZ_FUNCTION_ANSWER: the one of answers. Writer: daemon. Readers: packets that
 * meet functions, or are answered. One for TC, one for XDP. */
MZ_PROGRAMS(mz_function_tc, MZ_FUNCTION_PROGRAMS);
MZ_PROGRAMS(mz_function_xdp, MZ_FUNCTION_PROGRAMS);

/* What a function is told of the packet: of TC, and of XDP. Writers: the packet, and
 * the function its verdict, on their own CPU. */
MZ_MAP(mz_function_packets, PERCPU_ARRAY, __u32, struct mz_function_packet, 2, 0);

/* Slot -> what became of packets. Writer: packets, on their own CPU. Reader: daemon. */
MZ_MAP(mz_function_counts, PERCPU_ARRAY, __u32, struct mz_function_count, MZ_FUNCTION_SLOTS, 0);

/* (VNI, network, group) -> members on this host. Writers: endpoints' reports and leaves;
 * the daemon takes out who answers no more, and enters who gets broadcasts. Reader: packets
 * to groups. 1,120 B an entry, allocated when written, freed with its last member; full
 * refuses the report (GROUP_LIMIT). */
MZ_MAP(mz_groups, HASH, struct mz_group_key, struct mz_group, 8192, MZ_MAP_SPARSE);

/* (VNI, network, group) -> hosts that have members, where this one is the group's bouncer.
 * Writers: what hosts tell; the daemon takes out who tells no more. Reader: packets to
 * groups. 1,120 B an entry, allocated when written; full means that members are not
 * reached by way of this bouncer (GROUP_HOSTS). */
MZ_MAP(mz_group_hosts, HASH, struct mz_group_key, struct mz_group, 8192, MZ_MAP_SPARSE);

/* A group without rows, to begin with. Writer: nobody. */
MZ_MAP(mz_new_group, ARRAY, __u32, struct mz_group, 1, MZ_MAP_RDONLY);

/* ifindex % MZ_PORTS -> groups this endpoint is in. Writers: its reports and leaves; the
 * daemon counts anew with each walk. Reader: reports. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_group_use, ARRAY, __u32, __u32, MZ_PORTS, 0);

/* ifindex % MZ_PORTS -> packets to groups this endpoint sent lately. Writer and reader:
 * these. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_group_sent, ARRAY, __u32, struct mz_answers, MZ_PORTS, 0);

/* Group -> what its lists say of what has no row. Writer: daemon, whole groups before
 * they are in use. Reader: packets that begin a flow, of endpoints that have a policy. 96 B
 * an entry, allocated when written; full refuses the goal state, as all of policy's. */
MZ_MAP(mz_policies, HASH, __u32, struct mz_policy, 8192, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (list, label set) -> vector, and the label sets that are known at all. Writer: daemon;
 * new label sets join groups in use, then the known ones. Reader: as above. 64 B an entry,
 * allocated when written. */
MZ_MAP(mz_policy_labels, HASH, struct mz_policy_label_key, __u32, 262144, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (list, block) -> vector. Writer, reader: as above. 64 B an entry. */
MZ_MAP(mz_policy_blocks, LPM_TRIE, struct mz_policy_block_key, __u32, 131072, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (list, protocol, port) -> vector. Writer, reader: as above. 52 B an entry. */
MZ_MAP(mz_policy_ports, LPM_TRIE, struct mz_policy_port_key, __u32, 131072, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* Vector -> its bits; lists of one host share equal ones. Writer, reader: as above. 568 B
 * an entry, allocated when written. */
MZ_MAP(mz_policy_vectors, HASH, __u32, struct mz_policy_vector, 65536, MZ_MAP_RDONLY | MZ_MAP_SPARSE);

/* (list, rule) -> verdict, and how many flows it decided. Writers: daemon; hits: packets.
 * Reader: as above. 72 B an entry, allocated when written. */
MZ_MAP(mz_policy_rules, HASH, struct mz_policy_rule_key, struct mz_policy_rule, 262144, MZ_MAP_SPARSE);

/* The flow being judged. Writer and reader: its packet, on its own CPU. */
MZ_MAP(mz_judging, PERCPU_ARRAY, __u32, struct mz_judging, 1, 0);

/* What the packet at hand became. Writer and reader: it, on its own CPU. */
MZ_MAP(mz_group_work, PERCPU_ARRAY, __u32, struct mz_group_work, 1, 0);

/* Level -> DSCPs and skb->priority; DSCP -> level. Writer: daemon. Reader: every packet that
 * leaves by the tunnel. 80 x 8 B. */
MZ_MAP(mz_levels, ARRAY, __u32, struct mz_level, MZ_LEVEL_SLOTS, MZ_MAP_RDONLY);

/* Slot -> rates of an endpoint, a VPC or the uplink, one direction. Writer: daemon, at any
 * time: rows change under way. Reader: packets of endpoints that have rates. 8,192 x 264 B =
 * 2.1 MiB; full refuses the rates. */
MZ_MAP(mz_shapers, ARRAY, __u32, struct mz_shaper, MZ_SHAPERS, MZ_MAP_RDONLY);

/* Slot -> clocks. Writers: packets, all CPUs; the daemon empties a slot that it gives to
 * another. Reader: the same, and the daemon for queues. 8,192 x 320 B = 2.5 MiB. */
MZ_MAP(mz_clocks, ARRAY, __u32, struct mz_clocks, MZ_SHAPERS, 0);

/* Slot -> what became of its packets. Writers: packets, on their own CPU. Reader: daemon.
 * 8,192 x 120 B = 960 KiB a CPU. */
MZ_MAP(mz_shaped, PERCPU_ARRAY, __u32, struct mz_shaped_classes, MZ_SHAPERS, 0);

/* Flow's hash -> until when it has packets waiting, ticks. Writers and readers: packets that
 * are shaped. Two flows of one slot: one that could pass may wait. 65,536 x 8 B = 512 KiB. */
MZ_MAP(mz_sparse, ARRAY, __u32, __u64, MZ_SPARSE_SLOTS, 0);

/* The packet being shaped. Writer and reader: it, on its own CPU. */
MZ_MAP(mz_shapings, PERCPU_ARRAY, __u32, struct mz_shaping, 1, 0);

/* MZ_GROUP_* -> program of groups. Writer: daemon. Readers: packets to groups. */
MZ_PROGRAMS(mz_group_tc, MZ_GROUP_PROGRAMS);

/* Notes of the traced packet. Writers: programs run on a described packet, one
 * at a time. Reader: daemon. */
MZ_MAP(mz_trace, ARRAY, __u32, struct mz_trace, 1, 0);

/* Events to the daemon. Full: the event is lost, which costs a bounce longer. */
MZ_RING(mz_events, 65536);

#endif
