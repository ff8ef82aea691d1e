# SPDX-License-Identifier: Apache-2.0
"""analyze with every kind of corrector: networks, branches, factors, text and JSON corrections, real NanoAOD."""

import awkward
import numpy
import pandas
import pytest
import uproot
from analyzed import REGIONS, analyze, in_region, jets, ntuple, numbers_of, selection, spread  # jets, ntuple: fixtures
from conftest import SHARED
from served import export


def test_raw_factor_and_branch_correctors_stand_side_by_side(jets, ntuple, tmp_path):
    arguments = ["Raw=raw", "Model=branch:modelPt", "A=factor:factorA", "AB=factor:factorA*factorB", "B=factor:factorB",
                 "Copy=branch:jetPt", "Copy2=branch:jetPt", "Copy3=branch:jetPt"]
    report = analyze(ntuple, tmp_path / "out", "--bootstrap", "0", *(x for a in arguments for x in ("--corrector", a)))
    assert [item["name"] for item in report["correctors"]] == ["Standard", *(a.split("=")[0] for a in arguments)]
    used, _ = selection(jets)
    inside = used & in_region(jets, "barrel") & (jets["genJetPt"] >= 100) & (jets["genJetPt"] < 300)
    raw = jets["jetRawPt"]
    want = {"Raw": raw, "A": raw * jets["factorA"], "AB": raw * jets["factorA"] * jets["factorB"], "Copy": jets["jetPt"]}
    for name, pt_corr in want.items():
        median, resolution = spread(pt_corr[inside] / jets["genJetPt"][inside].astype("f8"))
        numbers = numbers_of(report, name, "barrel")["ranges"][2]
        assert numbers["median"]["value"] == pytest.approx(median, rel=1e-6)
        assert numbers["resolution"]["value"] == pytest.approx(resolution, rel=1e-5)
    kinds = {item["name"]: item["kind"] for item in report["source"]["correctors"]}
    assert kinds["AB"] == "factor" and kinds["Raw"] == "pt_raw" and kinds["Copy"] == "branch"


def test_text_corrections_apply_to_the_raw_momentum(jets, ntuple, tmp_path):
    first = tmp_path / "first.txt"
    first.write_text("{1 JetEta 3 Rho JetPt JetA max(0.0001,1-z*[0]*x/y) Correction L1FastJet}\n"
                     "-5.2 5.2 7 0 200 1 6500 0 10 0.3\n")
    second = tmp_path / "second.txt"
    second.write_text("{1 JetEta 1 JetPt [0]+[1]/x Correction L2Relative}\n"
                      "-5.2 0 4 10 6500 1.1 2.0\n0 5.2 4 10 6500 1.05 1.0\n")
    report = analyze(ntuple, tmp_path / "out", "--bootstrap", "0", "--corrector", f"Text=jec:{first},{second}",
                     "--corrector", "Model=branch:modelPt")
    raw, eta = jets["jetRawPt"].astype("f8"), jets["jetEta"]
    after_first = raw * (1 - 0.5 * 0.3 * jets["rhoAll"].astype("f8").clip(0, 200) / raw).clip(1e-4)
    x = after_first.clip(10, 6500)
    corrected = after_first * numpy.where(eta < 0, 1.1 + 2 / x, 1.05 + 1 / x)
    used, _ = selection(jets)
    for region in REGIONS:
        inside = used & in_region(jets, region) & (jets["genJetPt"] >= 100) & (jets["genJetPt"] < 300)
        median, resolution = spread(corrected[inside] / jets["genJetPt"][inside].astype("f8"))
        numbers = numbers_of(report, "Text", region)["ranges"][2]
        assert numbers["median"]["value"] == pytest.approx(median, rel=1e-6)
        assert numbers["resolution"]["value"] == pytest.approx(resolution, rel=1e-5)
    source = next(item for item in report["source"]["correctors"] if item["name"] == "Text")
    assert source["levels"] == ["L1FastJet", "L2Relative"]
    assert source["outside_bins"] == 0


@pytest.fixture(scope="module")
def model(jetcal, tmp_path_factory):
    """A network with random weights: what matters here is how it is applied."""
    folder = tmp_path_factory.mktemp("repository")
    export(jetcal, folder, "small-pfn", "random", "--mode", "constituents")
    return folder / "random" / "1" / "model.jetcal"


def test_a_model_is_applied_as_predict_applies_it(jetcal, sample, model, tmp_path):
    """The model itself, and the branch that predict wrote with it."""
    corrected = tmp_path / "corrected.root"
    jetcal("predict", "--model", model, "--input", sample, "--output", corrected, "--branch", "jetPtNet")
    report = analyze(corrected, tmp_path / "out", "--bootstrap", "0", "--corrector", f"Net={model}",
                     "--corrector", "Branch=branch:jetPtNet")
    numbers = {item["name"]: item for item in report["correctors"]}
    assert numbers["Net"]["regions"] == numbers["Branch"]["regions"]
    assert numbers["Net"]["loss"] == numbers["Branch"]["loss"]
    assert numbers["Net"]["loss"] != numbers["Standard"]["loss"]
    source = next(item for item in report["source"]["correctors"] if item["name"] == "Net")
    assert source["network"] == "pfn" and source["fingerprint"]
    assert source["corrected"] == report["counts"]["read"]
    with uproot.open(corrected) as file:
        arrays = file["AK4jets/jetTree"].arrays(["jetPtNet", "genJetPt", "genJetEta"], library="np")
    inside = (arrays["genJetPt"] >= 30) & (abs(arrays["genJetEta"]) < numpy.float32(1.3))
    median = numpy.median(arrays["jetPtNet"][inside] / arrays["genJetPt"][inside].astype("f8"))
    assert numbers["Net"]["regions"]["barrel"]["ranges"][0]["median"]["value"] == pytest.approx(median, rel=1e-9)


