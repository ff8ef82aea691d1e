# SPDX-License-Identifier: Apache-2.0
"""The default pipeline, killed at 30 random points: the same artefacts as without, and no finished step run twice."""

import collections
import random
import shutil

from conftest import ROOT
from pipeline_kills import records, run_and_kill, started_keys


def artifacts(result):
    return {step["step"]: step["outputs"] for step in result["steps"]}


def test_thirty_kills_of_the_real_pipeline(jetcal, sample, tmp_path):
    root = tmp_path / "runs"
    arguments = ["pipeline", "run", "--directory", root, "--set", "trials=3", "--set", "epochs=2", "--set", "bootstrap=20"]
    reference = artifacts(jetcal(*arguments, cwd=ROOT, timeout=3600))
    shutil.rmtree(root)  # the same place again: models name the folder of their data
    generator = random.Random(7)
    kills = 0
    while kills < 30:
        finished, before = records(root), collections.Counter(started_keys(root))
        kills += run_and_kill(arguments, root, str(root), generator, longest=12)
        after = collections.Counter(started_keys(root))
        assert not [key for key in finished if after[key] > before[key]], "a finished step ran again"
        if len(records(root)) == 5:
            assert artifacts(jetcal(*arguments, cwd=ROOT)) == reference
            shutil.rmtree(root)  # from nothing, so that kills meet every step
    assert artifacts(jetcal(*arguments, cwd=ROOT, timeout=3600)) == reference
