# SPDX-License-Identifier: Apache-2.0
"""curve.py OUTDIR: what a packet takes as tables grow, and what an entry keeps (make curve; root,
a minute on a quiet machine): curve.json, curve.svg and a table. Slopes are of the last
quadrupling: 1.0 says that four times as many cost no more."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

from rows import CPU, PERF, machine, run

UNITS = {"endpoints": "bouncer's hop", "VPCs of 64 endpoints": "bouncer's hop", "flows": "flow found", "label sets": "new flow judged"}


def curves():
    """{table: [{"n", "ns", "spread", "bytes"}, ...]}, by n; ns less the wrapping."""
    cases = json.loads(run(["taskset", "-c", CPU, f"{PERF}/curve"], timeout=900))
    out = {}
    for name, ran in cases.items():
        table, n, what = name.rsplit(".", 2)
        if what != "run":
            continue
        ns = [a - b for a, b in zip(ran, cases[f"{table}.{n}.wrap"])]
        out.setdefault(table, []).append({"n": int(n), "ns": round(statistics.median(ns), 1), "spread": [min(ns), max(ns)],
                                          "bytes": round(cases[f"{table}.{n}.bytes"][0], 1)})
    return out


def plot(found, file):
    data = "".join(f"${i} << E\n" + "".join(f"{p['n']} {p['ns']} {p['spread'][0]} {p['spread'][1]}\n" for p in points) + "E\n"
                   for i, points in enumerate(found.values()))
    lines = ", ".join(f"${i} using 1:2:3:4 with yerrorlines lw 2 title \"{table}: {UNITS[table]}\"" for i, table in enumerate(found))
    script = (f"set terminal svg size 900,480 font 'sans,13' background '#ffffff'\nset output '{file}'\nset logscale x 4\nset format x '%.0s%c'\nset yrange [0:]\n"
              f"set xlabel 'entries'\nset ylabel 'ns a packet over its wrapping'\nset grid\nset key top left\n"
              f"{data.replace('$', '$d')}plot {lines.replace('$', '$d')}\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    found = curves()
    told = {**machine("perf/curve", {}), "curves": found}
    (out / "curve.json").write_text(json.dumps(told, indent=1) + "\n")
    plot(found, out / "curve.svg")
    for table, points in found.items():
        print(f"{table}, {UNITS[table]}")
        for p in points:
            print(f"  {p['n']:>9,}  {p['ns']:7.1f} ns  ({p['spread'][0]:.0f} to {p['spread'][1]:.0f})  {p['bytes']:6.1f} bytes an entry")
        print(f"  four times as many, at the end: {points[-1]['ns'] / points[-2]['ns']:.2f} times as long")
    print(f"written: {out}/curve.json, {out}/curve.svg")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
