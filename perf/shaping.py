# SPDX-License-Identifier: Apache-2.0
"""Rows 16 to 19: rates, spacing, round trips beside bulk, fairness and weights, on the hosts of
hosts_shaped(): for perf/bench and perf/qos. Frames are counted as the limit counts them: with
their Ethernet header and, at the uplink and by its peers (HTB, TBF), with the tunnel's.
RATE: Mbit/s of rows 18 and 19; MOST: the highest of row 16; ROUNDS, PINGS, WINDOW (seconds); ROWS."""
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import time

from rows import BIN, QUICK, ROOT, Bounded, Row, inside, run, server

SINK, HOST = "10.0.1.6", "q-h1"
RATE, MOST = (int(os.environ.get(name, usual)) for name, usual in (("RATE", "100"), ("MOST", "1000")))
ROUNDS = int(os.environ.get("ROUNDS", "1" if QUICK else "3"))
PINGS = int(os.environ.get("PINGS", "100" if QUICK else "200"))
WANTED = os.environ.get("ROWS", "16 17 18 19").split()
WINDOW = float(os.environ.get("WINDOW", "1" if QUICK else "2"))
LAST = os.cpu_count() - 1
TUNNEL = 1500 - int(os.environ["MTU"])  # an uplink's MTU less an endpoint's
SENDERS = {"bulk": "q-c1", "quick": "q-c3", "third": "q-c4", "fourth": "q-c5"}
PACE = f"{ROOT}/selftests/topo/pace.py"


def at(name, *command):
    """The command in a namespace, on any CPU."""
    return inside(name, *command, pinned=False)


def background(command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told_by(process):
    out, err = process.communicate(timeout=90)
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args)}: {(err or out).strip()[-300:]}")
    return out


# ---- what limits ------------------------------------------------------------------

def qos(*args):
    return run([f"{BIN}/transit", "--socket", f"{os.environ['TOPO_DIR']}/{HOST}/transitd.sock", "qos", *args])


def tc(*args, of=HOST):
    return run(at(of, "tc", *args))


def nothing():
    """No limits, and the kernel's own qdiscs."""
    for target in (("endpoint", "red/bulk"), ("endpoint", "red/quick"), ("vpc", "red"), ("uplink",)):
        qos("clear", *target)
    for name in (HOST, SENDERS["bulk"]):
        with contextlib.suppress(RuntimeError):  # it has no other
            tc("qdisc", "del", "dev", "eth0", "root", of=name)


def has_fq():
    """Whether the kernel has fq: asked where nothing is sent."""
    with contextlib.suppress(RuntimeError):
        tc("qdisc", "add", "dev", "lo", "root", "fq", of=SENDERS["bulk"])
        tc("qdisc", "del", "dev", "lo", "root", of=SENDERS["bulk"])
        return True
    return False


def htb(bits):
    tc("qdisc", "replace", "dev", "eth0", "root", "handle", "1:", "htb", "default", "1")
    tc("class", "replace", "dev", "eth0", "parent", "1:", "classid", "1:1", "htb", "rate", f"{bits}bit", "burst", burst(bits))


def tbf(bits):
    tc("qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{bits}bit", "burst", burst(bits), "latency", "50ms")


