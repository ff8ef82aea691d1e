# SPDX-License-Identifier: Apache-2.0
"""jetcal train from outside: contract, kill and resume, TensorBoard, Katib's metrics, bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot

from conftest import JETCAL

# A run that lasts long enough to be killed in its middle: about 60 steps an epoch.
FLAGS = ["--preset", "small-pfn", "--mode", "constituents", "--epochs", "6", "--batch-size", "20", "--lr", "0.005",
         "--optimizer", "adam", "--checkpoint-steps", "7", "--threads", "1"]


def flags_with(flag, value):
    changed = list(FLAGS)
    changed[changed.index(flag) + 1] = value
    return changed


def write_jet_ntuple(path, jets, seed):
    """A JetNTuple whose response follows from the number of particles."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(3, 13, jets)
    pt = 40 * np.exp(2 * rng.random(jets))
    y = 0.04 * (counts - 7) + 0.02 * rng.normal(size=jets)
    y[:3] = 1.5  # outside of the loss

    def real(values):
        return np.asarray(values, np.float32)

    def whole(value):
        return np.full(jets, value, np.int32)

    def ragged(values, dtype):
        return ak.values_astype(ak.unflatten(values, counts), dtype)

    total = counts.sum()
    columns = {
        "jetPt": real(pt), "jetEta": real(rng.uniform(-2, 2, jets)), "jetPhi": real(rng.uniform(-3, 3, jets)),
        "jetMass": real(rng.uniform(5, 15, jets)), "jetArea": real(rng.normal(0.5, 0.02, jets)), "jetRawPt": real(pt),
        "QG_ptD": real(rng.uniform(0.2, 0.8, jets)), "QG_axis2": real(rng.uniform(0, 0.1, jets)),
        "QG_mult": counts.astype(np.int32), "genJetPt": real(pt * np.exp(y)), "genJetEta": real(np.zeros(jets)),
        "hadronFlav": whole(0), "partonFlav": whole(21), "rhoAll": real(np.full(jets, 20)), "PV_npvsGood": whole(20),
        "Pileup_nTrueInt": real(np.full(jets, 23)), "event": np.arange(jets, dtype=np.uint64),
        "eventWeight": real(np.ones(jets)), "jetGenMatch": whole(1),
    }
    particles = {
        "PF_pT": ragged(rng.exponential(5, total) + 0.1, np.float32),
        "PF_dEta": ragged(0.2 * rng.normal(size=total), np.float32),
        "PF_dPhi": ragged(0.2 * rng.normal(size=total), np.float32), "PF_mass": ragged(np.zeros(total), np.float32),
        "PF_id": ragged(np.full(total, 211), np.int32), "PF_fromPV": ragged(np.full(total, 3), np.int32),
        "PF_fromAK4Jet": ragged(np.ones(total), np.int32),
    }
    with uproot.recreate(path) as file:
        types = {name: values.dtype for name, values in columns.items()}
        types |= {name: values.type for name, values in particles.items()}
        tree = file.mktree("AK4jets/jetTree", types)
        tree.extend({**columns, **particles})


@pytest.fixture(scope="module")
def shards(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    write_jet_ntuple(folder / "jets.root", 2000, seed=1)
    jetcal("ingest", folder / "jets.root", "--output", folder / "shards")
    return folder / "shards"


@pytest.fixture(scope="module")
def whole(jetcal, shards, tmp_path_factory):
    """An uninterrupted run: its folder and its JSON."""
    output = tmp_path_factory.mktemp("whole") / "run"
    return output, jetcal("train", "--data", shards, "--output", output, *FLAGS)


def start(shards, output):
    command = [JETCAL, "train", "--data", shards, "--output", output, *FLAGS, "--json"]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process):
    """Waits until the condition holds or the process ends; says whether the process still runs."""
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process.poll() is None


def lines_in(path):
    return path.read_text().count("\n") if path.exists() else 0


def same_numbers(a, b):
    """All of a result but times and speeds."""
    def strip(value):
        if isinstance(value, dict):
            ignored = ("jets_per_second", "seconds", "data_seconds", "data_cpu_seconds", "data_percent",
                       "was_finished", "resumed_step", "model")
            return {key: strip(item) for key, item in value.items() if key not in ignored}
        return [strip(item) for item in value] if isinstance(value, list) else value
    return strip(a) == strip(b)


def curves(output):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = event_accumulator.EventAccumulator(str(output / "tensorboard"))
    accumulator.Reload()
    return {tag: [(point.step, point.value) for point in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]}


def test_paths_of_flags_are_text_whatever_they_look_like(jetcal, shards, tmp_path):
    output, metrics = tmp_path / "run: best #1", tmp_path / "metrics #1.txt"
    jetcal("train", "--data", shards, "--output", output, "--metrics-file", metrics, *flags_with("--epochs", "1"))
    assert (output / "model.jetcal").exists() and metrics.exists()


