# SPDX-License-Identifier: Apache-2.0
"""Runs searches and keeps their losses in a folder, one file a search, so that none runs twice.

    python bench/hpo/measure.py optuna tpe --tasks judge --seeds 10
    python bench/hpo/measure.py jetcal gp --tasks development --seeds 10
"""

import argparse
import json
import os
import pathlib
import shlex
import time

import sides
import simulate
import tasks

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "bench-hpo"


def task_names(text):
    groups = {"development": tasks.DEVELOPMENT, "judge": tasks.JUDGE}
    return [name for word in text.split(",") for name in groups.get(word, [word])]


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
    parser.add_argument("--program", default=f"{ROOT}/build/release/bin/jetcal tune ask-tell")
    options = parser.parse_args()
    folder = CACHE / f"{options.side}{options.label}"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for workers in map(int, options.workers.split(",")):
            for name in task_names(options.tasks):
                path = folder / f"{name}_{options.algorithm}_w{workers}_s{seed}_n{options.trials}.json"
                if path.exists():
                    continue
                if options.side == "optuna":
                    side = sides.Optuna(name, options.algorithm, seed)
                else:
                    side = sides.Jetcal(name, options.algorithm, seed, shlex.split(options.program), options.set)
                start = time.time()
                losses = simulate.run(name, side, seed, workers, options.trials)
                record = {"losses": losses, "cpu_seconds": side.seconds}
                if options.side == "jetcal":
                    record["peak_memory_mib"] = side.peak_memory_mib()
                side.close()
                path.write_text(json.dumps(record))
                course = simulate.regrets(name, losses)
                print(f"{path.stem}: regret {course[min(59, len(course) - 1)]:.5f} {course[-1]:.5f}, {time.time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
