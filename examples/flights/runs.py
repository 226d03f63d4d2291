"""The flights pipeline on a server, through KFP's own SDK; and what its runs left on disk."""

import datetime
import struct
import time
import warnings

import pyarrow.parquet as pq

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

    def submit(self, name, spans, new_spans):
        arguments = {
            "base": str(self._lake),
            "spans": spans,
            "new_spans": new_spans,
            "baseline_model": str(self._server.data_dir / "models" / "flights"),
        }
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
            for task in sorted(ended, key=lambda task: task["end_time"]):
                states[task["display_name"]] = task["state"]
                self._show(task)
            if run["state"] in ENDED:
                self._out.line(f"  run {run['state'].lower()} after {time.monotonic() - started:.1f} s")
                return run["state"], states
            running = [task["display_name"] for task in tasks if task["state"] == "RUNNING"]
            self._out.live(f"  {time.monotonic() - started:6.1f} s  {', '.join(running)} …")
            time.sleep(0.2)

    def _show(self, task):
        started, ended = (datetime.datetime.fromisoformat(task[key]) for key in ("start_time", "end_time"))
        seconds = (ended - started).total_seconds()
        self._out.line(f"  {task['display_name']:<20} {task['state'].lower():<10} {seconds:6.1f} s")

    def artifact(self, run_id, task, output):
        """What the task wrote as that output, this run or, when it came from the cache, an earlier one."""
        runs = self._server.data_dir / "artifacts" / "flights"
        found = list((runs / run_id / task).glob(f"*/{output}")) or list(runs.glob(f"*/{task}/*/{output}"))
        if not found:
            raise FileNotFoundError(f"{runs}: {task} has written no {output}")
        return max(found, key=lambda path: path.stat().st_mtime)

    def held_out_flight(self, run_id, model):
        """A flight of the held-out split as the served model takes it, and its prediction's bits in batch evaluation."""
        metadata = self._server.get(f"/v1/models/{model}/metadata")["metadata"]
        inputs = metadata["signature_def"]["signature_def"]["serving_default"]["inputs"]
        examples = pq.read_table(self.artifact(run_id, "example-gen-2", "examples") / "eval", columns=list(inputs))
        predictions = pq.read_table(self.artifact(run_id, "evaluator", "evaluation") / "predictions.parquet")
        for index, row in enumerate(examples.to_pylist()):
            if None not in row.values():
                return row, bits(predictions["prediction"][index].as_py())
        raise LookupError("no held-out flight has all its columns")
