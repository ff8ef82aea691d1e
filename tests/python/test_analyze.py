# SPDX-License-Identifier: Apache-2.0
"""analyze: the numbers of the report are those of numpy; figures are whole; bad input leaves nothing behind."""

import json
import math
import re
import statistics
import subprocess

import awkward
import numpy
import pandas
import pytest
import uproot
from conftest import JETCAL, SHARED
from served import export

FLAVORS = {"u": 2, "d": 1, "s": 3, "c": 4, "b": 5, "g": 21}
REGIONS = {"barrel": (0, 1.3), "endcap": (1.3, 2.5)}
RANGES = {"> 30": (30, math.inf), "30-100": (30, 100), "100-300": (100, 300), "300-1000": (300, 1000),
          "> 1000": (1000, math.inf)}
PAIRS = {"uds-g": ("uds", "g"), "c-g": ("c", "g"), "b-g": ("b", "g"), "u-d": ("u", "d")}
PILEUP = {"num_vertices": ("PV_npvsGood", 4), "num_pileup": ("Pileup_nTrueInt", 4), "rho": ("rhoAll", 3)}
BY_REGION = ["resolution", "beta", "response", "distribution", "flavor", "flavor_ranges", "residual_uds_g",
             "residual_c_g", "residual_b_g", "residual_u_d", "alpha",
             *(f"{kind}_{name}" for name in PILEUP for kind in ("pileup", "slope"))]
FIGURES = {f"{kind}_{region}" for region in REGIONS for kind in BY_REGION} | {"spectrum", "target"}
COUNT = 12000


def make_jets(count, seed=3):
    """Makes jets with a flavor-dependent response, and a model that takes half of it away."""
    random = numpy.random.default_rng(seed)
    pt_gen = (22 * 130 ** random.random(count)).astype("f4")
    flavor = random.choice([2, 1, 3, 4, 5, 21, 0], count, p=[.2, .12, .1, .1, .1, .35, .03])
    offset = numpy.select([flavor == 21, numpy.isin(flavor, [1, 2, 3])], [-0.02, 0.03], 0.0)
    noise = random.normal(0, 1, count)
    width = 0.05 + 1 / numpy.sqrt(pt_gen)
    pt_gen[:40] = 0  # without gen jet
    vertices = random.poisson(20, count)
    pileup = vertices * 1.4 + random.normal(0, 3, count)
    rho = 0.65 * pileup + random.normal(0, 1, count)
    offset = offset + 0.002 * (vertices - 20)
    reco = numpy.where(pt_gen > 0, pt_gen, 40) * (1 + offset + width * noise).clip(0.2)
    model = numpy.where(pt_gen > 0, pt_gen, 40) * (1 + offset / 2 + 0.8 * width * noise).clip(0.2)
    model[100:110] = numpy.nan
    hadron = numpy.where(numpy.isin(flavor, [4, 5]), flavor, 0)
    floats = {"jetPt": reco, "jetEta": random.uniform(-2.4, 2.4, count), "jetPhi": random.uniform(-3, 3, count),
              "jetMass": reco / 10, "jetArea": numpy.full(count, 0.5), "jetRawPt": 0.9 * reco, "QG_ptD": numpy.full(count, 0.4),
              "QG_axis2": numpy.full(count, 0.1), "genJetPt": pt_gen, "genJetEta": random.uniform(-2.7, 2.7, count),
              "rhoAll": rho, "Pileup_nTrueInt": pileup, "factorA": model / reco, "factorB": numpy.full(count, 1.25),
              "eventWeight": numpy.ones(count), "modelPt": model}
    integers = {"QG_mult": numpy.full(count, 20), "hadronFlav": hadron, "partonFlav": -flavor,
                "PV_npvsGood": vertices}
    jets = {name: values.astype("f4") for name, values in floats.items()}
    jets |= {name: values.astype("i4") for name, values in integers.items()}
    jets["event"] = numpy.arange(count, dtype="u8")
    lengths = random.integers(0, 5, count)
    total = int(lengths.sum())
    jets["PF"] = awkward.zip({
        name: awkward.unflatten(values, lengths) for name, values in {
            "pT": random.uniform(1, 9, total).astype("f4"), "dEta": random.uniform(-.4, .4, total).astype("f4"),
            "dPhi": random.uniform(-.4, .4, total).astype("f4"), "mass": numpy.zeros(total, "f4"),
            "id": numpy.full(total, 211, "i4"), "fromPV": numpy.full(total, 3, "i4"),
            "fromAK4Jet": numpy.ones(total, "i4")}.items()})
    return jets


