#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times jetcal and its peers on the same jets with the same weights, in turn, round by round.

    python3 bench/compare.py train --model pn-best --threads 1 --rounds 7 --peers torch-ragged-factored
    python3 bench/compare.py inference --model pn-best,pfn-best --threads 1,2 --batches 1,32,512
    python3 bench/compare.py loader --model pfn-best

Every engine lives in a process of its own and waits while another one works. First outputs (and loss and gradient, in training)
are compared; the run fails when they differ.
"""

import argparse
import json
import os
import pathlib
import tempfile
import time

import driver
import inference
import loading
import scaling
import training

MODELS = ("pfn-best", "pfn-large", "pn-small", "pn-best", "pn-large", "paper-pfn", "paper-particlenet", "transformer")
COMPARISONS = {"train": training.compare, "inference": inference.compare, "loader": loading.compare,
               "scaling": scaling.measure}


def integers(text):
    return [int(part) for part in text.split(",")]


def names(text):
    return [part for part in text.split(",") if part]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=COMPARISONS)
    parser.add_argument("--jetcal", default=driver.ROOT / "build" / "release" / "bin" / "jetcal", help="the program to time")
    parser.add_argument("--jetcal-arguments", type=names, default=[], help="more arguments for it, separated by commas")
    parser.add_argument("--model", type=names, default=["pn-best"], help=f"any of {', '.join(MODELS)}, or a configuration")
    parser.add_argument("--threads", type=integers, default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, help="least length of an engine's turn; default 0.5, in inference 0.1")
    parser.add_argument("--peers", type=names, help="default: those that bench/README.md names for the network")
    parser.add_argument("--batch", type=int, default=500, help="jets a training step")
    parser.add_argument("--weaver-batch", type=int, default=125, help="weaver needs gigabytes a hundred jets")
    parser.add_argument("--batches", type=integers, default=[1, 8, 32, 128, 512, 1024], help="jets a call in inference")
    parser.add_argument("--precisions", type=names, default=[], help="reduced precisions of jetcal to time too")
    parser.add_argument("--cap", type=float, default=2, help="seconds after which a slow engine leaves a batch size")
    parser.add_argument("--jets", type=int, default=2048)
    parser.add_argument("--data", help="folder of shards to take the jets from, instead of made ones")
    parser.add_argument("--root", type=pathlib.Path, help="loader: ROOT file, default the sample of the demo")
    parser.add_argument("--epoch-jets", type=int, default=1_000_000, help="loader: jets an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="loader: epochs to read")
    parser.add_argument("--steps", type=int, default=20, help="loader: training steps to feed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, help="JSON file")
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 0.1 if options.what == "inference" else 0.5
    return options


def main():
    options = parse()
    begin, load = time.monotonic(), os.getloadavg()[0]
    if load > os.cpu_count():
        driver.say(f"the machine is busy (load {load:.1f}): medians, latencies and anything on several threads will mislead")
    results, torch = [], None
    with tempfile.TemporaryDirectory(prefix="jetcal-bench-") as folder:
        for model in options.model:
            for threads in options.threads:
                result, description = COMPARISONS[options.what](options, model, threads, pathlib.Path(folder))
                torch = description["torch"]
                results.append(result)
    document = {"benchmark": options.what} | driver.machine(options.jetcal) | {
        "torch": torch, "load_before": load, "seed": options.seed, "jets": options.jets,
        "jets_from": "shards" if options.data else "made", "seconds": round(time.monotonic() - begin, 1), "results": results}
    text = json.dumps(driver.rounded(document), indent=1) + "\n"
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
