"""Who may do what on the model server: bearer tokens, reloaded without a restart, on both doors; the access log."""

import hashlib
import json

import grpc
import pytest
from conftest import write_model
from local_server import HttpError, get_json, wait_until
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc


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
