# SPDX-License-Identifier: Apache-2.0
"""Rows 1 to 7 and 15: what one packet costs, by BPF_PROG_TEST_RUN (micro.c).

The wrapping that restores a program's input is timed alone and taken off. All is in whole
packets, the empty program with them: ours, the floor, and what is quoted. The floor of a path is one program
of nothing but its unavoidable operations; what each of them costs alone stands in `alone`."""
import json
import statistics

from rows import CPU, PERF, QUICK, Row, run, until_settled

# Medians of the earlier implementation's programs (-O1 release objects, 4,096
# flows, another machine, nothing subtracted): not measured here.
MIZAR = {"bouncer": 649, "divider": 1114, "decap": 786, "encap": 849}


def summed(*columns):
    return [sum(v) for v in zip(*columns)]


def less(a, b):
    return [x - y for x, y in zip(a, b)]


def times(n, values):
    return [n * v for v in values]


class Times:
    """{case: nanoseconds of each round}, of micro."""

    def __init__(self, cases):
        self.cases = cases

    def __getitem__(self, name):
        return self.cases[name]

    def over(self, name, base):
        return less(self[name], self[base])

    def alone(self, base, **parts):
        return {k: round(statistics.median(self.over(v, base)), 1) for k, v in parts.items()}


def measured(*groups):
    """{case: nanoseconds of each round}, of these groups of micro's cases."""
    effort = ["3", "50000"] if QUICK else ["6", "125000"]
    return json.loads(run(["taskset", "-c", CPU, f"{PERF}/micro", *effort, *groups], timeout=300))


def hop_rows(t):
    def whole(name, tail=""):
        return summed(t.over(f"{name}.hop{tail}", f"{name}.wrap{tail}"), t["empty"])

    def row(id, what, name, tail, mizar, target, peers=None, **alone):
        return Row(id, what, "ns", "lower", whole(name, tail), t[f"{name}.floor{tail}"], peers or {}, target, {"mizar": MIZAR[mizar]} if mizar else {},
                   alone=t.alone("key", **alone))

    cold = {"1K + a cold look-up": summed(whole("bouncer"), t.over("endpoint.waits.1m", "key"))}
    return [row("1", "bouncer hop, 1K endpoints, XDP", "bouncer", "", "bouncer", {"floor": 1.3, "mizar": 0.5}, endpoint="endpoint",
                host="host", stores="store", counter="count"),
            row("1m", "bouncer hop, 1M endpoints, XDP", "bouncer", ".1m", None, {"floor": 1.3, "1K + a cold look-up": 1.0}, cold,
                endpoint="endpoint.1m"),
            row("2", "divider hop, 1K networks, XDP", "divider", "", "divider", {"floor": 1.3, "mizar": 0.5}, endpoint="endpoint.miss",
                network="network", shard="shard", host="host", stores="store", counter="count")]


def host_rows(t):
    # A room made and taken back; each of the two programs does one of both.
    half_room = times(0.5, t.over("tc.room", "tc.empty"))

    def whole(name, wrap):
        return summed(t.over(name, wrap), half_room, t["tc.empty"])

    def row(id, what, name, mizar):
        alone = {k: f"{name}.{k}" for k in ("endpoint", "path", "redirect", "flow")}
        return Row(id, what, "ns", "lower", whole(f"{name}.run", f"{name}.wrap"), whole(f"{name}.floor", f"{name}.wrap"), {},
                   {"floor": 1.4, "mizar": 0.9}, {"mizar": MIZAR[mizar]},
                   alone={**t.alone("tc.key", port="tc.port", counter="tc.count", host="tc.host", stores="tc.store", **alone),
                          "adjust_room": round(statistics.median(half_room), 1)})

    def service(id, what, name, operations):
        return Row(id, what, "ns", "lower", whole(f"{name}.run", f"{name}.wrap"), whole(f"{name}.floor", f"{name}.wrap"), {},
                   {"floor": 1.4}, alone=t.alone("tc.key", **{k: f"{name}.{k}" for k in operations}))

    known = ("endpoint", "path", "redirect", "flow")
    return [row("3", "ingress: decap, endpoint, deliver, TC", "deliver", "decap"),
            row("3f", "ingress under policy, 4K flows", "deliver.policy", "decap"),
            row("4", "egress: endpoint, path, encap, TC", "encap", "encap"),
            row("4f", "egress under policy, 4K flows", "encap.policy", "encap"),
            service("5", "service: backend of 1K, flow hit, 64K flows, TC", "service.hit", known),
            service("5n", "service: backend of 1K, new flow, TC", "service.new", (*known, "backend"))]


