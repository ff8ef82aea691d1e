# SPDX-License-Identifier: Apache-2.0
"""ingest: shards hold what uproot reads; every row is accounted for; kills, full disks and bad files."""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import time

import awkward
import numpy
import pyarrow
import pyarrow.ipc
import pytest
import uproot
from conftest import JETCAL, SHARED
from jet_files import (
    JET_BRANCHES, NANO_MISSING, PARTICLE_BRANCHES, by_nano_rules, make_branches, make_nano, write_nano, write_ntuple)

SPLITS = ("train", "validation", "test")
ALL_ROWS = ("--gen-pt-min", "-1", "--gen-eta-max", "100", "--keep-unmatched")


def read_shards(folder, splits=SPLITS):
    """Returns the shards of a folder as one table in the order of (split, file)."""
    tables = []
    for split in splits:
        for path in sorted(folder.glob(f"{split}-*.arrow")):
            with pyarrow.memory_map(str(path)) as source:
                tables.append(pyarrow.ipc.open_file(source).read_all())
    return pyarrow.concat_tables(tables)


def by_source(table):
    """Sorts the rows as they were in the input."""
    return table.sort_by([("source_entry", "ascending"), ("source_jet", "ascending")])


def column(table, name):
    return awkward.from_arrow(table[name])


def same_as_branches(table, tree, rows):
    for name, branch in JET_BRANCHES.items():
        numpy.testing.assert_array_equal(column(table, name), tree[branch].array()[rows], err_msg=name)
    for name, branch in PARTICLE_BRANCHES.items():
        assert awkward.all(column(table, name) == tree[branch].array()[rows]), name


def folder_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_jet_ntuple_shards_hold_what_uproot_reads(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(1000))
    report = jetcal("ingest", tmp_path / "in.root", "--output", tmp_path / "out")
    tree = uproot.open(tmp_path / "in.root")["AK4jets/jetTree"]
    gen_pt, gen_eta = tree["genJetPt"].array(library="np"), tree["genJetEta"].array(library="np")
    selected = (gen_pt > 20) & (abs(gen_eta) < 2.5)
    rows = report["rows"]
    assert report["schema"] == "JetNTuple"
    assert rows["read"] == 1000
    assert rows["selected"] == selected.sum()
    assert rows["unmatched"] == (gen_pt == 0).sum()
    assert rows["rejected"]["gen_pt_min"] == ((gen_pt > 0) & (gen_pt <= 20)).sum()
    assert rows["rejected"]["gen_eta_max"] == ((gen_pt > 20) & (abs(gen_eta) >= 2.5)).sum()
    assert rows["read"] == rows["selected"] + rows["unmatched"] + rows["not_finite"] + sum(rows["rejected"].values())
    assert sum(report["splits"].values()) == rows["selected"]
    table = by_source(read_shards(tmp_path / "out"))
    numpy.testing.assert_array_equal(column(table, "source_entry"), numpy.flatnonzero(selected))
    same_as_branches(table, tree, selected)
    assert report["particles"]["selected"] == awkward.sum(tree["nPF"].array()[selected])


def test_the_sample_comes_through_unchanged(jetcal, sample, tmp_path):
    report = jetcal("ingest", sample, "--output", tmp_path / "out", *ALL_ROWS)
    assert report["rows"]["selected"] == report["rows"]["read"]
    table = by_source(read_shards(tmp_path / "out"))
    tree = uproot.open(sample)["AK4jets/jetTree"]
    assert table.num_rows == tree.num_entries
    same_as_branches(table, tree, slice(None))


