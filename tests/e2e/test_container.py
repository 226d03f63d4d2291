"""The container of deploy/: built and run with podman, serving a model from a mounted folder."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from conftest import REPOSITORY, write_model
from local_server import free_ports, get_json, wait_until

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


def test_the_container_serves_a_mounted_model_and_drains_on_sigterm(image, tmp_path):
    base_path = tmp_path / "adder"
    write_model(base_path, 1, add=1)
    for folder in (tmp_path, base_path, base_path / "1"):
        folder.chmod(0o755)
    rest, grpc = free_ports(2)
    container = subprocess.Popen(
        [*RUN, f"--volume={base_path}:/models/adder:ro", image, "--model_name=adder", "--model_base_path=/models/adder",
         f"--rest_api_port={rest}", f"--port={grpc}"],
        stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{rest}/v1/models/adder"
        wait_until(lambda: get_json(url)["model_version_status"][0]["state"] == "AVAILABLE", "the container to serve")
        assert get_json(f"{url}:predict", {"instances": [1.5, -2.0]}) == {"predictions": [2.5, -1.0]}
    finally:
        container.send_signal(signal.SIGTERM)
        assert container.wait(30) == 0
