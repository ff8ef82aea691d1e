# SPDX-License-Identifier: Apache-2.0
"""PFN, ParticleNet and Ranger in plain PyTorch, written from their definitions: jet by jet, not factored, not fused.

Weights come from a model file (safetensors); the precision is the caller's choice.
"""

import json
import sys

import numpy as np
import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))


def import_torch():
    """Returns torch, or skips the suite where `tools/setup.py test` has not lent it."""
    try:
        from peers.torch_cpu import torch
    except ImportError as error:
        pytest.skip(f"PyTorch cannot be imported ({error}); tools/setup.py test sets it up", allow_module_level=True)
    return torch


def read_tensors(path):
    """Returns the arrays of a safetensors file by name, in the order of the file, and its metadata."""
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    types = {"F32": np.float32, "I64": np.int64}
    arrays = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"]).copy()
    return arrays, metadata


class Network:
    """The network of a model file in training: parameters by name, running statistics, and a forward pass."""

    def __init__(self, torch, path, dtype):
        arrays, metadata = read_tensors(path)
        self.torch, self.dtype = torch, dtype
        self.config = json.loads(metadata["config"])
        tensors = {name: torch.from_numpy(array).to(dtype) for name, array in arrays.items()}
        self.buffers = {name: tensor for name, tensor in tensors.items() if ".running_" in name}
        self.parameters = {name: tensor.requires_grad_() for name, tensor in tensors.items() if ".running_" not in name}

    def gradient(self):
        return np.concatenate([p.grad.numpy().ravel() for p in self.parameters.values()])

    def linear(self, x, name):
        y = x @ self.parameters[name + ".weight"].T
        return y + self.parameters[name + ".bias"] if name + ".bias" in self.parameters else y

    def norm(self, x, name):
        """Batch normalisation with the statistics of these rows; the running ones move by a tenth, unbiased."""
        mean, variance = x.mean(0), x.var(0, unbiased=False)
        with self.torch.no_grad():
            for buffer, value in (("running_mean", mean), ("running_var", variance * len(x) / (len(x) - 1))):
                self.buffers[f"{name}.{buffer}"].lerp_(value, 0.1)
        y = (x - mean) / self.torch.sqrt(variance + 1e-5)
        return y * self.parameters[name + ".weight"] + self.parameters[name + ".bias"]

    def forward(self, jets):
        torch = self.torch
        x = torch.from_numpy(jets["particles"]).to(self.dtype)
        begins = jets["offsets"]
        if self.config["network"] == "pfn":
            for layer in range(self.config["particle_layers"]):
                x = torch.relu(self.linear(x, f"particle{layer}"))
            pooled = torch.stack([x[a:b].sum(0) for a, b in zip(begins, begins[1:])])
        else:
            x = self.norm(x, "input_norm")
            x = torch.relu(self.norm(self.linear(x, "feature"), "feature.norm"))
            coordinates = torch.from_numpy(jets["points"]).to(self.dtype)
            for block in range(self.config["edge_blocks"]):
                x = self.edge_block(x, coordinates, begins, f"block{block}")
                coordinates = x.detach()
            pooled = torch.stack([x[a:b].mean(0) for a, b in zip(begins, begins[1:])])
        y = torch.cat([pooled, torch.from_numpy(jets["jets"]).to(self.dtype)], 1)
        for layer in range(self.config["head_layers"]):
            y = torch.relu(self.linear(y, f"head{layer}"))
        return self.linear(y, f"head{self.config['head_layers']}").squeeze(1)

    def nearest(self, coordinates, begins):
        """Returns, for every particle, the rows of its min(k, n - 1) nearest others in its jet; ties by index."""
        rows = []
        for begin, end in zip(begins, begins[1:]):
            own = coordinates[begin:end]
            distance = (own[:, None] - own[None, :]).square().sum(2)
            distance.fill_diagonal_(float("inf"))
            k = min(self.config["neighbors"], int(end - begin) - 1)
            rows += list(distance.argsort(dim=1, stable=True)[:, :k] + int(begin))
        return rows

    def edge_block(self, x, coordinates, begins, name):
        torch = self.torch
        neighbors = self.nearest(coordinates, begins)
        counts = torch.tensor([len(row) for row in neighbors])
        source = torch.repeat_interleave(torch.arange(len(x)), counts)
        target = torch.cat(neighbors)
        edges = torch.cat([x[source], x[target] - x[source]], 1)
        for layer in range(self.config["edge_layers"]):
            edges = torch.relu(self.norm(self.linear(edges, f"{name}.edge{layer}"), f"{name}.edge{layer}.norm"))
        mean = torch.zeros(len(x), edges.shape[1], dtype=self.dtype).index_add(0, source, edges)
        mean = mean / counts.clamp(min=1).unsqueeze(1)
        shortcut = x
        if f"{name}.shortcut.weight" in self.parameters:
            shortcut = self.norm(self.linear(x, f"{name}.shortcut"), f"{name}.shortcut.norm")
        return torch.relu(shortcut + mean)

    def loss(self, jets):
        target = self.torch.from_numpy(jets["target"]).to(self.dtype)
        return ((target - self.forward(jets)).abs() * (target.abs() < 1)).mean()


def ranger(torch, parameters, lr, weight_decay):
    """Lookahead (k = 6, alpha = 0.5) around PyTorch's own RAdam."""
    class Lookahead(torch.optim.RAdam):
        def __init__(self):
            super().__init__(parameters, lr=lr, betas=(0.95, 0.999), eps=1e-5, weight_decay=weight_decay,
                             decoupled_weight_decay=True)
            self.slow = [p.detach().clone() for p in parameters]
            self.steps = 0

        def step(self):
            super().step()
            self.steps += 1
            if self.steps % 6 == 0:
                with torch.no_grad():
                    for slow, fast in zip(self.slow, parameters):
                        slow.lerp_(fast, 0.5)
                        fast.copy_(slow)
    return Lookahead()


def optimizer(torch, name, parameters, lr):
    """The optimizers of the paper with PyTorch's defaults."""
    if name == "ranger":
        return ranger(torch, parameters, lr, 0)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adagrad": torch.optim.Adagrad,
             "rmsprop": torch.optim.RMSprop}
    return kinds[name](parameters, lr=lr)
