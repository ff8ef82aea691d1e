# SPDX-License-Identifier: Apache-2.0
"""What a pipeline is written as for Kubernetes: against the real schemas, against kfp, against the rules of the webhooks."""

import copy
import json
import os
import pathlib
import subprocess
import tempfile

import jsonschema
import pytest
import yaml

from conftest import JETCAL, ROOT

CRDS = ROOT.parent / "shared" / "crds"
KFP = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "python-kfp" / "bin" / "python"
FORMATS = ["argo", "pytorchjob", "trainjob", "torch-runtime", "mpi-runtime", "serving", "storage"]
TRAIN = ["--command", "jetcal", "--command", "train", "--command=--data", "--command", "s3://jets/shards"]

PIPELINE = """
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


def render(jetcal, *words):
    result = jetcal.raw("pipeline", "render", *words)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


@pytest.fixture
def words(tmp_path):
    (tmp_path / "words.txt").write_text("pear\napple\n")
    path = tmp_path / "words.yaml"
    path.write_text(PIPELINE)
    return path


def strict(schema):
    """The OpenAPI schema of a CRD as JSON Schema that refuses unknown fields, as strict server-side validation does."""
    if isinstance(schema, list):
        return [strict(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: ({name: strict(inner) for name, inner in value.items()} if key == "properties" else strict(value))
              for key, value in schema.items() if not key.startswith("x-") and key != "format"}
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "properties" in result and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


@pytest.fixture(scope="session")
def schemas():
    if not CRDS.is_dir():
        pytest.skip("shared/crds is not there: the schemas are not part of the repository")
    found = {}
    for path in sorted(CRDS.rglob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                # What Kubernetes itself checks, and what kinds without a schema hold.
                schema.setdefault("properties", {}).update(metadata={"type": "object"}, apiVersion={"type": "string"},
                                                           kind={"type": "string"})
                found[f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]] = schema
    return found


def problems(schemas, resource):
    schema = schemas.get((resource["apiVersion"], resource["kind"]))
    if schema is None:
        assert resource["apiVersion"] in ("v1", "kustomize.config.k8s.io/v1beta1"), resource
        return []
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in jsonschema.Draft202012Validator(schema).iter_errors(resource)]


@pytest.mark.parametrize("flags", [[], ["--bucket", "jets", "--endpoint", "http://minio:9000", "--gpus", "2", "--workers", "3"],
                                   ["--runtime", "triton", "--canary", "10", "--min-replicas", "0"]])
def test_every_resource_meets_its_schema_and_the_lint(jetcal, schemas, words, tmp_path, flags):
    kinds = set()
    for form in [*FORMATS, "scheduled"]:
        for resource in render(jetcal, words, "--format", form, *TRAIN, *flags):
            assert problems(schemas, resource) == [], form
            kinds.add(resource["kind"])
            file = tmp_path / "resource.yaml"
            file.write_text(yaml.safe_dump(resource))
            assert jetcal("pipeline", "lint", file)["findings"] == []
    assert {"Workflow", "ScheduledWorkflow", "PyTorchJob", "TrainJob", "TrainingRuntime", "ServingRuntime", "InferenceService",
            "ServiceAccount"} <= kinds


def test_the_schemas_refuse_misspelt_fields_and_wrong_types(jetcal, schemas):
    service = render(jetcal, "--format", "serving")[1]
    for path, value in [(("spec", "predictor", "maxReplicas"), "3"), (("spec", "predictor", "modl"), {}),
                        (("spec", "predictor", "model", "modelFormats"), []), (("spec", "predictr"), {})]:
        mutant = copy.deepcopy(service)
        node = mutant
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
        assert problems(schemas, mutant), path
    job = render(jetcal, "--format", "pytorchjob", *TRAIN)[0]
    job["spec"]["nprocPerNode"] = 2
    assert problems(schemas, job)


def variables(container):
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", [])}


def test_the_search_becomes_an_experiment(jetcal, schemas, tmp_path):
    flags = ["--format", "experiment", "--set", "trials=60", "--set", "parallel=10", "--set", "epochs=50"]
    file = tmp_path / "experiment.yaml"
    for more, where in [([], "/mnt/data/shards"), (["--bucket", "jets", "--endpoint", "https://s3.lab"], "s3://jets/shards")]:
        experiment, = render(jetcal, "paper", *flags, *more)
        spec = experiment["spec"]
        assert (spec["maxTrialCount"], spec["parallelTrialCount"], experiment["metadata"]["name"]) == (60, 10, "pfn")
        pod = spec["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]
        script = pod["containers"][0]["command"][2]
        assert f"directory: {where}" in script and "epochs: 50" in script and "${trialParameters.lr}" in script
        if more:
            assert variables(pod["containers"][0]) == {
                "AWS_ENDPOINT_URL": "https://s3.lab",
                **{name: {"secretKeyRef": {"name": "jetcal-s3", "key": name}} for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}}
        else:
            assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "jetcal-data"}
        file.write_text(json.dumps(experiment))
        assert problems(schemas, spec["trialTemplate"]["trialSpec"] | {"metadata": {"name": "t"}}) == []
        assert jetcal("pipeline", "lint", file)["findings"] == []
    job = render(jetcal, "paper", *flags, "--trial", "TrainJob", "--gpus", "1")[0]["spec"]["trialTemplate"]["trialSpec"]
    assert (job["kind"], job["spec"]["runtimeRef"]) == ("TrainJob", {"name": "jetcal-torch"})
    assert job["spec"]["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "1"


def test_kustomize_is_complete_and_the_committed_one_is_current(jetcal, schemas, tmp_path):
    result = jetcal.raw("pipeline", "render", "--format", "kustomize", "--output", tmp_path / "deploy")
    assert result.returncode == 0, result.stderr
    files = {str(path.relative_to(tmp_path / "deploy")): path.read_text() for path in (tmp_path / "deploy").rglob("*.yaml")}
    base = yaml.safe_load(files["base/kustomization.yaml"])
    assert {f"base/{name}" for name in base["resources"]} | {"base/kustomization.yaml"} == {
        name for name in files if name.startswith("base/")}
    by_kind = {}
    for name in base["resources"]:
        resource = yaml.safe_load(files[f"base/{name}"])
        assert problems(schemas, resource) == [], name
        by_kind[resource["kind"], resource["metadata"]["name"]] = resource
    for overlay in ("cpu", "gpu"):
        kustomization = yaml.safe_load(files[f"overlays/{overlay}/kustomization.yaml"])
        assert kustomization["resources"] == ["../../base"]
        for patch in kustomization["patches"]:
            node = copy.deepcopy(by_kind[patch["target"]["kind"], patch["target"]["name"]])
            resource = node
            for operation in json.loads(patch["patch"]):
                parts = operation["path"].strip("/").split("/")
                place = resource
                for part in parts[:-1]:
                    place = place[int(part)] if isinstance(place, list) else place[part]
                assert parts[-1] in place, "a replace needs the field"
                place[parts[-1]] = operation["value"]
            assert problems(schemas, resource) == []
    for name, text in files.items():
        assert (ROOT / "deploy" / name).read_text() == text, f"deploy/{name}: jetcal pipeline render --format kustomize --output deploy"


def test_no_secret_value_is_ever_written(jetcal, words):
    environment = dict(os.environ, AWS_SECRET_ACCESS_KEY="tops3cret")
    for form in [*FORMATS, "kfp", "scheduled"]:
        result = jetcal.raw("pipeline", "render", words, "--format", form, "--bucket", "jets", env=environment)
        assert result.returncode == 0 and "tops3cret" not in result.stdout


def kfp(script, *arguments):
    if not KFP.exists():
        pytest.skip("kfp is not installed: tools/setup.py test")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:  # kfp reads the source of components
        file.write(script)
        file.flush()
        result = subprocess.run([KFP, file.name, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


LOAD = """
import sys, yaml
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2
text = open(sys.argv[1]).read()
components.load_component_from_text(text)
spec = pipeline_spec_pb2.PipelineSpec()
json_format.ParseDict(next(yaml.safe_load_all(text)), spec, ignore_unknown_fields=False)
print(len(spec.root.dag.tasks))
"""


def test_kfp_loads_our_pipelines_strictly(jetcal, words, tmp_path):
    file = tmp_path / "ir.yaml"
    for pipeline, tasks in [("paper", 6), ("shards", 4), ("simulate", 6), (words, 4)]:
        assert jetcal.raw("pipeline", "render", pipeline, "--format", "kfp", "--output", file).returncode == 0
        assert int(kfp(LOAD, file)) == tasks
    secrets = list(yaml.safe_load_all(file.read_text()))[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert secrets["exec-sort"]["secretAsEnv"][0]["secretName"] == "jetcal-s3"


COMPILE = """
import sys
from kfp import compiler, dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

