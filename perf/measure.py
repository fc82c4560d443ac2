# SPDX-License-Identifier: Apache-2.0
"""Measures every row on the hosts that perf/bench made; writes results.json
and a table. Rounds are interleaved (ours, peers, floor, ours, ...), the first
is discarded, medians and pairwise ratios are reported."""
import json
import os
import re
import statistics
import subprocess
import sys
import time

from daemon import call_rows, memory_rows, restart_rows
from rows import (BIN, CPU, PERF, QUICK, ROUNDS, SECONDS, Bounded, Row, inside, interleave, is_known, known_rows, machine,
                  ns, reasons, run, server, steal, table, until_settled)
from packets import packet_rows
from shaping import shaping_rows

SERVER, SERVICE = "10.0.1.6", "10.0.9.1"


def live_row():
    mac = {}
    for k in ("hop", "hop-empty", "hop-tx", "hop-route", "hop-ovs"):
        link = json.loads(run(inside(k, "ip", "-j", "link", "show", "eth0", pinned=False)))
        mac[k] = link[0]["address"]
    port = {"hop": "r3", "hop-empty": "r11", "hop-tx": "r14", "hop-route": "r12", "hop-ovs": "r13"}

    def measure(k):
        out = run(inside("router", f"{PERF}/live", "run", port[k], mac[k], str(SECONDS)))
        return json.loads(out.splitlines()[-1])["mpps"]

    return until_settled(lambda: interleave(list(port), measure), lambda v: [
        Row("8", "transit, live frames, one core, hop", "Mpps", "higher", v["hop"], v["hop-empty"],
            {"empty, XDP_TX": v["hop-tx"], "linux-forward": v["hop-route"], "ovs-userspace": v["hop-ovs"]}, {"floor": 0.8, "ovs-userspace": 5.0})])


# A machine behind a tap, whose frames another CPU reads. The floor redirects them as they are.
def machine_row():
    taps = {"xdp": ("hop", "r3", "mzxdp", "10.0.8.2"), "tc": ("hop", "r3", "mztc", "10.0.8.1"), "empty": ("hop-tap", "r16", "mzempty", "10.0.8.3")}

    def taken(host, tap):
        return json.loads(run(inside(host, "ip", "-s", "-j", "link", "show", tap, pinned=False)))[0]["stats64"]["tx"]["packets"]

    def measure(kind):
        host, port, tap, to = taps[kind]
        mac = json.loads(run(inside(host, "ip", "-j", "link", "show", "eth0", pinned=False)))[0]["address"]
        machine = subprocess.Popen(inside(host, "taskset", "-c", "0" if CPU != "0" else "1", f"{PERF}/live", "drain", tap, pinned=False))
        try:
            while "LOWER_UP" not in run(inside(host, "ip", "link", "show", tap, pinned=False)):
                time.sleep(0.02)
            before = taken(host, tap)
            out = run(inside("router", f"{PERF}/live", "run", port, mac, "1", to))
            return (taken(host, tap) - before) / sum(json.loads(line)["seconds"] for line in out.splitlines()) / 1e6
        finally:
            machine.kill()
            machine.wait()

    return until_settled(lambda: interleave(list(taps), measure), lambda v: [
        Row("13v", "frames to a machine's tap, delivered by XDP", "Mpps", "higher", v["xdp"], v["empty"], {"ours, by TC": v["tc"]},
            {"floor": 0.8, "ours, by TC": 1.2})])


KINDS = ["ours", "vxlan+bridge", "route", "ovs-geneve", "veth"]
NETNS = {"vxlan+bridge": "vxlan", "ovs-geneve": "ovs", "route+conntrack": "nft"}


def end_to_end(id, what, unit, better, measure, target, more=(), rounds=ROUNDS):
    kinds = [*KINDS, *more]
    return until_settled(lambda: interleave(kinds, lambda kind: measure(NETNS.get(kind, kind)), rounds), lambda v: [
        Row(id, what, unit, better, v["ours"], v["route"], {k: v[k] for k in kinds if k not in ("ours", "route")}, target)])


def tcp_stream(kind, to=SERVER, seconds=SECONDS):
    with server(inside(f"{kind}-c2", "iperf3", "-s", "-1"), 5201):
        out = run(inside(f"{kind}-c1", "iperf3", "-c", to, "-t", str(max(1, round(seconds))), "-l", "1M",
                         "-C", "cubic", "-J"))
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def sockperf(kind, *args, tcp=False):
    extra = ["--tcp"] if tcp else []
    with server(inside(f"{kind}-c2", "sockperf", "sr", "-i", SERVER, "-p", "11111", *extra), 11111):
        return run(inside(f"{kind}-c1", "sockperf", *args, "-i", SERVER, "-p", "11111",
                          "-t", "1", *extra))


