#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark program and `jetcal bench`; prints what they print and keeps their JSON under the build folder.

Each benchmark prints one JSON document with the figures of jetcal and of its peers from the same run, CPU, ISA and commit.
"""

import argparse
import json
import pathlib
import subprocess
import sys

# The benchmarks of `jetcal bench NAME`.
NAMES = ["inference"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    options = parser.parse_args()
    results = options.build / "bench-results"
    results.mkdir(parents=True, exist_ok=True)
    commands = {path.stem: [str(path)] for path in sorted((options.build / "bench").glob("*_bench"))}
    commands |= {name: [str(options.build / "bin" / "jetcal"), "bench", name, "--json"] for name in NAMES}
    failed = []
    for name, command in commands.items():
        print(f"bench: {name}", flush=True)
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if result.returncode != 0:
            failed.append(name)
            continue
        document = json.loads(result.stdout)
        (results / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
        print(json.dumps(document, indent=2))
    print(f"bench: results in {results}")
    sys.exit(f"bench: failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