@dsl.container_component
def make(count: int, data: Output[Dataset]):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'seq $0 > "$1"'], args=[count, data.path])

@dsl.container_component
def train(data: Input[Dataset], rate: float, tag: str, model: Output[Model], loss: dsl.OutputPath(float)):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'mkdir -p "$(dirname "$4")"; cat "$0" > "$3"; echo $1 $2 >> "$3"; echo $1 > "$4"'],
                             args=[data.path, rate, dsl.ConcatPlaceholder(["tag-", tag]), model.path, loss])

@dsl.container_component
def report(model: Input[Model], loss: float, text: Output[Artifact], title: str = "none"):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'echo "$0 $1" > "$2"; cat "$3" >> "$2"'],
                             args=[title, loss, text.path, model.path])

@dsl.pipeline(name="three-steps")
def pipeline(count: int = 3, rate: float = 0.25, publish: bool = True):
    made = make(count=count)
    trained = train(data=made.outputs["data"], rate=rate, tag=f"n{count}").set_retry(2).set_memory_limit("256M").set_cpu_limit("1")
    with dsl.If(trained.outputs["loss"] < 0.5):
        report(model=trained.outputs["model"], loss=trained.outputs["loss"])
    with dsl.ParallelFor([1, 2]) as item:
        make(count=item)

