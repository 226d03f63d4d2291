"""The loop on real flights, in three acts, on a server that this starts: see the README beside it.

    demo.py [--data-dir DIR] [--ci] [--report FILE]

Exits with 1 when an act does not behave, saying how.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import flights_data
import pyarrow.parquet as pq
from load import Load
from local_server import REPOSITORY, Ended, HttpError, Server, binary, get_json, port_is_free, wait_until
from narration import Stage
from runs import Runs, bits

MODEL = "flights"
USUAL_PORTS = (8080, 8501, 8500)  # control plane; TensorFlow Serving's REST and gRPC
FIRST = ["2013-01", "2013-02", "2013-03"]
NEXT = "2013-04"


class Misbehaved(Exception):
    """What an act should have shown and did not."""


def check(condition, message):
    if not condition:
        raise Misbehaved(message)


class Demo:
    def __init__(self, data_dir, ports):
        self.out = Stage()
        self.data_dir = data_dir
        self.deliveries = data_dir / "deliveries"
        self.lake = data_dir / "lake"
        self.server = Server(data_dir / "state", ports)
        self.runs = None
        self.report = {}

    def deliver(self, month, broken=False):
        """The month's file appears in the lake, as a delivery does."""
        source = self.deliveries / "flights" / f"{month}.parquet"
        target = self.lake / "flights" / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if broken:
            flights_data.write(flights_data.break_month(pq.read_table(source)), target)
        else:
            shutil.copyfile(source, target)

    def prepare(self):
        self.out.act("Before: the data, and a server")
        if not (self.deliveries / "airports.parquet").exists():
            flights_data.prepare(self.deliveries)
        for name in ("weather", "planes", "airports"):
            self.lake.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.deliveries / f"{name}.parquet", self.lake / f"{name}.parquet")
        rows = sum(pq.read_metadata(file).num_rows for file in (self.deliveries / "flights").glob("*.parquet"))
        self.out.line(f"{rows:,} flights that left New York in 2013, a Parquet file a month: {self.deliveries}")
        self.server.start()
        (self.server.data_dir / "pid").write_text(str(self.server.process.pid))
        self.out.line(f"headrace up, process {self.server.process.pid}: {self.server.url}")
        self.runs = Runs(self.server, self.lake, self.data_dir / "flights.yaml", self.out)

    def ask(self, row):
        """The served model's answer to one raw flight, as JSON writes it."""
        answer = get_json(f"{self.server.models_url}/{MODEL}:predict", {"instances": [row]})
        return answer["predictions"][0]

    def first_model(self):
        self.out.act("Act 1: January to March become a model that is served")
        for month in FIRST:
            self.deliver(month)
        run_id = self.runs.submit("january-to-march", FIRST, FIRST, FIRST)
        state, _ = self.runs.follow(run_id)
        check(state == "SUCCEEDED", f"the run ended as {state}")
        self.runs.show_evaluation(run_id)
        check(
            self.server.pushed(MODEL) == [1],
            f"version 1 should have been pushed; there is {self.server.pushed(MODEL)}",
        )
        self.server.wait_for_version(MODEL, 1)

        self.row, predicted = self.runs.held_out_flight(run_id)
        answer = self.ask(self.row)
        self.out.line("A flight as it is known before it leaves:")
        self.out.line(f"  curl -d '{json.dumps({'instances': [self.row]})}' \\")
        self.out.line(f"    {self.server.models_url}/{MODEL}:predict")
        self.out.line(f"  {json.dumps({'predictions': [answer]})}")
        (self.data_dir / "flight.json").write_text(json.dumps({"instances": [self.row]}))
        online, batch = bits(answer), bits(predicted)
        self.out.line(f"float32 bits served {online:08x}, from batch evaluation {batch:08x}")
        check(online == batch, "the served prediction is not the one of batch evaluation")

        self.out.line("The same pipeline again:")
        state, tasks = self.runs.follow(self.runs.submit("january-to-march-again", FIRST, FIRST, FIRST))
        worked = [
            name for name, task in tasks.items() if task != "CACHED" and name != "blessed"
        ]  # that is a condition
        self.out.line(f"Tasks that had to work: {', '.join(worked) or 'none'}.")
        check(state == "SUCCEEDED" and not worked, "everything should have come from the cache")
        check(self.server.pushed(MODEL) == [1], "the second run should have changed nothing")
        self.first_answer = answer
        self.report["act1"] = {
            "served_bits": online,
            "batch_bits": batch,
            "again": tasks,
            "versions": self.server.pushed(MODEL),
        }

    def broken_month(self):
        self.out.act("Act 2: April arrives broken")
        self.deliver(NEXT, broken=True)
        run_id = self.runs.submit("april-broken", FIRST + [NEXT], [NEXT], FIRST)
        state, tasks = self.runs.follow(run_id)
        check(state == "FAILED", f"the data gate should have failed the run; it ended as {state}")
        check(tasks.get("trainer") == "SKIPPED", "a model was trained on data that did not pass the gate")
        self.out.line("What the data gate found:")
        anomalies = self.runs.show_anomalies(run_id)
        check(
            self.server.pushed(MODEL) == [1], f"nothing should have been pushed; there is {self.server.pushed(MODEL)}"
        )
        check(self.ask(self.row) == self.first_answer, "version 1 should answer as before")
        self.out.line(f"Nothing was pushed, and version 1 still answers {json.dumps(self.first_answer)}.")
        self.report["act2"] = {"anomalies": anomalies, "tasks": tasks, "versions": self.server.pushed(MODEL)}

    def second_model(self):
        self.out.act("Act 3: April arrives clean, under live load")
        self.deliver(NEXT)
        with Load(self.server.rest, MODEL, self.row) as load:
            run_id = self.runs.submit("january-to-april", FIRST + [NEXT], [NEXT], FIRST)
            state, _ = self.runs.follow(run_id)
            check(state == "SUCCEEDED", f"the run ended as {state}")
            self.runs.show_evaluation(run_id)
            pushed = self.server.pushed(MODEL)
            check(pushed == [1, 2], f"version 2 should have been blessed and pushed; there is {pushed}")
            self.server.wait_for_version(MODEL, 2)
            second_answer = self.ask(self.row)
            wait_until(lambda: load.answered(second_answer) >= 2000, "2,000 answers of version 2")
        answers = {1: load.answered(self.first_answer), 2: load.answered(second_answer)}
        failed = load.sent - sum(answers.values())
        self.out.line(
            f"Meanwhile {load.sent:,} requests were sent: {answers[1]:,} answered by version 1, {answers[2]:,} by version "
            f"2, {failed} failed. The slowest took {1000 * load.slowest:.0f} ms."
        )
        for what, count in load.failures.most_common(5):
            self.out.line(f"  {count} × {what}")
        check(second_answer != self.first_answer, "version 2 should answer otherwise than 1")
        check(failed == 0, f"{failed} requests failed, or got an answer that no version gives")
        check(min(answers.values()) > 0, "each version should have answered some of the load")
        self.report["act3"] = {"sent": load.sent, "failed": failed, "answers": answers, "versions": pushed}

    def lineage(self):
        self.out.act("What is served now, down to the files that it was made from")
        what = [str(binary()), "lineage", f"{MODEL}/2", "--data-dir", str(self.server.data_dir)]
        done = subprocess.run(what, capture_output=True, text=True)
        self.out.line(done.stdout + done.stderr)
        check(done.returncode == 0, f"headrace lineage ended with {done.returncode}")
        for month in FIRST + [NEXT]:
            check(f"{month}.parquet" in done.stdout, f"the lineage should lead to {month}.parquet")
        self.report["lineage"] = done.stdout

    def farewell(self, stays):
        self.out.act(f"That is the loop; it took {self.out.seconds():.0f} s")
        if not stays:
            return
        self.out.line("The server stays up:")
        self.out.line(f"  runs, over KFP's API    {self.server.url}/apis/v2beta1/runs")
        self.out.line(f"  the model's status      {self.server.models_url}/{MODEL}")
        flight = self.data_dir / "flight.json"
        self.out.line(f"  ask it                  curl -d @{flight} {self.server.models_url}/{MODEL}:predict")
        self.out.line(f"  its inputs              {self.server.models_url}/{MODEL}/metadata")
        self.out.line(f"  a page to try it on     http://127.0.0.1:{self.server.rest}/docs")
        self.out.line(f"  gRPC, as TF Serving     127.0.0.1:{self.server.grpc}")
        self.out.line(f"  what the server says    {self.server.log}")
        self.out.line(f"  stop it                 kill {self.server.process.pid}")


