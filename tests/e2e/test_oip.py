"""The Open Inference Protocol and Triton's extensions, through the clients that people use."""

import asyncio
import http.client
import json
import pathlib
import queue
import subprocess
import sys

import grpc
import numpy
import pytest
import requests
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from conftest import write_labelled_models, write_model
from local_server import ModelServer, wait_until
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tritonclient.utils import InferenceServerException

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "oip"  # what other programs wrote, with their versions

TYPES = {
    "BOOL": [True, False],
    "INT8": [-128, 127],
    "INT16": [-32768, 32767],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT8": [0, 255],
    "UINT16": [0, 65535],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "FP16": [0.5, -2.0],
    "FP32": [0.1, -1e30],
    "FP64": [0.1, -1e300],
    "BYTES": ["plain", "höhe"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server with "plus" (versions 1 and 2, labels stable and canary) and an identity model of each type."""
    root = tmp_path_factory.mktemp("oip")
    arguments = [f"--model_config_file={write_labelled_models(root, TYPES)}",
                 "--allow_version_labels_for_unavailable_models"]
    with ModelServer(root / "serve.log", arguments) as running:
        wait_until(lambda: tritonclient.http.InferenceServerClient(running_http(running)).is_server_ready(), "readiness")
        yield running


def running_http(server):
    return f"127.0.0.1:{server.rest}"


def running_grpc(server):
    return f"127.0.0.1:{server.grpc}"


@pytest.fixture(params=["http", "grpc"])
def client(request, server):
    """tritonclient over either door, with the module that its input and output classes come from."""
    module = getattr(tritonclient, request.param)
    address = running_http(server) if request.param == "http" else running_grpc(server)
    with module.InferenceServerClient(address) as made:
        made.module = module
        yield made


def plus_input(module, values=(1, 2)):
    x = numpy.array(values, numpy.float32)
    tensor = module.InferInput("x", list(x.shape), "FP32")
    tensor.set_data_from_numpy(x)
    return tensor


def array_of(datatype):
    if datatype == "BYTES":
        return numpy.array([text.encode() for text in TYPES[datatype]], object)
    return numpy.array(TYPES[datatype], tritonclient.utils.triton_to_np_dtype(datatype))


class TestTriton:
    def test_health_and_metadata(self, client):
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("plus")
        assert client.is_model_ready("plus", "canary")
        assert not client.is_model_ready("plus", "9")
        assert not client.is_model_ready("minus")
        as_json = {} if client.module is tritonclient.http else {"as_json": True}
        assert client.get_server_metadata(**as_json)["name"] == "headrace"
        metadata = client.get_model_metadata("plus", **as_json)
        assert metadata["versions"] == ["1", "2"]
        assert metadata["platform"] == "onnxruntime_onnx"
        assert [tensor["name"] for tensor in metadata["inputs"]] == ["x"]
        config = client.get_model_config("plus", **as_json)
        config = config.get("config", config)
        assert config["output"][0]["data_type"] == "TYPE_FP32"

    @pytest.mark.parametrize("version, sum", [("", 4.0), ("1", 3.0), ("stable", 3.0), ("canary", 4.0)])
    def test_infers_by_version_and_by_label(self, client, version, sum):
        result = client.infer("plus", [plus_input(client.module)], model_version=version, request_id="r")
        assert result.as_numpy("y").tolist() == [sum - 1, sum]
        response = result.get_response()
        answered = response["model_version"] if isinstance(response, dict) else response.model_version
        assert answered == ("1" if version in ("1", "stable") else "2")

    @pytest.mark.parametrize("datatype", TYPES)
    def test_carries_every_type(self, client, datatype):
        values = array_of(datatype)
        tensor = client.module.InferInput("x", [2], datatype)
        tensor.set_data_from_numpy(values)
        assert client.infer(datatype, [tensor]).as_numpy("y").tolist() == values.tolist()

    @pytest.mark.parametrize("datatype", TYPES)
    def test_carries_every_type_as_json(self, server, datatype):
        values = array_of(datatype)
        if datatype == "FP16":  # the client sends it in binary only
            body = {"inputs": [{"name": "x", "shape": [2], "datatype": datatype, "data": TYPES[datatype]}]}
            assert curl(server, "/v2/models/FP16/infer", body)["outputs"][0]["data"] == TYPES[datatype]
            return
        with tritonclient.http.InferenceServerClient(running_http(server)) as client:
            tensor = tritonclient.http.InferInput("x", [2], datatype)
            tensor.set_data_from_numpy(values, binary_data=False)
            output = tritonclient.http.InferRequestedOutput("y", binary_data=False)
            answer = client.infer(datatype, [tensor], outputs=[output]).as_numpy("y").tolist()
        assert answer == (TYPES[datatype] if datatype == "BYTES" else values.tolist())

    @pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
    def test_compresses(self, server, algorithm):
        with tritonclient.http.InferenceServerClient(running_http(server)) as client:
            result = client.infer(
                "plus",
                [plus_input(tritonclient.http, numpy.zeros(5000))],
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm,
            )
        assert result.as_numpy("y").tolist() == [2.0] * 5000
        compressed = "gzip" if algorithm == "gzip" else "deflate"
        with tritonclient.grpc.InferenceServerClient(running_grpc(server)) as client:
            result = client.infer("plus", [plus_input(tritonclient.grpc)], compression_algorithm=compressed)
        assert result.as_numpy("y").tolist() == [3.0, 4.0]

    def test_classifies(self, client):
        output = client.module.InferRequestedOutput("y", class_count=2)
        result = client.infer("plus", [plus_input(client.module, (5, 9, 7))], outputs=[output])
        assert result.as_numpy("y").tolist() == [b"11.0:1", b"9.0:2"]

    def test_errors_carry_tritons_words(self, client):
        with pytest.raises(InferenceServerException, match="Request for unknown model: 'minus' is not found"):
            client.infer("minus", [plus_input(client.module)])
        with pytest.raises(InferenceServerException, match="Request for unknown model: 'plus' version 9 is not found"):
            client.infer("plus", [plus_input(client.module)], model_version="9")
        wrong = client.module.InferInput("x", [1], "FP64")
        wrong.set_data_from_numpy(numpy.array([1.0]))
        with pytest.raises(InferenceServerException, match="'x' data-type is 'FP64', but model 'plus' expects 'FP32'"):
            client.infer("plus", [wrong])
        with pytest.raises(InferenceServerException, match="unexpected inference output 'z' for model 'plus'"):
            client.infer("plus", [plus_input(client.module)], outputs=[client.module.InferRequestedOutput("z")])

    def test_statistics_count(self, client):
        as_json = {} if client.module is tritonclient.http else {"as_json": True}

        def counts():
            statistics = client.get_inference_statistics("plus", "1", **as_json)["model_stats"][0]
            of_five = [batch for batch in statistics["batch_stats"] if int(batch["batch_size"]) == 5]
            both = [statistics["inference_stats"]["success"], *(batch["compute_infer"] for batch in of_five)]
            return [int(duration.get("count", 0)) for duration in both]

        client.infer("plus", [plus_input(client.module, range(5))], model_version="1")
        success, of_five = counts()
        for values in (range(5), range(5), range(3)):
            client.infer("plus", [plus_input(client.module, values)], model_version="1")
        assert counts() == [success + 3, of_five + 2]

    def test_log_settings(self, client):
        as_json = {} if client.module is tritonclient.http else {"as_json": True}
        client.update_log_settings({"log_verbose_level": 1})
        settings = client.get_log_settings(**as_json)
        assert "log_verbose_level" in settings or "log_verbose_level" in settings["settings"]
        client.update_log_settings({"log_verbose_level": 0})

    def test_shared_memory_is_refused_clearly(self, client):
        with pytest.raises(InferenceServerException, match="shared memory regions are not supported"):
            client.register_system_shared_memory("r", "/r", 64)

    def test_asynchronous_calls(self, server):
        with tritonclient.http.InferenceServerClient(running_http(server), concurrency=4) as client:
            requests = [client.async_infer("plus", [plus_input(tritonclient.http, [i])]) for i in range(20)]
            assert [r.get_result().as_numpy("y").tolist() for r in requests] == [[i + 2.0] for i in range(20)]

        async def both():
            async with tritonclient.http.aio.InferenceServerClient(running_http(server)) as http:
                over_http = await http.infer("plus", [plus_input(tritonclient.http)])
            async with tritonclient.grpc.aio.InferenceServerClient(running_grpc(server)) as grpc:
                over_grpc = await grpc.infer("plus", [plus_input(tritonclient.grpc)])
            return over_http.as_numpy("y").tolist(), over_grpc.as_numpy("y").tolist()

        assert asyncio.run(both()) == ([3.0, 4.0], [3.0, 4.0])

    def test_streams(self, server):
        answers = queue.Queue()
        with tritonclient.grpc.InferenceServerClient(running_grpc(server)) as client:
            client.start_stream(lambda result, error: answers.put((result, error)))
            for i in range(50):
                model = "minus" if i == 25 else "plus"
                client.async_stream_infer(model, [plus_input(tritonclient.grpc, [i])], request_id=str(i))
            for i in range(50):
                result, error = answers.get(timeout=30)
                if i == 25:
                    assert "unknown model: 'minus'" in str(error)
                else:
                    assert error is None
                    assert result.get_response().id == str(i)
                    assert result.as_numpy("y").tolist() == [i + 2.0]
            client.stop_stream()


def test_repository(serve, tmp_path):
    write_model(tmp_path / "models" / "plus", 1, 1.0)
    server = serve("--model_name=plus", f"--model_base_path={tmp_path}/models/plus")
    with tritonclient.http.InferenceServerClient(running_http(server)) as http:
        assert http.get_model_repository_index() == [{"name": "plus", "version": "1", "state": "READY"}]
        http.unload_model("plus")
        wait_until(lambda: not http.is_model_ready("plus"), "the model to be gone")
        assert http.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
        with tritonclient.grpc.InferenceServerClient(running_grpc(server)) as grpc:
            grpc.load_model("plus")
            assert grpc.is_model_ready("plus")
            assert grpc.get_model_repository_index().models[0].state == "READY"
        with pytest.raises(InferenceServerException, match="failed to load 'minus'"):
            http.load_model("minus")


def test_load_with_the_clients_own_files(serve, tmp_path):
    write_model(tmp_path / "models" / "plus", 1, 1.0)
    write_model(tmp_path / "mine", 3, 100.0)
    files = {"file:3/model.onnx": (tmp_path / "mine" / "3" / "model.onnx").read_bytes()}
    broken = {"file:4/model.onnx": b"no model"}
    config = json.dumps({"backend": "onnxruntime", "max_batch_size": 8})
    server = serve("--model_name=plus", f"--model_base_path={tmp_path}/models/plus")
    doors = {tritonclient.http: running_http(server), tritonclient.grpc: running_grpc(server)}
    for library, address in doors.items():
        with library.InferenceServerClient(address) as client:
            def answer():
                return client.infer("plus", [plus_input(library, [2])]).as_numpy("y").tolist()

            client.load_model("plus", config=config, files=files)
            assert answer() == [102.0]
            with pytest.raises(InferenceServerException, match="failed to load 'plus'"):
                client.load_model("plus", config=config, files=broken)
            assert answer() == [102.0]
            client.load_model("plus", config=json.dumps(
                {"backend": "onnxruntime", "version_policy": {"specific": {"versions": [1]}}}))
            assert answer() == [3.0]
            client.load_model("plus")
            assert answer() == [3.0]


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("door", ["rest", "grpc"])
def test_kserve(server, door, binary):
    """In a process of its own: KServe's messages and Triton's have the same names."""
    address = running_http(server) if door == "rest" else running_grpc(server)
    answer = over_kserve(door, address, "binary" if binary else "plain", [1, 2])
    assert answer == {"id": "r", "ready": [True, True, True], "y": [3.0, 4.0]}


def over_kserve(door, address, form, values):
    script = pathlib.Path(__file__).with_name("kserve_client.py")
    command = [sys.executable, str(script), door, address, form, json.dumps(values)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)


def curl(server, path, body=None, *arguments):
    command = ["curl", "-sS", *arguments, f"http://{running_http(server)}{path}"]
    if body is not None:
        command += ["-d", json.dumps(body)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)


def test_curl(server):
    assert curl(server, "/v2/health/ready") == {"ready": True}
    body = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}]}
    assert curl(server, "/v2/models/plus/versions/stable/infer", body) == {
        "model_name": "plus",
        "model_version": "1",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2], "data": [2.0, 3.0]}],
    }
    assert curl(server, "/v2/models/plus/infer", body, "-X", "PUT") == {"error": "Method Not Allowed"}


@pytest.mark.parametrize(
    "codec, model, expected",
    [
        ("numpy", "FP32", [1.5, -2.0]),
        ("numpy_nan", "FP32", [float("nan"), 2.0]),
        ("pandas", "FP32", [1.5, -2.0]),
        ("string", "BYTES", ["plain", "höhe"]),
        ("base64", "BYTES", [b"\x00\xff", b"hi"]),
    ],
)
def test_what_mlservers_codecs_write(server, codec, model, expected):
    body = json.loads((GOLDEN / "mlserver_codecs.json").read_text())[codec]
    body["parameters"] = {**body.get("parameters", {}), "binary_data_output": True}
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps(body))
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    assert response.status == 200, answer
    result = tritonclient.http.InferenceServerClient.parse_response_body(
        answer, header_length=int(response.headers["Inference-Header-Content-Length"])
    )
    assert result.get_output("y")["shape"] == [2]
    wanted = [text.encode() if isinstance(text, str) else text for text in expected]
    numpy.testing.assert_array_equal(result.as_numpy("y").tolist(), wanted)


@pytest.mark.parametrize("library", [tritonclient.http, tritonclient.grpc])
def test_a_column_is_taken_for_a_vector_and_nothing_else(server, library):
    address = running_http(server) if library is tritonclient.http else running_grpc(server)
    with library.InferenceServerClient(address) as client:
        assert client.infer("plus", [plus_input(library, [[1], [2]])]).as_numpy("y").tolist() == [3.0, 4.0]
        with pytest.raises(InferenceServerException, match=r"Expected \[-1\], got \[1,2\]"):
            client.infer("plus", [plus_input(library, [[1, 2]])])


def over_tensorflow_serving(channel, values, typed):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "plus"
    tensor = request.inputs["x"]
    tensor.dtype = 1  # DT_FLOAT
    tensor.tensor_shape.dim.add(size=len(values))
    if typed:
        tensor.float_val.extend(values)
    else:
        tensor.tensor_content = numpy.array(values, numpy.float32).tobytes()
    answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30).outputs["y"]
    return list(answer.float_val) or numpy.frombuffer(answer.tensor_content, numpy.float32).tolist()


def over_stream(client, values):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    client.async_stream_infer("plus", [plus_input(tritonclient.grpc, values)])
    result, error = answers.get(timeout=30)
    client.stop_stream()
    assert error is None
    return result.as_numpy("y").tolist()


def over_binary_json(client, values, binary):
    tensor = tritonclient.http.InferInput("x", [len(values)], "FP32")
    tensor.set_data_from_numpy(numpy.array(values, numpy.float32), binary_data=binary)
    output = tritonclient.http.InferRequestedOutput("y", binary_data=binary)
    return client.infer("plus", [tensor], outputs=[output]).as_numpy("y").tolist()


@pytest.mark.parametrize("answers", ["typed fields", "tensor_content"])
def test_every_door_gives_the_same_numbers(tmp_path, answers):
    values = [0.1, -3.25, 1e-8, 12345.678, 3.4e38, -1.5e-45, 0.0]
    expected = (numpy.array(values, numpy.float32) + numpy.float32(2)).tolist()
    write_model(tmp_path / "plus", 2, 2.0)
    socket = tmp_path / "grpc.sock"
    arguments = ["--model_name=plus", f"--model_base_path={tmp_path / 'plus'}", f"--grpc_socket_path={socket}",
                 "--kserve_v1", f"--enable_serialization_as_tensor_content={str(answers == 'tensor_content').lower()}"]
    with ModelServer(tmp_path / "serve.log", arguments) as server:
        tensor = {"name": "x", "shape": [len(values)], "datatype": "FP32", "data": values}
        rows = {"instances": values}
        csv = "x\n" + "".join(f"{value!r}\n" for value in values)
        as_json = ("-H", "Content-Type: application/json")
        doors = {
            "OIP REST": curl(server, "/v2/models/plus/infer", {"inputs": [tensor]})["outputs"][0]["data"],
            "TensorFlow Serving REST, rows": curl(server, "/v1/models/plus:predict", rows)["predictions"],
            "TensorFlow Serving REST, columns": curl(server, "/v1/models/plus:predict", {"inputs": values})["outputs"],
            "invocations": curl(server, "/invocations", rows, *as_json)["predictions"],
            "invocations, data frame": curl(
                server, "/invocations", {"dataframe_split": {"columns": ["x"], "data": [[v] for v in values]}}, *as_json
            )["predictions"],
            "KServe v1": over_kserve("v1", running_http(server), "plain", values)["y"],
            "KServe v2 REST": over_kserve("rest", running_http(server), "binary", values)["y"],
            "KServe v2 gRPC": over_kserve("grpc", running_grpc(server), "plain", values)["y"],
        }
        answer = requests.post(f"http://{running_http(server)}/invocations", csv, timeout=30,
                               headers={"Content-Type": "text/csv", "Accept": "text/csv"})
        doors["invocations, CSV"] = [float(line) for line in answer.text.split()]
        with tritonclient.http.InferenceServerClient(running_http(server)) as client:
            for binary in (False, True):
                doors[f"OIP REST, binary {binary}"] = over_binary_json(client, values, binary)
        for name, address in (("TCP", running_grpc(server)), ("socket", f"unix:{socket}")):
            with tritonclient.grpc.InferenceServerClient(address) as client:
                doors[f"OIP gRPC, {name}"] = client.infer("plus", [plus_input(tritonclient.grpc, values)]).as_numpy(
                    "y").tolist()
                doors[f"ModelStreamInfer, {name}"] = over_stream(client, values)
            with grpc.insecure_channel(address) as channel:
                for typed in (False, True):
                    doors[f"TensorFlow Serving gRPC, {name}, typed {typed}"] = over_tensorflow_serving(
                        channel, values, typed)
    wrong = {name: got for name, got in doors.items() if numpy.array(got, numpy.float32).tolist() != expected}
    assert not wrong and len(doors) == 19
