# SPDX-License-Identifier: Apache-2.0
"""qos_report.py SAMPLES OUTDIR RATE QUEUEING: medians of what perf/qos measured as JSON, a
table, and a plot (gnuplot, SVG)."""
import json
import pathlib
import platform
import statistics
import subprocess
import sys

samples, out, rate, queueing = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4]
rows = {}
for line in open(samples):
    name, rtt, bulk = line.strip().split("|")
    words = rtt.split()
    rows.setdefault(name, []).append((int(words[1]), int(words[2]), int(bulk)))
commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
table = []
for name, got in rows.items():
    p50, p99, bulk = (statistics.median(v) for v in zip(*got))
    table.append({"row": name, "rtt_p50_us": p50, "rtt_p99_us": p99, "bulk_bits_per_second": bulk, "rounds": got})
idle = table[0]
(out / "qos.json").write_text(json.dumps({
    "rate_mbit": int(rate), "queueing": queueing, "kernel": platform.release(), "commit": commit,
    "command": "perf/qos OUTDIR", "rows": table}, indent=1) + "\n")
print(f"uplink {rate} Mbit/s, {queueing}, Linux {platform.release()}, commit {commit}\n")
print("| | round trip p50, ms | p99, ms | p99 / idle | bulk, Mbit/s |\n|---|---|---|---|---|")
for r in table:
    print(f"| {r['row']} | {r['rtt_p50_us'] / 1000:.2f} | {r['rtt_p99_us'] / 1000:.2f} | "
          f"{r['rtt_p99_us'] / idle['rtt_p99_us']:.1f} | {r['bulk_bits_per_second'] / 1e6:.1f} |")
data = out / "qos.dat"
data.write_text("".join(f'"{r["row"]}" {r["rtt_p50_us"] / 1000} {r["rtt_p99_us"] / 1000}\n' for r in table))
plot = f"""
set terminal svg size 900,420 font "sans,13"
set output "{out / 'qos.svg'}"
set style data histogram
set style fill solid 0.8
set logscale y
set ylabel "round trip, ms"
set title "Ping-pong beside an iperf3 bulk sender, {rate} Mbit/s ({queueing})"
set grid y
set xtics rotate by -12
set bmargin 7
set rmargin 9
plot "{data}" using 2:xtic(1) title "p50", "" using 3 title "p99"
"""
subprocess.run(["gnuplot"], input=plot, text=True, check=False)
