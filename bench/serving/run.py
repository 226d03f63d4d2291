"""Measures headrace beside its limits and its peers: ./dev bench [--quick] [--cases a,b] [--peers a,b] [--load 1,8,64].

Server on core 0, load on core 1. The servers of a case are up together and take turns, round after round; a ratio is the
median over the rounds of the ratio within one round, so that a slow minute of a shared machine cancels out. CPU is user and
system time of all the server's processes per request answered. Results go to RESULTS as JSON lines and to the terminal as
tables, with a verdict for each goal of docs/performance.md.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

import cases
import goals
import load
import parts
import servers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=pathlib.Path, required=True, help="models, bodies, peers' environments (bench/run makes it)")
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the release build")
    parser.add_argument("--cases", default=",".join(cases.CASES))
    parser.add_argument("--protocols", default=",".join(cases.PROTOCOLS))
    parser.add_argument("--peers", default=",".join(servers.SERVERS), help="headrace is always measured")
    parser.add_argument("--load", default="1,8,64", help="connections")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of one window")
    parser.add_argument("--quick", action="store_true", help="one round of one second, 8 connections")
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path("bench-results.jsonl"))
    chosen = parser.parse_args()
    for name, known in (("cases", cases.CASES), ("protocols", cases.PROTOCOLS), ("peers", servers.SERVERS)):
        values = getattr(chosen, name).split(",")
        if unknown := [value for value in values if value not in known]:
            parser.error(f"--{name}: no {', '.join(unknown)}; there are {', '.join(known)}")
        setattr(chosen, name, values)
    chosen.load = [int(number) for number in chosen.load.split(",")]
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.load = 1, 1, [8]
    chosen.home, chosen.build = chosen.home.resolve(), chosen.build.resolve()
    return chosen


def progress(text):
    print(text, file=sys.stderr, flush=True)


def start_servers(case, chosen, log_folder):
    """The servers of this case, each ready and answering every protocol that is asked for."""
    up = []
    for name in dict.fromkeys(["headrace", *chosen.peers]):
        spec = servers.SERVERS[name]
        wanted = [protocol for protocol in chosen.protocols if protocol in spec.protocols]
        if not wanted:
            continue
        needs = pathlib.Path(spec.needs.replace("{home}", str(chosen.home)).replace("{build}", str(chosen.build)))
        if not needs.exists():
            progress(f"  {name}: skipped, {needs.name} is not installed")
            continue
        server = load.Running(name, cases.CASES[case][0], chosen.home, chosen.build, log_folder)
        try:
            server.ready_s = server.wait_ready(case, wanted[0])
            server.idle_mib = server.memory_mib()
            server.wanted = wanted
            up.append(server)
            progress(f"  {name}: ready in {server.ready_s:.2f} s, {server.idle_mib:.0f} MiB")
        except Exception as error:
            server.stop()
            progress(f"  {name}: skipped, {error}")
    return up


def run_case(case, chosen, record, log_folder):
    progress(f"{case}: starting servers")
    up = start_servers(case, chosen, log_folder)
    try:
        for protocol in chosen.protocols:
            record(case=case, server="onnxruntime", cpu_us=load.raw_onnxruntime(case, chosen.home, chosen.build))
            here = [server for server in up if protocol in server.wanted]
            for connections in chosen.load:
                for server in here:
                    server.warm_up(case, protocol, connections)
                for number in range(chosen.rounds):
                    progress(f"  {protocol}, {connections} connections, round {number + 1} of {chosen.rounds}")
                    for server in here:
                        try:
                            result = server.measure(case, protocol, connections, chosen.seconds)
                        except RuntimeError as error:  # one that is too slow for the window
                            progress(f"    {error}")
                            continue
                        record(case=case, server=server.name, protocol=protocol, connections=connections, round=number,
                               ready_s=server.ready_s, idle_mib=server.idle_mib, mib=server.memory_mib(), **result)
    finally:
        for server in up:
            server.stop()


def medians(rows):
    """(case, protocol, connections, server) -> medians of each figure."""
    groups = {}
    for row in rows:
        if "protocol" in row:
            groups.setdefault((row["case"], row["protocol"], row["connections"], row["server"]), []).append(row)
    figures = ("rps", "p50_ms", "p99_ms", "cpu_us", "mib", "errors")
    return {key: {figure: statistics.median(row.get(figure, 0) for row in group) for figure in figures}
            for key, group in groups.items()}


def print_table(rows):
    last = None
    for (case, protocol, connections, server), figures in medians(rows).items():
        if (case, protocol) != last:
            last = (case, protocol)
            print(f"\n### {case}, {protocol}\n\n| connections | server | req/s | p50 ms | p99 ms | CPU µs/request | MiB | errors |")
            print("|--:|---|--:|--:|--:|--:|--:|--:|")
        print(f"| {connections} | {server} | {figures['rps']:,.0f} | {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} "
              f"| {figures['cpu_us']:.1f} | {figures['mib']:.0f} | {figures['errors']:.0f} |")


def main():
    chosen, rows = arguments(), []
    with open(chosen.results, "w") as out, tempfile.TemporaryDirectory(prefix="headrace-bench-logs-") as logs:
        def record(**row):
            rows.append(row)
            out.write(json.dumps(row | {"at": int(time.time())}) + "\n")
            out.flush()

        for case in chosen.cases:
            run_case(case, chosen, record, pathlib.Path(logs))
        if "logreg" in chosen.cases:
            progress("hot swap, lookup")
            parts.hot_swap(chosen, record, pathlib.Path(logs))
            record(case="lookup", server="headrace", lookup_ns=parts.lookup_ns(chosen.build))
    print_table(rows)
    print("\n### Goals\n")
    print(goals.report(rows))
    progress(f"\nEvery window is in {chosen.results}")


if __name__ == "__main__":
    main()
