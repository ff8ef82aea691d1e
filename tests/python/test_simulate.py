# SPDX-License-Identifier: Apache-2.0
"""jetcal simulate: determinism over workers, the exact schema of JetNTuple, and rows that agree with themselves."""

import hashlib
import subprocess
import time

import awkward as ak
import numpy as np
import pytest
import uproot
from conftest import JETCAL

SCALARS = {
    "/F": "jetPt jetEta jetPhi jetMass jetGirth jetArea jetRawPt jetRawMass jetQGl QG_ptD QG_axis2 genJetPt genJetEta "
    "genJetPhi genJetMass dPhiJetsLO dEtaJetsLO alpha pthat eventWeight rhoAll rhoCentral rhoCentralNeutral "
    "rhoCentralChargedPileUp Pileup_nTrueInt",
    "/I": "jetLooseID jetTightID jetGenMatch QG_mult partonFlav hadronFlav physFlav isPhysUDS isPhysG isPhysOther "
    "isPartonUDS isPartonG isPartonOther jetChargedHadronMult jetNeutralHadronMult jetChargedMult jetNeutralMult jetMult "
    "nPF nGenJetPF eventJetMult jetPtOrder run lumi PV_npvsGood Pileup_nPU",
    "/l": "event",
}
LISTS = {
    ("nPF", "/F"): "PF_pT PF_dR PF_dTheta PF_dPhi PF_dEta PF_mass",
    ("nPF", "/I"): "PF_id PF_fromPV PF_fromAK4Jet",
    ("nGenJetPF", "/F"): "genJetPF_pT genJetPF_dR genJetPF_dTheta genJetPF_mass",
    ("nGenJetPF", "/I"): "genJetPF_id",
}


def expected_titles():
    titles = {name: name + kind for kind, names in SCALARS.items() for name in names.split()}
    for (count, kind), names in LISTS.items():
        for name in names.split():
            leaf = "cPF_mass" if name == "PF_mass" else name
            titles[name] = f"{leaf}[{count}]{kind}"
    return titles


def simulate(jetcal, path, *more):
    return jetcal("simulate", "--output", path, "--events", 20, "--seed", 5, "--pileup-pool", 60, "--pileup-mean", 10,
                  "--block-events", 7, *more)


@pytest.fixture(scope="module")
def made(jetcal, tmp_path_factory):
    path = tmp_path_factory.mktemp("simulate") / "one.root"
    return path, simulate(jetcal, path, "--workers", 1)


@pytest.fixture(scope="module")
def tree(made):
    return uproot.open(made[0])["AK4jets/jetTree"]


def test_file_does_not_depend_on_the_workers(jetcal, made, tmp_path):
    other = tmp_path / "two.root"
    document = simulate(jetcal, other, "--workers", 2)
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(made[0].read_bytes()).digest()
    assert document["jets"] == made[1]["jets"] > 0
    assert not list(tmp_path.glob("*.blocks")) and not list(tmp_path.glob("*.part"))


def test_killed_run_is_resumed_with_the_same_bytes(jetcal, made, tmp_path):
    path = tmp_path / "killed.root"
    command = [JETCAL, "simulate", "--output", path, "--events", "20", "--seed", "5", "--pileup-pool", "60",
               "--pileup-mean", "10", "--block-events", "7"]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("killed.root.blocks/block-*.bin")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not path.exists()
    assert simulate(jetcal, path)["blocks_reused"] >= 1
    assert path.read_bytes() == made[0].read_bytes()


def test_schema_is_that_of_jet_ntuple(tree):
    assert {branch.name: branch.title for branch in tree.branches} == expected_titles()


def test_document_counts_what_the_file_holds(made, tree):
    document = made[1]
    assert document["jets"] == tree.num_entries
    assert document["candidates"] == int(ak.sum(tree["nPF"].array()))
    matched = tree.arrays(["jetGenMatch", "genJetPt", "genJetEta"])
    selected = (matched.jetGenMatch == 1) & (matched.genJetPt > 20) & (abs(matched.genJetEta) < 2.5)
    assert document["jets_selected"] == int(ak.sum(selected)) == sum(document["flavors"].values())


