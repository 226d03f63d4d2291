"""What the end-to-end tests share: the program, a folder of its own for each test, servers that end with their test."""

import os
import pathlib
import sys

import numpy
import onnx
import pytest
from tritonclient.utils import triton_to_np_dtype

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "examples" / "flights"))

import local_server  # noqa: E402


@pytest.fixture(scope="session")
def headrace():
    """The program's path: HEADRACE_BINARY, else build/headrace."""
    return local_server.binary()


@pytest.fixture(scope="session")
def tensorflow():
    """The folder of TensorFlow's library: HEADRACE_TENSORFLOW, else what ./dev setup leaves beside the tests' environment."""
    folder = pathlib.Path(os.environ.get("HEADRACE_TENSORFLOW", pathlib.Path(sys.prefix).parent / "tensorflow" / "lib"))
    assert (folder / "libtensorflow_cc.so.2").exists(), f"{folder} lacks TensorFlow's library: run ./dev setup"
    return folder


@pytest.fixture
def serve(tmp_path):
    """serve(argument…): a running `headrace serve` on free ports."""
    servers = []

    def start(*arguments):
        servers.append(local_server.ModelServer(tmp_path / f"serve-{len(servers)}.log", arguments))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def up(tmp_path):
    """A running `headrace up` on free ports, with its state in the test's folder."""
    with local_server.Server(tmp_path / "state") as server:
        yield server


def write_model(base_path, version, add):
    """Publishes an ONNX model y = x + add (float32, any length) as a version: written aside, then renamed."""
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None])
    constant = onnx.numpy_helper.from_array(numpy.array(add, numpy.float32), "add")
    node = onnx.helper.make_node("Add", ["x", "add"], ["y"])
    graph = onnx.helper.make_graph([node], "adder", [x], [y], [constant])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8)
    return publish(model, base_path, version)


def write_identity(base_path, datatype):
    """Publishes version 1, an ONNX model y = x of vectors of one of the Open Inference Protocol's types."""
    element = onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype(triton_to_np_dtype(datatype)))
    x = onnx.helper.make_tensor_value_info("x", element, [None])
    y = onnx.helper.make_tensor_value_info("y", element, [None])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "identity", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8)
    return publish(model, base_path, 1)


def predict(server, model, value, suffix=""):
    """The answer of TensorFlow Serving's REST for one number."""
    url = f"{server.models_url}/{model}{suffix}:predict"
    return local_server.get_json(url, {"instances": [value]})["predictions"][0]


def config_text(*models):
    """ModelServerConfig as text: (name, base path, further fields)."""
    entries = [f"config {{ name: '{name}' base_path: '{path}' {more} }}" for name, path, more in models]
    return f"model_config_list {{ {' '.join(entries)} }}"


def write_labelled_models(root, datatypes):
    """plus (y = x + version, versions 1 and 2, labels stable and canary), an identity model of each type by the type's
    name, and the configuration file that names them all, whose path this returns."""
    write_model(root / "plus", 1, 1.0)
    write_model(root / "plus", 2, 2.0)
    models = [
        f'config {{ name: "plus" base_path: "{root}/plus" model_version_policy {{ all {{}} }}'
        ' version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } }'
    ]
    for datatype in datatypes:
        write_identity(root / datatype, datatype)
        models.append(f'config {{ name: "{datatype}" base_path: "{root}/{datatype}" }}')
    config = root / "models.config"
    config.write_text("model_config_list { " + " ".join(models) + " }")
    return config


def publish(model, base_path, version):
    aside = pathlib.Path(base_path) / f"{version}.aside"
    aside.mkdir(parents=True)
    onnx.save(model, aside / "model.onnx")
    return aside.rename(aside.with_name(str(version)))
