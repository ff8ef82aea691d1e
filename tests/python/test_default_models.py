# SPDX-License-Identifier: Apache-2.0
"""The committed default models, on jets that they were not trained on."""

import pytest

from conftest import ROOT

MODELS = sorted((ROOT / "models").glob("*/model.jetcal"))


def test_there_is_a_default_model():
    assert MODELS and all((path.parent / "card.md").read_text().startswith("# ") for path in MODELS)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_it_beats_the_conventional_correction(jetcal, tmp_path, path):
    report = jetcal("analyze", "--input", ROOT / "data" / "sample" / "qcd_20k.root", "--corrector", f"network={path}",
                    "--bootstrap", 50, "--output", tmp_path / "figures")
    network = next(entry for entry in report["correctors"] if entry["name"] == "network")
    assert network["loss_gain"] > 0.03
    for numbers in network["regions"].values():
        wide = next(entry for entry in numbers["ranges"] if entry["low"] == 30 and entry["high"] is None)
        assert wide["beta"]["value"] > 0.02 and wide["beta"]["value"] > 2 * wide["beta"]["error"]  # resolution
        assert wide["alpha"]["value"] > 0.35  # flavor dependence


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.parent.name)
def test_it_names_no_machine(jetcal, path):
    assert "/" not in jetcal("model", "show", path)["provenance"]["data"]
