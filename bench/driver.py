# SPDX-License-Identifier: Apache-2.0
"""What every comparison shares: workers on pipes, inputs that all engines get, spreads of rates."""

import array
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
PYTHON = DEPS / "python-bench" / "bin" / "python"
# glibc then keeps big blocks instead of giving them back: page faults cost torch up to a factor of 3 otherwise.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "200000000000"}
OUTPUT_TOLERANCE = 1e-4  # absolute, as the target's spread is about 0.2


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"bench: {text}")


class Engine:
    """A worker on a pipe; it waits while another one works."""

    def __init__(self, name, command, environment):
        self.name = name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, cwd=ROOT, env=os.environ | environment)
        self._description = None

    @property
    def description(self):
        """What the engine says of itself once it is ready; engines that are started together get ready together."""
        if self._description is None:
            self._description = self._read()
        return self._description

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            stop(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, **request):
        assert self.description
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def threads_environment(threads):
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def peer(name, threads, *arguments):
    """Starts an engine of bench/peers; all but `weaver` and names with -default get the tuned allocator."""
    if not PYTHON.exists():
        stop("the peers are not installed; run tools/setup.py build bench")
    environment = threads_environment(threads) | ({} if name == "weaver" or name.endswith("-default") else TUNED)
    command = [PYTHON, "-m", "bench.peers.worker", "--engine", name.removesuffix("-default"), "--threads", threads, *arguments]
    return Engine(name, command, environment)


def run(command, **kwargs):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, cwd=ROOT, **kwargs)
    if result.returncode != 0:
        stop(f"'{' '.join(map(str, command))}' failed with status {result.returncode}")
    return result.stdout


def run_json(command):
    return json.loads(run(command))


def machine(jetcal):
    """What a result says of the program that was measured and of where it ran."""
    doctor = run_json([jetcal, "doctor", "--json"])
    return {"version": doctor["version"], "commit": doctor["commit"], "cpu": doctor["cpu"]["model"], "isa": doctor["isa"],
            "cores": doctor["cpu"]["cores"]}


def make_inputs(options, model, folder):
    """Writes jets and network; the network has had a few steps, so that its running statistics are not 0 and 1."""
    jets, network = folder / "jets.safetensors", folder / f"{pathlib.Path(model).stem}.jetcal"
    if not jets.exists():
        source = ["--data", options.data] if options.data else []
        run_json([options.jetcal, "bench", "jets", "--num-jets", options.jets, "--seed", options.seed, "--output", jets, "--json",
                  *source])
    if not network.exists():
        run_json([options.jetcal, "bench", "network", "--network", model, "--jets", jets, "--steps", 3, "--batch", 100, "--seed",
                  options.seed, "--output", network, "--json"])
    return jets, network


def read_header(path):
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    return data, length, json.loads(data[8:8 + length])


def network_kind(network):
    return json.loads(read_header(network)[2]["__metadata__"]["config"])["network"]


def particle_counts(jets):
    """Reads the number of particles of every jet without numpy."""
    data, length, header = read_header(jets)
    begin, end = header["offsets"]["data_offsets"]
    offsets = array.array("q", data[8 + length + begin:8 + length + end])
    return [b - a for a, b in zip(offsets, offsets[1:])]


def takes_padding_for_neighbors(name, configuration):
    return configuration["network"] == "particlenet" and (name.startswith("weaver") or name.startswith("ort-padded"))


def check_outputs(ours, engine, counts, jets_to_compare=64):
    """Compares outputs with running statistics; stops when they differ."""
    configuration = ours.description["configuration"]
    floor = configuration["neighbors"] if takes_padding_for_neighbors(engine.name, configuration) else 0
    jets_to_compare = min(jets_to_compare, len(counts))
    kept = [i for i in range(jets_to_compare) if counts[i] > floor]
    mine, other = (e.ask(do="predict", jets=jets_to_compare)["y"] for e in (ours, engine))
    difference = max(abs(mine[i] - other[i]) for i in kept)
    if not difference <= OUTPUT_TOLERANCE:
        stop(f"outputs of {engine.name} differ by {difference:.2g}")
    return {"jets_compared": len(kept), "output_difference": difference}


def spread(values):
    return {"best": max(values), "median": statistics.median(values), "worst": min(values), "rounds": values}


def rounded(value):
    """Five digits are more than any timing has."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
