# SPDX-License-Identifier: Apache-2.0
"""The well-known scenarios of Kubernetes' policies, as rows: what is in force, and who
reaches whom then. Namespaces x, y, z (label ns: their name), pods a, b, c in each (label
pod: their name; ports serve-80-tcp, serve-81-tcp, serve-80-udp), x/a on one host and its
peers on either.

`groups`: which security groups an endpoint is in.
`expect`: in order, the last that fits says; without one it is allowed. "deny * -> x/*",
"allow y/b -> x/a tcp/80". `ports`: what is probed, in both families."""

# What a row has unless it says otherwise.
PORTS = ("tcp/80", "tcp/81", "udp/80")


def network(name, ns, spec):
    """A NetworkPolicy; `spec` in YAML's short form."""
    return (f"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
            f"metadata: {{name: {name}, namespace: {ns}}}\nspec: {{{spec}}}\n")


def cluster(name, tier, priority, spec):
    return (f"---\napiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n"
            f"metadata: {{name: {name}}}\nspec: {{tier: {tier}, priority: {priority}, {spec}}}\n")


def group(name, spec):
    """A SecurityGroup; `groups` of a row says who is in it."""
    return f"---\napiVersion: centaurus/v1\nkind: SecurityGroup\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


DENY_IN_X = network("deny-in", "x", "podSelector: {}, policyTypes: [Ingress]")
DENY_OUT_X = network("deny-out", "x", "podSelector: {}, policyTypes: [Egress]")
ALL_NAMESPACES = "subject: {namespaces: {}}"
# Of a group: everybody, both families.
TO_ALL = "egress: [{to: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}]"
X_SUBJECT = "subject: {namespaces: {matchLabels: {ns: x}}}"


def to_a(ingress):
    """Ingress rules of x/a."""
    return network("to-a", "x", "podSelector: {matchLabels: {pod: a}}, ingress: [" + ingress + "]")


def from_a(egress):
    return network("from-a", "x", "podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [" + egress + "]")