@pytest.fixture(scope="module")
def nano():
    path = SHARED / "nano_tt_v12.root"
    if not path.exists():
        pytest.skip("shared/data/cms/nano_tt_v12.root is not there: real CMS events are not part of the repository")
    return path


def nano_jets(path):
    """Matched jets of |eta_gen| < 2.5 and pt_gen > 30 GeV with pt_gen, the region and three momenta."""
    with uproot.open(path) as file:
        arrays = file["Events"].arrays(filter_name=["Jet_*", "GenJet_*"])
    matched = (arrays["Jet_genJetIdx"] >= 0) & (arrays["Jet_genJetIdx"] < awkward.num(arrays["GenJet_pt"]))
    index = arrays["Jet_genJetIdx"][matched]
    raw = arrays["Jet_pt"] * (1 - arrays["Jet_rawFactor"])
    table = pandas.DataFrame({
        "pt_gen": awkward.flatten(arrays["GenJet_pt"][index]), "eta_gen": awkward.flatten(arrays["GenJet_eta"][index]),
        "Standard": awkward.flatten(arrays["Jet_pt"][matched]),
        "PNet": awkward.flatten((raw * arrays["Jet_PNetRegPtRawCorr"])[matched]),
        "PNetNu": awkward.flatten((raw * arrays["Jet_PNetRegPtRawCorr"] * arrays["Jet_PNetRegPtRawCorrNeutrino"])[matched]),
    })
    return table[(table["pt_gen"] > 0) & (abs(table["eta_gen"]) < 2.5) & (table[["Standard", "PNet", "PNetNu"]] > 0).all(axis=1)]


def test_nanoaod_gives_the_gain_of_the_cms_regression(nano, tmp_path):
    report = analyze(nano, tmp_path / "out", "--bootstrap", "100", "--corrector", "PNet=factor:Jet_PNetRegPtRawCorr",
                     "--corrector", "PNetNu=factor:Jet_PNetRegPtRawCorr*Jet_PNetRegPtRawCorrNeutrino",
                     "--corrector", "Raw=raw")
    table = nano_jets(nano)
    assert report["counts"]["used"] == len(table)
    for corrector in ("Standard", "PNet", "PNetNu"):
        response = table[corrector] / table["pt_gen"]
        for region, (low, high) in REGIONS.items():
            inside = (table["pt_gen"] >= 30) & (abs(table["eta_gen"]) >= low) & (abs(table["eta_gen"]) < high)
            numbers = numbers_of(report, corrector, region)["ranges"][0]
            assert numbers["jets"] == inside.sum()
            median, resolution = spread(response[inside])
            assert numbers["median"]["value"] == pytest.approx(median, rel=1e-6)
            assert numbers["resolution"]["value"] == pytest.approx(resolution, rel=1e-5)
    above = table[table["pt_gen"] >= 30]
    resolution = {}
    for item in report["correctors"][:3]:
        name, numbers = item["name"], item["both_regions"]["ranges"][0]
        resolution[name] = numbers["resolution"]["value"]
        assert numbers["jets"] == len(above)
        assert resolution[name] == pytest.approx(spread(above[name] / above["pt_gen"])[1], rel=1e-5)
    # physics.md section 4: .201 to .149 with 1009 jets, both regions together.
    assert resolution["Standard"] == pytest.approx(0.201, abs=0.003)
    assert resolution["PNet"] == pytest.approx(0.149, abs=0.003)
    assert resolution["PNet"] < resolution["PNetNu"]  # the gen jets of NanoAOD have no neutrinos
    for region in REGIONS:
        assert numbers_of(report, "PNet", region)["ranges"][0]["beta"]["value"] > 0.1


def test_correctionlib_of_cms_applies_to_nanoaod(nano, tmp_path):
    json_file = SHARED / "jet_jerc_Summer22_V3.json.gz"
    texts = sorted(SHARED.glob("Summer22_22Sep2023_V3_MC_*_AK4PFPuppi.jec.txt.gz"))
    order = ["L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual"]
    files = [next(path for path in texts if level in path.name) for level in order]
    report = analyze(nano, tmp_path / "out", "--bootstrap", "0",
                     "--corrector", f"Json=jec:{json_file}:Summer22_22Sep2023_V3_MC_L1L2L3Res_AK4PFPuppi",
                     "--corrector", "Text=jec:" + ",".join(map(str, files)))
    for region in REGIONS:
        text, compound = (numbers_of(report, name, region)["ranges"][0] for name in ("Text", "Json"))
        assert text["median"]["value"] == pytest.approx(compound["median"]["value"], rel=1e-6)
        # The file was made with other corrections of the same campaign: alike, not equal.
        assert abs(text["median"]["value"] - numbers_of(report, "Standard", region)["ranges"][0]["median"]["value"]) < 0.05


def test_a_network_cannot_be_used_without_particles(nano, model, tmp_path, jetcal):
    status, message = jetcal.fails("analyze", "--input", nano, "--corrector", f"Net={model}", "--output", tmp_path / "out")
    assert status == 6
    assert "without particle-flow candidates" in message
    assert not (tmp_path / "out").exists()


def test_branches_and_shards_do_not_go_together(ntuple, tmp_path, jetcal):
    jetcal("ingest", ntuple, "--output", tmp_path / "shards")
    status, message = jetcal.fails("analyze", "--input", tmp_path / "shards", "--corrector", "M=branch:modelPt",
                                   "--output", tmp_path / "out")
    assert status == 2
    assert "needs a ROOT file as input" in message
    jetcal("analyze", "--input", tmp_path / "shards", "--corrector", "Raw=raw", "--output", tmp_path / "out", "--bootstrap", "0")
