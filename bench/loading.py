# SPDX-License-Identifier: Apache-2.0
"""Reading: jetcal's shards through its loader, uproot and weaver-core's loader on the ROOT file that the shards were made of."""

import json
import os

import driver
from driver import say

PEERS = ["uproot", "weaver", "weaver-default"]


def compare(options, model, threads, folder):
    root = options.root or driver.ROOT / "data" / "sample" / "qcd_20k.root"
    shards = folder / "shards"
    if not shards.exists():
        driver.run_json([options.jetcal, "ingest", root, "--output", shards, "--json"])
    ours = driver.run_json([options.jetcal, "bench", "loader", "--data", shards, "--num-jets", options.epoch_jets, "--epochs",
                            options.epochs, "--network", model, "--steps", options.steps, "--batch", options.batch, "--threads",
                            threads, "--json"])
    peers = {}
    for name in options.peers if options.peers is not None else PEERS:
        command = [driver.PYTHON, "-m", "bench.peers.loading", name, root]
        peers[name] = json.loads(driver.run(command, env=os.environ | driver.TUNED).splitlines()[-1])
    result = {"model": model, "threads": threads, "file_mb": os.path.getsize(root) / 2**20} | \
        {key: ours[key] for key in ("jets_in_sample", "jets_an_epoch", "one_thread", "epochs", "training")} | {"peers": peers}
    show(result)
    return result, ours | {"torch": None}


def show(result):
    training = result["training"]
    say(f"loader {result['model']}, {result['threads']} thread(s): {result['one_thread']['jets_per_s']:.0f} jets/s on one thread; "
        f"under training it waits {100 * training['wait_share']:.2f} % and reads {100 * training['reading_share']:.2f} % of a step")
    for epoch in result["epochs"]:
        say(f"  epoch {epoch['epoch']}: {epoch['jets']} jets, {epoch['jets_per_s']:.0f} jets/s, {epoch['allocated_mb']:.1f} MB "
            f"allocated, {epoch['mapped_mb']:.1f} MB mapped")
    for name, entry in result["peers"].items():
        say(f"  {name:16} {entry['jets_per_s']:8.0f} jets/s, {entry['peak_rss_mb']:.0f} MB")
