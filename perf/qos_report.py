# SPDX-License-Identifier: Apache-2.0
"""qos_report.py OUTDIR: rows 16 to 19 as JSON and tables, and a plot of the round trips (gnuplot,
SVG), on the hosts of perf/qos."""
import json
import pathlib
import statistics
import subprocess
import sys

from rows import machine, table
from shaping import RATE, ROUNDS, WANTED, qos, shaping_rows, trips_beside_bulk

out = pathlib.Path(sys.argv[1])
qos("set", "uplink", f"egress={RATE}M")
queueing = json.loads(qos("status", "-o", "json"))["queueing"]
trips = trips_beside_bulk() if "18" in WANTED else {}
rows = [r.as_json() for r in shaping_rows(trips)]
beside = [{"case": name, **{k: statistics.median(v) for k, v in zip(("rtt_p50_us", "rtt_p99_us", "bulk_bits_per_second"), zip(*got))},
           "rounds": got} for name, got in trips.items()]
head = {**machine("perf/qos OUTDIR", {"rate_mbit": RATE, "queueing": queueing}), "rounds": ROUNDS}
(out / "qos.json").write_text(json.dumps({**head, "beside_bulk": beside, "rows": rows}, indent=1) + "\n")
table(rows)
if not trips:
    sys.exit()
print(f"\nuplink {RATE} Mbit/s, {queueing}, Linux {head['kernel']}, commit {head['commit']}\n")
print("| | round trip p50, ms | p99, ms | p99 / idle | bulk, Mbit/s |\n|---|---|---|---|---|")
for r in beside:
    print(f"| {r['case']} | {r['rtt_p50_us'] / 1000:.2f} | {r['rtt_p99_us'] / 1000:.2f} | "
          f"{r['rtt_p99_us'] / beside[0]['rtt_p99_us']:.1f} | {r['bulk_bits_per_second'] / 1e6:.1f} |")
data = out / "qos.dat"
data.write_text("".join(f'"{r["case"]}" {r["rtt_p50_us"] / 1000} {r["rtt_p99_us"] / 1000}\n' for r in beside))
plot = f"""
set terminal svg size 900,420 font "sans,13"
set output "{out / 'qos.svg'}"
set style data histogram
set style fill solid 0.8
set logscale y
set ylabel "round trip, ms"
set title "Ping-pong beside an iperf3 bulk sender, {RATE} Mbit/s ({queueing})"
set grid y
set xtics rotate by -12
set bmargin 7
set rmargin 9
plot "{data}" using 2:xtic(1) title "p50", "" using 3 title "p99"
"""
subprocess.run(["gnuplot"], input=plot, text=True, check=False)
