# SPDX-License-Identifier: Apache-2.0
"""jetcal train on several workers: the same result as one, whatever starts them, and what happens when one dies."""

import os
import re
import shutil
import signal
import time

import numpy
import pyarrow
import pytest

from test_train import write_jet_ntuple
from workers import (PARTICLENET, PFN, command, free_port, kill_and_resume, mpirun, run, start, start_pods,
                     steps_of_checkpoint, wait_for, worker_ids)


@pytest.fixture(scope="module")
def shards(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    write_jet_ntuple(folder / "jets.root", 3001, seed=5)
    jetcal("ingest", folder / "jets.root", "--output", folder / "shards")
    return folder / "shards"


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    return {name: run(command(shards, tmp_path_factory.mktemp("alone") / "run", flags))
            for name, flags in {"pfn": PFN, "particlenet": PARTICLENET}.items()}


@pytest.fixture(scope="module")
def two(shards, tmp_path_factory):
    """Two workers over TCP: the run that others must repeat bit for bit."""
    return {name: run(command(shards, tmp_path_factory.mktemp("two") / "run", [*flags, "--workers", "2"]))
            for name, flags in {"pfn": PFN, "particlenet": PARTICLENET}.items()}


STEPS = 12


def losses_of_steps(shards, output, flags, count):
    """The losses of the first batches, one an epoch. Ranger's first steps are long by the gradient, Adam's by its sign."""
    flags = list(flags)
    for name, value in {"--epochs": str(STEPS), "--optimizer": "ranger", "--lr": "0.003"}.items():
        flags[flags.index(name) + 1] = value
    more = ["--workers", str(count)] if count > 1 else []
    result = run(command(shards, output, [*flags, "--steps-per-epoch", "1", *more]))
    return [epoch["train_loss"] for epoch in result["epochs"]]


def same_steps(shards, folder, flags, count):
    """Before training amplifies what another order of sums rounds otherwise, the losses are the same to that rounding."""
    one = losses_of_steps(shards, folder / "steps-of-one", flags, 1)
    assert len(one) == STEPS and len(set(one)) == STEPS
    assert losses_of_steps(shards, folder / f"steps-of-{count}", flags, count) == pytest.approx(one, rel=1e-6)


def close(result, expected):
    """Sums in another order: the first epoch agrees to that rounding (2e-6 at most over variants of the kernels and 1 to 8 workers),
    later ones as two roundings of one training do: a neighbor more or less far decides in whole steps (test losses: 1.2 %)."""
    assert result["epochs"][0]["train_loss"] == pytest.approx(expected["epochs"][0]["train_loss"], rel=2e-5)
    assert result["test_loss"] == pytest.approx(expected["test_loss"], rel=2e-2)
    assert result["jets"] == expected["jets"] and result["rejected_jets"] == expected["rejected_jets"]
    assert result["baselines"]["constant"] == expected["baselines"]["constant"]
    for name in ("no_correction", "best_constant"):
        assert result["baselines"][name] == pytest.approx(expected["baselines"][name], rel=1e-12)


@pytest.mark.parametrize("network", ["pfn", "particlenet"])
def test_two_workers_give_what_one_gives(shards, alone, two, network, tmp_path):
    same_steps(shards, tmp_path, PFN if network == "pfn" else PARTICLENET, 2)
    close(two[network], alone[network])
    assert two[network]["workers"]["count"] == 2 and two[network]["workers"]["backend"] == "tcp"
    assert "workers" not in alone[network]


@pytest.mark.parametrize("network, flags", [("pfn", PFN), ("particlenet", PARTICLENET)])
def test_mpi_gives_the_bits_of_tcp(shards, two, network, flags, tmp_path):
    result = run([*mpirun(2), *command(shards, tmp_path / "run", flags)])
    assert result["workers"]["backend"] == "mpi"
    assert result["fingerprint"] == two[network]["fingerprint"]
    assert result["test_loss"] == two[network]["test_loss"]


def test_pods_give_the_bits_of_the_launcher(shards, two, tmp_path):
    # Only the first one needs the folder of the results.
    outputs = [tmp_path / "first", tmp_path / "second"]
    pods = start_pods(2, [command(shards, output) for output in outputs])
    texts = [pod.communicate(timeout=300) for pod in pods]
    assert [pod.returncode for pod in pods] == [0, 0], texts
    assert two["pfn"]["fingerprint"] in texts[0][0] and texts[1][0] == ""
    assert (outputs[0] / "model.jetcal").exists() and not outputs[1].exists()


def test_a_train_job_starts_its_own_workers(shards, alone, tmp_path):
    environment = {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "3", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "127.0.0.1",
                   "PET_MASTER_PORT": str(free_port())}
    result = run(command(shards, tmp_path / "run"), environment)
    assert result["workers"]["count"] == 3
    close(result, alone["pfn"])


def test_a_batch_may_have_fewer_jets_than_workers(shards, tmp_path):
    flags = list(PARTICLENET)
    flags[flags.index("--batch-size") + 1] = "3"
    flags[flags.index("--epochs") + 1] = "1"
    result = run(command(shards, tmp_path / "run", [*flags, "--workers", "4"]))
    assert result["epochs"][0]["train_loss"] < 1


def test_kill_9_changes_nothing(shards, two, tmp_path):
    result, kills = kill_and_resume([], shards, tmp_path / "run", moments=3, seed=1, flags=[*PFN, "--workers", "2"])
    assert kills
    assert result["fingerprint"] == two["pfn"]["fingerprint"]
    assert [epoch["validation_loss"] for epoch in result["epochs"]] == [
        epoch["validation_loss"] for epoch in two["pfn"]["epochs"]]


def endless(flags=PFN):
    changed = list(flags)
    changed[changed.index("--epochs") + 1] = "1000"
    return changed


@pytest.mark.parametrize("victim", [0, 1])
def test_a_dead_worker_ends_the_job_within_seconds(shards, tmp_path, victim):
    pods = start_pods(3, command(shards, tmp_path / "run", endless()))
    try:
        assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, pods[0])
        pods[victim].kill()
        began = time.monotonic()
        for rank in {0, 1, 2} - {victim}:
            out, err = pods[rank].communicate(timeout=30)
            assert pods[rank].returncode == 6, err
            assert f"rank {victim} (127.0.0.1) is gone" in err
            assert "the same command goes on from the last checkpoint" in err and out == ""
        assert time.monotonic() - began < 8
    finally:
        for pod in pods:
            pod.kill()
            pod.wait()


