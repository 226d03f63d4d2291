"""The model server as clouds start it: with nothing but `serve` and an environment."""

import json
import pathlib
import subprocess
import sys

import local_server
import pytest
import requests
from conftest import write_model


class Container(local_server.Program):
    """`headrace serve` without a flag that says what or where; ready when `health` answers 200."""

    def __init__(self, port, health, log, *arguments, subcommand=("serve",)):
        super().__init__([*subcommand, "--port=0", *arguments], log)
        self.url = f"http://127.0.0.1:{port}"
        self.health = health

    def is_ready(self):
        return requests.get(self.url + self.health, timeout=5).status_code == 200


@pytest.fixture
def model_folder(tmp_path):
    """A folder with a model's files and no version folder."""
    return write_model(tmp_path / "model", 1, 1.0)


def test_sagemaker(model_folder, monkeypatch, tmp_path):
    (port,) = local_server.free_ports(1)
    monkeypatch.setenv("SM_MODEL_DIR", str(model_folder))
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", str(port))
    with Container(port, "/ping", tmp_path / "log") as server:

        def invoke(body, content_type, accept="application/json"):
            headers = {"Content-Type": content_type, "Accept": accept}
            return requests.post(server.url + "/invocations", data=body, headers=headers, timeout=10)

        assert invoke('{"instances": [1, 2]}', "application/json").json() == {"predictions": [2.0, 3.0]}
        assert invoke("x\n1\n2\n", "text/csv", "text/csv").text == "2.0\n3.0\n"
        assert invoke("1\n2\n", "application/jsonlines").json() == {"predictions": [2.0, 3.0]}
        assert invoke("1\n2\n", "application/jsonlines", "application/jsonlines").text == "2.0\n3.0\n"
        assert invoke("1\n2\n", "TEXT/CSV").json() == {"predictions": [2.0, 3.0]}
        assert invoke("1", "text/plain").status_code == 415
        split = {"dataframe_split": {"columns": ["x"], "data": [[1], [2]]}}
        assert invoke(json.dumps(split), "application/json").json() == {"predictions": [2.0, 3.0]}
        records = {"dataframe_records": [{"x": 1}, {}]}
        assert invoke(json.dumps(records), "application/json").text == '{"predictions":[2.0,NaN]}'
        assert invoke('{"instances": [NaN, Infinity]}', "application/json").text == '{"predictions":[NaN,Infinity]}'
        assert requests.get(server.url + "/version", timeout=10).text.count(".") == 2
        refused = invoke('{"instances": ["one"]}', "application/json")
        assert refused.status_code == 400
        assert refused.json()["error_code"] == "BAD_REQUEST"
        assert 'input "x": expected FP32, found "one"' in refused.json()["message"]
        assert server.stop() == 0


def test_an_entry_point_and_sagemakers_argument_both_say_serve(model_folder, monkeypatch, tmp_path, headrace):
    (port,) = local_server.free_ports(1)
    monkeypatch.setenv("SM_MODEL_DIR", str(model_folder))
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", str(port))
    with Container(port, "/ping", tmp_path / "log", subcommand=("serve", "serve")) as server:
        answer = requests.post(server.url + "/invocations", json={"instances": [1]}, timeout=10)
        assert answer.json() == {"predictions": [2.0]}
    again = subprocess.run([headrace, "serve", "serve", "serve"], capture_output=True, text=True, timeout=30)
    assert again.returncode == 2


def test_vertex_ai(model_folder, monkeypatch, tmp_path):
    (port,) = local_server.free_ports(1)
    monkeypatch.setenv("AIP_HTTP_PORT", str(port))
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/1/health")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/1:predict")
    monkeypatch.setenv("AIP_STORAGE_URI", str(model_folder))
    with Container(port, "/v1/endpoints/1/health", tmp_path / "log") as server:
        body = {"instances": [{"x": 1}, {"x": 2}], "parameters": {}}
        answer = requests.post(server.url + "/v1/endpoints/1:predict", json=body, timeout=10)
        assert answer.json() == {"predictions": [2.0, 3.0]}


def test_vertex_ai_checks_health_without_credentials(model_folder, monkeypatch, tmp_path):
    (port,) = local_server.free_ports(1)
    monkeypatch.setenv("AIP_HTTP_PORT", str(port))
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/one-for-both")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/one-for-both")
    monkeypatch.setenv("AIP_STORAGE_URI", str(model_folder))
    auth = tmp_path / "auth.json"
    auth.write_text('{"clients": []}')
    with Container(port, "/one-for-both", tmp_path / "log", f"--auth_file={auth}") as server:
        assert requests.post(server.url + "/one-for-both", json={"instances": [1]}, timeout=10).status_code == 401


def test_a_folder_without_a_model_is_said(tmp_path, monkeypatch, headrace):
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path))
    ended = subprocess.run([headrace, "serve"], capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    assert f"{tmp_path}: found neither a model's files" in ended.stderr


def test_kserve_v1(serve, tmp_path):
    write_model(tmp_path / "models" / "plus", 1, 1.0)
    arguments = ["--model_name=plus", f"--model_base_path={tmp_path}/models/plus", "--kserve_v1"]
    server = serve(*arguments)
    url = f"http://127.0.0.1:{server.rest}"
    assert requests.get(url + "/v1/models", timeout=10).json() == {"models": ["plus"]}
    assert requests.get(url + "/v1/models/plus", timeout=10).json() == {"name": "plus", "ready": True}
    script = pathlib.Path(__file__).with_name("kserve_client.py")
    command = [sys.executable, str(script), "v1", f"127.0.0.1:{server.rest}", "plain"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert answer == {"ready": [True, True], "y": [2.0, 3.0]}
