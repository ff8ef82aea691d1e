# SPDX-License-Identifier: Apache-2.0
"""Configurations beyond the paper from outside: resolution from training to predictions, ONNX and servers, tools."""

import json
import os
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import uproot

from conftest import JETCAL, ROOT
from served import Served

SMALL = ["--preset", "small-pfn", "--epochs", "2", "--batch-size", "200", "--optimizer", "adam", "--lr", "0.004"]
BEYOND = ["--mode", "constituents", "--features", "extended", "--head", "quantiles", "--norm", "batch", "--closure"]


@pytest.fixture(scope="module")
def shards(jetcal, sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("beyond") / "shards"
    jetcal("ingest", sample, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def trained(jetcal, shards):
    output = shards.parent / "run"
    return jetcal("train", "--data", shards, "--output", output, *SMALL, *BEYOND, "--target", "raw", "--flavor-weight", "0.02")


def test_the_resolution_covers_what_it_says(trained):
    coverage = trained["performance"]["coverage"]
    assert abs(coverage["all"]["coverage"] - coverage["wanted"]) < 4 * coverage["all"]["error"] * np.sqrt(2)
    for entry in coverage["by_pt_corr"]:
        if entry["jets"] >= 300:  # calibrated on as many
            assert abs(entry["coverage"] - coverage["wanted"]) < 4.5 * entry["error"] * np.sqrt(2), entry
        assert 0.01 < entry["median_resolution"] < 0.6


def test_the_closure_is_reported_with_the_spectrum_reweighted(trained):
    closure = trained["performance"]["closure"]
    assert closure["largest_change_percent"] < 5
    assert {entry["region"] for entry in closure["bins"]} == {"barrel", "endcap"}
    for entry in closure["bins"]:
        assert abs(entry["response"] - 1) < 0.2


def test_predict_writes_correction_and_resolution(jetcal, sample, trained, tmp_path):
    output = tmp_path / "out.root"
    report = jetcal("predict", "--model", trained["model"], "--input", sample, "--output", output)
    assert report["model"]["target"] == "raw" and report["resolution_branch"] == "jetPtCorrResolution"
    assert [path.name for path in tmp_path.iterdir()] == ["out.root"]
    with uproot.open(output) as file:
        tree = file["AK4jets/jetTree"].arrays(["jetPtCorr", "jetPtCorrResolution", "jetPt", "jetRawPt"], library="np")
    ratio = tree["jetPtCorr"] / tree["jetPt"]
    assert 0.8 < np.median(ratio) < 1.2
    assert np.all(tree["jetPtCorrResolution"] > 0) and np.median(tree["jetPtCorrResolution"]) < 0.5


def test_a_network_without_resolution_writes_one_branch(jetcal, shards, sample, tmp_path):
    run = jetcal("train", "--data", shards, "--output", tmp_path / "run", *SMALL)
    assert "coverage" not in run["performance"]
    report = jetcal("predict", "--model", run["model"], "--input", sample, "--output", tmp_path / "out.root")
    assert report["resolution_branch"] is None
    with uproot.open(tmp_path / "out.root") as file:
        assert "jetPtCorrResolution" not in file["AK4jets/jetTree"].keys()


def test_servers_and_onnx_give_both_outputs(jetcal, sample, trained, tmp_path):
    jetcal("export", trained["model"], "--repository", tmp_path / "repository", "--verify")
    session = onnxruntime.InferenceSession(str(tmp_path / "repository" / "optimal" / "1" / "model.onnx"))
    assert [output.name for output in session.get_outputs()] == ["output", "resolution"]
    jetcal("predict", "--model", trained["model"], "--input", sample, "--output", tmp_path / "own.root")
    with Served(tmp_path / "repository") as server:
        jetcal("predict", "--url", f"http://{server.url}", "--input", sample, "--output", tmp_path / "served.root")
    with uproot.open(tmp_path / "own.root") as own, uproot.open(tmp_path / "served.root") as served:
        for name in ("jetPtCorr", "jetPtCorrResolution"):
            mine, theirs = (file["AK4jets/jetTree"][name].array(library="np") for file in (own, served))
            assert np.allclose(mine, theirs, rtol=1e-5)


def test_a_finished_run_is_read_again_with_its_tables(jetcal, shards, trained):
    again = jetcal("train", "--data", shards, "--output", shards.parent / "run", *SMALL, *BEYOND, "--target", "raw",
                   "--flavor-weight", "0.02")
    assert again["was_finished"] and again["fingerprint"] == trained["fingerprint"]
    assert again["performance"] == trained["performance"]


@pytest.mark.parametrize("flags, named", [
    (["--head", "median"], "head: expected one of value, quantiles"),
    (["--pooling", "max"], "pooling: expected one of standard"),
    (["--norm", "layer"], "norm: expected one of none, batch"),
    (["--features", "all"], "features: expected published or extended"),
    (["--target", "gen"], "target: expected jec or raw"),
    (["--skip"], "model.skip"),
    (["--flavor-weight", "-1"], "training.flavor_weight must not be negative"),
])
def test_mistakes_are_named(jetcal, shards, tmp_path, flags, named):
    status, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run", *SMALL, *flags)
    assert status != 0 and named in message


@pytest.mark.parametrize("flags, standardise, closure", [
    ([], True, False),
    (["--no-standardise", "--closure"], False, True),
    (["--no-closure"], True, False),
])
def test_a_flag_that_is_not_given_overrides_nothing(jetcal, shards, tmp_path, flags, standardise, closure):
    run = jetcal("train", "--data", shards, "--output", tmp_path / "run", *SMALL, *flags)
    assert run["configuration"]["model"]["standardise"] is standardise  # small-pfn standardises
    assert run["configuration"]["training"].get("closure", False) is closure


def test_every_configuration_is_read(jetcal, tmp_path):
    for config in sorted((ROOT / "configs" / "beyond").glob("*.yaml")):
        status, message = jetcal.fails("train", "--config", config, "--data", tmp_path / "none", "--output", tmp_path / "run")
        assert "manifest" in message or "none" in message, (config, message)


def tool(name, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "tools" / name), *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "JETCAL": JETCAL}, timeout=600)


