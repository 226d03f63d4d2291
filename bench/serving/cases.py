"""Models and requests: python cases.py FOLDER writes FOLDER/repository/<model>/1/model.onnx and FOLDER/bodies/<case>.<protocol>.

| case | model | input |
|---|---|---|
| logreg | scaler and logistic regression | 1x30 |
| forest | random forest of 100 trees | 1x30 |
| mlp, mlp32 | 30 -> 1024 -> 1024 -> 1024 -> 10 | 1x30, 32x30 |
| image | identity: only the cost of moving a tensor | 1x3x224x224 |

| protocol | what |
|---|---|
| tfs-json | {"instances": [...]}: TensorFlow Serving's REST, and what the Python servers take |
| oip-json, oip-binary | Open Inference Protocol v2 over HTTP |
| oip-grpc, tfs-grpc | inference.GRPCInferenceService, tensorflow.serving.PredictionService; framed for h2load |
"""
import json
import pathlib
import struct
import sys

CASES = {"logreg": ("logreg", "row"), "forest": ("forest", "row"), "mlp": ("mlp", "row"), "mlp32": ("mlp", "rows32"),
         "image": ("image", "image")}
SHAPES = {"logreg": (1, 30), "forest": (1, 30), "mlp": (1, 30), "mlp32": (32, 30), "image": (1, 3, 224, 224)}
PROTOCOLS = ("tfs-json", "oip-json", "oip-binary", "oip-grpc", "tfs-grpc")
OPSET = 17  # every peer's runtime reads it
IR_VERSION = 8
# One inference thread, as every server here has; nobody but Triton reads it.
TRITON_CONFIG = """platform: "onnxruntime_onnx"
max_batch_size: 64
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters { key: "intra_op_thread_count" value: { string_value: "1" } }
parameters { key: "inter_op_thread_count" value: { string_value: "1" } }
"""


def network(rng, helper, numpy_helper, float_type, widths):
    """A multi-layer perceptron with random weights."""
    import numpy as np
    nodes, weights, last = [], [], "x"
    for layer, (fan_in, fan_out) in enumerate(zip(widths, widths[1:])):
        matrix = (rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(np.float32)
        weights += [numpy_helper.from_array(matrix, f"w{layer}"),
                    numpy_helper.from_array(np.zeros(fan_out, np.float32), f"b{layer}")]
        is_last = layer == len(widths) - 2
        linear = "y" if is_last else f"linear{layer}"
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [linear]))
        if not is_last:
            nodes.append(helper.make_node("Relu", [linear], [f"hidden{layer}"]))
        last = f"hidden{layer}"
    x = helper.make_tensor_value_info("x", float_type, ["n", widths[0]])
    y = helper.make_tensor_value_info("y", float_type, ["n", widths[-1]])
    return helper.make_graph(nodes, "mlp", [x], [y], weights)


def make_models(folder):
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(7)
    features, target = load_breast_cancer(return_X_y=True)
    row = features[:1].astype(np.float32)

    def classifier(estimator):
        model = to_onnx(estimator.fit(features, target), row, options={"zipmap": False}, target_opset=OPSET)
        old = model.graph.input[0].name
        model.graph.input[0].name = "x"
        for node in model.graph.node:
            node.input[:] = ["x" if name == old else name for name in node.input]
        return model

    def from_graph(graph):
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    image = ["n", 3, 224, 224]
    identity = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "image",
                                 [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
                                 [helper.make_tensor_value_info("y", TensorProto.FLOAT, image)])
    models = {
        "logreg": classifier(make_pipeline(StandardScaler(), LogisticRegression())),
        "forest": classifier(RandomForestClassifier(100, random_state=7)),
        "mlp": from_graph(network(rng, helper, numpy_helper, TensorProto.FLOAT, [30, 1024, 1024, 1024, 10])),
        "image": from_graph(identity),
    }
    for name, model in models.items():
        checker.check_model(model)
        version = folder / "repository" / name / "1"
        version.mkdir(parents=True, exist_ok=True)
        (version / "model.onnx").write_bytes(model.SerializeToString())
        (version.parent / "config.pbtxt").write_text(TRITON_CONFIG)
    return {"row": row, "rows32": features[:32].astype(np.float32), "image": rng.random((1, 3, 224, 224), dtype=np.float32)}


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, content):
    """One protobuf field: an int as a varint, anything else length-delimited."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def framed(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def bodies(model, x):
    import numpy as np
    numbers = [float(str(value)) for value in x.ravel()]  # the shortest decimal of each float32
    raw = x.tobytes()
    tensor = {"name": "x", "shape": list(x.shape), "datatype": "FP32"}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(raw)}}],
                       "parameters": {"binary_data_output": True}}, separators=(",", ":")).encode()
    oip = field(1, "x") + field(2, "FP32") + field(3, b"".join(map(varint, x.shape)))
    shape = b"".join(field(2, field(1, size)) for size in x.shape)
    tfs = field(1, 1) + field(2, shape) + field(4, raw)
    return head, {
        "tfs-json": json.dumps({"instances": np.array(numbers).reshape(x.shape).tolist()}).encode(),
        "oip-json": json.dumps({"inputs": [tensor | {"data": numbers}]}).encode(),
        "oip-binary": head + raw,
        "oip-grpc": framed(field(1, model) + field(5, oip) + field(7, raw)),
        "tfs-grpc": framed(field(1, field(1, model)) + field(2, field(1, "x") + field(2, tfs))),
    }


def main(folder):
    inputs = make_models(folder)
    (folder / "bodies").mkdir(exist_ok=True)
    for case, (model, name) in CASES.items():
        head, requests = bodies(model, inputs[name])
        for protocol, body in requests.items():
            (folder / "bodies" / f"{case}.{protocol}").write_bytes(body)
        (folder / "bodies" / f"{case}.oip-binary.json-length").write_text(str(len(head)))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
