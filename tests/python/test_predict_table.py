# SPDX-License-Identifier: Apache-2.0
"""Predictions as ROOT and Parquet tables: every jet of the input, in its order, with observers beside."""

import numpy
import pyarrow.parquet
import pytest
import uproot
from jet_files import make_branches, write_ntuple
from test_ingest import ALL_ROWS

TREE = "AK4jets/jetTree"
COUNT = 900


@pytest.fixture(scope="module")
def model(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    jetcal("export", "--preset", "small-pfn", "--repository", folder, "--name", "m")
    return next(folder.rglob("model.jetcal"))


def write_jets(path, seed):
    jets = make_branches(COUNT, seed=seed)
    jets["jetPt"][3], jets["jetMass"][5] = 0, numpy.nan
    jets["run"] = numpy.arange(COUNT, dtype="i4") + 273000
    write_ntuple(path, jets)
    return path


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    return write_jets(tmp_path_factory.mktemp("jets") / "jets.root", 4)


def read_table(path):
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        return {name: numpy.array(table[name]) for name in table.column_names}
    with uproot.open(path) as file:
        return file["jets"].arrays(library="np")


def same(left, right):
    assert list(left) == list(right)
    for name in left:
        numpy.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_tables_hold_every_jet_in_order(jetcal, model, ntuple, tmp_path):
    plain = tmp_path / "plain.root"
    jetcal("predict", "--model", model, "--input", ntuple, "--output", plain)
    with uproot.open(ntuple) as file:
        tree = file[TREE].arrays(["jetPt", "genJetPt", "event", "run"], library="np")
    with uproot.open(plain) as file:
        wanted = file[TREE]["jetPtCorr"].array(library="np")
    tables = {}
    for name in ("t.root", "t.parquet"):
        report = jetcal("predict", "--model", model, "--input", ntuple, "--output", tmp_path / name, "--observers",
                        "event", "run", "genJetPt", "response=jetPt/genJetPt")
        table = tables[name] = read_table(tmp_path / name)
        assert report["columns"] == list(table) == [
            "source_file", "source_entry", "source_jet", "event", "run", "genJetPt", "response", "y", "jetPtCorr",
            "status"]
        assert report["jets"] == COUNT == len(table["y"])
        assert report["corrected"] == COUNT - 2
        assert report["not_corrected"] == {"pt_not_positive": 1, "features_not_finite": 1, "prediction_not_finite": 0}
        numpy.testing.assert_array_equal(table["source_entry"], numpy.arange(COUNT))
        numpy.testing.assert_array_equal(table["event"], tree["event"])
        assert table["event"].dtype == numpy.uint64
        numpy.testing.assert_array_equal(table["run"], tree["run"])
        numpy.testing.assert_array_equal(table["genJetPt"].astype("f4"), tree["genJetPt"])
        matched = tree["genJetPt"] > 0
        numpy.testing.assert_allclose(table["response"][matched], (tree["jetPt"].astype("f8") / tree["genJetPt"])[matched])
        numpy.testing.assert_array_equal(table["jetPtCorr"].astype("f4"), wanted)
        assert list(numpy.flatnonzero(table["status"])) == [3, 5]
        assert list(table["status"][[3, 5]]) == [1, 2]
        assert list(numpy.flatnonzero(numpy.isnan(table["y"]))) == [3, 5]
        good = table["status"] == 0
        numpy.testing.assert_allclose(numpy.exp(table["y"][good]) * tree["jetPt"][good], table["jetPtCorr"][good],
                                      rtol=1e-6)
    same(tables["t.root"], tables["t.parquet"])


def test_several_files_follow_each_other(jetcal, model, ntuple, tmp_path):
    for seed in (1, 2):
        write_jets(tmp_path / f"in{seed}.root", seed)
    whole = jetcal("predict", "--model", model, "--input", tmp_path / "in?.root", "--output", tmp_path / "all.parquet",
                   "--observers", "run")
    assert [path[-8:] for path in whole["input"]] == ["in1.root", "in2.root"]
    table = read_table(tmp_path / "all.parquet")
    for index, seed in enumerate((1, 2)):
        jetcal("predict", "--model", model, "--input", tmp_path / f"in{seed}.root", "--output",
               tmp_path / "one.parquet", "--observers", "run")
        one = read_table(tmp_path / "one.parquet")
        rows = table["source_file"] == index
        assert rows.sum() == COUNT
        for name in ("source_entry", "run", "y", "jetPtCorr", "status"):
            numpy.testing.assert_array_equal(table[name][rows], one[name], err_msg=name)


def test_observers_of_shards_reach_the_table(jetcal, model, ntuple, tmp_path):
    config = tmp_path / "data.yaml"
    config.write_text("observers: [run, {double_pt: 2 * jetPt}]\n")
    jetcal("ingest", ntuple, "--output", tmp_path / "shards", "--config", config, *ALL_ROWS)
    report = jetcal("predict", "--model", model, "--input", tmp_path / "shards", "--split", "all", "--output",
                    tmp_path / "out.root", "--observers", "run", "double_pt", "pt_reco", "num_particles")
    table = read_table(tmp_path / "out.root")
    assert report["jets"] == len(table["run"]) == COUNT - 2  # ingest leaves pT 0 and a mass of NaN out
    jetcal("predict", "--model", model, "--input", ntuple, "--output", tmp_path / "direct.root", "--observers", "run")
    direct = read_table(tmp_path / "direct.root")
    rows = numpy.argsort(table["source_entry"])
    kept = numpy.delete(numpy.arange(COUNT), [3, 5])
    numpy.testing.assert_array_equal(table["source_entry"][rows], kept)
    numpy.testing.assert_array_equal(table["run"][rows], direct["run"][kept])
    numpy.testing.assert_array_equal(table["y"][rows], direct["y"][kept])
    numpy.testing.assert_allclose(table["double_pt"], 2 * table["pt_reco"])
    assert len(report["input"]) == 3


@pytest.mark.parametrize("name, arguments, words", [
    ("out.csv", ["--observers", "run"], [".root or .parquet"]),
    ("out.root", ["--observers", "runn"], ["unknown name 'runn'"]),
    ("out.root", ["--observers", "y=jetPt"], ["name of another column"]),
    ("out.root", ["--observers", "x=jetPt +"], ["cannot understand"]),
])
def test_mistakes_end_with_one_sentence(jetcal, model, ntuple, tmp_path, name, arguments, words):
    _, message = jetcal.fails("predict", "--model", model, "--input", ntuple, "--output", tmp_path / name, *arguments)
    for word in words:
        assert word in message
    assert not list(tmp_path.iterdir())
