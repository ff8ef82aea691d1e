# SPDX-License-Identifier: Apache-2.0
"""tools/soak_serving.py for ten minutes, with its own bounds."""

import json
import subprocess
import sys

from conftest import JETCAL, ROOT


def test_ten_minutes_of_mixed_load_and_an_overload():
    result = subprocess.run([sys.executable, ROOT / "tools" / "soak_serving.py", "--jetcal", JETCAL, "--minutes", "10", "--json"],
                            stdout=subprocess.PIPE, text=True, timeout=1800)
    account = json.loads(result.stdout)
    assert result.returncode == 0, account["broken"]
