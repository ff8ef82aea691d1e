# SPDX-License-Identifier: Apache-2.0
"""jetcal predict: the same corrected pT in process, through the server, and from ONNX Runtime on the same features."""

import pathlib
import socket

import awkward
import numpy as np
import onnxruntime
import pyarrow.parquet
import pytest
import uproot
from jet_files import make_branches, make_nano, write_nano, write_ntuple, write_parquet
from served import Served, export

TREE = "AK4jets/jetTree"
NUM_JETS = 700
MODES = ["paper", "constituents"]


@pytest.fixture(scope="module")
def ntuple(tmp_path_factory):
    """Random jets; number 3 has pT 0, number 5 a mass that is NaN, number 7 a candidate that is NaN."""
    jets = make_branches(NUM_JETS)
    jets["jetPt"][3], jets["jetMass"][5] = 0, np.nan
    lengths = awkward.num(jets["PF"])
    lengths = awkward.to_numpy(lengths)
    pt = awkward.to_numpy(awkward.flatten(jets["PF"].pT)).copy()
    first = lengths[:7].sum()
    assert lengths[7] > 0
    pt[first] = np.nan
    jets["PF"] = awkward.with_field(jets["PF"], awkward.unflatten(pt, lengths), "pT")
    path = tmp_path_factory.mktemp("jets") / "jets.root"
    write_ntuple(path, jets)
    return path


