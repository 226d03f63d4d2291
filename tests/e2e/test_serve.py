"""`headrace serve` as a program: its flags, files and signals; reloads, swaps and batches under load."""

import concurrent.futures
import gzip
import hashlib
import http.client
import json
import os
import pty
import re
import signal
import subprocess
import time

import grpc
import pyarrow.parquet
import pytest
import requests
from conftest import write_identity, write_model
from load import Load
from local_server import HttpError, ModelServer, get_json, wait_until
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


def run(headrace, *arguments):
    return subprocess.run([headrace, "serve", *arguments], capture_output=True, text=True, timeout=30)


def predict(server, model, value, suffix=""):
    url = f"{server.models_url}/{model}{suffix}:predict"
    return get_json(url, {"instances": [value]})["predictions"][0]


def config_text(*models):
    """ModelServerConfig as text: (name, base path, further fields)."""
    entries = [f"config {{ name: '{name}' base_path: '{path}' {more} }}" for name, path, more in models]
    return f"model_config_list {{ {' '.join(entries)} }}"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--model_base_path"),
        (["--no_such_flag=1"], "no_such_flag"),
        (["--model_base_path=/x", "--port=70000"], "--port"),
        (["--model_base_path=/x", "--batching_parameters_file=/x"], "--enable_batching"),
        (["--model_base_path=/x", "--rest_api_timeout_in_ms=-1"], "--rest_api_timeout_in_ms"),
        (["--model_config_file=/no/such/file"], "/no/such/file"),
    ],
    ids=["nothing", "unknown", "port", "batching", "timeout", "file"],
)
def test_a_wrong_command_line_is_refused_with_the_reason(headrace, arguments, message):
    result = run(headrace, *arguments)
    assert result.returncode == 2
    assert message in result.stderr + result.stdout


def test_a_wrong_configuration_file_is_refused_with_its_place(headrace, tmp_path):
    path = tmp_path / "models.config"
    path.write_text("model_config_list {\n  config { nme: 'x' }\n}")
    result = run(headrace, f"--model_config_file={path}")
    assert result.returncode == 2
    assert "line 2" in result.stderr and "nme" in result.stderr


