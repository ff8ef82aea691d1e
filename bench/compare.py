#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times jetcal and its peers on the same jets with the same weights, in turn, round by round.

    python bench/compare.py train --model pn-best --threads 1 --rounds 5 --peers torch-ragged-factored

Every engine lives in a process of its own and waits while another one works. First outputs, loss and gradient are compared;
the run fails when they differ. `sgemm` is the square matrix product of MKL in the same run.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
PYTHON = DEPS / "python-bench" / "bin" / "python"
# glibc then keeps big blocks instead of giving them back: page faults cost torch up to a factor of 3 otherwise.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "200000000000"}
MODELS = ("pfn-best", "pfn-large", "pn-small", "pn-best", "pn-large", "paper-pfn", "paper-particlenet")
TRAIN_PEERS = {"pfn": ["torch-ragged", "torch-padded"], "particlenet": ["torch-ragged-factored", "weaver-tuned", "weaver"]}
OUTPUT_TOLERANCE = 1e-4  # absolute, as the target's spread is about 0.2
GRADIENT_TOLERANCE = 2e-3  # of its length: rounding decides between neighbors at almost the same distance


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Engine:
    """A worker on a pipe."""

    def __init__(self, name, command, environment):
        self.name = name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, cwd=ROOT, env=os.environ | environment)
        self.rates, self.replies = [], []

    def start(self):
        self.description = self._read()
        return self

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"bench: {self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def stop(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def threads_environment(threads):
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def peer(name, threads, *arguments):
    environment = threads_environment(threads) | ({} if name == "weaver" or name.endswith("-default") else TUNED)
    engine = name.removesuffix("-default")
    return Engine(name, [PYTHON, "-m", "bench.peers.worker", "--engine", engine, "--threads", threads, *arguments], environment)


def run_json(command):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"bench: '{' '.join(map(str, command))}' failed with status {result.returncode}")
    return json.loads(result.stdout)


def make_inputs(options, model, folder):
    """Writes jets and network; the network has had a few steps, so that its running statistics are not 0 and 1."""
    jets, network = folder / f"jets-{options.seed}.safetensors", folder / f"{pathlib.Path(model).stem}.jetcal"
    if not jets.exists():
        source = ["--data", options.data] if options.data else []
        run_json([options.jetcal, "bench", "jets", "--num-jets", options.jets, "--seed", options.seed, "--output", jets, "--json",
                  *source])
    run_json([options.jetcal, "bench", "network", "--network", model, "--jets", jets, "--steps", 3, "--batch", 100, "--seed",
              options.seed, "--output", network, "--json"])
    return jets, network


def check_equal(ours, engine, folder, jets_to_compare, counts):
    """Compares outputs with running statistics, then loss and gradient of the first training batch where both have the same."""
    config = ours.description["configuration"]
    floor = config["neighbors"] if config["network"] == "particlenet" and engine.name.startswith("weaver") else 0
    kept = [i for i in range(jets_to_compare) if counts[i] > floor]
    mine, other = (e.ask(do="predict", jets=jets_to_compare)["y"] for e in (ours, engine))
    result = {"jets_compared": len(kept), "output_difference": max(abs(mine[i] - other[i]) for i in kept)}
    if result["output_difference"] > OUTPUT_TOLERANCE:
        sys.exit(f"bench: outputs of {engine.name} differ by {result['output_difference']:.2g}")
    if engine.name.startswith("weaver"):
        return result  # its batch normalisation counts padding, and its trim drops particles
    import array
    gradients = []
    for e in (ours, engine):
        file = folder / f"gradient-{e.name}.bin"
        gradients.append((e.ask(do="check", gradient=str(file))["loss"], array.array("f", file.read_bytes())))
    (loss, gradient), (other_loss, other_gradient) = gradients
    result["loss_difference"] = abs(loss - other_loss)
    difference = sum((a - b) ** 2 for a, b in zip(gradient, other_gradient)) ** 0.5
    result["gradient_difference"] = difference / sum(a * a for a in gradient) ** 0.5
    if len(gradient) != len(other_gradient) or result["loss_difference"] > OUTPUT_TOLERANCE or \
            result["gradient_difference"] > GRADIENT_TOLERANCE:
        sys.exit(f"bench: training of {engine.name} differs: {result}")
    return result


def spread(values):
    return {"best": max(values), "median": statistics.median(values), "worst": min(values), "rounds": values}


def time_rounds(engines, rounds, seconds):
    """Every engine once a round, the order turning; steps a round are chosen once so that fast engines run for a while."""
    steps = {}
    for engine in engines:
        warm = engine.ask(do="round", steps=1)  # not counted
        if warm["seconds"] < seconds:
            warm = engine.ask(do="round", steps=1)
        steps[engine.name] = max(1, min(200, round(seconds / warm["seconds"])))
    for i in range(rounds):
        turn = i % len(engines)
        for engine in engines[turn:] + engines[:turn]:
            reply = engine.ask(do="round", steps=steps[engine.name])
            engine.replies.append(reply)
            engine.rates.append(reply["gflop_per_s"] if engine.name == "sgemm" else reply["jets"] / reply["seconds"])
    return steps


