#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of docs/board.md: runs pipelines, a search and a server of its own, and photographs the board that shows them.

    ~/.cache/jetcal/python/bin/python tools/board_screenshots.py [--jetcal build/release/bin/jetcal] [--output docs] [--work FOLDER]

Takes a few minutes; a work folder that is kept (--work) is taken as it is the next time.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 200_000  # bytes of a picture

LIVE = """
name: small networks
parameters:
  lr: {type: float, low: 1e-4, high: 1e-2, log: true}
  head_units: {type: integer, low: 16, high: 64}
objective: validation_loss
algorithm: random
limits: {trials: 4}
run: {parallel: 2}
trial: {train: {data: {directory: SHARDS}, model: {preset: small-pfn}, training: {epochs: 3}, report: {histograms: 0, figures: 0}}}
"""

FAILING = """
format: jetcal-pipeline/1
name: nightly
inputs:
  jets: {default: calibration-2026.root}
steps:
  - name: fetch
    description: Looks for the newest calibration
    command: [sh, -c, 'echo "asking for run 401233"; echo found > "$0"', '${outputs.tag}']
    outputs: {tag: {type: Artifact}}
  - name: check
    description: Compares it with the one in use
    command: [sh, -c, 'echo "reading conditions of run 401233" >&2; sleep 0.3; echo "jet energy scale of run 401233 is 7.4 % below the one in use; more than 2 % needs a person" >&2; exit 3']
    inputs: {tag: fetch.tag}
    outputs: {verdict: {type: Metrics, path: verdict.json}}
  - name: release
    command: [sh, -c, 'cp "$0" "$1"', '${inputs.verdict}', '${outputs.release}']
    inputs: {verdict: check.verdict}
    outputs: {release: {type: Artifact}}
"""


