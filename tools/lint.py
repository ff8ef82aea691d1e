#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-format on every C++ file and clang-tidy on every compiled one; any finding fails.

    tools/lint.py BUILD_FOLDER [FILE...]     files default to everything that git tracks
    tools/lint.py --format-only              formatting alone, a second

A file whose text, headers and settings did not change since its last clean run is not run again (cache in $JETCAL_DEPS/lint).
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "lint"


def tracked(*patterns):
    output = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in output.splitlines() if (ROOT / line).exists()]


def check_format():
    files = [str(path) for path in tracked("*.h", "*.cc", "*.cu", "*.cuh")]
    result = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True)
    if result.returncode != 0:
        print(result.stderr, end="")
        print("lint: run clang-format -i on the files above")
    return result.returncode == 0


def headers_of(build):
    """Which of the project's headers each source was compiled with, as ninja noted them."""
    listing = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True).stdout
    found = {}
    for block in listing.split("\n\n"):
        paths = [(build / line.strip()).resolve() for line in block.splitlines()[1:]]
        if paths:
            mine = (path for path in paths[1:] if path.is_relative_to(ROOT) and not path.is_relative_to(build.resolve()))
            found[paths[0]] = sorted(mine)
    return found


def key_of(path, headers):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for part in [path, *headers]:
        digest.update(str(part.relative_to(ROOT)).encode())
        digest.update(part.read_bytes())
    return digest.hexdigest()


def tidy(build, path):
    result = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(path)], capture_output=True, text=True)
    return path, result.returncode, result.stdout + (result.stderr if result.returncode else "")


def check_tidy(build, chosen):
    compiled = {pathlib.Path(entry["file"]).resolve() for entry in json.loads((build / "compile_commands.json").read_text())}
    files = [path for path in (chosen or tracked("jetcal/*.cc")) if path.resolve() in compiled]
    headers = headers_of(build)
    CACHE.mkdir(parents=True, exist_ok=True)
    keys = {path: key_of(path, headers.get(path.resolve(), [])) for path in files}
    todo = [path for path in files if not (CACHE / keys[path]).exists()]
    print(f"lint: clang-tidy on {len(todo)} of {len(files)} files (the others are unchanged since a clean run)", flush=True)
    clean = True
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, status, output in pool.map(lambda path: tidy(build, path), todo):
            if status == 0:
                (CACHE / keys[path]).touch()
            else:
                clean = False
                print(f"lint: {path.relative_to(ROOT)}\n{output}", flush=True)
    return clean


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--format-only", action="store_true")
    options = parser.parse_args()
    clean = check_format()
    if not options.format_only:
        if options.build is None:
            parser.error("clang-tidy needs the build folder")
        clean = check_tidy(options.build, [path.resolve() for path in options.files]) and clean
    print("lint: no findings" if clean else "lint: findings above")
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
