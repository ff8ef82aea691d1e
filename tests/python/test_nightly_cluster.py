# SPDX-License-Identifier: Apache-2.0
"""Everything that jetcal renders for Kubernetes, applied to a real kube-apiserver with the real definitions.

With JETCAL_RECORD=1 what the server took is written to tests/python/cluster_record.json, which test_cluster_record.py holds
against what is rendered now, without a server.
"""

import json
import os

import pytest

from cluster import Cluster, Refused, missing
from rendered import CRDS, REMOVE, everything, fingerprint, mutate, write_record

# (what is rendered, path in it, value, a word of the server's answer)
REFUSED = [
    ("serving", "InferenceService", "spec.predictor.maxReplicas", "3", "got string"),
    ("serving", "InferenceService", "spec.predictor.model.modelFormats", [], "field not declared in schema"),
    ("serving", "InferenceService", "spec.predictr", {}, "field not declared in schema"),
    ("serving", "ServingRuntime", "spec.containers.0.imag", "x", "field not declared in schema"),
    ("serving", "ServingRuntime", "spec.containers", REMOVE, "Required value"),
    ("pytorchjob", "PyTorchJob", "spec.nprocPerNode", 2, "expected string"),
    ("pytorchjob", "PyTorchJob", "spec.pytorchReplicaSpecs.Master.restartPolicies", "Never", "field not declared in schema"),
    ("trainjob", "TrainJob", "spec.runtimeRef.nam", "x", "field not declared in schema"),
    ("trainjob", "TrainJob", "spec.trainer.numNodes", "two", "got string"),
    ("scheduled", "ScheduledWorkflow", "status", REMOVE, "Required value"),
    ("storage", "ServiceAccount", "secret", [], "field not declared in schema"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if missing():
        pytest.skip(missing())
    if not CRDS.is_dir():
        pytest.skip("shared/crds is not there: the definitions are not part of the repository")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow-user"}})
        cluster.define(CRDS)
        yield cluster
    finally:
        cluster.stop()


def test_the_server_takes_every_resource(jetcal, cluster, tmp_path):
    taken = {}
    for name, resource in everything(jetcal, tmp_path):
        cluster.apply(resource, dry_run=True)  # strict; Refused fails the test with the server's words
        taken[fingerprint(resource)] = f"{resource['kind']} of {name}"
    kinds = {entry.split()[0] for entry in taken.values()}
    assert {"Experiment", "InferenceService", "PyTorchJob", "ScheduledWorkflow", "ServingRuntime", "TrainJob", "TrainingRuntime",
            "Workflow"} <= kinds
    print(f"{len(taken)} resources of {len(kinds)} kinds taken by kube-apiserver")
    if os.environ.get("JETCAL_RECORD"):
        write_record(taken)


def test_resources_are_stored_as_they_were_rendered(jetcal, cluster, tmp_path):
    for name, resource in everything(jetcal, tmp_path):
        if name != "serving" or resource["kind"] != "InferenceService":
            continue
        stored = cluster.apply(resource)
        assert stored["spec"]["predictor"]["model"] == resource["spec"]["predictor"]["model"]
        assert cluster.apply(resource)["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]  # changes nothing
        return
    pytest.fail("no InferenceService was rendered")


@pytest.mark.parametrize("name, kind, path, value, words", REFUSED)
def test_the_server_refuses_what_is_misspelt_or_of_a_wrong_type(jetcal, cluster, tmp_path, name, kind, path, value, words):
    resource = mutate(next(one for what, one in everything(jetcal, tmp_path) if what == name and one["kind"] == kind), path, value)
    with pytest.raises(Refused, match=words):
        cluster.apply(resource, dry_run=True)


def test_the_server_takes_a_bad_experiment_which_only_the_lint_refuses(jetcal, cluster, tmp_path):
    """Katib's definition has no schema, so that the lint is what stands between a mistake and the cluster."""
    experiment = next(one for _, one in everything(jetcal, tmp_path) if one["kind"] == "Experiment")
    experiment["spec"]["parallelTrialCount"] = 1000
    cluster.apply(experiment, dry_run=True)
    file = tmp_path / "experiment.json"
    file.write_text(json.dumps(experiment))
    result = jetcal.raw("pipeline", "lint", file)
    assert result.returncode == 2 and "must be at most maxTrialCount" in result.stdout
