"""Deadlines and cancellation of requests whose run time depends on their values."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import onnx
import pytest
import requests
from local_server import wait_until
from onnx import TensorProto, helper
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

FOREVER = 1 << 40  # rounds: days


def write_counter(base_path, version=1):
    """Publishes y = x (int64 [1]), counted to one by one in a Loop."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Constant", [], ["one"], value_ints=[1]),
            helper.make_node("Add", ["count", "one"], ["counted"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("counted", TensorProto.INT64, [1]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["x", "x"], ["zero"]),
            helper.make_node("Loop", ["x", "", "zero"], ["y"], body=body),
        ],
        "counter",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.INT64, [1])],
    )
    aside = base_path / f"{version}.aside"
    aside.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), aside / "model.onnx"
    )
    aside.rename(base_path / str(version))


@pytest.fixture
def counter(serve, tmp_path):
    """counter(flag…): a server of the model `counter`, which computes on one thread."""
    write_counter(tmp_path / "counter")

    def start(*flags):
        server = serve(
            "--model_name=counter", f"--model_base_path={tmp_path / 'counter'}", "--inference_threads=1", *flags
        )
        server.wait_for_version("counter", 1)
        return server

    return start


def predict(server, rounds):
    return requests.post(f"{server.models_url}/counter:predict", json={"instances": [rounds]}, timeout=60)


def infer(server, rounds, **parameters):
    tensor = {"name": "x", "datatype": "INT64", "shape": [1], "data": [rounds]}
    url = f"http://127.0.0.1:{server.rest}/v2/models/counter/infer"
    return requests.post(url, json={"inputs": [tensor], "parameters": parameters}, timeout=60)


def metrics(server):
    return requests.get(f"http://127.0.0.1:{server.rest}/monitoring/prometheus/metrics", timeout=10).text


def test_a_slow_request_does_not_stall_the_door(counter):
    """Not even behind many quick ones of the same size."""
    server = counter("--rest_api_timeout_in_ms=4000", "--rest_api_num_threads=1")
    for _ in range(30):
        assert predict(server, 0).json() == {"predictions": [0]}
    with ThreadPoolExecutor(1) as background:
        slow = background.submit(predict, server, FOREVER)
        while not slow.done():
            start = time.monotonic()
            assert requests.get(f"http://127.0.0.1:{server.rest}/v2/health/live", timeout=10).status_code == 200
            assert time.monotonic() - start < 3
        assert slow.result().status_code == 504


def test_rest_requests_end_at_their_deadline(counter):
    server = counter("--rest_api_timeout_in_ms=1500")
    for ask in (predict, infer):
        start = time.monotonic()
        assert ask(server, FOREVER).status_code == 504
        assert 1.5 <= time.monotonic() - start < 10
        assert ask(server, 5).status_code == 200  # the only thread is free again


def test_the_open_inference_protocols_timeout_bounds_the_run(counter):
    server = counter()
    start = time.monotonic()
    assert infer(server, FOREVER, timeout=200_000).status_code == 504
    assert 0.2 <= time.monotonic() - start < 10


def test_a_grpc_deadline_and_a_cancelled_call_stop_the_run(counter):
    server = counter("--rest_api_timeout_in_ms=20000")
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "counter"
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT64, int64_val=[FOREVER])
    tensor.tensor_shape.dim.add(size=1)
    request.inputs["x"].CopyFrom(tensor)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as error:
            stub.Predict(request, timeout=0.3)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert predict(server, 5).status_code == 200
        # Without deadlines: only their cancellation can free the thread that the first runs on and the second waits for.
        calls = [stub.Predict.future(request) for _ in range(2)]
        wait_until(lambda: "headrace_serving_queued_requests 1\n" in metrics(server), "one runs, one waits")
        for call in calls:
            call.cancel()
        assert predict(server, 5).json() == {"predictions": [5]}
