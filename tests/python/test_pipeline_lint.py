# SPDX-License-Identifier: Apache-2.0
"""What jetcal pipeline lint finds: what the webhooks of Katib and KServe refuse, and mistakes of pipelines."""

import json

import pytest

from rendered import REMOVE, mutate, render

# The rules of Katib's webhook (section 1 of its documentation of v1beta1), each broken once.
EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "search", "namespace": "user"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "validation_loss", "additionalMetricNames": ["test_loss"]},
        "algorithm": {"algorithmName": "random"}, "parallelTrialCount": 3, "maxTrialCount": 12, "maxFailedTrialCount": 3,
        "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "1e-5", "max": "1e-2", "distribution": "logUniform"}},
                       {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": ["adam", "ranger"]}}],
        "metricsCollectorSpec": {"collector": {"kind": "StdOut"}},
        "trialTemplate": {
            "primaryContainerName": "training",
            "trialParameters": [{"name": "lr", "reference": "lr"}, {"name": "optimizer", "reference": "optimizer"}],
            "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "training", "image": "jetcal", "command": ["jetcal", "train", "--lr", "${trialParameters.lr}", "--optimizer",
                                                                   "${trialParameters.optimizer}"]}]}}}}}}}
MUTANTS = [  # test_tune_katib.py has all of the rules
    ("metadata.name", "a" * 41, "at most 40"), ("spec.objective.type", "smallest", "minimize or maximize"),
    ("spec.parallelTrialCount", 20, "spec.parallelTrialCount: must be at most maxTrialCount (12), is 20"),
    ("spec.metricsCollectorSpec.collector.kind", "Guess", "is 'Guess'"), ("spec.parameters.0.feasibleSpace.min", "1", "below max"),
    ("spec.parameters.0.feasibleSpace.max", 0.01, "must be text"), ("spec.parameters.1.feasibleSpace.list", [], "must be given"),
    ("spec.parameters.1.name", "lr", "there twice"), ("spec.trialTemplate.primaryContainerName", "other", "no container of the trialSpec"),
    ("spec.trialTemplate.trialSpec", REMOVE, "one of trialSpec and configMap"),
    ("spec.trialTemplate.trialSpec.metadata", {"name": "mine"}, "must be left out: Katib gives it"),
]
SERVICE_MUTANTS = [
    ("metadata.name", "Optimal", "name of a-z"), ("spec.predictor.minReplicas", 5, "cannot exceed maxReplicas (3), got 5"),
    ("spec.predictor.minReplicas", -1, "whole number from 0"), ("spec.predictor.minReplicas", 0, "only Knative scales to zero"),
    ("spec.predictor.canaryTrafficPercent", 10, "no effect"), ("spec.predictor.model.storageUri", "ftp://x/y", "storage initializer"),
    ("spec.predictor.triton", {}, "exactly one of"), ("spec.predictor.model.modelFormat", {}, "modelFormat.name"),
    ("spec.predictor", REMOVE, "spec.predictor must be specified"), ("metadata.name", REMOVE, "metadata.name is missing"),
    ("spec.predictor.maxReplicas", -1, "whole number from 0"), ("spec.predictor.containerConcurrency", -1, "cannot be below 0"),
    ("spec.predictor.logger", {"mode": "some"}, "one of all, request, response"), ("spec.predictor.model.name", "mine", "is not allowed"),
    ("spec.predictor.model.protocolVersion", "v3", "one of grpc-v1, grpc-v2, v1, v2"),
    ("spec.predictor.storageUris", [{"uri": "s3://a/b"}], "both storageUri and storageUris"),
    ("spec.predictor.storageUris", [{"uri": "s3://a/b", "mountPath": "/mnt/../etc"}], "without '..'"),
    ("spec.predictor.storageUris", [{"uri": "s3://a/b", "mountPath": ""}], "must be a folder from /"),
    ("spec.predictor.containers", [{"name": "kserve-container"}], "exactly one of"),
    ("spec.predictor.containers", [{"name": "transformer-container", "env": [{"name": "STORAGE_URI", "value": "s3://a"}]}], "cannot have STORAGE_URI"),
    ("spec.predictor.workerSpec", {"pipelineParallelSize": 0}, "pipelineParallelSize cannot be below 1"),
    ("spec.predictor.workerSpec", {"containers": [{}, {}]}, "takes one container"),
    ("spec.transformer", {"minReplicas": 1}, "spec.transformer must have exactly one of containers, got 0"),
    ("spec.transformer", {"containers": [{"name": "kserve-container"}], "minReplicas": 3, "maxReplicas": 2}, "spec.transformer.minReplicas cannot exceed"),
    ("spec.predictor.model.env", [{"name": "PYTHONPATH", "value": "/tmp"}], "spec.predictor.model.env: KServe lets no container set PYTHONPATH"),
    ("spec.predictor.containers", [{"name": "transformer-container", "env": [{"name": "PYTHONPATH"}]}], "spec.predictor.containers.env: KServe lets"),
    ("spec.predictor.initContainers", [{"env": [{"name": "A"}, {"name": "PYTHONPATH"}]}], "spec.predictor.initContainers.env: KServe lets"),
    ("spec.predictor.workerSpec", {"initContainers": [{"env": [{"name": "PYTHONPATH"}]}]}, "spec.predictor.workerSpec.initContainers.env: KServe lets"),
    ("spec.transformer", {"containers": [{"env": [{"name": "PYTHONPATH"}]}]}, "spec.transformer.containers.env: KServe lets"),
    ("spec.explainer", {"art": {"type": "SquareAttack", "env": [{"name": "PYTHONPATH"}]}}, "spec.explainer.art.env: KServe lets"),
    ("spec.predictor", {"containers": [{"env": [{"name": "PROTOCOL", "value": "v3"}]}]}, "variable PROTOCOL of the first one must be one of v1, v2, got v3"),
    ("spec.predictor", {"containers": [{"name": "kserve-container", "env": [{"name": "STORAGE_URI", "value": "s3://a/b"}]}], "storageUris": [{"uri": "s3://a/c"}]},
     "both storageUri and storageUris"),
    ("spec.transformer", {"containers": [{"env": [{"name": "STORAGE_URI", "value": "s3://a/b"}]}], "storageUris": [{"uri": "s3://a/c"}]},
     "spec.transformer has both storageUri and storageUris"),
    ("spec.predictor.model.confidential", {"enabled": True, "resourceId": "kbs:///keys/model"}, "resourceId must be kbs:///REPOSITORY/TYPE/TAG, got kbs:///keys/model"),
    ("spec.predictor.model.confidential", {"enabled": True, "resourceId": "kbs:///a/b/c?d"}, "resourceId must be"),
    ("spec.predictor.model.confidential", {"enabled": True, "resourceId": "kbs://a/b/c/d"}, "resourceId must be"),
    ("spec.predictor", {"model": {"modelFormat": {"name": "onnx"}, "confidential": {"enabled": True}}}, "spec.predictor.model.confidential needs storageUri"),
    ("spec.predictor", {"triton": {"storageUri": "", "confidential": {"enabled": True}}}, "spec.predictor.triton.confidential needs storageUri"),
    ("spec.predictor", {"triton": {"storageUri": "pvc://a/b", "confidential": {"enabled": True}}}, "has no effect on pvc://a/b"),
    ("metadata.annotations", {"serving.kserve.io/autoscalerClass": "vpa"}, "one of external, hpa, keda, none"),
    ("metadata.annotations", {"serving.kserve.io/deploymentMode": "Serverful"}, "is unknown"),
]
HPA = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": "hpa"}
KEDA = HPA | {"serving.kserve.io/autoscalerClass": "keda"}
KNATIVE = {"serving.kserve.io/deploymentMode": "Knative"}


