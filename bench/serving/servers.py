"""The servers that are measured. To add one, add it to SERVERS.

In the strings {http}, {grpc} and {metrics} are free ports, {model} is the model's name, {home} the folder with models, bodies
and peers' environments, {here} this folder, {build} the build folder with headrace and the limits.
"""
import dataclasses
import os
import pathlib

OIP = "/v2/models/{model}/infer"
OIP_GRPC = "/inference.GRPCInferenceService/ModelInfer"
TFS = "/v1/models/{model}:predict"
TFS_GRPC = "/tensorflow.serving.PredictionService/Predict"


@dataclasses.dataclass
class Server:
    command: list
    protocols: dict  # protocol -> path, or the full method name for gRPC
    needs: str  # skipped, with a word, when this file is missing
    environment: dict = dataclasses.field(default_factory=dict)
    files: dict = dataclasses.field(default_factory=dict)  # written into its empty working folder


def python(peer, *arguments):
    return ["{home}/peers/%s/bin/python" % peer, *arguments]


def headrace(*more, base_path="{home}/repository/{model}"):
    return Server(
        command=["{build}/headrace", "--log-level=warn", "serve", "--rest_api_port={http}", "--port={grpc}", "--model_name={model}",
                 "--model_base_path=" + base_path, *more],
        protocols={"tfs-json": TFS, "oip-json": OIP, "oip-binary": OIP, "oip-grpc": OIP_GRPC, "tfs-grpc": TFS_GRPC},
        needs="{build}/headrace")


def triton():
    """Triton's ONNX Runtime back end comes from no package registry: TRITON_HOME names a folder with bin/tritonserver and
    backends/onnxruntime."""
    home = os.environ.get("TRITON_HOME", "unset")
    return Server(
        command=[home + "/bin/tritonserver", "--model-repository={home}/repository", "--model-control-mode=explicit",
                 "--load-model={model}", "--backend-directory=" + home + "/backends", "--http-port={http}", "--grpc-port={grpc}",
                 "--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-port={metrics}", "--http-thread-count=1"],
        protocols={"oip-json": OIP, "oip-binary": OIP, "oip-grpc": OIP_GRPC},
        needs=home + "/backends/onnxruntime")


SERVERS = {
    "headrace": headrace(),
    "headrace-batching": headrace("--enable_batching=true", "--batching_parameters_file={here}/batching.txt"),
    "floor": Server(["{build}/bench_floor_http", "{http}", "{home}/repository/{model}/1/model.onnx"],
                    {"tfs-json": "/", "oip-json": "/", "oip-binary": "/"}, needs="{build}/bench_floor_http"),
    "floor-grpc": Server(["{build}/bench_floor_grpc", "{grpc}", "{home}/repository/{model}/1/model.onnx"],
                         {"oip-grpc": OIP_GRPC}, needs="{build}/bench_floor_grpc"),
    "triton": triton(),
    "fastapi": Server(python("fastapi", "-m", "uvicorn", "--app-dir", "{here}/peers", "--host", "127.0.0.1", "--port", "{http}",
                             "--no-access-log", "--log-level", "warning", "fastapi_app:app"),
                      {"tfs-json": "/predict"}, needs="{home}/peers/fastapi"),
    "litserve": Server(python("litserve", "{here}/peers/litserve_app.py", "{http}"), {"tfs-json": "/predict"},
                       needs="{home}/peers/litserve"),
    "kserve": Server(python("kserve", "{here}/peers/kserve_app.py", "--http_port", "{http}", "--grpc_port", "{grpc}"),
                     {"tfs-json": TFS, "oip-json": OIP, "oip-binary": OIP, "oip-grpc": OIP_GRPC}, needs="{home}/peers/kserve"),
    "mlserver": Server(
        ["{home}/peers/mlserver/bin/mlserver", "start", "."], {"oip-json": OIP, "oip-grpc": OIP_GRPC},
        needs="{home}/peers/mlserver", environment={"PYTHONPATH": "{here}/peers"},
        files={"settings.json": '{"host": "127.0.0.1", "http_port": {http}, "grpc_port": {grpc}, "debug": false, '
                                '"metrics_port": {metrics}, "parallel_workers": 0}',
               "model-settings.json": '{"name": "{model}", "implementation": "mlserver_model.Predictor"}'}),
}

HERE = pathlib.Path(__file__).resolve().parent
