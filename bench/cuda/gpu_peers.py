#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the peers' networks on a GPU: PyTorch eager, torch.compile, torch-geometric where it is installed.

    python3 bench/cuda/gpu_peers.py FOLDER SECONDS BUDGET MODEL...

FOLDER is what `cuda_bench export` wrote. Before it is timed, an engine must give jetcal's outputs within 1e-3 of their spread plus 1e-4.
Batches lie on the GPU, planned, before the clock starts; jetcal's own times include packing and copying. After BUDGET seconds what
is left is skipped, and said so. Prints one JSON document.
"""

import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
from bench.peers import files, networks  # noqa: E402
from bench.peers.torch_cpu import torch  # noqa: E402

BATCH = 500
ROUNDS = 7


def to_gpu(value):
    if isinstance(value, torch.Tensor):
        return value.cuda()
    if isinstance(value, (tuple, list)):
        return type(value)(to_gpu(item) for item in value)
    return value


def move(batch):
    for name, value in vars(batch).items():
        setattr(batch, name, to_gpu(value))
    return batch


def load(path):
    weights = networks.Weights(path)
    weights.parameters = {name: value.detach().cuda().requires_grad_() for name, value in weights.parameters.items()}
    weights.buffers = {name: value.cuda() for name, value in weights.buffers.items()}
    return weights


def geometric(weights):
    """The ParticleNet with torch-geometric's EdgeConv for every block; the same search for neighbors."""
    from torch_geometric.nn import EdgeConv

    class Network(networks.RaggedParticleNet):
        def _block(self, batch, x, points, name):
            w = self.weights
            target = batch.neighbors(points)

            def layers(edges):
                for layer in range(w.config["edge_layers"]):
                    edges = w.linear(edges, f"{name}.edge{layer}")
                    edges = torch.relu(self._norm(edges, f"{name}.edge{layer}.norm"))
                return edges

            pooled = EdgeConv(layers, aggr="mean")(x, torch.stack([target, batch.source]))
            shortcut = x
            if f"{name}.shortcut.weight" in w.parameters:
                shortcut = self._norm(w.linear(x, f"{name}.shortcut"), f"{name}.shortcut.norm")
            return torch.relu(shortcut + pooled)

    return Network(weights, factored=False)


def timed(call, seconds):
    for i in range(3):
        call(i)
    torch.cuda.synchronize()
    begin, times = time.perf_counter(), []
    while len(times) < ROUNDS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        for i in range(4):
            call(i)
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / 4)
    return {"ms_least": 1e3 * min(times), "ms_median": 1e3 * statistics.median(times), "rounds": len(times)}


def check(network, batch, wanted):
    network.training = False
    with torch.no_grad():
        got = network(batch).float().cpu().numpy()
    network.training = True
    wanted = wanted[batch.order]
    limit = 1e-4 + 1e-3 * float(wanted.std())
    distance = abs(got - wanted).max()
    # Rounding may swap neighbors at almost equal distances in a few jets.
    wrong = int((abs(got - wanted) > limit).sum())
    if wrong > len(wanted) // 50:
        raise RuntimeError(f"{wrong} of {len(wanted)} outputs differ, by up to {distance:.2e}")
    return float(distance)


def measure(engine, model, folder, jets, seconds, tf32):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    weights = load(folder / f"{model}.safetensors")
    pfn = weights.config["network"] == "pfn"
    if engine == "torch-geometric":
        if pfn:
            return
        network = geometric(weights)
    else:
        network = networks.make("torch-ragged-factored", weights)
    batches = [move(network.batch(jets.slice(i * BATCH, BATCH))) for i in range(4)]
    call = network
    if engine == "torch-compile":
        call = torch.compile(lambda batch: network(batch), dynamic=True)
    distance = check(network, batches[0], files.read(folder / f"{model}.y.safetensors")[0]["y"])
    optimizer = torch.optim.Adam(networks.parameters(network), lr=1e-4, fused=True)

    def step(i):
        batch = batches[i % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        error = (call(batch) - batch.target).abs() * (batch.target.abs() < 1)
        error.mean().backward()
        optimizer.step()

    precision = "tf32" if tf32 else "float32"
    yield {"what": "training", "batch": BATCH, "precision": precision, "distance": distance} | timed(step, seconds)
    network.training = False
    for size in (1, 32, 500, 4096):
        inputs = [move(network.batch(jets.slice(i * size, size))) for i in range(4)]

        def predict(i, inputs=inputs):
            with torch.no_grad():
                call(inputs[i % len(inputs)])

        yield {"what": "inference", "batch": size, "precision": precision} | timed(predict, seconds / 2)


def main():
    folder, seconds, budget = pathlib.Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    begin = time.monotonic()
    jets = files.Jets.load(folder / "jets.safetensors")
    results, skipped = [], []
    for engine in ("torch-eager", "torch-geometric", "torch-compile"):  # the one that compiles longest comes last
        for model in sys.argv[4:]:
            for tf32 in (False, True):
                name = f"{engine} {model} {'tf32' if tf32 else 'float32'}"
                if time.monotonic() - begin > budget:
                    skipped.append(f"{name}: the time was up")
                    continue
                try:
                    for row in measure(engine, model, folder, jets, seconds, tf32):
                        row["jets_per_second"] = 1e3 * row["batch"] / row["ms_median"]
                        results.append({"engine": engine, "model": model} | row)
                except Exception as error:  # one peer that fails must not take the others with it
                    skipped.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
    print(json.dumps({"torch": torch.__version__, "device": torch.cuda.get_device_name(), "results": results, "skipped": skipped}))


if __name__ == "__main__":
    main()
