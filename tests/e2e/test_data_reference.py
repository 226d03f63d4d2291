"""The data room's numbers against the libraries that everyone trusts: NumPy's and scikit-learn's."""

import json
import subprocess

import numpy
import onnx
import pyarrow
import pyarrow.parquet
import pytest
from onnx import TensorProto, helper
from sklearn import metrics

ROWS = 20_000


def run_component(headrace, folder, name, parameters, inputs, outputs):
    """Runs one component on artifacts that are folders of `folder`; returns its executor output."""
    artifact = lambda key: {"artifacts": [{"name": key, "uri": str(folder / key), "metadata": {}}]}  # noqa: E731
    executor_input = {
        "inputs": {"parameterValues": parameters, "artifacts": {key: artifact(key) for key in inputs}},
        "outputs": {
            "artifacts": {key: artifact(key) for key in outputs},
            "outputFile": str(folder / "executor_output.json"),
        },
    }
    command = [headrace, "component", name, "--executor_input", json.dumps(executor_input)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "executor_output.json").read_text())


def write_split(folder, split, columns):
    """In two files, to see that their rows are put together."""
    path = folder / "examples" / split
    path.mkdir(parents=True)
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table.slice(0, table.num_rows // 3), path / "a.parquet", row_group_size=2000)
    pyarrow.parquet.write_table(table.slice(table.num_rows // 3), path / "b.parquet")


@pytest.fixture(scope="module")
def numbers():
    random = numpy.random.default_rng(2013)
    return {
        "normal": random.normal(3, 1e-3, ROWS),
        "heavy": random.standard_cauchy(ROWS),
        "float32": random.exponential(2, ROWS).astype(numpy.float32),
        "integer": random.integers(-50, 2000, ROWS),
        "large": random.integers(2**40, 2**41, ROWS),
        "constant": numpy.full(ROWS, 7.25),
        "flag": random.integers(0, 2, ROWS),
    }


@pytest.fixture(scope="module")
def statistics(headrace, numbers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    write_split(folder, "train", numbers)
    run_component(headrace, folder, "StatisticsGen", {}, ["examples"], ["statistics"])
    dataset = json.loads((folder / "statistics" / "statistics.json").read_text())["datasets"][0]
    assert dataset["num_examples"] == ROWS
    return {feature["name"]: feature["num_stats"] for feature in dataset["features"]}


@pytest.mark.parametrize("name", ["normal", "heavy", "float32", "integer", "large", "constant", "flag"])
def test_numeric_statistics_are_numpys(statistics, numbers, name):
    found, values = statistics[name], numbers[name].astype(numpy.float64)
    assert found["common_stats"]["num_non_missing"] == ROWS
    assert found["min"] == values.min()
    assert found["max"] == values.max()
    assert found["num_zeros"] == (values == 0).sum()
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-13)
    assert found["std_dev"] == pytest.approx(values.std(), rel=1e-9, abs=1e-12)
    assert found["median"] == numpy.median(values)
    standard, quantiles = (histogram["buckets"] for histogram in found["histograms"])
    bounds = [bucket["low_value"] for bucket in quantiles] + [quantiles[-1]["high_value"]]
    assert bounds == numpy.quantile(values, [i / 10 for i in range(11)]).tolist()
    assert [bucket["sample_count"] for bucket in quantiles] == [ROWS / 10] * 10
    if name != "constant":
        counts, _ = numpy.histogram(values, bins=10)
        assert [bucket["sample_count"] for bucket in standard] == counts.tolist()


def test_missing_values_and_texts(headrace, tmp_path):
    texts = ["é", "b", None, "b", "", "long text"] * 100
    numbers = pyarrow.array([1.5, None, float("nan"), float("inf"), -float("inf"), 0.0] * 100)
    write_split(tmp_path, "train", {"text": texts, "number": numbers})
    run_component(headrace, tmp_path, "StatisticsGen", {}, ["examples"], ["statistics"])
    dataset = json.loads((tmp_path / "statistics" / "statistics.json").read_text())["datasets"][0]
    text, number = dataset["features"]
    assert text["type"] == "STRING"
    assert text["string_stats"]["common_stats"]["num_missing"] == 100
    assert text["string_stats"]["unique"] == 4
    assert text["string_stats"]["avg_length"] == numpy.mean([len(t.encode()) for t in texts if t is not None])
    assert text["string_stats"]["top_values"][0] == {"value": "b", "frequency": 200.0}
    stats = number["num_stats"]
    assert stats["common_stats"] == {
        "num_non_missing": 500,
        "num_missing": 100,
        "min_num_values": 1,
        "max_num_values": 1,
        "avg_num_values": 1.0,
        "tot_num_values": 500,
    }
    assert stats["histograms"][0]["num_nan"] == 100
    assert {"name": "num_inf", "num": 200.0} in number["custom_stats"]
    assert (stats["mean"], stats["min"], stats["max"]) == (0.75, 0.0, 1.5)


def write_logistic_model(folder, weight, bias):
    """sigmoid(weight · x + bias) of a column x."""
    nodes = [
        helper.make_node("Mul", ["x", "weight"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None])  # noqa: E731
    constant = lambda name, number: helper.make_tensor(name, TensorProto.FLOAT, [], [number])  # noqa: E731
    graph = helper.make_graph(
        nodes, "logistic", [value("x")], [value("probability")], [constant("weight", weight), constant("bias", bias)]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")


def reference_metrics(label, prediction):
    likely = numpy.clip(prediction, numpy.finfo(numpy.float32).eps, 1 - numpy.finfo(numpy.float32).eps)
    return {
        "auc": metrics.roc_auc_score(label, prediction),
        "auprc": metrics.average_precision_score(label, prediction),
        "log_loss": metrics.log_loss(label, likely),
        "brier": metrics.brier_score_loss(label, prediction),
        "accuracy": metrics.accuracy_score(label, prediction > 0.5),
        "precision": metrics.precision_score(label, prediction > 0.5),
        "recall": metrics.recall_score(label, prediction > 0.5),
        "f1": metrics.f1_score(label, prediction > 0.5),
        "calibration": prediction.mean() / label.mean(),
        "mean_prediction": prediction.mean(),
        "mean_label": label.mean(),
    }


def test_evaluation_is_scikit_learns(headrace, tmp_path):
    random = numpy.random.default_rng(7)
    x = random.normal(0, 2, ROWS).round(1)  # rounded, so that predictions tie
    label = (random.random(ROWS) < 1 / (1 + numpy.exp(-x))).astype(numpy.int64)
    group = random.choice(["a", "b", "c"], ROWS, p=[0.9, 0.09, 0.01])
    write_split(tmp_path, "eval", {"x": x, "label": label, "group": group})
    write_logistic_model(tmp_path / "serving_model", 0.8, 0.1)
    write_logistic_model(tmp_path / "served" / "3", 1.0, 0.0)
    parameters = {
        "label": "label",
        "slices": ["group"],
        "thresholds": {"auc": {"lower": 0.5}},
        "baseline_model": str(tmp_path / "served"),
    }
    output = run_component(
        headrace, tmp_path, "Evaluator", parameters, ["examples", "serving_model"], ["evaluation", "blessing"]
    )
    assert output["parameterValues"]["blessed"] is True
    report = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    table = pyarrow.parquet.read_table(tmp_path / "evaluation" / "predictions.parquet")
    assert table["label"].to_numpy().tolist() == label.tolist()
    prediction = table["prediction"].to_numpy().astype(numpy.float64)
    baseline = table["baseline_prediction"].to_numpy().astype(numpy.float64)
    numpy.testing.assert_allclose(prediction, 1 / (1 + numpy.exp(-(0.8 * x + 0.1))), rtol=1e-5)

    slices = {part["value"]: part["metrics"] for part in report["slices"]}
    assert sorted(slices) == ["a", "b", "c"]
    for rows, found in [(slice(None), report["overall"]), *((group == value, slices[value]) for value in slices)]:
        expected = reference_metrics(label[rows], prediction[rows])
        before = reference_metrics(label[rows], baseline[rows])
        assert found["count"] == len(label[rows])
        for name, value in expected.items():
            assert found[name]["value"] == pytest.approx(value, rel=1e-9), name
            assert found[name]["baseline"] == pytest.approx(before[name], rel=1e-9), name
            assert found[name]["change"] == pytest.approx(value - before[name], rel=1e-6, abs=1e-12), name


def test_transform_is_numpys(headrace, tmp_path):
    """z_score, min_max and bucketize in float32, as the graph computes, from constants in float64."""
    random = numpy.random.default_rng(3)
    x = random.gamma(2, 100, ROWS)
    write_split(tmp_path, "train", {"x": x})
    spec = {
        "features": {
            "z": {"column": "x", "steps": ["z_score"]},
            "unit": {"column": "x", "steps": ["min_max"]},
            "bucket": {"column": "x", "steps": [{"bucketize": {"buckets": 5}}]},
        }
    }
    outputs = ["transform_graph", "transformed_examples"]
    run_component(headrace, tmp_path, "Transform", {"spec": spec}, ["examples"], outputs)
    table = pyarrow.parquet.read_table(tmp_path / "transformed_examples" / "train")
    x32 = x.astype(numpy.float32)
    x64 = x32.astype(numpy.float64)
    z = (x32 - numpy.float32(x64.mean())) / numpy.float32(x64.std())
    assert table["z"].to_numpy().tobytes() == z.tobytes()
    unit = (x32 - x32.min()) / numpy.float32(x64.max() - x64.min())
    assert table["unit"].to_numpy().tobytes() == unit.tobytes()
    borders = numpy.quantile(x64, [0.2, 0.4, 0.6, 0.8]).astype(numpy.float32)
    assert table["bucket"].to_numpy().tolist() == numpy.searchsorted(borders, x32, side="right").tolist()