def ping_pong(kind):
    out = sockperf(kind, "ping-pong", "-m", "64", "--full-rtt", tcp=True)
    return tuple(float(re.search(rf"percentile {p}\.000\s*=\s*([\d.]+)", out)[1]) for p in (50, 99))


def ping_pong_rows():
    def rows(v):
        made = []
        for i, (id, what) in enumerate((("11", "TCP ping-pong 64 B, p50"), ("11p99", "TCP ping-pong 64 B, p99"))):
            one = {k: [x[i] for x in v[k]] for k in KINDS}
            made.append(Row(id, what, "us round trip", "lower", one["ours"], one["route"],
                            {k: one[k] for k in KINDS if k not in ("ours", "route")}, {"vxlan+bridge": 0.8 if i == 0 else 1.0}))
        return made

    return until_settled(lambda: interleave(KINDS, lambda kind: ping_pong(NETNS.get(kind, kind))), rows)


# The floor is a veth pair, one where ours and a bridge have two; `sockets` has none (decision 0026).
# Told, not judged: two rounds, for the time of the whole.
def same_host_rows():
    def row(*head, measure):
        v = interleave(["same", "bridge", "veth", "sockets"], measure, 2)
        return Row(*head, v["same"], v["veth"], {"bridge": v["bridge"], "sockmap": v["sockets"]}, {})

    return [row("10l", "TCP stream on one host, one CPU", "Gbit/s", "higher", measure=lambda kind: tcp_stream(kind, seconds=1)),
            row("11l", "TCP ping-pong 64 B on one host, p50", "us round trip", "lower", measure=lambda kind: ping_pong(kind)[0])]


def connections(kind, to=SERVER):
    with server(inside(f"{kind}-c2", f"{PERF}/connect", "serve", "9"), 9):
        return json.loads(run(inside(f"{kind}-c1", f"{PERF}/connect", "run", to, "9", str(SECONDS))))["per_second"] / 1e3


# The floor goes to the backend itself.
def service_row(id, what, unit, measure):
    kinds = ["ours", "route", "nft"]
    return until_settled(lambda: interleave(kinds, lambda kind: measure(kind, SERVER if kind == "route" else SERVICE)), lambda v: [
        Row(id, what, unit, "higher", v["ours"], v["route"], {"nft-dnat": v["nft"]}, {"floor": 0.85, "nft-dnat": 1.0})])


def service_rows():
    return [*service_row("5c", "TCP connect to a service, one CPU", "K/s", connections),
            *service_row("5s", "TCP stream to a service, one CPU", "Gbit/s", tcp_stream)]


# The floor: the same hosts without policy.
def policy_connect_rows():
    sizes = ("1000", "100000")
    kinds = ["ours", *(f"{kind}-{n}" for n in sizes for kind in ("policy", "nft"))]
    return until_settled(lambda: interleave(kinds, connections), lambda v: [
        Row(id, f"TCP connect, one of {n} addresses allowed", "K/s", "higher", v[f"policy-{n}"], v["ours"],
            {"nft-set": v[f"nft-{n}"]}, {"floor": 0.95, "nft-set": 1.0}) for id, n in zip(("6c", "6cm"), sizes)])


# The floor has the same cables, and no bouncer.
def bounce_rows():
    kinds = ["bounced", "direct"]

    def row(*head, measure, target):
        return until_settled(lambda: interleave(kinds, measure), lambda v: [Row(*head, v["bounced"], v["direct"], {}, {"floor": target})])

    return [*row("9", "every packet bounced once: TCP ping-pong p50", "us round trip", "lower", measure=lambda kind: ping_pong(kind)[0],
                 target=1.15),
            *row("9t", "every packet bounced once: TCP stream", "Gbit/s", "higher", measure=tcp_stream, target=0.98)]


def received(kind):
    lines = [x.split() for x in run(inside(f"{kind}-c2", "cat", "/proc/net/snmp")).splitlines() if x.startswith("Udp:")]
    return int(dict(zip(*lines))["InDatagrams"])


def udp_small(kind):
    before = received(kind)
    out = sockperf(kind, "throughput", "-m", "64", "--mps", "max")
    took = float(re.search(r"messages sent in ([\d.]+) sec", out)[1])
    return (received(kind) - before) / took / 1e3


# ---- row 14 -------------------------------------------------------------------

def busy_share():
    """Of the one CPU that everything is pinned to: what soak, which gets the rest, does not get."""
    return 1 - json.loads(run(["taskset", "-c", CPU, f"{PERF}/soak", "1.2"]))["left"]


