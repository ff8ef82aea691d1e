# SPDX-License-Identifier: Apache-2.0
"""Pipelines of Kubeflow: ours as kfp takes them, and those that kfp compiled run here."""

import os
import pathlib
import subprocess
import tempfile

import pytest
import yaml

from conftest import JETCAL
from rendered import GATHER, GATHERED, render, write_words

KFP = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "python-kfp" / "bin" / "python"

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


@pytest.fixture
def words(tmp_path):
    return write_words(tmp_path)


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


CONDITIONS_OF_KFP = """
import sys
from kfp import compiler, dsl
from kfp.dsl import Dataset, Output

@dsl.container_component
def make(count: int, data: Output[Dataset]):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'seq $0 > "$1"'], args=[count, data.path])

@dsl.pipeline
def inner(flag: int):
    with dsl.If(flag == 2):
        make(count=flag)

@dsl.pipeline(name="conditions-of-kfp")
def pipeline(flag: int = 1, other: int = 2):
    with dsl.If(flag == 1):
        inner(flag=other)
    with dsl.If(flag == 1):
        inner(flag=2)
    with dsl.ParallelFor([1, 2]) as item:
        with dsl.If(item == 2):
            make(count=item)

compiler.Compiler().compile(pipeline, sys.argv[1])
"""


def test_conditions_within_conditions_of_kfp_each_see_their_own_values(jetcal, tmp_path):
    file = tmp_path / "conditions.yaml"
    kfp(CONDITIONS_OF_KFP, file)

    def states(*flags):
        result = jetcal("pipeline", "run", file, "--directory", tmp_path / "runs", *flags)
        found = {step["step"]: step["state"] for step in result["steps"]}
        names = ["make", "inner-2-condition-1-make", "condition-5-make[0]", "condition-5-make[1]"]
        assert set(found) == set(names)
        return [found[name] for name in names]

    assert states() == ["finished", "finished", "skipped", "finished"]
    assert states("--set", "other=1") == ["skipped", "cached", "skipped", "cached"]
    assert states("--set", "flag=2") == ["skipped", "skipped", "skipped", "cached"]


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


def test_artefacts_of_a_loop_reach_a_step_as_kfp_collects_them(jetcal, tmp_path):
    (tmp_path / "gather.yaml").write_text(GATHER)
    file = tmp_path / "ir.yaml"
    assert jetcal.raw("pipeline", "render", tmp_path / "gather.yaml", "--format", "kfp", "--output", file).returncode == 0
    assert int(kfp(LOAD, file)) == 2
    spec = yaml.safe_load(file.read_text())
    loop = spec["components"]["comp-for-train"]
    assert loop["dag"]["outputs"]["artifacts"]["train-model"] == {"artifactSelectors": [{"outputArtifactKey": "model", "producerSubtask": "train"}]}
    models = {"artifactType": {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}, "isArtifactList": True}
    assert loop["outputDefinitions"]["artifacts"]["train-model"] == spec["components"]["comp-merge"]["inputDefinitions"]["artifacts"]["models"] == models
    assert spec["root"]["dag"]["tasks"]["merge"]["inputs"]["artifacts"]["models"] == {
        "taskOutputArtifact": {"outputArtifactKey": "train-model", "producerTask": "for-train"}}
    container = spec["deploymentSpec"]["executors"]["exec-merge"]["container"]
    assert "models={{$}}" in container["args"] and container["env"] == [{"name": "REPORTS", "value": "${inputs.reports}"}]
    environment = dict(os.environ, PATH=f"{pathlib.Path(JETCAL).parent}:{os.environ['PATH']}")
    for one in (tmp_path / "gather.yaml", file):
        steps = jetcal("pipeline", "run", one, "--directory", tmp_path / one.stem, "--cores", 2, env=environment)["steps"]
        merged = next(step for step in steps if step["step"] == "merge")
        assert pathlib.Path(merged["paths"]["all"]).read_text().split() == GATHERED, one


