# SPDX-License-Identifier: Apache-2.0
"""jetcal tune --emit katib writes an Experiment that Katib's webhook lets pass; jetcal tune lint finds what it would refuse."""

import copy
import json
import subprocess

import pytest

yaml = pytest.importorskip("yaml", reason="tools/setup.py test installs PyYAML")

from conftest import JETCAL  # noqa: E402

STUDY = """
name: jec-pfn
space: paper-pfn
objective: validation_loss
algorithm: {name: tpe, start_trials: 12}
early_stopping: {name: median, min_trials: 5, start: 10}
seed: 7
limits: {trials: 60}
output: /tmp/none
run: {parallel: 10}
trial:
  train:
    data: {directory: /data/shards}
    model: {preset: paper-pfn}
    training: {epochs: 50}
katib:
  namespace: jets
  image: registry.example/jetcal:0.1
  trial: PyTorchJob
  workers: 3
  cpus: 2
  gpus: 1
  memory: 8Gi
  environment: {OMP_NUM_THREADS: "2"}
  volumes: [{claim: shards, path: /data, read_only: true}]
"""


def emit(tmp_path, text, *arguments):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    result = subprocess.run([JETCAL, "tune", "--emit", "katib", "--config", path, *map(str, arguments)], capture_output=True,
                            text=True, timeout=60)
    return result


