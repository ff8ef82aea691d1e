#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the results of the benchmarks: python bench/plots.py bench/results"""

import json
import pathlib
import sys

import matplotlib
import matplotlib.ticker

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLORS = {"jetcal": "#0b5fa5", "jetcal-bf16": "#2d7cc4", "jetcal-int16": "#4c9ae0", "jetcal-int8": "#86bdeb", "torch-ragged-factored": "#d2691e",
          "torch-ragged": "#c0813f", "torch-padded": "#e8a76b", "weaver-tuned": "#7a7a7a", "weaver": "#b5b5b5",
          "ort-padded": "#8e6fb0", "ort-padded-max": "#b49bcf", "ort-factored": "#3a8f5c", "ort-factored-max": "#7cc29a"}


def color(name):
    return COLORS.get(name, "#333333")


def save(figure, folder, name, document):
    figure.suptitle(f"{document['cpu']}, {document['isa']}, {document['commit']}", fontsize=8, color="#555555", y=0.995)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=110)
    plt.close(figure)


def draw_training(document, folder):
    threads = sorted({result["threads"] for result in document["results"]})
    figure, axes = plt.subplots(1, len(threads), figsize=(6 * len(threads), 4.5), squeeze=False)
    for axis, count in zip(axes[0], threads):
        results = [result for result in document["results"] if result["threads"] == count]
        shown = set()
        for x, result in enumerate(results):
            width = 0.8 / len(result["engines"])
            for i, (name, entry) in enumerate(result["engines"].items()):
                rate = entry["jets_per_s"]
                axis.bar(x + (i - (len(result["engines"]) - 1) / 2) * width, rate["median"], width, color=color(name),
                         label=None if name in shown else name, error_kw={"linewidth": 0.7},
                         yerr=[[rate["median"] - rate["worst"]], [rate["best"] - rate["median"]]])
                shown.add(name)
        axis.set_yscale("log")
        axis.set_xticks(range(len(results)), [result["model"] for result in results], rotation=20, fontsize=8)
        axis.set_ylabel("training, jets / s (median, whole range)")
        axis.set_title(f"{count} thread{'s' if count > 1 else ''}", fontsize=10)
        axis.legend(fontsize=7)
        axis.grid(axis="y", which="both", alpha=0.2)
    save(figure, folder, "training", document)


def draw_inference(document, folder):
    models = list(dict.fromkeys(result["model"] for result in document["results"]))
    threads = sorted({result["threads"] for result in document["results"]})
    figure, axes = plt.subplots(len(threads), len(models), figsize=(4.2 * len(models), 3.6 * len(threads)), squeeze=False)
    for result in document["results"]:
        axis = axes[threads.index(result["threads"])][models.index(result["model"])]
        names = list(dict.fromkeys(name for entry in result["batches"] for name in entry["engines"]))
        for name in names:
            points = [(entry["batch"], entry["engines"][name]["jets_per_s"]["median"]) for entry in result["batches"]
                      if name in entry["engines"]]
            axis.plot(*zip(*points), marker="o", markersize=3, label=name, color=color(name))
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_title(f"{result['model']}, {result['threads']} thread{'s' if result['threads'] > 1 else ''}", fontsize=10)
        batches = [entry["batch"] for entry in result["batches"]]
        axis.set_xticks(batches, batches, fontsize=7)
        axis.set_xlabel("jets a call")
        axis.set_ylabel("inference, jets / s")
        axis.legend(fontsize=6)
        axis.grid(which="both", alpha=0.2)
    save(figure, folder, "inference", document)


def draw_scaling(document, folder):
    sweeps = list(dict.fromkeys(axis for result in document["results"] for axis in result["sweeps"]))
    figure, axes = plt.subplots(1, len(sweeps), figsize=(3.2 * len(sweeps), 3.4), squeeze=False)
    for axis, name in zip(axes[0], sweeps):
        for i, result in enumerate(entry for entry in document["results"] if name in entry["sweeps"]):
            points = result["sweeps"][name]
            axis.plot([point[name] for point in points], [point["gflop_per_s"] for point in points], marker="o", markersize=3,
                      label=result["model"], color=("#0b5fa5", "#d2691e", "#3a8f5c")[i % 3])
        axis.set_xlabel(name)
        if name == "threads":
            axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        axis.set_ylim(bottom=0)
        axis.set_ylabel("training, GFLOP / s")
        axis.legend(fontsize=7)
        axis.grid(alpha=0.2)
    save(figure, folder, "scaling", document)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, draw in (("training", draw_training), ("inference", draw_inference), ("scaling", draw_scaling)):
        file = folder / f"{name}.json"
        if file.exists():
            draw(json.loads(file.read_text()), folder)


if __name__ == "__main__":
    main()
