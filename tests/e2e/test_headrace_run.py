"""Pipelines as the kfp SDK compiles them, run by `headrace run` without a server."""

import json
import os
import pathlib
import signal
import subprocess
import time
from typing import List, NamedTuple, Optional

import pytest
from kfp import compiler, dsl


@dsl.component(base_image="python:3.11")
def make(size: int, data: dsl.Output[dsl.Dataset]) -> str:
    with open(data.path, "w") as file:
        file.write("x" * size)
    data.metadata["size"] = size
    print(f"made {size}")
    return f"v{size}"


@dsl.component(base_image="python:3.11")
def measure(label: str, data: dsl.Input[dsl.Dataset], note: Optional[str] = None) -> int:
    with open(data.path) as file:
        size = len(file.read())
    assert data.metadata["size"] == size and note is None
    return size


@dsl.component(base_image="python:3.11")
def add(numbers: List[int], parts: dsl.Input[List[dsl.Dataset]]) -> int:
    assert len(parts) == len(numbers)
    return sum(numbers)


@dsl.component(base_image="python:3.11")
def is_large(number: int, limit: float) -> bool:
    return number > limit


@dsl.component(base_image="python:3.11")
def several() -> NamedTuple("Several", [("text", str), ("numbers", list), ("mapping", dict), ("real", float)]):
    return ('say "hi"', [1, 2.5, "x"], {"b": {"c": 1}, "a": None}, 5.0)


@dsl.component(base_image="python:3.11")
def check(text: str, numbers: list, mapping: dict, real: float, line: str):
    assert text == 'say "hi"' and numbers == [1, 2.5, "x"] and mapping == {"b": {"c": 1}, "a": None}
    assert real == 5.0 and line == 'say "hi": 5', line


@dsl.component(base_image="python:3.11")
def fail(reason: str):
    raise ValueError(reason)


@dsl.component(base_image="python:3.11")
def journal_status(journal: str, status: dsl.PipelineTaskFinalStatus):
    with open(journal, "a") as file:
        file.write(f"{status.state} {status.pipeline_task_name}\n")


@dsl.component(base_image="python:3.11")
def succeed_later(journal: str, tries: int):
    with open(journal, "a") as file:
        file.write("try\n")
    with open(journal) as file:
        assert len(file.readlines()) >= tries, "not yet"


@dsl.component(base_image="python:3.11")
def wait_for(gate: str, journal: str) -> str:
    import os
    import time

    with open(journal, "a") as file:
        file.write("waiting\n")
    while not os.path.exists(gate):
        time.sleep(0.05)
    return "waited"


@dsl.container_component
def shell(base: str, out: dsl.Output[dsl.Artifact], count: dsl.OutputPath(int), extra: Optional[str] = None):
    return dsl.ContainerSpec(
        image="headrace",
        command=["sh", "-ec", 'printf "%s" "$*" > "$0"; printf 7 > "$1"'],
        args=[
            out.path,
            count,
            dsl.ConcatPlaceholder(["base=", base]),
            dsl.IfPresentPlaceholder(input_name="extra", then=["--extra", extra], else_=["--plain"]),
        ],
    )


@dsl.pipeline
def make_and_measure(size: int, note: Optional[str] = None) -> int:
    made = make(size=size)
    return measure(label=made.outputs["Output"], data=made.outputs["data"], note=note).output


@dsl.pipeline(name="loops")
def loops(sizes: List[int] = [1, 2, 3], limit: float = 5.0) -> int:
    with dsl.ParallelFor(sizes, parallelism=2) as size:
        made = make(size=size)
        measured = measure(label=made.outputs["Output"], data=made.outputs["data"])
    total = add(numbers=dsl.Collected(measured.output), parts=dsl.Collected(made.outputs["data"]))
    large = is_large(number=total.output, limit=limit)
    with dsl.If(large.output == True):  # noqa: E712
        yes = make(size=10)
    with dsl.Else():
        no = make(size=20)
    chosen = dsl.OneOf(yes.outputs["data"], no.outputs["data"])
    return measure(label=f"of {total.output}", data=chosen).output


