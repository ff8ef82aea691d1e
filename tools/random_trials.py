#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws configurations from the paper's search spaces, trains each briefly, and says which predict a constant.

    tools/random_trials.py --data shards --output runs/trials                       ten, half of each network, as published
    tools/random_trials.py --data shards --output runs/safe --model "standardise: true, norm: batch"

A trial is dead when its predictions on the test split hardly differ from jet to jet: then its loss is that of a constant, which is
what happened to 12 of the paper's 60 trials of the PFN. Ends with status 1 when one is. Can be stopped and repeated.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
JETCAL = os.environ.get("JETCAL", str(ROOT / "build" / "release" / "bin" / "jetcal"))
OPTIMIZERS = ("adam", "adamw", "adagrad", "rmsprop", "ranger")
# Deviation of y over the test split; that of y itself is about 0.1.
DEAD = 1e-4


def draw(network, rng):
    """One point of the published search space: letters as in the paper."""
    if network == "pfn":
        model = {"particle_layers": rng.randint(1, 5), "particle_units": rng.choice((50, 100, 200, 400)),
                 "head_layers": rng.randint(1, 5), "head_units": rng.choice((50, 100, 200, 400))}
    else:
        model = {"edge_blocks": rng.randint(1, 3), "neighbors": rng.choice((4, 8, 16)), "edge_layers": rng.randint(1, 3),
                 "edge_units": rng.choice((50, 100, 200)), "head_layers": rng.randint(1, 3),
                 "head_units": rng.choice((50, 100, 200))}
    model["dropout"] = round(rng.uniform(0, 0.5), 5)
    return model, {"optimizer": rng.choice(OPTIMIZERS), "lr": float(f"{rng.uniform(1e-5, 1e-2):.4g}")}


def section(name, fields):
    return f"{name}:\n" + "".join(f"  {key}: {value}\n" for key, value in fields.items())


def train(name, network, trial, options):
    model, training = trial
    extra = dict(part.split(":", 1) for part in options.model.split(",") if ":" in part)
    model = {"network": network, **model, **{key.strip(): value.strip() for key, value in extra.items()}}
    training = {**training, "epochs": options.epochs, "batch_size": options.batch_size}
    folder = options.output / name
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(section("model", model) + section("training", training))
    result = subprocess.run([JETCAL, "train", "--config", str(config), "--data", str(options.data), "--output", str(folder / "run"),
                             "--json"], stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"{name}: jetcal train ended with status {result.returncode}")
    document = json.loads(result.stdout)
    deviation = document["performance"]["prediction"]["deviation"]
    return {"trial": name, "model": model, "training": training, "test_loss": document["test_loss"],
            "best_constant_loss": document["baselines"]["best_constant"], "deviation": deviation, "dead": deviation < DEAD}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path, help="folder of shards that jetcal ingest wrote")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", default="pfn,particlenet")
    parser.add_argument("--model", default="", help="fields of the section model for all trials: \"norm: batch\"")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=500)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    networks = options.networks.split(",")
    results = []
    for i in range(options.trials):
        network = networks[i % len(networks)]
        result = train(f"trial-{i + 1:02}", network, draw(network, rng), options)
        results.append(result)
        print(f"{result['trial']} {network:<12} {result['training']['optimizer']:<8} lr {result['training']['lr']:<8g} "
              f"loss {result['test_loss']:.5f} (constant {result['best_constant_loss']:.5f}) "
              f"deviation {result['deviation']:.5f}{' DEAD' if result['dead'] else ''}", flush=True)
        (options.output / "trials.json").write_text(json.dumps(results, indent=2) + "\n")
    dead = [result["trial"] for result in results if result["dead"]]
    print(f"{len(dead)} of {len(results)} trials are dead")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main())