def test_flags_without_a_meaning_are_accepted_with_a_warning(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve(
        "--model_name=m",
        f"--model_base_path={tmp_path / 'm'}",
        "--tensorflow_session_parallelism=2",
        "--flush_filesystem_caches=false",
        "--enable_model_warmup=true",
        "--rest_api_num_threads=2",
    )
    assert predict(server, "m", 1.0) == 2.0
    assert "--tensorflow_session_parallelism has no meaning here" in server.log_tail(50)


def test_sigterm_answers_what_is_under_way_and_ends_with_0(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}")
    with Load(server.rest, "m", 1.0) as load:
        wait_until(lambda: load.sent > 100, "some load")
        load.stop()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
    assert not load.failures


def test_nothing_is_written_to_the_users_cache(serve, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.delenv("CI", raising=False)
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}")
    assert predict(server, "m", 1.0) == 2.0
    assert not cache.exists()


def test_a_models_root_serves_every_folder(serve, tmp_path):
    write_model(tmp_path / "models" / "a", 1, add=1)
    server = serve(f"--models_root={tmp_path / 'models'}")
    assert predict(server, "a", 1.0) == 2.0
    write_model(tmp_path / "models" / "b", 7, add=5)
    wait_until(lambda: predict(server, "b", 1.0) == 6.0, "the new folder to be served")


def test_labels_versions_and_policies_of_a_configuration_file(serve, tmp_path):
    for version in (1, 2, 3):
        write_model(tmp_path / "m", version, add=version)
    config = tmp_path / "models.config"
    config.write_text(
        config_text(
            (
                "m",
                tmp_path / "m",
                "model_version_policy { specific { versions: 1 versions: 3 } } "
                "version_labels { key: 'stable' value: 1 } version_labels { key: 'canary' value: 3 }",
            )
        )
    )
    server = serve(f"--model_config_file={config}")
    assert predict(server, "m", 0.0) == 3.0
    assert predict(server, "m", 0.0, "/labels/stable") == 1.0
    assert predict(server, "m", 0.0, "/versions/3") == 3.0
    with pytest.raises(HttpError, match="Specific\\(m, 2\\)") as error:
        predict(server, "m", 0.0, "/versions/2")
    assert error.value.code == 404
    with pytest.raises(HttpError, match="Unrecognized servable version label: beta") as error:
        predict(server, "m", 0.0, "/labels/beta")
    assert error.value.code == 400


def test_a_changed_configuration_file_is_applied_or_changes_nothing(serve, tmp_path):
    write_model(tmp_path / "a", 1, add=1)
    write_model(tmp_path / "b", 1, add=2)
    config = tmp_path / "models.config"
    config.write_text(config_text(("a", tmp_path / "a", "")))
    server = serve(f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    with Load(server.rest, "a", 1.0, threads=2) as load:
        config.write_text(config_text(("a", tmp_path / "a", ""), ("b", tmp_path / "b", "")))
        wait_until(lambda: predict(server, "b", 0.0) == 2.0, "the new model")
        for bad in (
            "this is no configuration",
            config_text(("b", tmp_path / "b", ""), ("c", tmp_path / "nowhere", "")),
            config_text(("a", tmp_path / "a", "version_labels { key: 'x' value: 9 }")),
        ):
            applied = server.log.read_text().count("is not applied")
            config.write_text(bad)
            wait_until(lambda: server.log.read_text().count("is not applied") > applied, "the refusal")
            assert predict(server, "b", 0.0) == 2.0
    assert not load.failures


def test_a_configuration_file_is_applied_once_what_hinders_it_is_gone(serve, tmp_path):
    write_model(tmp_path / "a", 1, add=1)
    config = tmp_path / "models.config"
    config.write_text(config_text(("a", tmp_path / "a", "")))
    server = serve(f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    config.write_text(config_text(("a", tmp_path / "a", ""), ("late", tmp_path / "late", "")))
    wait_until(lambda: "is not applied" in server.log.read_text(), "the refusal")
    write_model(tmp_path / "late", 1, add=7)
    wait_until(lambda: "applied the new" in server.log.read_text(), "another try")
    assert predict(server, "late", 0.0) == 7.0
    assert server.log.read_text().count("is not applied") == 1


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


def test_versions_are_swapped_under_load_without_a_failure(serve, tmp_path):
    base = tmp_path / "m"
    write_model(base, 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={base}", "--file_system_poll_wait_seconds=0.05")
    with Load(server.rest, "m", 1.0) as load:
        for version in range(2, 32):
            write_model(base, version, add=version)
            wait_until(lambda: predict(server, "m", 0.0) == float(version), f"version {version}", pause=0.005)
    assert load.sent > 500
    assert not load.failures
    states = [status["state"] for status in get_json(f"{server.models_url}/m")["model_version_status"]]
    assert states.count("AVAILABLE") <= 2  # the last one, and perhaps one that is just leaving


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


def test_grpc_over_a_unix_socket(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    socket = tmp_path / "grpc.sock"
    serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}", f"--grpc_socket_path={socket}")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(2)
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    assert list(answer.outputs["y"].float_val) == [3.0]


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


def test_requests_and_strings_over_their_limits_are_refused(serve, tmp_path):
    write_identity(tmp_path / "m", "BYTES")
    server = serve(
        "--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--max_request_bytes=10000", "--max_string_bytes=100"
    )
    url = f"http://127.0.0.1:{server.rest}/v1/models/m:predict"
    assert requests.post(url, json={"instances": ["x" * 100]}, timeout=10).status_code == 200
    long = requests.post(url, json={"instances": ["x" * 101]}, timeout=10)
    assert long.status_code == 400 and "x" in long.json()["error"] and "101 bytes" in long.json()["error"]
    body = json.dumps({"instances": ["x"] * 5000})
    assert requests.post(url, data=body, timeout=10).status_code == 413
    packed = requests.post(url, data=gzip.compress(body.encode()), headers={"Content-Encoding": "gzip"}, timeout=10)
    assert packed.status_code == 413
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m" * 20000
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        with pytest.raises(grpc.RpcError) as error:
            prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_ports_that_nobody_names_are_told_in_a_file(headrace, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    ports = tmp_path / "ports.json"
    process = subprocess.Popen(
        [
            headrace,
            "serve",
            "--port=auto",
            "--rest_api_port=auto",
            f"--ports_file={ports}",
            "--model_name=m",
            f"--model_base_path={tmp_path / 'm'}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(ports.exists, "the ports")
        port = json.loads(ports.read_text())["rest"]
        url = f"http://127.0.0.1:{port}/v1/models/m:predict"
        assert get_json(url, {"instances": [1.0]}) == {"predictions": [2.0]}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_is_small_and_starts_quickly(tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    best, smallest = 60.0, 1 << 30
    for attempt in range(3):  # a busy machine delays one, not all
        arguments = ["--model_name=m", f"--model_base_path={tmp_path / 'm'}"]
        start = time.monotonic()
        with ModelServer(tmp_path / f"log-{attempt}", arguments) as server:
            wait_until(lambda: predict(server, "m", 1.0) == 2.0, "the first answer", pause=0.002)
            best = min(best, time.monotonic() - start)
            with open(f"/proc/{server.process.pid}/smaps_rollup", encoding="ascii") as smaps:
                smallest = min(smallest, next(int(line.split()[1]) for line in smaps if line.startswith("Rss:")))
    assert smallest < 60 * 1024, f"{smallest} KiB"
    assert best < 3.0, f"{best:.2f} s"


def test_a_missing_base_path_is_served_once_it_is_there(serve, tmp_path):
    base = tmp_path / "later"
    os.makedirs(tmp_path / "first")
    write_model(tmp_path / "first" / "m", 1, add=1)
    config = tmp_path / "models.config"
    config.write_text(config_text(("m", tmp_path / "first" / "m", ""), ("later", base, "")))
    server = serve(f"--model_config_file={config}")
    wait_until(lambda: predict(server, "m", 1.0) == 2.0, "the model that is there")
    with pytest.raises(HttpError, match="Latest\\(later\\)"):
        predict(server, "later", 1.0)
    write_model(base, 1, add=3)
    wait_until(lambda: predict(server, "later", 1.0) == 4.0, "the base path to appear")


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


def test_it_ends_with_the_terminal_that_it_was_started_from(headrace, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    ports = tmp_path / "ports"
    command = [headrace, "serve", "--port=auto", "--rest_api_port=auto", f"--ports_file={ports}", "--model_name=m",
               f"--model_base_path={tmp_path / 'm'}"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], [str(argument) for argument in command])
    try:
        wait_until(ports.exists, "the server")
    finally:
        os.close(terminal)
    ended = wait_until(lambda: (status := os.waitpid(pid, os.WNOHANG))[0] and status, "its end")
    assert os.waitstatus_to_exitcode(ended[1]) == 0


def test_sighup_reads_a_configuration_that_is_not_polled(serve, tmp_path):
    for name in ("first", "second"):
        write_model(tmp_path / name, 1, add=1)
    config = tmp_path / "models.config"
    config.write_text(config_text(("first", tmp_path / "first", "")))
    server = serve(f"--model_config_file={config}")
    config.write_text(config_text(("second", tmp_path / "second", "")))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_version("second", 1)
    wait_until(lambda: server.versions("first").get(1) != "AVAILABLE", "the first model to be gone")
    assert server.stop() == 0


def from_page(server, method, path, body=None, **headers):
    """The status and the headers of an answer to a page of another origin."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    connection.request(method, path, body, {"Origin": "http://page.example"} | headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


V2_BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]})
READ = [
    ("POST", "/v1/models/m:predict", '{"instances": [1]}'),
    ("GET", "/v1/models/m", None),
    ("POST", "/v2/models/m/infer", V2_BODY),
    ("GET", "/v2/models/m", None),
    ("GET", "/v2/health/ready", None),
    ("POST", "/invocations", '{"instances": [1]}'),
    ("GET", "/openapi.json", None),
]
CHANGE = [
    ("POST", "/v2/repository/models/m/load"),
    ("POST", "/v2/logging"),
    ("PUT", "/admin/models/m/traffic"),
]


def test_pages_of_any_origin_may_ask_and_change_nothing(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    auth = tmp_path / "auth.json"
    everybody = {"name": "shop", "token_sha256": hashlib.sha256(b"s3cret").hexdigest(), "models": ["*"]}
    auth.write_text(json.dumps({"clients": [everybody | {"rights": ["predict", "admin"]}]}))
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--rest_api_enable_cors_support",
                   f"--auth_file={auth}")
    for method, path, body in READ:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,x-user"}
        status, headers = from_page(server, "OPTIONS", path, **asked)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*"), path
        assert headers["Access-Control-Allow-Headers"] == "authorization,x-user"
        status, headers = from_page(server, method, path, body, Authorization="Bearer s3cret")
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*"), path
        assert from_page(server, method, path, body)[1]["Access-Control-Allow-Origin"] == "*", "of an error too"
    for method, path in CHANGE:
        status, headers = from_page(server, "OPTIONS", path, **{"Access-Control-Request-Method": method})
        assert status >= 400 and "Access-Control-Allow-Origin" not in headers, path
        assert "Access-Control-Allow-Origin" not in from_page(server, method, path, "{}")[1]
    assert "Access-Control-Allow-Origin" not in from_page(server, "GET", "/monitoring/prometheus/metrics")[1]


def test_pages_may_ask_nothing_unless_allowed(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}")
    for method, path, body in READ:
        assert "Access-Control-Allow-Origin" not in from_page(server, method, path, body)[1]
        assert from_page(server, "OPTIONS", path)[0] >= 400


def test_pages_of_other_sites_cannot_change_what_up_serves(up):
    write_model(up.data_dir / "models" / "m", 1, add=1)
    up.wait_for_version("m", 1)
    form = {"Content-Type": "text/plain"}
    for method, path in CHANGE:
        assert from_page(up, method, path.replace("/load", "/unload"), "{}", **form)[0] == 403, path
    assert from_page(up, "POST", "/v2/models/m/infer", V2_BODY, **form)[0] == 200
    assert from_page(up, "POST", "/v1/models/m:predict", '{"instances": [1]}', **form)[0] == 200
    assert from_page(up, "GET", "/v2/models/m", Host="page.example:8501")[0] == 403, "a name that leads to 127.0.0.1"
    own = f"http://127.0.0.1:{up.rest}"
    assert from_page(up, "POST", "/v2/repository/models/m/unload", "{}", Origin=own)[0] == 200
    assert get_json(f"{own}/v2/repository/index", {})[0]["state"] == "UNAVAILABLE"
