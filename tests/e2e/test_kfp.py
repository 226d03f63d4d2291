"""KFP's own SDK against `headrace up`: experiments, pipelines, runs, their logs and errors."""

import datetime
import json
import pathlib
import subprocess
import tarfile
import urllib.error
import urllib.request
import warnings
import zipfile

import pytest
from local_server import HttpError, binary, get_json, wait_until

warnings.filterwarnings("ignore")  # kfp's, about packages of its own
import kfp  # noqa: E402
import kfp_pipelines  # noqa: E402
import kfp_server_api  # noqa: E402

ENDED = ("SUCCEEDED", "FAILED", "CANCELED")


@pytest.fixture
def client(up):
    return kfp.Client(host=up.url)


@pytest.fixture
def sums(tmp_path):
    return kfp_pipelines.compiled(kfp_pipelines.sums, tmp_path)


def ended(client, run_id, seconds=60):
    """The run when it has ended."""

    def get():
        run = client.get_run(run_id)
        return run if run.state in ENDED else None

    return wait_until(get, f"run {run_id} to end", seconds)


def tasks(run):
    """{display name: task} of what somebody named."""
    return {task.display_name: task for task in run.run_details.task_details if task.display_name}


def log(up, run_id, task):
    with urllib.request.urlopen(f"{up.url}/apis/v2beta1/runs/{run_id}/nodes/{task}/log") as response:
        assert response.headers["Content-Type"].startswith("text/plain")
        return response.read().decode()


def test_health_and_index(up, client):
    assert client.get_kfp_healthz().multi_user is False
    with urllib.request.urlopen(up.url) as response:
        assert "kfp.Client" in response.read().decode()


def test_experiments(client):
    assert client.get_experiment(experiment_name="Default").experiment_id
    first = client.create_experiment("delays", description="late flights")
    assert client.create_experiment("delays").experiment_id == first.experiment_id
    assert client.get_experiment(experiment_id=first.experiment_id).description == "late flights"
    for name in ("b", "c", "d"):
        client.create_experiment(name)

    names, token = [], ""
    while True:
        page = client.list_experiments(page_token=token, page_size=2, sort_by="display_name desc")
        assert page.total_size == 5
        names += [experiment.display_name for experiment in page.experiments]
        token = page.next_page_token
        if not token:
            break
    assert names == ["delays", "d", "c", "b", "Default"]

    client.archive_experiment(first.experiment_id)
    archived = json.dumps({"predicates": [{"operation": "EQUALS", "key": "storage_state", "stringValue": "ARCHIVED"}]})
    assert [e.display_name for e in client.list_experiments(filter=archived).experiments] == ["delays"]
    client.unarchive_experiment(first.experiment_id)
    client.delete_experiment(first.experiment_id)
    with pytest.raises(ValueError, match="No experiment is found"):
        client.get_experiment(experiment_name="delays")


def test_pipelines_and_versions_from_yaml_zip_and_tar(client, sums, tmp_path):
    pipeline = client.upload_pipeline(sums, "sums", description="from YAML")
    assert client.get_pipeline_id("sums") == pipeline.pipeline_id
    assert client.get_pipeline(pipeline.pipeline_id).description == "from YAML"

    packed = tmp_path / "sums.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(sums, "pipeline.yaml")
    second = client.upload_pipeline_version(str(packed), "two", pipeline_id=pipeline.pipeline_id)
    packed = tmp_path / "sums.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(sums, "pipeline.yaml")
    client.upload_pipeline_version(str(packed), "three", pipeline_name="sums", description="a tarball")

    versions = client.list_pipeline_versions(pipeline.pipeline_id, sort_by="created_at").pipeline_versions
    assert [version.display_name for version in versions] == ["sums", "two", "three"]
    specs = [version.pipeline_spec for version in versions]
    assert specs[0] == specs[1] == specs[2] and specs[0]["pipelineInfo"]["name"] == "sums"
    assert client.get_pipeline_version(pipeline.pipeline_id, second.pipeline_version_id).display_name == "two"

    with pytest.raises(kfp_server_api.ApiException) as error:
        client.upload_pipeline(sums, "sums")
    assert error.value.status == 409
    with pytest.raises(kfp_server_api.ApiException) as error:
        client.delete_pipeline(pipeline.pipeline_id)
    assert error.value.status == 400 and "versions" in json.loads(error.value.body)["message"]
    for version in versions:
        client.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
    client.delete_pipeline(pipeline.pipeline_id)
    assert client.get_pipeline_id("sums") is None