def check_rows(tree, tolerance):
    jets = tree.arrays()
    assert ak.all(jets.jetPt > 30) and ak.all(abs(jets.jetEta) < 2.5)
    assert ak.all(abs(jets.PF_dEta) < 1) and ak.all(abs(jets.PF_dPhi) < 1)
    assert set(np.unique(ak.to_numpy(ak.flatten(jets.PF_fromPV)))) <= {0, 1, 2, 3}
    assert set(np.unique(ak.to_numpy(abs(ak.flatten(jets.PF_id))))) <= {1, 2, 11, 13, 22, 130, 211}
    assert set(np.unique(ak.to_numpy(jets.hadronFlav))) <= {0, 4, 5}
    assert set(np.unique(ak.to_numpy(abs(jets.partonFlav)))) <= {0, 1, 2, 3, 4, 5, 21}
    # Charged before neutral, and neutrals by falling eta.
    charged = (abs(jets.PF_id) == 211) | (abs(jets.PF_id) == 11) | (abs(jets.PF_id) == 13)
    assert ak.all(charged[:, 1:] <= charged[:, :-1])
    neutral_eta = jets.PF_dEta[~charged]
    assert ak.all(neutral_eta[:, 1:] <= neutral_eta[:, :-1] + 0.02)
    # Candidates that CHS removes are in the box, never in a jet.
    own = jets.PF_fromAK4Jet == 1
    assert ak.all(jets.PF_fromPV[own] > 0) and ak.any(jets.PF_fromPV == 0)
    assert ak.all(ak.sum(own, axis=1) == jets.jetMult)
    x = ak.sum((jets.PF_pT * np.cos(jets.PF_dPhi))[own], axis=1)
    y = ak.sum((jets.PF_pT * np.sin(jets.PF_dPhi))[own], axis=1)
    raw = ak.to_numpy(jets.jetRawPt)
    assert np.max(np.abs(np.hypot(ak.to_numpy(x), ak.to_numpy(y)) / raw - 1)) < tolerance
    unmatched = jets.jetGenMatch == 0
    assert ak.all(jets.genJetPt[unmatched] == 0) and ak.all(jets.genJetPt[~unmatched] > 0)
    # An event's jets come by falling pT with their order beside them.
    first = jets.jetPtOrder == 0
    assert ak.all(first | (np.roll(ak.to_numpy(jets.event), 1) == jets.event))
    return jets


def test_rows_agree_with_themselves(tree):
    check_rows(tree, tolerance=5e-4)


def test_committed_sample_is_whole(sample):
    with uproot.open(sample) as file:
        tree = file["AK4jets/jetTree"]
        assert {branch.name: branch.title for branch in tree.branches} == expected_titles()
        jets = check_rows(tree, tolerance=2e-3)
    selected = jets[(jets.jetGenMatch == 1) & (jets.genJetPt > 20) & (abs(jets.genJetEta) < 2.5)]
    assert len(selected) >= 20000
    assert sample.stat().st_size <= 25_000_000
    assert 18 < ak.mean(selected.jetMult) < 48
    hard = selected[selected.genJetPt > 50]
    assert abs(np.median(hard.jetPt / hard.genJetPt) - 1) < 0.02


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--output", "x.root"], "jets or events"),
        (["--jets", "10"], "--output"),
        (["--output", "x.root", "--jets", "10", "--events", "10"], "jets or events"),
        (["--output", "x.root", "--events", "10", "--precision-bits", "12,12"], "five numbers"),
        (["--output", "x.root", "--events", "10", "--workers", "0"], "workers"),
        (["--output", "x.root", "--events", "ten"], "ten"),
        (["--output", "/proc/nowhere/x.root", "--events", "10"], "/proc/nowhere"),
    ],
)
def test_bad_input_is_one_sentence(jetcal, tmp_path, arguments, words):
    status, message = jetcal.fails("simulate", *arguments, cwd=tmp_path)
    assert status == 2 and words in message
    assert not list(tmp_path.iterdir())


def test_unknown_field_of_the_config_is_named(jetcal, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("tracker: {min_ptt: 1}\n")
    status, message = jetcal.fails("simulate", "--config", config, "--output", tmp_path / "x.root", "--events", 10)
    assert status == 2 and "min_ptt" in message
