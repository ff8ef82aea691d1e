# SPDX-License-Identifier: Apache-2.0
"""Compares searches that end bad trainings early, by learning curves that were measured before, at equal numbers of epochs.

    python bench/hpo/fidelity.py table runs/curves-pfn.json bench/hpo/curves/pfn.json    of jetcal tune export
    python bench/hpo/fidelity.py run --seeds 30 --output bench/results/hpo-fidelity.json

Both sides choose from the same finite space; whatever they choose, its losses after each epoch are looked up. jetcal pauses a trial and
goes on with it from its checkpoint; Optuna prunes it for good (HyperbandPruner). An epoch takes every worker equally long. Regret is (best
loss of any epoch so far - least of the table) / (median of the last losses - least), at least 1e-4, after a part of the budget, which is 60
trainings to the end; compared is the geometric mean over tasks, workers and seeds, with a 95 % interval from a bootstrap over seeds.
"""

import argparse
import heapq
import json
import math
import pathlib
import random
import shlex
import statistics
import sys

import sides

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "bench"))
import driver  # noqa: E402

CURVES = pathlib.Path(__file__).resolve().parent / "curves"
FLOOR = 1e-4
ETA = 3
TRAININGS = 60
PARTS = (10, 25, 50, 100)


class Curves:
    """Losses after each epoch for every combination. Numbers are integers that count the choices, on both sides alike."""

    def __init__(self, name):
        document = json.loads((CURVES / f"{name}.json").read_text())
        self.name, self.choices, self.epochs = name, document["choices"], document["epochs"]
        self._losses = {tuple(key): losses for key, losses in document["losses"]}
        self.minimum = min(map(min, self._losses.values()))
        self.median = statistics.median(losses[-1] for losses in self._losses.values())

    def space(self):
        return [(name, "categorical", choices) if isinstance(choices[0], str) else (name, "integer", 0, len(choices) - 1)
                for name, choices in self.choices.items()]

    def losses(self, values):
        return self._losses[tuple(choices.index(values[name]) if isinstance(choices[0], str) else values[name]
                                  for name, choices in self.choices.items())]


def make_table(study, path):
    document = json.loads(study.read_text())
    if document["format"] != "jetcal-study-1":
        raise SystemExit(f"{study} is no study that jetcal tune exported as JSON")
    trials = [trial for trial in document["trials"] if trial["state"] == "complete"]
    # The choices that were tried, in the order of the space.
    choices = {}
    for parameter in document["definition"]["parameters"]:
        found = {trial["values"][parameter["name"]] for trial in trials}
        listed = parameter.get("choices")
        choices[parameter["name"]] = [value for value in listed if value in found] if listed else sorted(found)
    rows = sorted(([choices[name].index(trial["values"][name]) for name in choices],
                   [float(f"{report['objectives'][0]:.6g}") for report in trial["course"]]) for trial in trials)
    epochs = max(len(losses) for _, losses in rows)
    combinations = math.prod(map(len, choices.values()))
    if len(rows) != combinations or any(len(losses) != epochs for _, losses in rows):
        raise SystemExit(f"{study} has {len(rows)} complete trials of {combinations}, or shorter ones")
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f'{{"choices": {json.dumps(choices)},\n"epochs": {epochs},\n"losses": [\n{lines}\n]}}\n')
    print(f"{path}: {len(rows)} curves of {epochs} epochs, best {min(min(losses) for _, losses in rows)}")


class Optuna:
    """A sampler with its default settings, with or without HyperbandPruner."""

    def __init__(self, curves, algorithm, seed):
        import warnings

        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        name, _, pruner = algorithm.partition("+")
        sampler = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}[name](seed=seed)
        # Brackets are drawn by hash, over the name of the study too.
        self._study = optuna.create_study(sampler=sampler, study_name=f"study {seed}", pruner=optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=curves.epochs, reduction_factor=ETA) if pruner else optuna.pruners.NopPruner())
        self._space = sides.distributions(curves.space())
        self._epochs, self._pruned = curves.epochs, optuna.trial.TrialState.PRUNED

    def ask(self):
        trial = self._study.ask(self._space)
        return trial, trial.params, 0

    def report(self, trial, epoch, loss):
        """Whether the worker is free again."""
        trial.report(loss, epoch)
        if trial.should_prune():
            self._study.tell(trial, state=self._pruned)
            return True
        if epoch == self._epochs:
            self._study.tell(trial, loss)
        return epoch == self._epochs

    def close(self):
        pass


class Jetcal:
    """An algorithm of jetcal with its default settings, or with those given."""

    def __init__(self, curves, algorithm, seed, program, settings=()):
        if algorithm in ("asha", "hyperband", "bohb"):
            settings = ["min_resource=1", f"max_resource={curves.epochs}", f"eta={ETA}", *settings]
        self._talk = sides.AskTell(curves.space(), algorithm, seed + 1, program, settings)
        self.close = self._talk.close
        self._epochs, self._done, self._goal = curves.epochs, {}, {}

    def ask(self):
        """A trial, its values and the epochs that it has behind it."""
        reply = self._talk.request(op="ask")
        if reply["trial"] is None:
            return None
        trial = reply["trial"]
        self._goal[trial] = (reply["budget"] or self._epochs, reply["last"])
        return trial, reply["values"], self._done.get(trial, 0)

    def report(self, trial, epoch, loss):
        self._done[trial] = epoch
        stop = self._talk.request(op="report", trial=trial, resource=epoch, objectives=[loss])["stop"]
        goal, last = self._goal[trial]
        if epoch == goal and not last:
            self._talk.request(op="tell", trial=trial, state="paused")
        elif epoch == goal or stop:
            self._talk.request(op="tell", trial=trial, objectives=[loss])
        return stop or epoch == goal


