#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the paper's two best configurations with several seeds and judges them as physicists would, in one table.

    tools/train_default_models.py --data shards --output runs/default                            3 seeds of each, 50 epochs
    tools/train_default_models.py --data shards --output runs/default --networks pfn --seeds 1   a part of it
    tools/train_default_models.py --data shards --output runs/default --publish models           and keeps the best of each

Every run has a folder OUTPUT/NETWORK/seed-N; one that was stopped goes on, one that has ended is only read. Results: table.md and
table.json in OUTPUT, and the report of `jetcal analyze` with all networks beside each other in OUTPUT/report.

Of the test jets: the loss, its gain over no correction (jetPt as it is) and over the best constant factor; beta, the gain in resolution, and alpha,
the gain in flavor dependence, over the conventional correction, for pt_gen > 30 GeV. Errors are those of the bootstrap (200 resamplings of the
jets); +- behind a mean of seeds is their standard deviation. The last column says which wishes the mean of the seeds meets: gain over no correction
>= 7.5 %, over the best constant >= 4 %, beta >= 2 % (barrel) and 5 % (endcap), alpha >= .35 and .40, each above two bootstrap errors.
"""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
JETCAL = os.environ.get("JETCAL", str(ROOT / "build" / "release" / "bin" / "jetcal"))
CONFIGS = {"pfn": ROOT / "configs" / "train_pfn.yaml", "particlenet": ROOT / "configs" / "train_particlenet.yaml"}
WISHES = {"gain": 7.5, "gain_constant": 4.0, "beta_barrel": 2.0, "beta_endcap": 5.0, "alpha_barrel": 35.0, "alpha_endcap": 40.0}
COLUMNS = {"loss": ("test loss", 5), "gain": ("gain over none %", 2), "gain_constant": ("gain over constant %", 2),
           "beta_barrel": ("beta barrel %", 2), "beta_endcap": ("beta endcap %", 2),
           "alpha_barrel": ("alpha barrel %", 1), "alpha_endcap": ("alpha endcap %", 1)}


def jetcal(*arguments):
    print("$ " + shlex.join(["jetcal", *map(str, arguments)]), file=sys.stderr, flush=True)
    result = subprocess.run([JETCAL, *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"jetcal {' '.join(map(str, arguments))} ended with status {result.returncode}")
    return json.loads(result.stdout)


def train(network, seed, options):
    folder = options.output / network / f"seed-{seed}"
    return jetcal("train", "--config", CONFIGS[network], "--data", options.data, "--output", folder, "--seed", seed,
                  *shlex.split(options.train))


def numbers_of(trained, judged):
    """Value and bootstrap error by the name of the column."""
    constant = trained["baselines"]["best_constant"]
    found = {"loss": (judged["loss"], judged["loss_error"]),
             "gain": (100 * judged["loss_gain"], 100 * judged["loss_gain_error"]),
             "gain_constant": (100 * (1 - judged["loss"] / constant), 100 * judged["loss_error"] / constant)}
    for region, numbers in judged["regions"].items():
        wide = next(entry for entry in numbers["ranges"] if entry["low"] == 30 and entry["high"] is None)
        for name in ("beta", "alpha"):
            found[f"{name}_{region}"] = (100 * wide[name]["value"], 100 * wide[name]["error"])
    return found


def mean_row(rows):
    """Means over the seeds, their standard deviation, and the mean bootstrap error."""
    row = {}
    for column in COLUMNS:
        values = [numbers[column][0] for numbers in rows]
        spread = statistics.stdev(values) if len(values) > 1 else None
        row[column] = (statistics.mean(values), spread, statistics.mean(numbers[column][1] for numbers in rows))
    return row


def verdict(mean):
    missed = []
    for column, wish in WISHES.items():
        value, _, error = mean[column]
        if value < wish or (column.startswith(("beta", "alpha")) and value < 2 * error):
            missed.append(COLUMNS[column][0].replace(" %", ""))
    return "all met" if not missed else "missed: " + ", ".join(missed)


def table_of(results):
    titles = ["network", "seed", "epochs", "jets/s", *(title for title, _ in COLUMNS.values()), "wishes"]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for network, runs in results.items():
        for seed, run in runs.items():
            cells = [f"{run['numbers'][column][0]:.{digits}f} ± {run['numbers'][column][1]:.{digits}f}"
                     for column, (_, digits) in COLUMNS.items()]
            lines.append("| " + " | ".join([network, str(seed), str(run["epochs"]), f"{run['jets_per_second']:.0f}", *cells, ""]) + " |")
        mean = mean_row([run["numbers"] for run in runs.values()])
        cells = [f"{mean[column][0]:.{digits}f}" + ("" if mean[column][1] is None else f" +- {mean[column][1]:.{digits}f}")
                 for column, (_, digits) in COLUMNS.items()]
        lines.append("| " + " | ".join([f"**{network}**", "mean", "", "", *cells, verdict(mean)]) + " |")
    if set(results) == set(CONFIGS):
        losses = {network: statistics.mean(run["numbers"]["loss"][0] for run in runs.values()) for network, runs in results.items()}
        ratio = losses["particlenet"] / losses["pfn"]
        lines += ["", f"ParticleNet's loss is {abs(100 * (1 - ratio)):.2f} % {'below' if ratio < 1 else 'above'} the PFN's "
                      "(wanted: not more than .3 % above)."]
    return "\n".join(lines) + "\n"


def write(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.replace(path)


def card_of(network, seed, run, options):
    numbers = "\n".join(f"- {title}: {run['numbers'][column][0]:.{digits}f} ± {run['numbers'][column][1]:.{digits}f}"
                        for column, (title, digits) in COLUMNS.items())
    train_flags = f" {options.train}" if options.train else ""
    return f"""# {network}: the paper's best configuration

