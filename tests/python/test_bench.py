# SPDX-License-Identifier: Apache-2.0
"""The benchmarks on a handful of jets: what they report is there and consistent. No time is judged here."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import pytest
from conftest import JETCAL, ROOT

PEERS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "python-bench" / "bin" / "python"


def read_header(path):
    data = path.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length])


@pytest.fixture(scope="module")
def jets(jetcal, tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "jets.safetensors"
    assert jetcal("bench", "jets", "--num-jets", 50, "--output", path)["jets"] == 50
    return path


def test_jets_are_the_same_for_a_seed_and_others_for_another(jetcal, jets, tmp_path):
    assert read_header(jets)["offsets"]["shape"] == [51]
    for seed, same in ((1, True), (2, False)):
        again = tmp_path / f"{seed}.safetensors"
        jetcal("bench", "jets", "--num-jets", 50, "--seed", seed, "--output", again)
        assert (again.read_bytes() == jets.read_bytes()) is same


def test_jets_have_the_multiplicity_that_is_documented(jetcal, tmp_path):
    path = tmp_path / "jets.safetensors"
    jetcal("bench", "jets", "--num-jets", 20000, "--output", path)
    entry = read_header(path)["offsets"]
    data = path.read_bytes()
    start = len(data) - max(other["data_offsets"][1] for name, other in read_header(path).items() if name != "__metadata__")
    offsets = struct.unpack("<20001q", data[start + entry["data_offsets"][0]:start + entry["data_offsets"][1]])
    counts = sorted(b - a for a, b in zip(offsets, offsets[1:]))
    assert (counts[0], counts[-1]) == (3, 100)
    assert counts[10000] == pytest.approx(25, abs=1)
    assert sum(counts) / 20000 == pytest.approx(28.1, abs=0.6)
    assert counts[18000] == pytest.approx(47, abs=2)
    assert counts[19800] == pytest.approx(79, abs=4)


@pytest.mark.parametrize("network, parameters", [("paper-particlenet", 123469), ("paper-pfn", 355351), ("transformer", 122701)])
def test_training_reports_rate_and_arithmetic(jetcal, jets, network, parameters):
    document = jetcal("bench", "train", "--network", network, "--jets", jets, "--batch", 25, "--rounds", 2, "--steps", 1,
                      "--threads", 1)
    assert document["parameters"] == parameters  # as in the paper, and of the transformer by its layers
    assert document["threads"] == 1 and document["batch"] == 25 and document["commit"]
    rates = document["jets_per_s"]
    assert rates["best"] >= rates["median"] >= rates["worst"] > 0
    assert document["gflop_per_s"]["best"] == pytest.approx(6e-9 * document["macs_per_jet"] * rates["best"])


def test_training_through_the_loader_sees_every_jet(jetcal, jets):
    document = jetcal("bench", "train", "--network", "pfn-best", "--jets", jets, "--batch", 20, "--rounds", 2, "--steps", 3,
                      "--loader")
    assert document["loader"] is True and document["jets_per_s"]["best"] > 0


def ask(requests, *arguments):
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    result = subprocess.run([JETCAL, "bench", *map(str, arguments), "--worker"], input=lines, capture_output=True, text=True,
                            timeout=120)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_workers_of_training_and_inference_predict_the_same(jetcal, jets, tmp_path):
    network = tmp_path / "network.jetcal"
    jetcal("bench", "network", "--network", "pn-small", "--jets", jets, "--batch", 25, "--steps", 2, "--output", network)
    request = {"do": "predict", "jets": 50}
    _, trained = ask([request], "train", "--network", network, "--jets", jets)
    _, served, latency = ask([request, {"do": "latency", "batch": 10, "seconds": 0.001}], "inference", "--networks", network,
                             "--jets", jets)
    assert len(trained["y"]) == 50 and trained["y"] == served["y"]
    assert latency["p50"] > 0 and latency["calls"] >= 1


def test_loader_reports_memory_after_each_epoch(jetcal, sample, tmp_path):
    shards = tmp_path / "shards"
    jetcal("ingest", sample, "--output", shards)
    document = jetcal("bench", "loader", "--data", shards, "--num-jets", 2000, "--epochs", 2, "--steps", 2, "--batch", 100)
    assert [epoch["jets"] for epoch in document["epochs"]] == [2000, 2000]
    assert all(epoch["allocated_mb"] > 0 and epoch["jets_per_s"] > 0 for epoch in document["epochs"])
    assert document["training"]["steps"] == 2 and document["training"]["reading_share"] > 0


@pytest.mark.parametrize("arguments, message", [
    (["nothing"], "there is no benchmark 'nothing'"),
    (["train", "--network", "nothing"], "nothing"),
    (["train", "--batch", "0"], "batch must be at least 1"),
    (["jets"], "needs --output"),
    (["loader"], "needs --data"),
])
def test_bad_input_is_one_sentence(jetcal, arguments, message):
    status, text = jetcal.fails("bench", *arguments)
    assert status == 2 and message in text


def test_files_of_jets_that_are_cut_are_refused(jetcal, jets, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(jets.read_bytes()[:-100])
    status, text = jetcal.fails("bench", "train", "--network", "pfn-best", "--jets", cut)
    assert status == 4 and str(cut) in text


def compare(tmp_path, *arguments):
    if not PEERS.exists():
        pytest.skip("the peers are not installed (tools/setup.py bench)")
    output = tmp_path / "result.json"
    result = subprocess.run([sys.executable, ROOT / "bench" / "compare.py", *map(str, arguments), "--jetcal", JETCAL, "--output",
                             output], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(output.read_text())["results"][0]


def test_training_equals_the_peer_and_is_compared(tmp_path):
    result = compare(tmp_path, "train", "--model", "pn-small", "--jets", 50, "--batch", 25, "--rounds", 2, "--seconds", 0.01,
                     "--peers", "torch-ragged-factored")
    entry = result["engines"]["torch-ragged-factored"]
    assert entry["equal"]["output_difference"] < 1e-4 and entry["equal"]["gradient_difference"] < 2e-3
    ratio = result["engines"]["jetcal"]["jets_per_s"]["best"] / entry["jets_per_s"]["best"]
    assert entry["jetcal_is_faster_by"]["best"] == pytest.approx(ratio, rel=1e-3)


def test_inference_equals_onnx_runtime_and_is_compared(tmp_path):
    result = compare(tmp_path, "inference", "--model", "pn-small", "--jets", 50, "--batches", "1,8", "--rounds", 1, "--seconds",
                     0.01, "--peers", "ort-factored,ort-padded")
    assert {name: entry["output_difference"] < 1e-4 for name, entry in result["equal"].items()} == {
        "ort-factored": True, "ort-padded": True}
    assert [entry["batch"] for entry in result["batches"]] == [1, 8]
    assert all(entry["engines"]["jetcal"]["p50_ms"]["median"] > 0 for entry in result["batches"])
