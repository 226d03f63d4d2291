"""Models on object stores, found, served and swapped like those on a disk: S3 (moto's server) and Google Cloud Storage
(gcp-storage-emulator)."""

import pathlib
import subprocess
import sys

import boto3
import google.cloud.storage
import local_server
import onnx
import pytest
from conftest import write_model
from google.auth.credentials import AnonymousCredentials
from local_server import Ended, free_ports, get_json, wait_until


class S3:
    scheme = "s3"
    server = ["moto.server", "-H", "127.0.0.1", "-p"]

    def __init__(self, address):
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.address_variable = "AWS_ENDPOINT_URL"
        self.address_in_uri = f"s3://models/{{}}?region=us-east-1&scheme=http&endpoint_override={address}"
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{address}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def create_bucket(self):
        return self.client.create_bucket(Bucket="models")

    def upload(self, file, key):
        self.client.upload_file(str(file), "models", key)


class GoogleCloudStorage:
    scheme = "gs"
    server = ["gcp_storage_emulator", "start", "--in-memory", "--host=127.0.0.1", "--port"]

    def __init__(self, address):
        self.environment = {"STORAGE_EMULATOR_HOST": f"http://{address}"}
        self.address_variable = "STORAGE_EMULATOR_HOST"
        self.address_in_uri = f"gs://anonymous@models/{{}}?scheme=http&endpoint_override={address}"
        self.client = google.cloud.storage.Client(
            credentials=AnonymousCredentials(), project="test", client_options={"api_endpoint": f"http://{address}"}
        )

    def create_bucket(self):
        return self.client.create_bucket("models")

    def upload(self, file, key):
        self.client.bucket("models").blob(key).upload_from_filename(str(file))


@pytest.fixture(scope="module", params=[S3, GoogleCloudStorage], ids=["s3", "gs"])
def object_store(request, tmp_path_factory):
    """A server of objects on loopback, with the bucket "models"."""
    (port,) = free_ports(1)
    store = request.param(f"127.0.0.1:{port}")
    log = (tmp_path_factory.mktemp("objects") / "server.log").open("wb")
    command = [sys.executable, "-m", *store.server, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready():
        if process.poll() is not None:
            raise Ended(f"{store.server[0]} ended")
        return store.create_bucket()

    try:
        wait_until(ready, store.server[0])
        yield store
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture
def store(object_store, monkeypatch, tmp_path):
    """The store, with what a server needs to reach it in the environment."""
    for name, value in object_store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEADRACE_CACHE_DIR", str(tmp_path / "cache"))
    return object_store


def upload(store, tmp_path, name, version, add):
    folder = write_model(tmp_path / name, version, add)
    for file in folder.iterdir():
        store.upload(file, f"{name}/{version}/{file.name}")


def predict(server, model):
    return get_json(f"{server.models_url}/{model}:predict", {"instances": [1.0, 2.0]})["predictions"]


def test_serves_and_swaps_a_model(serve, store, tmp_path):
    upload(store, tmp_path, "plus", 1, 1.0)
    base = f"{store.scheme}://models/plus"
    server = serve("--model_name=plus", f"--model_base_path={base}", "--file_system_poll_wait_seconds=1")
    wait_until(lambda: predict(server, "plus") == [2.0, 3.0], "version 1")
    upload(store, tmp_path, "plus", 2, 2.0)
    wait_until(lambda: predict(server, "plus") == [3.0, 4.0], "version 2")
    assert server.stop() == 0
    assert "FinalizeS3" not in server.log.read_text()


def test_options_may_be_in_the_uri_and_copies_are_kept(serve, store, tmp_path, monkeypatch):
    monkeypatch.delenv(store.address_variable)
    upload(store, tmp_path, "kept", 1, 1.0)
    base = store.address_in_uri.format("kept")
    first = serve("--model_name=kept", f"--model_base_path={base}")
    wait_until(lambda: predict(first, "kept") == [2.0, 3.0], "the model")
    copies = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("model.onnx")}
    assert len(copies) == 1
    second = serve("--model_name=kept", f"--model_base_path={base}")
    wait_until(lambda: predict(second, "kept") == [2.0, 3.0], "the model again")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("model.onnx")} == copies


def test_weights_beside_the_model_are_fetched_and_waited_for(serve, store, tmp_path):
    whole = write_model(tmp_path / "apart", 1, 1.0) / "model.onnx"
    onnx.save_model(
        onnx.load(whole), whole, save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    store.upload(whole, "apart/1/model.onnx")
    base = f"{store.scheme}://models/apart"
    server = serve("--model_name=apart", f"--model_base_path={base}", "--file_system_poll_wait_seconds=1")

    def error():
        return get_json(f"{server.models_url}/apart")["model_version_status"][0]["status"]["error_message"]

    wait_until(lambda: "model.onnx.data" in error(), "the missing file's name in the status")
    store.upload(whole.with_name("model.onnx.data"), "apart/1/model.onnx.data")
    wait_until(lambda: predict(server, "apart") == [2.0, 3.0], "the whole model")


def test_a_bucket_that_is_not_there_is_said(store, tmp_path):
    base = f"{store.scheme}://nowhere/absent"
    server = local_server.ModelServer(tmp_path / "log", ["--model_name=absent", f"--model_base_path={base}"])
    with (tmp_path / "log").open("wb") as log:
        server.process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: f"NOT_FOUND: {base}" in server.log.read_text(), "the message in the log")
    finally:
        server.kill()


def test_what_every_store_must_do(headrace, store):
    """The conformance suite."""
    suite = pathlib.Path(headrace).with_name("backends_arrow_test")
    if not suite.exists():
        pytest.skip(f"{suite} is not built")
    done = subprocess.run(
        [suite, "--gtest_filter=*Conformance*/Remote"],
        env={**store.environment, "HEADRACE_TEST_BUCKET": f"{store.scheme}://models"},
        capture_output=True, text=True, check=False, timeout=120,
    )
    assert done.returncode == 0 and "7 tests" in done.stdout, done.stdout + done.stderr
