"""Models on an S3-compatible object store (moto's server), found, served and swapped like those on a disk."""

import subprocess
import sys

import boto3
import local_server
import pytest
from conftest import write_model
from local_server import Ended, free_ports, get_json, wait_until


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """A client of an object store on loopback, with the bucket "models"; its address in s3.address."""
    (port,) = free_ports(1)
    log = (tmp_path_factory.mktemp("moto") / "moto.log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.address = f"127.0.0.1:{port}"

    def ready():
        if process.poll() is not None:
            raise Ended("moto ended")
        return client.create_bucket(Bucket="models")

    try:
        wait_until(ready, "moto")
        yield client
    finally:
        process.terminate()
        process.wait()
        log.close()


@pytest.fixture
def environment(s3, monkeypatch, tmp_path):
    """What a server needs to reach the store."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{s3.address}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HEADRACE_CACHE_DIR", str(tmp_path / "cache"))


def upload(s3, tmp_path, key, version, add):
    folder = write_model(tmp_path / key, version, add)
    for file in folder.iterdir():
        s3.upload_file(str(file), "models", f"{key}/{version}/{file.name}")


def predict(server, model):
    return get_json(f"{server.models_url}/{model}:predict", {"instances": [1.0, 2.0]})["predictions"]


def test_serves_and_swaps_a_model_on_s3(serve, s3, environment, tmp_path):
    upload(s3, tmp_path, "plus", 1, 1.0)
    server = serve("--model_name=plus", "--model_base_path=s3://models/plus", "--file_system_poll_wait_seconds=1")
    wait_until(lambda: predict(server, "plus") == [2.0, 3.0], "version 1")
    upload(s3, tmp_path, "plus", 2, 2.0)
    wait_until(lambda: predict(server, "plus") == [3.0, 4.0], "version 2")
    assert server.stop() == 0
    assert "FinalizeS3" not in server.log.read_text()


def test_options_may_be_in_the_uri_and_copies_are_kept(serve, s3, environment, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    upload(s3, tmp_path, "kept", 1, 1.0)
    base = f"s3://models/kept?region=us-east-1&scheme=http&endpoint_override={s3.address}"
    first = serve("--model_name=kept", f"--model_base_path={base}")
    wait_until(lambda: predict(first, "kept") == [2.0, 3.0], "the model")
    copies = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("model.onnx")}
    assert len(copies) == 1
    second = serve("--model_name=kept", f"--model_base_path={base}")
    wait_until(lambda: predict(second, "kept") == [2.0, 3.0], "the model again")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("model.onnx")} == copies


def test_a_bucket_that_is_not_there_is_said(s3, environment, tmp_path):
    server = local_server.ModelServer(tmp_path / "log", ["--model_name=absent", "--model_base_path=s3://nowhere/absent"])
    with (tmp_path / "log").open("wb") as log:
        server.process = subprocess.Popen(server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: "NOT_FOUND: s3://nowhere/absent" in server.log.read_text(), "the message in the log")
    finally:
        server.kill()
