# SPDX-License-Identifier: Apache-2.0
"""Jets with known answers for the tests of analyze, and the definitions of its numbers in numpy."""

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


def write_ntuple(path, jets):
    with uproot.recreate(path) as file:
        tree = file.mktree("AK4jets/jetTree", {
            name: values.type if isinstance(values, awkward.Array) else values.dtype for name, values in jets.items()})
        tree.extend(jets)


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


@pytest.fixture(scope="module")
def jets():
    return make_jets(COUNT)


@pytest.fixture(scope="module")
def ntuple(jets, tmp_path_factory):
    path = tmp_path_factory.mktemp("analyze") / "jets.root"
    write_ntuple(path, jets)
    return path
