#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Walks once all the way: jets, shards, training, export, serving, a corrected ROOT file, plots.

Prints every command it runs, so that each step can be repeated alone. Standard library only.
"""

import argparse
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "sample" / "qcd_20k.root"
# The default models were trained on many more jets, none of them in the sample (their cards say which).
DEFAULT_MODELS = {"PFN": ROOT / "models" / "pfn" / "model.jetcal", "ParticleNet": ROOT / "models" / "particlenet" / "model.jetcal"}
# Both networks, in both input modes, must beat the best constant by at least this much on the held-out fifth.
REQUIRED_GAIN_PERCENT = 1.0
RUNS = [("PFN", "paper", "small-pfn", "ranger", 2e-3, 25), ("ParticleNet", "paper", "small-particlenet", "ranger", 5e-3, 10),
        ("PFN", "constituents", "small-pfn", "ranger", 2e-3, 25),
        ("ParticleNet", "constituents", "small-particlenet", "ranger", 5e-3, 10)]


class Demo:
    def __init__(self, jetcal, folder):
        self.jetcal, self.folder, self.step_number, self.times = jetcal, folder, 0, []

    def step(self, title):
        self.step_number += 1
        print(f"\n[{self.step_number}] {title}", flush=True)

    def show(self, command):
        shown = [os.path.relpath(word, ROOT) if os.path.isabs(str(word)) else str(word) for word in command]
        print("    $ " + shlex.join(shown), flush=True)

    def run(self, *arguments):
        """Runs one verb and returns its JSON document."""
        command = [str(self.jetcal), *map(str, arguments), "--json"]
        self.show(command)
        start = time.monotonic()
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        if result.returncode != 0:
            sys.exit(f"demo: the command above ended with status {result.returncode}")
        self.times.append((str(arguments[0]), time.monotonic() - start))
        return json.loads(result.stdout)


def serve(demo, repository):
    """Starts the server on a free port and returns (process, url) once it says it is ready."""
    command = [str(demo.jetcal), "serve", "--model-repository", str(repository), "--http-port", "0"]
    demo.show(command)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    for line in process.stderr:
        print("    " + line.rstrip(), flush=True)
        words = [word for word in line.split() if "127.0.0.1:" in word]
        if words:
            port = words[0].rsplit(":", 1)[1].strip("/.,)")
            return process, f"http://127.0.0.1:{port}"
    sys.exit("demo: the server ended before it was ready")


def table(rows, none_loss, constant_loss):
    lines = ["", f"{'test loss on the held-out fifth':34}{'loss':>9}{'gain over none':>16}{'gain over constant':>20}"]
    for name, loss in [("no correction", none_loss), ("best constant", constant_loss), *rows]:
        gain = [100 * (1 - loss / reference) for reference in (none_loss, constant_loss)]
        lines.append(f"{name:34}{loss:9.5f}{gain[0]:15.2f}%{gain[1]:19.2f}%")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jetcal", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "demo")
    parser.add_argument("--simulate", action="store_true", help="make the collisions instead of using the committed sample")
    parser.add_argument("--jets", type=int, default=20000)
    options = parser.parse_args()
    start = time.monotonic()
    folder = options.output.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    demo = Demo(options.jetcal.resolve(), folder)

    sample = SAMPLE
    if options.simulate:
        demo.step("Simulate proton collisions, the detector and jets (PYTHIA 8, FastJet)")
        sample = folder / "qcd.root"
        demo.run("simulate", "--output", sample, "--jets", options.jets, "--seed", 1, "--pileup-pool", 2000)
    demo.step("Ingest the ROOT file: select, split, write ragged columns")
    report = demo.run("ingest", sample, "--output", folder / "shards")
    print("    " + ", ".join(f"{key} {value}" for key, value in report.items() if isinstance(value, int)))

    demo.step("Train both networks in both input modes")
    rows, models, baselines = [], {}, None
    for network, mode, preset, optimizer, lr, epochs in RUNS:
        output = folder / "runs" / f"{network.lower()}-{mode}"
        result = demo.run("train", "--data", folder / "shards", "--output", output, "--preset", preset, "--mode", mode,
                          "--standardise", "--optimizer", optimizer, "--lr", lr, "--epochs", epochs, "--seed", 1)
        models[network, mode] = output / "model.jetcal"
        rows.append((f"{network}, {mode}", result["test_loss"]))
        baselines = result["baselines"]

    demo.step("Export the best network to ONNX with its Triton configuration, checked against ONNX Runtime")
    best = min(zip((row[1] for row in rows), models.items()))[1]
    repository = folder / "repository"
    verified = demo.run("export", "--model", best[1], "--repository", repository, "--name", "optimal", "--verify")
    print(f"    largest difference to ONNX Runtime: {verified['verify']['max_difference']:.1e}")

    demo.step("Serve it over the Open Inference Protocol and correct a ROOT file through the server")
    server, url = serve(demo, repository)
    try:
        predicted = demo.run("predict", "--url", url, "--model-name", "optimal", "--input", sample, "--output",
                             folder / "corrected.root")
        print("    " + ", ".join(f"{key} {value}" for key, value in predicted.items() if isinstance(value, int)))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)

    demo.step("Measure what it gained: response, resolution, flavor dependence")
    corrector_flags = []
    for (network, mode), path in models.items():
        if mode == best[0][1]:
            corrector_flags += ["--corrector", f"{network}={path}"]
    defaults = {f"{network}_default": path for network, path in DEFAULT_MODELS.items() if path.exists()}
    for name, path in defaults.items():
        corrector_flags += ["--corrector", f"{name}={path}"]
    report = demo.run("analyze", "--input", folder / "shards", "--split", "test", *corrector_flags, "--output", folder / "analysis")
    losses = {corrector["name"]: corrector["loss"] for corrector in report["correctors"]}

    none_loss, constant_loss = baselines["no_correction"], baselines["best_constant"]
    print(table([*rows, *((name.replace("_", ", ") + " model", losses[name]) for name in defaults)], none_loss, constant_loss))
    print(f"\nplots: {os.path.relpath(folder / 'analysis', ROOT)}   corrected file: "
          f"{os.path.relpath(folder / 'corrected.root', ROOT)} (branch jetPtCorr)")
    print(f"demo took {time.monotonic() - start:.0f} s: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in demo.times))
    late = [name for name, loss in rows if loss > constant_loss * (1 - REQUIRED_GAIN_PERCENT / 100)]
    if late:
        sys.exit(f"demo: expected every network to beat the best constant by {REQUIRED_GAIN_PERCENT} %, but not: {late}")
    print(f"every network beats the best constant by at least {REQUIRED_GAIN_PERCENT} %")


if __name__ == "__main__":
    main()
