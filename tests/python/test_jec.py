# SPDX-License-Identifier: Apache-2.0
"""jetcal jec: text against JSON of the same corrections, JSON against the correctionlib library, real files, bad input."""

import csv
import gzip
import json

import awkward as ak
import correctionlib
import correctionlib.schemav2 as schema
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import uproot
from conftest import SHARED
from jet_files import make_branches, write_ntuple

ROWS = 100_000
JSON_FILE = SHARED / "jet_jerc_Summer22_V3.json.gz"
MC = "Summer22_22Sep2023_V3_MC"
TEXT_LEVELS = ["L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual"]

pytestmark = pytest.mark.skipif(not JSON_FILE.exists(), reason="the real CMS correction files are not there")


def text_file(level):
    return SHARED / f"{MC}_{level}_AK4PFPuppi.jec.txt.gz"


def write_csv(path, columns):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() if hasattr(column, "tolist") else column for column in columns.values())))


@pytest.fixture(scope="module")
def points():
    """Random jets that every correction covers, and the systematic that scale factors ask for."""
    rng = np.random.default_rng(22)
    return {
        "JetPt": np.exp(rng.uniform(np.log(10.0), np.log(3500.0), ROWS)),
        "JetEta": rng.uniform(-5.19, 5.19, ROWS),
        "JetA": rng.uniform(0.2, 0.9, ROWS),
        "Rho": rng.uniform(0.5, 60.0, ROWS),
        "systematic": rng.choice(["nom", "up", "down"], ROWS),
    }


@pytest.fixture(scope="module")
def table(points, tmp_path_factory):
    """Parquet keeps every bit of the points and is quick to read."""
    path = tmp_path_factory.mktemp("jec") / "points.parquet"
    pyarrow.parquet.write_table(pyarrow.table(points), path)
    return path


@pytest.fixture(scope="module")
def library():
    return correctionlib.CorrectionSet.from_file(str(JSON_FILE))


def factors(jetcal, table, *correction, name=None):
    arguments = ["jec", "evaluate", "--correction", *correction, "--input", table]
    document = jetcal(*arguments, *(["--name", name] if name else []))
    assert document["not_finite"] == 0
    return np.array(document["factors"])


def relative(ours, reference):
    return np.max(np.abs(ours - reference) / np.maximum(np.abs(reference), 1e-12))


def test_text_and_json_of_the_same_corrections_agree(jetcal, table):
    for level in TEXT_LEVELS:
        text = factors(jetcal, table, text_file(level))
        from_json = factors(jetcal, table, JSON_FILE, name=f"{MC}_{level}_AK4PFPuppi")
        assert relative(text, from_json) < 1e-6, level
    chain = factors(jetcal, table, *map(text_file, TEXT_LEVELS))
    compound = factors(jetcal, table, JSON_FILE, name=f"{MC}_L1L2L3Res_AK4PFPuppi")
    assert relative(chain, compound) < 1e-6
    assert np.ptp(chain) > 0.3  # these are corrections, not ones