def metrics(*each):
    return {"autoScaling": {"metrics": list(each)}}


def resource(name, **target):
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def outside(**target):
    return {"type": "External", "external": {"metric": {"backend": "prometheus", "serverAddress": "http://p", "query": "sum(x)"}, "target": target}}


def pods(query="avg(x)", **target):
    return {"type": "PodMetric", "podmetric": {"metric": {"backend": "opentelemetry", "metricNames": ["x"], "query": query}, "target": target}}


SCALING = [
    (HPA, {"scaleMetric": "cpu", "scaleTarget": 80}, None), (HPA, {"scaleMetric": "rps"}, "one of cpu, memory"),
    (HPA, {"scaleTarget": 120}, "percentage from 1 to 100"), (KEDA, {"scaleMetric": "cpu"}, "not for the autoscaler keda"),
    (KNATIVE, {"scaleMetric": "rps", "scaleTarget": 10}, None), (KNATIVE, {"scaleMetric": "cpu"}, "one of concurrency, rps"),
    (KNATIVE, {"scaleMetric": "rps", "scaleTarget": 0}, "at least 1"), (KNATIVE, {"deploymentStrategy": {}}, "mode Standard alone"),
    (KNATIVE | {"autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev"}, {"scaleMetric": "cpu"}, None),
    (HPA, metrics(resource("cpu", type="Utilization", averageUtilization=80)), None), (HPA, metrics({"type": "Resource"}), ".resource must be there"),
    (HPA, metrics(outside(type="Value", value="4")), "autoScaling.metrics.type must be Resource for the autoscaler hpa, got External"),
    (KEDA, metrics(resource("cpu", type="Utilization", averageUtilization=80), resource("memory", type="AverageValue", averageValue="2Gi"),
                   outside(type="AverageValue", value=4, averageValue="4"), pods(type="Value", value="4")), None),
    (KEDA, metrics({"type": "Object"}), "one of External, PodMetric, Resource for the autoscaler keda, got Object"),
    (KEDA, metrics({"type": "Resource"}), ".resource must be there for the type Resource"),
    (KEDA, metrics(resource("cpu", type="AverageValue", averageValue="1")), "of cpu must be Utilization, got AverageValue"),
    (KEDA, metrics(resource("memory", type="Value", value="2Gi")), "of memory must be AverageValue or Utilization, got Value"),
    (KEDA, metrics(resource("memory", type="AverageValue", averageValue="512Ki")), "of memory must be at least 1Mi, got 512Ki"),
    (KEDA, metrics(resource("disk", type="Utilization", averageUtilization=80)), "must be cpu or memory, got disk"),
    (KEDA, metrics(resource("cpu", type="Utilization")), "averageUtilization must be there for the type Utilization"),
    (KEDA, metrics(resource("cpu", type="Utilization", averageUtilization=101)), "averageUtilization is a percentage from 1 to 100, got 101"),
    (KEDA, metrics({"type": "External"}), ".external must be there for the type External"),
    (KEDA, metrics(outside(type="AverageValue", averageValue="4")), ".external.target.value must be there: it is the threshold"),
    (KEDA, metrics(outside(type="AverageValue", value="4")), ".external.target.averageValue must be there for the type AverageValue"),
    (KEDA, metrics({"type": "PodMetric"}), ".podmetric must be there for the type PodMetric"),
    (KEDA, metrics(pods("", type="Value", value="4")), ".podmetric.metric.query must be there"),
    (KEDA, metrics(pods(type="Value")), ".podmetric.target.value must be there"),
]