def test_prints_the_contract(whole, shards):
    output, result = whole
    assert len(result["epochs"]) == 6
    for epoch in result["epochs"]:
        assert epoch["train_loss"] > 0 and epoch["validation_loss"] > 0
    assert result["test_loss"] < result["baselines"]["best_constant"] < result["baselines"]["no_correction"]
    assert sum(result["rejected_jets"].values()) == 3
    assert result["parameters"] > 0 and result["jets_per_second"] > 0
    gain = 100 * (1 - result["test_loss"] / result["baselines"]["best_constant"])
    assert result["gain_percent"]["over_best_constant"] == pytest.approx(gain)
    assert (output / "model.jetcal").exists()
    assert not list(output.rglob("*.part"))

    # The baselines, once more from the shards.
    def targets(split):
        with pa.memory_map(str(next(shards.glob(f"{split}-*.arrow")))) as source:
            table = pa.ipc.open_file(source).read_all()
        return np.log(table["pt_gen"].to_numpy() / table["pt_reco"].to_numpy())
    train, test = targets("train"), targets("test")
    constant = np.median(train[np.abs(train) < 1])
    inside = np.abs(test) < 1
    assert result["jets"] == {"train": len(train), "validation": result["jets"]["validation"], "test": len(test)}
    assert result["baselines"]["constant"] == pytest.approx(constant, abs=1e-6)
    assert result["baselines"]["no_correction"] == pytest.approx(np.abs(test[inside]).sum() / len(test), rel=1e-5)
    assert result["baselines"]["best_constant"] == pytest.approx(
        np.abs(test[inside] - constant).sum() / len(test), rel=1e-5)


def test_kill_9_anywhere_changes_nothing(jetcal, whole, shards, tmp_path):
    expected_output, expected = whole
    output = tmp_path / "run"
    kills = 0
    # Before the first checkpoint, in the first, third and fifth epoch.
    moments = [lambda: (output / "checkpoint").exists(), lambda: (output / "checkpoint" / "state").exists(),
               lambda: lines_in(output / "metrics.txt") >= 2, lambda: lines_in(output / "metrics.txt") >= 4]
    for moment in moments:
        process = start(shards, output)
        if wait_for(moment, process):
            process.kill()
            kills += 1
        process.communicate()
    assert kills >= 2
    resumed = jetcal("train", "--data", shards, "--output", output, *FLAGS)
    assert resumed["resumed_step"] > 0
    assert resumed["test_loss"] == expected["test_loss"]
    assert same_numbers(resumed, expected)
    assert lines_in(output / "metrics.txt") == 7
    assert [step for step, _ in curves(output)["train/loss"]] == [1, 2, 3, 4, 5, 6]
    # The model's provenance holds no time and no folder of its own: the file is the same, byte for byte.
    assert (output / "model.jetcal").read_bytes() == (expected_output / "model.jetcal").read_bytes()


def test_sigterm_saves_and_ends_with_130(jetcal, whole, shards, tmp_path):
    output = tmp_path / "run"
    process = start(shards, output)
    running = wait_for(lambda: lines_in(output / "metrics.txt") >= 2, process)
    assert running, process.communicate()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "the same command goes on" in err
    step = int(re.search(r"after (\d+) steps", err).group(1))
    resumed = jetcal("train", "--data", shards, "--output", output, *FLAGS)
    assert resumed["resumed_step"] == step
    assert same_numbers(resumed, whole[1])


def test_a_finished_run_prints_its_result_again(jetcal, whole, shards):
    output, result = whole
    model = (output / "model.jetcal").read_bytes()
    again = jetcal("train", "--data", shards, "--output", output, *FLAGS)
    assert again["was_finished"]
    assert same_numbers(again, result)
    assert lines_in(output / "metrics.txt") == 7
    assert (output / "model.jetcal").read_bytes() == model
    table = jetcal.raw("train", "--data", shards, "--output", output, *FLAGS)
    assert "best constant" in table.stdout and f"test_loss={result['test_loss']:.9g}" in table.stdout


def test_tensorboard_reads_the_curves(whole):
    output, result = whole
    found = curves(output)
    for tag, field in [("train/loss", "train_loss"), ("validation/loss", "validation_loss"),
                       ("learning_rate", "learning_rate"), ("jets_per_second", "jets_per_second")]:
        assert [step for step, _ in found[tag]] == [1, 2, 3, 4, 5, 6]
        assert [value for _, value in found[tag]] == pytest.approx([epoch[field] for epoch in result["epochs"]])
    assert found["test_loss"] == [(6, pytest.approx(result["test_loss"]))]