def test_kfp_and_ours_agree_about_lists_of_artefacts(jetcal, tmp_path):
    """What kfp itself compiles of dsl.Collected has the fields that we write."""
    file = tmp_path / "collected.yaml"
    kfp("""
import sys
from typing import List
from kfp import compiler, dsl
from kfp.dsl import Input, Model, Output
@dsl.container_component
def train(n: int, model: Output[Model]):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", 'echo "m$0" > "$1"'], args=[n, model.path])
@dsl.container_component
def merge(models: Input[List[Model]]):
    return dsl.ContainerSpec(image="busybox", command=["true"])
@dsl.pipeline(name="collected")
def pipeline(seeds: list = [3, 5, 4]):
    with dsl.ParallelFor(seeds) as seed:
        trained = train(n=seed)
    merge(models=dsl.Collected(trained.outputs["model"]))
compiler.Compiler().compile(pipeline, sys.argv[1])
""", file)
    theirs = yaml.safe_load(file.read_text())
    (tmp_path / "gather.yaml").write_text(GATHER)
    ours = render(jetcal, tmp_path / "gather.yaml", "--format", "kfp")[0]
    for name, output in (("comp-for-loop-1", "pipelinechannel--train-model"), ("comp-for-train", "train-model")):
        spec = theirs if output.startswith("pipe") else ours
        loop = spec["components"][name]
        assert loop["outputDefinitions"]["artifacts"][output]["isArtifactList"] is True
        assert loop["dag"]["outputs"]["artifacts"][output]["artifactSelectors"] == [{"outputArtifactKey": "model", "producerSubtask": "train"}]
        given = spec["root"]["dag"]["tasks"]["merge"]["inputs"]["artifacts"]["models"]["taskOutputArtifact"]
        assert given == {"outputArtifactKey": output, "producerTask": name.removeprefix("comp-")}
        assert spec["components"]["comp-merge"]["inputDefinitions"]["artifacts"]["models"]["isArtifactList"] is True


def test_kfp_cannot_gather_what_a_condition_may_skip(jetcal, tmp_path):
    file = tmp_path / "gather.yaml"
    file.write_text(GATHER.replace("    retries: 1", "    when: ${item} > 3"))
    status, message = jetcal.fails("pipeline", "render", file, "--format", "kfp")
    assert status != 0 and "the step 'merge' gathers 'model' of 'train', which a condition may skip" in message
    steps = jetcal("pipeline", "run", file, "--directory", tmp_path / "runs")["steps"]
    text = pathlib.Path(next(step for step in steps if step["step"] == "merge")["paths"]["all"]).read_text()
    assert text.split() == [one for one in GATHERED if not one.endswith("3")]


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


def test_a_quote_in_a_condition_stays_text(jetcal, tmp_path):
    file = tmp_path / "quote.yaml"
    file.write_text("""
format: jetcal-pipeline/1
name: quote
parameters: {who: {type: string, default: it's}}
steps:
  - {name: a, when: '${parameters.who} == "it\'\'s"', image: busybox, command: [sh, -c, 'echo "$0"', '${parameters.who}']}
""")
    ir = tmp_path / "ir.yaml"
    assert jetcal.raw("pipeline", "render", file, "--format", "kfp", "--output", ir).returncode == 0
    for one in (file, ir):
        assert [step["state"] for step in jetcal("pipeline", "run", one, "--directory", tmp_path / one.stem)["steps"]] == ["finished"]
    task, = render(jetcal, file, "--format", "argo")[0]["spec"]["templates"][0]["dag"]["tasks"]
    assert task["when"] == r"('{{workflow.parameters.who}}' == 'it\'s')"


NAMES = """
format: jetcal-pipeline/1
name: names
parameters: {rate: {type: number, default: 0.5}, data_path: {type: string, default: x}}
inputs: {data: {default: words.txt}}
steps:
  - {name: a, command: [sh, -c, 'echo 1 > "$0"', '${outputs.rate}'], outputs: {rate: {type: number}}}
  - {name: b, command: [echo, '${parameters.rate}', '${inputs.rate}'], inputs: {rate: a.rate}}
"""


@pytest.mark.parametrize("old, new, sentence", [
    ("data_path", "data_file", "the step 'b' has an input with the name 'rate' of a parameter that it uses"),
    ("a.rate", "parameters.rate", "the parameter 'data_path' has the name that the place of the input 'data' needs")])
def test_names_that_are_one_in_kfp_are_refused(jetcal, tmp_path, old, new, sentence):
    file = tmp_path / "names.yaml"
    file.write_text(NAMES.replace(old, new))
    status, message = jetcal.fails("pipeline", "render", file)
    assert status == 2 and sentence in message, message
    file.write_text(NAMES.replace("data_path", "data_file").replace("a.rate", "parameters.rate"))
    assert render(jetcal, file)[0]["root"]["inputDefinitions"]["parameters"]["rate"]["defaultValue"] == 0.5
