# SPDX-License-Identifier: Apache-2.0
"""Training against PyTorch: losses, gradients and weights of ten steps for every optimizer and both networks, and every
schedule against torch.optim.lr_scheduler."""

import json
import math
import os
import subprocess

import numpy as np
import pytest

from conftest import JETCAL
from test_train import write_jet_ntuple
from torch_networks import Network, import_torch, optimizer, read_tensors

torch = import_torch()
torch.set_num_threads(1)  # the tensors are small

STEPS, BATCH = 10, 24
# The paper's best networks have these shapes, with more units. In particlenet-all everybody is a neighbor of everybody: where k of
# many are chosen, a rounding may choose another one, and two runs that differ by a rounding then part for good.
NETWORKS = {
    "pfn": {"network": "pfn", "particle_layers": 5, "particle_units": 50, "head_layers": 3, "head_units": 100},
    "particlenet": {"network": "particlenet", "edge_blocks": 3, "neighbors": 16, "edge_layers": 3, "edge_units": 24,
                    "head_layers": 3, "head_units": 50},
    "particlenet-all": {"network": "particlenet", "edge_blocks": 2, "neighbors": 100, "edge_layers": 2, "edge_units": 12,
                        "head_layers": 2, "head_units": 50},
}
# Largest relative deviations from PyTorch in double. What PyTorch's own single precision deviates by, times ten, is allowed too.
LOSS = {"pfn": 5e-6, "particlenet": 5e-3, "particlenet-all": 1e-5}
GRADIENT = {"pfn": 256 * 2**-24, "particlenet": 4e-3, "particlenet-all": 1e-3}  # of the largest entry; as in gradients_test.cc
# Short first steps: they follow the gradient's signs alone, and where an entry is rounding so is its sign.
RATES = {"adam": 1e-4, "adamw": 1e-4, "adagrad": 1e-3, "rmsprop": 1e-4, "ranger": 1e-2}


@pytest.fixture(scope="module")
def stored(jetcal, tmp_path_factory):
    """The jets of ten batches and one model of each network, in files."""
    folder = tmp_path_factory.mktemp("torch")
    jetcal("bench", "jets", "--num-jets", STEPS * BATCH, "--output", folder / "jets.safetensors")
    for name, config in NETWORKS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
        # Some steps, so that running statistics and norms are not at their first values. By the reference variant: the same weights
        # on every machine, for a value that is nearly zero may pass relu after one rounding and not after another.
        subprocess.run([JETCAL, "bench", "network", "--network", folder / f"{name}.json", "--jets", folder / "jets.safetensors",
                        "--batch", str(BATCH), "--steps", "3", "--output", folder / f"{name}.jetcal"],
                       env={**os.environ, "JETCAL_ISA": "ref"}, check=True, capture_output=True, timeout=300)
    return folder


def batches(path):
    arrays, _ = read_tensors(path)
    offsets = arrays["offsets"]
    for first in range(0, STEPS * BATCH, BATCH):
        begin, end = offsets[first], offsets[first + BATCH]
        yield {"offsets": offsets[first:first + BATCH + 1] - begin, "points": arrays["points"][begin:end],
               "particles": arrays["particles"][begin:end], "jets": arrays["jets"][first:first + BATCH],
               "target": arrays["target"][first:first + BATCH]}