def test_configurations_are_compared_in_one_table(shards, tmp_path):
    configs = tmp_path / "configs"
    configs.mkdir()
    for name, fields in {"pfn-paper": "", "pfn-quantiles": "  head: quantiles\n"}.items():
        (configs / f"{name}.yaml").write_text("model:\n  preset: small-pfn\n" + fields + "training:\n  lr: 0.004\n")
    arguments = ["--data", shards, "--output", tmp_path / "out", "--configs", configs, "--seeds", 2,
                 "--train", "--epochs 1 --batch-size 500"]
    first = tool("compare_configurations.py", *arguments)
    assert first.returncode == 0, first.stderr
    results = json.loads((tmp_path / "out" / "table.json").read_text())
    assert len(results) == 4 and {result["seed"] for result in results} == {1, 2}
    assert all(result["coverage"] is None for result in results if result["configuration"] == "pfn-paper")
    assert "pfn-quantiles" in first.stdout and "±" in first.stdout
    models = sorted((tmp_path / "out").glob("*/seed-*/report/report.json"))
    before = [path.stat().st_mtime_ns for path in models]
    second = tool("compare_configurations.py", *arguments)
    assert second.stdout == first.stdout and [path.stat().st_mtime_ns for path in models] == before
    assert tool("compare_configurations.py", *arguments, "--only", "nothing").returncode != 0


def test_random_trials_tell_dead_ones(shards, tmp_path):
    result = tool("random_trials.py", "--data", shards, "--output", tmp_path / "trials", "--trials", 2, "--networks", "pfn",
                  "--epochs", 1, "--model", "standardise: true, norm: batch")
    assert result.returncode == 0, result.stdout + result.stderr
    trials = json.loads((tmp_path / "trials" / "trials.json").read_text())
    assert len(trials) == 2 and all(trial["deviation"] > 1e-3 for trial in trials)
