"""TensorFlow Serving's own client and curl's REST against the model server, and faults in model folders."""

import grpc
import numpy
import pytest
from conftest import write_model
from local_server import HttpError, get_json, wait_until
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


@pytest.fixture
def adder(serve, tmp_path):
    """A server of the model `adder` (version 1 adds 1), and its base path."""
    base_path = tmp_path / "adder"
    write_model(base_path, 1, add=1)
    server = serve("--model_name=adder", f"--model_base_path={base_path}", "--file_system_poll_wait_seconds=1")
    server.wait_for_version("adder", 1)
    return server, base_path


def predict(server, values, version=None):
    """Through gRPC: the answer's values and the version that gave them."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "adder"
    if version is not None:
        request.model_spec.version.value = version
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=values)
    tensor.tensor_shape.dim.add(size=len(values))
    request.inputs["x"].CopyFrom(tensor)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    output = response.outputs["y"]
    content = numpy.frombuffer(output.tensor_content, numpy.float32) if output.tensor_content else output.float_val
    return list(content), response.model_spec.version.value


def statuses(server):
    """{version: ModelVersionStatus} through gRPC."""
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "adder"
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        response = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=30)
    return {status.version: status for status in response.model_version_status}


def test_rest_and_grpc_give_the_same_prediction(adder):
    server, _ = adder
    assert predict(server, [1.5, -2.0]) == ([2.5, -1.0], 1)
    url = f"{server.models_url}/adder"
    assert get_json(f"{url}:predict", {"instances": [1.5, -2.0]}) == {"predictions": [2.5, -1.0]}
    assert get_json(f"{url}/versions/1:predict", {"inputs": {"x": [1.5, -2]}}) == {"outputs": [2.5, -1.0]}


def test_metadata_names_inputs_and_outputs(adder):
    server, _ = adder
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "adder"
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.GetModelMetadata(request, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]
    assert signature.inputs["x"].dtype == types_pb2.DT_FLOAT
    assert [dim.size for dim in signature.outputs["y"].tensor_shape.dim] == [-1]
    rest = get_json(f"{server.models_url}/adder/metadata")["metadata"]["signature_def"]["signature_def"]
    assert rest["serving_default"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_errors_are_tensorflow_servings(adder):
    server, _ = adder
    with pytest.raises(HttpError, match="Servable not found for request: Latest\\(other\\)") as error:
        get_json(f"{server.models_url}/other:predict", {"instances": [1.0]})
    assert error.value.code == 404
    with pytest.raises(HttpError) as error:
        get_json(f"{server.models_url}/adder:predict", {"instances": []})
    assert error.value.code == 400
    with pytest.raises(grpc.RpcError) as error:
        predict(server, [1.0], version=7)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_new_version_takes_over(adder):
    server, base_path = adder
    write_model(base_path, 2, add=2)
    server.wait_for_version("adder", 2)
    assert predict(server, [1.0]) == ([3.0], 2)
    wait_until(lambda: server.versions("adder").get(1) == "END", "version 1 to be unloaded")


@pytest.mark.parametrize("content", [b"", b"this is no ONNX", None], ids=["empty", "corrupt", "truncated"])
def test_a_broken_version_is_reported_and_the_old_one_keeps_serving(adder, content):
    server, base_path = adder
    aside = base_path / "aside"
    aside.mkdir()
    good = (base_path / "1" / "model.onnx").read_bytes()
    (aside / "model.onnx").write_bytes(good[: len(good) // 2] if content is None else content)
    aside.rename(base_path / "2")
    wait_until(lambda: 2 in statuses(server) and statuses(server)[2].status.error_code, "version 2 to be refused")
    broken = statuses(server)[2]
    assert broken.state != AVAILABLE
    assert "model.onnx" in broken.status.error_message
    assert statuses(server)[1].state == AVAILABLE
    assert predict(server, [1.0]) == ([2.0], 1)


def test_a_half_written_version_is_never_served(adder):
    server, base_path = adder
    (base_path / "2.aside").mkdir()
    (base_path / "2.aside" / "model.onnx").write_bytes(b"half of")
    (base_path / "3").mkdir()  # a copy that has just begun: no model in it yet
    write_model(base_path, 4, add=4)
    server.wait_for_version("adder", 4)
    assert predict(server, [1.0]) == ([5.0], 4)
    assert 2 not in statuses(server)
    assert 3 not in statuses(server) or statuses(server)[3].state != AVAILABLE
