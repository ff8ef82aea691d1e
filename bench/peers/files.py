# SPDX-License-Identifier: Apache-2.0
"""Reads what `jetcal bench jets` and `jetcal bench network` write: safetensors files."""

import json

import numpy as np

TYPES = {"I64": np.int64, "F32": np.float32}


def read(path):
    """Returns the arrays by name, in the order of the file, and the metadata."""
    data = open(path, "rb").read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, metadata


class Jets:
    """Jets of any number of particles: offsets [J + 1], points [P, 2], particles [P, 6], jets [J, 8], target [J]."""

    def __init__(self, offsets, points, particles, jets, target):
        self.offsets, self.points, self.particles, self.jets, self.target = offsets, points, particles, jets, target

    @classmethod
    def load(cls, path):
        return cls(**read(path)[0])

    def __len__(self):
        return len(self.target)

    @property
    def counts(self):
        return np.diff(self.offsets)

    def take(self, rows):
        rows = np.asarray(rows) % len(self)
        counts = self.counts[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        index = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Jets(offsets, self.points[index], self.particles[index], self.jets[rows], self.target[rows])

    def slice(self, first, count):
        return self.take(np.arange(first, first + count))

    def padded(self, length=None):
        """Returns points [J, 2, L], particles [J, 6, L], mask [J, 1, L] as float, and the jet features."""
        counts = self.counts
        length = length or int(counts.max())
        row = np.repeat(np.arange(len(self)), counts)
        column = np.arange(len(row)) - np.repeat(self.offsets[:-1], counts)
        points = np.zeros((len(self), 2, length), np.float32)
        particles = np.zeros((len(self), 6, length), np.float32)
        mask = np.zeros((len(self), 1, length), np.float32)
        points[row, :, column] = self.points
        particles[row, :, column] = self.particles
        mask[row, 0, column] = 1
        return points, particles, mask, self.jets
