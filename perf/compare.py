# SPDX-License-Identifier: Apache-2.0
"""compare.py OUTDIR A B: the bench of two commits, in turns, and what of the difference is more
than noise. ROWS as perf/bench has it (1); TURNS (3) runs of each, A B B A A B.

Each commit is built in a work tree of its own below OUTDIR, which stays for the next time, and is
measured by its own bench. What is compared is each run's ratio to its own floor, so that a machine
that is slower for a while says nothing. A row has changed where no run of the one is among those of
the other, and their medians differ by 3 % at least; with three runs each that is one chance in ten
where nothing has changed: more TURNS say more."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

LEAST = 0.03
ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*args):
    return subprocess.run(["git", "-C", str(ROOT), *args], check=True, capture_output=True, text=True).stdout.strip()


def built(out, commit):
    """The commit's own tree, with its programs."""
    tree = out / commit
    if not tree.exists():
        git("worktree", "add", "--detach", str(tree), commit)
    subprocess.run(["make", "-s", "-C", str(tree), f"-j{os.cpu_count()}", "all"], check=True)
    return tree


def measured(tree, into):
    """{row: its ratio to the floor, or what it counts where the floor is nothing}, of one run."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "results.json").unlink(missing_ok=True)
    env = {**os.environ, "ROWS": os.environ.get("ROWS", "1"), "BIN": f"{tree}/build/bin", "PERF": f"{tree}/build/perf"}
    done = subprocess.run([f"{tree}/perf/bench", str(into)], env=env, capture_output=True, text=True)
    if not (into / "results.json").exists():
        sys.exit(f"compare: {tree.name}: {done.stderr.strip()[-300:]}")
    rows = json.loads((into / "results.json").read_text())["rows"]
    return {r["id"]: (r["what"], r["better"], r["ratios"]["floor"] or r["ours"]) for r in rows}


def verdict(better, a, b):
    before, after = statistics.median(a), statistics.median(b)
    change = after / before - 1 if before else float(after > 0)
    apart = max(a) < min(b) or max(b) < min(a)
    if not apart or abs(change) < LEAST:
        return change, "noise"
    return change, "better" if (change < 0) == (better == "lower") else "worse"


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: compare.py OUTDIR A B")
    out = pathlib.Path(sys.argv[1]).resolve()
    try:
        commits = [git("rev-parse", "--short=12", f"{c}^{{commit}}") for c in sys.argv[2:]]
    except subprocess.CalledProcessError:
        sys.exit(f"compare: no such commits: {' '.join(sys.argv[2:])}")
    trees = [built(out, c) for c in commits]
    runs = ([], [])
    for turn in range(int(os.environ.get("TURNS", "3"))):
        for i in ((0, 1), (1, 0))[turn % 2]:
            print(f"compare: {commits[i]}, run {len(runs[i]) + 1}", file=sys.stderr)
            runs[i].append(measured(trees[i], out / f"{commits[i]}-{len(runs[i]) + 1}"))
    told = []
    for row, (what, better, _) in runs[1][0].items():
        a, b = ([r[row][2] for r in side if row in r] for side in runs)
        if len(a) < 2 or len(b) < 2:
            continue
        change, says = verdict(better, a, b)
        told.append({"row": row, "what": what, "a": a, "b": b, "change": round(change, 4), "verdict": says})
    (out / "compare.json").write_text(json.dumps({"a": commits[0], "b": commits[1], "rows": told}, indent=1) + "\n")
    print(f"{'ROW':6}{'WHAT':48}{'A':>8}{'B':>8} {'CHANGE':>8}  (ratios to the floor)")
    for t in told:
        print(f"{t['row']:6}{t['what'][:47]:48}{statistics.median(t['a']):8.3f}{statistics.median(t['b']):8.3f} {t['change']:+8.1%}  {t['verdict']}")
    print(f"A {commits[0]}, B {commits[1]}; {out}/compare.json")
    sys.exit(1 if any(t["verdict"] == "worse" for t in told) else 0)


main()
