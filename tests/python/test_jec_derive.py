# SPDX-License-Identifier: Apache-2.0
"""jec derive, jec closure: derived files are valid CMS corrections, close on other jets, and bad input ends in one sentence."""

import json

import correctionlib
import numpy
import pytest
import uproot

TAG = "Toy_V1_MC"
LEVELS = ("L1FastJet", "L2Relative", "L3Absolute", "L2L3Residual")
FIGURES = ("closure_pt", "closure_eta", "closure_num_pileup_barrel", "closure_rho_endcap", "derivation_offset",
           "derivation_response")


def toy_jets(count, seed):
    """Makes jets with a known response and offset (rho per collision .65, offset .45 area (rho - 2))."""
    random = numpy.random.default_rng(seed)
    eta = random.uniform(-3.2, 3.2, count)
    pt_gen = 10 * (numpy.minimum(4000, 6000 / numpy.cosh(eta)) / 10) ** random.random(count)
    collisions = random.poisson(23, count)
    area = random.normal(0.5, 0.02, count).clip(0.3, 0.7)
    response = 0.97 - numpy.where(abs(eta) < 1.305, 0.2, 0.32) * (pt_gen / 10) ** -0.5
    width = numpy.sqrt(0.04 ** 2 + 0.8 / pt_gen)
    alone = pt_gen * response * (1 + width * random.normal(size=count)).clip(0.05)
    raw = alone + area * 0.45 * 0.65 * collisions + random.normal(size=count)
    found = (numpy.arange(count) % 50 > 0) & (raw > 0)
    floats = {"genJetPt": pt_gen, "genJetEta": eta, "genJetPhi": random.uniform(-3, 3, count), "jetRawPt": raw * found,
              "jetEta": eta * found, "jetArea": area * found, "jetRawPtNoPU": alone, "jetAreaNoPU": area,
              "rhoAll": 2 + 0.65 * collisions + 0.3 * random.normal(size=count)}
    return ({name: values.astype("f4") for name, values in floats.items()}
            | {"Pileup_nPU": collisions.astype("i4"), "event": numpy.arange(count, dtype="u8")})


def write(path, jets):
    with uproot.recreate(path) as file:
        file["calibration/jets"] = jets
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    return write(folder / "a.root", toy_jets(60000, 1)), write(folder / "b.root", toy_jets(60000, 2))


@pytest.fixture(scope="module")
def derived(jetcal, files, tmp_path_factory):
    output = tmp_path_factory.mktemp("derived") / "jec"
    result = jetcal("jec", "derive", "--input", files[0], "--output", output, "--tag", TAG, "--min-jets-eta", 6000)
    return output, result


def texts_of(folder):
    return [folder / f"{TAG}_{level}_AK4PFchs.txt" for level in LEVELS]


def evaluate_text(path, columns):
    """Evaluates one of the texts in plain Python: the formula's own words, numpy's functions."""
    lines = path.read_text().splitlines()
    words = lines[0].strip("{}").split()
    variables = words[3:3 + int(words[2])]
    formula = words[3 + len(variables)].replace("[", "p[")
    factors = numpy.ones(len(columns["JetPt"]))
    for line in lines[1:]:
        row = [float(word) for word in line.split()]
        inside = (columns["JetEta"] >= row[0]) & (columns["JetEta"] < row[1])
        assert row[2] == len(row) - 3
        names = {"p": row[3 + 2 * len(variables):], "log": numpy.log, "log10": numpy.log10, "max": numpy.maximum}
        for letter, variable, low, high in zip("xyz", variables, row[3::2], row[4::2]):
            names[letter] = columns[variable][inside].clip(low, high)
        factors[inside] = eval(formula, {}, names)
    return factors


