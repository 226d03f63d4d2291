"""The goals of docs/performance.md, judged on the rows of one run: ratios within a round, medians over the rounds."""
import dataclasses
import statistics

REST = ("tfs-json", "oip-json", "oip-binary")
JSON = ("tfs-json", "oip-json")


@dataclasses.dataclass
class Goal:
    """headrace's figure over the other server's at equal load: at most (or at least) `bound`."""
    case: str
    protocols: tuple
    other: str
    bound: float
    at_least: bool = False  # True: the other's figure over headrace's must be at least `bound`
    figure: str = "cpu_us"
    subject: str = "headrace"
    connections: int = 8


GOALS = [
    Goal("logreg", REST, "floor", 1.4),
    Goal("logreg", REST, "triton", 3.5, at_least=True),
    Goal("logreg", REST, "fastapi", 8, at_least=True),
    Goal("logreg", REST, "mlserver", 20, at_least=True),
    Goal("logreg", REST, "kserve", 20, at_least=True),
    Goal("logreg", ("oip-grpc",), "triton", 1.5, at_least=True),
    Goal("image", JSON, "triton", 4, at_least=True, connections=1),
    Goal("image", ("oip-binary",), "triton", 3, at_least=True, connections=1),
    Goal("image", ("oip-grpc",), "triton", 1.2, at_least=True, connections=1),
    Goal("mlp", REST, "floor", 1.1),
    Goal("mlp32", REST, "onnxruntime", 1.1),
    Goal("hot-swap", ("oip-grpc",), "steady", 1.2, figure="p99_ms", connections=32),
    Goal("mlp", ("oip-binary",), "headrace", 1.8, at_least=False, figure="rps", subject="headrace-batching", connections=64),
]


def rounds(rows, case, protocol, connections, server, figure):
    return {row["round"]: row[figure] for row in rows
            if row.get("protocol") == protocol and row["case"] == case and row["server"] == server
            and row["connections"] == connections}


def ratio(rows, goal, protocol):
    """headrace over the other (or the other over headrace), the median over rounds; None when either was not measured."""
    mine = rounds(rows, goal.case, protocol, goal.connections, goal.subject, goal.figure)
    if goal.other == "onnxruntime":
        raw = [row["cpu_us"] for row in rows if row["server"] == "onnxruntime" and row["case"] == goal.case]
        theirs = dict.fromkeys(mine, statistics.median(raw)) if raw else {}
    else:
        theirs = rounds(rows, goal.case, protocol, goal.connections, goal.other, goal.figure)
    common = mine.keys() & theirs.keys()
    if not common:
        return None
    return statistics.median((theirs[n] / mine[n]) if goal.at_least else (mine[n] / theirs[n]) for n in common)


def judge(goal, value):
    if goal.figure == "rps":
        return value >= goal.bound
    return value >= goal.bound if goal.at_least else value <= goal.bound


def report(rows):
    lines = ["| case | protocol | connections | figure | against | goal | measured | |", "|---|---|--:|---|---|---|--:|---|"]
    for goal in GOALS:
        for protocol in goal.protocols:
            value = ratio(rows, goal, protocol)
            if value is None:
                continue
            more = goal.at_least or goal.figure == "rps"
            lines.append(f"| {goal.case} | {protocol} | {goal.connections} | {goal.figure} | {goal.other} "
                         f"| {'≥' if more else '≤'} {goal.bound}× | {value:.2f}× | {'met' if judge(goal, value) else 'MISSED'} |")
    for case, figure, bound, unit in (("logreg", "ready_s", 0.15, "s"), ("logreg", "idle_mib", 45, "MiB"),
                                      ("lookup", "lookup_ns", 1000, "ns")):
        values = [row[figure] for row in rows if row["server"] == "headrace" and row["case"] == case and figure in row]
        if values:
            value = statistics.median(values)
            lines.append(f"| {case} | | | {figure} | | ≤ {bound} {unit} | {value:.2f} {unit} | {'met' if value <= bound else 'MISSED'} |")
    return "\n".join(lines)
