"""What the model server computes together, counts and logs."""

import concurrent.futures
import http.client
import json
import re
import signal

import grpc
import pyarrow.parquet
import pytest
import requests
from conftest import config_text, predict, write_identity, write_model
from local_server import get_json, wait_until
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc


@pytest.mark.parametrize("source", ["root", "reload"])
def test_batching_and_logging_hold_for_every_way_to_name_a_model(serve, tmp_path, source):
    """Of requests that wait for company of up to four, two at once are one execution, and each is logged."""
    write_model(tmp_path / "models" / "m", 1, add=10)
    write_model(tmp_path / "models" / "m", 2, add=20)
    parameters = tmp_path / "batching.config"
    parameters.write_text("max_batch_size { value: 2 } batch_timeout_micros { value: 60000000 }")
    models = {"root": [f"--models_root={tmp_path / 'models'}"],
              "reload": ["--model_name=m", f"--model_base_path={tmp_path / 'models' / 'm'}"]}
    server = serve(*models[source], "--enable_batching", f"--batching_parameters_file={parameters}",
                   f"--prediction_log_dir={tmp_path / 'log'}")
    if source == "reload":
        request = model_management_pb2.ReloadConfigRequest()
        request.config.model_config_list.config.add(name="m", base_path=str(tmp_path / "models" / "m"))
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
            stub = model_service_pb2_grpc.ModelServiceStub(channel)
            assert stub.HandleReloadConfigRequest(request, timeout=60).status.error_code == 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda x: predict(server, "m", x), [1.0, 2.0])) == [21.0, 22.0]
    stats = get_json(f"http://127.0.0.1:{server.rest}/v2/models/m/stats")["model_stats"][0]
    assert (stats["inference_count"], stats["execution_count"]) == (2, 1)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    logged = (tmp_path / "log").rglob("*.parquet")
    assert sum(pyarrow.parquet.ParquetFile(path).metadata.num_rows for path in logged) == 2


def test_a_version_says_how_it_is_batched(serve, tmp_path):
    for model in ("batched", "plain"):
        write_model(tmp_path / "models" / model, 1, add=1)
    (tmp_path / "models" / "batched" / "1" / "batching_params.pbtxt").write_text(
        "max_batch_size { value: 2 } batch_timeout_micros { value: 60000000 }")
    server = serve(f"--models_root={tmp_path / 'models'}", "--enable_batching", "--enable_per_model_batching_parameters")
    executions = {}
    for model in ("batched", "plain"):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda x, model=model: predict(server, model, x), [1.0, 2.0])) == [2.0, 3.0]
        stats = get_json(f"http://127.0.0.1:{server.rest}/v2/models/{model}/stats")["model_stats"][0]
        executions[model] = stats["execution_count"]
    assert executions == {"batched": 1, "plain": 2}


def test_batching_gives_each_request_its_own_answer(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=10)
    parameters = tmp_path / "batching.config"
    parameters.write_text(
        "max_batch_size { value: 16 } batch_timeout_micros { value: 2000 } max_enqueued_batches { value: 100 } "
        "num_batch_threads { value: 2 } allowed_batch_sizes: 4 allowed_batch_sizes: 16"
    )
    server = serve(
        "--model_name=m",
        f"--model_base_path={tmp_path / 'm'}",
        "--enable_batching",
        f"--batching_parameters_file={parameters}",
    )
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda i: predict(server, "m", float(i)), range(200)))
    assert answers == [float(i) + 10 for i in range(200)]
    stats = get_json(f"http://127.0.0.1:{server.rest}/v2/models/m/stats")["model_stats"][0]
    assert int(stats["inference_count"]) >= 200
    assert int(stats["execution_count"]) < 200


def test_metrics_by_model_and_version(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true path: '/metrics' }")
    server = serve(
        "--model_name=m", f"--model_base_path={tmp_path / 'm'}", f"--monitoring_config_file={monitoring}"
    )
    for _ in range(3):
        predict(server, "m", 1.0)
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 3' in text
    assert 'headrace_serving_request_count{model_name="m",version="1",status="OK"} 3' in text


def scrape(server):
    return requests.get(f"http://127.0.0.1:{server.rest}/monitoring/prometheus/metrics", timeout=10).text


