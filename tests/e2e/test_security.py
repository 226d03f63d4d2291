"""Who may do what on the model server: bearer tokens, reloaded without a restart, on both doors; the access log."""

import hashlib
import json
import queue
import signal

import grpc
import local_server
import numpy
import pyarrow.parquet
import pytest
import requests
import tritonclient.grpc
import tritonclient.http
from conftest import write_model
from local_server import HttpError, get_json, wait_until
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)


def rules(**clients):
    """clients: name=(token, models, rights)."""
    return json.dumps({"clients": [
        {"name": name, "token_sha256": hashlib.sha256(token.encode()).hexdigest(), "models": models, "rights": rights}
        for name, (token, models, rights) in clients.items()
    ]})


def ask(url, token=None, body=None):
    """The status code and the JSON answer."""
    import urllib.error
    import urllib.request
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def guarded(serve, tmp_path):
    base_path = tmp_path / "adder"
    write_model(base_path, 1, add=1)
    auth = tmp_path / "auth.json"
    auth.write_text(rules(shop=("s3cret", ["adder"], ["predict"]), ci=("admin-token", ["*"], ["predict", "admin"])))
    server = serve("--model_name=adder", f"--model_base_path={base_path}", f"--auth_file={auth}",
                   f"--access_log={tmp_path / 'access.log'}")
    return server, auth


def status_over_grpc(server, token=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "adder"
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        metadata = [("authorization", f"Bearer {token}")] if token else []
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=20, metadata=metadata)


def test_only_known_clients_with_the_right_come_through(guarded):
    server, _ = guarded
    predict = f"{server.models_url}/adder:predict"
    assert ask(predict, "s3cret", {"instances": [1.0]}) == (200, {"predictions": [2.0]})
    assert ask(predict, None, {"instances": [1.0]})[0] == 401
    assert ask(predict, "wrong", {"instances": [1.0]})[0] == 401
    root = server.models_url.removesuffix("/v1/models")
    assert ask(f"{root}/v2/repository/models/adder/unload", "s3cret", {})[0] == 403
    assert ask(f"{root}/v2/health/live")[0] == 200
    status_over_grpc(server, "s3cret")
    for token, code in ((None, grpc.StatusCode.UNAUTHENTICATED), ("wrong", grpc.StatusCode.UNAUTHENTICATED)):
        with pytest.raises(grpc.RpcError) as refused:
            status_over_grpc(server, token)
        assert refused.value.code() == code


def test_new_rules_count_without_a_restart_and_broken_ones_do_not(guarded):
    server, auth = guarded
    url = f"{server.models_url}/adder"
    auth.write_text(rules(other=("new", ["adder"], ["predict"])))
    wait_until(lambda: ask(url, "new")[0] == 200, "the new rules")
    assert ask(url, "s3cret")[0] == 401
    auth.write_text('{"clients": [{"name": "x"}]}')
    wait_until(lambda: "is not applied" in server.log.read_text(), "the broken rules to be refused")
    assert ask(url, "new")[0] == 200


def test_the_access_log_has_each_request_with_its_trace(guarded, tmp_path):
    server, _ = guarded
    with pytest.raises(HttpError):
        get_json(f"{server.models_url}/adder")
    line = wait_until(lambda: (tmp_path / "access.log").read_text().splitlines(), "the access log")[-1]
    entry = json.loads(line)
    assert (entry["method"], entry["target"], entry["status"]) == ("GET", "/v1/models/adder", 401)
    assert len(entry["trace_id"]) == 32


def headers(number, token):
    """Of a request that belongs to the trace `number`."""
    return {"traceparent": f"00-{number:032x}-00f067aa0ba902b7-01", "authorization": f"Bearer {token}"}


def ask_over_rest(server):
    root = server.models_url.removesuffix("/v1/models")
    rows = {"instances": [1.0]}
    for number, path, body in ((1, "/v1/models/adder:predict", rows), (2, "/invocations", rows),
                               (3, "/v1/models/adder:regress", {"examples": [{"x": 1.0}]})):
        requests.post(root + path, json=body, headers=headers(number, "s3cret"), timeout=20).raise_for_status()
    with tritonclient.http.InferenceServerClient(f"127.0.0.1:{server.rest}") as client:
        client.infer("adder", [triton_input(tritonclient.http)], request_id="a", headers=headers(4, "admin-token"))


