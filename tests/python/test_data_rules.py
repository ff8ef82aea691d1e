# SPDX-License-Identifier: Apache-2.0
"""Selection, new variables, observers, weights, groups and fractions of ingest against uproot and numpy."""

import json

import numpy
import pyarrow.parquet
import pytest
import uproot
from jet_files import make_branches, make_nano, write_nano, write_ntuple, write_parquet
from test_ingest import ALL_ROWS, SPLITS, by_source, read_shards

COUNT = 3000
SPLIT = ("--fractions", "0.5", "0.25", "0.25")


@pytest.fixture
def ntuple(tmp_path):
    jets = make_branches(COUNT, seed=5)
    jets["jetPtOrder"] = numpy.arange(COUNT, dtype="i4") % 7
    jets["big"] = (2**60 + numpy.arange(COUNT)).astype("i8")
    jets["fine"] = 1 + numpy.arange(COUNT) * 1e-12
    write_ntuple(tmp_path / "in.root", jets)
    return tmp_path / "in.root"


def numbers(path, tree="AK4jets/jetTree"):
    with uproot.open(path) as file:
        return {name: array for name, array in file[tree].arrays(
            filter_name=lambda name: not name.startswith(("PF", "nPF")), library="np").items()}


def config(tmp_path, text, name="data.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_selection_and_new_variables_are_those_of_numpy(jetcal, ntuple, tmp_path):
    file = config(tmp_path, """
new_variables:
  response: jetPt / genJetPt
  central: abs(jetEta) < 30 && jetPt > 5
selection: 'central && (jetPtOrder < 4 ? response < 2 : log(response) > -1)'
selection_test: jetPtOrder != 2
observers: [jetPtOrder, {log_response: log(response)}]
""")
    report = jetcal("ingest", ntuple, "--output", tmp_path / "out", "--config", file, *SPLIT)
    tree = numbers(ntuple)
    cuts = (tree["genJetPt"] > 20) & (abs(tree["genJetEta"]) < 2.5)
    response = tree["jetPt"].astype("f8") / numpy.where(cuts, tree["genJetPt"], 1).astype("f8")
    central = (abs(tree["jetEta"]) < 30) & (tree["jetPt"] > 5)
    wanted = cuts & central & numpy.where(tree["jetPtOrder"] < 4, response < 2, numpy.log(response) > -1)
    found = {split: numpy.array(read_shards(tmp_path / "out", [split])["source_entry"]) for split in SPLITS}
    everything = by_source(read_shards(tmp_path / "out"))
    assert 0 < wanted.sum() < cuts.sum()
    assert not (tree["jetPtOrder"][found["test"]] == 2).any()
    in_train = numpy.concatenate([found["train"], found["validation"]])
    assert (tree["jetPtOrder"][in_train] == 2).any()
    rows = numpy.array(everything["source_entry"])
    assert wanted[rows].all()
    assert report["rows"]["rejected"]["selection"] == (cuts & ~wanted).sum()
    assert report["rows"]["rejected"]["split_selection"] == wanted.sum() - len(rows) > 0
    numpy.testing.assert_array_equal(everything["jetPtOrder"], tree["jetPtOrder"][rows])
    assert str(everything["jetPtOrder"].type) == "int64"
    numpy.testing.assert_allclose(everything["log_response"], numpy.log(response[rows]), rtol=1e-15)
    account = report["rows"]
    others = ("unmatched", "not_finite", "selection_not_finite", "weight_not_finite", "not_in_fraction")
    assert account["read"] == COUNT == (account["selected"] + sum(account["rejected"].values())
                                        + sum(account[name] for name in others))


def test_observers_keep_every_digit(jetcal, ntuple, tmp_path):
    file = config(tmp_path, "observers: [big, fine, event, pt_reco, run_like: event * 1.0]\n")
    jetcal("ingest", ntuple, "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    table = by_source(read_shards(tmp_path / "out"))
    tree = numbers(ntuple)
    numpy.testing.assert_array_equal(table["big"], tree["big"])
    numpy.testing.assert_array_equal(table["fine"], tree["fine"])
    numpy.testing.assert_array_equal(table["event"], tree["event"])
    assert table.column_names.count("pt_reco") == 1
    assert str(table["run_like"].type) == "double"


def test_weights_are_columns_and_sums(jetcal, ntuple, tmp_path):
    file = config(tmp_path, "weight: 'jetPtOrder == 3 ? 0 : exp(-jetPt / 50)'\n")
    report = jetcal("ingest", ntuple, "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    tree = numbers(ntuple)
    wanted = numpy.where(tree["jetPtOrder"] == 3, 0, numpy.exp(-tree["jetPt"].astype("f8") / 50))
    table = by_source(read_shards(tmp_path / "out"))
    numpy.testing.assert_array_equal(table["training_weight"], wanted.astype("f4"))
    assert str(table["training_weight"].type) == "float"
    for split in SPLITS:
        there = numpy.array(read_shards(tmp_path / "out", [split])["training_weight"])
        assert report["rows"]["weights"][split] == pytest.approx(there.sum(dtype="f8"), rel=1e-12)


def test_what_is_not_finite_is_counted(jetcal, ntuple, tmp_path):
    file = config(tmp_path, """
selection: sqrt(jetEta - 50) >= 0
weight: 'jetPtOrder == 1 ? 1 / (jetPtOrder - 1) : 1'
observers: [odd: log(jetPhi - 50)]
""")
    report = jetcal("ingest", ntuple, "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    tree = numbers(ntuple)
    rows = report["rows"]
    bad = tree["jetEta"] < 50
    assert rows["selection_not_finite"] == bad.sum()
    assert rows["weight_not_finite"] == (~bad & (tree["jetPtOrder"] == 1)).sum()
    kept = ~bad & (tree["jetPtOrder"] != 1)
    assert rows["selected"] == kept.sum()
    assert rows["observers_not_finite"] == (kept & (tree["jetPhi"] <= 50)).sum()
    odd = numpy.array(by_source(read_shards(tmp_path / "out"))["odd"])
    assert numpy.isnan(odd).sum() + numpy.isinf(odd).sum() == rows["observers_not_finite"]


def test_groups_have_weights_fractions_and_sums(jetcal, tmp_path):
    for index in range(4):
        write_ntuple(tmp_path / f"{'ab'[index // 2]}{index}.root", make_branches(1000, seed=index))
    file = config(tmp_path, f"""
inputs: ['low:{tmp_path}/a*.root', 'high:{tmp_path}/b?.root']
groups:
  low: {{weight: 0.5, fraction: 0.3}}
  high: {{weight: 2}}
""")
    report = jetcal("ingest", "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert [entry["group"] for entry in manifest["files"]] == ["low", "low", "high", "high"]
    low, high = report["groups"]["low"], report["groups"]["high"]
    assert low["read"] == high["read"] == high["selected"] == 2000
    assert abs(low["selected"] - 600) < 5 * numpy.sqrt(2000 * 0.3 * 0.7)
    assert low["not_in_fraction"] == 2000 - low["selected"]
    assert sum(low["weights"].values()) == 0.5 * low["selected"]
    assert sum(high["weights"].values()) == 4000
    for name in ("read", "selected", "not_in_fraction"):
        assert low[name] + high[name] == report["rows"][name]
        assert manifest["groups"]["low"][name] == low[name]
    table = read_shards(tmp_path / "out")
    assert set(numpy.array(table["training_weight"])) == {0.5, 2}


def test_a_fraction_follows_from_the_jet_alone(jetcal, ntuple, tmp_path):
    def kept(*arguments):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        report = jetcal("ingest", *arguments[:1], "--output", out, "--seed", 3, *ALL_ROWS, *arguments[1:])
        table = read_shards(out)
        assert report["rows"]["not_in_fraction"] == report["rows"]["read"] - len(table)
        return set(numpy.array(table["event"]))

    half = kept(ntuple, "--fraction", 0.5)
    assert abs(len(half) - COUNT / 2) < 5 * numpy.sqrt(COUNT / 4)
    tenth = kept(ntuple, "--fraction", 0.1)
    assert tenth < half  # a smaller fraction of the same seed is a part of the larger one
    # The same jets in two files, in another order, are the same jets.
    jets = make_branches(COUNT, seed=5)
    order = numpy.random.default_rng(2).permutation(COUNT)
    for name, rows in (("x.root", order[:700]), ("y.root", order[700:])):
        write_ntuple(tmp_path / name, {key: value[rows] for key, value in jets.items()})
    assert kept(tmp_path / "?.root", "--fraction", 0.5) == half
    other = config(tmp_path, "fraction: 0.5\nfraction_seed: 2\n")
    assert kept(ntuple, "--config", other) != half


def test_nano_events_give_their_numbers_to_every_jet(jetcal, tmp_path):
    events = make_nano("v12", 200)
    write_nano(tmp_path / "nano.root", events)
    file = config(tmp_path, "selection: PV_npvsGood > 10 && Jet_pt > 30\nobservers: [PV_npvsGood, Jet_pt, nJet]\n")
    report = jetcal("ingest", tmp_path / "nano.root", "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    with uproot.open(tmp_path / "nano.root") as root:
        tree = root["Events"].arrays(["PV_npvsGood", "Jet_pt", "nJet"])
    kept = (tree["PV_npvsGood"] > 10) & (tree["Jet_pt"] > 30)
    assert 0 < report["rows"]["selected"] < report["rows"]["read"]
    table = by_source(read_shards(tmp_path / "out"))
    wanted = tree["Jet_pt"][kept]
    assert report["rows"]["selected"] + report["rows"]["not_finite"] == sum(len(jets) for jets in wanted)
    if report["rows"]["not_finite"] == 0:
        numpy.testing.assert_array_equal(table["Jet_pt"], [pt for jets in wanted for pt in jets])


def test_parquet_columns_can_be_used(jetcal, tmp_path):
    jets = make_branches(300)
    write_parquet(tmp_path / "in.parquet", jets)
    table = pyarrow.parquet.read_table(tmp_path / "in.parquet")
    table = table.append_column("lepton", pyarrow.array(numpy.arange(300) % 3))
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    file = config(tmp_path, "selection: lepton == 1 && pt_reco > 20\nobservers: [lepton]\n")
    report = jetcal("ingest", tmp_path / "in.parquet", "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    wanted = (numpy.arange(300) % 3 == 1) & (jets["jetPt"] > 20)
    assert report["rows"]["selected"] == wanted.sum()
    assert set(numpy.array(read_shards(tmp_path / "out")["lepton"])) == {1}


@pytest.mark.parametrize("text, words", [
    ("selection: jetPtt > 20", ["unknown name 'jetPtt'", "selection", "in.root"]),
    ("selection: PF_pT > 1", ["PF_pT", "per jet, not one number"]),
    ("selection: jetPt", ["'jetPt' is", "a condition is true (1) or false (0)"]),
    ("weight: jetPt - 50", ["weights must not be negative"]),
    ("new_variables: {jetPt: 2 * jetEta}", ["would hide a branch"]),
    ("new_variables: {pt_reco: 2 * jetEta}", ["would hide a column"]),
    ("new_variables: {b: a, a: jetPt}", ["unknown name 'a'"]),
    ("observers: [nothing]", ["unknown name 'nothing'"]),
    ("observers: [jetPt, jetPt]", ["'jetPt' twice"]),
    ("selection_train: jetPt = 3", ["selection_train", "single = would assign"]),
    ("fraction: 0", ["fraction must be above 0"]),
    ("groups: {qcd: {weight: 2}}", ["no input is of the group 'qcd'"]),
    ("groups: {qcd: {wait: 2}}", ["unknown field 'wait'"]),
    ("selectoin: jetPt > 1", ["unknown field 'selectoin'"]),
])
def test_mistakes_end_with_one_sentence(jetcal, ntuple, tmp_path, text, words):
    file = config(tmp_path, text + "\n")
    _, message = jetcal.fails("ingest", ntuple, "--output", tmp_path / "out", "--config", file, *ALL_ROWS)
    for word in words:
        assert word in message
    assert not list((tmp_path / "out").glob("*.arrow"))


def test_other_rules_in_the_same_folder_are_refused(jetcal, ntuple, tmp_path):
    jetcal("ingest", ntuple, "--output", tmp_path / "out", "--selection", "jetPt > 20")
    again = jetcal("ingest", ntuple, "--output", tmp_path / "out", "--selection", "jetPt > 20")
    assert again["files_resumed"] == 1
    _, message = jetcal.fails("ingest", ntuple, "--output", tmp_path / "out", "--selection", "jetPt > 21")
    assert "other inputs or options" in message
