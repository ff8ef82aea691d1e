# SPDX-License-Identifier: Apache-2.0
"""One engine in a process of its own: answers requests on standard input, one JSON document a line, as `jetcal bench train
--worker` does.

    {"do": "round", "steps": 2}          times training steps
    {"do": "check", "gradient": FILE}    loss (and gradient) of the first batch at the first weights
    {"do": "predict", "jets": 200}       outputs with running statistics
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
        self.next = 0

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
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(batch)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            times.append(time.perf_counter() - begin)
            jets += len(batch.target)
        return {"seconds": sum(times), "steps": times, "jets": jets, "loss": losses,
                "lengths": getattr(self.network, "lengths", [])}

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--network")
    parser.add_argument("--jets")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    engine = Peak(options) if options.engine == "sgemm" else Trainer(options)
    print(json.dumps({"engine": options.engine, "torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(engine, request["do"])(request)
        reply["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
