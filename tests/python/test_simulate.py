# SPDX-License-Identifier: Apache-2.0
"""jetcal simulate: determinism over workers, the exact schema of JetNTuple, and rows that agree with themselves."""

import hashlib
import json
import subprocess
import sys
import time

import awkward as ak
import numpy as np
import pytest
import uproot
from conftest import JETCAL, ROOT

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
        (["--jets", "10"], "name a file"),
        (["--calibration", "c.root", "--jets", "10"], "counts events"),
        (["--output", "x.root", "--events", "10", "--correction", "nowhere.txt"], "nowhere.txt"),
        (["--validate", "nowhere.root"], "nowhere.root"),
        (["--validate", "s.root", "--jets", "10"], "--jets is for making jets"),
        (["--output", "x.root", "--events", "10", "--compare", "p.root"], "--compare needs --validate"),
        (["--output", "x.root", "--jets", "10", "--events", "10"], "jets or events"),
        (["--output", "x.root", "--events", "10", "--precision-bits", "12,12"], "five numbers"),
        (["--output", "x.root", "--events", "10", "--workers", "0"], "workers"),
        (["--output", "x.root", "--events", "ten"], "ten"),
        (["--output", "/proc/nowhere/x.root", "--events", "10"], "/proc/nowhere"),
    ],
)
def test_bad_input_is_one_sentence(jetcal, tmp_path, arguments, words):
    status, message = jetcal.fails("simulate", *arguments, cwd=tmp_path)
    assert status == (3 if "nowhere.txt" in arguments or "nowhere.root" in arguments else 2) and words in message
    assert not list(tmp_path.iterdir())


CALIBRATION = {
    "jets": {
        "/F": "genJetPt genJetEta genJetPhi jetRawPt jetEta jetArea jetRawPtNoPU jetAreaNoPU rhoAll rhoNoPU pthat eventWeight",
        "/I": "hadronFlav partonFlav jetMult Pileup_nPU PV_npvsGood",
        "/l": "event",
    },
    "events": {
        "/F": "pthat eventWeight rhoAll rhoNoPU",
        "/I": "Pileup_nPU PV_npvsGood ch13 ph13 nh13 ch25 ph25 nh25",
        "/l": "event",
    },
}


@pytest.fixture(scope="module")
def calibrated(jetcal, tmp_path_factory):
    """A sample with calibration trees beside it, of the same events as `made`."""
    folder = tmp_path_factory.mktemp("calibrated")
    document = simulate(jetcal, folder / "one.root", "--calibration", folder / "c.root", "--workers", 2)
    return folder, document


def test_calibration_changes_nothing_of_the_sample(jetcal, made, calibrated, tmp_path):
    folder, document = calibrated
    assert (folder / "one.root").read_bytes() == made[0].read_bytes()
    alone = tmp_path / "alone.root"
    jetcal("simulate", "--calibration", alone, "--events", 20, "--seed", 5, "--pileup-pool", 60, "--pileup-mean", 10,
           "--block-events", 7)
    assert alone.read_bytes() == (folder / "c.root").read_bytes()
    assert document["calibration_jets"] == uproot.open(alone)["calibration/jets"].num_entries


def test_calibration_holds_every_gen_jet_and_event(calibrated):
    folder, document = calibrated
    file = uproot.open(folder / "c.root")
    for name, kinds in CALIBRATION.items():
        titles = {branch: branch + kind for kind, names in kinds.items() for branch in names.split()}
        assert {branch.name: branch.title for branch in file[f"calibration/{name}"].branches} == titles
    jets = file["calibration/jets"].arrays(library="np")
    events = file["calibration/events"].arrays(library="np")
    assert events["event"].tolist() == list(range(1, document["events"] + 1))
    assert jets["genJetPt"].min() >= 10 and abs(jets["genJetEta"]).max() < 5.2
    assert np.bincount(jets["event"].astype(int)).max() <= 8
    both = (jets["jetRawPt"] > 0) & (jets["jetRawPtNoPU"] > 0)
    assert both.mean() > 0.5
    difference = (jets["jetRawPt"] - jets["jetRawPtNoPU"])[both]
    # The hard collision fluctuates alike: what differs is pileup, not the calorimeter.
    hard = both & (jets["genJetPt"] > 50)
    response = (jets["jetRawPtNoPU"] / jets["genJetPt"])[hard]
    assert 0 < np.median(difference) < 6 and 0.7 < np.median(response) < 1.1
    assert (jets["rhoAll"] >= jets["rhoNoPU"] - 1).all()
    rows = dict(zip(events["event"], events["Pileup_nPU"]))
    assert all(rows[event] == pileup for event, pileup in zip(jets["event"], jets["Pileup_nPU"]))
    assert (events["ch13"] > 0).all() and set(np.unique(jets["hadronFlav"])) <= {0, 4, 5}


