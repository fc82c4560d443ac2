# SPDX-License-Identifier: Apache-2.0
"""profile.py OUTDIR: where the time goes (make profile; root, two minutes on a quiet machine).

Three views of the paths a packet takes, as JSON and as text:
  stages        ns of each stage of the running kernel's programs: paths cut after each one (stages.c)
  instructions  a packet, of the native build, by the file they stand in: callgrind (paths.c)
  programs      instructions, bytes of machine code, what the verifier walked; and what their tables keep
"""
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

PERF = os.environ["PERF"]
CPU = os.environ.get("CPU", str(os.cpu_count() - 1))
PACKETS = 1000

# What stands between one cut of stages_*.bpf.c and the next.
STAGES = {
    "hop": ["open", "outer header", "Geneve, option", "sender", "inner header", "endpoint's home", "networks, shards", "next hop",
            "rewrite", "count, send"],
    "deliver": ["open", "outer header", "Geneve, option", "sender", "inner header", "endpoint", "ports", "flow, path, policy",
                "decapsulate", "count, redirect"],
    "encap": ["open", "port, MAC", "IP, spoofing", "ports, services", "flow, policy", "endpoint's home", "path", "next hop", "rate",
              "encapsulate", "count, redirect"],
}


def run(*command, **kw):
    done = subprocess.run(command, capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"profile: {' '.join(command)}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def stages():
    """{path: [[stage, ns], ...]}, medians of what the next cut takes more than this one."""
    t = json.loads(run("taskset", "-c", CPU, f"{PERF}/stages", "9", "100000", timeout=300))
    out = {}
    for path, names in STAGES.items():
        cuts = [t[f"{path}.{i}"] for i in range(len(names) + 1)]
        out[path] = [[name, round(statistics.median(b - a for a, b in zip(cuts[i], cuts[i + 1])), 1)] for i, name in enumerate(names)]
    return out


def instructions():
    """{path: {file: instructions a packet}}; tables are the native build's own, and left out."""
    out = {}
    with tempfile.TemporaryDirectory() as d:
        run("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no", "--compress-pos=no",
            f"--callgrind-out-file={d}/out", f"{PERF}/paths", str(PACKETS), timeout=300)
        for file in sorted(pathlib.Path(d).glob("out.*"), key=lambda f: int(f.suffix[1:])):
            path, cost = counted(file.read_text())
            out[path] = {f: n for f, n in cost.most_common() if f.startswith("bpf/lib/") or f.startswith("bpf/abi/")}
    return out


def counted(text):
    """Of one dump: the path, and instructions a packet by file, inlined ones where they stand."""
    path, cost, file, called = "", collections.Counter(), "", False
    for line in text.splitlines():
        if line.startswith("desc: Trigger: Client Request: "):
            path = line.split("Request: ")[1]
        elif m := re.match(r"f[lie]=(.*)", line):
            file = m[1][m[1].find("bpf/"):] if "bpf/" in m[1] else m[1]
        elif line.startswith("calls="):
            called = True  # the next line is the callee's cost
        elif m := re.match(r"\d+ (\d+)$", line):
            if not called:
                cost[file] += int(m[1])
            called = False
    return path, collections.Counter({f: round(n / PACKETS, 1) for f, n in cost.items() if n >= PACKETS})


def text_of(p):
    lines = ["ns of each stage"]
    for path, rows in p["stages"].items():
        lines.append(f"  {path:8} {sum(ns for _, ns in rows):7.1f}   " + ", ".join(f"{name} {ns:g}" for name, ns in rows))
    lines.append("\ninstructions a packet, native build, without tables")
    for path, files in p["instructions"].items():
        most = ", ".join(f"{pathlib.Path(f).name} {n:g}" for f, n in list(files.items())[:9])
        lines.append(f"  {path:32} {sum(files.values()):6.0f}   {most}")
    lines.append("\nprograms" + " " * 16 + "instructions  machine code B  verifier walks")
    for name, n in p["programs"].items():
        lines.append(f"  {name:22} {n['instructions']:12} {n['machine_bytes']:15} {n['verified']:15}")
    lines.append("\ntables of --scale medium, KiB: " + ", ".join(f"{n} {b // 1024}" for n, b in p["tables"].items() if b >= 1 << 20))
    return "\n".join(lines) + "\n"


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    folder = os.path.join(os.path.dirname(PERF), "bpf")
    loaded, tables = (json.loads(run(f"{PERF}/programs", folder, *which)) for which in ((), ("tables",)))
    p = {"stages": stages(), "instructions": instructions(),
         "programs": {k: {n: v[n] for n in ("instructions", "machine_bytes", "verified")} for k, v in loaded.items()},
         "tables": dict(sorted(tables.items(), key=lambda t: -t[1]))}
    (out / "profile.json").write_text(json.dumps(p, indent=1) + "\n")
    (out / "profile.txt").write_text(text_of(p))
    print(text_of(p), end="")


main()