def compare_training(options, model, threads, folder):
    jets, network = make_inputs(options, model, folder)
    command = [options.jetcal, "bench", "train", "--worker", "--network", network, "--jets", jets, "--threads", threads,
               "--batch", options.batch]
    ours = Engine("jetcal", command + options.jetcal_arguments, threads_environment(threads)).start()
    kind = ours.description["configuration"]["network"]
    names = options.peers if options.peers is not None else TRAIN_PEERS[kind]
    names = [name for name in names if name != "sgemm" and not (kind == "pfn" and name.startswith("weaver"))]
    sgemm = peer("sgemm", threads).start()
    peers = [peer(name, threads, "--network", network, "--jets", jets, "--batch",
                  options.weaver_batch if name.startswith("weaver") else options.batch).start() for name in names]
    counts = particle_counts(jets)
    equal = {engine.name: check_equal(ours, engine, folder, min(64, len(counts)), counts) for engine in peers}
    engines = [ours, *peers, sgemm]
    steps = time_rounds(engines, options.rounds, options.seconds)
    for engine in engines:
        engine.stop()
    peak = spread(sgemm.rates)
    description = ours.description
    gflop = 3 * 2 * description["macs_per_jet"] * 1e-9
    rows = {}
    for engine in [ours, *peers]:
        row = {"jets_per_s": spread(engine.rates), "steps_a_round": steps[engine.name],
               "gflop_per_s": max(engine.rates) * gflop, "share_of_sgemm": max(engine.rates) * gflop / peak["best"],
               "share_of_sgemm_median": statistics.median(engine.rates) * gflop / peak["median"],
               "peak_rss_mb": max(reply["peak_rss_mb"] for reply in engine.replies)}
        if engine is not ours:
            paired = [a / b for a, b in zip(ours.rates, engine.rates)]
            row |= {"batch": options.weaver_batch if engine.name.startswith("weaver") else options.batch,
                    "jetcal_is_faster_by": {"best": max(ours.rates) / max(engine.rates),
                                            "median": statistics.median(ours.rates) / statistics.median(engine.rates),
                                            "worst_round": min(paired)},
                    "equal": equal[engine.name]}
        lengths = [length for reply in engine.replies for length in reply.get("lengths", [])]
        if lengths:
            row["trimmed_to"] = lengths
        rows[engine.name] = row
    result = {"model": model, "threads": threads, "batch": options.batch, "rounds": options.rounds,
              "particles_per_jet": description["particles_per_jet"], "parameters": description["parameters"],
              "gflop_per_jet": gflop, "sgemm_gflop_per_s": peak, "engines": rows}
    print_training(result)
    return result, description | {"torch": sgemm.description["torch"]}


def particle_counts(jets):
    data = open(jets, "rb").read()
    length = int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8:8 + length])["offsets"]["data_offsets"]
    import array
    offsets = array.array("q", data[8 + length + begin:8 + length + end])
    return [b - a for a, b in zip(offsets, offsets[1:])]


def print_training(result):
    peak = result["sgemm_gflop_per_s"]
    say(f"{result['model']}, {result['threads']} thread(s), batch {result['batch']}, {result['rounds']} rounds, "
        f"sgemm {peak['best']:.0f} best {peak['median']:.0f} median GFLOP/s")
    for name, row in result["engines"].items():
        rates, faster = row["jets_per_s"], row.get("jetcal_is_faster_by")
        text = f"  {name:24} {rates['best']:9.1f} best {rates['median']:9.1f} median jets/s  {row['gflop_per_s']:6.1f} GFLOP/s " \
               f"{100 * row['share_of_sgemm']:5.1f} % of sgemm"
        if faster:
            text += f"   jetcal x {faster['best']:.2f} best, {faster['median']:.2f} median, {faster['worst_round']:.2f} worst round"
        say(text)


def integers(text):
    return [int(part) for part in text.split(",")]


def names(text):
    return [part for part in text.split(",") if part]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train"])
    parser.add_argument("--jetcal", default=ROOT / "build" / "release" / "bin" / "jetcal", help="the program to time")
    parser.add_argument("--jetcal-arguments", type=names, default=[], help="more arguments for it, separated by commas")
    parser.add_argument("--model", type=names, default=["pn-best"], help=f"any of {', '.join(MODELS)}, or a configuration")
    parser.add_argument("--threads", type=integers, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="least length of an engine's turn")
    parser.add_argument("--peers", type=names, help="default: all of the network; 'sgemm' alone for none")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--weaver-batch", type=int, default=125, help="weaver needs gigabytes a hundred jets")
    parser.add_argument("--jets", type=int, default=2000)
    parser.add_argument("--data", help="folder of shards to take the jets from, instead of made ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file")
    options = parser.parse_args()
    begin = time.monotonic()
    document = {"benchmark": options.what}
    results = []
    with tempfile.TemporaryDirectory(prefix="jetcal-bench-") as folder:
        for model in options.model:
            for threads in options.threads:
                result, description = compare_training(options, model, threads, pathlib.Path(folder))
                document |= {key: description[key] for key in ("version", "commit", "cpu", "isa", "torch", "optimizer")}
                results.append(result)
    document |= {"cores": os.cpu_count(), "load": os.getloadavg()[0], "seed": options.seed,
                 "jets": str(options.data or "made"), "seconds": time.monotonic() - begin, "results": results}
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(document, indent=1) + "\n")
    else:
        print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
