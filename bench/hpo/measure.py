# SPDX-License-Identifier: Apache-2.0
"""Runs searches and keeps their losses in a folder, one file a search, so that none runs twice; nor does one that is committed.

    python bench/hpo/measure.py optuna tpe --tasks judge --seeds 10
    python bench/hpo/measure.py jetcal gp --tasks development --seeds 10
"""

import argparse
import importlib.metadata
import json
import shlex
import sys
import time

import searches
import sides
import simulate
import tasks


def task_names(text):
    groups = {"development": tasks.DEVELOPMENT, "judge": tasks.JUDGE}
    return [name for word in text.split(",") for name in groups.get(word, [word])]


def require_pinned(package):
    installed = importlib.metadata.version(package)
    if installed != searches.pinned(package):
        sys.exit(f"measure: {package} {installed} is installed, this tree compares with {searches.pinned(package)}: run tools/setup.py build bench")


def is_done(options, kept, path, name, workers, seed):
    if path.exists() and json.loads(path.read_text()).get("made_by") == searches.made_by(options.side, options.set):
        return True
    plain = not options.label and not options.set
    return plain and seed in kept.regrets(options.side, options.algorithm, name, workers, options.trials)


def measure(options, name, workers, seed):
    if options.side == "optuna":
        side = sides.Optuna(name, options.algorithm, seed)
    else:
        side = sides.Jetcal(name, options.algorithm, seed, shlex.split(options.program), options.set)
    record = {"made_by": searches.made_by(options.side, options.set), "losses": simulate.run(name, side, seed, workers, options.trials),
              "cpu_seconds": side.seconds}
    if options.side == "jetcal":
        record["peak_memory_mib"] = side.peak_memory_mib()
    side.close()
    return record


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["optuna", "jetcal"])
    parser.add_argument("algorithm")
    parser.add_argument("--tasks", default="development")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", default="1,10")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--label", default="", help="keeps the results of a variant apart")
    parser.add_argument("--set", action="append", default=[], help="a setting of jetcal's algorithm, name=value")
    parser.add_argument("--program", default=f"{searches.ROOT}/build/release/bin/jetcal tune ask-tell")
    options = parser.parse_args()
    if options.side == "optuna":
        require_pinned("optuna")
    kept = searches.Kept()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for workers in map(int, options.workers.split(",")):
            for name in task_names(options.tasks):
                path = searches.path_of(options.side, options.label, options.algorithm, name, workers, options.trials, seed)
                if is_done(options, kept, path, name, workers, seed):
                    continue
                start = time.time()
                record = measure(options, name, workers, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(record))
                regrets = " ".join(f"{regret:.5f}" for regret in searches.regrets_of(name, record).values())
                print(f"{path.stem}: regret {regrets}, {time.time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
