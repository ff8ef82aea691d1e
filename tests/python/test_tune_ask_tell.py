# SPDX-License-Identifier: Apache-2.0
"""`jetcal tune ask-tell`: search algorithms as JSON lines for programs that run trials themselves."""

import json
import subprocess

import pytest
from conftest import JETCAL

SPACE = """
parameters:
  x: {type: float, low: -1, high: 1}
  kind: {type: categorical, choices: [a, b]}
  depth: {type: integer, low: 1, high: 4, when: {kind: [b]}}
"""


@pytest.fixture
def talk(tmp_path):
    """Starts a conversation; what it returns sends one request and reads the answer."""
    (tmp_path / "space.yaml").write_text(SPACE)
    processes = []

    def start(*flags, space=str(tmp_path / "space.yaml")):
        process = subprocess.Popen([JETCAL, "tune", "ask-tell", "--space", space, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, errors="surrogateescape")
        processes.append(process)

        def request(line=None, **fields):
            process.stdin.write((line or json.dumps(fields)) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        return request

    yield start
    for process in processes:
        process.stdin.close()
        assert process.wait(10) == 0


def search(request, trials):
    losses = []
    for _ in range(trials):
        reply = request(op="ask")
        losses.append(reply["values"]["x"] ** 2 + (0 if reply["values"]["kind"] == "b" else 0.1))
        request(op="tell", trial=reply["trial"], objectives=[losses[-1]])
    return losses


@pytest.mark.parametrize("algorithm", ["tpe", "gp"])
def test_a_model_finds_what_random_search_does_not(talk, algorithm):
    found = min(search(talk("--algorithm", algorithm, "--seed", "3"), 40))
    assert found < 1e-3
    assert found < min(search(talk("--algorithm", "random", "--seed", "3"), 40))


def test_a_gaussian_process_says_what_it_leaves_out(talk):
    request = talk("--algorithm", "gp")
    for i in range(1003):
        trial = request(op="add", values={"x": i / 1003, "kind": "a"})["trial"]
        request(op="tell", trial=trial, objectives=[i / 1003])
        if i == 999:
            assert "left_out" not in request(op="ask")
    assert request(op="ask")["left_out"] == 3


def test_values_keep_their_types_and_conditions(talk):
    request = talk("--algorithm", "random")
    for _ in range(30):
        values = request(op="ask")["values"]
        assert isinstance(values["x"], float)
        assert ("depth" in values) == (values["kind"] == "b")
        assert isinstance(values.get("depth", 1), int)


def test_halving_resumes_the_best_of_three(talk):
    request = talk("--algorithm", "asha", "--set", "max_resource=9")
    for _ in range(3):
        reply = request(op="ask")
        assert not reply["resume"] and not reply["last"] and reply["budget"] == 1
        assert request(op="report", trial=reply["trial"], resource=1, objectives=[reply["values"]["x"]]) == {"stop": False}
        request(op="tell", trial=reply["trial"], state="paused")
    reply = request(op="ask")
    assert reply["resume"] and reply["budget"] == 3


def test_a_grid_ends(talk):
    request = talk("--algorithm", "grid", "--set", "points=2")
    asked = [request(op="ask") for _ in range(7)]
    assert [reply["trial"] for reply in asked] == [0, 1, 2, 3, 4, 5, None]


def test_mistakes_are_answered_and_change_nothing(talk):
    request = talk("--algorithm", "random")
    assert "cannot be read" in request("{")["error"]
    assert "cannot be read" in request('{"op": "\udcff"}')["error"]  # the byte 0xff
    assert "'dance'" in request(op="dance")["error"]
    assert "no trial 5" in request(op="tell", trial=5, objectives=[1])["error"]
    assert "no parameter 'z'" in request(op="add", values={"z": 1})["error"]
    assert "'depth' has no value" in request(op="add", values={"x": 0, "kind": "b"})["error"]
    assert request(op="add", values={"x": 0, "kind": "a"})["trial"] == 0
    assert "expected 1 objectives" in request(op="tell", trial=0, objectives=[1, 2])["error"]
    assert request(op="tell", trial=0, objectives=[None])["trial"] == 0
    assert "not running" in request(op="tell", trial=0, objectives=[1])["error"]


def test_the_papers_space_is_there_by_name(talk):
    values = talk("--algorithm", "sobol", space="paper-particlenet")(op="ask")["values"]
    assert len(values) == 9 and values["neighbors"] in (4, 8, 16)


@pytest.mark.parametrize("flags, message", [(["--algorithm", "annealing"], "annealing"), (["--set", "gamma"], "name=value"),
                                            (["--set", "gamma=2"], "gamma"), (["--objective", "more"], "more")])
def test_wrong_flags_end_with_a_sentence(tmp_path, flags, message):
    (tmp_path / "space.yaml").write_text(SPACE)
    done = subprocess.run([JETCAL, "tune", "ask-tell", "--space", str(tmp_path / "space.yaml"), *flags], capture_output=True, text=True, input="")
    assert done.returncode not in (0, 1) and message in done.stderr