def nano_jets(path):
    """Computes from PFNano with uproot alone what ingest should find for jets with pT > 30 and |eta| < 2.5."""
    events = uproot.open(path)["Events"].arrays(filter_name=[
        "Jet_*", "GenJet_*", "PFCands_*", "JetPFCands_*", "nJet", "fixedGridRhoFastjetAll", "event", "PV_npvsGood"])
    for event in events:
        owners = numpy.full(len(event.PFCands_pt), -1)
        owners[numpy.asarray(event.JetPFCands_pFCandsIdx)] = event.JetPFCands_jetIdx
        pf = {name: numpy.asarray(event[f"PFCands_{name}"]) for name in ("pt", "eta", "phi", "mass", "charge", "pdgId")}
        for jet in range(event.nJet):
            if not (event.Jet_pt[jet] > 30 and abs(event.Jet_eta[jet]) < 2.5):
                continue
            d_eta = pf["eta"].astype("f8") - event.Jet_eta[jet]
            d_phi = pf["phi"].astype("f8") - event.Jet_phi[jet]
            d_phi = (d_phi + numpy.pi) % (2 * numpy.pi) - numpy.pi
            box = (abs(d_eta) < 1) & (abs(d_phi) < 1)
            own = owners[box] == jet
            pt = pf["pt"][box][own].astype("f8")
            eta_phi = numpy.stack([d_eta[box][own], d_phi[box][own]])
            moments = numpy.cov(eta_phi, aweights=pt**2, bias=True) if own.sum() > 1 else numpy.zeros((2, 2))
            gen = event.Jet_genJetIdx[jet]
            yield {
                "pt_reco": event.Jet_pt[jet], "event": event.event, "rho": event.fixedGridRhoFastjetAll,
                "pt_raw": event.Jet_pt[jet] * (1 - event.Jet_rawFactor[jet]), "num_vertices": event.PV_npvsGood,
                "pt_gen": event.GenJet_pt[gen] if 0 <= gen < len(event.GenJet_pt) else 0,
                "hadron_flavor": event.Jet_hadronFlavour[jet], "parton_flavor": event.Jet_partonFlavour[jet],
                "qg_pt_d": numpy.sqrt((pt**2).sum()) / pt.sum(),
                "qg_axis2": numpy.sqrt(max(numpy.linalg.eigvalsh(moments)[0], 0)),
                "constituents": event.Jet_nConstituents[jet],
                "pf_pt": pf["pt"][box], "pf_d_eta": d_eta[box], "pf_d_phi": d_phi[box], "pf_mass": pf["mass"][box],
                "pf_id": pf["pdgId"][box], "pf_from_jet": own}


def test_real_pfnano_jets_come_out_with_their_candidates(jetcal, pfnano, tmp_path):
    report = jetcal("ingest", pfnano, "--output", tmp_path / "out", *ALL_ROWS, "--reco-pt-min", "30",
                    "--reco-eta-max", "2.5")
    assert report["schema"] == "PFNano"
    assert report["rows"]["read"] == 64
    assert report["rows"]["selected"] == 36
    assert report["particles"]["skipped_links"] == 0
    table = by_source(read_shards(tmp_path / "out"))
    want = list(nano_jets(pfnano))
    assert table.num_rows == len(want) == 36
    exact = ("pt_reco", "event", "rho", "num_vertices", "pt_gen", "hadron_flavor", "parton_flavor")
    for row, jet in enumerate(want):
        got = {name: table[name][row].as_py() for name in table.column_names}
        assert sum(got["pf_from_jet"]) == jet["constituents"]
        for name in exact:
            assert got[name] == jet[name], name
        for name in ("pt_raw", "qg_pt_d"):
            assert got[name] == pytest.approx(jet[name], rel=1e-6), name
        assert got["qg_axis2"] == pytest.approx(jet["qg_axis2"], abs=1e-6)
        for name in ("pf_pt", "pf_mass", "pf_id", "pf_from_jet"):
            numpy.testing.assert_array_equal(got[name], jet[name], err_msg=name)
        for name in ("pf_d_eta", "pf_d_phi"):
            numpy.testing.assert_allclose(got[name], jet[name], atol=1e-6, err_msg=name)