def test_a_silent_worker_ends_the_job(shards, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("distributed: {timeout_seconds: 3}\n")
    pods = start_pods(2, [*command(shards, tmp_path / "run", endless()), "--config", str(config)])
    try:
        assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, pods[0])
        pods[1].send_signal(signal.SIGSTOP)
        out, err = pods[0].communicate(timeout=30)
        assert pods[0].returncode == 6
        assert "rank 1 (127.0.0.1) has not been heard of for" in err
    finally:
        for pod in pods:
            pod.kill()
            pod.wait()


def test_a_dead_worker_below_the_launcher(shards, tmp_path):
    process = start(command(shards, tmp_path / "run", [*endless(), "--workers", "3"]))
    assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, process)
    ids = worker_ids(process)
    assert sorted(ids) == [0, 1, 2]
    os.kill(ids[2], signal.SIGKILL)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 8
    assert process.returncode == 128 + signal.SIGKILL
    assert "worker 2 (process" in err and "killed by signal 9" in err
    assert not worker_ids(process)


def test_a_launcher_that_dies_leaves_nobody(shards, tmp_path):
    process = start(command(shards, tmp_path / "run", [*endless(), "--workers", "2"]))
    assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, process)
    ids = worker_ids(process)
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{number}") for number in ids.values()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_dead_worker_below_mpirun(shards, tmp_path):
    process = start([*mpirun(2), *command(shards, tmp_path / "run", endless())])
    assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, process)
    os.kill(worker_ids(process)[1], signal.SIGKILL)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 8
    assert process.returncode != 0 and "signal 9" in err