# The packet of a flow that stands pays nothing for rules, however many: it was judged when it
# began. What is denied is judged each time, and must cost less than what opens a flow.
def policy_rows(t):
    rows = []
    for tail, text, suffix in (("", "1 rule", ""), ("k", "1K rules", ".1k"), ("m", "64 groups of 2K rules", ".128k")):
        for way, id in (("deliver", "6"), ("encap", "6e")):
            name, one = f"{way}.policy{suffix}", f"{way}.policy"
            ours, without = (t.over(f"{n}.run", f"{n}.wrap") for n in (name, f"{way}.flows"))
            peers, target = {}, {"floor": 1.03}
            if tail:
                peers["1 rule"], target["1 rule"] = t.over(f"{one}.run", f"{one}.wrap"), 1.1
            rows.append(Row(id + tail, f"{way}: packet of a flow under policy, {text}", "ns over empty", "lower", ours, without, peers, target))
        opened, denied = (t.over(f"new{suffix}.{k}.run", f"new{suffix}.{k}.wrap") for k in ("allow", "deny"))
        rows.append(Row("6d" + tail, f"deliver: packet denied, {text}", "ns over empty", "lower", denied, opened, {}, {"floor": 1.0}))
    return rows


# Once a flow. The floor: all its look-ups; one look-up is what a table by label set and port alone would cost.
def judge_rows(t):
    rows = []
    for verdict, tail in (("allow", ""), ("deny", "d")):
        for size, id, text in (("1", "6j", "1 rule"), ("1k", "6jk", "1K rules"), ("128k", "6jm", "64 groups of 2K rules")):
            run, floor, label = (t.over(f"judge.{size}.{verdict}.{k}", f"judge.{size}.{verdict}.key") for k in ("run", "lookups", "label"))
            rows.append(Row(id + tail, f"policy: a new flow judged, {text}, {verdict}", "ns over empty", "lower", run, floor,
                            {"one look-up": label}, {"floor": 1.3}))
    return rows


# The floor: one look-up of the same keys, or one update.
def flow_rows(t):
    def row(id, what, name, ours, floor):
        return Row(id, what, "ns over empty", "lower", t.over(f"{name}.{ours}", f"{name}.key"), t.over(f"{name}.{floor}", f"{name}.key"),
                   {}, {"floor": 1.3})

    return [
        row("7", "flow hit, always the same", "flow.1", "hit", "lookup"),
        row("7k", "flow hit, 64K flows at random", "flow.64k", "hit", "lookup"),
        row("7m", "flow hit, 1M flows at random", "flow.1m", "hit", "lookup"),
        row("7i", "flow opened, table with room", "flow.room", "open", "update"),
        row("7f", "flow opened, table full", "flow.full", "open", "update"),
    ]


def rate_rows(t):
    """What a packet pays for its rate, over the same packet without; one limit, and three."""
    clock = t.over("shaped.0.ktime", "shaped.0.key")
    return [Row(id, what, "ns over the packet without", "lower", t.over(f"shaped.{n}.run", "shaped.0.run"), clock, {}, target)
            for id, what, n, target in (("15", "departure time, one limit", 1, {"floor": 1.3}),
                                        ("15t", "departure time, endpoint's, VPC's and uplink's", 3, {}))]


# Rows by micro's groups of cases, of which they are made.
GROUPS = [(("hops", "hops-1m"), (hop_rows,)), (("hosts", "services", "policy"), (host_rows, policy_rows, judge_rows)),
          (("flows",), (flow_rows,)), (("rates",), (rate_rows,))]


def packet_rows():
    made = []
    for groups, functions in GROUPS:
        made += until_settled(lambda: measured(*groups), lambda cases: [r for rows in functions for r in rows(Times(cases))])
    return made
