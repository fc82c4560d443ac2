# SPDX-License-Identifier: Apache-2.0
"""What all rows of the bench are made of: commands in the namespaces that perf/bench made,
interleaved rounds, a row with its ratios and its verdict."""
import contextlib
import datetime
import math
import os
import platform
import re
import statistics
import subprocess
import time

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 2 if QUICK else 4
SECONDS = 0.6 if QUICK else 1.5
TOGETHER = 0.15     # pairs that are no further apart agree on a ratio
CHANCE = 0.07       # ... and on a verdict, where more of them have the same than a coin would give with so much chance,
ERRORS = 2          # ... or where their mean is so many standard errors from what the verdict is about
LEAST_ROUNDS = 4    # below which nothing is rejected: no such number is beyond that chance
CPU, BIN, PERF, RUN = (os.environ[k] for k in ("CPU", "BIN", "PERF", "TOPO_RUN"))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def number(id):
    """6kd, 6c: row 6 of the plan's table."""
    return re.match(r"\d+", id)[0]


def reasons():
    """What need not hold, each with its reason: rows and programs, lines "| NAME | ..." of KNOWN_ROWS.md."""
    with open(os.path.join(ROOT, "perf", "KNOWN_ROWS.md")) as f:
        return set(re.findall(r"^\| (\w+) \|", f.read(), re.M))


def known_rows():
    return {name for name in reasons() if name[0].isdigit()}


def is_known(id):
    """By itself, or with all of its number."""
    return not {id, number(id)}.isdisjoint(known_rows())


def ns(name):
    return f"{RUN}-{name}"


def inside(name, *command, pinned=True):
    # Whose connections a sockmap is to have: a matter of the control group, not of the namespace.
    joined = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', os.environ["SOCKETS"]] if name.startswith("sockets-") else []
    return ["nsenter", f"--net=/run/netns/{ns(name)}", *joined, *(["taskset", "-c", CPU] if pinned else []), *command]


def run(command, timeout=60, **kw):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **kw)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


@contextlib.contextmanager
def server(command, port):
    """A server in the background, ready when its port shows in ss."""
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if f":{port} " in run(command[:2] + ["ss", "-Htuln"]):
                break
            time.sleep(0.02)
        yield
    finally:
        p.kill()
        p.wait()


def together(values):
    """How many of them are within TOGETHER of each other, at most."""
    order = sorted(values)
    return max(sum(v <= first * (1 + TOGETHER) for v in order[n:]) for n, first in enumerate(order))


def interleave(kinds, measure, rounds=ROUNDS):
    """{kind: [value of each round]}; the first round warms up."""
    values = {k: [] for k in kinds}
    for r in range(rounds + 1):
        for kind in kinds:
            value = measure(kind)
            if r:
                values[kind].append(value)
    return values


def agree(pairs, factor, under):
    """Whether pairs say of themselves that they are at most `factor`, or more, and hardly by chance: so many of them
    (sign test, one side), or their mean."""
    same = sum((p <= factor) == under for p in pairs)
    if sum(math.comb(len(pairs), k) for k in range(same, len(pairs) + 1)) <= CHANCE * 2 ** len(pairs):
        return True
    mean, error = statistics.mean(pairs), statistics.stdev(pairs) / math.sqrt(len(pairs))
    return (mean <= factor) == under and abs(mean - factor) >= ERRORS * error


def until_settled(measure, rows):
    """What `rows` makes of the values that `measure` gives; if they leave its rows in doubt, of as many again besides."""
    values = measure()
    if any(r.doubtful() for r in rows(values)) and not QUICK:
        for kind, more in measure().items():
            values[kind] += more
    return rows(values)