def lint(jetcal, tmp_path, resource):
    file = tmp_path / "resource.yaml"
    file.write_text(json.dumps(resource))  # JSON is YAML, and keeps "1e-5" text
    result = jetcal.raw("pipeline", "lint", file, "--json")
    findings = [one["finding"] for one in json.loads(result.stdout)["findings"]]
    assert result.returncode == (2 if findings else 0)
    return findings


def test_lint_takes_a_sound_experiment(jetcal, tmp_path):
    assert lint(jetcal, tmp_path, EXPERIMENT) == []


@pytest.mark.parametrize("path, value, words_of_it", MUTANTS)
def test_lint_refuses_what_katibs_webhook_refuses(jetcal, tmp_path, path, value, words_of_it):
    findings = lint(jetcal, tmp_path, mutate(EXPERIMENT, path, value))
    assert any(words_of_it in finding for finding in findings), findings


@pytest.mark.parametrize("path, value, words_of_it", SERVICE_MUTANTS)
def test_lint_refuses_what_kserves_webhook_refuses(jetcal, tmp_path, path, value, words_of_it):
    service = render(jetcal, "--format", "serving")[1]
    findings = lint(jetcal, tmp_path, mutate(service, path, value))
    assert any(words_of_it in finding for finding in findings), findings


@pytest.mark.parametrize("annotations, fields, words_of_it", SCALING)
def test_lint_holds_the_rules_of_scaling(jetcal, tmp_path, annotations, fields, words_of_it):
    service = render(jetcal, "--format", "serving")[1]
    service["metadata"]["annotations"] = annotations
    service["spec"]["predictor"].update(fields)
    findings = lint(jetcal, tmp_path, service)
    assert any(words_of_it in finding for finding in findings) if words_of_it else findings == [], findings


def test_lint_takes_a_container_beside_the_model(jetcal, tmp_path):
    service = render(jetcal, "--format", "serving")[1]
    service["spec"]["predictor"]["containers"] = [{"name": "transformer-container", "image": "x"}]
    assert lint(jetcal, tmp_path, service) == []


