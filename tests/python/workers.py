# SPDX-License-Identifier: Apache-2.0
"""Runs `jetcal train` on several workers: by its own launcher, by mpirun, and as a cluster starts pods."""

import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import time

import pytest

from conftest import JETCAL

# A rate that is small enough for the first epoch to amplify no rounding: Adam's first steps go by the sign of a gradient.
FLAGS = ["--mode", "constituents", "--epochs", "5", "--batch-size", "50", "--optimizer", "adam", "--lr", "0.0003",
         "--standardise", "--checkpoint-steps", "7", "--threads", "1"]
PFN = ["--preset", "small-pfn", *FLAGS]
PARTICLENET = ["--preset", "small-particlenet", *FLAGS]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "btl_vader_single_copy_mechanism", "none"]
# What a machine sets for its own jobs must not reach the workers of a test.
CLEAN = {name: value for name, value in os.environ.items()
         if not re.match(r"(RANK|WORLD_SIZE|LOCAL_|MASTER_|OMPI_|PET_|SLURM_)", name)}


def command(shards, output, flags=PFN):
    return [JETCAL, "train", "--data", str(shards), "--output", str(output), *flags, "--json"]


def mpirun(count):
    if shutil.which("mpirun") is None:
        pytest.skip("mpirun is not installed")
    if not (pathlib.Path(JETCAL).parent.parent / "libexec" / "jetcal" / "jetcal-mpi.so").exists():
        pytest.skip("this build has no MPI")
    as_root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return [*MPIRUN, *as_root, "-np", str(count)]


def start(arguments, environment=None, **kwargs):
    """A group of its own: what is killed there stays there."""
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**CLEAN, **(environment or {})}, start_new_session=True, **kwargs)


def run(arguments, environment=None, timeout=600):
    process = start(arguments, environment)
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return json.loads(out)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start_pods(count, arguments, environments=None):
    """One process a rank, with RANK, WORLD_SIZE and MASTER_*, as a PyTorchJob starts pods."""
    port = free_port()
    common = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [start(arguments[rank] if isinstance(arguments[0], list) else arguments,
                  {**common, "RANK": str(rank), **((environments or {}).get(rank, {}))}) for rank in range(count)]


def worker_ids(process):
    """The process ids of the workers below a launcher or mpirun, by rank."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.getsid(int(entry.name)) != os.getsid(process.pid):
                continue
            variables = dict(part.split("=", 1) for part in (entry / "environ").read_text().split("\0") if "=" in part)
            if "jetcal-train" not in os.readlink(entry / "exe"):
                continue
        except (OSError, ProcessLookupError):
            continue
        rank = variables.get("RANK", variables.get("OMPI_COMM_WORLD_RANK"))
        if rank is not None and int(entry.name) != process.pid:
            found[int(rank)] = int(entry.name)
    return found


def wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return process.poll() is None


def steps_of_checkpoint(output):
    """The steps that a checkpoint holds, or -1."""
    try:
        found = re.search(rb'"step":(\d+)', (output / "checkpoint" / "state").read_bytes())
    except OSError:
        return -1
    return int(found.group(1)) if found else -1


def kill_and_resume(launch, shards, output, moments, seed, flags=PFN):
    """Kills a random worker with -9 at random moments of a run, then lets it end; returns the result and the kills."""
    rng = random.Random(seed)
    kills = []
    for _ in range(moments):
        process = start([*launch, *command(shards, output, flags)])
        # Anything from the start of the processes to some steps further on.
        wait_for(lambda: rng.random() < 0.01 and len(worker_ids(process)) > 1, process)
        target = steps_of_checkpoint(output) + rng.choice([0, 0, 7, 14])
        wait_for(lambda: steps_of_checkpoint(output) >= target, process)
        time.sleep(rng.random() * 0.3)
        ids = worker_ids(process)
        if process.poll() is None and ids:
            rank = rng.choice(sorted(ids))
            try:
                os.kill(ids[rank], 9)
            except ProcessLookupError:
                rank = None
            began = time.monotonic()
            process.communicate(timeout=60)
            if rank is not None and process.returncode != 0:
                kills.append({"rank": rank, "step": steps_of_checkpoint(output), "seconds": time.monotonic() - began})
        else:
            process.communicate(timeout=60)
    return run([*launch, *command(shards, output, flags)]), kills
