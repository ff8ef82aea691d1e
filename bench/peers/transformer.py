# SPDX-License-Identifier: Apache-2.0
"""jetcal's transformer in plain PyTorch, from a model file: ragged rows in linear layers, attention in groups of jets of like size."""

import numpy as np

from . import networks
from .torch_cpu import torch

F = torch.nn.functional
BUCKETS = 16  # of jets of like size, padded to the largest of them
FORBIDDEN = -1e30  # and not infinite: a jet without particles has nobody to attend to


class AttentionBatch(networks.RaggedBatch):
    """A batch with jets by rising size, and where each group's particles are."""

    def __init__(self, jets):
        super().__init__(jets)
        jets = jets.take(self.order)
        self.groups = []
        for rows in np.array_split(np.arange(len(jets)), BUCKETS):
            length = int(jets.counts[rows].max(initial=0))
            if length == 0:
                continue
            column = np.arange(length)[None, :]
            real = column < jets.counts[rows][:, None]
            index = np.where(real, jets.offsets[rows][:, None] + column, 0)
            self.groups.append((torch.from_numpy(index), torch.from_numpy(real)))


def pair_quantities(momenta):
    """Returns ln dR, ln kT, ln z and ln m^2 [J, n, n, 4] of ln pT, d_eta and d_phi [J, n, 3]."""
    (pt_i, eta_i, phi_i), (pt_j, eta_j, phi_j) = momenta.unsqueeze(2).unbind(-1), momenta.unsqueeze(1).unbind(-1)
    log_squared = ((eta_i - eta_j).square() + (phi_i - phi_j).square() + 1e-6).log()
    smaller = torch.minimum(pt_i, pt_j)
    return torch.stack([log_squared / 2, smaller + log_squared / 2, smaller - torch.logaddexp(pt_i, pt_j),
                        pt_i + pt_j + log_squared], -1)


class RaggedTransformer:
    def __init__(self, weights):
        self.weights, self.training = weights, True

    def batch(self, jets):
        return AttentionBatch(jets)

    def _normalise(self, x, name):
        parameters = self.weights.parameters
        return F.layer_norm(x, x.shape[1:], parameters[name + ".weight"], parameters[name + ".bias"])

    def _attend(self, batch, pairs, qkv, name):
        heads, width = self.weights.config["attention_heads"], qkv.shape[1] // 3
        weight = self.weights.parameters[f"{name}.pair.weight"]
        attended = []
        for (index, real), quantities in zip(batch.groups, pairs):
            bias = F.linear(quantities, weight).permute(0, 3, 1, 2).masked_fill(~real[:, None, None, :], FORBIDDEN)
            q, k, v = F.embedding(index, qkv).view(*index.shape, 3, heads, -1).permute(2, 0, 3, 1, 4)
            rows = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
            attended.append(rows.transpose(1, 2).reshape(*index.shape, width)[real])
        return torch.cat(attended)

    def __call__(self, batch):
        w = self.weights
        x = batch.particles
        for layer in range(w.config["embedding_layers"]):
            x = w.linear(F.relu(x) if layer else x, f"embedding{layer}")
        momenta = batch.particles[:, [0, 2, 3]]
        pairs = [pair_quantities(momenta[index]) for index, _ in batch.groups]
        for block in range(w.config["attention_blocks"]):
            name = f"attention{block}"
            qkv = w.linear(self._normalise(x, f"{name}.norm"), f"{name}.qkv")
            x = x + w.linear(self._attend(batch, pairs, qkv, name), f"{name}.out")
            hidden = F.relu(w.linear(self._normalise(x, f"{name}.feed_norm"), f"{name}.expand"))
            x = x + w.linear(hidden, f"{name}.contract")
        x = self._normalise(x, "norm")
        pooled = x.new_zeros(batch.num_jets, x.shape[1]).index_add(0, batch.jet_of_particle, x) / batch.counts.clamp(min=1)
        return networks.head(w, pooled, batch.jets)
