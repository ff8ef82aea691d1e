# SPDX-License-Identifier: Apache-2.0
"""analyze: the numbers of the report are those of numpy; figures are whole; bad input leaves nothing behind."""

import json
import math
import re
import statistics
import subprocess

import numpy
import pandas
import pytest
from analyzed import (COUNT, FIGURES, FLAVORS, PAIRS, PILEUP, RANGES, REGIONS, analyze, flavor_of, group_mask, in_region,
                      jets, make_jets, ntuple, numbers_of, selection, spread, write_ntuple)  # jets, ntuple: fixtures
from conftest import JETCAL


@pytest.fixture(scope="module")
def analyzed(ntuple, tmp_path_factory):
    """The report of one run and its folder."""
    output = tmp_path_factory.mktemp("report") / "out"
    return analyze(ntuple, output, "--corrector", "Model=branch:modelPt", "--bootstrap", "40"), output


def test_counts_account_for_every_jet(jets, analyzed):
    counts = analyzed[0]["counts"]
    used, _ = selection(jets)
    matched = jets["genJetPt"] > 0
    finite = numpy.isfinite(jets["modelPt"])
    assert counts["read"] == COUNT
    assert counts["used"] == used.sum()
    assert counts["unmatched"] == (~matched).sum() == 40
    assert counts["not_finite"] == (matched & ~finite).sum() == 10
    assert counts["not_finite_by_corrector"] == {"Standard": 0, "Model": 10}
    assert counts["outside_regions"] == (matched & finite & (abs(jets["genJetEta"]) >= 2.5)).sum()
    target = abs(numpy.log(jets["genJetPt"][used] / jets["jetPt"][used]))
    assert counts["large_target"] == (target >= 1).sum()
    assert counts["undefined_flavor"] == (flavor_of(jets)[used] == 0).sum()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("corrector", ["Standard", "Model"])
def test_bins_are_those_of_numpy(jets, analyzed, region, corrector):
    used, responses = selection(jets)
    edges = numpy.geomspace(20, 3000, 20)
    numpy.testing.assert_allclose(analyzed[0]["pt_edges"], edges, rtol=1e-12)
    checked = 0
    for i, numbers in enumerate(numbers_of(analyzed[0], corrector, region)["bins"]):
        inside = used & in_region(jets, region) & (jets["genJetPt"] >= edges[i]) & (jets["genJetPt"] < edges[i + 1])
        assert numbers["jets"] == inside.sum()
        assert ("too_few_jets" in numbers["flags"]) == (inside.sum() < 30)
        if not inside.any():
            assert numbers["median"]["value"] is None
            continue
        median, resolution = spread(responses[corrector][inside])
        assert numbers["median"]["value"] == pytest.approx(median, rel=1e-9)
        assert numbers["resolution"]["value"] == pytest.approx(resolution, rel=1e-9)
        reference = spread(responses["Standard"][inside])[1]
        assert numbers["resolution_ratio"]["value"] == pytest.approx(resolution / reference, rel=1e-9)
        for name, pair in PAIRS.items():
            first, second = (inside & group_mask(jets, group) for group in pair)
            residual = numbers["residuals"][name]
            assert residual["jets"] == [first.sum(), second.sum()]
            assert residual["flags"] == (["too_few_jets"] if min(first.sum(), second.sum()) < 30 else [])
            if first.any() and second.any():
                difference = numpy.median(responses[corrector][first]) - numpy.median(responses[corrector][second])
                assert residual["value"] == pytest.approx(difference, rel=1e-9, abs=1e-12)
                checked += 1
    assert checked > 48


@pytest.mark.parametrize("region", REGIONS)
def test_alpha_and_beta_are_those_of_numpy(jets, analyzed, region):
    used, responses = selection(jets)
    flavor = flavor_of(jets)
    for index, (name, (low, high)) in enumerate(RANGES.items()):
        inside = used & in_region(jets, region) & (jets["genJetPt"] >= low) & (jets["genJetPt"] < high)
        sae, resolution = {}, {}
        for corrector, response in responses.items():
            medians = {f: numpy.median(response[inside & (flavor == pdg)]) for f, pdg in FLAVORS.items()}
            values = numpy.array(list(medians.values()))
            sae[corrector] = abs(values - values.mean()).sum()
            resolution[corrector] = spread(response[inside])[1]
            numbers = numbers_of(analyzed[0], corrector, region)["ranges"][index]
            assert numbers["range"] == name
            assert numbers["jets"] == inside.sum()
            for f, median in medians.items():
                assert numbers["flavor_medians"][f]["value"] == pytest.approx(median, rel=1e-9)
            assert numbers["sae"]["value"] == pytest.approx(sae[corrector], rel=1e-7)
        numbers = numbers_of(analyzed[0], "Model", region)["ranges"][index]
        assert numbers["alpha"]["value"] == pytest.approx(1 - sae["Model"] / sae["Standard"], abs=1e-7)
        assert numbers["beta"]["value"] == pytest.approx(1 - resolution["Model"] / resolution["Standard"], abs=1e-9)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("corrector", ["Standard", "Model"])
