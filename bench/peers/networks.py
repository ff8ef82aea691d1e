# SPDX-License-Identifier: Apache-2.0
"""jetcal's PFN and ParticleNet in plain PyTorch, from a model file: ragged, ragged and factored, padded, and weaver-core's own.

All compute what jetcal/models computes, batch normalisation included, with one exception that comes with padding: where a jet
has at most k other particles, padded ParticleNets take padding for neighbors.
"""

import json

import numpy as np

from . import files
from .torch_cpu import torch

F = torch.nn.functional
BUCKETS = 16  # of jets of like size in the search for neighbors


class Weights:
    """Parameters and running statistics by name; parameters in the order of jetcal's flat gradient."""

    def __init__(self, path):
        arrays, metadata = files.read(path)
        self.config = json.loads(metadata["config"])
        arrays = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        self.buffers = {name: array for name, array in arrays.items() if ".running_" in name}
        self.parameters = {name: array.requires_grad_() for name, array in arrays.items() if ".running_" not in name}

    def linear(self, x, name):
        return F.linear(x, self.parameters[name + ".weight"], self.parameters.get(name + ".bias"))

    def norm(self, x, name, training):
        return F.batch_norm(x, self.buffers[name + ".running_mean"], self.buffers[name + ".running_var"],
                            self.parameters[name + ".weight"], self.parameters[name + ".bias"], training)


class RaggedBatch:
    """A batch with jets by rising size, and what its search for neighbors can know beforehand."""

    def __init__(self, jets, neighbors=0):
        self.order = np.argsort(jets.counts, kind="stable")
        jets = jets.take(self.order)
        counts = jets.counts
        self.num_jets = len(jets)
        self.particles, self.points = torch.from_numpy(jets.particles), torch.from_numpy(jets.points)
        self.jets, self.target = torch.from_numpy(jets.jets), torch.from_numpy(jets.target)
        self.counts = torch.from_numpy(counts.astype(np.float32)).unsqueeze(1)
        self.jet_of_particle = torch.from_numpy(np.repeat(np.arange(len(jets)), counts))
        if neighbors:
            self._plan(jets, counts, neighbors)

    def _plan(self, jets, counts, k):
        # Jets of at most k + 1 particles: everybody else is a neighbor. Jets come by size, so these come first.
        self.k = k
        small = int(np.searchsorted(counts, k + 2))
        source, target = [], []
        for jet in range(small):
            n, begin = int(counts[jet]), int(jets.offsets[jet])
            i, j = np.divmod(np.arange(n * n), n)
            source.append(i[i != j] + begin)
            target.append(j[i != j] + begin)
        self.small_source = torch.from_numpy(np.concatenate(source + [np.zeros(0, np.int64)]))
        self.small_target = torch.from_numpy(np.concatenate(target + [np.zeros(0, np.int64)]))
        self.first_big = int(jets.offsets[small])
        self.num_particles = int(jets.offsets[-1])
        weight = np.repeat(np.maximum(counts[:small] - 1, 1), counts[:small]).astype(np.float32)
        self.small_weight = 1 / torch.from_numpy(weight).unsqueeze(1)
        self.source = torch.cat([self.small_source, torch.arange(self.first_big, self.num_particles).repeat_interleave(k)])
        self.buckets = []
        for rows in np.array_split(np.arange(small, len(counts)), BUCKETS):
            if len(rows) == 0:
                continue
            length = int(counts[rows].max())
            column = np.arange(length)
            real = torch.from_numpy(column[None, :] < counts[rows][:, None])
            index = torch.from_numpy(jets.offsets[rows][:, None] + np.minimum(column[None, :], counts[rows][:, None] - 1))
            forbidden = torch.eye(length, dtype=torch.bool).unsqueeze(0) | ~real.unsqueeze(1)
            self.buckets.append((index, real, forbidden, torch.from_numpy(jets.offsets[rows]).view(-1, 1, 1)))

    @torch.no_grad()
    def neighbors(self, x):
        """Returns the target of every edge, source by source."""
        found = [self.small_target]
        for index, real, forbidden, first in self.buckets:
            rows = x[index]
            if x.shape[1] == 2:
                distance = (rows.unsqueeze(1) - rows.unsqueeze(2)).square_().sum(-1)
            else:
                square = rows.square().sum(-1)
                distance = torch.baddbmm(square.unsqueeze(1) + square.unsqueeze(2), rows, rows.transpose(1, 2), alpha=-2)
            distance.masked_fill_(forbidden, float("inf"))
            nearest = distance.topk(self.k, dim=-1, largest=False, sorted=False)[1].add_(first)
            found.append(nearest[real].view(-1))
        return torch.cat(found)

    def mean_over_edges(self, edges):
        few = len(self.small_source)
        small = edges.new_zeros(self.first_big, edges.shape[1]).index_add(0, self.small_source, edges[:few])
        big = edges[few:].view(-1, self.k, edges.shape[1]).mean(1)
        return torch.cat([small * self.small_weight, big])


