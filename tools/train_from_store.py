#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains one epoch on a large sample from a folder and from an S3 server, and compares them.

    ~/.cache/jetcal/python/bin/python tools/train_from_store.py store --sample jets/large

`store` is a folder whose subfolders are buckets; `--sample` is a bucket and a prefix in it, made by tools/make_large_sample.py.
The server is the one of the tests (`tools/setup.py test`), started on 127.0.0.1 for this program alone. Prints one JSON document: loss,
jets/s, the part of the time that steps waited for jets, and the peak of resident memory of each run; fails when losses differ or the
memory of a run is above --limit-mb.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "python"))
from object_store import ObjectStore  # noqa: E402


def train(options, data, output, environment):
    command = [options.jetcal, "train", "--data", data, "--output", output, "--preset", options.network, "--mode", "constituents",
               "--epochs", "1", "--batch-size", options.batch_size, "--data-mode", "streamed", "--memory-mb",
               options.memory_mb, "--json"]
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"train_from_store: training from {data} failed")
        out.seek(0)
        document = json.load(out)
    epoch = document["epochs"][0]
    return {"jets": document["jets"], "train_loss": epoch["train_loss"], "validation_loss": epoch["validation_loss"],
            "test_loss": document["test_loss"], "jets_per_second": round(epoch["jets_per_second"]),
            "waiting_percent": round(document["data_percent"], 3), "peak_memory_mb": round(usage.ru_maxrss / 1024),
            "seconds": round(time.monotonic() - start, 1), "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "storage": document["storage"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=pathlib.Path)
    parser.add_argument("--sample", required=True, help="bucket/prefix")
    parser.add_argument("--jetcal", default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--network", default="small-pfn")
    parser.add_argument("--batch-size", default="2000")
    parser.add_argument("--memory-mb", default="1024")
    parser.add_argument("--limit-mb", type=float, default=2048)
    options = parser.parse_args()
    server = ObjectStore(options.store)
    try:
        with tempfile.TemporaryDirectory() as runs:
            local = train(options, options.store / options.sample, f"{runs}/local", os.environ)
            remote = train(options, f"s3://{options.sample}", f"{runs}/remote", server.environment())
    finally:
        server.kill()
    print(json.dumps({"folder": local, "object_store": remote}, indent=1))
    for name in ("train_loss", "validation_loss", "test_loss"):
        if local[name] != remote[name]:
            sys.exit(f"train_from_store: {name} is {local[name]} from the folder and {remote[name]} from the store")
    peak = max(local["peak_memory_mb"], remote["peak_memory_mb"])
    if peak > options.limit_mb:
        sys.exit(f"train_from_store: {peak} MB of memory, more than {options.limit_mb}")


if __name__ == "__main__":
    main()
