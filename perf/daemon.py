# SPDX-License-Identifier: Apache-2.0
"""Rows 26 to 28: what a call of transitd costs, what it and its tables keep in memory, and its
restart under traffic; on the hosts of hosts_daemon.sh, and on those of row 10."""
import contextlib
import functools
import json
import os
import re
import select
import signal
import statistics
import subprocess
import time

from rows import BIN, CPU, PERF, QUICK, ROOT, ROUNDS, RUN, Bounded, Row, inside, interleave, ns, run, server, until_settled

DIR = os.environ["TOPO_DIR"]
HOST, BOUNCER = "daemon", "directory"
TRAFFIC = f"{ROOT}/selftests/topo/traffic.py"


def socket_of(host):
    return f"{DIR}/{host}/transitd.sock"


def pid_of(host):
    with open(f"{DIR}/{host}/pid") as f:
        return int(f.read())


def start(socket, log, *command):
    """Starts a server that outlives us: its pid, and milliseconds until it answered."""
    told = json.loads(run([f"{PERF}/rpc", "start", socket, log, *command], timeout=120))
    return told["pid"], told["ms"]


def stop(pid, how=signal.SIGTERM):
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, how)
        if not select.select([process], [], [], 10)[0]:
            raise RuntimeError(f"process {pid}: still there 10 s after signal {how}")
    finally:
        os.close(process)


def restart(host, how=signal.SIGTERM):
    """Milliseconds from the start of the host's new transitd to its first answer."""
    stop(pid_of(host), how)
    options = {HOST: "", BOUNCER: os.environ["DIRECTORY_OPTIONS"]}.get(host, os.environ["PAIR_OPTIONS"]).split()  # as it was started
    pid, ms = start(socket_of(host), f"{DIR}/{host}/log",
                    *inside(host, f"{BIN}/transitd", "--instance", ns(host), "--state-dir", f"{DIR}/{host}/state",
                            "--socket", socket_of(host), *options, pinned=False))
    with open(f"{DIR}/{host}/pid", "w") as f:
        f.write(f"{pid}\n")
    return ms


# ---- row 26: calls -------------------------------------------------------------------

CALL_SECONDS = 0.2 if QUICK else 0.3
CALL_ROUNDS = 2 if QUICK else 7  # short ones: of so many the outermost do not count
IN_BULK = 100  # endpoints whose labels one call changes
SHM = f"/dev/shm/{RUN}"  # where the host keeps its state: what a disk costs is another matter


@contextlib.contextmanager
def pinned(pid):
    """The process on our CPU, for a while."""
    run(["taskset", "-a", "-p", "-c", CPU, str(pid)])
    try:
        yield pid
    finally:
        run(["taskset", "-a", "-p", "-c", f"0-{os.cpu_count() - 1}", str(pid)])


@contextlib.contextmanager
def empty_server():
    """(socket, pid) of transitd's server with handlers that do nothing."""
    socket = f"{DIR}/empty.sock"
    pid, _ = start(socket, f"{DIR}/empty.log", f"{PERF}/rpc", "serve", socket, f"{SHM}/empty")
    try:
        yield socket, pid
    finally:
        stop(pid)


def call(server, what, *endpoints):
    """Calls one after the other, in thousands: (a second of the server's CPU, a second)."""
    socket, pid = server
    t = json.loads(run(["taskset", "-c", CPU, f"{PERF}/rpc", "call", socket, str(pid), str(CALL_SECONDS), "1", what, *endpoints]))
    return t["calls"] / 1e3 / t["server_cpu"], t["calls"] / 1e3 / t["seconds"]


def single_rows(v):
    def row(id, what, case, by=0, unit="K a CPU second"):
        ours, floor = ([x[by] for x in v[who, case]] for who in ("ours", "floor"))
        return Row(id, what, unit, "higher", ours, floor, {}, {"floor": 0.8})

    return [row("26", "calls: one endpoint is read (ListEndpoints)", "read"),
            row("26u", "calls: nothing changed (GetLocal)", "unchanged"),
            row("26w", "the same, client and server on one CPU", "unchanged", 1, "K a second"),
            row("26c", "calls: one endpoint is changed (SetLabels)", "change")]


def bulk_row(bulk, one):
    return Row("26b", f"endpoints changed, {IN_BULK} a call", "K a CPU second", "higher", bulk, one, {}, {"floor": 10},
               note="the service has no stream of updates: what comes in bulk comes in one call")


def call_rows():
    cases = {"read": (), "unchanged": (), "change": ("red/first",)}
    with pinned(pid_of(HOST)) as daemon, empty_server() as floor, pinned(floor[1]):
        servers = {"ours": (socket_of(HOST), daemon), "floor": floor}
        kinds = [(who, what) for what in cases for who in servers]
        made = until_settled(lambda: interleave(kinds, lambda k: call(servers[k[0]], k[1], *cases[k[1]]), CALL_ROUNDS), single_rows)
        with many(IN_BULK) as names:
            kinds = (names[:1], names)
            made += until_settled(lambda: interleave(kinds, lambda some: call(servers["ours"], "change", *some)[0] * len(some), CALL_ROUNDS),
                                  lambda v: [bulk_row(v[names], v[names[:1]])])
    return made


