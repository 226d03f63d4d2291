"""The flights pipeline: data gate, transform, training, evaluation against the served model, push.

    pipeline.py [OUT]     compiles it to OUT (default: flights.yaml beside this file)

Everything but the trainer is a component of Headrace's own, run as `headrace component NAME`; the trainer is a
lightweight Python component, as anyone's would be.
"""

import json
import pathlib
import sys

from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

HERE = pathlib.Path(__file__).resolve().parent
QUERY = (HERE / "query.sql").read_text()
SCHEMA = (HERE / "schema.yaml").read_text()
TRANSFORM = json.loads((HERE / "transform.json").read_text())
THRESHOLDS = json.loads((HERE / "thresholds.json").read_text())


def headrace(component):
    """What runs a component of Headrace's: it reads the executor input that KFP gives it."""
    return dsl.ContainerSpec(
        image="headrace",
        command=["headrace", "component", component],
        args=["--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER],
    )


@dsl.container_component
def example_gen(base: str, query: str, spans: list, examples: Output[Dataset]):
    return headrace("ExampleGen")


@dsl.container_component
def statistics_gen(examples: Input[Dataset], statistics: Output[Artifact]):
    return headrace("StatisticsGen")


@dsl.container_component
def schema_gen(statistics: Input[Artifact], curated: str, schema: Output[Artifact]):
    return headrace("SchemaGen")


@dsl.container_component
def example_validator(
    statistics: Input[Artifact],
    schema: Input[Artifact],
    baseline_statistics: Input[Artifact],
    anomalies: Output[Artifact],
):
    return headrace("ExampleValidator")


@dsl.container_component
def transform(
    examples: Input[Dataset],
    schema: Input[Artifact],
    spec: dict,
    transform_graph: Output[Artifact],
    transformed_examples: Output[Dataset],
):
    return headrace("Transform")


@dsl.component(
    base_image="python:3.11",
    packages_to_install=[
        "lightgbm==4.7.0",
        "onnxmltools==1.16.0",
        "skl2onnx==1.20.0",
        "scikit-learn==1.9.1",
        "onnx==1.23.2",
        "numpy==2.4.6",
        "scipy==1.17.1",
        "packaging==26.3",
        "pyarrow==26.0.1",
    ],
)
def trainer(
    transformed_examples: Input[Dataset],
    label: str,
    trees: int,
    leaves: int,
    learning_rate: float,
    model: Output[Model],
    metrics: Output[dsl.Metrics],
):
    """Gradient-boosted trees on the transformed columns; the same input gives the same model, bit for bit."""
    import os

    import lightgbm
    import numpy
    import onnx
    import pyarrow.parquet
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    def load(split):
        table = pyarrow.parquet.read_table(os.path.join(transformed_examples.path, split))
        columns = [name for name in table.column_names if name != label]
        features = numpy.column_stack([table[name].to_numpy() for name in columns]).astype(numpy.float32)
        return columns, features, table[label].to_numpy()

    columns, features, late = load("train")
    parameters = {
        "objective": "binary",
        "num_leaves": leaves,
        "learning_rate": learning_rate,
        "seed": 2013,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(features, late, feature_name=columns), num_boost_round=trees)
    print(
        f"trained {trees} trees on {len(late)} flights, {100 * late.mean():.1f} % of them late, {len(columns)} columns"
    )

    # Of the converter's graph, the trees; of their two outputs, the probability of the class "late".
    converted = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, len(columns)]))])
    trees_node = next(node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier")
    late_class = onnx.numpy_helper.from_array(numpy.array([1], numpy.int64), "late_class")
    gather = onnx.helper.make_node("Gather", [trees_node.output[1], "late_class"], ["probability"], axis=1)
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [trees_node, gather],
        "flights",
        [tensor("features", onnx.TensorProto.FLOAT, [None, len(columns)])],
        [tensor("probability", onnx.TensorProto.FLOAT, [None, 1])],
        [late_class],
    )
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("ai.onnx.ml", 3)]
    onnx_model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="headrace-flights")
    onnx.checker.check_model(onnx_model)
    os.makedirs(model.path, exist_ok=True)
    onnx.save(onnx_model, os.path.join(model.path, "model.onnx"))
    model.metadata["framework"] = f"lightgbm {lightgbm.__version__}"

    _, features, late = load("eval")
    probability = numpy.clip(booster.predict(features), 1e-7, 1 - 1e-7)
    metrics.log_metric(
        "log_loss", float(-numpy.where(late == 1, numpy.log(probability), numpy.log1p(-probability)).mean())
    )
    metrics.log_metric("flights", len(late))