compiler.Compiler().compile(pipeline, sys.argv[1])
"""


def test_a_pipeline_that_kfp_compiled_runs_here(jetcal, tmp_path):
    file = tmp_path / "three.yaml"
    kfp(COMPILE, file)
    result = jetcal("pipeline", "run", file, "--directory", tmp_path / "runs", "--cores", 2)
    steps = {step["step"]: step for step in result["steps"]}
    assert result["state"] == "finished" and set(steps) == {"make", "train", "report", "make-2[0]", "make-2[1]"}
    assert pathlib.Path(steps["train"]["paths"]["model"]).read_text() == "1\n2\n3\n0.25 tag-n3\n"
    assert pathlib.Path(steps["report"]["paths"]["text"]).read_text().splitlines()[0] == "none 0.25"
    assert pathlib.Path(steps["make-2[1]"]["paths"]["data"]).read_text() == "1\n2\n"
    again = jetcal("pipeline", "run", file, "--directory", tmp_path / "runs", "--set", "rate=0.75")
    states = {step["step"]: step["state"] for step in again["steps"]}
    assert states == {"make": "cached", "train": "finished", "report": "skipped", "make-2[0]": "cached", "make-2[1]": "cached"}


def test_python_function_components_are_refused_by_name(jetcal, tmp_path):
    file = tmp_path / "python.yaml"
    kfp("""
import sys
from kfp import compiler, dsl
@dsl.component
def add(a: int) -> int:
    return a + 1
@dsl.pipeline(name="python")
def pipeline():
    add(a=1)
compiler.Compiler().compile(pipeline, sys.argv[1])
""", file)
    status, message = jetcal.fails("pipeline", "run", file, "--directory", tmp_path / "runs")
    assert status == 2 and "'add'" in message and "container components" in message and str(file) in message


def test_our_own_ir_runs_here_as_the_pipeline_it_came_from(jetcal, words, tmp_path):
    file = words.parent / "ir.yaml"
    assert jetcal.raw("pipeline", "render", words, "--format", "kfp", "--output", file).returncode == 0
    environment = dict(os.environ, PATH=f"{pathlib.Path(JETCAL).parent}:{os.environ['PATH']}")
    here = jetcal("pipeline", "run", words, "--directory", tmp_path / "a", "--gpus", 1)
    there = jetcal("pipeline", "run", file, "--directory", tmp_path / "b", "--gpus", 1, env=environment)
    ours, theirs = ({step["step"]: step.get("outputs") for step in result["steps"]} for result in (here, there))
    assert ours == theirs and ours["score"]["loss"] == 0.5


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
REMOVE = object()
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
]


def mutate(resource, path, value):
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


@pytest.mark.parametrize("flags, sentence", [
    (["--format", "helm"], "the format is one of"), (["shards", "--format", "experiment", "--trial", "Pod"], "PyTorchJob or TrainJob"), (["--namespace", "A b"], "the namespace must be a name"),
    (["--canary", "120"], "0 to 100 percent"), (["--min-replicas", "4"], "there cannot be 4 to 3 replicas"),
    (["--runtime", "torchserve"], "the runtime is jetcal or triton"), (["--format", "scheduled"], "has no field 'recurring'"),
    (["--format", "kustomize"], "needs --output"), (["--set", "epochs=0"], "must be at least 1, got 0"),
])
def test_mistakes_of_render_are_one_sentence(jetcal, flags, sentence):
    status, message = jetcal.fails("pipeline", "render", *flags)
    assert status == 2 and sentence in message, message


def test_exec_brings_outputs_to_where_the_cluster_looks(jetcal, tmp_path):
    result = jetcal.raw("pipeline", "exec", "--work", tmp_path / "work", "--file", "in/x.txt=hello", "--output",
                        f"-#best.0.loss={tmp_path}/o/loss", "--output", f"in/x.txt={tmp_path}/o/copy", "--output",
                        f"-#best.0.folder/x.txt={tmp_path}/o/named", "--", "sh", "-c",
                        """echo '{"best": [{"loss": 0.5, "folder": "in"}]}'""")
    assert result.returncode == 0, result.stderr
    assert [(tmp_path / "o" / name).read_text() for name in ("loss", "copy", "named")] == ["0.5", "hello", "hello"]
    assert jetcal.raw("pipeline", "exec", "--work", tmp_path / "w", "--", "sh", "-c", "exit 7").returncode == 7
    status, message = jetcal.fails("pipeline", "exec", "--work", tmp_path / "v", "--output", f"gone={tmp_path}/x", "--", "true")
    assert status == 1 and "ended without its output" in message