def head(weights, pooled, jets):
    x = torch.cat([pooled, jets], 1)
    layers = weights.config["head_layers"]
    for layer in range(layers):
        x = F.relu(weights.linear(x, f"head{layer}"))
    return weights.linear(x, f"head{layers}").squeeze(1)


class RaggedPfn:
    def __init__(self, weights):
        self.weights, self.training = weights, True

    def batch(self, jets):
        return RaggedBatch(jets)

    def __call__(self, batch):
        x = batch.particles
        for layer in range(self.weights.config["particle_layers"]):
            x = F.relu(self.weights.linear(x, f"particle{layer}"))
        pooled = x.new_zeros(batch.num_jets, x.shape[1]).index_add(0, batch.jet_of_particle, x)
        return head(self.weights, pooled, batch.jets)


class RaggedParticleNet:
    def __init__(self, weights, factored=True):
        self.weights, self.factored, self.training = weights, factored, True

    def batch(self, jets):
        return RaggedBatch(jets, self.weights.config["neighbors"])

    def _norm(self, x, name):
        return self.weights.norm(x, name, self.training)

    def _block(self, batch, x, points, name):
        w, parameters = self.weights, self.weights.parameters
        target = batch.neighbors(points)
        if self.factored:
            first = parameters[f"{name}.edge0.weight"]
            own, other = first[:, :x.shape[1]], first[:, x.shape[1]:]
            edges = F.embedding(target, F.linear(x, other)).add_(F.embedding(batch.source, F.linear(x, own - other)))
        else:
            center = F.embedding(batch.source, x)
            edges = w.linear(torch.cat([center, F.embedding(target, x) - center], 1), f"{name}.edge0")
        edges = F.relu(self._norm(edges, f"{name}.edge0.norm"), inplace=True)
        for layer in range(1, w.config["edge_layers"]):
            edges = w.linear(edges, f"{name}.edge{layer}")
            edges = F.relu(self._norm(edges, f"{name}.edge{layer}.norm"), inplace=True)
        shortcut = x
        if f"{name}.shortcut.weight" in parameters:
            shortcut = self._norm(w.linear(x, f"{name}.shortcut"), f"{name}.shortcut.norm")
        return F.relu(shortcut + batch.mean_over_edges(edges))

    def __call__(self, batch):
        x = self._norm(batch.particles, "input_norm")
        x = F.relu(self._norm(self.weights.linear(x, "feature"), "feature.norm"))
        points = batch.points
        for block in range(self.weights.config["edge_blocks"]):
            x = self._block(batch, x, points, f"block{block}")
            points = x
        pooled = x.new_zeros(batch.num_jets, x.shape[1]).index_add(0, batch.jet_of_particle, x) / batch.counts
        return head(self.weights, pooled, batch.jets)


class PaddedBatch:
    def __init__(self, jets, length=100):
        self.order = np.arange(len(jets))
        self.points, self.particles, self.mask, self.jets = (torch.from_numpy(array) for array in jets.padded(length))
        self.target = torch.from_numpy(jets.target)


class PaddedPfn:
    def __init__(self, weights, length=100):
        self.weights, self.length, self.training = weights, length, True

    def batch(self, jets):
        return PaddedBatch(jets, self.length)

    def __call__(self, batch):
        x = batch.particles.transpose(1, 2)
        for layer in range(self.weights.config["particle_layers"]):
            x = F.relu(self.weights.linear(x, f"particle{layer}"))
        return head(self.weights, (x * batch.mask.transpose(1, 2)).sum(1), batch.jets)


