"""The container of deploy/: built and run with podman, serving models from a mounted folder."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from conftest import REPOSITORY, write_model
from local_server import free_ports, get_json, wait_until
from saved_models import write_saved_model

BASE = "localhost/headrace-test-debian:12"
IMAGE = "localhost/headrace-test:latest"
# What a sandbox without cgroup delegation and with low limits takes.
RUN = ["podman", "--runtime", "runc", "run", "--rm", "--network=host", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("podman", "runc", "debootstrap"))),
    reason="needs root, podman, runc and debootstrap (./dev setup installs them)",
)


def check(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def image(headrace, tmp_path_factory):
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode != 0:
        check(REPOSITORY / "deploy/debian-base", BASE)
    dist = tmp_path_factory.mktemp("dist")
    check(REPOSITORY / "tools/package", pathlib.Path(headrace).parent, dist)
    check("podman", "build", "--runtime", "runc", "--build-arg", f"BASE={BASE}", "-t", IMAGE, "-f",
          REPOSITORY / "deploy/Containerfile", dist)
    yield IMAGE
    check("podman", "rmi", IMAGE)


@contextlib.contextmanager
def running(image, options, arguments):
    """The container's models URL, until the block ends: then SIGTERM, and the program must end with 0."""
    rest, grpc = free_ports(2)
    with started(image, options, [*arguments, f"--rest_api_port={rest}", f"--port={grpc}"]):
        yield f"http://127.0.0.1:{rest}/v1/models"


@contextlib.contextmanager
def started(image, options, arguments):
    container = subprocess.Popen([*RUN, *options, image, *arguments], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        container.send_signal(signal.SIGTERM)
        assert container.wait(30) == 0


def make_readable(folder):
    """To the user that the container runs as."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def predict(models_url, model):
    url = f"{models_url}/{model}"
    wait_until(lambda: get_json(url)["model_version_status"][0]["state"] == "AVAILABLE", f"{model} to be served",
               seconds=120)
    return get_json(f"{url}:predict", {"instances": [1.5, -2.0]})["predictions"]


def test_the_container_serves_a_mounted_model_and_drains_on_sigterm(image, tmp_path):
    base_path = tmp_path / "adder"
    write_model(base_path, 1, add=1)
    make_readable(base_path)
    options = [f"--volume={base_path}:/models/adder:ro"]
    with running(image, options, ["--model_name=adder", "--model_base_path=/models/adder"]) as models_url:
        assert predict(models_url, "adder") == [2.5, -1.0]


def test_one_container_serves_a_saved_model_and_an_onnx_model_of_one_folder(image, tensorflow, tmp_path):
    models = tmp_path / "models"
    write_model(models / "adder", 1, add=1)
    write_saved_model(models / "saved", 1, add=2)
    make_readable(models)
    options = [f"--volume={models}:/models:ro", f"--volume={tensorflow}:/opt/tensorflow:ro",
               "--env=HEADRACE_TENSORFLOW=/opt/tensorflow"]
    with running(image, options, ["--models_root=/models"]) as models_url:
        assert predict(models_url, "adder") == [2.5, -1.0]
        assert predict(models_url, "saved") == [3.5, 0.0]


def test_the_container_serves_as_sagemaker_starts_it(image, tmp_path):
    model = write_model(tmp_path, 1, add=1).rename(tmp_path / "model")
    make_readable(model)
    (port,) = free_ports(1)
    options = [f"--volume={model}:/opt/ml/model:ro", f"--env=SAGEMAKER_BIND_TO_PORT={port}"]
    with started(image, options, ["serve"]):
        wait_until(lambda: get_json(f"http://127.0.0.1:{port}/ping"), "the container's health", seconds=120)
        answer = get_json(f"http://127.0.0.1:{port}/invocations", {"instances": [1.5, -2.0]})
        assert answer == {"predictions": [2.5, -1.0]}