def test_katib_reads_the_metrics(whole):
    output, result = whole
    katib = re.compile(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)")  # its default filter
    lines = (output / "metrics.txt").read_text().splitlines()
    found = [{name: float(value) for name, value, *_ in katib.findall(line)} for line in lines]
    assert [line["validation_loss"] for line in found[:-1]] == [e["validation_loss"] for e in result["epochs"]]
    assert found[-1]["test_loss"] == result["test_loss"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adagrad", "rmsprop", "ranger"])
def test_a_transformer_learns_with_every_optimizer(jetcal, shards, tmp_path, optimizer):
    result = jetcal("train", "--data", shards, "--output", tmp_path / "run", "--preset", "small-transformer", "--mode",
                    "constituents", "--epochs", "2", "--batch-size", "50", "--lr", "0.002", "--optimizer", optimizer)
    assert result["configuration"]["model"]["network"] == "particletransformer"
    assert result["test_loss"] < result["baselines"]["best_constant"]
    shown = jetcal("model", "show", result["model"])
    assert shown["parameters"] == result["parameters"] == 22833


def test_another_configuration_or_sample_is_refused(jetcal, whole, shards, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(whole[0], output)
    status, message = jetcal.fails("train", "--data", shards, "--output", output, *FLAGS, "--seed", "2")
    assert status == 6 and "training.seed" in message and "--restart" in message
    write_jet_ntuple(tmp_path / "other.root", 2000, seed=9)
    jetcal("ingest", tmp_path / "other.root", "--output", tmp_path / "other")
    status, message = jetcal.fails("train", "--data", tmp_path / "other", "--output", output, *FLAGS)
    assert status == 6 and "data.t" in message
    again = jetcal("train", "--data", shards, "--output", output, *flags_with("--epochs", "1"),
                   "--restart")
    assert len(again["epochs"]) == 1 and lines_in(output / "metrics.txt") == 2


def test_configuration_files_and_flags_meet(jetcal, shards, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text(f"data: {{directory: {shards}}}\noutput: {tmp_path / 'run'}\n"
                      "model: {network: particlenet, edge_blocks: 1, edge_layers: 1, edge_units: 4, neighbors: 3, head_layers: 1,"
                      " head_units: 4, mode: constituents}\n"
                      "training: {epochs: 9, batch_size: 200, optimizer: adamw, lr: 1.0e-2}\nthreads: 1\n")
    result = jetcal("train", "--config", config, "--epochs", "1", "--standardise")
    assert len(result["epochs"]) == 1
    assert result["configuration"]["model"]["standardise"] is True
    assert result["configuration"]["training"]["optimizer"] == "adamw"
    config.write_text(config.read_text().replace("edge_units", "edge_unit"))
    status, message = jetcal.fails("train", "--config", config)
    assert status == 2 and "model.edge_unit" in message and str(config) in message


def test_bad_input_is_named(jetcal, shards, tmp_path):
    status, message = jetcal.fails("train", "--data", tmp_path / "none", "--output", tmp_path / "run", *FLAGS)
    assert status == 3 and "none" in message
    status, message = jetcal.fails("train", "--output", tmp_path / "run")
    assert status == 2 and "data.directory" in message
    status, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run", "--lr", "fast")
    assert status == 2 and "fast" in message
    status, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run",
                                   *flags_with("--lr", "1e30"))
    assert status == 2 and re.search(r"not finite in epoch 1, batch \d+ of \d+", message)
    assert not (tmp_path / "run" / "model.jetcal").exists()
    assert not (tmp_path / "none").exists()


def test_nan_in_a_shard_is_named(jetcal, shards, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(shards, broken)
    path = next(broken.glob("train-*.arrow"))
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    mass = table["mass"].to_numpy().copy()
    mass[77] = np.nan
    index = table.schema.get_field_index("mass")
    table = table.set_column(index, table.schema.field(index), pa.array(mass, pa.float32(), from_pandas=False))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    status, message = jetcal.fails("train", "--data", broken, "--output", tmp_path / "run", *FLAGS)
    assert status == 2 and "jet 77 of the train split" in message and "jetMass = nan" in message


def test_full_disk_leaves_the_last_checkpoint(jetcal, shards, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    size = "size=160k"  # the first checkpoint, of some 110 kB, fits; a second one beside it does not
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", small],
                                           capture_output=True).returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        status, message = jetcal.fails("train", "--data", shards, "--output", small / "run", *FLAGS)
        assert status == 5 and "No space left" in message
        assert not list(small.rglob("*.part"))
        assert not (small / "run" / "model.jetcal").exists()
        assert (small / "run" / "checkpoint" / "state").stat().st_size > 100_000
    finally:
        subprocess.run(["umount", small], check=True)


def test_history_is_json(whole):
    output, result = whole
    history = json.loads((output / "history.json").read_text())
    assert [epoch["validation_loss"] for epoch in history["epochs"]] == [e["validation_loss"] for e in result["epochs"]]
    assert history["test"]["loss"] == result["test_loss"]