def test_a_run_from_a_package(up, client, sums):
    before = datetime.datetime.now(datetime.timezone.utc)
    submitted = client.create_run_from_pipeline_package(
        sums, {"first": 4, "expected": 10}, run_name="first", experiment_name="numbers"
    )
    run = ended(client, submitted.run_id)
    assert run.state == "SUCCEEDED", run.error
    assert client.wait_for_run_completion(run.run_id, timeout=10).state == "SUCCEEDED"
    assert run.display_name == "first"
    assert run.runtime_config.parameters == {"first": 4, "expected": 10}
    assert run.pipeline_spec["pipelineInfo"]["name"] == "sums"
    assert before <= run.created_at <= run.finished_at
    assert [change.state for change in run.state_history][-1] == "SUCCEEDED"
    details = tasks(run)
    assert {name: task.state for name, task in details.items()} == {"count": "SUCCEEDED", "check": "SUCCEEDED"}
    assert details["count"].start_time <= details["count"].end_time <= details["check"].end_time
    assert details["check"].inputs["numbers"].artifact_ids == details["count"].outputs["text"].artifact_ids
    assert log(up, run.run_id, details["count"].task_id).strip().endswith("counted to 4")
    assert "total 10" in log(up, run.run_id, "check")
    assert client.get_experiment(experiment_name="numbers").last_run_created_at == run.created_at


def test_the_second_run_is_cached(up, client, sums):
    runs = []
    for name in ("first", "second"):
        submitted = client.create_run_from_pipeline_package(sums, {}, run_name=name)
        runs.append(ended(client, submitted.run_id))
    assert [run.state for run in runs] == ["SUCCEEDED", "SUCCEEDED"]
    assert {task.state for task in tasks(runs[1]).values()} == {"SKIPPED"}
    first, second = (tasks(run)["count"].outputs["text"].artifact_ids for run in runs)
    assert first == second
    uncached = client.create_run_from_pipeline_package(sums, {}, enable_caching=False)
    runs.append(ended(client, uncached.run_id))
    assert tasks(runs[2])["count"].state == "SUCCEEDED"
    executed = [(up.data_dir / "artifacts" / "sums" / run.run_id / "count").exists() for run in runs]
    assert executed == [True, False, True]


def test_a_run_of_an_uploaded_version(client, sums):
    pipeline = client.upload_pipeline(sums, "sums")
    version = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions[0]
    experiment = client.create_experiment("versions")
    run = client.run_pipeline(
        experiment.experiment_id,
        "of a version",
        params={"first": 2, "expected": 3},
        pipeline_id=pipeline.pipeline_id,
        version_id=version.pipeline_version_id,
    )
    assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
    assert ended(client, run.run_id).state == "SUCCEEDED"
    listed = client.list_runs(experiment_id=experiment.experiment_id)
    assert [run.run_id for run in listed.runs] == [run.run_id]
    client.archive_experiment(experiment.experiment_id)
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"
    with pytest.raises(kfp_server_api.ApiException, match="archived"):
        client.create_run_from_pipeline_package(sums, {}, experiment_id=experiment.experiment_id)


def test_a_function_component(up, client, tmp_path):
    package = kfp_pipelines.compiled(kfp_pipelines.doubled, tmp_path)
    run = ended(client, client.create_run_from_pipeline_package(package, {"first": 4}).run_id, seconds=180)
    assert run.state == "SUCCEEDED", log(up, run.run_id, "double")
    assert "doubling 10" in log(up, run.run_id, "double")