def burst(bits):
    """What a timer that goes off 250 times a second lets pass."""
    return str(max(3100, bits // 8 // 250))


LIMITS = {
    "ours": lambda bits: qos("set", "endpoint", "red/bulk", f"egress={bits}"),
    "vpc": lambda bits: qos("set", "vpc", "red", f"egress={bits}"),
    "uplink": lambda bits: qos("set", "uplink", f"egress={bits}"),
    "HTB": htb,
    "TBF": tbf,
    "fq, by socket": lambda bits: tc("qdisc", "replace", "dev", "eth0", "root", "fq", of=SENDERS["bulk"]),
}


def frame(kind, payload):
    """Bytes of a datagram of `payload` as the limit of that kind counts them."""
    return 14 + 28 + payload + (TUNNEL if kind in ("uplink", "HTB", "TBF") else 0)


# ---- row 16: the rate -----------------------------------------------------------------

def arrived():
    """Datagrams that reached the sink's sockets, also those its reader was too slow for."""
    lines = [x.split() for x in run(at("q-c2", "cat", "/proc/net/snmp")).splitlines() if x.startswith("Udp:")]
    udp = dict(zip(*lines))
    return time.monotonic(), int(udp["InDatagrams"]) + int(udp["InErrors"])


def sinks(stack, n, *more):
    """iperf3 servers at the sink, for one test each, on ports from 5201 on."""
    for port in range(5201, 5201 + n):
        stack.enter_context(server(at("q-c2", *more, "iperf3", "-s", "-1", "-p", str(port)), port))


ONE_BY_ONE = 500_000_000  # bits a second of datagrams that a CPU sends with ease


def flood(sender, cpu, port, bits, flows, payload, pace):
    """Datagrams one by one; of what no CPU sends so, superpackets."""
    if bits > ONE_BY_ONE:
        return background(at(SENDERS[sender], "taskset", "-c", str(cpu), PACE, "send", SINK, str(port), str(bits), str(payload),
                             str(WINDOW + 2), "0", str(pace // 8), "40"))
    return background(at(SENDERS[sender], "taskset", "-c", str(cpu), "iperf3", "-u", "-c", SINK, "-p", str(port), "-l", str(payload),
                         "-b", str(bits // flows), "-P", str(flows), "-t", f"{WINDOW + 2:.0f}", "-J",
                         *(["--fq-rate", str(pace // flows)] if pace else [])))


def flooded(told, payload):
    """Bits a second of payload that a flood says it sent."""
    if told.startswith("sent"):
        return int(told.split()[1]) * payload * 8 / (WINDOW + 2)
    return statistics.mean(i["sum"]["bits_per_second"] for i in json.loads(told)["intervals"])


def share_of_rate(kind, bits, flows, senders):
    """What arrives in a window of a flood of too much, by what was set."""
    payload = 1000 if bits < 10_000_000 else 1372
    pace = bits if kind == "fq, by socket" else 0
    offered = bits * 1.5 / len(senders)
    nothing()
    LIMITS[kind](bits)
    with contextlib.ExitStack() as stack:
        if bits > ONE_BY_ONE:
            stack.enter_context(server(at("q-c2", "taskset", "-c", str(LAST), PACE, "receive", "5201", "10", str(WINDOW + 3)), 5201))
        else:
            sinks(stack, len(senders), "taskset", "-c", str(LAST))
        running = [flood(name, i % (LAST + 1), 5201 + i, int(offered), flows, payload, pace) for i, name in enumerate(senders)]
        time.sleep(1.3)  # what was saved up is used
        begin, first = arrived()
        time.sleep(WINDOW)
        end, last = arrived()
        sent = sum(flooded(told_by(p), payload) for p in running)
    share = (last - first) * frame(kind, payload) * 8 / (end - begin) / bits
    # A peer's queue holds its senders back: what was sent says nothing there.
    if kind in ("ours", "vpc") and share < 0.97 and sent < 1.05 * bits:
        raise RuntimeError(f"{kind}: only {sent / 1e6:.2f} Mbit/s could be sent of what is to exceed {bits / 1e6:.0f}, {share:.3f} of it arrived")
    return share


def rate_rows(fq):
    rows = []
    for id, mbit, flows, senders, kind in (("16", 1, 1, ["bulk"], "ours"), ("16a", 10, 16, ["bulk"], "ours"),
                                           ("16b", 100, 1, ["bulk"], "ours"), ("16c", 100, 16, ["bulk"], "ours"),
                                           ("16d", 1000, 1, ["bulk"], "ours"), ("16u", 100, 16, ["bulk"], "uplink"),
                                           ("16p", 100, 1, ["bulk", "quick"], "vpc")):
        mbit = min(mbit, MOST)  # emulation carries less
        kinds = [kind, "HTB", "TBF", *(["fq, by socket"] if fq and len(senders) == 1 else [])]
        values = {k: [] for k in kinds}
        for r in range(ROUNDS):
            for k in kinds[:1] if r else kinds:  # the peers once: nobody is judged by them
                values[k].append(share_of_rate(k, mbit * 1_000_000, flows, senders))
        over = 0.015 if len(senders) > 1 else 0.01
        who = {"ours": "endpoint", "uplink": "uplink", "vpc": "VPC, two CPUs"}[kind]
        rows.append(Bounded(id, f"rate of {mbit} Mbit/s, {flows} flow{'s' * (flows > 1)}, {who}", "of the rate", values.pop(kind), 1.0,
                            values, 1 - over, 1 + over))
    return rows


# ---- row 17: spacing ------------------------------------------------------------------

def gaps(kind, bits, payload):
    """p50 and p99 of how far gaps are from the ideal one, us, and the most packets in ten gaps."""
    nothing()
    LIMITS[kind](bits)
    gap = frame(kind, payload) * 8e6 / bits
    pace = str(bits // 8 if kind == "fq, by socket" else 0)
    to = background(at("q-c2", PACE, "receive", "5009", f"{gap:.3f}", str(WINDOW)))
    time.sleep(1)
    run(at(SENDERS["bulk"], PACE, "send", SINK, "5009", str(bits * 3 // 2), str(payload), str(WINDOW + 2), "0", pace))
    heard = dict(re.findall(r"(\w+) (\d+)", told_by(to)))
    return float(heard["p50"]), float(heard["p99"]), float(heard["burst"])


def timer(bits, payload):
    words = run([PACE, "timer", str(round(frame("ours", payload) * 8e6 / bits)), str(WINDOW)]).split()
    return float(words[1]), float(words[2])


def spacing_rows():
    """Where fq keeps packets. The floor: how late a bare timer of the same interval is."""
    bits, payload = min(RATE, 20) * 1_000_000 // 10, 1000
    kinds = ["ours", "HTB", "TBF", "fq, by socket"]
    values, late = {k: [] for k in kinds}, []
    for _ in range(ROUNDS):
        for k in kinds:
            values[k].append(gaps(k, bits, payload))
        late.append(timer(bits, payload))
    rows = []
    for i, (id, what, factor) in enumerate((("17", "p50", 1.5), ("17p99", "p99", 2.0))):
        one = {k: [v[i] for v in values[k]] for k in kinds}
        rows.append(Row(id, f"gaps at {bits / 1e6:g} Mbit/s: off the ideal, {what}", "us", "lower", one.pop("ours"), [v[i] for v in late], one,
                        {"floor": factor}))
    burst = {k: [v[2] for v in values[k]] for k in kinds}
    rows.append(Bounded("17b", "most packets within ten gaps", "packets", burst.pop("ours"), 11, burst, 10, 12))
    return rows


# ---- row 18: round trips beside bulk ----------------------------------------------------

QUICK_TRIPS = 3 * PINGS  # where nobody waits: a p99 of few is one that was unlucky


def round_trips(sender, n):
    words = run(at(SENDERS[sender], PACE, "rtt", SINK, "7", str(n)), timeout=120).split()
    if words[4] != "0":
        raise RuntimeError(f"{words[4]} of {n} round trips were lost")
    return int(words[1]), int(words[2])


def received_bytes():
    link = json.loads(run(at("q-c2", "ip", "-j", "-s", "link", "show", "eth0")))[0]
    return time.monotonic(), link["stats64"]["rx"]["bytes"]


def beside_bulk(sender, n):
    """(p50, p99) of `n` round trips of `sender` beside an iperf3 stream of `bulk`, and the bits a
    second that reach the sink meanwhile."""
    with contextlib.ExitStack() as stack:
        sinks(stack, 1)
        bulk = background(at(SENDERS["bulk"], "iperf3", "-c", SINK, "-t", "60"))
        time.sleep(2)
        try:
            begin, first = received_bytes()
            trips = round_trips(sender, n)
            end, last = received_bytes()
        finally:
            bulk.send_signal(signal.SIGINT)
            bulk.communicate(timeout=30)
    return (*trips, (last - first) * 8 / (end - begin))


def trips_beside_bulk():
    """{case: [(p50, p99, bulk)]}, of idle, peers and ours."""
    bits, got = RATE * 1_000_000, {}

    def measure(name, sender, n=QUICK_TRIPS):
        got.setdefault(name, []).append(beside_bulk(sender, n))

    for _ in range(ROUNDS):
        nothing()
        got.setdefault("idle", []).append((*round_trips("quick", QUICK_TRIPS), 0))
        for peer in ("TBF", "HTB"):
            nothing()
            LIMITS[peer](bits)
            measure(f"{peer}: one FIFO", "quick", PINGS)
        nothing()
        LIMITS["uplink"](bits)
        measure("QoS: another endpoint of the same class", "quick", PINGS)
        qos("set", "endpoint", "red/quick", "class=premium")
        measure("QoS: an endpoint in premium", "quick")
        nothing()
        LIMITS["ours"](bits)
        measure("QoS: the same endpoint", "bulk")
    nothing()
    return got


def trip_rows(got):
    def p99(name):
        return [v[1] / 1e3 for v in got[name]]

    idle = p99("idle")
    peers = {k: p99(f"{k}: one FIFO") for k in ("TBF", "HTB")}
    same = [a - b for a, b in zip(p99("QoS: the same endpoint"), idle)]
    return [Row("18", f"p99 in premium beside bulk, {RATE} Mbit/s", "ms", "lower", p99("QoS: an endpoint in premium"), idle, peers,
                {"floor": 2.0}),
            Bounded("18s", "p99 over idle, the same endpoint", "ms", same, 0.0,
                    {k: [a - b for a, b in zip(v, idle)] for k, v in peers.items()}, -1000, 5)]


# ---- row 19: fairness and weights -----------------------------------------------------

def streams(limit):
    """Jain's index of what four endpoints' TCP streams get of the uplink."""
    nothing()
    limit(RATE * 1_000_000)
    with contextlib.ExitStack() as stack:
        sinks(stack, len(SENDERS))
        running = [background(at(name, "iperf3", "-c", SINK, "-p", str(port), "-t", f"{2 * WINDOW:.0f}", "-O", "2", "-C", "cubic", "-J"))
                   for port, name in enumerate(SENDERS.values(), 5201)]
        got = [json.loads(told_by(p))["end"]["sum_received"]["bits_per_second"] for p in running]
    return sum(got) ** 2 / (len(got) * sum(x * x for x in got))


def fairness_rows():
    values = {k: [] for k in ("uplink", "HTB", "TBF")}
    for _ in range(ROUNDS):
        for k in values:
            values[k].append(streams(LIMITS[k]))
    nothing()
    return [Bounded("19", "four equal endpoints, TCP: Jain's index", "index", values.pop("uplink"), 1.0, values, 0.99, 1.0)]


def weight_share():
    """What expedited gets of both classes' arrivals, of weights 3 and 1."""
    nothing()
    qos("set", "uplink", f"egress={RATE * 1_000_000}", "egress.expedited.weight=3", "egress.best-effort.weight=1")
    qos("set", "endpoint", "red/quick", "class=expedited")
    ports = {5011: "quick", 5012: "bulk"}
    heard = [background(at("q-c2", PACE, "receive", str(port), "1000", str(WINDOW))) for port in ports]
    time.sleep(1)
    running = [background(at(SENDERS[n], PACE, "send", SINK, str(port), str(RATE * 1_000_000), "1000", str(WINDOW + 3))) for port, n in ports.items()]
    for p in running:
        told_by(p)
    quick, bulk = (int(re.search(r"rate (\d+)", told_by(p))[1]) for p in heard)
    return quick / (quick + bulk) / 0.75


def weight_rows():
    return [Bounded("19w", "expedited's share, weights 3 and 1", "of its share", [weight_share() for _ in range(ROUNDS)], 1.0, {}, 0.98, 1.02)]


# ---- all --------------------------------------------------------------------------------

def shaping_rows(trips=None):
    """Those of WANTED; rows of spacing and weights only where fq keeps packets."""
    fq = has_fq()
    parts = [("16", lambda: rate_rows(fq)), ("18", lambda: trip_rows(trips or trips_beside_bulk())), ("19", fairness_rows)]
    if fq:
        parts += [("17", spacing_rows), ("19", weight_rows)]
    return [row for name, part in parts if name in WANTED for row in part()]
