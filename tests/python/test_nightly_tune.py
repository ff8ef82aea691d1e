# SPDX-License-Identifier: Apache-2.0
"""Ten tuners on one study of 10,000 trivial trials, one of them killed every second."""

import os
import time

from studies import judge, run_killed, write_config

TRIALS = int(os.environ.get("JETCAL_TUNE_TRIALS", "10000"))


def test_ten_tuners_one_killed_every_second(jetcal, tmp_path):
    config = write_config(tmp_path, trials=TRIALS)
    begin = time.monotonic()
    with open(tmp_path / "errors.txt", "w") as errors:
        killed = run_killed(config, tuners=10, kills=10**9, interval=1, errors=errors, seconds=14000)
    seconds = time.monotonic() - begin
    status = judge(jetcal, config, TRIALS)
    requeued = sum(event["what"] == "requeued" for event in status["events"])
    said = (tmp_path / "errors.txt").read_text()
    assert "lock" not in said and "busy" not in said
    assert killed > 0
    print(f"\n{TRIALS} trials, {killed} kills in {seconds:.0f} s, {requeued} trials given back; none lost, none twice, no lock error")
