# SPDX-License-Identifier: Apache-2.0
"""tools/measure_serving.py beside the real Triton, with few and short rounds: all of it works, and its document is whole."""

import json
import subprocess
import sys

import pytest
from conftest import JETCAL, ROOT
from triton_server import packages

PARTS = {"networks": ["jetcal ragged", "jetcal padded", "triton usual", "triton factored"], "trivial": ["jetcal", "triton"],
         "batching": ["jetcal single", "jetcal batched", "jetcal in triton single", "jetcal in triton batched"]}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    packages()
    output = tmp_path_factory.mktemp("results") / "serving.json"
    subprocess.run([sys.executable, ROOT / "tools" / "measure_serving.py", "--jetcal", JETCAL, "--quick", "--networks", "pfn", "--output", output], check=True,
                   timeout=900)
    return json.loads(output.read_text())


def test_the_document_names_what_was_measured(document):
    assert document["cpu"] and document["isa"] and document["commit"] and document["rounds"] == 2
    assert set(document["results"]) == {*PARTS, "start"}


@pytest.mark.parametrize("part", PARTS)
def test_every_server_has_its_figures(document, part):
    for entry in document["results"][part]:
        assert list(entry["servers"]) == PARTS[part]
        for row in entry["servers"].values():
            assert row["failed"] == 0 and len(row["rounds"]) == 2
            assert 0 < row["p50_us"] <= row["p99_us"] and row["inference_us"] > 0 and row["jets_per_s"] > 0


def test_starts_are_timed(document):
    for row in document["results"]["start"].values():
        assert row["seconds"] > 0 and row["resident_mb"] > 5
