# SPDX-License-Identifier: Apache-2.0
"""What a pipeline is written as for Kubernetes: against the real schemas, against kfp, against the rules of the webhooks."""

import copy
import json
import os
import pathlib
import re
import subprocess
import tempfile

import jsonschema
import pytest
import yaml

from conftest import JETCAL, ROOT
from rendered import kustomized

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


# Loops over a list, a parameter and what a step gives; a step beside another one, and one that gathers.
LOOPS = """
format: jetcal-pipeline/1
name: loops
parameters:
  seeds: {type: list, default: [3, 5]}
  limit: {type: integer, default: 4}
steps:
  - name: train
    for_each: parameters.seeds
    image: busybox
    command: [sh, -c, 'echo "$0" > "$1"; echo "$0" > "$2"', '${item}', '${outputs.model}', '${outputs.loss}']
    outputs: {model: {type: Model}, loss: {type: integer}}
    retries: 1
  - name: check
    for_each: train
    when: ${inputs.loss} < ${parameters.limit}
    image: busybox
    command: [sh, -c, 'sed s/^/good-/ "$0" > "$1"', '${inputs.model}', '${outputs.good}']
    inputs: {model: train.model, loss: train.loss}
    outputs: {good: {type: Model}}
  - name: scan
    for_each: [{rate: 0.5, name: low}, {rate: 2, name: high}]
    image: busybox
    environment: {NAME: '${item.name}'}
    command: [sh, -c, 'echo "$NAME $0" > "$1"', '${item.rate}', '${outputs.note}']
    outputs: {note: {type: string}}
  - name: list
    image: busybox
    command: [sh, -c, 'echo "$0 $1" > "$2"; echo "[1, 2]" > "$3"', 'all ${inputs.losses}', 'notes ${inputs.notes}', '${outputs.all}', '${outputs.more}']
    inputs: {losses: train.loss, notes: scan.note}
    outputs: {all: {type: Artifact}, more: {type: list}}
  - name: again
    for_each: list.more
    image: busybox
    command: [sh, -c, 'cat "$1"; echo "$0" > "$2"', '${item}', '${inputs.all}', '${outputs.n}']
    inputs: {all: list.all}
    outputs: {n: {type: string}}
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
    # Without a kind it would be looked for among those of the cluster; pods of jetcal-mpi are not the ones that Katib watches.
    assert (job["kind"], job["spec"]["runtimeRef"]) == (
        "TrainJob", {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": "jetcal-torch"})
    assert job["spec"]["trainer"]["resourcesPerNode"]["limits"]["nvidia.com/gpu"] == "1"
    on_cpus = render(jetcal, "paper", *flags, "--trial", "TrainJob")[0]["spec"]["trialTemplate"]
    assert on_cpus["trialSpec"]["spec"]["runtimeRef"]["name"] == "jetcal-torch"
    runtime = render(jetcal, "--format", "torch-runtime")[0]
    assert on_cpus["primaryPodLabels"]["jobset.sigs.k8s.io/replicatedjob-name"] in [
        one["name"] for one in runtime["spec"]["template"]["spec"]["replicatedJobs"]]


def test_training_on_cpus_starts_by_mpirun_and_ends_with_it(jetcal):
    flags = ["--bucket", "jets", "--endpoint", "https://s3.lab", "--workers", "3"]
    trainer = render(jetcal, "--format", "trainjob", *TRAIN, *flags)[0]["spec"]["trainer"]
    assert (trainer["command"], trainer["numNodes"]) == (["mpirun"], 3)
    # Its processes on other pods have these variables by ssh alone.
    assert trainer["args"] == ["-x", "AWS_ACCESS_KEY_ID", "-x", "AWS_SECRET_ACCESS_KEY", "-x", "AWS_ENDPOINT_URL",
                               "jetcal", "train", "--data", "s3://jets/shards"]
    assert render(jetcal, "--format", "trainjob", *TRAIN, "--gpus", "1")[0]["spec"]["trainer"]["command"] == ["jetcal"]
    runtime = render(jetcal, "--format", "mpi-runtime", *flags)[0]["spec"]
    jobs = runtime["template"]["spec"]
    assert jobs["successPolicy"] == {"operator": "All", "targetReplicatedJobs": ["launcher"]}  # sshd never ends
    node, launcher = jobs["replicatedJobs"]
    assert launcher["dependsOn"] == [{"name": "node", "status": "Ready"}]
    image = (ROOT / "deploy" / "Containerfile.train").read_text()
    user = int(re.search(r"useradd --uid (\d+) --create-home jetcal", image)[1])
    for job in (node, launcher):
        pod = job["template"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["fsGroup"] == user, "the controller's keys are for root and the group"
        assert {one["name"] for one in pod["containers"][0]["env"]} >= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    container = node["template"]["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][-1] == "/home/jetcal/.sshd_config" and "COPY deploy/sshd_config /home/jetcal/.sshd_config" in image
    settings = dict(line.split(None, 1) for line in (ROOT / "deploy" / "sshd_config").read_text().splitlines() if not line.startswith("#"))
    assert int(settings["Port"]) == container["readinessProbe"]["tcpSocket"]["port"]
    assert f"Port {settings['Port']}" in (ROOT / "deploy" / "ssh_config").read_text()
    assert settings["HostKey"] == runtime["mlPolicy"]["mpi"]["sshAuthMountPath"] + "/id_rsa"


def test_kustomize_is_complete_and_the_committed_one_is_current(jetcal, schemas, tmp_path):
    result = jetcal.raw("pipeline", "render", "--format", "kustomize", "--output", tmp_path / "deploy")
    assert result.returncode == 0, result.stderr
    files = {str(path.relative_to(tmp_path / "deploy")): path.read_text() for path in (tmp_path / "deploy").rglob("*.yaml")}
    base = yaml.safe_load(files["base/kustomization.yaml"])
    assert {f"base/{name}" for name in base["resources"]} | {"base/kustomization.yaml"} == {
        name for name in files if name.startswith("base/")}
    for name, resource in kustomized(jetcal, tmp_path / "again"):
        assert problems(schemas, resource) == [], name
    for overlay in ("cpu", "gpu"):
        assert yaml.safe_load(files[f"overlays/{overlay}/kustomization.yaml"])["resources"] == ["../../base"]
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
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
text = open(sys.argv[1]).read()
components.load_component_from_text(text)
spec = pipeline_spec_pb2.PipelineSpec()
documents = list(yaml.safe_load_all(text))
json_format.ParseDict(documents[0], spec, ignore_unknown_fields=False)
for platform in documents[1:]:
    for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig(), ignore_unknown_fields=False)
print(len(spec.root.dag.tasks))
"""


