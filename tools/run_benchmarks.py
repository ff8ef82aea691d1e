#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks and writes their results, JSON and plots, into a folder.

    tools/run_benchmarks.py                                  everything, into bench/results
    tools/run_benchmarks.py --parts training --rounds 11     one part
    tools/run_benchmarks.py --quick --results /tmp/results   a few rounds, to see that all of it works

Parts: training, inference, loader, scaling, programs (those of bench/<room>/, built with -DJETCAL_BENCHMARKS=ON).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import driver  # noqa: E402

PARTS = ("training", "inference", "loader", "scaling", "programs")
# Arguments of bench/compare.py, run one after another; their results go into one document.
PLANS = {
    "training": [["train", "--model", "pfn-best,pfn-large,paper-pfn"],
                 ["train", "--model", "pn-small", "--peers", "torch-ragged-factored"],
                 ["train", "--model", "pn-best,paper-particlenet"]],
    "inference": [["inference", "--model", "pfn-best,paper-pfn"], ["inference", "--model", "pn-best,paper-particlenet"]],
    "loader": [["loader", "--model", "pfn-best"]],
    "scaling": [["scaling", "--model", "pn-best,pfn-best", "--threads", "1"]],
}
ROUNDS = {"training": 7, "inference": 4, "loader": 1, "scaling": 3}
QUICK = {"training": ["--rounds", "2", "--seconds", "0.1"], "scaling": ["--rounds", "1"],
         "inference": ["--rounds", "2", "--seconds", "0.02", "--cap", "0.5", "--batches", "1,32,128"],
         "loader": ["--epoch-jets", "50000", "--steps", "5"]}


def compare(part, options):
    document = None
    for plan in PLANS[part]:
        command = [sys.executable, str(ROOT / "bench" / "compare.py"), *plan, "--jetcal", str(options.jetcal)]
        if "--threads" not in plan:
            command += ["--threads", options.threads]
        command += ["--rounds", str(options.rounds or ROUNDS[part])]
        command += QUICK[part] if options.quick else []
        command += ["--precisions", options.precisions] if part == "inference" and options.precisions else []
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if result.returncode != 0:
            return None
        more = json.loads(result.stdout)
        if document is None:
            document = more
        else:
            document["results"] += more["results"]
            document["seconds"] = round(document["seconds"] + more["seconds"], 1)
    return document


def run_programs(options, failed):
    documents = {}
    for path in sorted((options.build / "bench").glob("*_bench")):
        driver.say(path.stem)
        result = subprocess.run([path], stdout=subprocess.PIPE, text=True)
        if result.returncode == 0:
            documents[path.stem] = json.loads(result.stdout)
        else:
            failed.append(path.stem)
    return {"benchmark": "programs", "results": documents} if documents else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--jetcal", type=pathlib.Path, help="default: that of the build folder")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench" / "results")
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas; default: all")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, help="default: 7 in training, 4 in inference, 3 in scaling")
    parser.add_argument("--precisions", default="int16,int8", help="reduced precisions of jetcal to time in inference too")
    parser.add_argument("--quick", action="store_true", help="few and short rounds, for a look whether all works")
    options = parser.parse_args()
    options.jetcal = options.jetcal or options.build / "bin" / "jetcal"
    parts = [part for part in options.parts.split(",") if part]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        driver.stop(f"there is no part '{unknown[0]}'; known: {', '.join(PARTS)}")
    options.results.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    failed = []
    for part in parts:
        document = run_programs(options, failed) if part == "programs" else compare(part, options)
        if document is None:
            failed += [part] if part != "programs" else []
            continue
        (options.results / f"{part}.json").write_text(json.dumps(driver.rounded(document), indent=1) + "\n")
        driver.say(f"{part} done after {time.monotonic() - begin:.0f} s")
    driver.run([driver.PYTHON, ROOT / "bench" / "plots.py", options.results])
    driver.say(f"results in {options.results}")
    if failed:
        driver.stop(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