class Scene:
    """A folder with something of every kind to show."""

    def __init__(self, jetcal, work):
        self.jetcal, self.work = jetcal, work
        self.quick = ["--set", "trials=2", "--set", "epochs=1", "--set", "bootstrap=20"]

    def run(self, *words, status=0):
        result = subprocess.run([str(self.jetcal), *map(str, words)], cwd=self.work, capture_output=True, text=True)
        if result.returncode != status:
            sys.exit(f"jetcal {' '.join(map(str, words))}: {result.stderr[-2000:]}")
        return result.stdout

    def make(self):
        if (self.work / "complete").exists():
            return
        (self.work / "nightly.yaml").write_text(FAILING)
        (self.work / "calibration-2026.root").write_text("none")
        jets = ["--input", f"jets={ROOT / 'data' / 'sample' / 'qcd_20k.root'}"]
        self.run("pipeline", "run", "--directory", "pipeline", "--experiment", "baseline", *jets, *self.quick)
        self.run("pipeline", "run", "--directory", "pipeline", "--experiment", "baseline", *jets, *self.quick)
        self.run("pipeline", "run", "nightly.yaml", "--directory", "pipeline", "--experiment", "conditions", status=6)
        sys.path.insert(0, str(ROOT / "tests" / "python"))
        os.environ["JETCAL"] = str(self.jetcal)
        from board_studies import import_study
        from conftest import Verb
        now = time.time()
        import_study(Verb(), self.work / "studies" / "particlenet" / "study.db", 5000, name="particlenet, wide", began=now - 50_000)
        import_study(Verb(), self.work / "studies" / "latency" / "study.db", 400, name="loss against latency", objectives=2, began=now - 90_000, failed_every=0)
        self.run("ingest", ROOT / "data" / "sample" / "qcd_20k.root", "--output", "shards")
        self.run("train", "--data", "shards", "--output", "runs/pfn", "--preset", "small-pfn", "--epochs", 6, "--histograms", 0, "--figures", 0)
        (self.work / "live.yaml").write_text(LIVE.replace("SHARDS", str(self.work / "shards")) + f"output: {self.work / 'studies' / 'small'}\n")
        self.run("tune", "--config", "live.yaml")
        (self.work / "complete").touch()

    @contextlib.contextmanager
    def started(self, *words):
        """A server that prints a JSON document when it is ready; yields the document."""
        process = subprocess.Popen([str(self.jetcal), *map(str, words), "--json"], cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        text = ""
        while not text.endswith("\n}\n"):
            line = process.stdout.readline()
            if not line:
                sys.exit(f"jetcal {words[0]} did not start")
            text += line
        try:
            yield json.loads(text)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def pictures(page, url, scene):
    """Yields names after the page has come to what the picture is to show."""
    def go(address, wait, nth=0):
        page.goto(url + "#/" + address)
        page.locator(wait).nth(nth).wait_for()
        page.wait_for_timeout(700)

    api = lambda what: page.request.get(url + "api/" + what).json()
    studies = {study["title"]: study["id"] for study in api("studies")["studies"]}
    large = studies["particlenet, wide"]
    runs = api("runs")["runs"]
    failed = next(run for run in runs if run["state"] == "failed")
    go("", ".problem")
    yield "overview"
    go(f"runs/{failed['store']}/{failed['run']}", ".log")
    yield "failed"
    go(f"studies/{large}", "table.data tbody th")
    yield "study"
    go(f"studies/{large}?view=parallel", ".chart[data-drawn]")
    yield "parallel"
    go(f"studies/{studies['loss against latency']}?view=front", ".chart[data-drawn]")
    yield "front"
    go(f"studies/{studies['small networks']}/trials/3", ".chart[data-drawn]")
    yield "trial"
    go("serving", ".chart[data-drawn]", 3)
    yield "serving"
    report = api("reports")["reports"][0]["id"]
    go(f"physics/{report}", ".chart[data-drawn]", 1)
    yield "physics"
    # A run at work: what depends on the number of epochs runs again.
    process = subprocess.Popen([str(scene.jetcal), "pipeline", "run", "--directory", "pipeline", "--experiment", "more epochs", "--input",
                                f"jets={ROOT / 'data' / 'sample' / 'qcd_20k.root'}", *scene.quick, "--set", "epochs=2", "--set", f"seed={int(time.time())}"],
                               cwd=scene.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page.emulate_media(color_scheme="dark")
        while not (running := [run for run in api("runs")["runs"] if run["state"] == "running" and len(run["steps"]) > 1]):
            if process.poll() is not None:
                sys.exit("the run ended before its picture was taken")
            page.wait_for_timeout(200)
        go(f"runs/{running[0]['store']}/{running[0]['run']}", ".node.tone-running")
        yield "run-dark"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jetcal", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "board")
    parser.add_argument("--work", type=pathlib.Path)
    arguments = parser.parse_args()
    from PIL import Image  # comes with tensorboard
    from playwright.sync_api import sync_playwright
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        sys.exit("chromium is not installed (apt-get install chromium)")
    with contextlib.ExitStack() as stack:
        work = arguments.work or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        scene = Scene(arguments.jetcal.resolve(), work.resolve())
        scene.make()
        repository = next((scene.work / "pipeline" / "artifacts").glob("*/repository"))
        server = stack.enter_context(scene.started("serve", "--model-repository", repository, "--http-port", "0"))
        address = f"http://127.0.0.1:{server['http_port']}"
        said = stack.enter_context(scene.started("board", scene.work, "--serving", address, "--port", "0", "--allow-cancel"))
        for rate in (40, 150, 80):  # open loops, so that the curves have a shape
            scene.run("loadgen", "--url", address, "--model-name", "optimal", "--batch-sizes", 8, "--connections", 4, "--rate", rate, "--seconds", 10, "--json")
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name in pictures(page, said["url"], scene):
            path = arguments.output / f"{name}.png"
            page.screenshot(path=path)
            if path.stat().st_size > LIMIT:  # thousands of lines that shine through each other
                Image.open(path).convert("RGB").quantize(48).save(path, optimize=True)
            size = path.stat().st_size
            print(f"{path}: {size // 1000} kB")
            if size > LIMIT:
                sys.exit(f"{path} is larger than {LIMIT // 1000} kB")
        browser.close()


if __name__ == "__main__":
    main()