def stop_former(data_dir):
    """Ends the server that an earlier demo left up on this folder, by its process id."""
    file = data_dir / "state" / "pid"
    if not file.exists():
        return
    pid = int(file.read_text())
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return
    if os.fsencode(data_dir / "state") not in command:
        return  # the id is somebody else's by now
    os.kill(pid, signal.SIGTERM)
    wait_until(
        lambda: not pathlib.Path(f"/proc/{pid}").exists(), f"the earlier demo's server, process {pid}, to end", 60
    )


def clear(data_dir):
    """Begins anew, but for the data and the Python environments that take long to make."""
    shutil.rmtree(data_dir / "lake", ignore_errors=True)
    for path in (data_dir / "state").glob("*"):
        if path.is_dir() and path.name != "environments":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data-dir", type=pathlib.Path, default=REPOSITORY / "headrace-data", help="where all of it lies"
    )
    parser.add_argument(
        "--ci", action="store_true", default=os.environ.get("CI") == "true", help="end the server after it"
    )
    parser.add_argument("--report", type=pathlib.Path, help="write what was seen to this file, as JSON")
    arguments = parser.parse_args()
    data_dir = arguments.data_dir.resolve()
    stop_former(data_dir)
    clear(data_dir)
    usual = not arguments.ci and all(map(port_is_free, USUAL_PORTS))
    demo = Demo(data_dir, USUAL_PORTS if usual else None)
    stays = False
    try:
        demo.prepare()
        demo.first_model()
        demo.broken_month()
        demo.second_model()
        demo.lineage()
        demo.farewell(stays=not arguments.ci)
        stays = not arguments.ci
    except (Misbehaved, TimeoutError, Ended, HttpError) as error:
        demo.out.line(f"THE DEMO FAILED: {error}")
        demo.out.line(f"The server's last words ({demo.server.log}):\n{demo.server.log_tail()}")
        return 1
    except KeyboardInterrupt:
        demo.out.line("interrupted; the server is stopped")
        return 130
    finally:
        if not stays and demo.server.process:
            demo.server.stop()
        if arguments.report:
            arguments.report.write_text(json.dumps(demo.report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
