# SPDX-License-Identifier: Apache-2.0
"""What the suites share: where jetcal and the test data are, how a verb is run, how a server is started and stopped."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
JETCAL = os.environ.get("JETCAL", str(ROOT / "build" / "release" / "bin" / "jetcal"))
SAMPLE = ROOT / "data" / "sample" / "qcd_20k.root"
SHARED = ROOT.parent / "shared" / "data" / "cms"


class Verb:
    """Runs verbs: verb("ingest", ...) must succeed and returns its JSON; verb.fails(...) returns (status, message)."""

    def __call__(self, *arguments, **kwargs):
        result = self.raw(*arguments, "--json", **kwargs)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def fails(self, *arguments, **kwargs):
        result = self.raw(*arguments, **kwargs)
        assert result.returncode != 0, result.stdout
        assert "terminate called" not in result.stderr
        return result.returncode, result.stderr.strip().splitlines()[-1]

    def raw(self, *arguments, timeout=600, **kwargs):
        return subprocess.run([JETCAL, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **kwargs)


@pytest.fixture(scope="session")
def jetcal():
    return Verb()


@pytest.fixture(scope="session")
def sample():
    if not SAMPLE.exists():
        pytest.skip("data/sample/qcd_20k.root is not there")
    return SAMPLE


@pytest.fixture(scope="session")
def pfnano():
    path = SHARED / "pfnano.root"
    if not path.exists():
        pytest.skip("shared/data/cms/pfnano.root is not there: real CMS events are not part of the repository")
    return path
