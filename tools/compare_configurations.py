#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains configurations with several seeds on one sample and writes one table of what each gains.

    tools/compare_configurations.py --data shards --output runs/compare                    all of configs/beyond, 3 seeds
    tools/compare_configurations.py --data shards --output runs/compare --only pfn-        those of one network
    tools/compare_configurations.py --data shards --output runs/quick --only pfn-paper,pfn-quantiles --seeds 1 \\
        --train "--epochs 2 --batch-size 200"                                              a trial

Every run has a folder OUTPUT/CONFIGURATION/seed-N. A run that was stopped goes on, one that has ended is only read, so the
command can be repeated with more seeds or configurations. Results: OUTPUT/table.md and OUTPUT/table.json.

Test loss, its gain over no correction and its ratio to the paper's (configuration NETWORK-paper, mean over the seeds): means over the
seeds with their standard deviation. beta and alpha: percent, pt_gen > 30 GeV, barrel and endcap, from `jetcal analyze`. Coverage: the
largest distance from 68.27 % over the bins of corrected pT, in percent. Closure: the largest distance of the median response from 1, and
its largest change when the spectrum is weighted by pt_gen or 1 / pt_gen, in percent.
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
COLUMNS = ("loss", "gain", "relative", "beta_barrel", "beta_endcap", "alpha_barrel", "alpha_endcap", "coverage",
           "closure", "spectrum", "seconds")


class Failed(Exception):
    pass


def jetcal(*arguments):
    result = subprocess.run([JETCAL, *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Failed(f"jetcal {' '.join(map(str, arguments))} ended with status {result.returncode}")
    return json.loads(result.stdout)


def coverage_of(performance):
    """The largest distance of the coverage from what is wanted, in percent, over bins with 2000 jets or more."""
    coverage = performance.get("coverage")
    if coverage is None:
        return None
    bins = [entry for entry in coverage["by_pt_corr"] if entry["jets"] >= 2000] or [coverage["all"]]
    return max(100 * abs(entry["coverage"] - coverage["wanted"]) for entry in bins)


def gains_of(report):
    """beta and alpha in percent by region, for pt_gen > 30 GeV."""
    network = next(entry for entry in report["correctors"] if entry["name"] == "network")
    found = {}
    for region, numbers in network["regions"].items():
        wide = next(entry for entry in numbers["ranges"] if entry["low"] == 30 and entry["high"] is None)
        for name in ("beta", "alpha"):
            value = wide[name]["value"]
            found[f"{name}_{region}"] = None if value is None else 100 * value
    return found


def run(config, seed, options):
    """One result; what has been done before is not done again."""
    folder = options.output / config.stem / f"seed-{seed}"
    result_file = folder / "result.json"
    trained = jetcal("train", "--config", config, "--data", options.data, "--output", folder, "--seed", seed,
                     *shlex.split(options.train))
    if result_file.exists():
        result = json.loads(result_file.read_text())
        if result["fingerprint"] == trained["fingerprint"]:
            return result
    analyzed = jetcal("analyze", "--input", options.data, "--corrector", f"network={folder / 'model.jetcal'}",
                      "--output", folder / "report", "--bootstrap", 0)
    performance = trained["performance"]
    result = {
        "configuration": config.stem, "seed": seed, "fingerprint": trained["fingerprint"],
        "loss": trained["test_loss"], "gain": trained["gain_percent"]["over_no_correction"],
        "coverage": coverage_of(performance),
        "closure": performance["closure"]["largest_gap_percent"],
        "spectrum": performance["closure"]["largest_change_percent"],
        "seconds": sum(epoch["seconds"] for epoch in trained["epochs"]),
        **gains_of(analyzed),
    }
    part = result_file.with_suffix(".part")
    part.write_text(json.dumps(result, indent=2) + "\n")
    part.rename(result_file)
    return result


def cell(values, digits):
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    if len(known) == 1:
        return f"{known[0]:.{digits}f}"
    return f"{statistics.mean(known):.{digits}f} ± {statistics.stdev(known):.{digits}f}"


def add_relative(results):
    """Adds the ratio to the mean loss of the paper's configuration of the same network."""
    for result in results:
        reference = [other["loss"] for other in results
                     if other["configuration"] == result["configuration"].split("-")[0] + "-paper"]
        result["relative"] = result["loss"] / statistics.mean(reference) if reference else None


def table_of(results):
    titles = ("configuration", "seeds", "test loss", "gain %", "loss / paper's", "beta barrel %", "beta endcap %",
              "alpha barrel %", "alpha endcap %", "coverage off by %", "closure %", "with spectrum %", "seconds")
    digits = (5, 2, 4, 2, 2, 1, 1, 2, 2, 2, 0)
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for name in dict.fromkeys(result["configuration"] for result in results):
        own = [result for result in results if result["configuration"] == name]
        cells = [cell([result[column] for result in own], places) for column, places in zip(COLUMNS, digits)]
        lines.append("| " + " | ".join([name, str(len(own)), *cells]) + " |")
    return "\n".join(lines) + "\n"


def write(path, text):
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="folder of shards that jetcal ingest wrote")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--configs", type=pathlib.Path, default=ROOT / "configs" / "beyond")
    parser.add_argument("--only", default="", help="configurations, or beginnings of their names, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1 to N (3)")
    parser.add_argument("--train", default="", help="flags for jetcal train, such as \"--epochs 5\"")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    names = {path.stem: path for path in sorted(options.configs.glob("*.yaml"))}
    chosen = [path for name, path in names.items()
              if not wanted or any(name == want or (want not in names and name.startswith(want)) for want in wanted)]
    if not chosen:
        sys.exit(f"no configuration in {options.configs} is named {options.only or '*.yaml'}")
    chosen.sort(key=lambda path: (path.stem.split("-")[0], not path.stem.endswith("-paper"), path.stem))
    options.output.mkdir(parents=True, exist_ok=True)
    results = []
    try:
        for seed in range(1, options.seeds + 1):  # a first table soon, errors later
            for config in chosen:
                print(f"{config.stem}, seed {seed}", file=sys.stderr)
                results.append(run(config, seed, options))
                add_relative(results)
                write(options.output / "table.md", table_of(results))
                write(options.output / "table.json", json.dumps(results, indent=2) + "\n")
    except Failed as failure:
        sys.exit(str(failure))
    print(table_of(results), end="")


if __name__ == "__main__":
    main()