class WeaverParticleNet(torch.nn.Module):
    """weaver-core's ParticleNet as shipped (trim, no fusion), with its FeatureConv before and a head that takes the jet
    features, both wired as weaver's ParticleNetTagger wires them."""

    def __init__(self, weights, length=100, trim=True):
        super().__init__()
        from weaver.nn.model.ParticleNet import FeatureConv, ParticleNet
        from weaver.nn.model.ParticleTransformer import SequenceTrimmer
        c = weights.config
        self.weights, self.length = weights, length
        self.trimmer = SequenceTrimmer(enabled=trim)
        self.trimmer._counter.fill_(self.trimmer.warmup_steps)  # its first steps, which do not trim, are slower still
        self.feature = FeatureConv(6, 32)
        blocks = [(c["neighbors"], (c["edge_units"],) * c["edge_layers"])] * c["edge_blocks"]
        self.net = ParticleNet(32, 1, blocks, [(c["head_units"], 0.0)], use_fusion=False, use_fts_bn=False, trim=False)
        self.net.fc = torch.nn.Identity()
        layers, width = [], c["edge_units"] + 8
        for _ in range(c["head_layers"]):
            layers += [torch.nn.Linear(width, c["head_units"]), torch.nn.ReLU(), torch.nn.Dropout(0.0)]
            width = c["head_units"]
        self.head = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))
        self.lengths = []
        self._take(weights)

    def _take(self, weights):
        values = {name: array.detach() for name, array in (weights.parameters | weights.buffers).items()}

        def load(module, name):
            for own, value in module.state_dict().items():
                if own != "num_batches_tracked":
                    value.copy_(values[f"{name}.{own}"].view(value.shape))

        load(self.feature.conv[0], "input_norm")
        load(self.feature.conv[1], "feature")
        load(self.feature.conv[2], "feature.norm")
        for i, block in enumerate(self.net.edge_convs):
            for j, (conv, norm) in enumerate(zip(block.convs, block.bns)):
                load(conv, f"block{i}.edge{j}")
                load(norm, f"block{i}.edge{j}.norm")
            if block.sc:
                load(block.sc, f"block{i}.shortcut")
                load(block.sc_bn, f"block{i}.shortcut.norm")
        for i, layer in enumerate(layer for layer in self.head if isinstance(layer, torch.nn.Linear)):
            load(layer, f"head{i}")

    def batch(self, jets):
        return PaddedBatch(jets, self.length)

    def forward(self, batch):
        with torch.no_grad():
            points, particles, mask, _ = self.trimmer(batch.points, batch.particles, batch.mask)
        self.lengths.append(points.shape[-1])
        x = self.feature(particles * mask) * mask
        return self.head(torch.cat([self.net(points, x, mask), batch.jets], 1)).squeeze(1)


class _Exported(torch.nn.Module):
    """A padded network with its inputs as arguments, which is what an export wants."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, *inputs):
        batch = PaddedBatch.__new__(PaddedBatch)
        *points, batch.particles, batch.mask, batch.jets = inputs
        batch.points = points[0] if points else None
        return self.network(batch).unsqueeze(1)


def export_padded(weights, path):
    """Writes the usual ONNX export: the padded network as its framework has it, batch normalisation folded by the exporter."""
    pfn = weights.config["network"] == "pfn"
    network = PaddedPfn(weights) if pfn else WeaverParticleNet(weights, trim=False)
    for parameter in weights.parameters.values():
        parameter.requires_grad_(False)
    inputs = {"pf_points": torch.rand(2, 2, 100), "pf_features": torch.rand(2, 6, 100), "pf_mask": torch.ones(2, 1, 100),
              "jet_features": torch.rand(2, 8)}
    if pfn:
        del inputs["pf_points"]
    axes = {name: {0: "N", 2: "P"} for name in inputs if name != "jet_features"} | {"jet_features": {0: "N"}}
    torch.onnx.export(_Exported(network).eval(), tuple(inputs.values()), str(path), input_names=list(inputs),
                      output_names=["output"], dynamic_axes=axes, opset_version=17, dynamo=False)


def make(name, weights):
    """Returns the network of a peer by its name."""
    if weights.config["network"] == "particletransformer" and name == "torch-ragged":
        from .transformer import RaggedTransformer  # which imports this module
        return RaggedTransformer(weights)
    pfn = weights.config["network"] == "pfn"
    if name.startswith("torch-ragged"):
        return RaggedPfn(weights) if pfn else RaggedParticleNet(weights, factored=name == "torch-ragged-factored")
    if name == "torch-padded" and pfn:
        return PaddedPfn(weights)
    if name.startswith("weaver") and not pfn:
        return WeaverParticleNet(weights)
    raise SystemExit(f"there is no peer '{name}' for a {weights.config['network']}")


def parameters(network):
    if isinstance(network, torch.nn.Module):
        return list(network.parameters())
    return list(network.weights.parameters.values())
