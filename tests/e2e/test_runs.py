"""Runs through KFP's own SDK on a real server, and a server that is killed in the middle of one."""

import pathlib
import sqlite3

import kfp
import pytest
from kfp import compiler, dsl
from local_server import Server, wait_until


@dsl.component(base_image="python:3.11")
def note(journal: str, word: str, text: dsl.Output[dsl.Artifact]) -> str:
    """Writes the word down, once for each time that this runs, and hands it on."""
    with open(journal, "a") as file:
        file.write(word + "\n")
    with open(text.path, "w") as file:
        file.write(word)
    return word


@dsl.component(base_image="python:3.11")
def wait_for(gate: str, word: str) -> str:
    """Runs until somebody makes the file `gate`."""
    import os
    import time

    print("waiting", flush=True)
    while not os.path.exists(gate):
        time.sleep(0.05)
    return f"{word}, waited"


@dsl.pipeline(name="gated")
def gated(journal: str, gate: str):
    first = note(journal=journal, word="first")
    waited = wait_for(gate=gate, word=first.outputs["Output"])
    note(journal=journal, word=waited.output)


DONE_ONCE = "first\nfirst, waited\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("package") / "gated.yaml"
    compiler.Compiler().compile(gated, str(path))
    return str(path)


def task_states(server, run_id):
    details = server.run(run_id).get("run_details", {})
    return {task.get("display_name"): task["state"] for task in details.get("task_details", [])}


def submit(client, package, tmp_path, **options):
    arguments = {"journal": str(tmp_path / "journal"), "gate": str(tmp_path / "gate")}
    return client.create_run_from_pipeline_package(package, arguments, **options).run_id


def wait_for_end(client, run_id, seconds=120):
    final = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
    return wait_until(lambda: (state := client.get_run(run_id).state) in final and state, "the run to end", seconds)


def test_a_run_succeeds_and_the_same_again_comes_from_the_cache(up, package, tmp_path):
    client = kfp.Client(host=up.url)
    (tmp_path / "gate").touch()
    first = submit(client, package, tmp_path)
    assert wait_for_end(client, first) == "SUCCEEDED", up.log_tail()
    assert (tmp_path / "journal").read_text() == DONE_ONCE
    logs = list((up.data_dir / "logs" / first).glob("*wait*"))
    assert len(logs) == 1 and "waiting" in logs[0].read_text()

    second = submit(client, package, tmp_path)
    assert wait_for_end(client, second) == "SUCCEEDED", up.log_tail()
    states = task_states(up, second)
    assert {states["note"], states["wait-for"], states["note-2"]} == {"CACHED"}
    assert (tmp_path / "journal").read_text() == DONE_ONCE

    third = submit(client, package, tmp_path, enable_caching=False)
    assert wait_for_end(client, third) == "SUCCEEDED", up.log_tail()
    assert (tmp_path / "journal").read_text() == DONE_ONCE * 2


def test_a_killed_server_continues_its_run_and_publishes_nothing_twice(package, tmp_path):
    data_dir = tmp_path / "state"
    server = Server(data_dir).start()
    client = kfp.Client(host=server.url)
    run_id = submit(client, package, tmp_path)
    wait_until(lambda: task_states(server, run_id).get("wait-for") == "RUNNING", "the middle task to run", 120)
    server.kill()
    (tmp_path / "gate").touch()

    with Server(data_dir) as server:
        client = kfp.Client(host=server.url)
        assert wait_for_end(client, run_id) == "SUCCEEDED", server.log_tail()
        states = task_states(server, run_id)
        assert {states["note"], states["wait-for"], states["note-2"]} == {"SUCCEEDED"}
    # What had finished before the kill was not done again, and each output was published once.
    assert (tmp_path / "journal").read_text() == DONE_ONCE
    texts = [path for path in pathlib.Path(data_dir / "artifacts").rglob("text") if path.is_file()]
    assert len(texts) == 2
    with sqlite3.connect(f"file:{data_dir / 'headrace.db'}?mode=ro", uri=True) as database:
        (check,) = database.execute("PRAGMA integrity_check").fetchone()
    assert check == "ok"