# ---- row 27: memory ------------------------------------------------------------------

MANY = 40 if QUICK else 200  # endpoints of the host
KNOWN = 30_000 if QUICK else 300_000  # ... that the bouncer knows


@contextlib.contextmanager
def namespaces(prefix, n):
    """PREFIX-1..N of this run."""
    names = tuple(f"{ns(prefix)}-{i}" for i in range(1, n + 1))
    batch(f"netns add {name}" for name in names)
    try:
        yield names
    finally:
        batch(f"netns del {name}" for name in names)


def batch(lines, at=None):
    command = ["ip", "-batch", "-"]
    run(inside(at, *command, pinned=False) if at else command, input="\n".join(lines) + "\n")


def have(host, n, *netns):
    run([f"{PERF}/goal", "have", socket_of(host), "red/net", HOST, str(n), *netns])


@contextlib.contextmanager
def many(n):
    """The host with so many endpoints more: their names."""
    try:
        with namespaces("many", n):  # which take the interfaces with them, all at once
            have(HOST, n, ns("many"))
            yield tuple(f"red/many-{i}" for i in range(1, n + 1))
    finally:
        have(HOST, 0)
        links_gone("mz", 1)


def links_gone(prefix, left):
    """The kernel deletes a link some time after it said so."""
    for _ in range(500):
        if run(inside(HOST, "ip", "-br", "link", pinned=False)).count(f"\n{prefix}") <= left:
            return
        time.sleep(0.02)
    raise RuntimeError(f"links {prefix}* of {ns(HOST)}: still there after 10 s")


def resident(pid):
    """Bytes that the process has in memory, its libraries' with them."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return int(re.search(r"^Rss:\s*(\d+) kB", f.read(), re.M)[1]) << 10


def held(kind, number):
    """What the kernel says of a table or program: by fdinfo only its holder could."""
    return json.loads(run(["bpftool", "-j", kind, "show", "id", number]))


def kept(pid):
    """Bytes of the tables and programs that the process holds, and of tables that only these programs hold."""
    found = {}
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{fd}") as f:
            told = dict(re.findall(r"^(\w+):\s*(\d+)$", f.read(), re.M))
        for kind in ("map_id", "prog_id"):
            if kind in told and "memlock" in told:
                found[kind, told[kind]] = int(told["memlock"])
    for kind, number in [k for k in found if k[0] == "prog_id"]:
        for table in held("prog", number).get("map_ids", []):
            if ("map_id", str(table)) not in found:
                found["map_id", str(table)] = held("map", str(table))["bytes_memlock"]
    return sum(found.values())


# What links, addresses, routes and attached programs are made of. Other objects come and go with
# files and processes; of pages the kernel always keeps some more.
OBJECTS = ("kmalloc-", "kernfs_node_cache", "proc_dir_entry", "ip_fib_")


def kernel():
    """Bytes of the kernel's objects of those. Each CPU's free ones count as used until their cache
    is shrunk: 200 KB of one size, a KiB of each of our endpoints."""
    with open("/proc/slabinfo") as f:
        names = [x.split()[0] for x in f.readlines()[2:] if x.startswith(OBJECTS) and "rcl" not in x]
    used = 0
    for cache in (f"/sys/kernel/slab/{x}" for x in names):
        with open(f"{cache}/shrink", "w") as f:
            f.write("1")
        with open(f"{cache}/objects") as n, open(f"{cache}/slab_size") as size:
            used += int(n.read().split()[0]) * int(size.read())
    return used - neighbours() * 512


def neighbours():
    """Entries of the kernel's tables of neighbours, whose number follows its own timers: each a
    kmalloc-512 (struct neighbour and an address)."""
    number = 0
    for table in ("arp_cache", "ndisc_cache"):
        with open(f"/proc/net/stat/{table}") as f:
            number += int(f.readlines()[1].split()[0], 16)
    return number


def settled():
    """The kernel's bytes once they stand still: what it frees it frees later."""
    last = [kernel()]
    for _ in range(100):
        time.sleep(0.2)
        last = [*last, kernel()][-4:]
        if len(last) == 4 and max(last) - min(last) < 1 << 16:
            return last[-1]
    raise RuntimeError("memory: the kernel's use does not settle; run it on a quieter machine")


def plain_veths(names):
    """What an endpoint's interface is without us."""
    batch((f"link add plain{i} up mtu 1434 type veth peer name eth0 mtu 1434 netns {name}" for i, name in enumerate(names, 1)), at=HOST)
    for i in range(1, len(names) + 1):
        address = f"addr add 10.64.{i >> 8}.{i & 255}/8 dev eth0"
        batch((address, "link set eth0 up", "route add default via 10.0.0.1 dev eth0"), at=f"plain-{i}")


