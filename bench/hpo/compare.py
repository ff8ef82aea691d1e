# SPDX-License-Identifier: Apache-2.0
"""Compares the searches that measure.py kept: geometric mean of regret jetcal / regret Optuna over tasks and seeds.

    python bench/hpo/compare.py --algorithms tpe,gp --tasks judge --output bench/results/hpo.json

Regret is (best - minimum) / (median of random points - minimum), at least 1e-4. Intervals: 95 %, bootstrap over tasks.
"""

import argparse
import itertools
import json
import math
import pathlib
import platform
import random
import statistics
import subprocess

import measure
import simulate

FLOOR = 1e-4


def load(folder, name, algorithm, workers, trials):
    found = {}
    for path in (measure.CACHE / folder).glob(f"{name}_{algorithm}_w{workers}_s*_n{trials}.json"):
        found[int(path.stem.split("_s")[-1].split("_")[0])] = json.loads(path.read_text())
    return found


def log_regrets(name, records, count):
    return {seed: math.log(max(FLOOR, simulate.regrets(name, record["losses"])[count - 1])) for seed, record in records.items()}


def interval(logs):
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(logs, k=len(logs))) for _ in range(2000))
    return [math.exp(means[49]), math.exp(means[1949])]


def compare(names, algorithm, rival, workers, count, options):
    logs, seeds, wins = {}, set(), [0, 0, 0]
    for name in names:
        ours = log_regrets(name, load(f"jetcal{options.label}", name, algorithm, workers, options.trials), count)
        theirs = log_regrets(name, load("optuna", name, rival, workers, options.trials), count)
        common = sorted(ours.keys() & theirs.keys())
        if not common:
            continue
        seeds.add(len(common))
        logs[name] = statistics.fmean(ours[seed] - theirs[seed] for seed in common)
        for seed in common:
            difference = ours[seed] - theirs[seed]
            wins[0 if difference < -1e-9 else 2 if difference > 1e-9 else 1] += 1
    if not logs:
        return None
    values = list(logs.values())
    return {"ratio": math.exp(statistics.fmean(values)), "interval": interval(values), "wins_ties_losses": wins,
            "seeds": [min(seeds), max(seeds)], "tasks": {name: round(math.exp(value), 4) for name, value in logs.items()}}


def cpu(folder, names, algorithm, options):
    """Milliseconds of CPU per suggestion after 50 to 60 and 190 to 200 trials: median over searches of the mean."""
    result = {}
    for count in (60, 200):
        times = []
        for name in names:
            records = [record for length in options.lengths.split(",") for record in load(folder, name, algorithm, 1, int(length)).values()]
            for record in records:
                window = record["cpu_seconds"][count - 10 - simulate.START:count - simulate.START]
                times += [1e3 * statistics.fmean(window)] if window else []
        if times:
            result[str(count)] = statistics.median(times)
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--algorithms", default="tpe,gp")
    parser.add_argument("--rival", default="", help="Optuna's algorithm, if not the one of the same name")
    parser.add_argument("--tasks", default="development")
    parser.add_argument("--label", default="")
    parser.add_argument("--lengths", default="60,200", help="lengths of the searches to look for")
    parser.add_argument("--output")
    options = parser.parse_args()
    names = measure.task_names(options.tasks)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=measure.ROOT).stdout.strip()
    report = {"commit": commit, "tasks": options.tasks, "floor": FLOOR, "machine": platform.processor() or platform.machine(), "comparisons": [], "cpu_ms": {},
              "peak_memory_mib": {}}
    for algorithm in options.algorithms.split(","):
        rival = options.rival or algorithm
        for workers, count in itertools.product((1, 10), (60, 200)):
            for options.trials in sorted(map(int, options.lengths.split(","))):
                row = compare(names, algorithm, rival, workers, count, options) if count <= options.trials else None
                if row is None:
                    continue
                report["comparisons"].append({"algorithm": algorithm, "rival": rival, "workers": workers, "trials": count,
                                              "of": options.trials} | row)
                low, high = row["interval"]
                print(f"{algorithm} against {rival}, {workers:2d} workers, {count:3d} of {options.trials} trials: {row['ratio']:.3f} [{low:.3f}, {high:.3f}], "
                      f"wins/ties/losses {row['wins_ties_losses']}, seeds {row['seeds']}")
                print("   " + ", ".join(f"{name.split('-', 1)[1]} {ratio:.2f}" for name, ratio in row["tasks"].items()))
        memory = [record["peak_memory_mib"] for name in names for workers in (1, 10) for length in options.lengths.split(",")
                  for record in load(f"jetcal{options.label}", name, algorithm, workers, int(length)).values()]
        report["peak_memory_mib"][f"jetcal {algorithm}"] = max(memory, default=None)
        for folder in (f"jetcal{options.label}", "optuna"):
            times = cpu(folder, names, algorithm if folder != "optuna" else rival, options)
            side = "optuna" if folder == "optuna" else "jetcal"
            report["cpu_ms"][f"{side} {algorithm}"] = times
            print(f"   {side} CPU ms per suggestion: " + ", ".join(f"at {count}: {ms:.3f}" for count, ms in times.items()))
    if options.output:
        pathlib.Path(options.output).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