def test_resolution_text_and_json_agree(jetcal, table):
    text = factors(jetcal, table, SHARED / "Summer22_22Sep2023_JRV1_MC_PtResolution_AK4PFPuppi.jr.txt.gz")
    from_json = factors(jetcal, table, JSON_FILE, name="Summer22_22Sep2023_JRV1_MC_PtResolution_AK4PFPuppi")
    assert relative(text, from_json) < 1e-6


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The corrections of the file, each in a JSON of its own: the whole takes a moment to read for every one of them."""
    folder = tmp_path_factory.mktemp("parts")
    document = json.loads(gzip.decompress(JSON_FILE.read_bytes()))
    by_name = {correction["name"]: correction for correction in document["corrections"]}
    for name, correction in by_name.items():
        (folder / f"{name}.json").write_text(json.dumps({"schema_version": 2, "corrections": [correction]}))
    for compound in document["compound_corrections"]:
        stack = [by_name[name] for name in compound["stack"]]
        part = {"schema_version": 2, "corrections": stack, "compound_corrections": [compound]}
        (folder / f"{compound['name']}.json").write_text(json.dumps(part))
    return folder


def by_library(correction, points):
    """The library takes arrays of numbers, but one text at a time."""
    names = [variable.name for variable in correction.inputs]
    if "systematic" not in names:
        return correction.evaluate(*(points[name] for name in names))
    result = np.empty(len(points["JetPt"]))
    for systematic in np.unique(points["systematic"]):
        chosen = points["systematic"] == systematic
        result[chosen] = correction.evaluate(*(systematic if name == "systematic" else points[name][chosen] for name in names))
    return result


# Jets on and beyond the edges of every bin and range.
EDGES = {
    "JetPt": np.array([0.01, 1.0, 5.0, 9.0, 7000.0, 1e6, 50.0, 50.0, 50.0, 50.0]),
    "JetEta": np.array([0.0, 1.0, -2.0, 2.5, 4.0, 0.1, -5.191, 5.191, 5.5, -9.0]),
    "JetA": np.full(10, 0.5),
    "Rho": np.array([0.0, 70.0, 300.0, 10, 10, 10, 10, 10, 10, 10]),
    "systematic": np.array(["nom"] * 10),
}


def test_every_correction_agrees_with_the_library(jetcal, points, table, library, parts, tmp_path):
    """All 74 and the two compound ones: 100,000 points for what MC jets use; for the others 2,000, and some beyond every edge."""
    few = {name: np.concatenate([EDGES[name], column[:2000]]) for name, column in points.items()}
    short = tmp_path / "short.parquet"
    pyarrow.parquet.write_table(pyarrow.table(few), short)
    names = [(name, library[name]) for name in library] + list(library.compound.items())
    assert len(names) == 76
    full = []
    for name, correction in names:
        whole = name.startswith(MC) and any(level in name for level in [*TEXT_LEVELS, "L1L2L3Res", "_Total_"])
        whole = whole or "JRV1" in name
        full += [name] * whole
        for columns, file in [(few, short), (points, table)][: 1 + whole]:
            ours = factors(jetcal, file, parts / f"{name}.json")
            assert relative(ours, by_library(correction, columns)) < 1e-7, name
    assert len(full) >= 8, full


def node(**fields):
    return fields


def random_set():
    """One correction of each kind of node that the CMS file lacks."""
    x, n = schema.Variable(name="x", type="real"), schema.Variable(name="n", type="int")
    out = schema.Variable(name="f", type="real")
    formula = node(nodetype="formula", expression="-x^2+2^-x*atan2(x,3)-erf(x)/(1+(x>0.5)*x)", parser="TFormula", variables=["x"])
    transform = node(nodetype="transform", input="x", rule=node(nodetype="formula", expression="x*3", parser="TFormula", variables=["x"]),
                     content=node(nodetype="binning", input="x", edges=[0, 1, 2, "inf"], content=[1, formula, 3], flow="error"))
    multi = node(nodetype="multibinning", inputs=["x", "n"], edges=[{"n": 4, "low": 0, "high": 1}, [0, 2, 5]],
                 content=[1, 2, 3, 4, 5, 6, 7, formula], flow=-1)
    shapes = {"formula": formula, "transform": transform, "multi": multi}
    shapes |= {f"wrap_{kind}": node(nodetype="binning", input="x", edges=edges, content=[1, 2, 3], flow="wrap")
               for kind, edges in {"list": [0.1, 0.2, 0.25, 0.3], "uniform": {"n": 3, "low": 0.1, "high": 0.3}}.items()}
    shapes |= {f"random_{kind}_{len(inputs)}": node(nodetype="hashprng", inputs=inputs, distribution=kind)
               for kind in ("stdflat", "stdnormal", "normal") for inputs in (["x"], ["x", "n"], ["x", "n", "x", "n", "x"])}
    corrections = [schema.Correction(name=name, version=1, inputs=[x, n], output=out, data=data) for name, data in shapes.items()]
    compounds = [schema.CompoundCorrection(name=f"stack_{i}_{o}", inputs=[x, n], output=out, inputs_update=["x"], input_op=i, output_op=o,
                                           stack=["formula", "multi", "formula"])
                 for i in "+*/" for o in ("+", "*", "/", "last")]
    return schema.CorrectionSet(schema_version=2, corrections=corrections, compound_corrections=compounds)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_kind_of_node_agrees_with_the_library(jetcal, tmp_path):
    made = random_set()
    path = tmp_path / "kinds.json"
    path.write_text(made.model_dump_json(exclude_unset=True))
    rng = np.random.default_rng(5)
    columns = {"x": rng.uniform(0.0, 1.0, 3000), "n": rng.integers(0, 6, 3000)}
    table = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns), table)
    library = correctionlib.CorrectionSet.from_file(str(path))
    for name, correction in [*((name, library[name]) for name in library), *library.compound.items()]:
        ours = factors(jetcal, table, path, name=name)
        assert relative(ours, correction.evaluate(columns["x"], columns["n"])) < 1e-12, name


def test_real_run_2_files_give_the_known_responses(jetcal, tmp_path):
    """The numbers of the reference: 1/C of Summer19UL18 and its L1 offset at rho 20."""
    pt = [30, 50, 100, 300, 1000]
    path = tmp_path / "jets.csv"
    for eta, expected in {0.1: [0.915, 0.933, 0.939, 0.936, 0.943], 2.0: [0.847, 0.865, 0.881, 0.913, 0.954]}.items():
        write_csv(path, {"JetPt": pt, "JetEta": [eta] * 5})
        got = 1 / factors(jetcal, path, SHARED / "Summer19UL18_V5_MC_L2Relative_AK4PFchs.txt")
        assert np.abs(got - expected).max() < 6e-4
    hard = np.array([30.0, 100, 1000])
    write_csv(path, {"JetPt": hard, "JetEta": [0.04] * 3, "JetA": [0.503] * 3, "Rho": [20.0] * 3})
    offset = hard * (1 - factors(jetcal, path, SHARED / "Summer19UL18_V5_MC_L1FastJet_AK4PFchs.txt"))
    assert np.abs(offset - [3.6, 3.3, 2.8]).max() < 0.05


def test_outside_of_every_bin_a_text_gives_one_and_says_so(jetcal, tmp_path):
    path = tmp_path / "jets.csv"
    write_csv(path, {"JetPt": [50, 50, 50], "JetEta": [0.1, 5.3, -7]})
    arguments = ("jec", "evaluate", "--correction", text_file("L2Relative"), "--input", path)
    document = jetcal(*arguments)
    assert document["factors"][0] > 1.02 and document["factors"][1:] == [1, 1]
    assert document["outside_bins"]["rows"] == 2 and document["outside_bins"]["first_row"] == 1
    result = jetcal.raw(*arguments)
    assert "outside every bin, first row 1 of" in result.stderr and len(result.stdout.split()) == 3


def test_list_says_what_a_file_holds(jetcal):
    document = jetcal("jec", "list", JSON_FILE)
    assert len(document["corrections"]) == 76
    compound = document["corrections"][-1]
    assert compound["kind"] == "compound" and len(compound["stack"]) == 4
    assert [variable["name"] for variable in compound["inputs"]] == ["JetA", "JetEta", "JetPt", "Rho"]
    text = jetcal("jec", "list", text_file("L2Relative"))["corrections"]
    assert len(text) == 1 and [variable["name"] for variable in text[0]["inputs"]] == ["JetEta", "JetPt"]


def test_apply_adds_the_corrected_pt(jetcal, library, tmp_path):
    jets = make_branches(500)
    jets["jetRawPt"] = (np.random.default_rng(1).uniform(20, 500, 500)).astype(np.float32)
    jets["jetRawPt"][7] = np.nan
    source, output = tmp_path / "jets.root", tmp_path / "out.root"
    write_ntuple(source, jets)
    document = jetcal("jec", "apply", "--input", source, "--output", output, "--correction", *map(text_file, TEXT_LEVELS))
    assert document["files"][0]["not_finite"] == 1 and document["files"][0]["corrected"] == 499
    with uproot.open(output) as file:
        tree = file["AK4jets/jetTree"].arrays(["jetRawPt", "jetEta", "jetArea", "rhoAll", "jetPtJEC", "jetPt"], library="np")
    good = np.arange(500) != 7
    assert np.isnan(tree["jetPtJEC"][7])
    inputs = [tree[name][good].astype(float) for name in ("jetArea", "jetEta", "jetRawPt", "rhoAll")]
    expected = tree["jetRawPt"][good] * library.compound[f"{MC}_L1L2L3Res_AK4PFPuppi"].evaluate(*inputs)
    assert relative(tree["jetPtJEC"][good], expected) < 1e-6
    status, message = jetcal.fails("jec", "apply", "--input", source, "--output", source, "--correction", text_file("L2Relative"))
    assert status == 2 and "overwrite" in message
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "jets.root"
    twin.write_bytes(source.read_bytes())
    status, message = jetcal.fails("jec", "apply", "--input", source, twin, "--output", tmp_path / "both", "--correction",
                                   text_file("L2Relative"))
    assert status == 2 and "two inputs would be written to" in message and not (tmp_path / "both").exists()


def test_apply_corrects_the_raw_pt_of_real_nanoaod(jetcal, library, tmp_path):
    source, output = SHARED / "nano_tt_v12.root", tmp_path / "out.root"
    if not source.exists():
        pytest.skip("shared/data/cms/nano_tt_v12.root is not there")
    name = f"{MC}_L1L2L3Res_AK4PFPuppi"
    document = jetcal("jec", "apply", "--input", source, "--output", output, "--correction", JSON_FILE, "--name", name)
    with uproot.open(output) as file:
        jets = file["Events"].arrays(["Jet_pt", "Jet_rawFactor", "Jet_eta", "Jet_area", "jetPtJEC", "Rho_fixedGridRhoFastjetAll"])
    flat = {field: ak.to_numpy(ak.flatten(ak.broadcast_arrays(jets[field], jets["Jet_pt"])[0])).astype(float) for field in jets.fields}
    raw = flat["Jet_pt"] * (1 - flat["Jet_rawFactor"])
    expected = raw * library.compound[name].evaluate(flat["Jet_area"], flat["Jet_eta"], raw, flat["Rho_fixedGridRhoFastjetAll"])
    assert document["files"][0]["jets"] == raw.size > 1000
    assert relative(flat["jetPtJEC"], expected) < 1e-5


def bad_files(folder):
    """Name: (file, what its message must hold, exit status)."""
    packed = JSON_FILE.read_bytes()
    document = json.loads(gzip.decompress(packed))
    l2 = gzip.decompress(text_file("L2Relative").read_bytes()).decode()
    assert "45.352849" in l2 and "log10(" in l2
    small = {"schema_version": 2, "corrections": [c for c in document["corrections"] if "L3Absolute" in c["name"]][:1]}
    missing_bin = json.loads(json.dumps(small))
    missing_bin["corrections"][0]["data"]["edges"] = [-5.0, 0.0, 5.0]
    bad_formula = json.loads(json.dumps(small))
    bad_formula["corrections"][0]["data"]["content"][0]["expression"] = "1+gamma(x)"
    cases = {
        "cut.txt.gz": (text_file("L2Relative").read_bytes()[:3000], "cut.txt.gz: the gzip file is truncated", 4),
        "cut.json.gz": (packed[:30000], "cut.json.gz: the gzip file is truncated", 4),
        "hurt.json.gz": (packed[:20000] + b"\0" * 64 + packed[20064:], "hurt.json.gz: the gzip file is damaged", 4),
        "corrupt.json": (b'{"schema_version": 2, "corrections": [}', "corrupt.json: no valid JSON at byte 39", 4),
        "v1.json": (json.dumps(small | {"schema_version": 1}).encode(), "v1.json: schema version 1", 2),
        "missing.json": (json.dumps(missing_bin).encode(), "the edges make 2 bins, the content has 1", 2),
        "token.json": (json.dumps(bad_formula).encode(), "data.content[0]: unknown word 'gamma' at position 3", 2),
        "token.txt": (l2.replace("log10(", "lg(", 1).encode(), "token.txt, line 1: unknown word 'lg' at position", 2),
        "row.txt": (l2.replace("45.352849", "", 1).encode(), "row.txt, line 2: the row says 13 parameters and has 12", 2),
        "word.txt": (l2.replace("45.352849", "x", 1).encode(), "word.txt, line 2: 'x' is not a number", 2),
        "empty.txt": (b"", "empty.txt: no header in braces", 2),
        "binary.txt": (bytes(range(256)), "binary.txt", 2),
    }
    for name, (content, _, _) in cases.items():
        (folder / name).write_bytes(content)
    return cases


def test_bad_corrections_are_named_in_one_sentence(jetcal, tmp_path):
    table = tmp_path / "jets.csv"
    write_csv(table, {"JetPt": [50.0], "JetEta": [0.1]})
    for name, (_, expected, status) in bad_files(tmp_path).items():
        got, message = jetcal.fails("jec", "evaluate", "--correction", tmp_path / name, "--input", table)
        assert (got, expected in message) == (status, True), (name, got, message)
    got, message = jetcal.fails("jec", "evaluate", "--correction", text_file("L1FastJet"), JSON_FILE, "--input", table)
    assert got == 2 and "stands alone" in message
    got, message = jetcal.fails("jec", "evaluate", "--correction", JSON_FILE, "--input", table)
    assert got == 2 and "2 compound corrections, give the name of one" in message
    got, message = jetcal.fails("jec", "evaluate", "--correction", JSON_FILE, "--name", "no", "--input", table)
    assert got == 3 and "holds no correction 'no'" in message
    got, message = jetcal.fails("jec", "evaluate", "--correction", tmp_path / "no.txt", "--input", table)
    assert got == 3 and "no such file" in message


@pytest.mark.parametrize(
    ("content", "expected", "status"),
    [
        ("JetPt,JetEta\n50,0.1\nnan,0.1\n", "JetPt of row 1 (counted from 0) is not a number", 2),
        ("JetPt,JetEta\n50,0.1\n50\n", "jets.csv: CSV parse error", 2),
        ("JetPt,JetEta\n50,\n", "JetEta of row 0 (counted from 0) has no value", 2),
        ("JetPt,JetEta\n50,abc\n", "jets.csv: In CSV column #1", 2),
        ("JetPt\n50\n", "needs a column JetEta", 2),
        ("JetPt,JetEta,JetEta\n50,1,1\n", "two columns are named JetEta", 2),
        ("", "jets.csv: Empty CSV file", 2),
    ],
)
def test_bad_tables_are_named_in_one_sentence(jetcal, tmp_path, content, expected, status):
    table = tmp_path / "jets.csv"
    table.write_text(content)
    got, message = jetcal.fails("jec", "evaluate", "--correction", text_file("L2Relative"), "--input", table)
    assert got == status and expected in message, message
    assert "\n" not in message


def test_an_unknown_category_is_named(jetcal, tmp_path):
    table = tmp_path / "jets.csv"
    name = "Summer22_22Sep2023_JRV1_MC_ScaleFactor_AK4PFPuppi"
    write_csv(table, {"JetPt": [50.0, 60.0], "JetEta": [0.1, 0.1], "systematic": ["nom", "sideways"]})
    got, message = jetcal.fails("jec", "evaluate", "--correction", JSON_FILE, "--name", name, "--input", table)
    assert got == 2 and "the value of systematic in row 1 is none of its categories" in message
    document = jetcal("jec", "evaluate", "--correction", JSON_FILE, "--name", name, "--input", table, "--text", "systematic=up")
    assert len(document["factors"]) == 2


def test_no_rows_give_no_factors(jetcal, tmp_path):
    table = tmp_path / "jets.csv"
    table.write_text("JetPt,JetEta\n")
    assert factors(jetcal, table, text_file("L2Relative")).size == 0


def test_levels_of_the_same_name_are_all_there(jetcal, tmp_path):
    path, level = tmp_path / "jets.csv", tmp_path / "level.txt"
    write_csv(path, {"JetPt": [100], "JetEta": [0.1]})
    level.write_text("{1 JetEta 1 JetPt 2 Correction L2Relative}\n-5 5 2 0 7000\n")
    document = jetcal("jec", "evaluate", "--correction", level, level, "--input", path, "--levels")
    assert document["factors_up_to"] == {"L2Relative": [2], "L2Relative (2)": [4]}


def test_apply_counts_factors_that_are_no_numbers(jetcal, tmp_path):
    source, level = tmp_path / "jets.root", tmp_path / "level.txt"
    write_ntuple(source, make_branches(20))
    level.write_text("{1 JetEta 1 JetPt log(0-x) Correction L1}\n-999 999 2 1 7000\n")
    document = jetcal("jec", "apply", "--input", source, "--output", tmp_path / "out.root", "--correction", level)
    assert document["files"][0]["not_finite"] == 20 and document["files"][0]["corrected"] == 0