def test_the_first_hundred_of_the_box_are_mostly_charged(jetcal, pfnano, tmp_path):
    # Measured by others on this file: a median of 0 % of the neutral pT of a jet is in the first 100, 92 % of the boxes
    # of the thinned events hold more than 100. The order of the file is therefore kept.
    jetcal("ingest", pfnano, "--output", tmp_path / "out", *ALL_ROWS, "--reco-pt-min", "30", "--reco-eta-max", "2.5")
    table = read_shards(tmp_path / "out")
    lengths = awkward.num(column(table, "pf_pt"))
    assert numpy.mean(lengths > 100) > 0.8
    assert 150 < numpy.mean(lengths) < 215


def test_values_that_are_not_finite_are_counted_not_replaced(jetcal, tmp_path):
    jets = make_branches(200)
    jets["rhoAll"][3] = numpy.nan
    jets["jetPt"][7] = numpy.inf
    write_ntuple(tmp_path / "in.root", jets)
    report = jetcal("ingest", tmp_path / "in.root", "--output", tmp_path / "out", *ALL_ROWS)
    assert report["rows"]["not_finite"] == 2
    assert report["rows"]["selected"] == 198
    assert not {3, 7} & set(column(read_shards(tmp_path / "out"), "source_entry").to_list())


def test_a_whole_column_of_nan_selects_nothing_and_says_so(jetcal, tmp_path):
    jets = make_branches(50)
    jets["jetMass"][:] = numpy.nan
    write_ntuple(tmp_path / "in.root", jets)
    report = jetcal("ingest", tmp_path / "in.root", "--output", tmp_path / "out")
    assert report["rows"]["not_finite"] == 50
    assert report["rows"]["selected"] == 0


@pytest.mark.parametrize("branch", ["jetPt", "QG_axis2", "PF_dEta"])
def test_a_missing_branch_is_named(jetcal, tmp_path, branch):
    write_ntuple(tmp_path / "in.root", make_branches(10), leave_out=(branch,))
    status, message = jetcal.fails("ingest", tmp_path / "in.root", "--output", tmp_path / "out")
    assert status == 2
    assert message == f"jetcal ingest: missing branch {branch} in {tmp_path}/in.root"
    assert not list((tmp_path / "out").glob("*.arrow*"))


def test_a_branch_of_a_wrong_type_is_named(jetcal, tmp_path):
    jets = make_branches(10)
    jets["hadronFlav"] = jets["hadronFlav"].astype("f4")
    write_ntuple(tmp_path / "in.root", jets)
    status, message = jetcal.fails("ingest", tmp_path / "in.root", "--output", tmp_path / "out")
    assert status == 2
    assert "wrong type of branch hadronFlav" in message and "in.root" in message and "Float_t" in message


def test_wider_and_narrower_integers_are_taken(jetcal, tmp_path):
    jets = make_branches(60)
    jets["hadronFlav"] = jets["hadronFlav"].astype("i2")
    jets["PV_npvsGood"] = abs(jets["PV_npvsGood"]).astype("u1")
    jets["QG_mult"] = jets["QG_mult"].astype("i8")
    jets["jetMass"] = jets["jetMass"].astype("f8")
    write_ntuple(tmp_path / "in.root", jets)
    jetcal("ingest", tmp_path / "in.root", "--output", tmp_path / "out", *ALL_ROWS)
    same_as_branches(by_source(read_shards(tmp_path / "out")), uproot.open(tmp_path / "in.root")["AK4jets/jetTree"],
                     slice(None))


def test_a_truncated_file_is_one_sentence(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(500))
    data = (tmp_path / "in.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(data[: len(data) * 2 // 3])
    result = jetcal.raw("ingest", tmp_path / "cut.root", "--output", tmp_path / "out", "--json")
    assert result.returncode == 4
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("ingest ")]
    assert len(lines) == 1
    assert lines[0].startswith("jetcal ingest: truncated file: ") and "cut.root" in lines[0]
    assert not list((tmp_path / "out").glob("*.arrow*"))