def cpu_of_stream(kind):
    """CPU seconds a gigabyte, of a stream of 10 Gbit/s: of less, most are what iperf3 takes to wake up."""
    with server(inside(f"{kind}-c2", "iperf3", "-s", "-1"), 5201):
        p = subprocess.Popen(inside(f"{kind}-c1", "iperf3", "-c", SERVER, "-t", "2", "-b", "10G", "-C", "cubic", "-J"),
                             stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        share = busy_share()
        bits = json.loads(p.communicate(timeout=60)[0])["end"]["sum_received"]["bits_per_second"]
    return share / (bits / 8e9)


def cpu_of_packets(kind):
    """CPU seconds a million small UDP packets, 20,000 a second, by a sender that sleeps in between."""
    with server(inside(f"{kind}-c2", "iperf3", "-s", "-1"), 5201):
        p = subprocess.Popen(inside(f"{kind}-c1", "iperf3", "-u", "-c", SERVER, "-l", "64", "-b", str(20_000 * 64 * 8), "-t", "2"),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        before, begin = received(kind), time.monotonic()
        share = busy_share()
        rate = (received(kind) - before) / (time.monotonic() - begin)
        p.wait(60)
    if rate < 1000:
        raise RuntimeError(f"{kind}: only {rate:.0f} packets a second arrived of 20,000")
    return share / (rate / 1e6)


def cpu_rows():
    target = {k: 0.8 for k in ("vxlan+bridge", "ovs-geneve")}
    return [*end_to_end("14", "CPU seconds a GB, TCP at 10 Gbit/s", "s", "lower", cpu_of_stream, target),
            *end_to_end("14p", "CPU seconds a million UDP packets of 64 B", "s", "lower", cpu_of_packets, target)]


# ---- row 23 -------------------------------------------------------------------

SCRIPT = """
ip netns add $1
ip link add ps$2 type veth peer name eth0 netns $1
ip link set ps$2 up
ip -n $1 addr add 10.9.100.$2/16 dev eth0
ip -n $1 link set eth0 up
ip -n $1 route add default via 10.9.0.1 dev eth0 onlink
"""


def timed(command):
    start = time.perf_counter()
    run(command)
    return (time.perf_counter() - start) * 1e3


def attach(kind):
    """Median milliseconds of a few attachments; they go again untimed."""
    n, prefix = (3 if QUICK else 4), ns(f"at-{kind}")
    names = [f"{prefix}-{i}" for i in range(1, n + 1)]
    socket = f"{os.environ['TOPO_DIR']}/attach/transitd.sock"
    if kind == "rpc":
        ms = json.loads(run([f"{PERF}/attach", "rpc", socket, prefix, str(n)]))
    elif kind == "netlink":
        ms = json.loads(run(inside("attach-floor", f"{PERF}/attach", "netlink", prefix, str(n), pinned=False)))
    elif kind == "cli":
        ms = []
        for name in names:
            ms.append(timed(["sh", "-ec", f"ip netns add {name}; exec {BIN}/transit --socket {socket} "
                             f"endpoint add --netns {name} --vpc attach"]))
    else:
        ms = [timed(inside("attach-script", "sh", "-ec", SCRIPT, "sh", name, str(i), pinned=False))
              for i, name in enumerate(names, 1)]
    for name in names:
        if kind in ("rpc", "cli"):
            run([f"{BIN}/transit", "--socket", socket, "endpoint", "delete", f"attach/{name}"])
        run(["ip", "netns", "del", name])
    return statistics.median(ms)


def attach_rows():
    return until_settled(lambda: interleave(["rpc", "cli", "script", "netlink"], attach), lambda v: [
        Row("23", "attach: netns + AddEndpoint RPC", "ms", "lower", v["rpc"], v["netlink"],
            {"ip-script": v["script"], "by our command line": v["cli"]}, {"floor": 1.3, "ip-script": 0.2})])


# ---- row 29 -------------------------------------------------------------------

MOST_INSTRUCTIONS, MOST_MS = 4096, 100


def program_rows():
    """Programs that are larger, or take the verifier longer, without a reason; all of them in `programs`."""
    programs = json.loads(run([f"{PERF}/programs", os.path.join(os.path.dirname(PERF), "bpf")]))
    ms = {p: statistics.median(programs[p]["ms"]) for p in programs}
    large = [p for p in programs if programs[p]["instructions"] > MOST_INSTRUCTIONS or ms[p] > MOST_MS]
    bare = sorted(set(large) - reasons())
    largest, slowest = max(programs, key=lambda p: programs[p]["instructions"]), max(ms, key=ms.get)
    return [Bounded("29", "programs too large: " + (" ".join(bare) or "none without a reason"), "programs", [len(bare)], 0, {}, 0, 0,
                    programs=programs, too_large=large),
            Row("29i", f"largest program: {largest}", "instructions", "lower", [programs[largest]["instructions"]], [MOST_INSTRUCTIONS], {}, {}),
            Row("29t", f"verified longest: {slowest}", "ms", "lower", programs[slowest]["ms"], [MOST_MS] * len(programs[slowest]["ms"]), {}, {})]


# ---- all ------------------------------------------------------------------------

GROUPS = {
    "1-2-3-4-5n-6-7-15": packet_rows,
    "8": live_row,
    "9": bounce_rows,
    # A raw veth pair has two speeds, by how sender and receiver fall in with each other: rounds are short and many.
    "10": lambda: end_to_end("10", "TCP stream, two hosts, one CPU", "Gbit/s", "higher", lambda kind: tcp_stream(kind, seconds=1),
                              {"vxlan+bridge": 1.3, "veth": 0.75}, rounds=2 * ROUNDS),
    "11": ping_pong_rows,
    "10l-11l": same_host_rows,
    "12": lambda: end_to_end("12", "TCP connect, request, response, one CPU", "K/s", "higher", connections,
                              {"floor": 0.85, "vxlan+bridge": 1.2}, ["route+conntrack"]),
    "5": service_rows,
    "6c": policy_connect_rows,
    "13": lambda: end_to_end("13", "UDP 64 B received, one CPU", "Kpps", "higher", udp_small, {"vxlan+bridge": 1.2}),
    "13v": machine_row,
    "16-17-18-19": shaping_rows,
    "14": cpu_rows,
    "23": attach_rows,
    "29": program_rows,
    "26": call_rows,
    "27": memory_rows,
    "28": restart_rows,
}


def settings():
    return {"mtu": {"underlay": 1500, "endpoint": int(os.environ["MTU"])}, "congestion_control": "cubic",
            "offloads": "TSO, GSO, GRO and checksum on; ovs-geneve: checksum, TSO off at the endpoints "
                        "(packet sockets); row 8: tx checksum off, GRO on",
            "superpackets": "TCP over IPv4 in up to 192 KB (BIG TCP) but vxlan+bridge and ovs-geneve, which cannot: 64 KB",
            "pinned": "sender, softirq, receiver and ovs-vswitchd on one CPU; rows 16 to 23, 27 and 28 not pinned",
            "state": "rows 26 and 27: in memory; row 28: on disk"}


MOST_KNOWN = 4


def chosen():
    """What ROWS names; nothing: all."""
    wanted, known = os.environ.get("ROWS", "").split(), [n for name in GROUPS for n in name.split("-")]
    for w in wanted:
        if w not in known:
            print(f"bench: ROWS: no rows {w}; there are {' '.join(known)}", file=sys.stderr)
            sys.exit(2)
    return wanted


def main():
    wanted = chosen()
    if sys.argv[1:] == ["--check"]:
        return
    head, rows, before, start = machine("make bench", settings()), [], steal(), time.time()
    failed = []
    for name, group in GROUPS.items():
        if wanted and not any(w in name.split("-") for w in wanted):
            continue
        print(f"bench: rows {name}", file=sys.stderr)
        begin = time.time()
        try:
            made = group()
            rows += [r.as_json() for r in made]
        except Exception as e:  # whatever one group meets, the others' rows are told
            failed.append(name)
            print(f"bench: rows {name}: {type(e).__name__}: {e}", file=sys.stderr)
        head.setdefault("seconds_by_group", {})[name] = round(time.time() - begin, 1)
    after = steal()
    head["steal"] = round((after[0] - before[0]) / max(1, after[1] - before[1]), 4)
    head["seconds"] = round(time.time() - start, 1)
    path = os.path.join(sys.argv[1], "results.json")
    with open(path, "w") as f:
        json.dump({**head, "rows": rows}, f, indent=1)
    table(rows)
    print(f"{head['machine']}, {head['kernel']}, commit {head['commit']}, steal {head['steal']:.1%}, "
          f"{head['seconds']} s; {os.path.relpath(path)}")
    known = known_rows()
    missed = [r["id"] for r in rows if (not r["holds"] or r["rejected"]) and not is_known(r["id"])]
    if missed:
        print(f"bench: neither hold nor stand in perf/KNOWN_ROWS.md: {' '.join(missed)}", file=sys.stderr)
    if len(known) > MOST_KNOWN:
        print(f"bench: perf/KNOWN_ROWS.md names {len(known)} rows: {MOST_KNOWN} at most", file=sys.stderr)
    sys.exit(1 if failed or missed or len(known) > MOST_KNOWN else 0)


main()