def test_requests_that_end_before_the_model_are_counted_too(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--rest_api_timeout_in_ms=0")
    predict(server, "m", 1.0)
    url = f"http://127.0.0.1:{server.rest}"
    for path, body in (
        ("/v1/models/m:predict", "no JSON"),
        ("/v1/models/m:predict", '{"instances": ["a string"]}'),
        ("/v2/models/m/infer", "no JSON"),
        ("/v1/models/m/versions/7:predict", '{"instances": [1]}'),
        ("/v1/models/made-up-1:predict", '{"instances": [1]}'),
        ("/v2/models/made-up-2/infer", "{}"),
    ):
        assert requests.post(url + path, data=body, timeout=10).status_code in (400, 404)
    counts = ":tensorflow:serving:request_count"
    text = scrape(server)
    assert f'{counts}{{model_name="m",status="OK"}} 1\n' in text
    assert f'{counts}{{model_name="m",status="INVALID_ARGUMENT"}} 3\n' in text
    assert f'{counts}{{model_name="m",status="NOT_FOUND"}} 1\n' in text
    assert f'{counts}{{model_name="(unknown)",status="NOT_FOUND"}} 2\n' in text
    assert "made-up" not in text


def test_latency_is_counted_from_the_requests_arrival(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}")
    values = ",".join(["1.25"] * 1_000_000)  # parsing them takes longer than adding to them
    url = f"http://127.0.0.1:{server.rest}/v1/models/m:predict"
    ratios, before = [], {"request": 0.0, "runtime": 0.0}
    while not ratios or (max(ratios) <= 3 and len(ratios) < 10):  # a busy machine delays one, not all
        assert requests.post(url, data=f'{{"instances": [{values}]}}', timeout=60).status_code == 200
        found = re.findall(r'headrace_serving_(\w+)_latency_sum\{model_name="m",version="1"\} (\S+)', scrape(server))
        sums = {name: float(value) for name, value in found}
        ratios.append((sums["request"] - before["request"]) / (sums["runtime"] - before["runtime"]))
        before = sums
    assert max(ratios) > 3


def test_batches_and_what_waits_for_them_are_told(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    parameters = tmp_path / "batching.txt"
    parameters.write_text(
        "max_batch_size { value: 2 } batch_timeout_micros { value: 30000000 } max_enqueued_batches { value: 1 }"
    )
    server = serve(
        "--model_name=m",
        f"--model_base_path={tmp_path / 'm'}",
        "--enable_batching",
        f"--batching_parameters_file={parameters}",
        "--rest_api_num_threads=1",
    )
    with concurrent.futures.ThreadPoolExecutor(1) as background:
        waiting = background.submit(predict, server, "m", 1.0)
        wait_until(lambda: 'batch_queue_requests{model_name="m",version="1"} 1\n' in scrape(server), "it waits")
        assert 'batch_queue_rows{model_name="m",version="1"} 1\n' in scrape(server)
        url = f"http://127.0.0.1:{server.rest}/v1/models/m:predict"
        full = requests.post(url, json={"instances": [1.0, 2.0]}, timeout=10)
        assert full.status_code == 429 and "queue" in full.json()["error"]
        predict(server, "m", 1.0)  # the batch is full now
        waiting.result(timeout=20)
    text = scrape(server)
    assert 'headrace_serving_batch_size_bucket{model_name="m",version="1",le="1"} 0\n' in text
    assert 'headrace_serving_batch_size_bucket{model_name="m",version="1",le="2"} 1\n' in text
    assert 'headrace_serving_batch_size_sum{model_name="m",version="1"} 2\n' in text


def test_predictions_are_logged_as_parquet(serve, tmp_path):
    write_model(tmp_path / "m", 4, add=1)
    log = tmp_path / "log"
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}", f"--prediction_log_dir={log}")
    for value in range(20):
        predict(server, "m", float(value))
    server.stop()
    rows = [row for file in log.glob("m/*/*.parquet") for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
    rows.sort(key=lambda row: row["event_time"])
    assert [row["features"] for row in rows] == [{"x": float(value)} for value in range(20)]
    assert [row["prediction"] for row in rows] == [{"y": float(value) + 1} for value in range(20)]
    assert {(row["model_version"], row["status_code"]) for row in rows} == {(4, "OK")}


def test_a_string_of_bytes_costs_no_model_its_log(serve, tmp_path):
    models = [(name, tmp_path / "models" / name, "") for name in ("bytes", "first", "second")]
    write_identity(tmp_path / "models" / "bytes", "BYTES")
    write_model(tmp_path / "models" / "first", 1, add=1)
    write_model(tmp_path / "models" / "second", 1, add=1)
    config = tmp_path / "models.config"
    config.write_text(config_text(*models))
    log = tmp_path / "log"
    server = serve(f"--model_config_file={config}", f"--prediction_log_dir={log}")
    predict(server, "first", 1.0)
    predict(server, "second", 1.0)
    texts = [{"b64": "AP8="}, "plain"]
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    connection.request("POST", "/v1/models/bytes:predict", json.dumps({"instances": texts}))
    assert connection.getresponse().read() == b'{"predictions":["\\u0000\xff","plain"]}'
    connection.close()
    server.stop()
    assert {file.parts[-3] for file in log.glob("*/*/*.parquet")} == {"first", "second", "bytes"}
    files = log.glob("bytes/*/*.parquet")
    rows = [row for file in files for row in pyarrow.parquet.ParquetFile(file).read().to_pylist()]
    assert [row["features"]["x"] for row in sorted(rows, key=lambda row: row["row_index"])] == [
        '{"b64": "AP8="}',
        "plain",
    ]
