# SPDX-License-Identifier: Apache-2.0
"""All that jetcal renders for Kubernetes, a pipeline to render, and the record of what a real kube-apiserver took."""

import copy
import hashlib
import json
import pathlib
import tomllib

import yaml

from conftest import ROOT

CRDS = ROOT.parent / "shared" / "crds"
RECORD = pathlib.Path(__file__).with_name("cluster_record.json")
TRAIN = ["--command", "jetcal", "--command", "train", "--command=--data", "--command", "s3://jets/shards"]
FORMATS = ["argo", "scheduled", "pytorchjob", "trainjob", "torch-runtime", "mpi-runtime", "serving", "storage", "experiment"]
PLACES = {"claim": [], "bucket": ["--bucket", "jets", "--endpoint", "https://s3.lab", "--gpus", "2", "--workers", "3"],
          "triton": ["--runtime", "triton", "--canary", "10", "--min-replicas", "0"], "train jobs": ["--trial", "TrainJob"]}
REMOVE = object()

WORDS = """
format: jetcal-pipeline/1
name: words
image: busybox
recurring: {cron: '0 0 3 * * 1', max_concurrency: 2}
parameters:
  rate: {type: number, default: 0.5}
  deploy: {type: boolean, default: true}
  name: {type: string, default: 'a b: #c'}
inputs:
  words: {default: words.txt}
steps:
  - name: sort
    command: [sh, -c, 'sort "$0" > "$1"', '${inputs.words}', '${outputs.sorted}']
    inputs: {words: inputs.words}
    outputs: {sorted: {type: Dataset}}
    resources: {cores: 500m, memory: 256Mi}
    retries: {limit: 2, delay: 3s}
    pass_environment: [AWS_SECRET_ACCESS_KEY]
    environment: {RATE: '${parameters.rate}'}
  - name: score
    command: [sh, -c, 'echo "{\\"loss\\": $0}"', '${parameters.rate}']
    inputs: {sorted: {type: Dataset, from: sort.sorted}}
    outputs: {loss: {type: number, stdout: true, field: loss}}
    time_limit: 10m
    resources: {gpus: 1}
  - name: publish
    when: ${parameters.deploy} and ${inputs.loss} < 1
    command: [sh, -c, 'echo "$0 $1" > "$2"', '${parameters.name}', '${inputs.loss}', '${outputs.note}']
    inputs: {loss: score.loss}
    outputs: {note: {type: Artifact}}
"""

# A step that gathers files and folders of a loop: as words, within a word, in a variable and in a file.
GATHER = """
format: jetcal-pipeline/1
name: gather
parameters:
  seeds: {type: list, default: [3, 5, 4]}
steps:
  - name: train
    for_each: parameters.seeds
    image: busybox
    command: [sh, -c, 'echo "m$0" > "$1"; mkdir "$2"; echo "r$0" > "$2/r.txt"', '${item}', '${outputs.model}', '${outputs.report}']
    outputs: {model: {type: Model}, report: {type: Dataset}}
    retries: 1
  - name: merge
    command: [sh, -c, 'to=$1; shift; each() { echo "$1" | tr , "\\n" | sed "s/.*=//"; }; { cat "$@"; each "$0" | xargs cat; for r in $(each "$REPORTS") $(each "$(cat list)"); do cat "$r/r.txt"; done; } > "$to"',
              'all=${inputs.models}', '${outputs.all}', '${inputs.models}']
    environment: {REPORTS: '${inputs.reports}'}
    files: {list: 'of=${inputs.reports}'}
    inputs: {models: {type: Model, from: train.model}, reports: train.report}
    outputs: {all: {type: Artifact}}
"""
GATHERED = "m3 m5 m4 m3 m5 m4 r3 r5 r4 r3 r5 r4".split()


def render(jetcal, *words):
    result = jetcal.raw("pipeline", "render", *words)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def write_words(folder):
    """Writes a pipeline of three steps and its input; returns its file."""
    (folder / "words.txt").write_text("pear\napple\n")
    path = folder / "words.yaml"
    path.write_text(WORDS)
    return path


def everything(jetcal, folder):
    """(format, resource) of every format, in every kind of cluster."""
    pipeline = folder / "recurring.yaml"
    built_in = jetcal.raw("pipeline", "show", "paper").stdout
    pipeline.write_text(built_in.replace("name: paper\n", "name: paper\nrecurring: {cron: '0 0 3 * * 1'}\n", 1))
    for flags in PLACES.values():
        for form in FORMATS:
            result = jetcal.raw("pipeline", "render", pipeline, "--format", form, *TRAIN, *flags)
            assert result.returncode == 0, result.stderr
            for resource in yaml.safe_load_all(result.stdout):
                if resource:
                    yield form, resource
    yield from kustomized(jetcal, folder / "deploy", "--bucket", "jets", "--workers", "3")


def mutate(resource, path, value):
    """A copy of a resource with another value at a path of names and numbers, or without what is there."""
    resource = copy.deepcopy(resource)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node = resource
    for part in parents:
        node = node[part]
    if value is REMOVE:
        del node[last]
    else:
        node[last] = value
    return resource


def patched(resource, operations):
    """A resource after the JSON patch of an overlay, which replaces fields that are there."""
    resource = copy.deepcopy(resource)
    for operation in operations:
        *parents, last = operation["path"].strip("/").split("/")
        place = resource
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert operation["op"] == "replace" and last in place, operation
        place[last] = operation["value"]
    return resource


def kustomized(jetcal, folder, *flags):
    """(name, resource) of everything that kustomize makes of the base and of each overlay, each resource once."""
    result = jetcal.raw("pipeline", "render", "--format", "kustomize", "--output", folder, *flags)
    assert result.returncode == 0, result.stderr
    names = yaml.safe_load((folder / "base" / "kustomization.yaml").read_text())["resources"]
    base = [yaml.safe_load((folder / "base" / name).read_text()) for name in names]
    yield from (("kustomize", resource) for resource in base)
    for overlay in ("cpu", "gpu"):
        for patch in yaml.safe_load((folder / "overlays" / overlay / "kustomization.yaml").read_text())["patches"]:
            target, = (one for one in base if (one["kind"], one["metadata"]["name"]) == (patch["target"]["kind"], patch["target"]["name"]))
            yield f"kustomize for {overlay}", patched(target, json.loads(patch["patch"]))


def fingerprint(resource):
    return hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()


def write_record(taken):
    pins = tomllib.loads((ROOT / "tools" / "dependencies.toml").read_text())["go"]["cluster"]
    RECORD.write_text(json.dumps({"server": pins, "taken": taken}, indent=1, sort_keys=True) + "\n")
