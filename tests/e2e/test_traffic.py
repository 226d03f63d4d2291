"""One model, many versions: a thousand of them swapped under load, and A/B, sticky routing and shadows inside the server."""

import collections
import json
import random
import urllib.request

import grpc
import pyarrow.parquet
import pytest
from conftest import write_model
from load import Load
from local_server import HttpError, get_json, wait_until
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

SWAPS = 1000


def ask(server, model="m", headers=None, value=0.0):
    """The answer, which tells the version: each version adds its own number."""
    request = urllib.request.Request(
        f"{server.models_url}/{model}:predict", json.dumps({"instances": [value]}).encode(), headers or {}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["predictions"][0] - value


def admin(server, method, setting, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.rest}/admin/models/m/{setting}",
        None if body is None else json.dumps(body).encode(),
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def metrics(server):
    url = f"http://127.0.0.1:{server.rest}/monitoring/prometheus/metrics"
    return urllib.request.urlopen(url, timeout=30).read().decode()


def resident_kib(server):
    with open(f"/proc/{server.process.pid}/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def reload_request(base, version):
    request = model_management_pb2.ReloadConfigRequest()
    model = request.config.model_config_list.config.add(name="m", base_path=str(base))
    model.model_version_policy.specific.versions.append(version)
    return request


def test_a_thousand_hot_swaps_under_load_fail_no_request_and_leak_nothing(serve, tmp_path):
    base = tmp_path / "m"
    for version in (1, 2):
        write_model(base, version, add=version)
    server = serve("--model_name=m", f"--model_base_path={base}", "--file_system_poll_wait_seconds=1")
    wait_until(lambda: ask(server) == 2, "version 2")
    early = 0
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel, Load(server.rest, "m", 0.0) as load:
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        for swap in range(SWAPS):
            version, before = 1 + swap % 2, load.sent
            service.HandleReloadConfigRequest(reload_request(base, version), timeout=60)
            wait_until(lambda sent=before: load.sent > sent, "a request between two swaps", pause=0.0002)
            if swap % 100 == 99:
                assert ask(server) == version
            if swap == SWAPS // 5:
                early = resident_kib(server)
    assert not load.failures
    assert load.sent >= SWAPS
    assert set(load.answers) == {"1.0", "2.0"}
    assert resident_kib(server) < 1.1 * early + 8 * 1024
    ended = [v for v in get_json(f"{server.models_url}/m")["model_version_status"] if v["state"] == "END"]
    assert len(ended) <= 32, "the history of ended versions is bounded"


@pytest.fixture
def three(serve, tmp_path):
    """A server of versions 1 to 3 whose configuration sends three quarters to `stable` and shadows version 3."""
    for version in (1, 2, 3):
        write_model(tmp_path / "m", version, add=version)
    (tmp_path / "models.config").write_text(f"""model_config_list {{ config {{
      name: 'm' base_path: '{tmp_path / "m"}' model_version_policy {{ all {{}} }}
      version_labels {{ key: 'stable' value: 1 }}
      traffic {{
        weights {{ label: 'stable' weight: 3 }} weights {{ version: 2 weight: 1 }}
        sticky_header: 'X-User' shadows {{ version: 3 }}
      }} }} }}""")
    server = serve(f"--model_config_file={tmp_path / 'models.config'}")
    server.wait_for_version("m", 3)
    return server


def test_weights_and_stickiness_of_the_configuration_file(three):
    spread = collections.Counter(ask(three) for _ in range(400))
    assert set(spread) == {1, 2}
    assert 240 < spread[1] < 360
    users = [f"user-{number}" for number in random.Random(7).sample(range(10**6), 200)]
    first = [ask(three, headers={"x-user": user}) for user in users]
    assert [ask(three, headers={"X-USER": user}) for user in users] == first
    assert 110 < first.count(1) < 185
    text = metrics(three)
    for version in (1, 2):
        counted = f'headrace_serving_request_count{{model_name="m",version="{version}",status="OK"}} '
        served = next(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(counted))
        assert served == spread[version] + 2 * first.count(version)


def test_shadows_are_compared_and_never_returned(three):
    for _ in range(50):
        assert ask(three, headers={"x-user": "someone"}) in (1, 2)
    shadow = 'shadow_version="3",result="different"} '

    def copies():
        lines = [line for line in metrics(three).splitlines() if shadow in line and line.startswith("headrace_serving_shadow")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    wait_until(lambda: copies() == 50, "every copy to be compared")


def test_an_operator_moves_traffic_while_requests_run(three):
    with Load(three.rest, "m", 0.0) as load:
        assert admin(three, "PUT", "traffic", {"weights": [{"version": 2, "weight": 1}]})["weights"] == [
            {"version": "2", "weight": 1}
        ]
        assert {ask(three) for _ in range(100)} == {2}
        assert admin(three, "PUT", "labels", {"labels": {"stable": 3}}) == {"labels": {"stable": "3"}}
        admin(three, "PUT", "traffic", {"weights": [{"label": "stable", "weight": 1}]})
        assert {ask(three) for _ in range(100)} == {3}
        with pytest.raises(urllib.error.HTTPError) as refused:
            admin(three, "PUT", "traffic", {"weights": [{"label": "nobody", "weight": 1}]})
        assert refused.value.code == 400
        assert "nobody" in refused.value.read().decode()
        assert ask(three) == 3
        admin(three, "DELETE", "traffic")
        assert ask(three) == 3
    assert not load.failures
    with pytest.raises(HttpError, match="unknown"):
        get_json(f"http://127.0.0.1:{three.rest}/admin/models/unknown/traffic")


def test_the_log_tells_primary_canary_and_shadow(serve, tmp_path):
    for version in (1, 2, 3):
        write_model(tmp_path / "m", version, add=version)
    config = tmp_path / "models.config"
    config.write_text(f"""model_config_list {{ config {{
        name: "m" base_path: "{tmp_path}/m" model_version_policy {{ all {{}} }}
        traffic {{ weights {{ version: 1 weight: 3 }} weights {{ version: 2 weight: 1 }} shadows {{ version: 3 }} }}
    }} }}""")
    log = tmp_path / "log"
    server = serve(f"--model_config_file={config}", f"--prediction_log_dir={log}", f"--access_log={tmp_path}/access.log")
    answers = [ask(server) for _ in range(40)]
    server.stop()
    rows = [row for file in log.glob("m/*/*.parquet") for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
    roles = collections.Counter((row["role"], row["model_version"]) for row in rows)
    assert roles == {("primary", 1): answers.count(1), ("canary", 2): answers.count(2), ("shadow", 3): 40}
    assert {row["prediction"]["y"] for row in rows if row["role"] == "shadow"} == {3.0}
    of_shadows = {row["trace_id"] for row in rows if row["role"] == "shadow"}
    assert of_shadows == {row["trace_id"] for row in rows if row["role"] != "shadow"} and len(of_shadows) == 40
