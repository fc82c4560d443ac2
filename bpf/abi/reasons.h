/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every packet ends under exactly one of these. The table feeds the
 * counters, the command line, the metrics, the trace and the reference in
 * docs/; append only, a number is never used twice.
 *
 * X(name, kind, text, advice)  kind: SEND a packet left for the underlay,
 * DELIVER it reached an endpoint, ANSWER we replied ourselves, PASS left to
 * the kernel, DROP discarded. */
#ifndef MZ_ABI_REASONS_H
#define MZ_ABI_REASONS_H

#define MZ_REASONS(X) \
	/* sent and delivered */ \
	X(LOCAL, DELIVER, "delivered to an endpoint on the same host", "") \
	X(DIRECT, SEND, "sent straight to the endpoint's host", "") \
	X(TO_BOUNCER, SEND, "sent to a bouncer of the destination's network", "the direct path is learned from the reply") \
	X(TO_DIVIDER, SEND, "sent to a divider of the VPC", "the direct path is learned from the reply") \
	X(DELIVERED, DELIVER, "decapsulated and delivered to a local endpoint", "") \
	X(BOUNCED, SEND, "bouncer: forwarded to the endpoint's host", "") \
	X(DIVIDED, SEND, "divider: forwarded to a bouncer of the network", "") \
	X(REDIRECTED, SEND, "came here directly for an endpoint that is not here; forwarded to its bouncer", "the sender is told; it stops within the path's age") \
	X(ARP_REPLY, ANSWER, "ARP request answered for the network", "") \
	X(HINT, ANSWER, "a host told us a direct path, or took one back", "") \
	X(PROBE, ANSWER, "liveness probe of another host sent back", "") \
	X(NOT_TUNNEL, PASS, "not a tunnel packet for this host, left to the kernel", "") \
	/* from an endpoint */ \
	X(NO_PORT, DROP, "the interface belongs to no endpoint", "transit endpoint list; transit doctor") \
	X(SRC_MAC, DROP, "source MAC is not the endpoint's (anti-spoofing)", "compare with transit endpoint get") \
	X(L3_UNSUPPORTED, DROP, "neither IPv4, IPv6 nor ARP", "VLAN tags and other protocols are not carried") \
	X(ARP_INVALID, DROP, "ARP truncated or not Ethernet/IPv4", "the sender builds broken frames") \
	X(ARP_SPOOF, DROP, "ARP sender is not the endpoint (anti-spoofing)", "compare with transit endpoint get") \
	X(ARP_IGNORED, DROP, "ARP that needs no answer (reply, own address, announcement)", "") \
	X(IP4_TRUNCATED, DROP, "IPv4 header runs past the end of the packet", "the sender builds broken frames") \
	X(IP4_INVALID, DROP, "IPv4 version, header length or total length invalid", "the sender builds broken frames") \
	X(SRC_IP, DROP, "source address is not the endpoint's (anti-spoofing)", "compare with transit endpoint get") \
	X(MULTICAST, DROP, "broadcast or multicast, which the network does not carry", "set multicast or broadcast of the network; transit group list") \
	X(TOO_BIG, DROP, "larger than the endpoint's MTU, and nobody to tell (no DF, or itself an ICMP error)", "set the MTU shown by transit endpoint get inside the endpoint") \
	/* no way to go */ \
	X(UNKNOWN_VNI, DROP, "the VNI is no VPC this host knows", "transit vpc list; transit get") \
	X(NO_NETWORK, DROP, "no network of the VPC has this address", "transit network list") \
	X(NO_ENDPOINT, DROP, "no endpoint has this address", "transit endpoint list on the bouncer") \
	X(NO_HOP, DROP, "the bucket has no bouncer or divider", "transit shard list; apply a newer plan") \
	X(NO_HOST, DROP, "the chosen host is not in the hosts table", "transit host list") \
	X(NO_NEIGHBOUR, DROP, "the next hop towards the host is not resolved", "transit doctor; look at the route and ARP on the underlay") \
	X(HOP_LIMIT, DROP, "forwarded too often: a loop", "shard tables of two hosts disagree; compare revisions") \
	X(NO_ROOM, DROP, "headers could not be added or removed", "driver headroom or segmentation type; transit doctor") \
	/* from the underlay */ \
	X(OUTER_TRUNCATED, DROP, "tunnel packet shorter than its headers", "") \
	X(OUTER_INVALID, DROP, "outer IPv4 header invalid", "") \
	X(OUTER_FRAGMENT, DROP, "outer packet is a fragment", "the underlay's MTU is too small; transit doctor") \
	X(OWN_SOURCE, DROP, "tunnel packet with our own address as source", "somebody forges it, or the underlay loops") \
	X(UNKNOWN_SENDER, DROP, "tunnel packet from a host that is not known", "transit host list; apply a newer plan") \
	X(GENEVE_VERSION, DROP, "Geneve version is not 0", "") \
	X(GENEVE_LENGTH, DROP, "Geneve options run past their end or the packet's", "") \
	X(GENEVE_CRITICAL, DROP, "unknown critical Geneve option", "") \
	X(GENEVE_PROTOCOL, DROP, "Geneve payload is not Ethernet", "") \
	X(GENEVE_CONTROL, DROP, "Geneve control packet we do not know", "") \
	X(OPTION_INVALID, DROP, "our Geneve option is malformed or given twice", "the sender runs another version") \
	X(INNER_TRUNCATED, DROP, "inner frame runs past the end of the packet", "") \
	X(INNER_UNSUPPORTED, DROP, "inner frame is neither IPv4 nor IPv6", "") \
	X(INNER_INVALID, DROP, "inner IPv4 or IPv6 header invalid", "") \
	X(INNER_SOURCE, DROP, "inner source address cannot be an endpoint's", "") \
	X(INNER_MULTICAST, DROP, "inner destination is broadcast, multicast or of the link", "set multicast or broadcast of the network; transit group list") \
	X(ECN_LOST, DROP, "congestion marked outside, inner not ECN-capable (RFC 6040)", "") \
	/* IPv6 at an endpoint */ \
	X(IP6_TRUNCATED, DROP, "IPv6 header or extension header runs past the end of the packet", "the sender builds broken frames") \
	X(IP6_INVALID, DROP, "IPv6 version invalid", "the sender builds broken frames") \
	X(IP6_EXTENSIONS, DROP, "more IPv6 extension headers than are walked", "six, 256 bytes in all") \
	X(DST_IP, DROP, "IPv6 destination cannot be an endpoint's", "link-local addresses end at the endpoint's gateway") \
	X(ND_REPLY, ANSWER, "neighbour solicitation answered for the network", "") \
	X(RA_REPLY, ANSWER, "router solicitation answered", "") \
	X(ND_INVALID, DROP, "neighbour discovery that RFC 4861 says to discard", "the sender builds broken frames") \
	X(ND_SPOOF, DROP, "neighbour discovery for another than the endpoint itself (anti-spoofing)", "compare with transit endpoint get") \
	X(ND_IGNORED, DROP, "neighbour discovery that needs no answer (own address, advertisement)", "") \
	X(TOO_BIG_REPLY, ANSWER, "larger than the endpoint's MTU; it was told so", "") \
	X(ECHO_REPLY, ANSWER, "ping of the network's gateway answered", "") \
	/* flows */ \
	X(L4_TRUNCATED, DROP, "transport header runs past the end of the packet", "the sender builds broken packets") \
	X(FLOW_QUOTA, DROP, "a new flow of an endpoint that has as many as it may", "transit flow top; raise the endpoint's max_flows") \
	/* services of the host */ \
	X(LOCAL_SERVICE, DELIVER, "handed to this host's DHCP, DNS or metadata service, or to its prober", "") \
	X(LOCAL_REPLY, DELIVER, "answer of this host's DHCP, DNS or metadata service, or a health probe", "") \
	X(LOCAL_PORT, DROP, "to a service's address, but for nothing that services offer", "DHCP, DNS (53) and metadata (TCP 80) are offered; the prober of backends only takes answers") \
	X(LOCAL_STRAY, DROP, "the services' namespace sent something that is no answer to an endpoint", "look what runs there besides transit-responder") \
	X(HOST_PORT, ANSWER, "by the host itself, to a port of an endpoint that it may not reach; refused", "transitd --host-ports") \
	X(ANSWER_RATE, DROP, "the endpoint asks its network more often than it is answered", "transitd --answers; look what the endpoint does") \
	/* balanced services */ \
	X(SERVICE_EMPTY, ANSWER, "to a service that no backend serves; refused", "transit service list; look at its backends") \
	X(SERVICE_PORT, ANSWER, "to a service's address, but no port it offers; refused", "transit service list") \
	X(FLOW_CLASH, DROP, "its ports are those of another flow between the same two, by way of a service", "the sender tries again from another port") \
	/* peer VPCs */ \
	X(PEER_ANSWERS, DROP, "begins a flow to a peer VPC whose peering lets only the other side begin", "transit peering list") \
	X(PEER_SOURCE, DROP, "from another VPC that is no peer of the receiver's", "transit peering list, here and at the sender's host") \
	/* gateways */ \
	X(TO_GATEWAY, SEND, "to the outside: sent to a gateway of the VPC", "") \
	X(TO_OUTSIDE, SEND, "gateway: sent to the outside", "") \
	X(FROM_OUTSIDE, SEND, "gateway: from the outside, or back there, sent to the endpoint's host", "") \
	X(NAT_NONE, DROP, "to the outside, by an endpoint that has no outside address", "transit gateway list; give it a floating address or the gateway a pool") \
	X(NAT_PROTOCOL, DROP, "a protocol whose ports cannot be exchanged, through an outside address that is shared", "give the endpoint a floating address") \
	X(NAT_PORTS, DROP, "a new flow to the outside of an endpoint all of whose outside ports are in use", "transit flow top; raise the gateway's ports_per_endpoint") \
	X(NAT_SOURCE, DROP, "gateway: the source port is none of the endpoint's outside ports", "the sender's host has another plan, or tracks no flows") \
	X(NAT_UNKNOWN, DROP, "gateway: from the outside, to an address or port that is nobody's", "transit gateway get") \
	X(NAT_UNSOLICITED, DROP, "from the outside, to a shared address, and no answer to anything sent", "forward a port, or give the endpoint a floating address") \
	X(TTL_EXCEEDED, DROP, "gateway: the TTL or hop limit ran out, and nobody to tell", "") \
	X(TTL_REPLY, ANSWER, "gateway: the TTL or hop limit ran out; the sender was told so", "") \
	X(OUTSIDE_ROUTE, DROP, "gateway: the outside has no route or neighbour for it", "look at the routes of the gateway's outside interface") \
	X(OUTSIDE_SOURCE, DROP, "gateway: from the outside, with a source that nobody there has", "") \
	X(OUTSIDE_TOO_BIG, DROP, "gateway: larger than the way on carries, and nobody to tell", "") \
	X(OUTSIDE_MTU_REPLY, ANSWER, "gateway: larger than the way on carries; the sender was told so", "") \
	/* functions */ \
	X(FUNCTION_DROP, DROP, "an operator's function dropped it", "transit function list") \
	X(FUNCTION_TAKEN, DELIVER, "handed to an operator's function in user space", "") \
	X(FUNCTION_REPLY, DELIVER, "sent to an endpoint by an operator's function in user space", "") \
	X(FUNCTION_STRAY, DROP, "what came from a function's interface names no endpoint of this host", "the function must answer with both MAC addresses swapped") \
	/* groups */ \
	X(GROUP_SENT, SEND, "to a group: sent to the bouncer that knows its members' hosts", "") \
	X(GROUP_COPIED, SEND, "to a group: a bouncer's copies sent to the hosts of its members", "") \
	X(GROUP_DELIVERED, DELIVER, "to a group: delivered to its members on this host", "") \
	X(GROUP_NOBODY, DROP, "to a group that has no members this host knows of", "transit group list, here and at the bouncer") \
	X(GROUP_REPORT, ANSWER, "IGMP or MLD: who is in a group was taken note of", "") \
	X(GROUP_HOST, ANSWER, "a host told us that it has members of a group, or none any more", "") \
	X(GROUP_LOST, DROP, "a copy for one member or host of a group could not be made", "transit doctor; look at the member's interface, the route to the host") \
	X(GROUP_RATE, DROP, "the endpoint sends more to groups than it may", "transitd --group-packets; look what the endpoint does") \
	X(GROUP_LIMIT, DROP, "joins a group that is full, or one more than the endpoint may", "64 groups an endpoint, 128 members of a group on one host; transit group list") \
	X(GROUP_HOSTS, DROP, "a host told us of members of a group that has them on too many hosts", "128 hosts a group; divide the network") \
	X(GROUP_QUERY, DROP, "an endpoint asks who is in a group, which the network does", "take the multicast router out of the endpoint") \
	X(IGMP_INVALID, DROP, "IGMP that RFC 3376 says to discard", "the sender builds broken packets") \
	X(MLD_INVALID, DROP, "MLD that RFC 3810 says to discard", "the sender builds broken packets") \
	X(ICMP_INVALID, DROP, "an ICMP error that quotes no packet: cut short, or a later fragment", "the sender builds broken packets") \
	/* policy */ \
	X(POLICY_INGRESS, DROP, "denied by an ingress rule of the receiver's policy", "transit policy explain VPC/NAME; transit trace") \
	X(POLICY_EGRESS, DROP, "denied by an egress rule of the sender's policy", "transit policy explain VPC/NAME; transit trace") \
	X(POLICY_CLOSED, DROP, "the endpoint's policy does not stand yet", "transit policy list; transit policy explain VPC/NAME") \
	X(POLICY_FRAGMENT, DROP, "a later fragment whose first one policy has not seen", "") \
	X(POLICY_LABEL, DROP, "the sender's label set is not known to this host (yet)", "apply the newest plan to this host") \
	X(GROUP_DENIED, DROP, "to a group: policy lets no member on this host have it", "transit policy explain VPC/NAME; transit trace") \
	/* rates */ \
	X(QOS_RATE, DROP, "more than its rate, where nothing keeps packets until their time", "transit qos top; transit qos status") \
	X(QOS_QUEUE, DROP, "its queue had been long for a while (CoDel)", "transit qos top; raise the rate, or send less") \
	X(QOS_HORIZON, DROP, "would have to wait longer than packets may", "transit qos top; raise the rate, or send less")

