"""The flights pipeline on a server, through KFP's own SDK; and what its runs left on disk."""

import contextlib
import datetime
import io
import json
import struct
import time
import warnings

warnings.filterwarnings("ignore")  # kfp's, about packages of its own
import kfp  # noqa: E402
from kfp import compiler  # noqa: E402

from pipeline import flights  # noqa: E402

ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "CACHED")


def bits(number):
    """A prediction's float32, bit by bit."""
    return struct.unpack("<I", struct.pack("<f", number))[0]


class Runs:
    def __init__(self, server, lake, package, out):
        self._server = server
        self._lake = lake
        self._package = str(package)
        self._out = out
        self._client = kfp.Client(host=server.url)
        compiler.Compiler().compile(flights, self._package)

    def submit(self, name, spans, new_spans, baseline_spans):
        arguments = {
            "base": str(self._lake),
            "spans": spans,
            "new_spans": new_spans,
            "baseline_spans": baseline_spans,
            "baseline_model": str(self._server.data_dir / "models" / "flights"),
        }
        with contextlib.redirect_stdout(io.StringIO()):  # its links to a user interface that is not there yet
            run = self._client.create_run_from_pipeline_package(
                self._package, arguments, run_name=name, experiment_name="flights"
            )
        self._out.line(f"run {name}: {self._server.url}/apis/v2beta1/runs/{run.run_id}")
        return run.run_id

    def follow(self, run_id):
        """Shows the run's tasks as they end, until the run has ended: its state, and {task: state}."""
        states, started = {}, time.monotonic()
        while True:
            run = self._server.run(run_id)
            tasks = [task for task in run.get("run_details", {}).get("task_details", []) if "display_name" in task]
            ended = [task for task in tasks if task["state"] in ENDED and task["display_name"] not in states]
            for task in sorted(ended, key=lambda task: task.get("end_time", "")):
                states[task["display_name"]] = task["state"]
                if task["state"] != "SKIPPED":
                    self._show(task)
            if run["state"] in ENDED:
                skipped = [name for name, state in states.items() if state == "SKIPPED"]
                if skipped:
                    self._out.line(f"  skipped: {', '.join(skipped)}")
                self._out.line(f"  run {run['state'].lower()} after {time.monotonic() - started:.1f} s")
                return run["state"], states
            running = [task["display_name"] for task in tasks if task["state"] == "RUNNING"]
            self._out.live(f"  {time.monotonic() - started:6.1f} s  {', '.join(running)} …")
            time.sleep(0.2)

    def _show(self, task):
        took = ""
        if task["state"] in ("SUCCEEDED", "FAILED"):
            started, ended = (datetime.datetime.fromisoformat(task[key]) for key in ("start_time", "end_time"))
            took = f"{(ended - started).total_seconds():6.1f} s"
        self._out.line(f"  {task['display_name']:<20} {task['state'].lower():<10} {took}")

    def artifact(self, run_id, task, output):
        """What the task wrote as that output, this run or, when it came from the cache, an earlier one."""
        runs = self._server.data_dir / "artifacts" / "flights"
        found = list((runs / run_id / task).glob(f"*/{output}")) or list(runs.glob(f"*/{task}/*/{output}"))
        if not found:
            raise FileNotFoundError(f"{runs}: {task} has written no {output}")
        return max(found, key=lambda path: path.stat().st_mtime)

    def held_out_flight(self, run_id):
        """A flight of the held-out split as the served model takes it, and its prediction in batch evaluation."""
        samples = (self.artifact(run_id, "evaluator", "evaluation") / "samples.jsonl").read_text().splitlines()
        sample = json.loads(samples[0])
        return dict(sorted(sample["instance"].items())), sample["prediction"]

    def show_evaluation(self, run_id):
        """What the model gate measured, overall, beside the model that was served; and its verdict."""
        metrics = json.loads((self.artifact(run_id, "evaluator", "evaluation") / "metrics.json").read_text())[
            "overall"
        ]
        verdict = json.loads((self.artifact(run_id, "evaluator", "blessing") / "verdict.json").read_text())
        self._out.line(f"On {metrics['count']:,} flights that were held out, {metrics['positives']:,} of them late:")
        for name in ("auc", "log_loss", "accuracy"):
            metric = metrics[name]
            served = f"; of the served model {metric['baseline']:.4f}" if "baseline" in metric else ""
            self._out.line(f"  {name:<9} {metric['value']:.4f}{served}")
        checks = verdict["checks"]
        self._out.line(
            f"The model gate made {len(checks)} checks, overall and per airline and airport, {sum(c['passed'] for c in checks)} "
            f"passed: {'blessed' if verdict['blessed'] else 'not blessed'}."
        )
        for check in checks:
            if not check["passed"]:
                self._out.line(f"  failed: {check}")

    def show_anomalies(self, run_id):
        """What the data gate found, column by column, as people read it; the anomalies."""
        folder = self.artifact(run_id, "example-validator", "anomalies")
        for line in (folder / "anomalies.txt").read_text().splitlines():
            self._out.line(f"  {line}")
        return json.loads((folder / "anomalies.json").read_text())["anomalies"]
