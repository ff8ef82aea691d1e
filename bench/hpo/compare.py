# SPDX-License-Identifier: Apache-2.0
"""Compares the searches that measure.py kept, and those that are committed: geometric mean of regret jetcal / regret Optuna over tasks
and seeds.

    python bench/hpo/compare.py --algorithms tpe,gp --tasks judge --output bench/results/hpo.json --keep

Regret is (best - minimum) / (median of random points - minimum), at least 1e-4. Intervals: 95 %, bootstrap over tasks. --keep adds the
outcomes of this machine to bench/results/hpo-searches.json, so that seeds add up over sessions.
"""

import argparse
import itertools
import json
import math
import pathlib
import random
import statistics
import sys

import measure
import searches
import simulate

sys.path.append(str(searches.ROOT / "bench"))
import driver  # noqa: E402

FLOOR = 1e-4


class Outcomes:
    """Regrets of both sides; says what was left out because other code made it."""

    def __init__(self, label):
        self.label, self.kept = label, searches.Kept()
        self.refused = {f"committed, {made}": count for made, count in self.kept.refused.items()}

    def log_regrets(self, side, algorithm, name, workers, trials, count):
        label = "" if side == "optuna" else self.label
        found, refused = searches.outcomes(self.kept, side, label, algorithm, name, workers, trials)
        if refused:
            self.refused[f"here, {side} {algorithm} {name}, {workers} workers, {trials} trials"] = refused
        if label == "":
            for seed, regrets in found.items():
                self.kept.add(side, algorithm, name, workers, trials, seed, regrets)
        return {seed: math.log(max(FLOOR, regrets[count])) for seed, regrets in found.items()}


def interval(logs):
    rng = random.Random(0)
    means = sorted(statistics.fmean(rng.choices(logs, k=len(logs))) for _ in range(2000))
    return [math.exp(means[49]), math.exp(means[1949])]


def compare(outcomes, names, algorithm, rival, workers, count, trials):
    logs, seeds, wins = {}, set(), [0, 0, 0]
    for name in names:
        ours = outcomes.log_regrets("jetcal", algorithm, name, workers, trials, count)
        theirs = outcomes.log_regrets("optuna", rival, name, workers, trials, count)
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


def records(side, label, names, algorithm, workers, lengths):
    """The searches of this machine that this tree's code made."""
    return [record for name, count, length in itertools.product(names, workers, lengths)
            for record in searches.cached(side, label, algorithm, name, count, length).values()
            if searches.is_current(record, side, label)]


def cpu(found):
    """Milliseconds of CPU per suggestion after 50 to 60 and 190 to 200 trials: median over searches of the mean."""
    result = {}
    for count in searches.COUNTS:
        windows = [record["cpu_seconds"][count - 10 - simulate.START:count - simulate.START] for record in found]
        times = [1e3 * statistics.fmean(window) for window in windows if window]
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
    parser.add_argument("--jetcal", default=searches.ROOT / "build" / "release" / "bin" / "jetcal", help="says what machine this is")
    parser.add_argument("--keep", action="store_true", help="add the outcomes to bench/results/hpo-searches.json")
    parser.add_argument("--output")
    options = parser.parse_args()
    if options.keep and options.label:
        parser.error("--keep is for jetcal's defaults, not for the variant --label")
    names, lengths = measure.task_names(options.tasks), sorted(map(int, options.lengths.split(",")))
    outcomes = Outcomes(options.label)
    report = driver.machine(options.jetcal) | {"tasks": options.tasks, "floor": FLOOR, "comparisons": [], "cpu_ms": {}, "peak_memory_mib": {}}
    for algorithm in options.algorithms.split(","):
        rival = options.rival or algorithm
        for workers, count, trials in itertools.product((1, 10), searches.COUNTS, lengths):
            row = compare(outcomes, names, algorithm, rival, workers, count, trials) if count <= trials else None
            if row is None:
                continue
            report["comparisons"].append({"algorithm": algorithm, "rival": rival, "workers": workers, "trials": count, "of": trials} | row)
            low, high = row["interval"]
            print(f"{algorithm} against {rival}, {workers:2d} workers, {count:3d} of {trials} trials: {row['ratio']:.3f} [{low:.3f}, {high:.3f}], "
                  f"wins/ties/losses {row['wins_ties_losses']}, seeds {row['seeds']}")
            print("   " + ", ".join(f"{name.split('-', 1)[1]} {ratio:.2f}" for name, ratio in row["tasks"].items()))
        memory = [record["peak_memory_mib"] for record in records("jetcal", options.label, names, algorithm, (1, 10), lengths)]
        report["peak_memory_mib"][f"jetcal {algorithm}"] = max(memory, default=None)
        for side, label, searcher in (("jetcal", options.label, algorithm), ("optuna", "", rival)):
            times = cpu(records(side, label, names, searcher, (1,), lengths))
            report["cpu_ms"][f"{side} {algorithm}"] = times
            print(f"   {side} CPU ms per suggestion: " + (", ".join(f"at {count}: {ms:.3f}" for count, ms in times.items()) or
                                                           "not measured here"))
    for what, number in outcomes.refused.items():
        print(f"left out, made by other code: {number} searches ({what})")
    if options.keep:
        outcomes.kept.write()
    if options.output:
        pathlib.Path(options.output).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