def test_kfp_loads_our_pipelines_strictly(jetcal, words, tmp_path):
    file = tmp_path / "ir.yaml"
    bucket = ["--bucket", "jets"]
    for pipeline, more, tasks in [("paper", [], 5), ("paper", bucket, 6), ("shards", bucket, 4), ("simulate", [], 6), (words, bucket, 4),
                                  (LOOPS, [], 4), (words, [], 3)]:
        if pipeline is LOOPS:
            pipeline = words.parent / "loops.yaml"
            pipeline.write_text(LOOPS)
        assert jetcal.raw("pipeline", "render", pipeline, "--format", "kfp", "--output", file, *more).returncode == 0
        assert int(kfp(LOAD, file)) == tasks
    executors = list(yaml.safe_load_all(file.read_text()))[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["exec-sort"]["secretAsEnv"][0]["secretName"] == "jetcal-s3"
    assert executors["exec-sort"]["pvcMount"][0]["mountPath"] == "/mnt/data" and executors["exec-score"]["activeDeadlineSeconds"] == 600


def test_kfp_gets_what_it_can_use(jetcal, words):
    """Its importers know object stores alone, and it replaces placeholders in commands, not in variables."""
    spec = render(jetcal, words, "--format", "kfp")[0]
    assert spec["root"]["inputDefinitions"]["parameters"]["words_path"]["defaultValue"] == "/mnt/data/words.txt"
    assert not [one for one in spec["deploymentSpec"]["executors"].values() if "importer" in one]
    container = spec["deploymentSpec"]["executors"]["exec-sort"]["container"]
    assert "env" not in container and container["command"] == ["env"]
    assert container["args"][:2] == ["RATE={{$.inputs.parameters['rate']}}", "sh"]
    stored = render(jetcal, words, "--format", "kfp", "--bucket", "jets")[0]
    assert stored["root"]["inputDefinitions"]["parameters"]["words_uri"]["defaultValue"] == "s3://jets/words.txt"
    assert "importer" in stored["deploymentSpec"]["executors"]["exec-import-words"]


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


LOOPS_OF_KFP = """
import sys
from typing import List
from kfp import compiler, dsl, kubernetes
from kfp.dsl import Artifact, Input, Model, Output

@dsl.container_component
def make(count: int, model: Output[Model], loss: dsl.OutputPath(float)):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'mkdir -p "$(dirname "$2")"; echo "$0" > "$1"; echo "$0.5" > "$2"'],
                             args=[count, model.path, loss])

@dsl.container_component
def check(model: Input[Model], n: int, good: Output[Model]):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'echo "$(cat "$0") is $1" > "$2"'], args=[model.path, n, good.path])

@dsl.container_component
def gather(losses: List[float], text: Output[Artifact]):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'echo "$0" > "$1"'], args=[losses, text.path])

@dsl.container_component
def items(items: dsl.OutputPath(list)):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'mkdir -p "$(dirname "$0")"; echo "[7, 8]" > "$0"'], args=[items])

@dsl.pipeline
def inner(count: int) -> Model:
    return make(count=count).outputs["model"]

@dsl.pipeline(name="loops-of-kfp")
def pipeline(seeds: list = [1, 2], limit: float = 2.0):
    with dsl.ParallelFor(seeds) as seed:
        made = kubernetes.set_timeout(make(count=seed), 20)
        with dsl.If(made.outputs["loss"] < limit):
            check(model=made.outputs["model"], n=seed)
    with dsl.ParallelFor([{"a": 10, "b": 3}, {"a": 20, "b": 4}]) as pair:
        first, second = make(count=pair.a), make(count=pair.b)
        check(model=first.outputs["model"], n=pair.b).after(second)
    gather(losses=dsl.Collected(made.outputs["loss"]))
    with dsl.ParallelFor(items().output) as number:
        make(count=number)
    nested = inner(count=9)
    check(model=nested.output, n=1)

compiler.Compiler().compile(pipeline, sys.argv[1])
"""


def test_loops_conditions_in_them_and_pipelines_in_pipelines_of_kfp_run_here(jetcal, tmp_path):
    file = tmp_path / "loops.yaml"
    kfp(LOOPS_OF_KFP, file)
    result = jetcal("pipeline", "run", file, "--directory", tmp_path / "runs", "--cores", 2)
    assert result["state"] == "finished"
    steps = {step["step"]: step for step in result["steps"]}

    def text(step, output):
        return pathlib.Path(steps[step]["paths"][output]).read_text().strip()

    assert [text(f"make[{i}]", "model") for i in (0, 1)] == ["1", "2"]
    assert (text("check[0]", "good"), steps["check[1]"]["state"]) == ("1 is 1", "skipped"), "a condition holds for its own item"
    assert [text(f"make-2[{i}]", "model") for i in (0, 1)] == ["10", "20"], "fields of items"
    assert [text(f"check-2[{i}]", "good") for i in (0, 1)] == ["10 is 3", "20 is 4"]
    assert text("gather", "text") == "[1.5,2.5]"
    assert sorted(one.get("outputs", {}).get("loss", 0) for name, one in steps.items() if name.startswith("make-4")) == [7.5, 8.5]
    assert "9 is 1" in [text(name, "good") for name, one in steps.items() if "good" in one.get("paths", {})], sorted(steps)


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


def test_our_loops_run_here_as_kfp_has_them(jetcal, tmp_path):
    (tmp_path / "loops.yaml").write_text(LOOPS)
    file = tmp_path / "ir.yaml"
    assert jetcal.raw("pipeline", "render", tmp_path / "loops.yaml", "--format", "kfp", "--output", file).returncode == 0
    results = [jetcal("pipeline", "run", one, "--directory", tmp_path / one.stem, "--cores", 2) for one in (tmp_path / "loops.yaml", file)]
    ours, theirs = ({step["step"]: (step["state"], step.get("outputs")) for step in result["steps"]} for result in results)
    # A list inside of a word is joined by commas here, and is JSON there.
    texts = [pathlib.Path(next(step for step in result["steps"] if step["step"] == "list")["paths"]["all"]).read_text() for result in results]
    assert texts == ["all 3,5 notes low 0.5,high 2\n", 'all [3,5] notes ["low 0.5","high 2"]\n']
    for both in (ours, theirs):
        del both["list"]
    assert ours == theirs and ours["check[1]"] == ("skipped", None) and ours["again[1]"][1] == {"n": "2"}


def test_a_loop_that_waits_for_what_waits_for_it_is_refused_for_kfp(jetcal, tmp_path):
    file = tmp_path / "tangled.yaml"
    file.write_text("""
format: jetcal-pipeline/1
name: tangled
steps:
  - {name: a, for_each: [1, 2], command: [sh, -c, 'echo 1 > "$0"', '${outputs.n}'], outputs: {n: {type: integer}}}
  - {name: b, command: [sh, -c, 'echo "$0"', 'x${inputs.all}'], inputs: {all: a.n}}
  - {name: c, for_each: a, command: 'true', after: [b]}
""")
    status, message = jetcal.fails("pipeline", "render", file, "--format", "kfp")
    assert status != 0 and "the step 'c' waits for 'b', which waits for steps of the same loop" in message
    assert jetcal("pipeline", "run", file, "--directory", tmp_path / "runs")["state"] == "finished"


def test_argo_waits_between_tries_and_knows_the_item_everywhere(jetcal, tmp_path):
    (tmp_path / "items.yaml").write_text("""
format: jetcal-pipeline/1
name: items
steps:
  - name: each
    for_each: [{a: 1, b: x}, {a: 2, b: y}]
    image: busybox
    command: [sh, -c, 'cat note; echo "$A"']
    environment: {A: '${item.a}'}
    files: {note: 'for ${item.b}'}
    retries: {limit: 3, delay: 2s, factor: 2, max_delay: 1m}
    time_limit: 90s
""")
    spec = render(jetcal, tmp_path / "items.yaml", "--format", "argo")[0]["spec"]
    task, = spec["templates"][0]["dag"]["tasks"]
    assert task["arguments"]["parameters"] == [{"name": "item-a", "value": "{{item.a}}"}, {"name": "item-b", "value": "{{item.b}}"}]
    each = spec["templates"][1]
    assert each["inputs"]["parameters"] == [{"name": "item-a"}, {"name": "item-b"}] and each["activeDeadlineSeconds"] == 90
    # maxDuration would bound all tries together, a long first one included.
    assert each["retryStrategy"]["backoff"] == {"duration": "2", "factor": "2", "cap": "60"}


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
    ("spec.predictor.maxReplicas", -1, "whole number from 0"), ("spec.predictor.containerConcurrency", -1, "cannot be below 0"),
    ("spec.predictor.logger", {"mode": "some"}, "one of all, request, response"), ("spec.predictor.model.name", "mine", "is not allowed"),
    ("spec.predictor.model.protocolVersion", "v3", "one of grpc-v1, grpc-v2, v1, v2"),
    ("spec.predictor.storageUris", [{"uri": "s3://a/b"}], "both storageUri and storageUris"),
    ("spec.predictor.storageUris", [{"uri": "s3://a/b", "mountPath": "/mnt/../etc"}], "without '..'"),
    ("spec.predictor.containers", [{"name": "kserve-container"}], "exactly one of"),
    ("spec.predictor.containers", [{"name": "transformer-container", "env": [{"name": "STORAGE_URI", "value": "s3://a"}]}], "cannot have STORAGE_URI"),
    ("spec.predictor.workerSpec", {"pipelineParallelSize": 0}, "pipelineParallelSize cannot be below 1"),
    ("spec.predictor.workerSpec", {"containers": [{}, {}]}, "takes one container"),
    ("spec.transformer", {"minReplicas": 1}, "spec.transformer must have exactly one of containers, got 0"),
    ("spec.transformer", {"containers": [{"name": "kserve-container"}], "minReplicas": 3, "maxReplicas": 2}, "spec.transformer.minReplicas cannot exceed"),
    ("metadata.annotations", {"serving.kserve.io/autoscalerClass": "vpa"}, "one of external, hpa, keda, none"),
    ("metadata.annotations", {"serving.kserve.io/deploymentMode": "Serverful"}, "is unknown"),
]
HPA = {"serving.kserve.io/deploymentMode": "Standard", "serving.kserve.io/autoscalerClass": "hpa"}
KNATIVE = {"serving.kserve.io/deploymentMode": "Knative"}
SCALING = [
    (HPA, {"scaleMetric": "cpu", "scaleTarget": 80}, None), (HPA, {"scaleMetric": "rps"}, "one of cpu, memory"),
    (HPA, {"scaleTarget": 120}, "percentage from 1 to 100"), (HPA | {"serving.kserve.io/autoscalerClass": "keda"}, {"scaleMetric": "cpu"}, "not for the autoscaler keda"),
    (KNATIVE, {"scaleMetric": "rps", "scaleTarget": 10}, None), (KNATIVE, {"scaleMetric": "cpu"}, "one of concurrency, rps"),
    (KNATIVE, {"scaleMetric": "rps", "scaleTarget": 0}, "at least 1"), (KNATIVE, {"deploymentStrategy": {}}, "mode Standard alone"),
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
    for change, found in [({}, True), ({"priority": 3}, False), ({"autoSelect": False}, False)]:
        other["spec"]["supportedModelFormats"] = [{"name": "onnx", "version": "1", "autoSelect": True, "priority": 2} | change]
        (tmp_path / "b.yaml").write_text(json.dumps(other))
        findings = json.loads(jetcal.raw("pipeline", "lint", tmp_path / "a.yaml", tmp_path / "b.yaml", "--json").stdout)["findings"]
        assert ["the same priority, 2, for the model format onnx 1" in one["finding"] for one in findings] == [True] * found
    runtime["spec"]["supportedModelFormats"].append({"name": "onnx", "version": "2", "autoSelect": True, "priority": 5})
    assert "has two priorities, 2 and 5" in lint(jetcal, tmp_path, runtime)[0]
    runtime["spec"]["supportedModelFormats"].pop()
    runtime["spec"]["workerSpec"] = {"tensorParallelSize": 0}
    assert "tensorParallelSize cannot be below 1" in lint(jetcal, tmp_path, runtime)[0]


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
