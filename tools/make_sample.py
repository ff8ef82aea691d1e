#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the shared sample: 1,000,000 selected jets in 10 parts of 100,000, seeds 2001 to 2010, each with calibration trees.

Stop it whenever you like, even by kill -9: the same command goes on, finished parts are recognised, and of a part at
most the blocks in work are lost. In the end manifest.json lists every file with its sha256. Standard library only.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST_SEED = 2001
PARTS = 10
JETS_PER_PART = 100_000
# CMS's packed candidates keep 10 to 12 bits. dR and dTheta follow from dEta and dPhi.
PRECISION_BITS = "11,6,6,4,8"
COMPRESSION = 201  # LZMA level 1: an eighth smaller than ZSTD level 5, and writing a part takes two minutes


def sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path, document):
    """Replaces a file at once, so that a kill leaves the old or the new one."""
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        file.write(json.dumps(document, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def part_command(options, seed):
    sample = options.output / f"qcd-{seed}.root"
    calibration = options.output / f"calibration-{seed}.root"
    command = [options.jetcal, "simulate", "--output", sample, "--calibration", calibration, "--jets", options.jets_per_part,
               "--seed", seed, "--workers", options.workers, "--pileup-pool", options.pileup_pool, "--compression", COMPRESSION,
               "--precision-bits", PRECISION_BITS, "--json"]
    return [str(word) for word in command], sample, calibration


def settings(command):
    """What decides the bytes of a part: the command without the program and the number of workers."""
    words = command[1:]
    at = words.index("--workers")
    return [pathlib.Path(word).name for word in words[:at] + words[at + 2:]]


def finished(record, command, files):
    """Returns the record of a part that is there, whole and made with these settings; else None."""
    if not record.exists() or not all(file.exists() for file in files):
        return None
    part = json.loads(record.read_text())
    sizes = [entry["bytes"] for entry in part["files"]]
    if part["settings"] != settings(command) or sizes != [file.stat().st_size for file in files]:
        return None
    return part


def make_part(options, seed):
    command, sample, calibration = part_command(options, seed)
    record = options.output / f"part-{seed}.json"
    part = finished(record, command, (sample, calibration))
    if part is not None:
        print(f"seed {seed}: finished before", file=sys.stderr)
        return part
    print(f"seed {seed}: $ {shlex.join(command)}", file=sys.stderr, flush=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"make_sample: the command above ended with status {result.returncode}; the same command goes on from there")
    part = {"seed": seed, "settings": settings(command),
            "files": [{"name": file.name, "bytes": file.stat().st_size, "sha256": sha256(file)} for file in (sample, calibration)],
            "summary": json.loads(result.stdout)}
    for name in ("output", "calibration"):
        part["summary"].pop(name)
    write_json(record, part)
    for pool in options.output.glob(f"pileup-seed{seed}-*.pool"):
        pool.unlink()  # each part has its own; the sample does not need it any more
    return part


def commit():
    result = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return result.stdout.strip() or None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="folder of the sample")
    parser.add_argument("--jetcal", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--parts", type=int, default=PARTS)
    parser.add_argument("--jets-per-part", type=int, default=JETS_PER_PART)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--pileup-pool", type=int, default=20000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.parts < 1 or options.jets_per_part < 1 or options.workers < 1:
        sys.exit("make_sample: --parts, --jets-per-part and --workers must be positive")
    if not options.jetcal.exists():
        sys.exit(f"make_sample: there is no {options.jetcal}; `make build` makes it")
    options.output.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    parts = []
    for number in range(options.parts):
        print(f"part {number + 1} of {options.parts}", file=sys.stderr)
        parts.append(make_part(options, options.first_seed + number))
    total = {name: sum(part["summary"][name] for part in parts)
             for name in ("events", "events_simulated", "jets", "jets_selected", "candidates", "calibration_jets")}
    cpu = sum(part["summary"]["cpu_seconds"] for part in parts)
    total["bytes"] = sum(entry["bytes"] for part in parts for entry in part["files"])
    total["cpu_seconds"] = cpu
    total["events_per_core_second"] = total["events_simulated"] / cpu if cpu > 0 else None
    manifest = {"commit": commit(), "total": total, "parts": parts}
    write_json(options.output / "manifest.json", manifest)
    print(json.dumps({"manifest": str(options.output / "manifest.json"), "wall_seconds": time.monotonic() - start, **total}, indent=1))


if __name__ == "__main__":
    main()