def search(curves, side, workers):
    """The least loss so far after each epoch that was trained."""
    budget, best, course = TRAININGS * curves.epochs, math.inf, []
    ends, begun, now, tried = [], 0, 0, set()
    while len(course) < budget:
        while len(ends) < workers and (asked := side.ask()) is not None:
            trial, values, epoch = asked
            tried.add(tuple(sorted(values.items())))
            heapq.heappush(ends, (now + 1, begun, trial, values, epoch + 1))
            begun += 1
        if not ends:  # the space is searched
            course += [best] * (budget - len(course))
            break
        now, number, trial, values, epoch = heapq.heappop(ends)
        loss = curves.losses(values)[epoch - 1]
        best = min(best, loss)
        course.append(best)
        if not side.report(trial, epoch, loss):
            heapq.heappush(ends, (now + 1, number, trial, values, epoch + 1))
    return course, len(tried)


def regrets(curves, course):
    return {part: max(FLOOR, (course[math.ceil(part / 100 * len(course)) - 1] - curves.minimum) / (curves.median - curves.minimum))
            for part in PARTS}


def interval(rows):
    """Of the geometric mean; rows are lists of log ratios, one list a seed."""
    rng = random.Random(0)
    means = sorted(statistics.fmean(value for row in rng.choices(rows, k=len(rows)) for value in row) for _ in range(2000))
    return [round(math.exp(means[49]), 4), round(math.exp(means[1949]), 4)]


def run(options):
    names = options.tasks.split(",") if options.tasks else sorted(path.stem for path in CURVES.glob("*.json"))
    tasks = [Curves(name) for name in names]
    searches = [("jetcal", name) for name in options.jetcal.split(",")] + [("optuna", name) for name in options.optuna.split(",")]
    logs, tried = {}, {}
    for side_name, algorithm in searches:
        for curves in tasks:
            for workers in options.workers:
                for seed in range(options.seeds):
                    side = Optuna(curves, algorithm, seed) if side_name == "optuna" else \
                        Jetcal(curves, algorithm, seed, shlex.split(options.program), options.set)
                    course, configurations = search(curves, side, workers)
                    side.close()
                    tried.setdefault((side_name, algorithm), []).append(configurations)
                    for part, regret in regrets(curves, course).items():
                        logs[side_name, algorithm, part, curves.name, workers, seed] = math.log(regret)
        print(f"{side_name} {algorithm}: " + ", ".join(
            f"{part} %: {math.exp(statistics.fmean(value for key, value in logs.items() if key[:3] == (side_name, algorithm, part))):.4f}"
            for part in PARTS), f"regret, {statistics.fmean(tried[side_name, algorithm]):.0f} configurations", flush=True)
    comparisons = []
    places = [(curves.name, workers) for curves in tasks for workers in options.workers]
    for algorithm in options.jetcal.split(","):
        for rival in options.optuna.split(","):
            for part in PARTS:
                rows = [[logs["jetcal", algorithm, part, *place, seed] - logs["optuna", rival, part, *place, seed] for place in places]
                        for seed in range(options.seeds)]
                values = [value for row in rows for value in row]
                comparisons.append({
                    "jetcal": algorithm, "optuna": rival, "budget_percent": part, "ratio": round(math.exp(statistics.fmean(values)), 4),
                    "interval": interval(rows), "wins_ties_losses": [sum(v < -1e-9 for v in values), sum(abs(v) <= 1e-9 for v in values),
                                                                     sum(v > 1e-9 for v in values)],
                    "tasks": {f"{place[0]}, {place[1]} workers": round(math.exp(statistics.fmean(row[i] for row in rows)), 4)
                              for i, place in enumerate(places)}})
    for row in comparisons:
        if row["budget_percent"] == 25:
            print(f"{row['jetcal']} / {row['optuna']} at 25 %: {row['ratio']} {row['interval']} {row['wins_ties_losses']}")
    if options.output:
        regret = {f"{side} {algorithm}": {str(part): round(math.exp(statistics.fmean(
            value for key, value in logs.items() if key[:3] == (side, algorithm, part))), 5) for part in PARTS} for side, algorithm in searches}
        options.output.write_text(json.dumps(driver.machine(shlex.split(options.program)[0]) | {
            "tasks": names, "workers": options.workers, "seeds": options.seeds, "trainings": TRAININGS, "floor": FLOOR,
            "regret": regret, "configurations": {" ".join(key): round(statistics.fmean(value), 1) for key, value in tried.items()},
            "comparisons": comparisons}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    table = commands.add_parser("table", help="keeps the curves of an exported study")
    table.add_argument("study", type=pathlib.Path)
    table.add_argument("path", type=pathlib.Path)
    table.set_defaults(call=lambda options: make_table(options.study, options.path))
    compare = commands.add_parser("run", help="searches and compares")
    compare.add_argument("--tasks", default="", help="names in bench/hpo/curves; all of them")
    compare.add_argument("--jetcal", default="random,tpe,asha,hyperband,bohb")
    compare.add_argument("--optuna", default="random,tpe,tpe+hyperband")
    compare.add_argument("--workers", type=lambda text: [int(word) for word in text.split(",")], default=[1, 10])
    compare.add_argument("--seeds", type=int, default=30)
    compare.add_argument("--set", action="append", default=[], help="a setting of jetcal's algorithms, name=value")
    compare.add_argument("--output", type=pathlib.Path)
    compare.add_argument("--program", default=f"{ROOT}/build/release/bin/jetcal tune ask-tell")
    compare.set_defaults(call=run)
    options = parser.parse_args()
    options.call(options)


if __name__ == "__main__":
    main()