ROWS = [
    dict(name="without a policy everything is allowed", policies="", ports=PORTS + ("sctp/80", "icmp"), expect=[]),

    # ---- default deny, default allow -----------------------------------------------------
    dict(name="default deny, ingress", policies=DENY_IN_X, ports=PORTS + ("sctp/80", "icmp"), expect=["deny * -> x/*"]),
    dict(name="default deny, egress", policies=DENY_OUT_X, ports=PORTS + ("sctp/80", "icmp"), expect=["deny x/* -> *"]),
    dict(name="default deny, both", policies=network("deny", "x", "podSelector: {}, policyTypes: [Ingress, Egress]"),
         ports=PORTS + ("icmp",), expect=["deny * -> x/*", "deny x/* -> *"]),
    dict(name="allow all, ingress, beside default deny",
         policies=DENY_IN_X + network("all", "x", "podSelector: {}, ingress: [{}]"), ports=PORTS + ("sctp/80", "icmp"), expect=[]),
    dict(name="allow all, egress, beside default deny",
         policies=DENY_OUT_X + network("all", "x", "podSelector: {}, policyTypes: [Egress], egress: [{}]"),
         ports=PORTS + ("icmp",), expect=[]),
    dict(name="a policy of egress alone leaves ingress be", policies=from_a(""), expect=["deny x/a -> *"]),

    # ---- selectors in each position --------------------------------------------------------
    dict(name="peers by pod: of the policy's own namespace", policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}"),
         expect=["deny * -> x/a", "allow x/b -> x/a"]),
    dict(name="peers by namespace", policies=to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}"),
         expect=["deny * -> x/a", "allow y/* -> x/a"]),
    dict(name="peers by namespace and pod, both", policies=to_a(
        "{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}"),
         expect=["deny * -> x/a", "allow y/b -> x/a"]),
    dict(name="peers by namespace or pod, one of them", policies=to_a(
        "{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: b}}}]}"),
         expect=["deny * -> x/a", "allow y/* -> x/a", "allow x/b -> x/a"]),
    dict(name="an empty podSelector: everyone of the own namespace", policies=to_a("{from: [{podSelector: {}}]}"),
         expect=["deny * -> x/a", "allow x/* -> x/a"]),
    dict(name="an empty namespaceSelector: everyone", policies=to_a("{from: [{namespaceSelector: {}}]}"), expect=[]),
    dict(name="an empty namespaceSelector and a pod: of any namespace",
         policies=to_a("{from: [{namespaceSelector: {}, podSelector: {matchLabels: {pod: c}}}]}"),
         expect=["deny * -> x/a", "allow */c -> x/a"]),
    dict(name="an empty list of peers: everyone", policies=to_a("{from: []}"), expect=[]),
    dict(name="no rule: nobody", policies=to_a(""), expect=["deny * -> x/a"]),
    dict(name="In", policies=to_a("{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: In, values: [x, z]}]}}]}"),
         expect=["deny * -> x/a", "allow x/* -> x/a", "allow z/* -> x/a"]),
    dict(name="NotIn", policies=to_a("{from: [{namespaceSelector: {matchExpressions: [{key: ns, operator: NotIn, values: [x]}]}}]}"),
         expect=["deny x/* -> x/a"]),
    dict(name="NotIn of pods", policies=to_a(
        "{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [a, b]}]}}]}"),
         expect=["deny * -> x/a", "allow */c -> x/a"]),
    dict(name="Exists", policies=to_a("{from: [{podSelector: {matchExpressions: [{key: pod, operator: Exists}]}}]}"),
         expect=["deny * -> x/a", "allow x/* -> x/a"]),
    dict(name="DoesNotExist", policies=to_a("{from: [{podSelector: {matchExpressions: [{key: pod, operator: DoesNotExist}]}}]}"),
         expect=["deny * -> x/a"]),
    dict(name="subject by expression", policies=network(
        "bc", "x", "podSelector: {matchExpressions: [{key: pod, operator: In, values: [b, c]}]}, ingress: []"),
         expect=["deny * -> x/b", "deny * -> x/c"]),
    dict(name="a namespace by its name", policies=to_a("{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: z}}}]}"),
         expect=["deny * -> x/a", "allow z/* -> x/a"]),
    dict(name="egress by pod and namespace", policies=from_a(
        "{to: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}"),
         expect=["deny x/a -> *", "allow x/a -> y/b"]),

    # ---- ports -----------------------------------------------------------------------------
    dict(name="a port by number", policies=to_a("{ports: [{port: 81}]}"), ports=PORTS + ("icmp",),
         expect=["deny * -> x/a", "allow * -> x/a tcp/81"]),
    dict(name="a port of UDP alone", policies=to_a("{ports: [{port: 80, protocol: UDP}]}"),
         expect=["deny * -> x/a", "allow * -> x/a udp/80"]),
    dict(name="a port of SCTP alone", policies=to_a("{ports: [{port: 80, protocol: SCTP}]}"), ports=("sctp/80", "sctp/81", "tcp/80", "udp/80"),
         expect=["deny * -> x/a", "allow * -> x/a sctp/80"]),
    dict(name="a protocol without ports: all of it", policies=to_a("{ports: [{protocol: TCP}]}"),
         expect=["deny * -> x/a udp/80"]),
    dict(name="a port by name", policies=to_a("{ports: [{port: serve-81-tcp}]}"),
         expect=["deny * -> x/a", "allow * -> x/a tcp/81"]),
    dict(name="a port by name, egress: the receiver's", policies=from_a("{ports: [{port: serve-81-tcp}]}"),
         expect=["deny x/a -> *", "allow x/a -> * tcp/81"]),
    dict(name="a range of ports", policies=to_a("{ports: [{port: 81, endPort: 82}]}"), ports=("tcp/80", "tcp/81", "tcp/82", "udp/81"),
         expect=["deny * -> x/a", "allow * -> x/a tcp/81", "allow * -> x/a tcp/82"]),
    dict(name="peers and ports of one rule, both", policies=to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}], ports: [{port: 80}]}"),
         expect=["deny * -> x/a", "allow y/* -> x/a tcp/80"]),
    dict(name="peers and ports of two rules, either", policies=to_a(
        "{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}, {ports: [{port: 80}]}"),
         expect=["deny * -> x/a", "allow y/* -> x/a", "allow * -> x/a tcp/80"]),
    dict(name="a rule without ports lets pings in, one with ports does not",
         policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}, {from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 80}]}"),
         ports=("tcp/80", "icmp"), expect=["deny * -> x/a", "allow x/b -> x/a", "allow x/c -> x/a tcp/80"]),

    # ---- blocks ----------------------------------------------------------------------------
    dict(name="a block that holds everyone", policies=to_a("{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: 'fd00::/8'}}]}"), expect=[]),
    dict(name="a block of one family says nothing of the other", policies=to_a("{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}"),
         families={4: [], 6: ["deny * -> x/a"]}),
    dict(name="a block of one, and what is excepted", policies=to_a(
        "{from: [{ipBlock: {cidr: 10.0.1.0/24, except: ['{y/b.4}/32']}}, {ipBlock: {cidr: '{y/b.6}/128'}}]}"),
         families={4: ["deny y/b -> x/a"], 6: ["deny * -> x/a", "allow y/b -> x/a"]}),
    dict(name="egress to a block", policies=from_a("{to: [{ipBlock: {cidr: '{z/c.4}/32'}}], ports: [{port: 80}]}"),
         families={4: ["deny x/a -> *", "allow x/a -> z/c tcp/80"], 6: ["deny x/a -> *"]}),

    # ---- several policies --------------------------------------------------------------------
    dict(name="policies that overlap: what any of them allows",
         policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}") +
         network("more", "x", "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {pod: c}}}], ports: [{port: 80}]}]"),
         expect=["deny * -> x/*", "allow x/b -> x/a", "allow x/c -> x/* tcp/80"]),
    dict(name="ingress and egress have to agree",
         policies=to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}") +
         network("out", "y", "podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]"),
         expect=["deny * -> x/a", "allow y/* -> x/a", "deny y/b -> *", "allow y/b -> y/*"]),
    dict(name="policies of namespaces leave others be",
         policies=DENY_IN_X + network("deny-in", "y", "podSelector: {}, policyTypes: [Ingress]"), expect=["deny * -> x/*", "deny * -> y/*"]),

    # ---- tiers ---------------------------------------------------------------------------------
    dict(name="Admin denies what a NetworkPolicy allows", policies=to_a("{}") + cluster(
        "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Deny, from: [{namespaces: {matchLabels: {ns: y}}}]}]"),
         ports=PORTS + ("icmp",), expect=["deny y/* -> x/*"]),
    dict(name="Admin accepts what a NetworkPolicy denies", policies=DENY_IN_X + cluster(
        "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Accept, from: [{namespaces: {matchLabels: {ns: y}}}]}]"),
         expect=["deny * -> x/*", "allow y/* -> x/*"]),
    dict(name="Admin passes: the NetworkPolicy decides", policies=DENY_IN_X + cluster(
        "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Pass, from: [{namespaces: {matchLabels: {ns: y}}}]}, "
        "{action: Accept, from: [{namespaces: {}}]}]"), expect=["deny y/* -> x/*"]),
    dict(name="Admin passes, no NetworkPolicy: Baseline decides", policies=cluster(
        "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Pass, from: [{namespaces: {matchLabels: {ns: y}}}]}]") + cluster(
        "base", "Baseline", 10, X_SUBJECT + ", ingress: [{action: Deny, from: [{namespaces: {}}]}]"), expect=["deny * -> x/*"]),
    dict(name="Baseline gives way to a NetworkPolicy", policies=to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}") + cluster(
        "base", "Baseline", 10, X_SUBJECT + ", ingress: [{action: Deny, from: [{namespaces: {}}]}]"),
         expect=["deny * -> x/*", "allow y/* -> x/a"]),
    dict(name="the lower priority goes first", policies=cluster(
        "late", "Admin", 20, X_SUBJECT + ", ingress: [{action: Accept, from: [{namespaces: {}}]}]") + cluster(
        "early", "Admin", 10, X_SUBJECT + ", ingress: [{action: Deny, from: [{namespaces: {matchLabels: {ns: z}}}]}]"),
         expect=["deny z/* -> x/*"]),
    dict(name="in one policy the first rule decides", policies=cluster(
        "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Accept, from: [{pods: {namespaceSelector: {matchLabels: {ns: y}}, "
        "podSelector: {matchLabels: {pod: b}}}}]}, {action: Deny, from: [{namespaces: {matchLabels: {ns: y}}}]}]"),
         expect=["deny y/* -> x/*", "allow y/b -> x/*"]),
    dict(name="Admin's egress", policies=cluster(
        "top", "Admin", 10, X_SUBJECT + ", egress: [{action: Deny, to: [{namespaces: {matchLabels: {ns: z}}}]}]"),
         ports=PORTS + ("sctp/80", "icmp"), expect=["deny x/* -> z/*"]),
    dict(name="Admin's egress to a network, one protocol", policies=cluster(
        "top", "Admin", 10, X_SUBJECT + ", egress: [{action: Deny, to: [{networks: ['{z/c.4}/32', '{z/c.6}/128']}], "
        "protocols: [{tcp: {destinationPort: {number: 81}}}]}]"), expect=["deny x/* -> z/c tcp/81"]),

    # ---- security groups ------------------------------------------------------------------------------
    dict(name="security group without rules: closed in both directions", policies=group("web", ""), groups={"x/a": ["web"]},
         ports=PORTS + ("sctp/80", "icmp"), expect=["deny * -> x/a", "deny x/a -> *"]),
    dict(name="security group: from another one, a range of ports", groups={"x/a": ["web"], "y/a": ["lb"], "z/b": ["lb"]},
         policies=group("web", "ingress: [{protocol: tcp, ports: {first: 80, last: 80}, from: [{group: lb}]}], " + TO_ALL) + group("lb", TO_ALL),
         ports=PORTS + ("icmp",), expect=["deny * -> x/a", "allow y/a -> x/a tcp/80", "allow z/b -> x/a tcp/80", "deny * -> y/a", "deny * -> z/b"]),
    dict(name="security group: members among themselves, every protocol", groups={"x/a": ["web"], "x/b": ["web"], "z/c": ["web"]},
         policies=group("web", "ingress: [{from: [{group: self}]}], egress: [{to: [{group: web}]}]"), ports=PORTS + ("sctp/80", "icmp"),
         expect=[f"deny {ends}" for m in ("x/a", "x/b", "z/c") for ends in (f"* -> {m}", f"{m} -> *")] +
         [f"allow {a} -> {b}" for a in ("x/a", "x/b", "z/c") for b in ("x/a", "x/b", "z/c") if a != b]),
    dict(name="security group: a member of two has what either allows", groups={"x/a": ["web", "dns"], "y/a": ["web"], "z/a": ["dns"]},
         policies=group("web", "ingress: [{protocol: tcp, from: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}], " + TO_ALL) +
         group("dns", "ingress: [{protocol: udp, ports: {first: 80}, from: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}], " + TO_ALL),
         expect=["deny * -> y/a udp/80", "deny * -> z/a tcp/80", "deny * -> z/a tcp/81"]),
    dict(name="security group: egress to a group, and to a block of one family", groups={"x/a": ["web"], "y/b": ["db"]},
         policies=group("web", "ingress: [{from: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}], "
                        "egress: [{protocol: tcp, ports: {first: 81}, to: [{group: db}]}, {to: [{cidr: '{z/c.6}/128'}]}]") +
         group("db", "ingress: [{from: [{group: web}]}]"),
         families={4: ["deny x/a -> *", "deny * -> y/b", "deny y/b -> *", "allow x/a -> y/b tcp/81"],
                   6: ["deny x/a -> *", "deny * -> y/b", "deny y/b -> *", "allow x/a -> y/b tcp/81", "allow x/a -> z/c"]}),
    dict(name="security group beside a NetworkPolicy: what either allows; Admin before both", groups={"x/a": ["web"]},
         policies=group("web", "ingress: [{protocol: tcp, ports: {first: 80}, from: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]}], " + TO_ALL) +
         to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}") + cluster(
             "top", "Admin", 10, X_SUBJECT + ", ingress: [{action: Deny, from: [{namespaces: {matchLabels: {ns: z}}}]}]"),
         expect=["deny * -> x/a", "allow * -> x/a tcp/80", "allow y/* -> x/a", "deny z/* -> x/*"]),

    # ---- labels that change ------------------------------------------------------------------------
    dict(name="a pod's label is another: x/c is a b, too", policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}"),
         labels={"x/c": {"pod": "b"}}, expect=["deny * -> x/a", "allow x/b -> x/a", "allow x/c -> x/a"]),
    dict(name="... and it is the subject", policies=to_a(""), labels={"y/a": {"pod": "a", "more": "1"}, "x/c": {"pod": "a"}},
         expect=["deny * -> x/a", "deny * -> x/c"]),
    dict(name="a namespace's label is another: z is a y, too", policies=to_a("{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}"),
         namespaces={"z": {"ns": "y"}}, expect=["deny * -> x/a", "allow y/* -> x/a", "allow z/* -> x/a"]),
    dict(name="labels that no policy mentions", policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}"),
         labels={"x/b": {"pod": "b", "pod-template-hash": "5d8f"}, "x/c": {"pod": "c", "pod-template-hash": "77aa"}},
         expect=["deny * -> x/a", "allow x/b -> x/a"]),

    # ---- what leaked elsewhere -----------------------------------------------------------------------
    dict(name="GO-2023-2078: a pod's own label is none of its namespace's", policies=to_a(
        "{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}]}"),
         labels={"z/a": {"pod": "a", "ns": "y", "kubernetes.io/metadata.name": "y"}}, expect=["deny * -> x/a", "allow y/* -> x/a"]),
    dict(name="GO-2023-2078: nor does a namespace take another's name", policies=to_a(
        "{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: y}}}]}"),
         namespaces={"z": {"ns": "z", "kubernetes.io/metadata.name": "y"}}, expect=["deny * -> x/a", "allow y/* -> x/a"]),
    dict(name="CVE-2024-47825: a wide deny and a narrower allow behind it: the deny", policies=cluster(
        "deny", "Admin", 1, X_SUBJECT + ", egress: [{action: Deny, to: [{networks: [10.0.0.0/16, 'fd00:10::/32']}]}]") + cluster(
        "allow", "Admin", 2, X_SUBJECT + ", egress: [{action: Accept, to: [{networks: ['{y/b.4}/32', '{y/b.6}/128']}]}]"),
         expect=["deny x/* -> *"]),
    dict(name="CVE-2024-47825: the other way round: the narrower allow", policies=cluster(
        "deny", "Admin", 2, X_SUBJECT + ", egress: [{action: Deny, to: [{networks: [10.0.0.0/16, 'fd00:10::/32']}]}]") + cluster(
        "allow", "Admin", 1, X_SUBJECT + ", egress: [{action: Accept, to: [{networks: ['{y/b.4}/32', '{y/b.6}/128']}]}]"),
         expect=["deny x/* -> *", "allow x/* -> y/b"]),
    dict(name="GO-2022-0393: pings obey", policies=to_a("{from: [{podSelector: {matchLabels: {pod: b}}}]}"), ports=("icmp",),
         expect=["deny * -> x/a", "allow x/b -> x/a"]),
]