@dsl.pipeline(name="nested")
def nested():
    inner = make_and_measure(size=4)
    make_and_measure(size=inner.output)


@dsl.pipeline(name="values")
def values():
    made = several()
    check(
        text=made.outputs["text"],
        numbers=made.outputs["numbers"],
        mapping=made.outputs["mapping"],
        real=made.outputs["real"],
        line=f"{made.outputs['text']}: {made.outputs['real']}",
    )


@dsl.pipeline(name="exits")
def exits(journal: str):
    with dsl.ExitHandler(journal_status(journal=journal)):
        failed = fail(reason="the reason")
        make(size=1).after(failed)
        make(size=2)


@dsl.pipeline(name="retries")
def retries(journal: str):
    succeed_later(journal=journal, tries=3).set_retry(num_retries=3, backoff_duration="0s")


@dsl.pipeline(name="shells")
def shells():
    shell(base="b")
    shell(base="b", extra="it's")


@dsl.pipeline(name="imports")
def imports(uri: str):
    imported = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset, metadata={"size": 3})
    measure(label="imported", data=imported.output)


@dsl.pipeline(name="gated")
def gated(gate: str, journal: str):
    first = make(size=3)
    waited = wait_for(gate=gate, journal=journal).after(first)
    measure(label=waited.output, data=first.outputs["data"])


