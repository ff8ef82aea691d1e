# SPDX-License-Identifier: Apache-2.0
"""Training on selected and weighted jets: losses, constants, spectra and clipping against numpy."""

import numpy
import pytest
from test_ingest import SPLITS, read_shards

NETWORK = """
model: {network: pfn, particle_layers: 1, particle_units: 4, head_layers: 1, head_units: 4, dropout: 0}
training: {epochs: 1, batch_size: 500, lr: 1.0e-9}
"""


@pytest.fixture(scope="module")
def shards(jetcal, sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "out"
    jetcal("ingest", sample, "--output", folder, "--observers", "jetPtOrder", "alpha")
    return folder


def columns(folder, split):
    table = read_shards(folder, [split])
    return {name: numpy.array(table[name]) for name in table.column_names
            if not str(table[name].type).startswith("large_list")}


def target(jets):
    return numpy.log(jets["pt_gen"].astype("f8") / jets["pt_reco"])


def weighted_median(values, weights):
    order = numpy.argsort(values)
    values, weights = values[order], weights[order]
    sums = numpy.cumsum(weights)
    middle = numpy.searchsorted(sums, sums[-1] / 2)
    return values[middle] if sums[middle] > sums[-1] / 2 else (values[middle] + values[middle + 1]) / 2


def train(jetcal, shards, tmp_path, data, name="run"):
    path = tmp_path / f"{name}.yaml"
    path.write_text(f"output: {tmp_path / name}\ndata:\n  directory: {shards}\n{data}{NETWORK}")
    return jetcal("train", "--config", path, "--threads", 1)


def loss(jets, weights, constant=0.0):
    y = target(jets)
    return (weights * abs(y - constant) * (abs(y) < 1)).sum() / weights.sum()


def check_baselines(report, jets, weights):
    """Compares with the definition of the loss; targets are floats in training."""
    y, w = target(jets["train"]), weights["train"]
    inside = (abs(y) < 1) & (w > 0)
    constant = weighted_median(y[inside], w[inside])
    assert report["baselines"]["constant"] == pytest.approx(constant, abs=1e-6)
    assert report["baselines"]["no_correction"] == pytest.approx(loss(jets["test"], weights["test"]), rel=1e-6)
    assert report["baselines"]["best_constant"] == pytest.approx(
        loss(jets["test"], weights["test"], report["baselines"]["constant"]), rel=1e-6)


def test_selection_and_weights_reach_every_loss(jetcal, shards, tmp_path):
    report = train(jetcal, shards, tmp_path, """
  new_variables: {central: abs(eta) < 1.3}
  selection: central && pt_reco > 40
  selection_train: jetPtOrder < 2
  weight: 'pt_gen / 50 * (hadron_flavor == 5 ? 3 : 1)'
""")
    jets, weights = {}, {}
    for split in SPLITS:
        every = columns(shards, split)
        kept = (abs(every["eta"]) < 1.3) & (every["pt_reco"] > 40)
        assert report["data"][split]["rejected_selection"] == (~kept).sum()
        if split == "train":
            assert report["data"][split]["rejected_split_selection"] == (kept & (every["jetPtOrder"] >= 2)).sum()
            kept &= every["jetPtOrder"] < 2
        jets[split] = {name: values[kept] for name, values in every.items()}
        weights[split] = jets[split]["pt_gen"].astype("f8") / 50 * numpy.where(jets[split]["hadron_flavor"] == 5, 3, 1)
        assert report["jets"][split] == kept.sum() == report["data"][split]["kept"]
        assert report["data"][split]["read"] == len(kept)
        assert report["data"][split]["weight"] == pytest.approx(weights[split].sum(), rel=1e-6)
    assert report["data"]["weight_scale"] == pytest.approx(len(weights["train"]) / weights["train"].sum(), rel=1e-6)
    check_baselines(report, jets, weights)
    # With next to no learning rate the losses are those of one network; they must not be the unweighted ones.
    plain = train(jetcal, shards, tmp_path, "  selection: abs(eta) < 1.3 && pt_reco > 40\n", "plain")
    assert report["test_loss"] != pytest.approx(plain["test_loss"], rel=1e-3)


def test_weights_of_ingest_are_used_once(jetcal, sample, shards, tmp_path):
    weight = "pt_gen / 50 + alpha"
    rules = f"""
  inputs: [{sample}]
  directory: {tmp_path}/weighted
  selection: pt_reco > 35 && alpha < 0.8
  weight: {weight}
  observers: [alpha]
"""
    path = tmp_path / "both.yaml"
    path.write_text(f"output: {tmp_path / 'run'}\ndata:{rules}{NETWORK}")
    ingested = jetcal("ingest", "--config", path)
    assert ingested["rows"]["rejected"]["selection"] > 0
    report = jetcal("train", "--config", path, "--threads", 1)
    assert report["data"]["applied_by_ingest"] == ["selection", "weight"]
    jets = {split: columns(tmp_path / "weighted", split) for split in SPLITS}
    weights = {split: jets[split]["training_weight"].astype("f8") for split in SPLITS}
    check_baselines(report, jets, weights)
    # Stored weights are used where the configuration says nothing of them, and others replace them.
    silent = train(jetcal, tmp_path / "weighted", tmp_path, "", "silent")
    assert silent["test_loss"] == report["test_loss"]
    # Wherever the jets are held: nothing is left to do of the rules, and the weights come with the blocks.
    for mode in ("memory", "streamed"):
        held = train(jetcal, tmp_path / "weighted", tmp_path, rules.split("\n", 3)[3] + f"  mode: {mode}\n", mode)
        assert held["storage"]["mode"] == mode
        assert held["data"]["applied_by_ingest"] == ["selection", "weight"]
        check_baselines(held, jets, weights)
        if mode == "memory":  # the same order too
            assert held["fingerprint"] == report["fingerprint"]
        assert held["test_loss"] == pytest.approx(report["test_loss"], rel=1e-6)
    (tmp_path / "other.yaml").write_text(
        f"output: {tmp_path / 'other'}\ndata:\n  directory: {tmp_path}/weighted\n  mode: streamed\n  weight: pt_gen\n{NETWORK}")
    status, message = jetcal.fails("train", "--config", tmp_path / "other.yaml")
    assert status == 2 and "data.mode mapped" in message
    plain = train(jetcal, tmp_path / "weighted", tmp_path, "  weight: 1\n", "plain")
    check_baselines(plain, jets, {split: numpy.ones(len(jets[split]["pt_gen"])) for split in SPLITS})


def test_reweighting_makes_the_spectrum_flat(jetcal, shards, tmp_path):
    pt_edges, eta_edges = [20, 40, 60, 100, 200, 500], [0, 1.3, 2.5]
    report = train(jetcal, shards, tmp_path, f"""
  weight: exp(-abs(eta))
  reweighting:
    bins: {{pt_gen: {pt_edges}, abs(eta_gen): {eta_edges}}}
    max_factor: 10
""")
    jets, weights, inside = {}, {}, {}
    for split in SPLITS:
        every = columns(shards, split)
        w = numpy.exp(-abs(every["eta"].astype("f8")))
        bins = [numpy.digitize(every["pt_gen"], pt_edges) - 1, numpy.digitize(abs(every["eta_gen"]), eta_edges) - 1]
        ok = (bins[0] >= 0) & (bins[0] < 5) & (bins[1] >= 0) & (bins[1] < 2)
        if split == "train":
            sums, _, _ = numpy.histogram2d(every["pt_gen"], abs(every["eta_gen"]), [pt_edges, eta_edges], weights=w)
            counts, _, _ = numpy.histogram2d(every["pt_gen"], abs(every["eta_gen"]), [pt_edges, eta_edges])
            filled = sums > 0
            factors = numpy.where(filled, sums.sum() / filled.sum() / numpy.where(filled, sums, 1), 0)
            factors = numpy.minimum(factors, 10)
            assert report["data"]["reweighted_jets"] == counts.ravel().astype(int).tolist()
            assert report["data"]["capped_jets"] == counts[factors == 10].sum()
        if split == "test":
            ok[:] = True
        else:
            w[ok] *= factors[bins[0][ok], bins[1][ok]]
            assert report["data"][split]["outside_reweighting"] == (~ok).sum()
        jets[split] = {name: values[ok] for name, values in every.items()}
        weights[split], inside[split] = w[ok], ok
        assert report["jets"][split] == ok.sum()
        assert report["data"][split]["weight"] == pytest.approx(w[ok].sum(), rel=1e-5)
    check_baselines(report, jets, weights)
    flat = numpy.histogram(jets["train"]["pt_gen"], pt_edges, weights=weights["train"])[0]
    assert flat[:3].max() / flat[:3].min() < 1.001


def test_reweighting_of_each_flavor(jetcal, shards, tmp_path):
    report = train(jetcal, shards, tmp_path, """
  reweighting: {bins: {pt_gen: [20, 50, 100]}, classes: flavor, class_weights: {g: 2}, outside: keep}
""")
    every = columns(shards, "train")
    flavor = numpy.where(every["hadron_flavor"] != 0, every["hadron_flavor"], abs(every["parton_flavor"]))
    counts = [((flavor == pdg) & (every["pt_gen"] >= low) & (every["pt_gen"] < high)).sum()
              for pdg in (2, 1, 3, 4, 5, 21) for low, high in ((20, 50), (50, 100))]
    assert report["data"]["reweighted_jets"] == counts
    assert report["data"]["train"]["kept"] == len(flavor)
    assert report["data"]["train"]["outside_reweighting"] == len(flavor) - sum(counts)


def test_a_fraction_at_training_counts_what_it_leaves(jetcal, shards, tmp_path):
    report = train(jetcal, shards, tmp_path, "  fraction: 0.5\n  fraction_train: 0.5\n")
    for split, part in (("train", 0.25), ("validation", 0.5), ("test", 0.5)):
        account = report["data"][split]
        assert account["read"] == account["kept"] + account["not_in_fraction"]
        spread = numpy.sqrt(account["read"] * part * (1 - part))
        assert abs(account["kept"] - part * account["read"]) < 5 * spread


def test_clipping_is_counted_and_part_of_the_model(jetcal, shards, tmp_path):
    report = train(jetcal, shards, tmp_path, """
  standardisation:
    method: manual
    features:
      jetMass: {center: 10, scale: 0.1, min: -0.5, max: 1.5}
      QG_mult: {max: 20}
""")
    for split in SPLITS:
        jets = columns(shards, split)
        clipped = report["clipped_values"][split]
        assert clipped["jetMass"] == ((jets["mass"] < 5) | (jets["mass"] > 25)).sum() > 0
        assert clipped["QG_mult"] == (jets["qg_mult"] > 20).sum() > 0
        assert clipped["log_PF_pT"] == 0
    shown = jetcal("model", "show", tmp_path / "run/model.jetcal")
    assert shown["standardisation"]["jet_low"][3] == 5
    document = jetcal("export", "--model", tmp_path / "run/model.jetcal", "--repository", tmp_path / "repository",
                      "--name", "clipped", "--verify")
    assert document["verify"]["passed"]


def test_a_flag_that_is_not_given_leaves_the_configuration_alone(jetcal, shards, tmp_path):
    def standardised(name, *arguments):
        report = jetcal("train", "--data", shards, "--output", tmp_path / name, "--epochs", 1, "--fraction", 0.02,
                        "--preset", "small-pfn", *arguments)
        return report["configuration"]["model"]["standardise"]

    assert standardised("preset")
    assert not standardised("without", "--no-standardise")
    assert standardised("with", "--standardise")


def test_automatic_standardisation_with_clipping(jetcal, shards, tmp_path):
    report = train(jetcal, shards, tmp_path, "  standardisation: {method: auto, clip: 3}\n")
    mass = columns(shards, "train")["mass"].astype("f8")
    low, high = mass.mean() - 3 * mass.std(), mass.mean() + 3 * mass.std()
    count = ((mass < low) | (mass > high)).sum()
    assert abs(report["clipped_values"]["train"]["jetMass"] - count) <= 2  # values at the bound, in float


@pytest.mark.parametrize("data, words", [
    ("  selection: jetPtOrdr < 2\n", ["unknown name 'jetPtOrdr'", "the shards in"]),
    ("  selection: pt_reco > 1e9\n", ["no jets left"]),
    ("  weight: 0\n", ["weights of the training jets sum to 0"]),
    ("  standardisation: {method: manual, features: {jetMas: {center: 1}}}\n", ["unknown feature 'jetMas'"]),
    ("  standardisation: {method: manual, features: {jetMass: {centre: 1}}}\n", ["unknown field 'centre'"]),
    ("  standardisation: {clip: 5}\n", ["method must be auto, manual or none"]),
    ("  standardisation: {method: none, clip: 5}\n", ["takes neither clip nor features"]),
    ("  reweighting: {bins: {pt: [0, 1]}}\n", ["unknown name 'pt'"]),
    ("  reweihting: {bins: {pt: [0, 1]}}\n", ["unknown field 'data.reweihting'"]),
])
def test_mistakes_end_with_one_sentence(jetcal, shards, tmp_path, data, words):
    path = tmp_path / "bad.yaml"
    path.write_text(f"output: {tmp_path / 'run'}\ndata:\n  directory: {shards}\n{data}{NETWORK}")
    _, message = jetcal.fails("train", "--config", path)
    for word in words:
        assert word in message


def test_another_selection_is_another_run(jetcal, shards, tmp_path):
    train(jetcal, shards, tmp_path, "  selection: pt_reco > 40\n")
    path = tmp_path / "run.yaml"
    path.write_text(path.read_text().replace("> 40", "> 41"))
    _, message = jetcal.fails("train", "--config", path)
    assert "data.selection" in message
