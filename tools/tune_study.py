#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares search algorithms on simulated jets at equal cost, while it kills the tuners.

    tools/tune_study.py --data shards --output runs/study                       40 PFN and 20 ParticleNet trials, four algorithms
    tools/tune_study.py --data shards --output runs/small --trials pfn=6,particlenet=4 --epochs 3 --seeds 1

One study a network, algorithm and seed: the trials of random, TPE and GP train all epochs, BOHB may spend as many epochs in all. Each
tuner is killed by kill -9 three times on its way (--kills), at seeded moments, and started again. Can be stopped and repeated: it goes
on where it was. At the end every study is checked (no trial lost or run twice, no epoch trained twice), and the best validation loss is
tabled against the epochs spent. Writes OUTPUT/study.json; ends with status 1 when a check fails.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import driver  # noqa: E402

JETCAL = os.environ.get("JETCAL", str(ROOT / "build" / "release" / "bin" / "jetcal"))
PARTS = (0.25, 0.5, 0.75, 1.0)  # of the cost, where losses are compared


def write_config(folder, network, algorithm, seed, options):
    trials, budget = options.trials[network], options.trials[network] * options.epochs
    multi_fidelity = algorithm in ("bohb", "hyperband", "asha")
    limits = f"{{trials: 0, resource: {budget}}}" if multi_fidelity else f"{{trials: {trials}}}"
    config = folder / "tune.yaml"
    config.write_text(f"""name: {network}-{algorithm}-{seed}
output: {folder.resolve()}
space: paper-{network}
objective: validation_loss
outcome: best
algorithm: {{name: {algorithm}}}
seed: {seed}
limits: {limits}
run: {{parallel: {options.parallel}, retries: 1}}
threads: {options.threads}
trial:
  train:
    data: {{directory: {options.data.resolve()}, fraction: {options.fraction}}}
    model: {{network: {network}, mode: {options.mode}, standardise: true}}
    training: {{epochs: {options.epochs}, batch_size: {options.batch_size}, seed: {seed}}}
    report: {{histograms: 0, figures: 0}}
""")
    return config


def epochs_reported(study):
    """Total of epochs in a study file, while others write it."""
    try:
        with sqlite3.connect(f"file:{study}?mode=ro", uri=True, timeout=60) as file:
            return file.execute("SELECT count(*) FROM reports").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def run_study(folder, config, budget, kills, seed):
    """Runs a tuner to its end, killing it when it has passed seeded parts of its cost; returns where it was killed, all calls together."""
    rng = random.Random(seed)
    moments = [sorted(rng.uniform(0.1, 0.9) * budget for _ in range(kills))][0]
    record = folder / "kills.json"
    killed = json.loads(record.read_text()) if record.exists() else []
    with open(folder / "tuner.log", "a") as log:
        while True:
            tuner = subprocess.Popen([JETCAL, "tune", "--config", str(config)], stdout=log, stderr=log)
            try:
                while tuner.poll() is None:
                    time.sleep(0.5)
                    spent = epochs_reported(folder / "study.db")
                    if len(killed) < kills and spent >= moments[len(killed)] and tuner.poll() is None:
                        tuner.send_signal(signal.SIGKILL)
                        killed.append({"epochs": spent, "time": time.time()})
                        record.write_text(json.dumps(killed))
                        break
            except BaseException:
                tuner.terminate()
                tuner.wait()
                raise
            status = tuner.wait()
            if status == 0:
                return killed
            if status != -signal.SIGKILL:
                sys.exit(f"{folder}: jetcal tune ended with status {status}; see {folder / 'tuner.log'}")


def check(folder, trials):
    """What is wrong with a finished study; empty: nothing."""
    problems = []
    with sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True) as file:
        numbers = [row[0] for row in file.execute("SELECT number FROM trials ORDER BY number")]
        states = collections.Counter(row[0] for row in file.execute("SELECT state FROM trials"))
        events = collections.Counter(file.execute("SELECT trial, what FROM events").fetchall())
        courses = collections.defaultdict(list)
        for trial, resource in file.execute("SELECT trial, resource FROM reports ORDER BY trial, resource"):
            courses[trial].append(resource)
    if numbers != list(range(len(numbers))):
        problems.append("numbers of trials have gaps")
    if trials is not None and len(numbers) != trials:
        problems.append(f"{len(numbers)} trials instead of {trials}")
    if states["running"] or states["waiting"]:
        problems.append(f"left over: {dict(states)}")
    for number in numbers:
        if events[number, "proposed"] != 1 or events[number, "complete"] > 1:
            problems.append(f"trial {number} was proposed or completed more than once")
        if courses[number] != list(range(1, len(courses[number]) + 1)):
            problems.append(f"trial {number} lacks epochs: {courses[number]}")
        log = folder / "trials" / f"{number:05}" / "train.log"
        trained = [int(epoch) for epoch in re.findall(r" epoch=(\d+) ", log.read_text())] if log.exists() else []
        if len(trained) != len(set(trained)):
            problems.append(f"trial {number} trained an epoch twice: {trained}")
    return problems


