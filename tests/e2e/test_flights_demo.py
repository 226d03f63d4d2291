"""The flights example from end to end, as `./dev demo` shows it: each act looked at on its own."""

import json
import os
import subprocess

import pytest
from conftest import REPOSITORY
from local_server import binary


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What one run of the demo saw (its report), printed (text) and ended with (exit_code)."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [
            REPOSITORY / "examples/flights/demo",
            "--ci",
            "--data-dir",
            folder / "data",
            "--report",
            folder / "report.json",
        ],
        env=os.environ | {"HEADRACE_BINARY": str(binary())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    print(done.stdout)
    assert (folder / "report.json").exists(), done.stdout
    report = json.loads((folder / "report.json").read_text())
    return {"report": report, "text": done.stdout, "exit_code": done.returncode}


def test_the_demo_behaves(demo):
    assert demo["exit_code"] == 0, demo["text"][-3000:]


def test_act_1_serves_what_batch_evaluation_predicted(demo):
    act = demo["report"]["act1"]
    assert act["served_bits"] == act["batch_bits"]
    assert act["versions"] == [1]


def test_act_1_again_comes_from_the_cache(demo):
    again = demo["report"]["act1"]["again"]
    condition = again.pop("blessed")
    assert condition == "SUCCEEDED"
    assert len(again) == 12 and set(again.values()) == {"CACHED"}


def test_act_2_names_every_fault_and_pushes_nothing(demo):
    act = demo["report"]["act2"]
    found = {(anomaly["column"], anomaly["type"]) for anomaly in act["anomalies"]}
    assert found == {
        ("sched_arr_time", "SCHEMA_MISSING_COLUMN"),
        ("sched_arr_hhmm", "SCHEMA_NEW_COLUMN"),
        ("arr_delay", "UNEXPECTED_DATA_TYPE"),
        ("arr_delay", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"),
        ("distance", "INT_TYPE_SMALL_INT"),
        ("distance", "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"),
        ("carrier", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"),
    }
    carrier = next(anomaly for anomaly in act["anomalies"] if anomaly["column"] == "carrier")
    assert carrier["values"][0]["value"] == "ZZ"
    assert act["tasks"]["example-validator"] == "FAILED"
    assert not {"trainer", "transform", "pusher"} & {
        name for name, state in act["tasks"].items() if state == "SUCCEEDED"
    }
    assert act["versions"] == [1]


def test_act_3_swaps_under_load_without_a_failed_request(demo):
    act = demo["report"]["act3"]
    assert act["versions"] == [1, 2]
    assert act["failed"] == 0
    assert act["sent"] == act["answers"]["1"] + act["answers"]["2"]
    assert min(act["answers"].values()) > 0


def test_the_lineage_leads_to_the_source_files(demo):
    lineage = demo["report"]["lineage"]
    for name in ["2013-01.parquet", "2013-04.parquet", "weather.parquet", "planes.parquet", "airports.parquet"]:
        assert name in lineage
    assert "Trainer" in lineage or "trainer" in lineage
