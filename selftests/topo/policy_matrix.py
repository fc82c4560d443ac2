#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""policy_matrix.py RUN DIRECTORY BIN: the rows of policy_rows.py, each put in force by
plan and apply on the hosts of selftests/topo/policy_test.sh, and probed."""
import fnmatch
import itertools
import json
import os
import subprocess
import sys

import policy_rows
import reach

HOSTS = ("b1", "d1", "w1", "w2")
RUN, DIRECTORY, BIN = sys.argv[1:4]


def place(ns, pod):
    """Host number and the host part of addresses."""
    index = "xyz".index(ns) * 3 + "abc".index(pod)
    return 1 + (index + index // 3) % 2, 10 + index


PODS = {}
for _ns, _pod in itertools.product("xyz", "abc"):
    _, _part = place(_ns, _pod)
    PODS[f"{_ns}/{_pod}"] = reach.Pod(f"{_ns}/{_pod}", f"{RUN}-{_ns}{_pod}", {4: f"10.0.1.{_part}", 6: f"fd00:10:1::{_part:x}"})


def region(revision, row):
    lines = [f"revision: {revision}", open(f"{DIRECTORY}/base.yaml").read()]
    lines.append("namespaces:")
    for ns in "xyz":
        labels = row.get("namespaces", {}).get(ns, {"ns": ns})
        lines.append(f"  - {{vpc: red, name: {ns}, labels: {json.dumps(labels)}}}")
    lines.append("endpoints:")
    for name, pod in PODS.items():
        ns, short = name.split("/")
        host, _ = place(ns, short)
        labels = row.get("labels", {}).get(name, {"pod": short})
        ports = ", ".join(f"{{name: serve-{p}-{q}, protocol: {q}, port: {p}}}" for p, q in ((80, "tcp"), (81, "tcp"), (80, "udp")))
        groups = row.get("groups", {}).get(name, [])
        lines.append(f"  - {{name: {ns}{short}, vpc: red, network: front, address: {pod.addresses[4]}, "
                     f"address6: '{pod.addresses[6]}', host: w{host}, netns: {pod.netns}, namespace: {ns}, "
                     f"labels: {json.dumps(labels)}, security_groups: {json.dumps(groups)}, ports: [{ports}]}}")
    if row["policies"]:
        lines.append("policies: [{vpc: red, file: policies.yaml}]")
    return "\n".join(lines) + "\n"


def in_force(revision, row):
    text = row["policies"]
    for name, pod in PODS.items():
        for family, address in pod.addresses.items():
            text = text.replace(f"{{{name}.{family}}}", address)
    with open(f"{DIRECTORY}/policies.yaml", "w") as f:
        f.write(text)
    with open(f"{DIRECTORY}/region.yaml", "w") as f:
        f.write(region(revision, row))
    subprocess.run([f"{BIN}/transit", "plan", "-f", f"{DIRECTORY}/region.yaml", "-o", f"{DIRECTORY}/plan"],
                   check=True, stdout=subprocess.DEVNULL)
    # Who receives learns new label sets before anybody has them in its packets.
    for host in HOSTS + HOSTS[2:]:
        subprocess.run([f"{BIN}/transit", "--socket", f"{DIRECTORY}/{host}/transitd.sock", "apply", "-f",
                        f"{DIRECTORY}/plan/{host}.yaml"], check=True, stdout=subprocess.DEVNULL)


def verdict(expect, probe):
    allowed = True
    port = probe.protocol if probe.protocol == "icmp" else f"{probe.protocol}/{probe.port}"
    for line in expect:
        what, source, _, target, *which = line.split()
        if which and port not in which:
            continue
        if fnmatch.fnmatch(probe.source.name, source) and fnmatch.fnmatch(probe.target.name, target):
            allowed = what == "allow"
    return allowed


def probes_of(row):
    expected, all_probes = set(), []
    for family in (4, 6):
        expect = row["expect"] if "expect" in row else row["families"][family]
        for source, target in itertools.permutations(PODS.values(), 2):
            for port in row.get("ports", policy_rows.PORTS):
                protocol, _, number = port.partition("/")
                p = reach.Probe(source, target, protocol, int(number or 0), family)
                all_probes.append(p)
                if verdict(expect, p):
                    expected.add(p)
    return all_probes, expected


def shown(p):
    return f"{p.source.name} -> {p.target.name} {p.protocol}/{p.port} IPv{p.family}".replace("icmp/0", "icmp")


def main():
    reach.setup()
    only = os.environ.get("ROWS", "")
    bad = 0
    servers = None
    rows = [r for r in policy_rows.ROWS if only in r["name"]]
    for number, row in enumerate(rows, 1):
        in_force(number + 1, row)
        if servers is None:
            servers = reach.Servers(PODS.values())
            servers.start()
        probes, expected = probes_of(row)
        answered = set()
        # A port that is probed stands for itself: no more sockets at a time than there are pairs.
        for which in sorted({(p.protocol, p.port) for p in probes}):
            some = [p for p in probes if (p.protocol, p.port) == which]
            answered |= reach.ask(some, {p for p in some if p in expected})
        wrong = answered ^ expected
        print(f"{'not ok' if wrong else 'ok'} {number} - {row['name']}", flush=True)
        for p in sorted(wrong, key=shown)[:10]:
            print(f"# {shown(p)}: {'got through' if p in answered else 'did not get through'}")
        if wrong:
            print(f"# {len(wrong)} of {len(probes)} are wrong", flush=True)
        bad += bool(wrong)
    print(f"1..{len(rows)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