def test_a_config_file_works_and_flags_override_it(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(300))
    (tmp_path / "ingest.yaml").write_text(
        f"inputs: [{tmp_path}/in.root]\noutput: {tmp_path}/out\ngen_pt_min: 50\nfractions: [0.5, 0.25, 0.25]\n")
    strict = jetcal("ingest", "--config", tmp_path / "ingest.yaml")
    loose = jetcal("ingest", "--config", tmp_path / "ingest.yaml", "--gen-pt-min", "20", "--output", tmp_path / "loose")
    assert strict["rows"]["rejected"]["gen_pt_min"] > loose["rows"]["rejected"]["gen_pt_min"]
    (tmp_path / "typo.yaml").write_text("gen_pt_mim: 50\n")
    status, message = jetcal.fails("ingest", tmp_path / "in.root", "--config", tmp_path / "typo.yaml", "--output", "x")
    assert status == 2 and "gen_pt_mim" in message


def test_split_by_file(jetcal, tmp_path):
    for index in range(3):
        write_ntuple(tmp_path / f"in{index}.root", make_branches(100, seed=index))
    report = jetcal("ingest", tmp_path / "in*.root", "--output", tmp_path / "out", "--split", "file", "--train",
                    "in0.root", "--validation", "in1.root", "--test", "in2.root")
    assert [file["shards"] for file in report["files"]] == [
        ["train-00000.arrow"], ["validation-00001.arrow"], ["test-00002.arrow"]]
    table = read_shards(tmp_path / "out", ["test"])
    tree = uproot.open(tmp_path / "in2.root")["AK4jets/jetTree"]
    same_as_branches(table, tree, column(table, "source_entry").to_numpy())


