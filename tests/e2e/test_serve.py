"""`headrace serve` as a program: its flags, files and signals; reloads and swaps under load."""

import gzip
import json
import os
import pty
import signal
import subprocess
import time

import grpc
import pytest
import requests
from conftest import config_text, predict, write_identity, write_model
from load import Load
from local_server import HttpError, ModelServer, get_json, wait_until
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def run(headrace, *arguments):
    return subprocess.run([headrace, "serve", *arguments], capture_output=True, text=True, timeout=30)


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
