"""kill -9 of `headrace up` in the middle of runs: they go on after the restart, nothing acknowledged is lost, nothing is
published twice."""

import json
import pathlib
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


def test_runs_survive_kill(tmp_path):
    package = kfp_pipelines.compiled(kfp_pipelines.waiting, tmp_path)
    server = Server(tmp_path / "state").start()
    client = kfp.Client(host=server.url)
    experiment = client.create_experiment("survives")
    markers = [tmp_path / f"marker{i}" for i in range(4)]
    ids = []
    for i, marker in enumerate(markers):
        run = client.create_run_from_pipeline_package(
            package, {"marker": str(marker)}, run_name=f"run {i}", experiment_name="survives"
        )
        ids.append(run.run_id)
    started = [marker.with_suffix(".started") for marker in markers]
    wait_until(lambda: any(path.exists() for path in started), "a task in the middle")
    before = {run_id: tasks(client.get_run(run_id)) for run_id in ids}
    server.kill()

    again = Server(server.data_dir, (server.http, server.rest, server.grpc)).start()
    try:
        client = kfp.Client(host=again.url)
        assert client.get_experiment(experiment_name="survives").experiment_id == experiment.experiment_id
        assert {run.run_id for run in client.list_runs(page_size=100).runs} == set(ids)
        for marker in markers:
            marker.touch()
        for run_id in ids:
            run = ended(client, run_id)
            assert run.state == "SUCCEEDED", run.error
            after = tasks(run)
            for name, task in before[run_id].items():
                if task.state in ("SUCCEEDED", "SKIPPED"):
                    assert after[name].end_time == task.end_time  # not done again
            check_published_once(again, run_id)
    finally:
        again.stop()


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