def manifest(tmp_path, text, *arguments):
    result = emit(tmp_path, text, *arguments)
    assert result.returncode == 0, result.stderr
    (tmp_path / "experiment.yaml").write_text(result.stdout)
    checked = subprocess.run([JETCAL, "tune", "lint", tmp_path / "experiment.yaml"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and not checked.stdout, checked.stdout
    return yaml.safe_load(result.stdout)


@pytest.fixture
def experiment(tmp_path):
    return manifest(tmp_path, STUDY)


def test_the_papers_study(experiment):
    assert experiment["metadata"] == {"name": "jec-pfn", "namespace": "jets"}
    spec = experiment["spec"]
    assert (spec["maxTrialCount"], spec["parallelTrialCount"]) == (60, 10)
    assert spec["objective"]["type"] == "minimize" and spec["objective"]["objectiveMetricName"] == "validation_loss"
    assert spec["algorithm"]["algorithmName"] == "jetcal-tpe"
    assert {"name": "start_trials", "value": "12"} in spec["algorithm"]["algorithmSettings"]
    assert {"name": "random_state", "value": "7"} in spec["algorithm"]["algorithmSettings"]
    assert spec["earlyStopping"] == {"algorithmName": "medianstop", "algorithmSettings": [
        {"name": "min_trials_required", "value": "5"}, {"name": "start_step", "value": "10"}]}
    spaces = {item["name"]: (item["parameterType"], item["feasibleSpace"]) for item in spec["parameters"]}
    assert spaces["dropout"] == ("double", {"min": "0", "max": "0.5"})
    assert spaces["lr"] == ("double", {"min": "1e-05", "max": "0.01", "distribution": "logUniform"})
    assert spaces["particle_layers"] == ("int", {"min": "1", "max": "5"})
    assert spaces["particle_units"] == ("discrete", {"list": ["50", "100", "200", "400"]})
    assert len(spaces["optimizer"][1]["list"]) == 5
    for _, space in spaces.values():  # all numbers are text
        assert all(isinstance(item, str) for value in space.values() for item in (value if isinstance(value, list) else [value]))


def test_the_pytorch_job_trains_with_the_values(experiment):
    template = experiment["spec"]["trialTemplate"]
    assert template["primaryPodLabels"] == {"training.kubeflow.org/job-role": "master"}
    replicas = template["trialSpec"]["spec"]["pytorchReplicaSpecs"]
    assert (replicas["Master"]["replicas"], replicas["Worker"]["replicas"]) == (1, 2)
    pod = replicas["Master"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["name"] == template["primaryContainerName"] == "pytorch"
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert container["env"] == [{"name": "OMP_NUM_THREADS", "value": "2"}]
    assert container["volumeMounts"][0]["mountPath"] == "/data"
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "shards"}
    shell, option, script = container["command"]
    assert (shell, option) == ("sh", "-c")
    assert "--metrics-file /var/log/katib/metrics.log" in script
    assert experiment["spec"]["metricsCollectorSpec"]["source"]["fileSystemPath"]["path"] == "/var/log/katib/metrics.log"
    # What Katib does: puts the texts in. What then stands between the marks is the configuration of jetcal train.
    values = {"lr": "0.0011", "dropout": "0.25", "optimizer": "ranger", "particle_layers": "4", "particle_units": "100",
              "head_layers": "2", "head_units": "400"}
    for name, value in values.items():
        script = script.replace("${trialParameters." + name + "}", value)
    assert "${" not in script
    config = yaml.safe_load(script.split("<<'END_OF_CONFIGURATION'\n")[1].split("\nEND_OF_CONFIGURATION")[0])
    assert config["data"]["directory"] == "/data/shards"
    assert float(config["training"]["lr"]) == 0.0011 and config["training"]["optimizer"] == "ranger"
    assert int(config["model"]["particle_layers"]) == 4


def test_a_train_job(tmp_path):
    text = STUDY.replace("trial: PyTorchJob", "trial: TrainJob").replace(
        "  volumes: [{claim: shards, path: /data, read_only: true}]\n", "")
    template = manifest(tmp_path, text)["spec"]["trialTemplate"]
    assert template["trialSpec"]["kind"] == "TrainJob"
    assert template["trialSpec"]["spec"]["runtimeRef"] == {
        "apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime", "name": "torch-distributed"}
    assert template["trialSpec"]["spec"]["trainer"]["numNodes"] == 3
    assert template["primaryContainerName"] == "node"


def test_promoted_trials_go_on_from_their_checkpoint(tmp_path):
    text = STUDY.replace("algorithm: {name: tpe, start_trials: 12}", "algorithm: {name: asha, min_resource: 2, max_resource: 50}")
    text = text.replace("early_stopping: {name: median, min_trials: 5, start: 10}\n", "") + "  checkpoints: /data/trials\n"
    spec = manifest(tmp_path, text)["spec"]
    resource = spec["parameters"][-1]
    assert resource["name"] == "resource" and resource["feasibleSpace"] == {"min": "2", "max": "50"}
    assert {"name": "resource_name", "value": "resource"} in spec["algorithm"]["algorithmSettings"]
    assert {"name": "trial", "reference": "${trialSpec.Labels[jetcal-trial]}"} in spec["trialTemplate"]["trialParameters"]
    script = spec["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0][
        "command"][2]
    assert "--output /data/trials/jec-pfn/trial-${trialParameters.trial}" in script
    assert "--pause-after ${trialParameters.resource}" in script


def test_another_program_as_a_job(tmp_path):
    spec = manifest(tmp_path, """
name: bowl
parameters: {x: {type: float, low: -1, high: 1}, steps: {type: integer, low: 2, high: 8, step: 2}}
objective: loss
goal: maximise
algorithm: random
limits: {trials: 5}
trial: {command: "bowl --x ${x} --steps ${steps} > ${folder}/out; echo loss=1"}
katib: {image: bowl:1, trial: Job}
""")["spec"]
    assert spec["objective"]["type"] == "maximize"
    assert spec["metricsCollectorSpec"] == {"collector": {"kind": "StdOut"}}
    assert spec["parameters"][1]["feasibleSpace"] == {"min": "2", "max": "8", "step": "2"}
    command = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "bowl --x ${trialParameters.x} --steps ${trialParameters.steps} > /tmp/trial/out" in command[2]


BOWL = """
name: bowl
parameters: {x: {type: float, low: -1, high: 1}}
algorithm: {name: asha, max_resource: 9}
limits: {trials: 0, hours: 2}
trial: {command: "bowl --x ${x} --until ${budget}", metrics: {file: out.json, format: json}}
katib: {image: bowl:1, trial: Job, volumes: [{claim: c, path: /data, read_only: True}]}
"""


def test_metrics_in_the_folder_of_a_trial_and_no_limit_of_trials(tmp_path):
    spec = manifest(tmp_path, BOWL)["spec"]
    assert spec["metricsCollectorSpec"]["source"]["fileSystemPath"] == {"path": "/tmp/trial/out.json", "kind": "File", "format": "JSON"}
    assert {"name": "trial", "reference": "${trialSpec.Labels[jetcal-trial]}"} in spec["trialTemplate"]["trialParameters"]
    assert "maxTrialCount" not in spec and spec["maxFailedTrialCount"] == 3
    pod = spec["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "volume-0", "mountPath": "/data", "readOnly": True}]
    assert "neither limits.resource nor limits.hours" in emit(tmp_path, BOWL).stderr


@pytest.mark.parametrize("old, new, message", [
    ("file: out.json, ", "", "Katib reads JSON from files only"),
    ("file: out.json", "file: 'out-${x}.json'", "at one path, which /tmp/trial/out-${trialParameters.x}.json is not"),
    ("image: bowl:1", "image: bowl:1, checkpoints: /data", "at one path, which /data/bowl/trial-${trialParameters.trial}/out.json is not"),
    ("trial: {command", "trial: {measure: [{command: time}], command", "Katib runs one command a trial"),
    ("read_only: True", "read_only: perhaps", "read_only must be true or false, got 'perhaps'"),
    ("max_resource: 9", "max_resource: nine", "max_resource' of the algorithm 'asha' must be an integer"),
    ("max_resource: 9", "max_resource: 9, gamma: 1", "has no setting 'gamma'"),
    (" --until ${budget}", "", "Katib ends no trial at its budget: with asha trial.command must use ${budget}"),
    ("image: bowl:1", "image: bowl:1, cpus: 0", "katib.cpus must be above 0"),
    ("image: bowl:1", "image: bowl:1, gpus: -1", "katib.gpus must not be negative"),
])
def test_programs_that_katib_cannot_run(tmp_path, old, new, message):
    assert old in BOWL
    result = emit(tmp_path, BOWL.replace(old, new, 1))
    assert result.returncode == 2 and message in result.stderr, result.stderr


@pytest.mark.parametrize("old, new, message", [
    ("  image: registry.example/jetcal:0.1\n", "", "needs a container image: give katib.image"),
    ("name: jec-pfn", "name: JEC_PFN", "metadata.name: must be lower case letters"),
    ("name: jec-pfn", "name: " + "j" * 41, "have at most 40 characters"),
    ("parallel: 10", "parallel: 70", "spec.parallelTrialCount: must be at most maxTrialCount (60), is 70"),
    ("trial: PyTorchJob", "trial: TFJob", "is a Job, PyTorchJob or TrainJob, not 'TFJob'"),
    ("trial: PyTorchJob", "trial: Job", "a Job is one pod"),
    ("objective: validation_loss", "objectives: [{metric: a}, {metric: b}]\nconstraints: []", "Katib knows one objective"),
    ("objective: validation_loss", "objective: a\nconstraints: [{metric: macs, at_most: 5}]", "no constraints such as that of 'macs'"),
])
def test_studies_that_katib_cannot_run(tmp_path, old, new, message):
    assert old in STUDY
    text = STUDY.replace(old, new, 1)
    if "objectives" in new:
        text = text.replace("early_stopping: {name: median, min_trials: 5, start: 10}\n", "")
    result = emit(tmp_path, text)
    assert result.returncode == 2 and message in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_conditional_parameters_are_refused(tmp_path):
    result = emit(tmp_path, """
parameters: {kind: {type: categorical, choices: [a, b]}, x: {type: float, low: 0, high: 1, when: {kind: [b]}}}
trial: {command: "echo ${x} ${kind}"}
katib: {image: i}
""")
    assert result.returncode == 2 and "Katib has no conditional parameters such as 'x'" in result.stderr


def mutate(change):
    def apply(experiment):
        changed = copy.deepcopy(experiment)
        change(changed["spec"], changed)
        return changed
    return apply


def of(spec, name):
    return next(item for item in spec["parameters"] if item["name"] == name)


# Each is refused by the real webhook (reference/pipeline.md, section 1, and its rules); the field that is named comes first.
MUTANTS = {
    "name too long": (lambda s, e: e["metadata"].update(name="a" * 41), "metadata.name: "),
    "name with a capital": (lambda s, e: e["metadata"].update(name="Jec"), "metadata.name: "),
    "more parallel than trials": (lambda s, e: s.update(parallelTrialCount=61), "spec.parallelTrialCount: "),
    "default parallel above trials": (lambda s, e: (s.pop("parallelTrialCount"), s.update(maxTrialCount=2, maxFailedTrialCount=0)),
                                      "spec.parallelTrialCount: must be at most maxTrialCount (2), is 3"),
    "more failed than trials": (lambda s, e: s.update(maxFailedTrialCount=61), "spec.maxFailedTrialCount: "),
    "no trials": (lambda s, e: s.update(maxTrialCount=0, parallelTrialCount=1, maxFailedTrialCount=0), "spec.maxTrialCount: "),
    "negative failed": (lambda s, e: s.update(maxFailedTrialCount=-1), "spec.maxFailedTrialCount: "),
    "count as text": (lambda s, e: s.update(maxTrialCount="60"), "spec.maxTrialCount: "),
    "resume policy": (lambda s, e: s.update(resumePolicy="Always"), "spec.resumePolicy: "),
    "no objective": (lambda s, e: s.pop("objective"), "spec.objective: "),
    "objective type": (lambda s, e: s["objective"].update(type="minimise"), "spec.objective.type: "),
    "no metric": (lambda s, e: s["objective"].pop("objectiveMetricName"), "spec.objective.objectiveMetricName: "),
    "metric twice": (lambda s, e: s["objective"].update(additionalMetricNames=["validation_loss"]),
                     "spec.objective.additionalMetricNames: "),
    "no algorithm": (lambda s, e: s.pop("algorithm"), "spec.algorithm.algorithmName: "),
    "early stopping without a name": (lambda s, e: s["earlyStopping"].pop("algorithmName"), "spec.earlyStopping.algorithmName: "),
    "no parameters": (lambda s, e: (s.update(parameters=[]), s["trialTemplate"].update(trialParameters=[])),
                      "spec.parameters: or spec.nasConfig must be given"),
    "both searches": (lambda s, e: s.update(nasConfig={"graphConfig": {"numLayers": 1}}), "spec.nasConfig: "),
    "parameter type": (lambda s, e: of(s, "lr").update(parameterType="float"), "spec.parameters[5].parameterType: "),
    "no space": (lambda s, e: of(s, "lr").pop("feasibleSpace"), "spec.parameters[5].feasibleSpace: "),
    "number as a number": (lambda s, e: of(s, "lr")["feasibleSpace"].update(min=1e-5),
                           "spec.parameters[5].feasibleSpace.min: must be text"),
    "list of numbers": (lambda s, e: of(s, "particle_units")["feasibleSpace"].update(list=[50, 100]),
                        "spec.parameters[1].feasibleSpace.list[0]: must be text"),
    "range without end": (lambda s, e: of(s, "lr")["feasibleSpace"].pop("max"), "spec.parameters[5].feasibleSpace: needs min and max"),
    "range with a list": (lambda s, e: of(s, "lr")["feasibleSpace"].update(list=["1"]), "spec.parameters[5].feasibleSpace.list: "),
    "list with a range": (lambda s, e: of(s, "optimizer")["feasibleSpace"].update(min="1"), "spec.parameters[6].feasibleSpace: "),
    "distribution": (lambda s, e: of(s, "lr")["feasibleSpace"].update(distribution="log"),
                     "spec.parameters[5].feasibleSpace.distribution: "),
    "list of nothing": (lambda s, e: of(s, "optimizer")["feasibleSpace"].update(list=[]), "spec.parameters[6].feasibleSpace"),
    "parameter twice": (lambda s, e: s["parameters"].append(of(s, "lr")), "spec.parameters[7].name: 'lr' is there twice"),
    "range upside down": (lambda s, e: of(s, "lr")["feasibleSpace"].update(min="1"), "spec.parameters[5].feasibleSpace.min: must be below max"),
    "range of words": (lambda s, e: of(s, "lr")["feasibleSpace"].update(max="much"), "spec.parameters[5].feasibleSpace.max: must be a number"),
    "logarithm of nothing": (lambda s, e: of(s, "lr")["feasibleSpace"].update(min="0"),
                             "spec.parameters[5].feasibleSpace.min: must be above 0 for logUniform"),
    "step of nothing": (lambda s, e: of(s, "lr")["feasibleSpace"].update(step="0"), "spec.parameters[5].feasibleSpace.step: must be above 0"),
    "no template": (lambda s, e: s.pop("trialTemplate"), "spec.trialTemplate: "),
    "no container name": (lambda s, e: s["trialTemplate"].pop("primaryContainerName"), "spec.trialTemplate.primaryContainerName: "),
    "another container name": (lambda s, e: s["trialTemplate"].update(primaryContainerName="main"),
                               "spec.trialTemplate.primaryContainerName: no container"),
    "trial parameter that does not occur": (
        lambda s, e: s["trialTemplate"]["trialParameters"].append({"name": "epochs", "reference": "lr2"}),
        "spec.trialTemplate.trialParameters[7].reference: 'lr2' is none of spec.parameters"),
    "trial parameter unused": (lambda s, e: s["trialTemplate"]["trialParameters"][0].update(name="layers"),
                               "spec.trialTemplate.trialParameters[0].name: 'layers' does not occur in the trialSpec"),
    "trial parameter left out": (lambda s, e: s["trialTemplate"]["trialParameters"].pop(),
                                 "spec.trialTemplate.trialSpec: uses ${trialParameters.optimizer}"),
    "trial parameter twice": (lambda s, e: s["trialTemplate"]["trialParameters"].append(s["trialTemplate"]["trialParameters"][0]),
                              "spec.trialTemplate.trialParameters[7].name: 'particle_layers' is there twice"),
    "trial parameter with a brace": (lambda s, e: s["trialTemplate"]["trialParameters"][0].update(name="a}"),
                                     "spec.trialTemplate.trialParameters[0]: "),
    "trial named": (lambda s, e: s["trialTemplate"]["trialSpec"].update(metadata={"name": "t"}),
                    "spec.trialTemplate.trialSpec.metadata.name: must be left out"),
    "trial without kind": (lambda s, e: s["trialTemplate"]["trialSpec"].pop("kind"), "spec.trialTemplate.trialSpec: "),
    "two templates": (lambda s, e: s["trialTemplate"].update(configMap={"configMapName": "c"}), "spec.trialTemplate: must have one"),
    "container without command": (
        lambda s, e: s["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][
            0].update(command=[], args=s["trialTemplate"]["trialSpec"]["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"][
                "containers"][0]["command"]), "spec.trialTemplate.trialSpec: the primary container needs a command"),
    "collector": (lambda s, e: s["metricsCollectorSpec"]["collector"].update(kind="Stdout"),
                  "spec.metricsCollectorSpec.collector.kind: "),
    "relative file": (lambda s, e: s["metricsCollectorSpec"]["source"]["fileSystemPath"].update(path="metrics.log"),
                      "spec.metricsCollectorSpec.source.fileSystemPath.path: "),
    "file format": (lambda s, e: s["metricsCollectorSpec"]["source"]["fileSystemPath"].update(format="YAML"),
                    "spec.metricsCollectorSpec.source.fileSystemPath.format: "),
    "event folder with a format": (
        lambda s, e: (s["metricsCollectorSpec"]["collector"].update(kind="TensorFlowEvent"),
                      s["metricsCollectorSpec"]["source"]["fileSystemPath"].update(kind="Directory")),
        "spec.metricsCollectorSpec.source.fileSystemPath.format: "),
    "filter of one group": (lambda s, e: s["metricsCollectorSpec"]["source"].update(filter={"metricsFormat": ["loss=(.*)"]}),
                            "spec.metricsCollectorSpec.source.filter.metricsFormat: "),
    "wrong kind": (lambda s, e: e.update(kind="Experimnt"), "kind: must be Experiment"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_what_the_webhook_refuses_is_found(jetcal, tmp_path, experiment, name):
    change, expected = MUTANTS[name]
    path = tmp_path / "mutant.yaml"
    path.write_text(json.dumps(mutate(change)(experiment), indent=1))  # is YAML, with all texts in quotes
    result = jetcal.raw("tune", "lint", path)
    assert result.returncode == 2
    assert any(line.startswith(expected) for line in result.stdout.splitlines()), result.stdout
    if name not in ("wrong kind", "no parameters", "trial without kind", "trial parameter that does not occur", "number as a number"):
        assert len(result.stdout.splitlines()) <= 2, result.stdout


def test_an_experiment_that_is_no_yaml(jetcal, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("spec: [1, 2")
    status, error = jetcal.fails("tune", "lint", path)
    assert status == 2 and "broken.yaml" in error


def test_katibs_own_examples_pass(jetcal, tmp_path):
    """The shape of Katib's published examples: batch Jobs with parameters on the command line, defaults left out."""
    path = tmp_path / "random.yaml"
    path.write_text("""
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {namespace: kubeflow, name: random}
spec:
  objective: {type: minimize, goal: 0.001, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  parallelTrialCount: 3
  maxTrialCount: 12
  maxFailedTrialCount: 3
  parameters:
    - {name: lr, parameterType: double, feasibleSpace: {min: "0.01", max: "0.05"}}
  trialTemplate:
    primaryContainerName: training-container
    trialParameters: [{name: learningRate, description: Learning rate, reference: lr}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        template:
          spec:
            containers:
              - {name: training-container, image: i, command: [python3, train.py, "--lr=${trialParameters.learningRate}"]}
            restartPolicy: Never
""")
    result = jetcal.raw("tune", "lint", path)
    assert result.returncode == 0, result.stdout