@pytest.fixture(scope="module")
def jets():
    return make_jets(COUNT)


@pytest.fixture(scope="module")
def ntuple(jets, tmp_path_factory):
    path = tmp_path_factory.mktemp("analyze") / "jets.root"
    write_ntuple(path, jets)
    return path


def write_ntuple(path, jets):
    with uproot.recreate(path) as file:
        tree = file.mktree("AK4jets/jetTree", {
            name: values.type if isinstance(values, awkward.Array) else values.dtype for name, values in jets.items()})
        tree.extend(jets)


@pytest.fixture(scope="module")
def analyzed(ntuple, tmp_path_factory):
    """The report of one run and its folder."""
    output = tmp_path_factory.mktemp("report") / "out"
    return analyze(ntuple, output, "--corrector", "Model=branch:modelPt", "--bootstrap", "40"), output


def analyze(source, output, *arguments):
    """The report of a run that must succeed."""
    run = subprocess.run([JETCAL, "analyze", "--input", source, "--output", output, *arguments, "--json"],
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def selection(jets):
    """The mask of used jets and their responses, as numpy sees them."""
    used = (jets["genJetPt"] > 0) & (abs(jets["genJetEta"]) < 2.5) & numpy.isfinite(jets["modelPt"])
    pt_gen = jets["genJetPt"].astype("f8")
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return used, {"Standard": jets["jetPt"] / pt_gen, "Model": jets["modelPt"] / pt_gen}


def flavor_of(jets):
    return numpy.where(jets["hadronFlav"] != 0, jets["hadronFlav"], abs(jets["partonFlav"]))


def group_mask(jets, group):
    return numpy.isin(flavor_of(jets), [1, 2, 3] if group == "uds" else [FLAVORS[group]])


def in_region(jets, region):
    low, high = REGIONS[region]
    return (abs(jets["genJetEta"]) >= numpy.float32(low)) & (abs(jets["genJetEta"]) < numpy.float32(high))


def spread(values):
    low, median, high = numpy.quantile(values, [0.25, 0.5, 0.75])
    return median, (high - low) / median


def numbers_of(report, corrector, region):
    found = next(item for item in report["correctors"] if item["name"] == corrector)
    return found["regions"][region]


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
    for text in ("alpha Model", "beta Model", "in percent", "barrel  Model", "without gen jet, left out", "SAE", "+-"):
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
])
def test_bad_input_is_one_sentence_and_leaves_nothing(ntuple, tmp_path, extra, status, sentence):
    run = subprocess.run([JETCAL, "analyze", "--input", ntuple, "--output", tmp_path / "out", *extra],
                         capture_output=True, text=True, check=False)
    assert run.returncode == status
    assert sentence in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("jetcal analyze: ")
    assert list(tmp_path.iterdir()) == []


def test_branches_and_shards_do_not_go_together(ntuple, tmp_path, jetcal):
    jetcal("ingest", ntuple, "--output", tmp_path / "shards")
    status, message = jetcal.fails("analyze", "--input", tmp_path / "shards", "--corrector", "M=branch:modelPt",
                                   "--output", tmp_path / "out")
    assert status == 2
    assert "needs a ROOT file as input" in message
    jetcal("analyze", "--input", tmp_path / "shards", "--corrector", "Raw=raw", "--output", tmp_path / "out", "--bootstrap", "0")


def test_a_truncated_file_is_named(ntuple, tmp_path):
    cut = tmp_path / "cut.root"
    cut.write_bytes(ntuple.read_bytes()[:20000])
    run = subprocess.run([JETCAL, "analyze", "--input", cut, "--output", tmp_path / "out"], capture_output=True, text=True,
                         check=False)
    assert run.returncode == 4
    assert "cut.root" in run.stderr
    assert not (tmp_path / "out").exists()
