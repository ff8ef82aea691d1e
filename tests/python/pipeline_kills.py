# SPDX-License-Identifier: Apache-2.0
"""Kills runners, their watchers and steps at random points, and holds what is left to an undisturbed run."""

import json
import os
import pathlib
import signal
import subprocess
import time

from conftest import JETCAL, ROOT


def processes_with(word):
    """Processes whose command line holds the word."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word in (entry / "cmdline").read_text() and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def records(root):
    """Keys of finished steps."""
    return {json.loads(path.read_text())["key"] for path in (root / "steps").glob("*.json")} if (root / "steps").exists() else set()


def started_keys(root):
    """Keys of the steps that any run began to run, in order, each as often as it began."""
    keys = []
    for journal in (root / "runs").glob("*/journal.jsonl"):
        for line in journal.read_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "step" and event["state"] == "running":
                keys.append(event["key"])
    return keys


def run_and_kill(arguments, root, marker, generator, longest):
    """Starts a run, kills the runner or one process of a step after a while, and waits until nothing of it lives."""
    process = subprocess.Popen([JETCAL, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    time.sleep(generator.uniform(0, longest))
    others = [pid for pid in processes_with(marker) if pid != process.pid]
    victim = generator.choice(others) if others and generator.random() < 0.5 else process.pid
    killed = process.poll() is None
    try:
        os.kill(victim, signal.SIGKILL)
    except ProcessLookupError:
        killed = False
    process.wait(timeout=600)
    deadline = time.monotonic() + 60
    while processes_with(marker):
        assert time.monotonic() < deadline, "a step outlived its killed runner"
        time.sleep(0.05)
    return killed