def test_a_failed_run_is_retried(up, client, sums, tmp_path):
    marker = tmp_path / "marker"
    arguments = {"first": 3, "expected": 7, "marker": str(marker)}
    run = ended(client, client.create_run_from_pipeline_package(sums, arguments).run_id)
    assert run.state == "FAILED"
    assert run.error.message
    details = tasks(run)
    assert (details["count"].state, details["check"].state) == ("SUCCEEDED", "FAILED")
    assert details["check"].error.message
    assert "the total is 6, expected 7" in log(up, run.run_id, "check")

    marker.touch()
    client._run_api.run_service_retry_run(run_id=run.run_id)
    again = wait_until(lambda: (r := client.get_run(run.run_id)).state == "SUCCEEDED" and r, "the retried run", 60)
    assert tasks(again)["count"].end_time == details["count"].end_time  # not done again
    with pytest.raises(kfp_server_api.ApiException) as error:
        client._run_api.run_service_retry_run(run_id=run.run_id)
    assert error.value.status == 400


def test_a_run_is_terminated(client, tmp_path):
    package = kfp_pipelines.compiled(kfp_pipelines.waiting, tmp_path)
    marker = tmp_path / "never"
    run_id = client.create_run_from_pipeline_package(package, {"marker": str(marker)}).run_id
    started = marker.with_suffix(".started")
    wait_until(lambda: started.exists() and started.read_text(), "the task to start")
    assert client.get_run(run_id).state == "RUNNING"
    client.terminate_run(run_id)
    run = ended(client, run_id)
    assert run.state == "CANCELED"
    assert tasks(run)["wait-for"].state == "CANCELED"
    pid = int(started.read_text())
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the task's process to be gone", 10)
    client.delete_run(run_id)
    with pytest.raises(kfp_server_api.ApiException) as error:
        client.get_run(run_id)
    assert error.value.status == 404


def test_runs_are_listed_archived_and_filtered(client, sums):
    ids = [client.create_run_from_pipeline_package(sums, {}, run_name=f"run {i}").run_id for i in range(5)]
    for run_id in ids:
        ended(client, run_id)
    page = client.list_runs(page_size=3, sort_by="created_at desc")
    assert ([run.run_id for run in page.runs], page.total_size) == (ids[:1:-1], 5)
    rest = client.list_runs(page_token=page.next_page_token, page_size=3)
    assert ([run.run_id for run in rest.runs], rest.next_page_token) == (ids[1::-1], None)

    client.archive_run(ids[0])
    state = {"operation": "EQUALS", "key": "storage_state", "stringValue": "AVAILABLE"}
    name = {"operation": "IS_SUBSTRING", "key": "name", "stringValue": "RUN"}
    listed = client.list_runs(filter=json.dumps({"predicates": [state, name]}), sort_by="name")
    assert [run.display_name for run in listed.runs] == ["run 1", "run 2", "run 3", "run 4"]
    client.unarchive_run(ids[0])
    assert client.get_run(ids[0]).storage_state == "AVAILABLE"


