# SPDX-License-Identifier: Apache-2.0
"""tools/soak_serving.py for some seconds: every answer checked while clients come, go and misbehave."""

import json
import subprocess
import sys

from conftest import JETCAL, ROOT


def test_a_short_soak_keeps_every_promise():
    result = subprocess.run([sys.executable, ROOT / "tools" / "soak_serving.py", "--jetcal", JETCAL, "--minutes", "0.2", "--overload", "3", "--calibration", "1",
                             "--goodput", "0.6", "--max-refusal-ms", "1000", "--max-growth-mb", "64", "--json"], stdout=subprocess.PIPE, text=True, timeout=300)
    account = json.loads(result.stdout)
    assert result.returncode == 0, account["broken"]
    counts = account["mixed"]["counts"]
    assert all(counts.get(what, 0) > 3 for what in ("checked", "killed clients", "wrong requests", "reloads")), counts
    assert account["overload"]["row"]["failed"].get("unavailable", 0) > 0
