"""kill -9 of `headrace up` in the middle of runs: they go on after the restart, nothing acknowledged is lost, nothing is
published twice."""

import json
import pathlib
import sqlite3
import subprocess
import warnings

from local_server import Server, binary, wait_until

warnings.filterwarnings("ignore")  # kfp's, about packages of its own
import kfp  # noqa: E402
import kfp_pipelines  # noqa: E402
from test_kfp import ended, tasks  # noqa: E402


def lineage(data_dir, uri):
    command = [str(binary()), "lineage", uri, "--json", "--data-dir", str(data_dir)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def submit(client, package, marker):
    run = client.create_run_from_pipeline_package(
        package, {"marker": str(marker)}, run_name=marker.name, experiment_name="survives"
    )
    return run.run_id


def tries(server, run_id, task):
    """The folders that the task was executed in."""
    return sorted((server.data_dir / "artifacts" / "waiting" / run_id / task).glob("*"))


def test_runs_survive_kill(tmp_path):
    package = kfp_pipelines.compiled(kfp_pipelines.waiting, tmp_path)
    markers = [tmp_path / f"marker{i}" for i in range(4)]
    with Server(tmp_path / "state") as server:
        client = kfp.Client(host=server.url)
        experiment = client.create_experiment("survives")
        ids = [submit(client, package, marker) for marker in markers]
        started = [marker.with_suffix(".started") for marker in markers]
        wait_until(lambda: any(path.exists() for path in started), "a task in the middle")
        done = [
            (run_id, name, task.end_time, tries(server, run_id, name))
            for run_id in ids
            for name, task in tasks(client.get_run(run_id)).items()
            if task.state in ("SUCCEEDED", "SKIPPED")
        ]
        assert any(folders for *_, folders in done)
        server.kill()

    with Server(server.data_dir, (server.http, server.rest, server.grpc)) as again:
        client = kfp.Client(host=again.url)
        assert client.get_experiment(experiment_name="survives").experiment_id == experiment.experiment_id
        assert {run.run_id for run in client.list_runs(page_size=100).runs} == set(ids)
        for marker in markers:
            marker.touch()
        runs = {run_id: ended(client, run_id) for run_id in ids}
        for run_id, run in runs.items():
            assert run.state == "SUCCEEDED", run.error
            check_published_once(again, run_id)
        for run_id, name, end_time, folders in done:
            assert tasks(runs[run_id])[name].end_time == end_time  # not done again
            assert tries(again, run_id, name) == folders
    with sqlite3.connect(f"file:{server.data_dir / 'headrace.db'}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def check_published_once(server, run_id):
    """Of each output of the run there is one artifact in the record, and its file is whole."""
    folder = server.data_dir / "artifacts" / "waiting" / run_id
    copies = [path for path in folder.glob("count-file/*/copy") if path.is_file()]
    recorded = [path for path in copies if has_maker(server, path)]
    assert len(recorded) == 1, copies
    assert pathlib.Path(recorded[0]).read_text() == "done"


def has_maker(server, path):
    try:
        graph = lineage(server.data_dir, str(path))
    except subprocess.CalledProcessError:
        return False  # left by the try that was killed, and recorded nowhere
    makers = [event for event in graph["events"] if event["kind"] == "OUTPUT" and event["artifact"] in graph["starts"]]
    assert len(makers) == 1, graph
    return True