def test_recurring_runs(client, sums):
    experiment = client.create_experiment("nightly").experiment_id
    pipeline = client.upload_pipeline(sums, "sums").pipeline_id
    version = client.list_pipeline_versions(pipeline).pipeline_versions[0].pipeline_version_id
    made = client.create_recurring_run(
        experiment,
        "each second",
        interval_second=1,
        max_concurrency=2,
        no_catchup=True,
        params={"first": 3, "expected": 6},
        pipeline_id=pipeline,
        version_id=version,
    )
    assert made.status == "ENABLED" and made.trigger.periodic_schedule.interval_second == "1"
    runs = wait_until(lambda: (r := client.list_runs(experiment_id=experiment).runs or []) and len(r) >= 2 and r, "runs")
    for run in runs[:2]:
        assert run.recurring_run_id == made.recurring_run_id
        assert run.display_name.startswith("each second 20")
        assert ended(client, run.run_id).state == "SUCCEEDED"
    assert runs[0].scheduled_at != runs[1].scheduled_at
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"

    yearly = client.create_recurring_run(
        experiment, "each year", cron_expression="0 0 0 1 1 *", enabled=False, pipeline_package_path=sums
    )
    assert yearly.trigger.cron_schedule.cron == "0 0 0 1 1 *" and yearly.status == "DISABLED"
    client.enable_recurring_run(yearly.recurring_run_id)
    listed = client.list_recurring_runs(experiment_id=experiment, sort_by="display_name").recurring_runs
    assert [(item.display_name, item.status) for item in listed] == [("each second", "DISABLED"), ("each year", "ENABLED")]
    for item in listed:
        client.delete_recurring_run(item.recurring_run_id)
    assert not client.list_recurring_runs().recurring_runs
    with pytest.raises(kfp_server_api.ApiException, match="cron"):
        client.create_recurring_run(experiment, "x", cron_expression="often", pipeline_package_path=sums)


def test_errors_are_google_rpc_status(up, client, sums, tmp_path):
    runs = f"{up.url}/apis/v2beta1/runs"

    def refused(body=None, url=runs):
        with pytest.raises(HttpError) as error:
            get_json(url, body)
        answer = json.loads(error.value.body)
        assert set(answer) >= {"code", "message", "details"}
        return error.value.code, answer["code"], answer["message"]

    nobody = "00000000-0000-0000-0000-000000000000"
    assert refused(url=f"{runs}/{nobody}")[:2] == (404, 5)
    assert refused(url=f"{runs}?page_token=no")[:2] == (400, 3)
    assert "sort_by" in refused(url=f"{runs}?sort_by=color")[2]
    assert "pipeline_spec" in refused({"display_name": "x"})[2]
    spec = client.upload_pipeline(sums, "sums") and client.list_pipeline_versions(
        client.get_pipeline_id("sums")
    ).pipeline_versions[0].pipeline_spec
    assert "display_name" in refused({"pipeline_spec": spec})[2]
    assert refused({"pipeline_spec": spec, "display_name": "x", "experiment_id": nobody})[:2] == (404, 5)
    wrong = {"runtime_config": {"parameters": {"first": "four"}}}
    code, _, message = refused({"pipeline_spec": spec, "display_name": "x", **wrong})
    assert code == 400 and "first" in message
    unknown = {"runtime_config": {"parameters": {"color": 1}}}
    assert "color" in refused({"pipeline_spec": spec, "display_name": "x", **unknown})[2]
    assert "root" in refused({"pipeline_spec": {"pipelineInfo": {"name": "x"}}, "display_name": "x"})[2]
    assert refused(url=f"{up.url}/apis/v2beta1/recurringruns/{nobody}")[:2] == (404, 5)
    assert refused(url=f"{up.url}/apis/v2beta1/nothing")[0] == 404

    broken = tmp_path / "broken.yaml"
    broken.write_text("not: [a pipeline")
    with pytest.raises(kfp_server_api.ApiException) as error:
        client._upload_api.upload_pipeline(str(broken), name="broken")
    assert error.value.status == 400


def test_pages_of_other_sites_are_refused(up):
    def post(origin):
        request = urllib.request.Request(f"{up.url}/apis/v2beta1/experiments", b'{"display_name": "x"}', method="POST")
        request.add_header("Content-Type", "text/plain")
        request.add_header("Origin", origin)
        return urllib.request.urlopen(request)

    with pytest.raises(urllib.error.HTTPError) as error:
        post("https://elsewhere.example")
    assert error.value.code == 403
    with post(up.url) as response:
        assert json.load(response)["display_name"] == "x"


def test_one_server_a_data_folder(up):
    command = [binary(), "up", "--data-dir", up.data_dir, "--port=0", "--rest-api-port=0", "--grpc-port=0"]
    second = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    assert second.returncode == 2
    assert str(up.process.pid) in second.stderr and str(up.data_dir) in second.stderr