def test_a_number_of_jets_ends_with_the_event_that_completes_it(jetcal, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("num_jets: 9\n")
    document = jetcal("simulate", "--config", config, "--output", tmp_path / "a.root", "--calibration", tmp_path / "c.root", "--seed", 5,
                      "--pileup-pool", 60, "--pileup-mean", 10, "--block-events", 20)
    jets = uproot.open(tmp_path / "a.root")["AK4jets/jetTree"].arrays(library="np")
    events = uproot.open(tmp_path / "c.root")["calibration/events"]["event"].array(library="np")
    assert document["jets_selected"] >= 9
    assert document["events"] == len(events) == events[-1] == jets["event"][-1] < document["events_simulated"]
    assert document["events_accepted"] == len(set(jets["event"]))


def test_other_corrections_take_the_place_of_the_card(jetcal, made, tmp_path):
    raw = tmp_path / "raw.root"
    simulate(jetcal, raw, "--correction", "none")
    jets = uproot.open(raw)["AK4jets/jetTree"].arrays(["jetPt", "jetRawPt"], library="np")
    assert (jets["jetPt"] == jets["jetRawPt"]).all()
    level = tmp_path / "L2.txt"
    level.write_text("{1 JetEta 1 JetPt 1.25 Correction L2Relative}\n-5.2 5.2 2 0 10000\n")
    config = tmp_path / "c.yaml"
    config.write_text(f"correction: {level}\njets: {{parton_flavor: cmssw9}}\n")
    scaled = tmp_path / "scaled.root"
    simulate(jetcal, scaled, "--config", config)
    jets = uproot.open(scaled)["AK4jets/jetTree"].arrays(["jetPt", "jetRawPt"], library="np")
    assert np.allclose(jets["jetPt"], 1.25 * jets["jetRawPt"], rtol=1e-6)


def test_validation_names_every_number_and_its_target(jetcal, calibrated, pfnano):
    folder, _ = calibrated
    result = jetcal.raw("simulate", "--validate", folder / "one.root", "--calibration", folder / "c.root", "--compare", pfnano,
                        "--json")
    assert result.returncode == 7, result.stderr  # twenty events meet no target of statistics
    document = json.loads(result.stdout)
    checks = {(check["block"], check["name"]): check for check in document["checks"]}
    assert document["missed"] > 0 and document["closure"] is not None
    assert sum(block == "response after L1" for block, _ in checks) == 10
    assert sum(block == "IQR / median after JEC" for block, _ in checks) == 5
    assert all(check["verdict"] in ("passed", "missed") for check in checks.values() if "target" in check)
    real = checks["jets", "constituents"]
    assert abs(real["real"] - 39.6) < 0.1 and real["target"] == [32, 48]
    density = checks["events", "density |eta| < 1.3, charged"]["real"]
    assert abs(density - 23.9) < 0.1


def test_validation_names_a_real_file_that_is_not_there(jetcal, calibrated, tmp_path):
    folder, _ = calibrated
    status, message = jetcal.fails("simulate", "--validate", folder / "one.root", "--compare", tmp_path / "none.root")
    assert status != 0 and "none.root" in message and len(message.strip().splitlines()) == 1, message


def test_validation_agrees_with_numpy(jetcal, sample):
    result = jetcal.raw("simulate", "--validate", sample, "--json")
    document = json.loads(result.stdout)
    checks = {(check["block"], check["name"]): check for check in document["checks"]}
    jets = uproot.open(sample)["AK4jets/jetTree"].arrays(
        ["jetPt", "genJetPt", "genJetEta", "hadronFlav", "partonFlav", "jetEta", "jetMult", "jetArea", "nPF"], library="np")
    barrel = (abs(jets["genJetEta"]) < 1.3) & (jets["genJetPt"] > 20)
    edges = np.geomspace(20, 3000, 20)
    low, high = edges[6], edges[7]
    inside = barrel & (jets["genJetPt"] >= low) & (jets["genJetPt"] < high)
    q25, q50, q75 = np.quantile(jets["jetPt"][inside].astype(float) / jets["genJetPt"][inside].astype(float), [0.25, 0.5, 0.75])
    check = checks["IQR / median after JEC", f"barrel, pT_gen {low:.0f}-{high:.0f} GeV"]
    assert check["count"] == inside.sum() and abs(check["value"] / ((q75 - q25) / q50) - 1) < 1e-5
    flavor = np.where(jets["hadronFlav"] != 0, jets["hadronFlav"], abs(jets["partonFlav"]))
    medians = {
        number: np.median(jets["jetPt"][taken] / jets["genJetPt"][taken])
        for number in (2, 21)
        for taken in [barrel & (flavor == number) & (jets["genJetPt"] > 30)]
    }
    assert abs(checks["u - g after JEC", "barrel, pT_gen > 30 GeV"]["value"] - (medians[2] - medians[21])) < 1e-5
    taken = (jets["jetPt"] > 30) & (abs(jets["jetEta"]) < 2.5)
    assert abs(checks["jets", "constituents"]["value"] - jets["jetMult"][taken].mean()) < 1e-4
    assert abs(checks["jets", "area"]["value"] - jets["jetArea"][taken].mean()) < 1e-4
    assert any("no real file is given" in note for note in document["notes"])


def test_the_shared_sample_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "sample"
    command = [sys.executable, ROOT / "tools" / "make_sample.py", folder, "--jetcal", JETCAL, "--parts", 2, "--jets-per-part", 6,
               "--pileup-pool", 30, "--workers", 1]
    first = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [part["seed"] for part in manifest["parts"]] == [2001, 2002] and manifest["total"]["jets_selected"] >= 12
    for part in manifest["parts"]:
        for entry in part["files"]:
            content = (folder / entry["name"]).read_bytes()
            assert len(content) == entry["bytes"] and hashlib.sha256(content).hexdigest() == entry["sha256"]
    # A part that is gone is made again, with the same bytes; the other is recognised.
    (folder / "qcd-2002.root").unlink()
    second = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert second.returncode == 0 and second.stderr.count("finished before") == 1
    again = json.loads((folder / "manifest.json").read_text())
    assert [part["files"] for part in again["parts"]] == [part["files"] for part in manifest["parts"]]
    assert not list(folder.glob("*.pool")) and not list(folder.glob("*.blocks"))


def test_unknown_field_of_the_config_is_named(jetcal, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("tracker: {min_ptt: 1}\n")
    status, message = jetcal.fails("simulate", "--config", config, "--output", tmp_path / "x.root", "--events", 10)
    assert status == 2 and "min_ptt" in message
