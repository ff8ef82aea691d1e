# SPDX-License-Identifier: Apache-2.0
"""What takes long on several workers: kills at twenty moments, many ranks on few cores, ranks in network namespaces."""

import os
import shutil
import subprocess

import pytest

from test_distributed import alone, close, same_steps, shards, two  # noqa: F401: fixtures
from workers import PARTICLENET, PFN, command, kill_and_resume, mpirun, run, start

MOMENTS = int(os.environ.get("JETCAL_KILL_MOMENTS", "20"))


def report(kills, result, undisturbed):
    print(f"\n{len(kills)} kills, at steps {[kill['step'] for kill in kills]}, ranks {[kill['rank'] for kill in kills]}; "
          f"the job ended after {max(kill['seconds'] for kill in kills):.2f} s at most; "
          f"test loss {result['test_loss']!r}, undisturbed {undisturbed['test_loss']!r}")


@pytest.mark.parametrize("starter", ["mpirun", "launcher"])
def test_kill_9_at_many_moments_changes_nothing(shards, two, tmp_path, starter):  # noqa: F811
    launch, flags = (mpirun(2), PFN) if starter == "mpirun" else ([], [*PFN, "--workers", "2"])
    kills, chapters = [], 0
    while len(kills) < MOMENTS:
        chapters += 1
        assert chapters <= 3 * MOMENTS
        result, more = kill_and_resume(launch, shards, tmp_path / str(chapters), moments=5, seed=chapters, flags=flags)
        kills += more
        assert result["fingerprint"] == two["pfn"]["fingerprint"]
        assert result["test_loss"] == two["pfn"]["test_loss"]
    report(kills, result, two["pfn"])


@pytest.mark.parametrize("count", [4, 8])
@pytest.mark.parametrize("network, flags", [("pfn", PFN), ("particlenet", PARTICLENET)])
def test_many_workers_stay_correct(shards, alone, tmp_path, count, network, flags):  # noqa: F811
    over_tcp = run(command(shards, tmp_path / "tcp", [*flags, "--workers", str(count)]), timeout=1800)
    over_mpi = run([*mpirun(count), *command(shards, tmp_path / "mpi", flags)], timeout=1800)
    same_steps(shards, tmp_path, flags, count)
    close(over_tcp, alone[network])
    assert over_mpi["fingerprint"] == over_tcp["fingerprint"]
    print(f"\n{network}, {count} workers: test loss {over_tcp['test_loss']}, alone {alone[network]['test_loss']}")


def in_namespace(name, *arguments):
    return ["ip", "netns", "exec", name, *arguments]


@pytest.fixture
def namespaces():
    """Four network namespaces, each with an address of its own on one bridge."""
    count = 4
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and ip")
    names = [f"jetcal{i}" for i in range(count)]
    def ip(*arguments, check=True):
        return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=check)
    if ip("netns", "add", "jetcal-bridge", check=False).returncode != 0:
        pytest.skip("network namespaces cannot be made here")
    try:
        ip("netns", "exec", "jetcal-bridge", "ip", "link", "add", "bridge", "type", "bridge")
        ip("netns", "exec", "jetcal-bridge", "ip", "link", "set", "bridge", "up")
        for i, name in enumerate(names):
            ip("netns", "add", name)
            ip("link", "add", f"jcw{i}", "netns", name, "type", "veth", "peer", "name", f"jcb{i}", "netns", "jetcal-bridge")
            ip("netns", "exec", "jetcal-bridge", "ip", "link", "set", f"jcb{i}", "master", "bridge", "up")
            ip("netns", "exec", name, "ip", "address", "add", f"10.78.0.{i + 1}/24", "dev", f"jcw{i}")
            ip("netns", "exec", name, "ip", "link", "set", f"jcw{i}", "up")
            ip("netns", "exec", name, "ip", "link", "set", "lo", "up")
        yield names
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be joined here: {error.stderr.strip()}")
    finally:
        for name in [*names, "jetcal-bridge"]:
            ip("netns", "delete", name, check=False)


def start_in(names, shards, output, flags):  # noqa: F811
    return [start(in_namespace(name, *command(shards, output, flags)),
                  {"RANK": str(rank), "WORLD_SIZE": str(len(names)), "MASTER_ADDR": "10.78.0.1", "MASTER_PORT": "29500"})
            for rank, name in enumerate(names)]


def test_workers_in_network_namespaces(shards, tmp_path, namespaces):  # noqa: F811
    launcher = run(command(shards, tmp_path / "launcher", [*PARTICLENET, "--workers", "4"]))
    pods = start_in(namespaces, shards, tmp_path / "run", PARTICLENET)
    texts = [pod.communicate(timeout=600) for pod in pods]
    assert [pod.returncode for pod in pods] == [0, 0, 0, 0], texts
    assert launcher["fingerprint"] in texts[0][0]


def test_a_network_that_vanishes_ends_the_job(shards, tmp_path, namespaces):  # noqa: F811
    from workers import steps_of_checkpoint, wait_for
    flags = list(PFN)
    flags[flags.index("--epochs") + 1] = "1000"
    pods = start_in(namespaces, shards, tmp_path / "run", flags)
    try:
        assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, pods[0])
        subprocess.run(in_namespace("jetcal3", "ip", "link", "set", "jcw3", "down"), check=True)
        out, err = pods[0].communicate(timeout=60)
        assert pods[0].returncode == 6 and "rank 3 (10.78.0.4) has not been heard of" in err
    finally:
        for pod in pods:
            pod.kill()
            pod.wait()