@dsl.container_component
def assemble(transform_graph: Input[Artifact], model: Input[Model], serving_model: Output[Model]):
    return headrace("Assemble")


@dsl.container_component
def evaluator(
    examples: Input[Dataset],
    serving_model: Input[Model],
    label: str,
    slices: list,
    thresholds: dict,
    baseline_model: str,
    evaluation: Output[Artifact],
    blessing: Output[Artifact],
    blessed: dsl.OutputPath(bool),
):
    return headrace("Evaluator")


@dsl.container_component
def pusher(serving_model: Input[Model], blessing: Input[Artifact], model_name: str, pushed_model: Output[Model]):
    return headrace("Pusher")


@dsl.pipeline(
    name="flights", description="Predicts whether a flight from New York will arrive more than 15 minutes late."
)
def flights(
    base: str,
    spans: list,
    new_spans: list,
    baseline_spans: list,
    model_name: str = "flights",
    baseline_model: str = "",
    trees: int = 200,
    leaves: int = 31,
    learning_rate: float = 0.1,
):
    """Trains on `spans` once `new_spans`, those of them that no run has checked yet, have passed the data gate.

    Args:
        base: The folder of the deliveries: flights/MONTH.parquet, weather, planes and airports.
        spans: The months to train on, as ["2013-01", …].
        new_spans: The months to check.
        baseline_spans: The months that they are held against for drift; for the first ones, themselves.
        model_name: What the model server calls the model.
        baseline_model: The base path of the model that is served now; empty or nothing in it: there is none.
    """
    arrived = example_gen(base=base, query=QUERY, spans=new_spans).set_display_name("new-examples")
    statistics = statistics_gen(examples=arrived.outputs["examples"])
    schema = schema_gen(statistics=statistics.outputs["statistics"], curated=SCHEMA)
    before = example_gen(base=base, query=QUERY, spans=baseline_spans).set_display_name("baseline-examples")
    baseline = statistics_gen(examples=before.outputs["examples"]).set_display_name("baseline-statistics")
    gate = example_validator(
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        baseline_statistics=baseline.outputs["statistics"],
    )

    examples = example_gen(base=base, query=QUERY, spans=spans).after(gate).set_display_name("examples")
    transformed = transform(examples=examples.outputs["examples"], schema=schema.outputs["schema"], spec=TRANSFORM)
    trained = trainer(
        transformed_examples=transformed.outputs["transformed_examples"],
        label="late",
        trees=trees,
        leaves=leaves,
        learning_rate=learning_rate,
    )
    serving = assemble(transform_graph=transformed.outputs["transform_graph"], model=trained.outputs["model"])
    evaluation = evaluator(
        examples=examples.outputs["examples"],
        serving_model=serving.outputs["serving_model"],
        label="late",
        slices=["carrier", "origin", "month"],
        thresholds=THRESHOLDS,
        baseline_model=baseline_model,
    )
    with dsl.If(evaluation.outputs["blessed"] == True, name="blessed"):  # noqa: E712 (an expression of KFP's)
        pusher(
            serving_model=serving.outputs["serving_model"],
            blessing=evaluation.outputs["blessing"],
            model_name=model_name,
        )


if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else str(HERE / "flights.yaml")
    compiler.Compiler().compile(flights, out)
    print(out)