@pytest.fixture(scope="module")
def repository(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    for mode in MODES:
        export(jetcal, folder, "small-particlenet", f"particlenet-{mode}", "--mode", mode)
        export(jetcal, folder, "small-pfn", f"pfn-{mode}", "--mode", mode)
    return folder


@pytest.fixture(scope="module")
def server(repository):
    with Served(repository) as running:
        yield running


def branch(path, name="jetPtCorr"):
    with uproot.open(path) as file:
        return file[TREE][name].array(library="np")


def features_of(tree, row, mode):
    """The four tensors of one jet, computed here from the branches."""
    particle = {name: tree[f"PF_{name}"][row] for name in ("pT", "dEta", "dPhi", "fromAK4Jet")}
    order = np.arange(len(particle["pT"]))
    if mode == "paper":
        order = order[:100]
    else:
        order = order[particle["fromAK4Jet"] == 1]
        order = order[np.argsort(-particle["pT"][order], kind="stable")]
    pt, eta, phi = (particle[name][order].astype(np.float32) for name in ("pT", "dEta", "dPhi"))
    good = np.isfinite(pt) & (pt > 0)
    pt, eta, phi = pt[good], eta[good], phi[good]
    jet_pt = np.float32(tree["jetPt"][row])
    features = np.stack([np.log(pt), np.log(pt / jet_pt), eta, phi, np.arctan2(phi, eta), np.hypot(eta, phi)])
    jet = [np.log(jet_pt)] + [tree[name][row] for name in ("jetEta", "jetPhi", "jetMass", "jetArea", "QG_ptD",
                                                           "QG_axis2", "QG_mult")]
    return {"pf_points": features[None, 2:4], "pf_features": features[None], "jet_features": np.float32([jet]),
            "pf_mask": np.ones((1, 1, len(pt)), np.float32)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("network", ["pfn", "particlenet"])
def test_same_numbers_in_process_and_through_a_server(jetcal, ntuple, repository, server, tmp_path, network, mode):
    name = f"{network}-{mode}"
    model = repository / name / "1" / "model.jetcal"
    local = jetcal("predict", "--model", model, "--input", ntuple, "--output", tmp_path / "local.root")
    remote = jetcal("predict", "--url", f"http://{server.url}", "--model-name", name, "--input", ntuple,
                    "--output", tmp_path / "remote.root", "--batch-size", 150, "--branch", "fromServer")
    for report in (local, remote):
        assert (report["jets"], report["corrected"]) == (NUM_JETS, NUM_JETS - 2)
        assert report["not_corrected"] == {"pt_not_positive": 1, "features_not_finite": 1, "prediction_not_finite": 0}
        assert report["dropped_particles"] >= (1 if mode == "paper" else 0)
        assert report["model"]["mode"] == mode and report["model"]["network"] == network
    assert remote["batches"] == 5 and remote["model"]["version"] == "1"
    here, there = branch(tmp_path / "local.root"), branch(tmp_path / "remote.root", "fromServer")
    assert here.dtype == np.float32
    assert list(np.flatnonzero(np.isnan(here))) == [3, 5] == list(np.flatnonzero(np.isnan(there)))
    np.testing.assert_allclose(here, there, rtol=1e-6)

    session = onnxruntime.InferenceSession(model.with_name("model.onnx"), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    with uproot.open(ntuple) as file:
        tree = file[TREE].arrays(library="np")
    for row in [0, 1, 2, 4, 6, 7, 8, 350, NUM_JETS - 1]:
        tensors = features_of(tree, row, mode)
        if tensors["pf_mask"].shape[2] == 0:
            continue
        (output,) = session.run(["output"], {key: tensors[key] for key in names})
        expected = np.exp(output[0, 0]) * tree["jetPt"][row]
        np.testing.assert_allclose(here[row], expected, rtol=1e-4, err_msg=f"jet {row}")


def test_other_branches_come_along(jetcal, ntuple, repository, tmp_path):
    output = tmp_path / "out.root"
    jetcal("predict", "--model", repository / "pfn-paper" / "1" / "model.jetcal", "--input", ntuple, "--output", output)
    with uproot.open(ntuple) as before, uproot.open(output) as after:
        assert set(after[TREE].keys()) == set(before[TREE].keys()) | {"jetPtCorr"}
        for name in ("jetPt", "event", "PF_pT", "PF_id"):
            left, right = before[TREE][name].array(), after[TREE][name].array()
            assert awkward.all((left == right) | ((left != left) & (right != right))), name


def test_real_pfnano_gets_one_number_a_jet(jetcal, pfnano, repository, tmp_path):
    output = tmp_path / "out.root"
    report = jetcal("predict", "--model", repository / "particlenet-constituents" / "1" / "model.jetcal",
                    "--input", pfnano, "--output", output)
    with uproot.open(output) as file:
        events = file["Events"].arrays(["nJet", "Jet_pt", "jetPtCorr"])
    assert awkward.all(awkward.num(events["jetPtCorr"]) == events["nJet"])
    assert report["jets"] == awkward.sum(events["nJet"]) > 0
    assert report["corrected"] == awkward.sum(np.isfinite(events["jetPtCorr"]))


def test_other_trees_of_the_file_come_along(jetcal, ntuple, repository, tmp_path):
    source = tmp_path / "in.root"
    source.write_bytes(ntuple.read_bytes())
    rows = {"genJetPt": np.arange(300, dtype="f4"), "event": np.arange(300, dtype="u8")}
    with uproot.update(source) as file:
        file.mktree("calibration/jets", {name: values.dtype for name, values in rows.items()}).extend(rows)
        file["note"] = "how it was made"
    report = jetcal("predict", "--model", repository / "pfn-paper" / "1" / "model.jetcal", "--input", source,
                    "--output", tmp_path / "out.root")
    assert report["left_out"] == []
    with uproot.open(tmp_path / "out.root") as file:
        assert file[TREE].num_entries == NUM_JETS and "jetPtCorr" in file[TREE].keys()
        for name, values in rows.items():
            np.testing.assert_array_equal(file["calibration/jets"][name].array(), values)
        assert str(file["note"]) == "how it was made"


def test_parquet_gets_a_column(jetcal, repository, tmp_path):
    jets = make_branches(900)
    write_ntuple(tmp_path / "a.root", jets)
    write_parquet(tmp_path / "a.parquet", jets, row_group_size=250)
    model = repository / "pfn-constituents" / "1" / "model.jetcal"
    for kind in ("root", "parquet"):
        report = jetcal("predict", "--model", model, "--input", tmp_path / f"a.{kind}", "--output",
                        tmp_path / f"out.{kind}")
        assert report["corrected"] == 900
    before, after = (pyarrow.parquet.read_table(tmp_path / name) for name in ("a.parquet", "out.parquet"))
    assert after.column_names == [*before.column_names, "jetPtCorr"]
    assert after.select(before.column_names).equals(before)
    np.testing.assert_array_equal(after["jetPtCorr"], branch(tmp_path / "out.root"))
    status, message = jetcal.fails("predict", "--model", model, "--input", tmp_path / "out.parquet", "--output",
                                   tmp_path / "twice.parquet")
    assert status == 2 and "has a column jetPtCorr already" in message


@pytest.mark.parametrize("storage", ["TTree", "RNTuple"])
def test_jets_without_candidates_are_refused(jetcal, repository, tmp_path, storage):
    write_nano(tmp_path / "nano.root", make_nano("v12"), storage)
    status, message = jetcal.fails("predict", "--model", repository / "pfn-paper" / "1" / "model.jetcal", "--input",
                                   tmp_path / "nano.root", "--output", tmp_path / "out.root")
    assert status == 6 and "nano.root" in message
    assert ("without particle-flow candidates" if storage == "TTree" else "RNTuple") in message
    assert not (tmp_path / "out.root").exists()


def test_reduced_precision_stays_near_float32_or_is_refused(jetcal, ntuple, repository, tmp_path):
    model = repository / "pfn-paper" / "1" / "model.jetcal"
    common = ["predict", "--model", model, "--input", ntuple, "--output"]
    jetcal(*common, tmp_path / "float32.root")
    exact = branch(tmp_path / "float32.root")
    for precision, relative in (("int16", 1e-3), ("int8", 5e-2)):
        jetcal(*common, tmp_path / f"{precision}.root", "--precision", precision)
        near = branch(tmp_path / f"{precision}.root")
        assert not np.array_equal(near, exact, equal_nan=True)
        np.testing.assert_allclose(near, exact, rtol=relative)
    if "avx512_bf16" not in pathlib.Path("/proc/cpuinfo").read_text():
        status, message = jetcal.fails(*common, tmp_path / "bf16.root", "--precision", "bf16")[:2]
        assert status != 0 and "bf16" in message and len(message.strip().splitlines()) == 1, message
    status, message = jetcal.fails(*common, tmp_path / "no.root", "--precision", "float8")[:2]
    assert status == 2 and "float8" in message
    status, message = jetcal.fails(*common, tmp_path / "no.root", "--device", "tpu")[:2]
    assert status == 2 and "tpu" in message


def test_bad_requests_are_one_sentence_and_leave_nothing(jetcal, ntuple, repository, server, tmp_path):
    model = repository / "pfn-paper" / "1" / "model.jetcal"
    output = tmp_path / "out.root"
    url = f"http://{server.url}"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
        cases = [
            (2, "either --model", []),
            (2, "overwrite the input", ["--model", model, "--output", ntuple]),
            (2, "mode paper, --mode says constituents", ["--model", model, "--mode", "constituents"]),
            (2, "--split is for a folder of shards", ["--model", model, "--split", "train"]),
            (2, "'no branch'", ["--model", model, "--branch", "no branch"]),
            (2, "jetPt", ["--model", model, "--branch", "jetPt"]),
            (2, "http://", ["--url", "ftp://somewhere"]),
            (3, "nobody", ["--url", url, "--model-name", "nobody"]),
            (3, "nothing.jetcal", ["--model", tmp_path / "nothing.jetcal"]),
            (6, "cannot ask the server", ["--url", dead, "--model-name", "pfn-paper"]),
        ]
        for status, text, flags in cases:
            arguments = ["predict", "--input", ntuple, "--output", output, *flags]
            if "--output" in flags:
                arguments = ["predict", "--input", ntuple, *flags]
            result = jetcal.fails(*arguments)
            assert result[0] == status and text in result[1], (flags, result)
    assert list(tmp_path.iterdir()) == []


def test_config_file_and_flags(jetcal, ntuple, repository, tmp_path):
    config = tmp_path / "predict.yaml"
    config.write_text(f"input: {ntuple}\noutput: {tmp_path / 'out.root'}\nbatch_size: 100\nbranch: ptNew\n"
                      f"model: {repository / 'pfn-paper' / '1' / 'model.jetcal'}\n")
    report = jetcal("predict", "--config", config, "--branch", "ptOther")
    assert report["branch"] == "ptOther" and report["batches"] == 7
    config.write_text("inptu: a.root\n")
    status, message = jetcal.fails("predict", "--config", config)
    assert status == 2 and "input" in message