def test_lint_sees_runtimes_that_kserve_cannot_choose_between(jetcal, tmp_path):
    runtime = render(jetcal, "--format", "serving")[0]
    runtime["spec"]["supportedModelFormats"] = [{"name": "onnx", "version": "1", "autoSelect": True, "priority": 2}]
    other = mutate(runtime, "metadata.name", "other")
    (tmp_path / "a.yaml").write_text(json.dumps(runtime))
    (tmp_path / "account.yaml").write_text(json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "jetcal"}}))
    for change, found in [({}, True), ({"priority": 3}, False), ({"autoSelect": False}, False)]:
        other["spec"]["supportedModelFormats"] = [{"name": "onnx", "version": "1", "autoSelect": True, "priority": 2} | change]
        (tmp_path / "b.yaml").write_text(json.dumps(other))
        files = [tmp_path / name for name in ("a.yaml", "b.yaml", "account.yaml")]
        findings = json.loads(jetcal.raw("pipeline", "lint", *files, "--json").stdout)["findings"]
        assert ["the same priority, 2, for the model format onnx 1" in one["finding"] for one in findings] == [True] * found
        assert [(one["file"], one["line"]) for one in findings] == [(str(files[1]), 1)] * found
    runtime["spec"]["supportedModelFormats"].append({"name": "onnx", "version": "2", "autoSelect": True, "priority": 5})
    assert "has two priorities, 2 and 5" in lint(jetcal, tmp_path, runtime)[0]
    runtime["spec"]["supportedModelFormats"].pop()
    runtime["spec"]["workerSpec"] = {"tensorParallelSize": 0}
    assert "tensorParallelSize cannot be below 1" in lint(jetcal, tmp_path, runtime)[0]


def test_lint_holds_the_rules_of_variables_in_runtimes_and_of_several_nodes(jetcal, tmp_path):
    runtime, service = render(jetcal, "--format", "serving")
    blocked = [{"name": "PYTHONPATH", "value": "/tmp"}]
    assert "spec.containers.env: KServe lets no container set PYTHONPATH" in lint(jetcal, tmp_path, mutate(runtime, "spec.containers.0.env", blocked))[0]
    sizes = [{"name": "TENSOR_PARALLEL_SIZE", "value": "2"}]
    sized = mutate(runtime, "spec.containers.0.env", sizes)
    assert lint(jetcal, tmp_path, sized) == []
    sized["spec"]["workerSpec"] = {"containers": [{"name": "worker-container", "env": blocked}]}
    findings = lint(jetcal, tmp_path, sized)
    assert any("cannot have TENSOR_PARALLEL_SIZE beside workerSpec" in one for one in findings), findings
    assert any("spec.workerSpec.containers.env: KServe lets" in one for one in findings), findings
    service = mutate(mutate(service, "spec.predictor.model.env", sizes), "metadata.annotations", {"serving.kserve.io/autoscalerClass": "none"})
    assert lint(jetcal, tmp_path, service) == []
    service["spec"]["predictor"]["workerSpec"] = {}
    assert lint(jetcal, tmp_path, service) == [
        "InferenceService optimal: spec.predictor.model.env cannot have TENSOR_PARALLEL_SIZE beside workerSpec, whose fields say it"]


def test_lint_takes_a_model_that_lies_encrypted(jetcal, tmp_path):
    service = render(jetcal, "--format", "serving")[1]
    for confidential in ({"enabled": True}, {"enabled": True, "resourceId": "kbs:///keys/models_1.x/jet-2"}, {"enabled": False, "resourceId": "x"}):
        service["spec"]["predictor"]["model"] |= {"storageUri": "s3://a/b", "confidential": confidential}
        assert lint(jetcal, tmp_path, service) == []


def test_lint_refuses_an_mpi_runtime_that_never_ends(jetcal, tmp_path):
    runtime = render(jetcal, "--format", "mpi-runtime")[0]
    assert "must name the launcher" in lint(jetcal, tmp_path, mutate(runtime, "spec.template.spec.successPolicy", REMOVE))[0]


def test_lint_refuses_values_in_secrets_and_foreign_containers(jetcal, tmp_path):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3"}, "stringData": {"AWS_SECRET_ACCESS_KEY": "x"}}
    assert "holds values" in lint(jetcal, tmp_path, secret)[0]
    runtime = mutate(render(jetcal, "--format", "serving")[0], "spec.containers.0.name", "server")
    assert "kserve-container" in lint(jetcal, tmp_path, runtime)[0]


def test_lint_names_the_place_of_a_mistake_in_a_pipeline(jetcal, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("format: jetcal-pipeline/1\nname: bad\nsteps:\n  - {name: a, command: x, after: [b]}\n")
    result = jetcal.raw("pipeline", "lint", file)
    assert result.returncode == 2 and f"{file}:4:12: the step 'a' comes after the unknown step 'b'" in result.stdout