Trained on {run['train_jets']} simulated QCD jets (validated on {run['validation_jets']}, tested on {run['test_jets']}; `make sample`, {options.sample}) for {run['epochs']} epochs by

    jetcal train --config configs/{CONFIGS[network].name} --data SHARDS --seed {seed}{train_flags}

Best epoch {run['best_epoch']}; {run['parameters']} parameters; fingerprint `{run['fingerprint']}`. It corrects `jetPt` of the simulated detector of `jetcal simulate`
(correction JetcalSim_V2_MC) in input mode {run['mode']}; it is an example and a starting point, not a calibration of CMS's jets.

On the test jets, with bootstrap errors (`tools/train_default_models.py`):

{numbers}
"""


def copy_model(source, target):
    """Copies a model file, completely or not at all."""
    part = target.with_name(target.name + ".part")
    part.write_bytes(source.read_bytes())
    part.replace(target)


def publish(results, options):
    for network, runs in results.items():
        seed, run = min(runs.items(), key=lambda item: item[1]["validation_loss"])  # the test jets choose nothing
        folder = options.publish / network
        folder.mkdir(parents=True, exist_ok=True)
        copy_model(options.output / network / f"seed-{seed}" / "model.jetcal", folder / "model.jetcal")
        write(folder / "card.md", card_of(network, seed, run, options))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="folder of shards that jetcal ingest wrote")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--networks", default=",".join(CONFIGS))
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 to N (3)")
    parser.add_argument("--train", default="", help="flags for jetcal train, such as \"--epochs 5\"")
    parser.add_argument("--publish", type=pathlib.Path, help="folder for weights and card of each network's best seed in validation")
    parser.add_argument("--sample", default="parts of seeds 2001 to 2010", help="what the cards say about the sample")
    options = parser.parse_args()
    unknown = [name for name in options.networks.split(",") if name not in CONFIGS]
    if unknown:
        sys.exit(f"there is no network {unknown[0]}: {', '.join(CONFIGS)}")
    options.output.mkdir(parents=True, exist_ok=True)
    trained = {}
    for seed in range(1, options.seeds + 1):  # something of everything first
        for network in options.networks.split(","):
            trained.setdefault(network, {})[seed] = train(network, seed, options)
    correctors = [word for network, runs in trained.items() for seed in runs
                  for word in ("--corrector", f"{network}_{seed}={options.output / network / f'seed-{seed}' / 'model.jetcal'}")]
    report = jetcal("analyze", "--input", options.data, *correctors, "--output", options.output / "report")
    judged = {entry["name"]: entry for entry in report["correctors"]}
    results = {}
    for network, runs in trained.items():
        for seed, run in runs.items():
            results.setdefault(network, {})[seed] = {
                "numbers": numbers_of(run, judged[f"{network}_{seed}"]), "epochs": len(run["epochs"]), "best_epoch": run["best_epoch"],
                "jets_per_second": run["jets_per_second"], "parameters": run["parameters"], "fingerprint": run["fingerprint"],
                "validation_loss": run["best_validation_loss"], "mode": run["configuration"]["model"]["input_mode"], "train_jets": run["jets"]["train"],
                "validation_jets": run["jets"]["validation"], "test_jets": run["jets"]["test"]}
    write(options.output / "table.json", json.dumps(results, indent=2) + "\n")
    write(options.output / "table.md", table_of(results))
    if options.publish:
        publish(results, options)
    print(table_of(results), end="")


if __name__ == "__main__":
    main()