def test_text_json_and_correctionlib_agree(derived):
    output, result = derived
    assert result["tag"] == TAG
    random = numpy.random.default_rng(5)
    count = 20000
    columns = {"JetA": random.uniform(0.2, 1, count), "JetEta": random.uniform(-5.1, 5.1, count),
               "JetPt": 3 * 2000 ** random.random(count), "Rho": random.uniform(0, 80, count)}
    corrections = correctionlib.CorrectionSet.from_file(str(output / f"{TAG}_AK4PFchs.json"))
    assert set(corrections) == {f"{TAG}_{level}_AK4PFchs" for level in LEVELS}
    text = numpy.ones(count)
    for level, path in zip(LEVELS, texts_of(output)):
        now = columns | {"JetPt": columns["JetPt"] * text}
        factors = evaluate_text(path, now)
        correction = corrections[f"{TAG}_{level}_AK4PFchs"]
        peer = correction.evaluate(*[now[variable.name] for variable in correction.inputs])
        numpy.testing.assert_allclose(factors, peer, rtol=1e-9)
        text *= factors
    compound = corrections.compound[f"{TAG}_L1L2L3Res_AK4PFchs"]
    peer = compound.evaluate(*[columns[variable.name] for variable in compound.inputs])
    numpy.testing.assert_allclose(text, peer, rtol=1e-6)
    assert text.std() > 0.01


def test_json_follows_the_schema(derived):
    from correctionlib import schemav2
    schemav2.CorrectionSet.model_validate_json((derived[0] / f"{TAG}_AK4PFchs.json").read_text())


def test_offset_is_that_of_the_toy(derived):
    for fit in derived[1]["offset"]:
        for rho in (10, 17, 25):
            offset = 0.5 * fit["density"] * (rho - fit["rho_zero"])
            assert offset == pytest.approx(0.5 * 0.45 * (rho - 2), rel=0.05, abs=0.15), (fit["abs_eta"], rho)
            assert 0 < fit["density_error"] < 0.1 * fit["density"]


def test_counts_add_up(derived):
    counts = derived[1]["counts"]
    assert counts["jets"] == 60000
    assert counts["unmatched"] >= 60000 // 50
    assert counts["jets"] == sum(counts[key] for key in ("below_pt_gen", "unmatched", "outside_eta", "used"))
    assert sum(point["jets"] for fit in derived[1]["response"] for point in fit["points"]) == counts["used"]


