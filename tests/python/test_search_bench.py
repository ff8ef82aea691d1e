# SPDX-License-Identifier: Apache-2.0
"""The comparison of searches that end trainings early: bench/hpo/fidelity.py on the committed learning curves."""

import json
import subprocess
import sys

from conftest import JETCAL, ROOT

FIDELITY = ROOT / "bench" / "hpo" / "fidelity.py"


def test_both_sides_search_the_same_curves(tmp_path):
    done = subprocess.run([sys.executable, FIDELITY, "run", "--tasks", "particlenet", "--seeds", "2", "--workers", "1", "--jetcal", "bohb,tpe",
                           "--optuna", "random,tpe+hyperband", "--output", tmp_path / "out.json", "--program", f"{JETCAL} tune ask-tell"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "out.json").read_text())
    for regrets in document["regret"].values():  # what was found stays found
        course = [regrets[part] for part in ("10", "25", "50", "100")]
        assert course == sorted(course, reverse=True) and course[-1] >= 1e-4
    searched = document["configurations"]
    assert searched["jetcal bohb"] > 2 * searched["jetcal tpe"]  # nine epochs each, of 540
    assert len(document["comparisons"]) == 2 * 2 * 4
    assert document["cpu"] and document["isa"] and document["cores"] >= 1


def test_curves_are_those_of_a_whole_study(jetcal, tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps({
        "output": str(tmp_path / "study"), "algorithm": {"name": "grid"}, "limits": {"trials": 0}, "objective": "loss", "outcome": "best",
        "parameters": {"x": {"type": "discrete", "choices": [0.5, 2]}, "word": {"type": "categorical", "choices": ["a", "b"]}},
        "trial": {"command": ": ${word}; echo epoch=1 loss=${x}; echo epoch=2 loss=0.25"}}))
    jetcal("tune", "--config", tmp_path / "config.yaml")
    jetcal.raw("tune", "export", tmp_path / "study" / "study.db", tmp_path / "study.json")
    table = [sys.executable, FIDELITY, "table", tmp_path / "study.json", tmp_path / "curves.json"]
    assert subprocess.run(table, capture_output=True, text=True).returncode == 0
    curves = json.loads((tmp_path / "curves.json").read_text())
    assert curves["choices"] == {"x": [0.5, 2], "word": ["a", "b"]} and curves["epochs"] == 2
    assert curves["losses"] == [[[0, 0], [0.5, 0.25]], [[0, 1], [0.5, 0.25]], [[1, 0], [2, 0.25]], [[1, 1], [2, 0.25]]]
    study = json.loads((tmp_path / "study.json").read_text())
    study["trials"].pop()
    (tmp_path / "study.json").write_text(json.dumps(study))
    done = subprocess.run(table, capture_output=True, text=True)
    assert done.returncode == 1 and "3 complete trials of 4" in done.stderr
