"""Every exchange in tests/golden/server, whole and in order, against a running server.

A file is a list of
    === what it shows
    METHOD TARGET [Header: value …]        of .http, or package.Service/Method of .grpc
    the request's body, perhaps of several lines; of .grpc the message in protobuf's text format
    --- STATUS                             of HTTP, or the name of gRPC's code
    the answer: the body, the message in text format, or the text of gRPC's error
JSON and messages are compared as values, other answers as text.
"""

import dataclasses
import http.client
import json
import pathlib

import grpc
import pytest
import tritonclient.grpc.service_pb2 as oip
from conftest import write_labelled_models
from google.protobuf import text_format
from local_server import ModelServer
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "server"
FILES = sorted(path.name for path in GOLDEN.iterdir())
TFSERVING = {
    "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "GetModelMetadata": (get_model_metadata_pb2.GetModelMetadataRequest, get_model_metadata_pb2.GetModelMetadataResponse),
    "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusResponse),
    "HandleReloadConfigRequest": (model_management_pb2.ReloadConfigRequest, model_management_pb2.ReloadConfigResponse),
}


@dataclasses.dataclass
class Exchange:
    title: str
    call: str
    request: str
    status: str
    answer: str


def read(path):
    for part in path.read_text().split("=== ")[1:]:
        head, _, rest = part.partition("\n--- ")
        title, call, *body = head.split("\n")
        status, _, answer = rest.partition("\n")
        yield Exchange(title, call, "\n".join(body).strip(), status.strip(), answer.rstrip("\n"))


def ask_http(server, exchange):
    method, target, *headers = exchange.call.split(" ")
    pairs = {name.rstrip(":"): value for name, value in zip(headers[::2], headers[1::2], strict=True)}
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    try:
        connection.request(method, target, body=exchange.request.encode() or None, headers=pairs)
        response = connection.getresponse()
        return str(response.status), response.read().decode()
    finally:
        connection.close()


def message_types(method):
    if method in TFSERVING:
        return TFSERVING[method]
    return getattr(oip, f"{method}Request"), getattr(oip, f"{method}Response")


def ask_grpc(server, exchange):
    request, response = message_types(exchange.call.rpartition("/")[2])
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        call = channel.unary_unary(f"/{exchange.call}", request.SerializeToString, response.FromString)
        try:
            answer = call(text_format.Parse(exchange.request, request()), timeout=30)
        except grpc.RpcError as error:
            return error.code().name, error.details()
    return "OK", text_format.MessageToString(answer, as_utf8=True).strip()


def same(exchange, found):
    if exchange.answer.strip() == found.strip():
        return True
    if "/" in exchange.call.split(" ")[0]:
        response = message_types(exchange.call.rpartition("/")[2])[1]
        return exchange.status == "OK" and text_format.Parse(exchange.answer, response()) == text_format.Parse(
            found, response())
    try:
        return json.loads(exchange.answer) == json.loads(found)
    except json.JSONDecodeError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """plus: y = x + version, versions 1 and 2, labels stable and canary; and identity models by the type's name."""
    root = tmp_path_factory.mktemp("golden")
    config = write_labelled_models(root, ["BOOL", "INT8", "INT64", "UINT64", "BYTES"])
    arguments = [f"--model_config_file={config}", "--kserve_v1", "--invocations_model=plus",
                 "--allow_version_labels_for_unavailable_models"]
    with ModelServer(root / "serve.log", arguments) as running:
        yield running


@pytest.mark.parametrize("name", FILES)
def test_exchanges(server, name):
    ask = ask_http if name.endswith(".http") else ask_grpc
    wrong = []
    for exchange in read(GOLDEN / name):
        status, answer = ask(server, exchange)
        if status != exchange.status or not same(exchange, answer):
            wrong.append(f"=== {exchange.title}\nexpected {exchange.status}\n{exchange.answer}\nfound {status}\n{answer}")
    assert not wrong, "\n".join(wrong)
