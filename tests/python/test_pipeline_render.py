# SPDX-License-Identifier: Apache-2.0
"""What a pipeline is written as for Kubernetes: against the real schemas, and what a cluster needs to run it."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import jsonschema
import pytest
import yaml

from conftest import JETCAL, ROOT
from rendered import CRDS, GATHER, GATHERED, TRAIN, kustomized, mutate, render, write_words

FORMATS = ["argo", "pytorchjob", "trainjob", "torch-runtime", "mpi-runtime", "serving", "storage"]


@pytest.fixture
def words(tmp_path):
    return write_words(tmp_path)


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
    for path, value in [("spec.predictor.maxReplicas", "3"), ("spec.predictor.modl", {}), ("spec.predictor.model.modelFormats", []),
                        ("spec.predictr", {})]:
        assert problems(schemas, mutate(service, path, value)), path
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


def filled(node, values):
    """A template with Argo's variables replaced."""
    text = json.dumps(node)
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", json.dumps(value)[1:-1])
    assert "{{" not in text, text
    return json.loads(text)


class Argo:
    """Runs containers of a workflow one by one, and keeps what they give where its executor would: key by key, a folder file by file."""

    def __init__(self, spec, folder):
        self.templates = {one["name"]: one for one in spec["templates"]}
        self.folder, self.store, self.pods = folder, folder / "store", iter(range(100, 0, -1))

    def run(self, name, parameters, ends=True):
        """One attempt of a pod; its output parameters, or nothing where it ends badly behind its outputs."""
        pod = f"gather-{name}-{next(self.pods)}"
        values = {"pod.name": pod, "workflow.uid": "u-1"} | {f"inputs.parameters.{key}": value for key, value in parameters.items()}
        root = self.folder / pod
        template = json.loads(json.dumps(filled(self.templates[name], values)).replace("/tmp/jetcal-", f"{root}/"))
        (root / "outputs").mkdir(parents=True)
        for artifact in template.get("inputs", {}).get("artifacts", []):
            kept = self.store / artifact["s3"]["key"]
            assert artifact["archive"] == {"none": {}} and artifact["optional"] is True
            if kept.exists():
                shutil.copytree(kept, root / "inputs" / artifact["name"])
        container = template["container"]
        words = container["command"] + container["args"]
        if "exec" in words:  # which looks into folders of the container
            words[words.index("exec") + 1:words.index("exec") + 1] = ["--inputs", str(root / "inputs")]
        environment = dict(os.environ, PATH=f"{pathlib.Path(JETCAL).parent}:{os.environ['PATH']}") | variables(container)
        result = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        for artifact in template["outputs"].get("artifacts", []):
            kept = self.store / artifact.get("s3", {}).get("key", pod)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(artifact["path"], kept) if pathlib.Path(artifact["path"]).is_dir() else shutil.copy(artifact["path"], kept)
        return {one["name"]: one["value"] for one in template["outputs"].get("parameters", [])} if ends else None


def test_artefacts_of_a_loop_reach_a_step_of_argo_in_their_order(jetcal, schemas, tmp_path):
    (tmp_path / "gather.yaml").write_text(GATHER)
    workflow, = render(jetcal, tmp_path / "gather.yaml", "--format", "argo")
    assert problems(schemas, workflow) == []
    argo = Argo(workflow["spec"], tmp_path)
    tasks = {task["name"]: task for task in argo.templates["pipeline"]["dag"]["tasks"]}
    assert tasks["merge"]["arguments"] == {"parameters": [
        {"name": name, "value": "{{tasks.train.outputs.parameters.jetcal-pod}}"} for name in ("models", "reports")]}
    argo.run("train", {"item": "9"}, ends=False)  # what an attempt that failed has left is nobody's
    pods = json.dumps([argo.run("train", {"item": str(seed)})["jetcal-pod"] for seed in (3, 5, 4)])
    argo.run("merge", {"models": pods, "reports": pods})
    assert (argo.store / "gather-merge-96").read_text().split() == GATHERED
    # Nothing may have run: a loop without items, or one whose condition never held.
    assert [one["default"] for one in argo.templates["merge"]["inputs"]["parameters"]] == ["[]", "[]"]


def test_argo_gathers_from_the_instances_whose_condition_held(jetcal, tmp_path):
    (tmp_path / "gather.yaml").write_text(GATHER.replace("    retries: 1", "    when: ${item} > 3"))
    spec = render(jetcal, tmp_path / "gather.yaml", "--format", "argo")[0]["spec"]
    merge = spec["templates"][0]["dag"]["tasks"][1]
    # The list of one value does not exist where no instance has run; the list of all values is [] then.
    assert merge["arguments"]["parameters"][0]["value"] == "{{tasks.train.outputs.parameters}}"
    argo = Argo(spec, tmp_path)
    pods = json.dumps([argo.run("train", {"item": str(seed)}) for seed in (5, 4)])
    argo.run("merge", {"models": pods, "reports": pods})
    assert (argo.store / "gather-merge-98").read_text().split() == [one for one in GATHERED if not one.endswith("3")]


