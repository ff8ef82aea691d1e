# SPDX-License-Identifier: Apache-2.0
"""The default pipeline on the committed sample: from nothing to a served model and a report, again, and with one value changed."""

import json
import pathlib
import subprocess
import time
import urllib.request

import onnx
import pytest

from conftest import JETCAL, ROOT

QUICK = ["--set", "trials=2", "--set", "epochs=1", "--set", "bootstrap=2"]


@pytest.fixture(scope="module")
def first(jetcal, sample, tmp_path_factory):
    root = tmp_path_factory.mktemp("pipeline") / "runs"
    return root, jetcal("pipeline", "run", "--directory", root, *QUICK, cwd=ROOT)


def steps(result):
    return {step["step"]: step for step in result["steps"]}


def test_one_command_leads_from_root_files_to_a_served_model_and_a_report(first):
    root, result = first
    made = steps(result)
    assert result["state"] == "finished" and result["run"].startswith("pfn-")
    assert [step["state"] for step in result["steps"]] == ["finished"] * 5
    assert made["ingest"]["outputs"]["jets_selected"] == 20001 and made["export"]["outputs"]["max_difference"] < 1e-4
    report = pathlib.Path(made["analyze"]["paths"]["report"])
    assert (report / "index.html").stat().st_size > 10000 and json.loads((report / "report.json").read_text())
    assert (pathlib.Path(made["export"]["paths"]["repository"]) / "optimal" / "1" / "model.onnx").exists()
    assert (root / "runs" / result["run"] / "artifacts" / "analyze" / "report" / "index.html").exists()


def test_a_second_run_takes_seconds_and_changes_nothing(jetcal, first):
    root, result = first
    start = time.monotonic()
    again = jetcal("pipeline", "run", "--directory", root, *QUICK, cwd=ROOT)
    assert again["cached"] == 5 and time.monotonic() - start < 20
    assert {name: step["outputs"] for name, step in steps(again).items()} == {
        name: step["outputs"] for name, step in steps(result).items()}


def test_one_hyperparameter_reruns_exactly_what_needs_it(jetcal, first):
    root, _ = first
    plan = steps(jetcal("pipeline", "run", "--directory", root, *QUICK, "--set", "standardise=false", "--dry-run", cwd=ROOT))
    assert {name: step["state"] for name, step in plan.items()} == {
        "ingest": "cached", "tune": "would-run", "export": "unknown", "serve": "unknown", "analyze": "unknown"}
    assert plan["tune"]["why"] == ["the parameter standardise is false, was true"]
    result = steps(jetcal("pipeline", "run", "--directory", root, *QUICK[:4], "--set", "bootstrap=3", cwd=ROOT))
    assert {name: step["state"] for name, step in result.items()} == {
        "ingest": "cached", "tune": "cached", "export": "cached", "serve": "cached", "analyze": "finished"}


def test_forced_steps_give_the_same_bytes(jetcal, first):
    root, result = first
    again = jetcal("pipeline", "run", "--directory", root, *QUICK, "--force", "export", "--force", "serve", "--force", "analyze", cwd=ROOT)
    assert [step["state"] for step in again["steps"]] == ["cached", "cached", "finished", "finished", "finished"]
    assert {name: step["outputs"] for name, step in steps(again).items()} == {
        name: step["outputs"] for name, step in steps(result).items()}


def test_lineage_of_a_copied_onnx_file_ends_at_the_sample(jetcal, first, tmp_path, sample):
    root, result = first
    copy = tmp_path / "anything.onnx"
    copy.write_bytes((pathlib.Path(steps(result)["export"]["paths"]["repository"]) / "optimal" / "1" / "model.onnx").read_bytes())
    line = jetcal("pipeline", "lineage", copy, "--directory", root)
    assert [step["step"] for step in line["steps"]] == ["export", "tune", "ingest"]
    assert [file["path"] for file in line["data"]] == [str(sample)] and line["commits"]


def test_a_changed_model_still_names_the_step_that_trained_it(jetcal, first, tmp_path, sample):
    root, result = first
    repository = pathlib.Path(steps(result)["export"]["paths"]["repository"])
    model = onnx.load(repository / "optimal" / "1" / "model.onnx")
    model.doc_string = "passed on"
    onnx.save(model, tmp_path / "other.onnx")
    exported = tmp_path / "repository"
    jetcal("export", "--model", steps(result)["tune"]["paths"]["model"], "--repository", exported, "--name", "renamed")
    (exported / "renamed" / "note").write_text("so that nobody made this folder")
    for what in (tmp_path / "other.onnx", exported):
        line = jetcal("pipeline", "lineage", what, "--directory", root)
        assert [step["step"] for step in line["steps"]] == ["tune", "ingest"] and line["named_by"] == "the metadata of the model"
        assert line["steps"][0]["key"] == steps(result)["tune"]["key"]
        assert [file["path"] for file in line["data"]] == [str(sample)] and line["commits"]
    stranger = onnx.load(tmp_path / "other.onnx")
    del stranger.metadata_props[:]
    onnx.save(stranger, tmp_path / "stranger.onnx")
    status, message = jetcal.fails("pipeline", "lineage", tmp_path / "stranger.onnx", "--directory", root)
    assert status == 3 and "no step in" in message


def test_serve_answers_after_the_run(first):
    root, _ = first
    process = subprocess.Popen([JETCAL, "pipeline", "run", "--directory", root, *QUICK, "--serve", "--serve-port", "18431"], cwd=ROOT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen("http://127.0.0.1:18431/v2/models/optimal") as reply:
                    assert json.load(reply)["name"] == "optimal"
                    break
            except OSError:
                assert process.poll() is None
                time.sleep(0.1)
        else:
            pytest.fail("nothing answered")
    finally:
        process.terminate()
        process.wait(timeout=30)