def curve(folder):
    """Lowest validation loss after each epoch spent, in the order in which they ended."""
    best, values = math.inf, []
    with sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True) as file:
        for (text,) in file.execute("SELECT objectives FROM reports ORDER BY time"):
            value = json.loads(text)[0]
            best = min(best, value if value is not None else math.inf)
            values.append(best)
    return values


def summary(folder, kills, network, algorithm, seed, budget, trials):
    values = curve(folder)
    with sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True) as file:
        states = dict(file.execute("SELECT state, count(*) FROM trials GROUP BY state").fetchall())
        requeued = file.execute("SELECT count(*) FROM events WHERE what='requeued'").fetchone()[0]
        promoted = file.execute("SELECT count(*) FROM events WHERE what='promoted'").fetchone()[0]
        seconds = file.execute("SELECT sum(seconds) FROM trials").fetchone()[0]
    at = {f"{part:.0%}": values[min(len(values), max(1, round(part * budget))) - 1] for part in PARTS}
    return {"network": network, "algorithm": algorithm, "seed": seed, "budget": budget, "epochs": len(values), "states": states,
            "kills": [kill["epochs"] for kill in kills], "requeued": requeued, "promoted": promoted, "trial_seconds": seconds,
            "best": at, "curve": values, "problems": check(folder, trials)}


def table(results):
    lines = ["| network | algorithm | seeds | trials | epochs | kills | " + " | ".join(f"best at {part:.0%}" for part in PARTS) + " |",
             "| --- | --- | --- | --- | --- | --- | " + " | ".join("---" for _ in PARTS) + " |"]
    groups = collections.defaultdict(list)
    for result in results:
        groups[result["network"], result["algorithm"]].append(result)
    for (network, algorithm), group in groups.items():
        cells = []
        for part in PARTS:
            losses = [result["best"][f"{part:.0%}"] for result in group]
            spread = f" ± {statistics.stdev(losses):.5f}" if len(losses) > 1 else ""
            cells.append(f"{statistics.mean(losses):.5f}{spread}")
        trials = "–".join(sorted({str(sum(result["states"].values())) for result in group}))
        epochs = "–".join(sorted({str(result["epochs"]) for result in group}))
        kills = sum(len(result["kills"]) for result in group)
        lines.append(f"| {network} | {algorithm} | {len(group)} | {trials} | {epochs} | {kills} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def counts(text):
    return {name: int(count) for name, count in (part.split("=") for part in text.split(","))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="folder of shards that jetcal ingest wrote")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--trials", type=counts, default=counts("pfn=40,particlenet=20"), help="pfn=40,particlenet=20")
    parser.add_argument("--algorithms", default="random,tpe,gp,bohb")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--fraction", type=float, default=1.0, help="part of the jets")
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--mode", default="constituents")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each trial")
    parser.add_argument("--kills", type=int, default=3, help="kill -9 of each tuner")
    options = parser.parse_args()
    results = []
    for network, trials in options.trials.items():
        for algorithm in options.algorithms.split(","):
            for seed in range(1, options.seeds + 1):
                folder = options.output / f"{network}-{algorithm}-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                config = write_config(folder, network, algorithm, seed, options)
                budget = trials * options.epochs
                kills = run_study(folder, config, budget, options.kills, seed)
                whole = trials if algorithm not in ("bohb", "hyperband", "asha") else None
                result = summary(folder, kills, network, algorithm, seed, budget, whole)
                results.append(result)
                print(f"{folder.name}: {result['states']}, {result['epochs']} epochs, killed at {result['kills']}, "
                      f"best {result['best']['100%']:.5f}{'' if not result['problems'] else ' PROBLEMS ' + str(result['problems'])}",
                      flush=True)
                (options.output / "study.json").write_text(json.dumps({"machine": driver.machine(JETCAL), "options": vars(options) | {
                    "data": options.data.name, "output": options.output.name}, "studies": results}, indent=1) + "\n")
    print("\n" + table(results))
    wrong = sum(len(result["problems"]) for result in results)
    print(f"\n{len(results)} studies, {sum(len(result['kills']) for result in results)} kills, {wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
