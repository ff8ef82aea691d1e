# SPDX-License-Identifier: Apache-2.0
"""How a training step and a prediction of jetcal grow with jets, particles, neighbors, width and threads."""

import json
import os

import driver
from driver import say

SWEEPS = {"batch": [20, 50, 100, 200, 500, 1000], "particles": [5, 10, 20, 40, 70, 100], "neighbors": [4, 8, 16, 24, 32],
          "units": [25, 50, 100, 200, 400], "threads": list(range(1, (os.cpu_count() or 1) + 1))}
BATCH = 200


def configuration(model, folder, options):
    network = driver.make_inputs(options, model, folder)[1]
    return json.loads(driver.read_header(network)[2]["__metadata__"]["config"])


def point(options, base, folder, axis, value):
    changed = dict(base)
    if axis == "neighbors":
        changed["neighbors"] = value
    if axis == "units":
        changed["edge_units" if base["network"] == "particlenet" else "particle_units"] = value
    file = folder / "scaling.json"
    file.write_text(json.dumps(changed))
    batch = value if axis == "batch" else BATCH
    command = [options.jetcal, "bench", "train", "--network", file, "--batch", batch, "--num-jets", max(1000, batch), "--rounds",
               options.rounds, "--steps", max(1, BATCH // batch), "--threads", value if axis == "threads" else 1, "--seed",
               options.seed, "--json"]
    if axis == "particles":
        command += ["--particles", value]
    document = driver.run_json(command)
    return {axis: value, "jets_per_s": document["jets_per_s"]["best"], "jets_per_s_median": document["jets_per_s"]["median"],
            "gflop_per_s": document["gflop_per_s"]["best"], "macs_per_jet": document["macs_per_jet"],
            "peak_rss_mb": document["peak_rss_mb"]}, document


def measure(options, model, threads, folder):
    base = configuration(model, folder, options)
    result = {"model": model, "batch": BATCH, "rounds": options.rounds, "configuration": base, "sweeps": {}}
    for axis, values in SWEEPS.items():
        if axis == "neighbors" and base["network"] == "pfn":
            continue
        points = []
        for value in values:
            entry, document = point(options, base, folder, axis, value)
            points.append(entry)
        result["sweeps"][axis] = points
        say(f"scaling {model}, {axis}: " +
            ", ".join(f"{entry[axis]}: {entry['jets_per_s']:.0f} jets/s {entry['gflop_per_s']:.0f} GFLOP/s" for entry in points))
    return result, document | {"torch": None}