def ask_over_grpc(server):
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = "adder"
    predict.inputs["x"].dtype = 1
    predict.inputs["x"].tensor_shape.dim.add(size=1)
    predict.inputs["x"].float_val.append(1)
    regress = regression_pb2.RegressionRequest()
    regress.model_spec.name = "adder"
    regress.input.example_list.examples.add().features.feature["x"].float_list.value.append(1)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        stub.Predict(predict, timeout=20, metadata=list(headers(5, "s3cret").items()))
        stub.Regress(regress, timeout=20, metadata=list(headers(6, "s3cret").items()))
    with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        inputs = [triton_input(tritonclient.grpc)]
        client.infer("adder", inputs, request_id="b", headers=headers(7, "admin-token"))
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put(error), headers=headers(8, "admin-token"))
        client.async_stream_infer("adder", inputs, request_id="c")
        client.async_stream_infer("adder", inputs, request_id="d")
        assert [answers.get(timeout=20) for _ in range(2)] == [None, None]
        client.stop_stream()


def triton_input(module):
    x = module.InferInput("x", [1], "FP32")
    x.set_data_from_numpy(numpy.ones(1, numpy.float32))
    return x


def test_the_prediction_log_says_who_asked_through_every_door(serve, tmp_path):
    write_model(tmp_path / "adder", 1, add=1)
    auth = tmp_path / "auth.json"
    auth.write_text(rules(shop=("s3cret", ["*"], ["predict"]), ci=("admin-token", ["*"], ["predict", "admin"])))
    log = tmp_path / "log"
    server = serve("--model_name=adder", f"--model_base_path={tmp_path / 'adder'}", f"--auth_file={auth}",
                   f"--prediction_log_dir={log}")
    ask_over_rest(server)
    ask_over_grpc(server)
    server.stop()
    rows = [row for file in log.rglob("*.parquet") for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
    shop = [(f"{number:032x}", "shop", "") for number in (1, 2, 3, 5, 6)]
    ci = [(f"{number:032x}", "ci", request_id) for number, request_id in ((4, "a"), (7, "b"), (8, "c"), (8, "d"))]
    assert sorted((row["trace_id"], row["client"], row["request_id"]) for row in rows) == sorted(shop + ci)


def log_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_access_log_names_the_client_of_a_token(guarded, tmp_path):
    server, _ = guarded
    assert ask(f"{server.models_url}/adder", "s3cret")[0] == 200
    status_over_grpc(server, "admin-token")
    assert ask(f"{server.models_url}/adder", "wrong")[0] == 401
    lines = wait_until(lambda: (found := log_lines(tmp_path / "access.log"))[2:] and found, "the access log")
    clients = {(line["protocol"], line["status"], line.get("client")) for line in lines}
    assert clients == {("http", 200, "shop"), ("grpc", 0, "ci"), ("http", 401, None)}


def rotate(process, path, ask_once):
    """Renames the log as logrotate does; the lines of the renamed file, and the first one of the new."""
    ask_once()
    wait_until(lambda: log_lines(path), "the access log")
    old = path.rename(path.with_name("old.log"))
    process.send_signal(signal.SIGHUP)
    wait_until(path.exists, "the log to be opened again")
    ask_once()
    return log_lines(old), wait_until(lambda: log_lines(path), "a line in the new file")


def test_sighup_opens_the_access_log_again_and_reads_the_rules(guarded, tmp_path):
    server, auth = guarded
    url = f"{server.models_url}/adder"
    old, new = rotate(server.process, tmp_path / "access.log", lambda: ask(url, "s3cret"))
    assert (len(old), len(new)) == (1, 1)
    text = requests.get(f"http://127.0.0.1:{server.rest}/monitoring/prometheus/metrics", timeout=20,
                        headers={"authorization": "Bearer admin-token"}).text
    assert "\nheadrace_serving_access_log_dropped_lines 0\n" in text
    auth.write_text(rules(other=("new", ["adder"], ["predict"])))
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: ask(url, "new")[0] == 200, "the new rules")
    assert server.stop() == 0


def test_sighup_lets_headrace_up_run_on(tmp_path):
    with local_server.Server(tmp_path / "state", arguments=[f"--access-log={tmp_path / 'access.log'}"]) as server:
        old, new = rotate(server.process, tmp_path / "access.log", lambda: get_json(f"http://127.0.0.1:{server.rest}/v2/health/live"))
        assert {line["target"] for line in old + new} == {"/v2/health/live"}
        assert server.stop() == 0
