"""SavedModels for the tests, made of their own messages: nothing here needs TensorFlow itself."""

import pathlib

from tensorflow.core.framework import tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

ANY_LENGTH = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=-1)])


def _node(graph, name, operation, inputs=()):
    node = graph.node.add(name=name, op=operation, input=inputs)
    typed = "dtype" if operation in ("Placeholder", "Const") else "T"
    node.attr[typed].type = types_pb2.DT_FLOAT
    return node


def _signature(meta_graph, name, output):
    signature = meta_graph.signature_def[name]
    signature.method_name = "tensorflow/serving/predict"
    for ports, key, tensor in ((signature.inputs, "x", "x:0"), (signature.outputs, "y", output)):
        ports[key].CopyFrom(
            meta_graph_pb2.TensorInfo(name=tensor, dtype=types_pb2.DT_FLOAT, tensor_shape=ANY_LENGTH)
        )


def write_saved_model(base_path, version, add):
    """Publishes a SavedModel over x (float32, any length) as a version: y is x + add in "serving_default" and x · x in
    "square". Written aside, then renamed."""
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    graph = meta_graph.graph_def
    graph.versions.producer = 1395
    _node(graph, "x", "Placeholder").attr["shape"].shape.CopyFrom(ANY_LENGTH)
    constant = _node(graph, "add", "Const").attr["value"].tensor
    constant.dtype = types_pb2.DT_FLOAT
    constant.tensor_shape.SetInParent()
    constant.float_val.append(add)
    _node(graph, "sum", "AddV2", ["x", "add"])
    _node(graph, "product", "Mul", ["x", "x"])
    _signature(meta_graph, "serving_default", "sum:0")
    _signature(meta_graph, "square", "product:0")
    aside = pathlib.Path(base_path) / f"{version}.aside"
    aside.mkdir(parents=True)
    (aside / "saved_model.pb").write_bytes(model.SerializeToString())
    return aside.rename(aside.with_name(str(version)))