class Row:
    """One row: values of ours, floor and peers, round by round."""

    def __init__(self, id, what, unit, better, ours, floor, peers, target, quoted=None, **more):
        self.id, self.what, self.unit, self.better = id, what, unit, better
        self.values = {"ours": ours, "floor": floor, **peers}
        self.quoted, self.target, self.more = quoted or {}, target, more
        self.rounds = len(floor)

    def pairs(self, name):
        """Ours over the other, round by round."""
        return [o / x for o, x in zip(self.values["ours"], self.values[name]) if x > 0]

    def ratio(self, name):
        if name in self.quoted:
            return statistics.median(self.values["ours"]) / self.quoted[name]
        return statistics.median(self.pairs(name))

    def sure(self, name, factor):
        """Whether most of the pairs agree on which side of its target the ratio is."""
        if name in self.quoted:
            return True
        pairs, under = self.pairs(name), self.ratio(name) <= factor
        return len(pairs) < LEAST_ROUNDS or agree(pairs, factor, under)

    def doubtful(self):
        """Whether more rounds may change the verdict; of what need not hold nobody asks."""
        return not is_known(self.id) and not all(self.sure(n, f) for n, f in self.target.items())

    def rejected(self):
        """How fast the machine is may change from round to round, for both of a pair alike: half of the pairs have to
        agree on the ratio, or most on the verdict."""
        return not all(self.sure(n, f) or together(self.pairs(n)) >= len(self.pairs(n)) / 2 for n, f in self.target.items())

    def holds(self):
        # target: {name: factor} of ours over name; "better" says which way.
        sign = 1 if self.better == "lower" else -1
        return all(sign * self.ratio(n) <= sign * f for n, f in self.target.items())

    def as_json(self):
        med = {k: round(statistics.median(v), 4) for k, v in self.values.items()}
        names = [n for n in self.values if n != "ours"] + list(self.quoted)
        op = "<=" if self.better == "lower" else ">="
        return {
            "id": self.id, "what": self.what, "unit": self.unit, "better": self.better,
            "ours": med.pop("ours"), "floor": med.pop("floor"),
            "peers": {**med, **self.quoted}, "quoted": sorted(self.quoted),
            "ratios": {n: round(self.ratio(n), 3) for n in names},
            "target": " and ".join(f"{op} {f}x {n}" for n, f in self.target.items()),
            "holds": self.holds(), "rejected": self.rejected(), "rounds": self.rounds,
            "spread": {k: [round(min(v), 4), round(max(v), 4)] for k, v in self.values.items()},
            "all": {k: [round(x, 4) for x in v] for k, v in self.values.items()},
            **self.more,
        }


class Bounded(Row):
    """A row judged by bounds on ours itself: a share of what was set, a difference. Its floor is
    what the arithmetic says."""

    def __init__(self, id, what, unit, ours, ideal, peers, low, high, **more):
        super().__init__(id, what, unit, "higher", ours, [ideal] * len(ours), peers, {}, **more)
        self.low, self.high = low, high

    def ratio(self, name):
        if name in self.quoted:
            return super().ratio(name)
        floor = statistics.median(self.values[name])
        return statistics.median(self.values["ours"]) / floor if floor else 0.0

    def holds(self):
        return self.low <= statistics.median(self.values["ours"]) <= self.high

    def as_json(self):
        return {**super().as_json(), "target": f"{self.low:g} to {self.high:g}"}


# ---- what is told of a run ------------------------------------------------------

def steal():
    with open("/proc/stat") as f:
        cpu = [int(x) for x in f.readline().split()[1:]]
    return cpu[7], sum(cpu[:8])


def machine(command, settings):
    """What a file of results begins with."""
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*:\s*(.*)", f.read())[1]
    return {"machine": f"{model}, {os.cpu_count()} CPUs", "kernel": platform.release(),
            "commit": run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip(),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "command": command, "quick": QUICK, "cpu": int(CPU), "rounds": ROUNDS, "settings": settings}


def table(rows):
    print(f"{'ROW':6}{'WHAT':40}{'UNIT':14}{'OURS':>8}{'FLOOR':>8} {'RATIO':>6}  TARGET")
    for r in rows:
        verdict = "rejected: pairs disagree" if r["rejected"] else "MISSED" if not r["holds"] else "holds" if r["target"] else "told"
        print(f"{r['id']:6}{r['what'][:39]:40}{r['unit']:14}{r['ours']:8.4g}{r['floor']:8.4g} "
              f"{r['ratios']['floor']:6.2f}  {verdict}")
        peers = ", ".join(f"{n} {v:.4g}{' (quoted)' if n in r['quoted'] else ''} = {r['ratios'][n]:.2f}x"
                          for n, v in r["peers"].items())
        print(f"      {peers}"[:100])
        print(f"      target {r['target']}"[:100])
