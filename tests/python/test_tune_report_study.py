# SPDX-License-Identifier: Apache-2.0
"""Reports of studies: what a study file holds comes out of it, and trials show in TensorBoard's HParams."""

import json
import re
import subprocess

import pytest

from conftest import JETCAL
from test_train import write_jet_ntuple

STUDY = """
name: bowl
parameters:
  x: {type: float, low: -1, high: 1}
  rate: {type: float, low: 1e-4, high: 1, log: true}
  kind: {type: categorical, choices: [a, b]}
  depth: {type: integer, low: 1, high: 3, when: {kind: [b]}}
objective: loss
algorithm: random
seed: 3
limits: {trials: 12}
run: {parallel: 3, retries: 0}
trial:
  command: |
    : ${rate} ${kind} ${depth}
    test ${trial} = 5 && { echo 'no such file' >&2; exit 3; }
    for epoch in 1 2 3; do echo "epoch=$epoch loss=$(awk -v x=${x} -v e=$epoch 'BEGIN{print x*x+0.1+1/e}') size=7"; done
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    config = folder / "study.yaml"
    config.write_text(STUDY + f"output: {folder / 'out'}\n")
    result = subprocess.run([JETCAL, "tune", "--config", config], capture_output=True, text=True, timeout=300)
    assert (folder / "out" / "study.db").exists(), result.stderr
    return folder / "out" / "study.db"


def test_the_numbers_of_a_study(jetcal, study):
    report = jetcal("tune", "report", "--from", study)
    assert (report["metric"], report["trials"], report["counted"]) == ("loss", 12, 11)
    assert report["states"] == {"complete": 11, "failed": 1}
    best = report["best_trials"][0]
    assert best["metrics"]["loss"] == pytest.approx(best["parameters"]["x"] ** 2 + 0.1 + 1 / 3, rel=1e-4)
    assert all(a["metrics"]["loss"] <= b["metrics"]["loss"] for a, b in zip(report["best_trials"], report["best_trials"][1:]))
    assert set(report["pearson"]) == {"x", "rate", "depth"}
    assert {row["value"] for row in report["categories"]["kind"]} == {"a", "b"}
    assert "depth" not in next(t for t in report["best_trials"] if t["parameters"]["kind"] == "a")["parameters"]


def test_the_page_of_a_study(jetcal, study, tmp_path):
    jetcal("tune", "report", "--from", study, "--output", tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text()
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL).group(1))
    trials = data["table"]["trials"]
    failed = [trial for trial in trials if trial["state"] == "failed"]
    assert [trial["name"] for trial in failed] == ["5"] and "3" in failed[0]["message"]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert all(len(trial["course"]) == 3 for trial in complete)
    assert all(trial["ended"] >= trial["started"] > 0 for trial in trials)
    spans = data["table"]["spans"]
    assert sorted(span["trial"] for span in spans) == list(range(12))
    assert all(span["end"] >= span["begin"] for span in spans)
    assert {span["outcome"] for span in spans} == {"complete", "failed"}
    rate = next(p for p in data["table"]["parameters"] if p["name"] == "rate")
    assert rate["log"] is True  # the study knows its space; a CSV cannot say so


def test_trials_show_in_tensorboards_hparams(tmp_path):
    """Every trial of jetcal train is a session of the tab HParams, with its values and its losses."""
    pytest.importorskip("tensorboard.plugins.hparams.metadata")
    from tensorboard import context
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
    write_jet_ntuple(tmp_path / "jets.root", 600, seed=1)
    ingest = subprocess.run([JETCAL, "ingest", tmp_path / "jets.root", "--output", tmp_path / "shards"], capture_output=True,
                            text=True, timeout=300)
    assert ingest.returncode == 0, ingest.stderr
    config = tmp_path / "study.yaml"
    config.write_text(f"""
parameters:
  lr: {{type: float, low: 1e-4, high: 1e-2, log: true}}
  optimizer: {{type: categorical, choices: [adam, ranger]}}
algorithm: random
limits: {{trials: 3}}
output: {tmp_path / 'out'}
trial: {{train: {{data: {{directory: {tmp_path / 'shards'}}}, model: {{preset: small-pfn}}, training: {{epochs: 1, batch_size: 100}}}}}}
""")
    tuned = subprocess.run([JETCAL, "tune", "--config", config, "--json"], capture_output=True, text=True, timeout=600)
    assert tuned.returncode == 0, tuned.stderr
    report = json.loads(subprocess.run([JETCAL, "tune", "report", "--from", tmp_path / "out" / "study.db", "--json"],
                                       capture_output=True, text=True, timeout=60).stdout)
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(tmp_path / "out"))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(tmp_path))
    ctx = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(tmp_path)))
    request = context.RequestContext()
    experiment = get_experiment.Handler(request, backend_context=ctx, experiment_id="",
                                        request=api_pb2.GetExperimentRequest()).run()
    assert {"training.lr", "training.optimizer"} <= {info.name for info in experiment.hparam_infos}
    groups = list_session_groups.Handler(request, ctx, "", api_pb2.ListSessionGroupsRequest(
        col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
        allowed_statuses=[api_pb2.STATUS_SUCCESS], start_index=0, slice_size=10)).run().session_groups
    seen = sorted((round(group.hparams["training.lr"].number_value, 12), group.hparams["training.optimizer"].string_value)
                  for group in groups)
    expected = sorted((round(trial["parameters"]["lr"], 12), trial["parameters"]["optimizer"]) for trial in report["best_trials"])
    assert len(seen) == 3 and seen == expected
