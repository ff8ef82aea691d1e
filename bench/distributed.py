#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two workers beside one, each with a core of its own, and what many more would give.

  bench/distributed.py --data SHARDS                     measures, prints a table and writes JSON with --output
  bench/distributed.py --model --step-ms 90 --parameters 123469 --norms 12 --units 50 [--latency-us 30 --gbit 200]

Rounds of one and two workers are interleaved; the speed of a round is that of its fastest epoch but the first.
"""

import argparse
import json
import math
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

import driver

ROOT = pathlib.Path(__file__).resolve().parent.parent
EPOCHS = 3


def command(options, preset, output):
    return [options.jetcal, "train", "--data", options.data, "--output", output, "--preset", preset, "--mode", "constituents",
            "--standardise", "--epochs", str(EPOCHS), "--batch-size", str(options.batch), "--threads", "1", "--json"]


def run(options, preset, cores):
    """Starts one worker on each of the cores; returns the first one's result."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        number = port.getsockname()[1]
        port.close()
        workers = []
        for rank, core in enumerate(cores):
            environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(len(cores)), "LOCAL_WORLD_SIZE": str(len(cores)),
                           "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(number)}
            workers.append(subprocess.Popen(["taskset", "-c", str(core), *map(str, command(options, preset, folder + "/run"))],
                                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        texts = [worker.communicate() for worker in workers]
        for worker, (_, err) in zip(workers, texts):
            if worker.returncode != 0:
                sys.exit(err)
        return json.loads(texts[0][0])


def measure(options):
    rows = []
    for preset in options.presets.split(","):
        speeds, waits, bits = {1: [], 2: []}, [], {1: set(), 2: set()}
        for _ in range(options.rounds):
            for count in (1, 2):
                result = run(options, preset, range(count))
                speeds[count].append(max(epoch["jets_per_second"] for epoch in result["epochs"][1:]))
                bits[count].add(result["fingerprint"])
                if count == 2:
                    seconds = sum(epoch["seconds"] for epoch in result["epochs"])
                    waits.append((result["workers"]["wait_seconds"] / seconds, result["workers"]["cpu_seconds"] / seconds))
        row = {"preset": preset, "batch": options.batch, "parameters": result["parameters"],
               "one": {"best": max(speeds[1]), "median": statistics.median(speeds[1])},
               "two": {"best": max(speeds[2]), "median": statistics.median(speeds[2])},
               "ratio_best": max(speeds[2]) / max(speeds[1]),
               "ratio_median": statistics.median(speeds[2]) / statistics.median(speeds[1]),
               "wait_share": statistics.median(wait for wait, _ in waits),
               "communication_cpu_share": statistics.median(cpu for _, cpu in waits),
               "bytes_sent": result["workers"]["bytes_sent"],
               "cpu_us_a_sum": 1e6 * result["workers"]["cpu_seconds"] / result["workers"]["operations"],
               "same_bits_every_round": all(len(found) == 1 for found in bits.values())}
        rows.append(row)
        print(f"{preset}: 1 worker {row['one']['best']:.0f} jets/s, 2 workers {row['two']['best']:.0f} jets/s, ratio "
              f"{row['ratio_best']:.2f} (medians {row['ratio_median']:.2f}); waiting {100 * row['wait_share']:.1f} % of the time, "
              f"communication takes {100 * row['communication_cpu_share']:.1f} % of a core")
    document = driver.machine(options.jetcal) | {"load": os.getloadavg()[0], "rounds": options.rounds, "rows": rows}
    if document["load"] > 3:
        print(f"the machine is busy (load {document['load']:.1f}): times are not to be trusted", file=sys.stderr)
    if options.output:
        pathlib.Path(options.output).write_text(json.dumps(document, indent=2) + "\n")


def sum_seconds(options, workers, size):
    """Adds up `size` bytes over all workers. Mesh, as jetcal's own workers do it: everybody sends a part to everybody and
    gets the sums back (at once where all are small). Tree, as NCCL does it: up and down in log2 steps."""
    alpha, rate = options.latency_us * 1e-6, options.gbit * 1e9 / 8
    if options.pattern == "tree":
        return 2 * math.log2(workers) * alpha + 2 * size / rate
    message = options.message_us * 1e-6
    direct = workers == 2 or size * (workers - 1) <= 65536
    if direct:
        return alpha + (workers - 1) * (message + size / rate)
    return 2 * (alpha + (workers - 1) * (message + size / workers / rate))


def step_seconds(options, workers):
    """One step of `workers` workers with the batch of one each: the sums that every batch norm waits for, forward and
    backward, and what of the gradients' sum is not hidden behind backward (taken as two thirds of a step)."""
    step = options.step_ms * 1e-3
    if workers == 1:
        return step
    gradient = sum_seconds(options, workers, 4 * options.parameters)
    last = sum_seconds(options, workers, min(4 * options.parameters, options.bucket_kilobytes * 1024))
    norm = sum_seconds(options, workers, 8 * (1 + 2 * options.units))
    return step + 2 * options.norms * norm + max(last, gradient - step * 2 / 3)


def model(options):
    print(f"{'workers':>8} {'step [ms]':>10} {'efficiency':>11} {'speed-up':>9}")
    for workers in (1, 2, 4, 8, 16, 32, 64):
        seconds = step_seconds(options, workers)
        efficiency = options.step_ms * 1e-3 / seconds
        print(f"{workers:>8} {1e3 * seconds:>10.2f} {100 * efficiency:>10.1f}% {workers * efficiency:>9.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jetcal", default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--data", help="folder of shards")
    parser.add_argument("--presets", default="paper-pfn,paper-particlenet,small-particlenet")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", help="JSON file")
    parser.add_argument("--model", action="store_true", help="work out a step of many workers instead")
    parser.add_argument("--step-ms", type=float, default=100)
    parser.add_argument("--parameters", type=int, default=355351)
    parser.add_argument("--norms", type=int, default=0, help="layers of batch norm")
    parser.add_argument("--units", type=int, default=0, help="their channels")
    parser.add_argument("--latency-us", type=float, default=30)
    parser.add_argument("--gbit", type=float, default=200)
    parser.add_argument("--message-us", type=float, default=10, help="processor time of a message, sent and received")
    parser.add_argument("--pattern", choices=["mesh", "tree"], default="mesh")
    parser.add_argument("--bucket-kilobytes", type=float, default=256)
    options = parser.parse_args()
    if options.model:
        model(options)
    elif not options.data:
        parser.error("--data is needed to measure")
    else:
        measure(options)


if __name__ == "__main__":
    main()
