# SPDX-License-Identifier: Apache-2.0
"""All that jetcal renders for Kubernetes, and the record of what a real kube-apiserver took."""

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


def fingerprint(resource):
    return hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()


def write_record(taken):
    pins = tomllib.loads((ROOT / "tools" / "dependencies.toml").read_text())["go"]["cluster"]
    RECORD.write_text(json.dumps({"server": pins, "taken": taken}, indent=1, sort_keys=True) + "\n")