def test_pileup_slopes_are_those_of_a_weighted_fit(jets, analyzed, region, corrector):
    used, responses = selection(jets)
    table = pandas.DataFrame({"response": responses[corrector], "pt": jets["genJetPt"],
                              **{name: jets[branch] for name, (branch, _) in PILEUP.items()}})
    found = numbers_of(analyzed[0], corrector, region)["pileup"]
    assert [(item["variable"], item["range"]) for item in found] == [(v, r) for v in PILEUP for r in RANGES]
    fitted = 0
    for item in found:
        variable, (low, high) = item["variable"], RANGES[item["range"]]
        width = PILEUP[variable][1]
        inside = table[used & in_region(jets, region) & (table["pt"] >= low) & (table["pt"] < high)]
        inside = inside[(inside[variable] >= 0) & (inside[variable] < 20 * width)]
        bins = inside.groupby((inside[variable] // width).astype(int)).agg(
            jets=("response", "size"), median=("response", "median"), mean=(variable, lambda x: x.astype("f8").mean()))
        assert [b["low"] for b in item["bins"]] == [i * width for i in bins.index]
        assert [b["jets"] for b in item["bins"]] == bins["jets"].tolist()
        numpy.testing.assert_allclose([b["median"]["value"] for b in item["bins"]], bins["median"], rtol=1e-9)
        numpy.testing.assert_allclose([b["mean"] for b in item["bins"]], bins["mean"], rtol=1e-6)
        assert [b["flags"] == ["too_few_jets"] for b in item["bins"]] == (bins["jets"] < 30).tolist()
        good = bins[bins["jets"] >= 30]
        assert item["fitted_bins"] == len(good)
        if len(good) < 2:
            assert item["slope"]["value"] is None
            continue
        slope = numpy.polyfit(good["mean"], good["median"], 1, w=numpy.sqrt(good["jets"]))[0]
        assert item["slope"]["value"] == pytest.approx(slope, rel=1e-6, abs=1e-10)
        fitted += 1
    assert fitted > 10


def test_the_slope_against_vertices_is_the_one_put_in(analyzed):
    for corrector, slope in {"Standard": 0.002, "Model": 0.001}.items():
        found = next(item for item in numbers_of(analyzed[0], corrector, "barrel")["pileup"]
                     if (item["variable"], item["range"]) == ("num_vertices", "> 30"))
        assert abs(found["slope"]["value"] - slope) < 4 * found["slope"]["error"]
        assert found["slope"]["error"] < slope / 2


def test_the_spectrum_and_the_targets_are_histograms_of_the_used_jets(jets, analyzed):
    used, _ = selection(jets)
    pt, eta = jets["genJetPt"][used].astype("f8"), abs(jets["genJetEta"][used]).astype("f8")
    spectrum = analyzed[0]["spectrum"]
    counts, eta_edges, pt_edges = numpy.histogram2d(
        eta, pt, bins=[spectrum["abs_eta_gen_edges"], spectrum["pt_gen_edges"]])
    numpy.testing.assert_allclose(pt_edges, numpy.geomspace(20, 3000, 39), rtol=1e-12)
    numpy.testing.assert_allclose(eta_edges, numpy.linspace(0, 2.5, 26), rtol=1e-12)
    numpy.testing.assert_array_equal(counts, spectrum["counts"])
    assert spectrum["outside"] == used.sum() - counts.sum()
    target = numpy.log(pt / jets["jetPt"][used])
    for region in REGIONS:
        values = target[in_region(jets, region)[used]]
        found = analyzed[0]["targets"][region]
        assert found["underflow"] == (values < -1).sum()
        assert found["underflow"] + sum(found["counts"]) + found["overflow"] == len(values)
        assert found["counts"] == numpy.histogram(values, found["edges"])[0].tolist()


def test_distributions_are_histograms_of_the_response(jets, analyzed):
    used, responses = selection(jets)
    for item in numbers_of(analyzed[0], "Model", "endcap")["distributions"]:
        low, high = RANGES[item["range"]]
        inside = used & in_region(jets, "endcap") & (jets["genJetPt"] >= low) & (jets["genJetPt"] < high)
        counts = numpy.histogram(responses["Model"][inside], item["edges"])[0]
        assert item["counts"] == counts.tolist()
        assert item["underflow"] + counts.sum() + item["overflow"] == inside.sum()


def test_bootstrap_errors_are_those_of_numpy(jets, ntuple, tmp_path):
    """Errors of 600 resamplings each scatter by 3 %, their ratio by 4 %; nearly four of that."""
    report = analyze(ntuple, tmp_path / "out", "--corrector", "Model=branch:modelPt", "--bootstrap", "600", "--seed", "11")
    used, responses = selection(jets)
    flavor, random = flavor_of(jets), numpy.random.default_rng(5)
    inside = used & in_region(jets, "barrel") & (jets["genJetPt"] >= 30) & (jets["genJetPt"] < 100)
    model, baseline, flavor = responses["Model"][inside], responses["Standard"][inside], flavor[inside]
    vertices = jets["PV_npvsGood"][inside]
    bins = [b for b in range(20) if (vertices // 4 == b).sum() >= 30]
    weights = [(vertices // 4 == b).sum() for b in bins]
    means = [vertices[vertices // 4 == b].mean() for b in bins]

    def sae(values, flavors):
        medians = numpy.array([numpy.median(values[flavors == pdg]) for pdg in FLAVORS.values()])
        return abs(medians - medians.mean()).sum()

    drawn_numbers = []
    for _ in range(600):
        drawn = random.integers(0, len(model), len(model))
        m, b, f, v = model[drawn], baseline[drawn], flavor[drawn], vertices[drawn] // 4
        light = numpy.isin(f, [1, 2, 3])
        drawn_numbers.append({
            "median": numpy.median(m), "resolution": spread(m)[1], "beta": 1 - spread(m)[1] / spread(b)[1],
            "sae": sae(m, f), "alpha": 1 - sae(m, f) / sae(b, f), "u": numpy.median(m[f == 2]),
            "uds-g": numpy.median(m[light]) - numpy.median(m[f == 21]),
            "slope": numpy.polyfit(means, [numpy.median(m[v == i]) for i in bins], 1, w=numpy.sqrt(weights))[0]})
    want = pandas.DataFrame(drawn_numbers).std(ddof=1)
    region = numbers_of(report, "Model", "barrel")
    numbers = region["ranges"][1]
    got = {name: numbers[name]["error"] for name in ("median", "resolution", "beta", "sae", "alpha")}
    got |= {"u": numbers["flavor_medians"]["u"]["error"], "uds-g": numbers["residuals"]["uds-g"]["error"],
            "slope": region["pileup"][1]["slope"]["error"]}
    for name, error in got.items():
        assert error == pytest.approx(want[name], rel=0.15), name


def test_lognormal_responses_give_their_closed_form(tmp_path):
    """Responses at the quantiles of log-normals with known medians and widths, flavor by flavor."""
    per_flavor, pt_gen = 2001, 200.0
    locations = {"u": 0.02, "d": 0.018, "s": 0.005, "c": -0.002, "b": -0.01, "g": -0.015}
    normal = numpy.array([statistics.NormalDist().inv_cdf((i + 0.5) / per_flavor) for i in range(per_flavor)])
    jets = make_jets(6 * per_flavor)
    jets["genJetPt"] = numpy.full(6 * per_flavor, pt_gen, "f4")
    jets["genJetEta"] = numpy.full(6 * per_flavor, 0.5, "f4")
    jets["partonFlav"] = numpy.repeat(list(FLAVORS.values()), per_flavor).astype("i4")
    jets["hadronFlav"] = numpy.zeros(6 * per_flavor, "i4")
    locations_of_jets = numpy.repeat([locations[f] for f in FLAVORS], per_flavor)
    jets["jetPt"] = (pt_gen * numpy.exp(locations_of_jets + 0.1 * numpy.tile(normal, 6))).astype("f4")
    jets["modelPt"] = (pt_gen * numpy.exp(0.5 * locations_of_jets + 0.08 * numpy.tile(normal, 6))).astype("f4")
    path = tmp_path / "lognormal.root"
    write_ntuple(path, jets)
    report = analyze(path, tmp_path / "out", "--corrector", "Model=branch:modelPt", "--bootstrap", "0")
    sae = {}
    for corrector, part in {"Standard": 1, "Model": 0.5}.items():
        numbers = numbers_of(report, corrector, "barrel")["ranges"][2]
        medians = {f: math.exp(part * location) for f, location in locations.items()}
        for f, median in medians.items():
            assert numbers["flavor_medians"][f]["value"] == pytest.approx(median, rel=1e-6)
        mean = statistics.fmean(medians.values())
        sae[corrector] = sum(abs(median - mean) for median in medians.values())
        assert numbers["sae"]["value"] == pytest.approx(sae[corrector], abs=3e-6)
        assert numbers["residuals"]["u-d"]["value"] == pytest.approx(medians["u"] - medians["d"], abs=1e-6)
    assert numbers["alpha"]["value"] == pytest.approx(1 - sae["Model"] / sae["Standard"], abs=1e-4)
    # The mixture of the six is nearly log-normal: locations differ by less than the width.
    gluons = jets["jetPt"][-per_flavor:] / pt_gen
    quarter = math.exp(0.1 * statistics.NormalDist().inv_cdf(0.75))
    assert spread(gluons)[1] == pytest.approx(quarter - 1 / quarter, rel=1e-3)
    losses = {item["name"]: item["loss"] for item in report["correctors"]}
    for corrector, (part, width) in {"Standard": (1, 0.1), "Model": (0.5, 0.08)}.items():
        # The mean of |m + s z| for normal z is s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m erf(m / s sqrt(2)).
        want = statistics.fmean(
            width * math.sqrt(2 / math.pi) * math.exp(-(part * m / width) ** 2 / 2)
            + part * m * math.erf(part * m / width / math.sqrt(2)) for m in locations.values())
        assert losses[corrector] == pytest.approx(want, rel=2e-3)


def test_the_loss_is_the_published_one(jets, analyzed):
    used, responses = selection(jets)
    small = abs(numpy.log(jets["genJetPt"][used].astype("f8") / jets["jetPt"][used])) < 1
    for item in analyzed[0]["correctors"]:
        loss = (abs(numpy.log(responses[item["name"]][used])) * small).mean()
        assert item["loss"] == pytest.approx(loss, rel=1e-7)


def test_figures_are_whole_in_three_formats(analyzed):
    report, output = analyzed
    assert {figure["name"] for figure in report["figures"]} == FIGURES
    for name in FIGURES:
        assert (output / f"{name}.pdf").read_bytes().startswith(b"%PDF-")
        assert (output / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        svg = (output / f"{name}.svg").read_text()
        assert "<svg" in svg and svg.rstrip().endswith("</svg>")
        assert json.loads((output / f"{name}.json").read_text())["panels"]
    stored = json.loads((output / "report.json").read_text())
    assert stored["correctors"] == report["correctors"]
    names = {f"{name}.{suffix}" for name in FIGURES for suffix in ("pdf", "png", "svg", "json")}
    assert {path.name for path in output.iterdir()} == names | {"report.json", "index.html"}
    assert [path.name for path in output.parent.iterdir()] == ["out"]


def test_figures_carry_the_numbers_of_the_report(analyzed):
    report, output = analyzed
    data = json.loads((output / "response_endcap.json").read_text())
    series = {item["label"]: item for item in data["panels"][0]["series"]}
    for corrector in ("Standard", "Model"):
        bins = [b for b in numbers_of(report, corrector, "endcap")["bins"] if "too_few_jets" not in b["flags"]]
        assert series[corrector]["y"] == [b["median"]["value"] for b in bins]
        assert series[corrector]["y_error"] == [b["median"]["error"] for b in bins]


def test_the_page_is_one_file_with_every_figure_table_and_flag(analyzed):
    report, output = analyzed
    page = (output / "index.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == len(FIGURES)
    assert not re.findall(r'(?:src|href)="(?!data:image/png|#)', page)
    assert "@import" not in page and "<script" not in page and "<link" not in page
    for text in ("alpha", "beta", "SAE", "Slope of the median response against num_vertices", "uds-g",
                 "without gen jet, left out", "no positive finite pT from Model", "modelPt",
                 "jets.root", "pt_corr / pt_gen", "bootstrap seed"):
        assert text in page, text
    numbers = numbers_of(report, "Model", "barrel")["ranges"][0]
    alpha = f"{100 * numbers['alpha']['value']:.1f} &plusmn; {100 * numbers['alpha']['error']:.1f}"
    assert alpha in page


def test_the_same_seed_gives_the_same_report_for_any_number_of_threads(ntuple, analyzed, tmp_path):
    again = analyze(ntuple, tmp_path / "again", "--corrector", "Model=branch:modelPt", "--bootstrap", "40", "--threads", "1")
    assert again["correctors"] == analyzed[0]["correctors"]


def test_empty_flavors_and_few_jets_are_flagged_not_invented(jets, tmp_path):
    few = {name: values[100:130] for name, values in jets.items()}
    few["partonFlav"] = numpy.full(30, 21, "i4")
    few["hadronFlav"] = numpy.zeros(30, "i4")
    few["PV_npvsGood"] = numpy.full(30, 20, "i4")
    path = tmp_path / "few.root"
    write_ntuple(path, few)
    report = analyze(path, tmp_path / "out", "--bootstrap", "20", "--corrector", "Model=branch:modelPt",
                     "--reco-threshold", "20")
    assert report["counts"]["not_finite_by_corrector"] == {"Standard": 0, "Model": 10}
    numbers = numbers_of(report, "Model", "barrel")["ranges"][0]
    assert numbers["flavor_medians"]["u"] == {"value": None, "error": None, "jets": 0}
    assert numbers["sae"]["value"] is None and numbers["alpha"]["value"] is None
    assert set(numbers["flags"]) == {"too_few_jets", "too_few_flavored", "cut_biased"}
    assert all(item["slope"]["value"] is None for item in numbers_of(report, "Model", "barrel")["pileup"]
               if item["variable"] == "num_vertices")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "* fewer than 30 jets" in page
    assert "biased by the threshold on pt_reco, 20.0 GeV" in page


def test_shards_give_the_numbers_of_their_rows(jets, ntuple, tmp_path):
    subprocess.run([JETCAL, "ingest", ntuple, "--output", tmp_path / "shards", "--json"], capture_output=True, check=True)
    seen = 0
    for split in ("train", "validation", "test"):
        run = subprocess.run([JETCAL, "analyze", "--input", tmp_path / "shards", "--split", split, "--output",
                              tmp_path / split, "--bootstrap", "0", "--json"], capture_output=True, text=True, check=True)
        report = json.loads(run.stdout)
        assert report["source"]["split"] == split
        seen += report["counts"]["used"]
    selected = (jets["genJetPt"] > 20) & (abs(jets["genJetEta"]) < 2.5)
    finite = numpy.all([numpy.isfinite(jets[name]) for name in ("jetPt", "genJetPt")], axis=0)
    assert seen == (selected & finite).sum()


def test_the_table_is_readable_and_a_config_file_serves_as_flags(ntuple, tmp_path):
    config = tmp_path / "analyze.yaml"
    config.write_text(f"input: {ntuple}\noutput: {tmp_path / 'out'}\nbootstrap: 0\ncorrector: ['Model=branch:modelPt']\n")
    run = subprocess.run([JETCAL, "analyze", "--config", config], capture_output=True, text=True, check=True)
    for text in ("alpha Model", "beta Model", "in percent", "barrel  Model", "without gen jet, left out", "SAE"):
        assert text in run.stdout


@pytest.mark.parametrize(("extra", "status", "sentence"), [
    (["--corrector", "Model=branch:noSuch"], 2, "noSuch"),
    (["--corrector", "Model=missing.jetcal"], 3, "missing.jetcal"),
    (["--corrector", "Model"], 2, "NAME=MODEL.jetcal"),
    (["--corrector", "Standard=branch:modelPt"], 2, "two correctors have the name 'Standard'"),
    (["--split", "test"], 2, "--split is for a folder of shards"),
    (["--bootstrap", "-1"], 2, "must not be negative"),
    (["--corrector", "Model=branch:PF_pT"], 2, "PF_pT"),
    (["--corrector", "Model=branch:"], 2, "NAME=factor:BRANCH"),
    (["--corrector", "Model=factor:factorA**factorB"], 2, "NAME=factor:BRANCH"),
    (["--corrector", "Model=factor:factorA*noSuch"], 2, "noSuch"),
    (["--corrector", "Model=jec:missing.txt"], 3, "missing.txt"),
    (["--corrector", "Model=jec:"], 2, "NAME=jec:FILE"),
    (["--min-jets", "0"], 2, "min_jets must be at least 1"),
    (["--reco-threshold", "-5"], 2, "reco_threshold must be at least 0, got -5"),
])
def test_bad_input_is_one_sentence_and_leaves_nothing(ntuple, tmp_path, extra, status, sentence):
    run = subprocess.run([JETCAL, "analyze", "--input", ntuple, "--output", tmp_path / "out", *extra],
                         capture_output=True, text=True, check=False)
    assert run.returncode == status
    assert sentence in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("jetcal analyze: ")
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_named(ntuple, tmp_path):
    cut = tmp_path / "cut.root"
    cut.write_bytes(ntuple.read_bytes()[:20000])
    run = subprocess.run([JETCAL, "analyze", "--input", cut, "--output", tmp_path / "out"], capture_output=True, text=True,
                         check=False)
    assert run.returncode == 4
    assert "cut.root" in run.stderr
    assert not (tmp_path / "out").exists()