@pytest.mark.parametrize("old, new, sentence", [
    ("'of=${inputs.reports}'", "'$${inputs.models}'", "the step 'merge' has the text '${inputs.models}', which on a cluster stands for"),
    ("report: {type: Dataset}}", "report: {type: Dataset}, jetcal-pod: {type: string, path: x}}", "the output 'jetcal-pod' of the step 'train' has the name")])
def test_names_that_gathering_needs_are_refused(jetcal, tmp_path, old, new, sentence):
    (tmp_path / "gather.yaml").write_text(GATHER.replace(old, new))
    status, message = jetcal.fails("pipeline", "render", tmp_path / "gather.yaml", "--format", "argo")
    assert status == 2 and sentence in message, message


def test_exec_tells_which_artefact_the_cluster_did_not_bring(jetcal, tmp_path):
    flags = ["pipeline", "exec", "--work", tmp_path / "work", "--inputs", tmp_path]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a").write_text("x\n")
    assert jetcal.raw(*flags, "--gathered", 'models=["a"]', "--", "cat", "${inputs.models}").stderr == "x\n"
    assert jetcal.raw(*flags, "--gathered", "models=[]", "--", "echo", "no", "${inputs.models}").stderr == "no\n"
    for given, sentence in [('models=["a", "b"]', f"the cluster did not bring {tmp_path}/models/b, which the input 'models' gathers"),
                            ("models=a", "--gathered takes NAME=JSON"), ("models=[7]", "has the entry 7, which names no artefact"),
                            ('models={"inputs": {"artifacts": {"models": {"artifacts": [{"uri": "ftp://x"}]}}}}', "lies where none is brought")]:
        status, message = jetcal.fails(*flags, "--gathered", given, "--", "true")
        assert status != 0 and sentence in message, message


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
    (tmp_path / "items.yaml").write_text((tmp_path / "items.yaml").read_text().replace("delay: 2s", "delay: 0.2s").replace("90s", "0.2s"))
    each = render(jetcal, tmp_path / "items.yaml", "--format", "argo")[0]["spec"]["templates"][1]
    assert (each["activeDeadlineSeconds"], each["retryStrategy"]["backoff"]["duration"]) == (1, "1"), "0 is no limit that a cluster takes"


@pytest.mark.parametrize("flags, sentence", [
    (["--format", "helm"], "the format is one of"), (["shards", "--format", "experiment", "--trial", "Pod"], "PyTorchJob or TrainJob"), (["--namespace", "A b"], "the namespace must be a name"),
    (["--canary", "120"], "0 to 100 percent"), (["--min-replicas", "4"], "there cannot be 4 to 3 replicas"),
    (["--runtime", "torchserve"], "the runtime is jetcal or triton"), (["--format", "scheduled"], "has no field 'recurring'"),
    (["--format", "kustomize"], "needs --output"), (["--set", "epochs=0"], "must be at least 1, got 0"),
])
def test_mistakes_of_render_are_one_sentence(jetcal, flags, sentence):
    status, message = jetcal.fails("pipeline", "render", *flags)
    assert status == 2 and sentence in message, message


@pytest.mark.parametrize("default, sentence", [
    ("[a.root, b.root]", "the input 'jets' has 2 paths; a cluster brings one file or folder"),
    ("s3://bucket/*.root", "the input 'jets' is the pattern s3://bucket/*.root; a cluster brings one file or folder")])
def test_inputs_that_a_cluster_would_bring_in_part_are_refused(jetcal, tmp_path, default, sentence):
    text = f"""
format: jetcal-pipeline/1
name: several
inputs: {{jets: {{type: Dataset, default: {default}}}}}
steps:
  - {{name: read, command: [cat, '${{inputs.jets}}'], inputs: {{jets: inputs.jets}}}}
"""
    (tmp_path / "several.yaml").write_text(text)
    for form in ("kfp", "argo"):
        status, message = jetcal.fails("pipeline", "render", tmp_path / "several.yaml", "--format", form)
        assert status == 6 and sentence in message, message
    (tmp_path / "one.yaml").write_text(text.replace(default, "a.root"))
    for form in ("kfp", "argo"):
        render(jetcal, tmp_path / "one.yaml", "--format", form)


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