enum mz_reason {
	MZ_R_NONE, /* no decision taken; no packet ends so */
#define X(name, kind, text, advice) MZ_R_##name,
	MZ_REASONS(X)
#undef X
	MZ_REASON_COUNT
};

/* Counter slots a direction; room for reasons to come. */
#define MZ_REASON_SLOTS 128u

#ifdef __cplusplus
static_assert(MZ_REASON_COUNT <= MZ_REASON_SLOTS, "counter slots");
#else
_Static_assert(MZ_REASON_COUNT <= MZ_REASON_SLOTS, "counter slots");
#endif

/* Stages and objects a trace names. */
#define MZ_STAGES(X) \
	X(PORT, "endpoint by interface") \
	X(PARSE, "frame") \
	X(SPOOF, "anti-spoofing") \
	X(RESPOND, "responder") \
	X(FLOWS, "flows table") \
	X(SERVICE, "service") \
	X(NAT, "outside port") \
	X(SENDER, "known sender") \
	X(TUNNEL, "tunnel header") \
	X(ENDPOINTS, "endpoints table") \
	X(PATHS, "learned paths") \
	X(NETWORKS, "networks table") \
	X(VPCS, "VPC's dividers") \
	X(SHARD, "shard of the bucket") \
	X(HOST, "host") \
	X(NEXTHOP, "next hop") \
	X(REWRITE, "rewrite") \
	X(FUNCTIONS, "functions") \
	X(GROUP, "group") \
	X(POLICY, "policy")

enum mz_stage {
#define X(name, text) MZ_ST_##name,
	MZ_STAGES(X)
#undef X
	MZ_STAGE_COUNT
};

#define MZ_OBJECTS(X) \
	X(NONE, "") X(PORT, "interface") X(ENDPOINT, "endpoint") X(NETWORK, "network") \
	X(VPC, "vpc") X(BUCKET, "bucket") X(HOST, "host") X(MISS, "no entry") \
	X(FLOW, "flow") X(VIP, "service") X(BACKEND, "backend") X(FUNCTION, "function") \
	X(RULE, "rule")

enum mz_object {
#define X(name, text) MZ_OBJ_##name,
	MZ_OBJECTS(X)
#undef X
	MZ_OBJECT_COUNT
};

#endif
