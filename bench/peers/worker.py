# SPDX-License-Identifier: Apache-2.0
"""One engine in a process of its own: answers requests on standard input, one JSON document a line, as `jetcal bench train
--worker` does.

    {"do": "round", "steps": 2}          times training steps
    {"do": "check", "gradient": FILE}    loss (and gradient) of the first batch at the first weights
    {"do": "predict", "jets": 200}       outputs with running statistics
    {"do": "latency", "batch": 32, "seconds": 0.2, "calls": 3, "warm_up": true}    times calls for batch after batch
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from . import files, networks
from .torch_cpu import torch


class Peak:
    """Square matrix products in single precision: what the machine gives at most."""

    def __init__(self, options):
        self.a, self.b = torch.randn(1024, 1024), torch.randn(1024, 1024)

    def round(self, request):
        times = []
        for _ in range(request.get("steps", 10)):
            begin = time.perf_counter()
            torch.mm(self.a, self.b)
            times.append(time.perf_counter() - begin)
        return {"seconds": sum(times), "steps": times, "gflop_per_s": 2 * 1024**3 / min(times) * 1e-9}


class Trainer:
    def __init__(self, options):
        self.jets = files.Jets.load(options.jets)
        self.network = networks.make(options.engine, networks.Weights(options.network))
        count = max(1, len(self.jets) // options.batch)
        self.batches = [self.network.batch(self.jets.slice(i * options.batch, options.batch)) for i in range(count)]
        self.optimizer = torch.optim.Adam(networks.parameters(self.network), lr=1e-3, fused=True)
        self.next = self.trims = 0

    def loss(self, batch):
        y = self.network(batch)
        return ((y - batch.target).abs() * (batch.target.abs() < 1)).mean()

    def round(self, request):
        times, losses, jets = [], [], 0
        if hasattr(self.network, "lengths"):
            self.network.lengths.clear()
        for _ in range(request.get("steps", 1)):
            begin = time.perf_counter()
            batch = self.batches[self.next % len(self.batches)]
            self.next += 1
            self._choose_trim()
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            times.append(time.perf_counter() - begin)
            jets += len(batch.target)
        return {"seconds": sum(times), "steps": times, "jets": jets, "loss": losses,
                "lengths": getattr(self.network, "lengths", [])}

    def _choose_trim(self):
        # weaver draws the quantile of the size it trims to from U(0.90, 1.02), which makes few steps a lottery: the middles
        # of four equal parts of that range come in turn instead.
        if hasattr(self.network, "trimmer"):
            quantile = 0.90 + 0.12 * ((0, 2, 1, 3)[self.trims % 4] + 0.5) / 4
            self.network.trimmer.target = (quantile, quantile)
            self.trims += 1

    def check(self, request):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.batches[0])
        loss.backward()
        if request.get("gradient"):
            gradient = [parameter.grad.numpy().ravel() for parameter in networks.parameters(self.network)]
            np.concatenate(gradient).astype(np.float32).tofile(request["gradient"])
        return {"loss": loss.item()}

    @torch.no_grad()
    def predict(self, request):
        self._set_training(False)
        batch = self.network.batch(self.jets.slice(0, request["jets"]))
        y = np.empty(request["jets"])
        y[batch.order] = self.network(batch).numpy()
        self._set_training(True)
        return {"y": y.tolist()}

    def _set_training(self, on):
        if isinstance(self.network, torch.nn.Module):
            self.network.train(on)
        else:
            self.network.training = on


def time_calls(call, batches, request):
    """Goes through the batches, from the first one, until `seconds` and `calls` are reached."""
    if request.get("warm_up", True):
        call(batches[-1])
    times, total = [], 0.0
    while len(times) < request.get("calls", 1) or total < request["seconds"]:
        batch = batches[len(times) % len(batches)]
        begin = time.perf_counter()
        call(batch)
        times.append(time.perf_counter() - begin)
        total += times[-1]
    times.sort()
    return {"p50": times[len(times) // 2], "calls": len(times), "jets_per_s": len(times) * request["batch"] / total}


def slices(jets, batch):
    return [jets.slice(i * batch, batch) for i in range(min(256, max(1, len(jets) // batch)))]


class TorchPredictor:
    """Plans a batch (order of the jets, groups of like size) beforehand; only the network is timed."""

    def __init__(self, options):
        self.jets = files.Jets.load(options.jets)
        weights = networks.Weights(options.network)
        for parameter in weights.parameters.values():
            parameter.requires_grad_(False)
        self.network = networks.make(options.engine, weights)
        self.network.training = False
        self.planned = {}

    def _batches(self, batch):
        if batch not in self.planned:
            self.planned[batch] = [self.network.batch(jets) for jets in slices(self.jets, batch)]
        return self.planned[batch]

    @torch.inference_mode()
    def predict(self, request):
        batch = self.network.batch(self.jets.slice(0, request["jets"]))
        y = np.empty(request["jets"])
        y[batch.order] = self.network(batch).numpy()
        return {"y": y.tolist()}

    @torch.inference_mode()
    def latency(self, request):
        return time_calls(self.network, self._batches(request["batch"]), request)


class OrtPredictor:
    """ONNX Runtime on padded inputs made beforehand: to 100 particles, or to the longest jet of the batch (`-max`)."""

    def __init__(self, options):
        import onnxruntime
        self.jets = files.Jets.load(options.jets)
        session = onnxruntime.SessionOptions()
        session.intra_op_num_threads, session.inter_op_num_threads = options.threads, 1
        session.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(options.network, session, providers=["CPUExecutionProvider"])
        self.names = [entry.name for entry in self.session.get_inputs()]
        self.length = None if options.engine.endswith("-max") else 100
        self.planned = {}

    def _inputs(self, jets):
        arrays = zip(("pf_points", "pf_features", "pf_mask", "jet_features"), jets.padded(self.length))
        return {name: array for name, array in arrays if name in self.names}

    def _run(self, inputs):
        return self.session.run(None, inputs)[0]

    def predict(self, request):
        return {"y": self._run(self._inputs(self.jets.slice(0, request["jets"]))).ravel().tolist()}

    def latency(self, request):
        batch = request["batch"]
        if batch not in self.planned:
            self.planned[batch] = [self._inputs(jets) for jets in slices(self.jets, batch)]
        try:
            return time_calls(self._run, self.planned[batch], request)
        except Exception as error:  # ONNX Runtime raises its own types; jets shorter than k make the usual export fail
            return {"error": str(error).splitlines()[0][:200]}


def make_engine(options):
    if options.engine == "sgemm":
        return Peak(options)
    if options.engine.startswith("ort"):
        return OrtPredictor(options)
    return TorchPredictor(options) if options.inference else Trainer(options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--network")
    parser.add_argument("--jets")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inference", action="store_true", help="torch without gradients")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    engine = make_engine(options)
    print(json.dumps({"engine": options.engine, "torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(engine, request["do"])(request)
        reply["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