class Runner:
    """`headrace run` on compiled pipelines, in one data folder. Python environments are shared by the tests."""

    def __init__(self, binary, folder, environments):
        self._binary = str(binary)
        self.folder = folder
        self.data_dir = folder / "data"
        self.data_dir.mkdir()
        (self.data_dir / "environments").symlink_to(environments)

    def package(self, pipeline):
        path = self.folder / f"{pipeline.name}.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return str(path)

    def command(self, *arguments, **parameters):
        command = [self._binary, "run", *arguments, "--data-dir", str(self.data_dir)]
        for name, value in parameters.items():
            command += ["--parameter", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        return command

    def __call__(self, pipeline, *options, expect=0, **parameters):
        """The JSON summary of a run, with its tasks by name."""
        command = self.command(self.package(pipeline), "--json", *options, **parameters)
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode == expect, result.stdout + result.stderr
        return self.summary(result.stdout)

    @staticmethod
    def summary(text):
        summary = json.loads(text)
        summary["tasks"] = {task["task"]: task for task in summary["tasks"]}
        return summary


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def run(headrace, tmp_path, environments):
    return Runner(headrace, tmp_path, environments)


def states(summary):
    return {name: task["state"] for name, task in summary["tasks"].items()}


def test_loops_conditions_and_collected_outputs(run):
    summary = run(loops)
    assert summary["state"] == "SUCCEEDED"
    assert summary["tasks"]["add"]["outputs"]["parameters"]["Output"] == 6
    assert [name.split("/")[-1] for name in summary["tasks"] if "condition" in name] == ["make-2"]
    assert summary["tasks"]["measure-2"]["outputs"]["parameters"]["Output"] == 10

    small = run(loops, sizes=[1], limit=5)
    assert small["tasks"]["measure-2"]["outputs"]["parameters"]["Output"] == 20
    assert {state for name, state in states(small).items() if "for-loop" in name} == {"CACHED"}


def test_the_second_run_of_what_has_not_changed_does_nothing(run):
    run(nested)
    again = run(nested)
    assert (again["ran"], again["failed"], again["skipped"]) == (0, 0, 0)
    text = subprocess.run(run.command(run.package(nested)), capture_output=True, text=True, check=True).stdout
    assert f"nothing to do: all {again['cached']} tasks cached" in text
    assert run(nested, "--no-cache")["cached"] == 0


def test_nested_pipelines_pass_optional_inputs_and_outputs(run):
    summary = run(nested)
    assert summary["tasks"]["make-and-measure-2/measure"]["outputs"]["parameters"]["Output"] == 4


def test_values_of_every_type_arrive_as_they_were(run):
    assert run(values)["state"] == "SUCCEEDED"


def test_exit_handlers_run_and_a_failure_says_why(run):
    journal = run.folder / "journal"
    summary = run(exits, expect=1, journal=str(journal))
    assert summary["state"] == "FAILED"
    assert summary["error"] == "task exit-handler-1/fail: exit code 1: ValueError: the reason"
    assert states(summary)["exit-handler-1/make"] == "SKIPPED"
    assert states(summary)["exit-handler-1/make-2"] == "SUCCEEDED"
    assert journal.read_text() == "FAILED exit-handler-1\n"
    log = pathlib.Path(summary["tasks"]["exit-handler-1/fail"]["log_file"])
    assert "ValueError: the reason" in log.read_text()

    plain = subprocess.run(run.command(run.package(exits), journal=str(journal)), capture_output=True, text=True)
    assert plain.returncode == 1
    assert "FAILED: exit code 1: ValueError: the reason" in plain.stdout
    assert str(run.data_dir / "logs") in plain.stdout


def test_retries_count_and_succeed(run):
    journal = run.folder / "journal"
    summary = run(retries, journal=str(journal))
    assert summary["tasks"]["succeed-later"]["tries"] == 3
    assert journal.read_text() == "try\n" * 3


def test_container_components_with_structured_arguments(run):
    summary = run(shells)
    texts = {}
    for name in ("shell", "shell-2"):
        texts[name] = pathlib.Path(summary["tasks"][name]["outputs"]["artifacts"]["out"][0]["uri"]).read_text()
        assert summary["tasks"][name]["outputs"]["parameters"]["count"] == 7
    assert texts["shell"].endswith(" base=b --plain")
    assert texts["shell-2"].endswith(" base=b --extra it's")


def test_importers(run):
    (run.folder / "three").write_text("abc")
    summary = run(imports, uri=str(run.folder / "three"))
    assert summary["tasks"]["measure"]["outputs"]["parameters"]["Output"] == 3


def test_what_is_wrong_is_said_before_anything_starts(run):
    def refused(*arguments, **parameters):
        result = subprocess.run(run.command(*arguments, **parameters), capture_output=True, text=True)
        assert result.returncode == 2, result.stdout + result.stderr
        return result.stderr

    package = run.package(loops)
    assert "--parameter nothing: the pipeline has no such parameter; it has limit, sizes" in refused(package, nothing=1)
    assert "--parameter sizes: expected LIST" in refused(package, sizes="many")
    assert "not a compiled KFP v2 pipeline" in refused(__file__.replace("test_headrace_run.py", "../../CMakePresets.json"))
    assert "parameter journal: the pipeline needs a value of type STRING" in refused(run.package(retries))

    @dsl.component(base_image="tensorflow/tensorflow:2.17.0")
    def elsewhere():
        pass

    @dsl.pipeline(name="elsewhere")
    def other_image():
        elsewhere()

    assert "image tensorflow/tensorflow:2.17.0: without containers" in refused(run.package(other_image))


def start(run, **parameters):
    command = run.command(run.package(gated), "--json", **parameters)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = pathlib.Path(parameters["journal"])
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    return process


def arguments(run):
    return {"gate": str(run.folder / "gate"), "journal": str(run.folder / "journal")}


def test_interrupt_cancels(run):
    process = start(run, **arguments(run))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    summary = run.summary(out)
    assert summary["state"] == "CANCELED"
    assert states(summary) == {"make": "SUCCEEDED", "wait-for": "CANCELLED", "measure": "CANCELLED"}


def test_a_killed_run_is_continued(run):
    process = start(run, **arguments(run))
    process.kill()
    process.communicate()
    pathlib.Path(arguments(run)["gate"]).touch()
    result = subprocess.run(run.command("--resume", "--json"), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    summary = run.summary(result.stdout)
    assert summary["state"] == "SUCCEEDED"
    assert summary["ran"] == 3
    assert pathlib.Path(arguments(run)["journal"]).read_text() == "waiting\n" * 2
    none_left = subprocess.run(run.command("--resume"), capture_output=True, text=True)
    assert none_left.returncode == 2 and "no run is unfinished" in none_left.stderr
    assert os.listdir(run.data_dir / "artifacts" / "gated") == [summary["run_id"]]