def test_figures_and_numbers_are_whole(derived):
    output, result = derived
    for figure in FIGURES:
        assert (output / f"{figure}.pdf").read_bytes().rstrip().endswith(b"%%EOF")
        assert (output / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (output / f"{figure}.svg").read_text()
        assert json.loads((output / f"{figure}.json").read_text())["panels"][0]["series"]
    assert json.loads((output / "closure.json").read_text())["independent"] is False
    assert json.loads((output / "derivation.json").read_text())["tag"] == TAG
    assert not output.with_name("jec.part").exists()


def closure_of(jetcal, files, output, *correction):
    return jetcal("jec", "closure", "--input", files[1], "--output", output, "--no-fail", "--correction", *correction)


def test_closure_on_other_jets(jetcal, files, derived, tmp_path):
    result = closure_of(jetcal, files, tmp_path / "text", *texts_of(derived[0]))
    for series in result["against_pt"][:2]:
        for bin in series["bins"]:
            if bin["target"] and bin["median"]:
                assert abs(bin["median"] - 1) < bin["target"] + 3 * bin["error"], (series["region"], bin)
    for slope in result["against_pileup"]:
        if slope["slope_percent"] is not None and slope["pt_gen"][0] >= 30:
            assert abs(slope["slope_percent"]) < 0.05 + 3 * slope["slope_error_percent"], slope
    same = closure_of(jetcal, files, tmp_path / "json", derived[0] / f"{TAG}_AK4PFchs.json")
    assert same["against_pt"][0]["bins"][3]["median"] == pytest.approx(result["against_pt"][0]["bins"][3]["median"], rel=1e-9)


def test_closure_medians_are_those_of_numpy(jetcal, files, derived, tmp_path):
    result = closure_of(jetcal, files, tmp_path / "out", *texts_of(derived[0]))
    jets = toy_jets(60000, 2)
    jets = {name: values[jets["jetRawPt"] > 0].astype("f8") for name, values in jets.items()}
    columns = {"JetA": jets["jetArea"], "JetEta": jets["jetEta"], "JetPt": jets["jetRawPt"], "Rho": jets["rhoAll"]}
    factor = numpy.ones(len(jets["jetRawPt"]))
    for path in texts_of(derived[0]):
        factor *= evaluate_text(path, columns | {"JetPt": columns["JetPt"] * factor})
    response = factor * jets["jetRawPt"] / jets["genJetPt"]
    compared = 0
    for series, (low, high) in zip(result["against_pt"][:2], ((0, 1.3), (1.3, 2.5))):
        for bin in series["bins"]:
            inside = ((abs(jets["genJetEta"]) >= low) & (abs(jets["genJetEta"]) < high)
                      & (jets["genJetPt"] >= bin["low"]) & (jets["genJetPt"] < bin["high"]))
            assert bin["jets"] == inside.sum()
            if bin["median"] is not None:
                assert bin["median"] == pytest.approx(numpy.median(response[inside]), rel=1e-9)
                compared += 1
    assert compared > 20


def test_missed_targets_fail_and_no_fail_does_not(jetcal, files, tmp_path):
    off = tmp_path / "off.txt"
    off.write_text("{1 JetEta 1 JetPt 1.5 Correction L2Relative}\n-5.191 5.191 2 1 6500\n")
    arguments = ("jec", "closure", "--input", files[1], "--correction", off, "--output", tmp_path / "out")
    status, message = jetcal.fails(*arguments)
    assert status == 7
    assert "targets are missed" in message
    assert jetcal(*arguments, "--no-fail")["targets"]["missed"] > 30


def test_same_input_gives_the_same_bytes(jetcal, files, derived, tmp_path):
    jetcal("jec", "derive", "--input", files[0], "--output", tmp_path / "again", "--tag", TAG, "--min-jets-eta", 6000,
           "--threads", 1)
    for path in [*texts_of(derived[0]), derived[0] / f"{TAG}_AK4PFchs.json", derived[0] / "derivation.json",
                 derived[0] / "closure.json"]:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def without(jets, name):
    return {key: values for key, values in jets.items() if key != name}


def test_bad_input_is_one_sentence(jetcal, files, tmp_path):
    jets = toy_jets(3000, 3)
    nan = dict(jets)
    nan["rhoAll"] = jets["rhoAll"].copy()
    nan["rhoAll"][77] = numpy.nan
    same = dict(jets) | {"Pileup_nPU": numpy.full(3000, 20, "i4")}
    (tmp_path / "cut.root").write_bytes(files[0].read_bytes()[:100000])
    with uproot.recreate(tmp_path / "empty.root") as file:
        file["other"] = {"x": numpy.arange(3)}
    cases = [
        (write(tmp_path / "missing.root", without(jets, "jetRawPtNoPU")), "jetRawPtNoPU", 2),
        (write(tmp_path / "nan.root", nan), "rhoAll of calibration/jets is not finite at entry 77", 2),
        (write(tmp_path / "few.root", {name: values[:100] for name, values in jets.items()}), "too few jets", 2),
        (write(tmp_path / "same.root", same), "all of the sample have 20", 2),
        (tmp_path / "cut.root", "truncated", 4),
        (tmp_path / "empty.root", "no tree calibration/jets", 2),
        (tmp_path / "nowhere.root", "nowhere.root", 3)]
    for path, words, expected in cases:
        status, message = jetcal.fails("jec", "derive", "--input", path, "--output", tmp_path / "out", "--tag", TAG,
                                       "--min-jets-eta", 500)
        assert words in message, (path, message)
        assert status == expected, message
        assert not (tmp_path / "out").exists()
    status, message = jetcal.fails("jec", "derive", "--input", files[0], "--output", tmp_path / "out", "--tag", "a/b")
    assert status == 2 and "tag" in message