def our_steps(stored, network, name):
    """Returns loss and gradient of ten steps of jetcal."""
    gradients = [stored / f"{network}-{name}-{step}.bin" for step in range(STEPS)]
    requests = "".join(json.dumps({"do": "step", "gradient": str(path)}) + "\n" for path in gradients)
    result = subprocess.run(
        [JETCAL, "bench", "train", "--network", stored / f"{network}.jetcal", "--jets", stored / "jets.safetensors", "--batch",
         str(BATCH), "--optimizer", name, "--lr", str(RATES[name]), "--worker"],
        input=requests, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    replies = [json.loads(line) for line in result.stdout.splitlines()[1:]]
    assert len(replies) == STEPS
    return np.array([reply["loss"] for reply in replies]), [np.fromfile(path, np.float32) for path in gradients]


def torch_steps(stored, network, name, dtype):
    net = Network(torch, stored / f"{network}.jetcal", dtype)
    stepper = optimizer(torch, name, list(net.parameters.values()), RATES[name])
    losses, gradients = [], []
    for jets in batches(stored / "jets.safetensors"):
        stepper.zero_grad()
        loss = net.loss(jets)
        loss.backward()
        gradients.append(net.gradient())
        stepper.step()
        losses.append(loss.item())
    return np.array(losses), gradients


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", RATES)
def test_ten_steps_equal_pytorchs(stored, network, name):
    ours, our_gradients = our_steps(stored, network, name)
    exact, exact_gradients = torch_steps(stored, network, name, torch.float64)
    single, single_gradients = torch_steps(stored, network, name, torch.float32)
    def deviation(losses):
        return np.abs(losses / exact - 1)

    def deviations(gradients):
        return [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(gradients, exact_gradients)]
    report = f"{network} {name}: ours {deviation(ours)}, single {deviation(single)}; {deviations(our_gradients)}, " \
             f"{deviations(single_gradients)}"
    print(report)
    assert deviation(ours)[0] < 2e-6, report
    assert deviations(our_gradients)[0] < GRADIENT[network], report
    assert deviation(ours).max() < max(LOSS[network], 10 * deviation(single).max()), report
    if network != "particlenet":
        assert max(deviations(our_gradients)) < max(GRADIENT[network], 10 * max(deviations(single_gradients))), report


@pytest.fixture(scope="module")
def shards(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("schedules")
    write_jet_ntuple(folder / "jets.root", 200, seed=1)
    jetcal("ingest", folder / "jets.root", "--output", folder / "shards")
    return folder / "shards"


def torch_rates(make, steps):
    """Returns the rates of a scheduler, step by step."""
    stepper = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.004)
    scheduler = make(stepper)
    rates = []
    for _ in range(steps):
        rates.append(stepper.param_groups[0]["lr"])
        stepper.step()
        scheduler.step()
    return rates


def flat_then(shape, total):
    """weaver's flat+cos and flat+linear."""
    flat = 0.7 * total - 1
    def factor(step):
        part = (step - flat) / (total - flat)
        return 1 if step <= flat else max(0.001, shape(part))
    return lambda stepper: schedulers.LambdaLR(stepper, factor)


def behind_a_warm_up(make, steps, start):
    return lambda stepper: schedulers.SequentialLR(
        stepper, [schedulers.LinearLR(stepper, start_factor=start, total_iters=steps), make(stepper)], milestones=[steps])


schedulers = torch.optim.lr_scheduler
# Fields of the configuration, and PyTorch's scheduler for 40 steps; every epoch has one step.
SCHEDULES = {
    "constant": ({}, lambda o: schedulers.ConstantLR(o, factor=1)),
    "flat-decay": ({}, lambda o: schedulers.MultiStepLR(o, list(range(28, 40)), gamma=0.01 ** (1 / 12))),
    "steps": ({}, lambda o: schedulers.MultiStepLR(o, [13, 26], gamma=0.1)),
    "steps chosen": ({"milestones": [5, 6, 30], "gamma": 0.3}, lambda o: schedulers.MultiStepLR(o, [5, 6, 30], gamma=0.3)),
    "flat-linear": ({}, flat_then(lambda part: 1 - part, 40)),
    "flat-cosine": ({}, flat_then(lambda part: 0.5 * (math.cos(math.pi * part) + 1), 40)),
    "cosine": ({}, lambda o: schedulers.CosineAnnealingLR(o, T_max=40)),
    "cosine to a fifth": ({"final_lr_factor": 0.2}, lambda o: schedulers.CosineAnnealingLR(o, T_max=40, eta_min=0.2 * 0.004)),
    "one-cycle": ({}, lambda o: schedulers.OneCycleLR(o, max_lr=0.004, total_steps=40, cycle_momentum=False)),
    "one-cycle chosen": ({"peak_at": 0.1, "peak_ratio": 8, "final_lr_factor": 0.0125},
                         lambda o: schedulers.OneCycleLR(o, max_lr=0.004, total_steps=40, pct_start=0.1, div_factor=8,
                                                         final_div_factor=10, cycle_momentum=False)),
    "cosine warm": ({"warmup_steps": 7, "warmup_start": 0.1},
                    behind_a_warm_up(lambda o: schedulers.CosineAnnealingLR(o, T_max=33), 7, 0.1)),
    "constant warm": ({"warmup_steps": 12, "warmup_start": 0.25},
                      behind_a_warm_up(lambda o: schedulers.ConstantLR(o, factor=1), 12, 0.25)),
}


def our_rates(jetcal, shards, folder, schedule, epochs, steps):
    fields = {"schedule": schedule, "epochs": epochs, "steps_per_epoch": steps, "batch_size": 10, "lr": 0.004}
    fields |= {} if schedule not in SCHEDULES else SCHEDULES[schedule][0]
    fields["schedule"] = schedule.split()[0]
    config = {"data": {"directory": str(shards)}, "output": str(folder / "run"), "threads": 1, "training": fields,
              "model": {"network": "pfn", "particle_layers": 1, "particle_units": 2, "head_layers": 1, "head_units": 2,
                        "mode": "constituents"}}
    (folder / "train.yaml").write_text(json.dumps(config))
    result = jetcal("train", "--config", folder / "train.yaml")
    return [epoch["learning_rate"] for epoch in result["epochs"]]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_equal_pytorchs(jetcal, shards, tmp_path, schedule):
    rates = our_rates(jetcal, shards, tmp_path, schedule, epochs=40, steps=1)
    assert rates == pytest.approx(torch_rates(SCHEDULES[schedule][1], 40), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "flat-cosine"])
def test_rates_change_within_epochs(jetcal, shards, tmp_path, schedule):
    rates = our_rates(jetcal, shards, tmp_path, schedule, epochs=8, steps=5)
    assert rates == pytest.approx(torch_rates(SCHEDULES[schedule][1], 40)[4::5], rel=1e-9, abs=1e-14)
