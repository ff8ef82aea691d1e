# SPDX-License-Identifier: Apache-2.0
"""The whole way once, as a newcomer walks it: tools/demo.py on the committed sample, then a look at what it left."""

import json
import re
import subprocess

import numpy
import pyarrow
import pytest
import uproot

from conftest import JETCAL, ROOT


@pytest.fixture(scope="module")
def demo(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo"
    result = subprocess.run(["/usr/bin/python3", ROOT / "tools" / "demo.py", "--jetcal", JETCAL, "--output", folder],
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return folder, result.stdout


def test_both_networks_beat_the_best_constant_in_both_modes(demo):
    _, output = demo
    losses = {match[0].strip(): float(match[1]) for match in re.findall(r"^([A-Za-z, ]{34})\s+(0\.\d+)", output, re.M)}
    networks = [f"{network}, {mode}" for network in ("PFN", "ParticleNet") for mode in ("paper", "constituents")]
    for network in networks:
        assert losses[network] < 0.99 * losses["best constant"] < losses["no correction"], losses


def test_file_and_shards_hold_the_same_numbers(demo, sample):
    folder, _ = demo
    with uproot.open(sample) as file:
        tree = file["AK4jets/jetTree"].arrays(["event", "jetPt", "genJetPt", "genJetEta", "PF_pT", "PF_fromAK4Jet"])
    rows = {}
    for split in ("train", "validation", "test"):
        for path in sorted((folder / "shards").glob(f"{split}-*.arrow")):
            for jet in pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all().to_pylist():
                rows[jet["event"], jet["pt_reco"]] = jet
    selected = tree[(tree["genJetPt"] > 20) & (abs(tree["genJetEta"]) < 2.5)]
    assert len(rows) == len(selected) >= 20000
    for jet in selected[::97]:
        row = rows[int(jet["event"]), float(jet["jetPt"])]
        assert row["pt_gen"] == float(jet["genJetPt"])
        numpy.testing.assert_array_equal(numpy.float32(row["pf_pt"]), numpy.asarray(jet["PF_pT"]))
        numpy.testing.assert_array_equal(row["pf_from_jet"], numpy.asarray(jet["PF_fromAK4Jet"]))


def test_the_corrected_file_has_every_jet_and_the_new_branch(demo, sample):
    folder, _ = demo
    with uproot.open(sample) as before, uproot.open(folder / "corrected.root") as after:
        plain, corrected = before["AK4jets/jetTree"], after["AK4jets/jetTree"]
        assert set(plain.keys()) | {"jetPtCorr"} == set(corrected.keys())
        numpy.testing.assert_array_equal(plain["jetPt"].array(library="np"), corrected["jetPt"].array(library="np"))
        ratio = corrected["jetPtCorr"].array(library="np") / corrected["jetPt"].array(library="np")
    assert numpy.isfinite(ratio).all() and 0.7 < numpy.median(ratio) < 1.3 and ratio.std() > 0


def test_plots_and_repository_are_there(demo):
    folder, _ = demo
    for suffix in ("pdf", "png", "svg", "json"):
        assert list((folder / "analysis").rglob(f"*.{suffix}")), suffix
    assert (folder / "repository" / "optimal" / "1" / "model.onnx").stat().st_size > 1000
    assert "jet_features" in (folder / "repository" / "optimal" / "config.pbtxt").read_text()
    for run in (folder / "runs").iterdir():
        assert json.loads((run / "history.json").read_text())
