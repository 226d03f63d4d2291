"""TensorFlow's SavedModels through `headrace serve`, run by TensorFlow's library."""

import grpc
import pytest
from conftest import write_model
from local_server import HttpError, get_json, wait_until
from saved_models import write_saved_model
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@pytest.fixture
def server(serve, tensorflow, tmp_path, monkeypatch):
    """A server of the SavedModel "saved", whose version 1 adds 1."""
    monkeypatch.setenv("HEADRACE_TENSORFLOW", str(tensorflow))
    write_saved_model(tmp_path / "saved", 1, add=1)
    server = serve("--model_name=saved", f"--model_base_path={tmp_path / 'saved'}", "--file_system_poll_wait_seconds=1")
    server.wait_for_version("saved", 1)
    return server


def predict(server, values, signature=""):
    """Through gRPC: the answer's values."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "saved"
    request.model_spec.signature_name = signature
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    request.inputs["x"].CopyFrom(tensor)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    return list(response.outputs["y"].float_val)


def test_every_signature_through_rest_and_grpc(server):
    url = f"{server.models_url}/saved"
    assert get_json(f"{url}:predict", {"instances": [1.5, -2.0]}) == {"predictions": [2.5, -1.0]}
    square = {"signature_name": "square", "instances": [1.5, -2.0]}
    assert get_json(f"{url}:predict", square) == {"predictions": [2.25, 4.0]}
    assert predict(server, [1.5, -2.0]) == [2.5, -1.0]
    assert predict(server, [1.5, -2.0], "square") == [2.25, 4.0]
    signatures = get_json(f"{url}/metadata")["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == ["serving_default", "square"]
    with pytest.raises(HttpError, match="cube") as error:
        get_json(f"{url}:predict", {"signature_name": "cube", "instances": [1.0]})
    assert error.value.code == 400


def test_the_open_inference_protocol_gives_the_same_numbers(server):
    x = {"name": "x", "datatype": "FP32", "shape": [2], "data": [1.5, -2.0]}
    answer = get_json(f"http://127.0.0.1:{server.rest}/v2/models/saved/infer", {"inputs": [x]})
    assert answer["outputs"][0]["data"] == [2.5, -1.0]


def test_a_new_version_takes_over(server, tmp_path):
    write_saved_model(tmp_path / "saved", 2, add=2)
    server.wait_for_version("saved", 2)
    assert predict(server, [1.0]) == [3.0]
    wait_until(lambda: server.versions("saved").get(1) == "END", "version 1 to be unloaded")


def test_without_the_library_the_status_says_so_and_other_models_serve(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("HEADRACE_TENSORFLOW", str(tmp_path / "libtensorflow_cc.so.2"))
    write_saved_model(tmp_path / "models" / "saved", 1, add=1)
    write_model(tmp_path / "models" / "adder", 1, add=1)
    server = serve(f"--models_root={tmp_path / 'models'}", "--max_num_load_retries=0")
    server.wait_for_version("adder", 1)

    def message():
        return get_json(f"{server.models_url}/saved")["model_version_status"][0]["status"]["error_message"]

    wait_until(lambda: "HEADRACE_TENSORFLOW" in message(), "the reason in the version's status")
    assert get_json(f"{server.models_url}/adder:predict", {"instances": [1.0]}) == {"predictions": [2.0]}