def test_kill_and_resume_gives_the_same_bytes(jetcal, tmp_path):
    for index in range(3):
        write_ntuple(tmp_path / f"in{index}.root", make_branches(4000, seed=index))
    arguments = ("ingest", tmp_path / "in*.root")
    jetcal(*arguments, "--output", tmp_path / "whole")
    # Killed as soon as one file is finished and another is in work.
    killed = tmp_path / "killed"
    process = subprocess.Popen([JETCAL, *map(str, arguments), "--output", str(killed), "--threads", "1"],
                               stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(killed.glob("*-00001.arrow.part")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "the run ended before it was killed"
    assert folder_bytes(killed) != folder_bytes(tmp_path / "whole")
    resumed = jetcal(*arguments, "--output", killed)
    assert 1 <= resumed["files_resumed"] < 3
    assert folder_bytes(killed) == folder_bytes(tmp_path / "whole")


def test_other_options_in_the_same_folder_are_refused(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(100))
    jetcal("ingest", tmp_path / "in.root", "--output", tmp_path / "out")
    status, message = jetcal.fails("ingest", tmp_path / "in.root", "--output", tmp_path / "out", "--seed", "2")
    assert status == 6
    assert "other inputs or options" in message


def test_a_full_disk_is_one_sentence_and_leaves_no_shard(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(2000))
    small = tmp_path / "small"
    small.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(small), b"tmpfs", 0, b"size=256k") != 0:
        pytest.skip("cannot mount a small file system: " + os.strerror(ctypes.get_errno()))
    try:
        status, message = jetcal.fails("ingest", tmp_path / "in.root", "--output", small / "out")
        assert status == 5
        assert "no space left" in message and ".arrow" in message
        assert not (small / "out").exists()
    finally:
        libc.umount2(os.fsencode(small), 2)


def test_a_run_that_fails_at_once_leaves_its_folder_as_it_was(jetcal, sample, tmp_path):
    cut = tmp_path / "cut.root"
    cut.write_bytes(sample.read_bytes()[:300_000])
    folder = tmp_path / "shards"
    status, message = jetcal.fails("ingest", cut, "--output", folder)
    assert status == 4 and "truncated file" in message and "cut.root" in message
    assert not folder.exists()
    folder.mkdir()
    jetcal.fails("ingest", cut, "--output", folder)
    assert not list(folder.iterdir())


def ingest_error(jetcal, tmp_path, *inputs):
    """Returns the status and the sentence of an ingest that must fail and leave nothing."""
    status, message = jetcal.fails("ingest", *inputs, "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    return status, message.removeprefix("jetcal ingest: ")


def same_as_nano(table, want):
    for name, values in want.items():
        if name in ("unmatched", "unstored"):
            continue
        if name == "pt_raw":
            numpy.testing.assert_allclose(column(table, name), values, rtol=1e-6)
        else:
            numpy.testing.assert_array_equal(column(table, name), values, err_msg=name)
    for name in PARTICLE_BRANCHES:
        assert awkward.sum(awkward.num(column(table, name))) == 0, name


@pytest.mark.parametrize("compression", [uproot.ZLIB(1), uproot.LZMA(1), uproot.LZ4(1), None])
@pytest.mark.parametrize("storage", ["TTree", "RNTuple"])
@pytest.mark.parametrize("version", ["v8", "v12", "v15"])
def test_nanoaod_without_candidates(jetcal, tmp_path, version, storage, compression):
    events = make_nano(version)
    want = by_nano_rules(events)
    write_nano(tmp_path / "nano.root", events, storage, compression)
    report = jetcal("ingest", tmp_path / "nano.root", "--output", tmp_path / "out", *ALL_ROWS)
    assert report["schema"] == "NanoAOD"
    (file,) = report["files"]
    assert (file["layout"], file["storage"], file["missing"]) == (f"nanoaod-{version}-like", storage, NANO_MISSING)
    assert report["rows"]["read"] == report["rows"]["selected"] == len(want["pt_reco"])
    assert report["rows"]["selected_unmatched"] == want["unmatched"]
    assert report["rows"]["unstored_gen_jets"] == want["unstored"] > 0
    same_as_nano(by_source(read_shards(tmp_path / "out")), want)


def test_real_nanoaod_v12(jetcal, tmp_path):
    path = SHARED / "nano_tt_v12.root"
    if not path.exists():
        pytest.skip("shared/data/cms/nano_tt_v12.root is not there: real CMS events are not part of the repository")
    report = jetcal("ingest", path, "--output", tmp_path / "out", *ALL_ROWS)
    assert report["files"][0]["layout"] == "nanoaod-v12-like"
    tree = uproot.open(path)["Events"].arrays(filter_name=["Jet_*", "GenJet_*", "Rho_fixedGridRhoFastjetAll", "event",
                                                           "PV_npvsGood", "Pileup_nTrueInt", "genWeight"])
    events = {name: tree[name] for name in tree.fields if not name.startswith(("Jet_", "GenJet_"))}
    for collection in ("Jet", "GenJet"):
        events[collection] = awkward.zip({name.split("_", 1)[1]: tree[name] for name in tree.fields
                                          if name.startswith(collection + "_")})
    want = by_nano_rules(events)
    assert len(want["pt_reco"]) == report["rows"]["read"] == 1504
    assert report["rows"]["selected_unmatched"] == want["unmatched"] == 168
    same_as_nano(by_source(read_shards(tmp_path / "out")), want)
    used = (want["pt_gen"] > 30) & (abs(want["eta"]) < 2.5)
    assert used.sum() == 1009  # the number that others found in this file


def test_mixed_inputs_are_refused_with_both_names(jetcal, tmp_path):
    write_ntuple(tmp_path / "ntuple.root", make_branches(20))
    for version in ("v8", "v12", "v15"):
        write_nano(tmp_path / f"{version}.root", make_nano(version, seed=2))
    for first, second, kinds in [
            ("ntuple", "v12", ("jetntuple", "nanoaod-v12-like")),
            ("v8", "v12", ("CHS", "PUPPI")),
            ("v15", "v8", ("nanoaod-v15-like", "nanoaod-v8-like"))]:
        status, message = ingest_error(jetcal, tmp_path, tmp_path / f"{first}.root", tmp_path / f"{second}.root")
        assert status == 2
        for text in ("mixed inputs", f"{first}.root", f"{second}.root", *kinds):
            assert text in message, message
    report = jetcal("ingest", tmp_path / "v12.root", tmp_path / "v15.root", "--output", tmp_path / "out")
    assert [file["layout"] for file in report["files"]] == ["nanoaod-v12-like", "nanoaod-v15-like"]


@pytest.mark.parametrize("branch", ["Jet_pt", "Jet_eta", "Jet_genJetIdx", "GenJet_eta", "PV_npvsGood"])
@pytest.mark.parametrize("storage", ["TTree", "RNTuple"])
def test_a_missing_branch_of_nanoaod_is_named(jetcal, tmp_path, branch, storage):
    write_nano(tmp_path / "nano.root", make_nano("v12"), storage, leave_out=(branch,))
    assert ingest_error(jetcal, tmp_path, tmp_path / "nano.root") == (
        2, f"missing branch {branch} in {tmp_path}/nano.root")


def test_nan_in_nanoaod_is_counted(jetcal, tmp_path):
    events = make_nano("v12")
    jets = int(awkward.sum(awkward.num(events["Jet"].pt)))
    for name, row in (("pt", 1), ("eta", 5), ("rawFactor", 9)):
        flat = awkward.to_numpy(awkward.flatten(events["Jet"][name])).copy()
        flat[row] = numpy.nan
        lengths = awkward.num(events["Jet"].pt)
        events["Jet"] = awkward.with_field(events["Jet"], awkward.unflatten(flat, lengths), name)
    write_nano(tmp_path / "nano.root", events)
    report = jetcal("ingest", tmp_path / "nano.root", "--output", tmp_path / "out", *ALL_ROWS)
    assert report["rows"]["not_finite"] == 3
    assert report["rows"]["selected"] == jets - 3


def test_a_second_ingest_into_the_same_folder_is_refused(jetcal, tmp_path):
    write_ntuple(tmp_path / "in.root", make_branches(100))
    folder = tmp_path / "out"
    folder.mkdir()
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, message = jetcal.fails("ingest", tmp_path / "in.root", "--output", folder)
        assert status == 6
        assert message == f"jetcal ingest: another ingest is writing into {folder}, wait for it or use another folder"
    jetcal("ingest", tmp_path / "in.root", "--output", folder)  # what a killed run left does not block
    assert not (folder / ".lock").exists()


def test_messages_are_utf8_whatever_the_bytes(jetcal, tmp_path):
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xaf")
    result = jetcal.raw("ingest", "--config", bad + ".yaml", "--output", tmp_path / "out")  # decodes strictly
    assert result.returncode != 0 and "/bad\ufffd.yaml" in result.stderr.splitlines()[-1], result.stderr
    write_ntuple(tmp_path / "in.root", make_branches(3))
    os.rename(tmp_path / "in.root", bad + ".root")
    result = jetcal.raw("ingest", bad + ".root", "--output", tmp_path / "out")
    assert result.returncode == 2 and "/bad\ufffd.root is no UTF-8" in result.stderr.splitlines()[-1], result.stderr


def test_flipped_bytes_never_end_in_a_crash(jetcal, tmp_path):
    # Few of these bytes are guarded by a checksum: some flips go unseen, some crash ROOT itself.
    write_ntuple(tmp_path / "in.root", make_branches(30))
    data = (tmp_path / "in.root").read_bytes()
    random = numpy.random.default_rng(5)
    seen = set()
    for position in random.integers(100, len(data), 16):
        damaged = bytearray(data)
        damaged[position] ^= int(random.integers(1, 256))
        (tmp_path / "bad.root").write_bytes(damaged)
        result = jetcal.raw("ingest", tmp_path / "bad.root", "--output", tmp_path / "out")
        seen.add(result.returncode)
        assert result.returncode in (0, 2, 4), (position, result.stderr)
        assert list((tmp_path / "out").glob("*.part")) == []
        if result.returncode != 0:
            assert "bad.root" in result.stderr.splitlines()[-1], (position, result.stderr)
            assert not (tmp_path / "out").exists()
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert len(seen) > 1