def endpoint_costs():
    """KiB an endpoint: (in the kernel, in transitd, in the kernel of a plain veth pair)."""
    with namespaces("plain", MANY) as plain, many(0), namespaces("many", MANY):
        restart(HOST)  # what it once had allocated it would use again
        before, daemon = settled(), resident(pid_of(HOST))
        have(HOST, MANY, ns("many"))
        made, daemon = settled(), resident(pid_of(HOST)) - daemon
        plain_veths(plain)
        return [x / 1024 / MANY for x in (made - before, daemon, settled() - made)]


def endpoint_row():
    kernels, daemons, plain = zip(*(endpoint_costs() for _ in range(1 if QUICK else 3)))
    over = [k + d - p for k, d, p in zip(kernels, daemons, plain)]
    return Bounded("27h", f"an endpoint, of {MANY}, over a veth pair", "KiB", over, statistics.median(plain),
                   {"all of it in the kernel": kernels, "in transitd": daemons}, 0, 4, quoted={"mizar": 3e6 / 1024})


def idle_row():
    daemons, tables = [], []
    for _ in range(ROUNDS // 2):
        restart(HOST)
        daemons.append(resident(pid_of(HOST)) / 1e6)
        tables.append(kept(pid_of(HOST)) / 1e6)
    with empty_server() as (_, pid):
        empty = resident(pid) / 1e6
    return Bounded("27", "a host with one endpoint: transitd, tables", "MB", [a + b for a, b in zip(daemons, tables)], empty,
                   {"transitd": daemons, "tables and programs": tables}, 0, 50, quoted={"mizar": 546})


@functools.cache
def known():
    """Bytes an endpoint that a bouncer knows: (in its tables, in transitd)."""
    pid = pid_of(BOUNCER)
    tables, daemon = kept(pid), resident(pid)
    have(BOUNCER, KNOWN)
    return (kept(pid) - tables) / KNOWN, (resident(pid) - daemon) / KNOWN


def element():
    """Bytes of a raw element of the table of endpoints."""
    pin = run(["find", f"/sys/fs/bpf/mizar/{ns(BOUNCER)}", "-name", "mz_endpoints"]).strip()
    told = json.loads(run(["bpftool", "-j", "map", "show", "pinned", pin]))
    return told["bytes_key"] + told["bytes_value"]


def memory_rows():
    tables, daemon = known()
    return [idle_row(), endpoint_row(),
            Bounded("27b", f"a bouncer's tables, an endpoint of {KNOWN // 1000}K", "B", [tables], element(), {}, 0, 128),
            Row("27r", "... its transitd, an endpoint", "B", "lower", [daemon], [element()], {}, {})]


# ---- row 28: restart ------------------------------------------------------------------

PACKETS = 2000  # a second


def lost_in(how):
    """Of numbered packets and their answers between two hosts, while the daemons of both are
    ended that way and started again: (lost, sent)."""
    running = f"{DIR}/flowing"
    with server(inside("ours-c2", TRAFFIC, "echo", "server", "7", pinned=False), 7), open(running, "w"):
        flow = subprocess.Popen(inside("ours-c1", TRAFFIC, "flow", "10.0.1.6", "7", str(PACKETS), running, pinned=False),
                                stdout=subprocess.PIPE, text=True)
        try:
            for host in ("ours-h1", "ours-h2"):
                time.sleep(0.3)  # what the last one does first counts, too
                restart(host, how)
            time.sleep(0.3)
        finally:
            os.unlink(running)
            told = flow.communicate(timeout=30)[0]
    sent, answered = map(int, re.match(r"sent (\d+) answered (\d+)", told).groups())
    return sent - answered, sent


def lost_rows():
    ways = {"kill -9": ("28", signal.SIGKILL), "graceful": ("28g", signal.SIGTERM)}
    got = [{way: lost_in(how) for way, (_, how) in ways.items()} for _ in range(ROUNDS // 2)]
    return [Bounded(id, f"packets lost, {way} restart of both hosts", "packets", [x[way][0] for x in got], 0, {}, 0, 0,
                    sent=[x[way][1] for x in got])
            for way, (id, _) in ways.items()]


def idle(pid):
    """What a daemon does first is over: it uses less than a tenth of a CPU."""
    clock = ~pid << 3 | 2  # as clock_getcpuclockid() has it
    for _ in range(100):
        used = time.clock_gettime(clock)
        time.sleep(0.2)
        if time.clock_gettime(clock) - used < 0.02:
            return
    raise RuntimeError(f"process {pid}: still busy after 20 s")


def read_store():
    idle(pid_of(BOUNCER))
    begin = time.perf_counter()
    run([f"{PERF}/goal", "read", f"{DIR}/{BOUNCER}/state"])
    return (time.perf_counter() - begin) * 1e3


def restart_rows():
    known()
    v = interleave(["ours", "floor"], lambda who: restart(BOUNCER) if who == "ours" else read_store(), ROUNDS // 2)
    return [*lost_rows(), Row("28t", f"until a bouncer of {KNOWN // 1000}K answers again", "ms", "lower", v["ours"], v["floor"], {}, {})]
