# SPDX-License-Identifier: Apache-2.0
"""Fourteen million jets, one epoch from a folder and from an S3 server, within 2 GB. JETCAL_SCALE_JETS makes it smaller."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import JETCAL, ROOT
from object_store import need_gateway

JETS = int(os.environ.get("JETCAL_SCALE_JETS", 14_000_000))


def test_an_epoch_from_a_store_is_as_fast_as_from_the_folder_within_two_gigabytes(jetcal, sample, tmp_path):
    need_gateway()
    if shutil.disk_usage(tmp_path).free < 1000 * JETS:
        pytest.skip(f"{JETS} jets need {JETS / 1e6:.1f} GB of disk")
    jetcal("ingest", sample, "--output", tmp_path / "small")
    tools = ROOT / "tools"
    subprocess.run([sys.executable, tools / "make_large_sample.py", tmp_path / "small", tmp_path / "store" / "jets" / "large", "--jets",
                    str(JETS), "--constituents"], check=True)
    result = subprocess.run([sys.executable, tools / "train_from_store.py", tmp_path / "store", "--sample", "jets/large", "--jetcal",
                             JETCAL], check=True, stdout=subprocess.PIPE)
    shutil.rmtree(tmp_path / "store")
    document = json.loads(result.stdout)  # losses and memory are compared by the program
    local, remote = document["folder"], document["object_store"]
    print(json.dumps(document, indent=1))
    assert remote["storage"]["retries"] == 0
    # The server takes processor time of its own on the same machine.
    assert remote["jets_per_second"] > 0.75 * local["jets_per_second"]