def test_a_signal_to_one_stops_all_after_the_same_step(shards, two, alone, tmp_path):
    output = tmp_path / "run"
    pods = start_pods(2, command(shards, output))
    assert wait_for(lambda: steps_of_checkpoint(output) >= 30, pods[0])
    pods[1].send_signal(signal.SIGTERM)
    texts = [pod.communicate(timeout=60) for pod in pods]
    assert [pod.returncode for pod in pods] == [130, 130], texts
    step = int(re.search(r"after (\d+) steps; the same command goes on", texts[0][1]).group(1))
    assert steps_of_checkpoint(output) == step
    # It goes on with as many workers to the same bits, with any other number to the same result.
    for count in (1, 3):
        shutil.copytree(output, tmp_path / str(count))
        result = run(command(shards, tmp_path / str(count), [*PFN, "--workers", str(count)]))
        assert result["resumed_step"] == step
        close(result, alone["pfn"])
    result = run(command(shards, output, [*PFN, "--workers", "2"]))
    assert result["resumed_step"] == step and result["fingerprint"] == two["pfn"]["fingerprint"]


def test_the_launcher_passes_signals_on(shards, tmp_path):
    process = start(command(shards, tmp_path / "run", [*endless(), "--workers", "2"]))
    assert wait_for(lambda: steps_of_checkpoint(tmp_path / "run") > 0, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    assert err.count("the same command goes on from there") == 1


def test_an_error_of_one_worker_is_told_by_all(shards, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(shards, broken)
    path = next(broken.glob("train-*.arrow"))
    table = pyarrow.ipc.open_file(path.read_bytes()).read_all()
    mass = table["mass"].to_numpy().copy()
    mass[77] = numpy.nan
    index = table.schema.get_field_index("mass")
    table = table.set_column(index, table.schema.field(index), pyarrow.array(mass, pyarrow.float32(), from_pandas=False))
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    flags = [flag for flag in PFN if flag != "--standardise"]
    pods = start_pods(2, command(broken, tmp_path / "run", flags))
    texts = [pod.communicate(timeout=60)[1] for pod in pods]
    assert [pod.returncode for pod in pods] == [2, 2], texts
    assert "jet 77 of the train split" in texts[0]


def test_workers_with_other_jets_or_flags_are_refused(jetcal, shards, tmp_path):
    write_jet_ntuple(tmp_path / "other.root", 500, seed=6)
    jetcal("ingest", tmp_path / "other.root", "--output", tmp_path / "other")
    pods = start_pods(2, [command(shards, tmp_path / "run"), command(tmp_path / "other", tmp_path / "run")])
    texts = [pod.communicate(timeout=60)[1] for pod in pods]
    assert [pod.returncode for pod in pods] == [2, 2], texts
    assert "the workers differ in data.t" in texts[0] and "rank 1" in texts[0]


def test_contradictions_are_named(shards, tmp_path):
    def fails(environment, *flags):
        process = start(command(shards, tmp_path / "run", [*PFN, *flags]), environment)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 2 and not (tmp_path / "run").exists(), err
        return err
    assert "no WORLD_SIZE" in fails({"RANK": "1"})
    assert "OMPI_COMM_WORLD_SIZE=2" in fails(
        {"RANK": "0", "WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"})
    assert "distributed.workers is 3" in fails({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "x"}, "--workers", "3")
    assert "distributed.workers" in fails({}, "--workers", "0")
    assert "backend" in fails({}, "--backend", "gloo")


def test_a_worker_that_does_not_come_is_named(shards, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("distributed: {start_seconds: 1}\n")
    process = start([*command(shards, tmp_path / "run"), "--config", str(config)],
                    {"RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 6 and "ranks 1, 2 of 3 did not connect" in err


def test_own_norms_are_a_choice(shards, two, tmp_path):
    config = tmp_path / "train.yaml"
    config.write_text("distributed: {sync_norm: false}\n")
    result = run([*command(shards, tmp_path / "run", [*PARTICLENET, "--workers", "2"]), "--config", str(config)])
    assert result["configuration"]["distributed"] == {"sync_norm": False}
    assert result["fingerprint"] != two["particlenet"]["fingerprint"]
    assert result["test_loss"] < 1.2 * two["particlenet"]["test_loss"]
