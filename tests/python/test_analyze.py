# SPDX-License-Identifier: Apache-2.0
"""analyze: the numbers of the report are those of numpy; figures are whole; bad input leaves nothing behind."""

import json
import math
import subprocess

import awkward
import numpy
import pytest
import uproot
from conftest import JETCAL

FLAVORS = {"u": 2, "d": 1, "s": 3, "c": 4, "b": 5, "g": 21}
REGIONS = {"barrel": (0, 1.3), "endcap": (1.3, 2.5)}
RANGES = {"> 30": (30, math.inf), "30-100": (30, 100), "100-300": (100, 300), "300-1000": (300, 1000),
          "> 1000": (1000, math.inf)}
FIGURES = [f"{kind}_{region}" for region in REGIONS
           for kind in ("resolution", "response", "flavor", "distribution", "residual_uds_g")]
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
    reco = numpy.where(pt_gen > 0, pt_gen, 40) * (1 + offset + width * noise).clip(0.2)
    model = numpy.where(pt_gen > 0, pt_gen, 40) * (1 + offset / 2 + 0.8 * width * noise).clip(0.2)
    model[100:110] = numpy.nan
    hadron = numpy.where(numpy.isin(flavor, [4, 5]), flavor, 0)
    floats = {"jetPt": reco, "jetEta": random.uniform(-2.4, 2.4, count), "jetPhi": random.uniform(-3, 3, count),
              "jetMass": reco / 10, "jetArea": numpy.full(count, 0.5), "jetRawPt": reco, "QG_ptD": numpy.full(count, 0.4),
              "QG_axis2": numpy.full(count, 0.1), "genJetPt": pt_gen, "genJetEta": random.uniform(-2.7, 2.7, count),
              "rhoAll": numpy.full(count, 20.0), "Pileup_nTrueInt": numpy.full(count, 23.0),
              "eventWeight": numpy.ones(count), "modelPt": model}
    integers = {"QG_mult": numpy.full(count, 20), "hadronFlav": hadron, "partonFlav": -flavor,
                "PV_npvsGood": numpy.full(count, 20)}
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
    with uproot.recreate(path) as file:
        tree = file.mktree("AK4jets/jetTree", {
            name: values.type if isinstance(values, awkward.Array) else values.dtype for name, values in jets.items()})
        tree.extend(jets)
    return path


@pytest.fixture(scope="module")
def analyzed(ntuple, tmp_path_factory):
    """The report of one run and its folder."""
    output = tmp_path_factory.mktemp("report") / "out"
    run = subprocess.run([JETCAL, "analyze", "--input", ntuple, "--corrector", "Model=branch:modelPt", "--output", output,
                          "--bootstrap", "40", "--json"], capture_output=True, text=True, check=True)
    return json.loads(run.stdout), output


def selection(jets):
    """The mask of used jets and their responses, as numpy sees them."""
    used = (jets["genJetPt"] > 0) & (abs(jets["genJetEta"]) < 2.5) & numpy.isfinite(jets["modelPt"])
    pt_gen = jets["genJetPt"].astype("f8")
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return used, {"Standard": jets["jetPt"] / pt_gen, "Model": jets["modelPt"] / pt_gen}


def flavor_of(jets):
    return numpy.where(jets["hadronFlav"] != 0, jets["hadronFlav"], abs(jets["partonFlav"]))


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
        light = inside & numpy.isin(flavor_of(jets), [1, 2, 3])
        gluon = inside & (flavor_of(jets) == 21)
        if light.any() and gluon.any():
            residual = numpy.median(responses[corrector][light]) - numpy.median(responses[corrector][gluon])
            assert numbers["light_minus_gluon"]["value"] == pytest.approx(residual, rel=1e-9, abs=1e-12)
            checked += 1
    assert checked > 12


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


def test_bootstrap_errors_are_those_of_numpy_within_their_own_error(jets, analyzed):
    used, responses = selection(jets)
    inside = used & in_region(jets, "barrel") & (jets["genJetPt"] >= 100) & (jets["genJetPt"] < 300)
    values, baseline = responses["Model"][inside], responses["Standard"][inside]
    random = numpy.random.default_rng(5)
    medians, betas = [], []
    for _ in range(400):
        drawn = random.integers(0, len(values), len(values))
        medians.append(numpy.median(values[drawn]))
        betas.append(1 - spread(values[drawn])[1] / spread(baseline[drawn])[1])
    numbers = numbers_of(analyzed[0], "Model", "barrel")["ranges"][2]
    # An error from 40 resamplings scatters by 11 %; four of that.
    assert numbers["median"]["error"] == pytest.approx(numpy.std(medians, ddof=1), rel=0.45)
    assert numbers["beta"]["error"] == pytest.approx(numpy.std(betas, ddof=1), rel=0.45)


def test_the_loss_is_the_published_one(jets, analyzed):
    used, responses = selection(jets)
    small = abs(numpy.log(jets["genJetPt"][used].astype("f8") / jets["jetPt"][used])) < 1
    for item in analyzed[0]["correctors"]:
        loss = (abs(numpy.log(responses[item["name"]][used])) * small).mean()
        assert item["loss"] == pytest.approx(loss, rel=1e-7)


def test_figures_are_whole_in_three_formats(analyzed):
    report, output = analyzed
    assert [figure["name"] for figure in report["figures"]] == FIGURES
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


def test_the_same_seed_gives_the_same_report_for_any_number_of_threads(ntuple, analyzed, tmp_path):
    run = subprocess.run([JETCAL, "analyze", "--input", ntuple, "--corrector", "Model=branch:modelPt", "--output",
                          tmp_path / "again", "--bootstrap", "40", "--threads", "1", "--json"],
                         capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["correctors"] == analyzed[0]["correctors"]


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
    for text in ("alpha Model [%]", "beta Model [%]", "barrel, u", "without gen jet, left out", "endcap, sum of absolute errors"):
        assert text in run.stdout


@pytest.mark.parametrize(("extra", "status", "sentence"), [
    (["--corrector", "Model=branch:noSuch"], 2, "noSuch"),
    (["--corrector", "Model=missing.jetcal"], 3, "missing.jetcal"),
    (["--corrector", "Model"], 2, "NAME=MODEL.jetcal"),
    (["--corrector", "Standard=branch:modelPt"], 2, "two correctors have the name 'Standard'"),
    (["--split", "test"], 2, "--split is for a folder of shards"),
    (["--bootstrap", "-1"], 2, "must not be negative"),
    (["--corrector", "Model=branch:PF_pT"], 2, "not one for each jet"),
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
