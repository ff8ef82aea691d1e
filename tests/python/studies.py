# SPDX-License-Identifier: Apache-2.0
"""Studies of trivial trials for the tests of jetcal tune: made, run by several tuners, killed, judged."""

import collections
import os
import signal
import subprocess
import time

from conftest import JETCAL

# Says on disk that it ran to its end, then on its output.
TRIAL = 'echo ${trial} >> "$RAN"; echo loss=${x}'


def write_config(folder, trials, parallel=1, command=TRIAL, arguments=None, more=""):
    config = folder / "tune.yaml"
    config.write_text(f"""
name: trivial
parameters:
  x: {{type: float, low: 0, high: 1}}
objective: loss
algorithm: random
limits: {{trials: {trials}}}
run: {{parallel: {parallel}, retries: 0}}
output: {folder / "study"}
trial:
  command: {arguments or "|"}
    {"" if arguments else command}
{more}""")
    return config


def start(config, errors=subprocess.DEVNULL):
    """A tuner in a session of its own; RAN names the file of TRIAL."""
    environment = dict(os.environ, RAN=str(config.parent / "ran.txt"))
    return subprocess.Popen([JETCAL, "tune", "--config", str(config)], stdout=subprocess.DEVNULL, stderr=errors, env=environment,
                            start_new_session=True)


def run_killed(config, tuners, kills, interval, errors, seconds):
    """Runs tuners, kills one of them (by kill -9) every `interval` seconds, `kills` times, starting another one each time.
    Returns how many were killed; every tuner that was not must end with status 0."""
    killed = 0
    running = [start(config, errors) for _ in range(tuners)]
    deadline = time.monotonic() + seconds
    next_kill = time.monotonic() + interval
    while running:
        assert time.monotonic() < deadline, "the tuners did not end"
        time.sleep(0.02)
        for process in list(running):
            if process.poll() is not None:
                assert process.returncode == 0, f"a tuner ended with status {process.returncode}"
                running.remove(process)
        if running and killed < kills and time.monotonic() >= next_kill:
            victim = running.pop(killed % len(running))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            killed += 1
            next_kill = time.monotonic() + interval
            running.append(start(config, errors))
    return killed


def judge(jetcal, config, trials):
    """No trial lost, none twice, nothing left behind; returns the status document."""
    folder = config.parent
    status = jetcal("tune", "status", folder / "study" / "study.db", "--trials", "--events")
    assert status["trials"]["total"] == trials
    assert status["trials"]["complete"] == trials, status["trials"]
    assert [trial["number"] for trial in status["all_trials"]] == list(range(trials))
    what = collections.Counter((event["trial"], event["what"]) for event in status["events"])
    for number in range(trials):
        assert what[number, "proposed"] == 1
        assert what[number, "complete"] == 1
        # Started again only when it was given back.
        assert what[number, "started"] == 1 + what[number, "requeued"] + what[number, "released"]
    ran = collections.Counter(int(line) for line in (folder / "ran.txt").read_text().split())
    assert set(ran) == set(range(trials))
    for number, times in ran.items():
        assert times <= 1 + what[number, "requeued"] + what[number, "released"], f"trial {number} ran {times} times"
    values = {trial["values"]["x"] for trial in status["all_trials"]}
    assert len(values) == trials, "two trials have the same values"
    for trial in status["all_trials"]:
        assert trial["objectives"] == [trial["values"]["x"]]
    assert status["tuners"] == []
    return status
