# SPDX-License-Identifier: Apache-2.0
"""The local runner on pipelines of quick shell steps: cache, kills, retries, limits, fan-out, partial runs, history."""

import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from conftest import JETCAL
from pipeline_kills import processes_with

# Every step notes its start and its end, so that a test sees what ran how often.
QUICK = """
format: jetcal-pipeline/1
name: quick
parameters:
  rate: {{type: number, default: 0.5}}
  report: {{type: string, default: plain}}
inputs:
  words: {{default: words.txt}}
steps:
  - name: sort
    command: [sh, -c, 'echo start sort >> {notes}; {pause}; sort "$0" > "$1"; echo end sort >> {notes}', '${{inputs.words}}', '${{outputs.sorted}}']
    inputs: {{words: inputs.words}}
    outputs: {{sorted: {{type: Dataset}}}}
  - name: train
    command: [sh, -c, 'echo start train >> {notes}; {pause}; cat "$0" > "$2"; echo $1 >> "$2"; echo "{{\\"loss\\": $1}}"; echo end train >> {notes}', '${{inputs.data}}', '${{parameters.rate}}', '${{outputs.model}}']
    inputs: {{data: {{type: Dataset, from: sort.sorted}}}}
    outputs: {{model: {{type: Model}}, loss: {{type: number, stdout: true, field: loss}}}}
  - name: count
    command: [sh, -c, 'echo start count >> {notes}; {pause}; wc -l < "$0" > "$1"; echo end count >> {notes}', '${{inputs.data}}', '${{outputs.lines}}']
    inputs: {{data: sort.sorted}}
    outputs: {{lines: {{type: integer}}}}
  - name: report
    command: [sh, -c, 'echo start report >> {notes}; {pause}; mkdir -p "$3/deep"; echo "$0 $1 $2" > "$3/deep/page"; cat "$4" > "$3/model"; echo end report >> {notes}', '${{parameters.report}}', '${{inputs.loss}}', '${{inputs.lines}}', '${{outputs.report}}', '${{inputs.model}}']
    inputs: {{loss: train.loss, lines: count.lines, model: {{type: Model, from: train.model}}}}
    outputs: {{report: {{type: Artifact}}}}
"""


class Place:
    """A folder with a pipeline, its data and its runs."""

    def __init__(self, folder, text=QUICK, pause="true"):
        self.folder, self.notes = folder, folder / "notes"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words.txt").write_text("pear\napple\nfig\n")
        self.file = folder / "pipeline.yaml"
        self.file.write_text(text.format(notes=self.notes, pause=pause) if text is QUICK else text)
        self.root = folder / "runs"

    def arguments(self, *more):
        cores = [] if "--cores" in more else ["--cores", 2]
        return ["pipeline", "run", self.file, "--directory", self.root, *cores, *more]

    def run(self, jetcal, *more, status=0):
        result = jetcal.raw(*self.arguments(*more), "--json")
        assert result.returncode == status, result.stderr
        return json.loads(result.stdout)

    def look(self, jetcal, *words):
        return jetcal("pipeline", *words, "--directory", self.root)

    def started(self):
        """Steps that ran since the last call."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return sorted(line.split()[1] for line in lines if line.startswith("start"))


def states(result):
    return {step["step"]: step["state"] for step in result["steps"]}


def outputs(result):
    return {step["step"]: step.get("outputs") for step in result["steps"]}


def of_step(result, name):
    return next(step for step in result["steps"] if step["step"] == name)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "place")


def test_a_second_run_takes_everything_and_says_so(jetcal, place):
    first = place.run(jetcal)
    assert first["state"] == "finished" and first["finished"] == 4
    assert first["run"].startswith("quick-") and len(first["run"]) == len("quick-") + 6
    assert of_step(first, "train")["outputs"]["loss"] == 0.5 and of_step(first, "count")["outputs"]["lines"] == 3
    page = pathlib.Path(of_step(first, "report")["paths"]["report"]) / "deep" / "page"
    assert page.read_text() == "plain 0.5 3\n"
    assert place.started() == ["count", "report", "sort", "train"]
    second = place.run(jetcal)
    assert set(states(second).values()) == {"cached"} and second["cached"] == 4 and place.started() == []
    assert outputs(second) == outputs(first) and second["run"] != first["run"]


def test_a_changed_parameter_reruns_exactly_what_depends_on_it(jetcal, place):
    place.run(jetcal)
    place.started()
    result = place.run(jetcal, "--set", "report=fancy")
    assert place.started() == ["report"]
    assert of_step(result, "report")["why"] == ['the parameter report is "fancy", was "plain"']
    result = place.run(jetcal, "--set", "rate=0.25")
    assert states(result) == {"sort": "cached", "train": "finished", "count": "cached", "report": "finished"}
    assert "the input model has other contents" in of_step(result, "report")["why"]
    place.started()
    assert set(states(place.run(jetcal, "--set", "rate=0.5")).values()) == {"cached"}, "the first results are still there"


def test_content_decides_not_time_or_place(jetcal, place):
    place.run(jetcal)
    place.started()
    words = place.folder / "words.txt"
    os.utime(words, (1, 1))
    place.run(jetcal)
    other = place.folder / "elsewhere.txt"
    other.write_text(words.read_text())
    place.run(jetcal, "--input", f"words={other}")
    assert place.started() == []
    words.write_text("fig\npear\napple\n")  # other contents, but sorted they are the same
    place.run(jetcal)
    assert place.started() == ["sort"]
    words.write_text("fig\n")
    result = place.run(jetcal)
    assert place.started() == ["count", "report", "sort", "train"]
    assert of_step(result, "sort")["why"] == ["the input words has other contents"]


def test_kills_at_random_points_lose_nothing_and_repeat_nothing(jetcal, tmp_path):
    reference = outputs(Place(tmp_path / "reference").run(jetcal))
    place = Place(tmp_path / "place", pause="sleep 0.05")
    place.file.write_text(place.file.read_text().replace("name: sort\n", "name: sort\n    retries: {limit: 9, delay: 10ms}\n"))
    generator = random.Random(1)
    finished = set()
    kills = 0
    for attempt in range(30):
        place.started()
        process = subprocess.Popen([JETCAL, *map(str, place.arguments("--json"))], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0.0, 0.35))
        children = [pid for pid in processes_with(str(place.notes))]
        victim = generator.choice(children) if children and attempt % 2 else process.pid
        try:
            os.kill(victim, signal.SIGKILL)
            kills += 1
        except ProcessLookupError:
            pass
        if victim == process.pid:
            process.wait()
        else:
            process.wait(timeout=60)
        deadline = time.monotonic() + 20
        while processes_with(str(place.folder)):
            assert time.monotonic() < deadline, "a step outlived its killed runner"
            time.sleep(0.02)
        again = finished & set(place.started())
        assert not again, f"finished steps ran again: {again}"
        if (place.root / "steps").exists():
            finished = {json.loads(path.read_text())["step"] for path in (place.root / "steps").glob("*.json")}
        if attempt % 6 == 5:  # so that later kills meet early steps again
            subprocess.run(["rm", "-rf", place.root / "steps", place.root / "artifacts"], check=True)
            finished = set()
    result = place.run(jetcal)
    assert outputs(result) == reference and kills >= 20
    assert not list((place.root / "work").glob("*/")), "work of finished steps stays"


def test_a_killed_run_is_called_cut_and_goes_on(jetcal, tmp_path):
    place = Place(tmp_path / "place", pause="sleep 0.4")
    process = subprocess.Popen([JETCAL, *map(str, place.arguments("--set", "rate=0.75"))], stderr=subprocess.DEVNULL)
    while not list((place.root / "steps").glob("*.json")):
        time.sleep(0.02)
    process.kill()
    process.wait()
    runs = place.look(jetcal, "list")["runs"]
    assert [run["state"] for run in runs] == ["cut"]
    for flags, word in ((["--resume", "last", "--set", "rate=0.5"], "--set cannot change the run"),
                        (["--resume", "last", "--recurring"], "--recurring cannot change the run"), (["--times", 2], "--times needs")):
        status, message = jetcal.fails(*place.arguments(*flags))
        assert status == 2 and word in message
    result = place.run(jetcal, "--resume", "last")
    assert result["run"] == runs[0]["run"] and states(result)["sort"] == "cached"
    assert of_step(result, "train")["outputs"]["loss"] == 0.75
    assert [run["state"] for run in place.look(jetcal, "list")["runs"]] == ["finished"]


def test_cancel_ends_every_process(jetcal, tmp_path):
    place = Place(tmp_path / "place", pause="sleep 30 & sleep 30")
    process = subprocess.Popen([JETCAL, *map(str, place.arguments())], stderr=subprocess.PIPE, text=True)
    while not processes_with(str(place.notes)):
        time.sleep(0.02)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "sort: cancelled" in errors and time.monotonic() - start < 9
    assert not processes_with(str(place.notes))
    assert place.look(jetcal, "list")["runs"][0]["state"] == "cancelled"


SMALL = "format: jetcal-pipeline/1\nname: small\nsteps:\n"


def test_retries_back_off_and_then_say_why_it_failed(jetcal, tmp_path):
    place = Place(tmp_path / "place", SMALL + f"""
  - name: flaky
    command: [sh, -c, 'echo x >> {tmp_path}/tries; echo oops >&2; test $(wc -l < {tmp_path}/tries) -ge 3']
    retries: {{limit: 2, delay: 200ms, factor: 2}}
  - name: broken
    command: [sh, -c, 'echo it is broken >&2; exit 7']
    retries: 1
  - name: after
    command: 'true'
    after: [broken]
""")
    start = time.monotonic()
    result = place.run(jetcal, status=6)
    assert time.monotonic() - start >= 0.6
    assert states(result) == {"flaky": "finished", "broken": "failed", "after": "blocked"}
    assert of_step(result, "flaky")["attempts"] == 3 and of_step(result, "broken")["attempts"] == 2
    assert of_step(result, "broken")["reason"] == "the command ended with status 7"
    assert "it is broken" in pathlib.Path(of_step(result, "broken")["log"]).read_text()
    run = place.look(jetcal, "list")["runs"][0]
    assert run["state"] == "failed" and run["message"] == "broken: the command ended with status 7"


def test_a_step_that_resumes_finds_what_its_last_attempt_left(jetcal, tmp_path):
    step = """
  - name: {name}
    resume: {resume}
    retries: {{limit: 1, delay: 10ms}}
    command: [sh, -c, ': {name}; echo x >> progress; test $(wc -l < progress) -ge 2 || exit 1; cp progress "$0"', '${{outputs.d}}']
    outputs: {{d: {{type: Dataset}}}}
"""
    place = Place(tmp_path / "place", SMALL + step.format(name="long", resume="true") + step.format(name="fresh", resume="false"))
    result = place.run(jetcal, status=6)
    assert states(result) == {"long": "finished", "fresh": "failed"}
    assert pathlib.Path(of_step(result, "long")["paths"]["d"]).read_text() == "x\nx\n"


def test_time_limit_missing_program_missing_output_and_wrong_value_are_named(jetcal, tmp_path):
    place = Place(tmp_path / "place", SMALL + """
  - {name: slow, command: 'sleep 60', time_limit: 300ms}
  - {name: absent, command: no-such-program-here}
  - {name: lazy, command: 'true', outputs: {data: {type: Dataset, path: data.txt}}}
  - {name: wordy, command: 'echo word', outputs: {n: {type: integer, stdout: true}}}
  - {name: killed, command: [sh, -c, 'kill -9 $$']}
""")
    result = place.run(jetcal, "--cores", 8, status=6)
    reasons = {step["step"]: step["reason"] for step in result["steps"]}
    assert reasons["slow"] == "ran past its time limit of 0.3 s"
    assert reasons["absent"] == "there is no program 'no-such-program-here' on the PATH"
    assert "the command ended without the output 'data'" in reasons["lazy"]
    assert reasons["wordy"] == "the output 'n' of the step 'wordy' is of type integer, but the command gave \"word\""
    assert reasons["killed"] == "the command was killed by signal 9 (Killed)"


def test_cores_and_memory_bound_what_runs_at_a_time(jetcal, tmp_path):
    step = "  - {{name: s{0}, command: [sh, -c, 'sleep 0.5 # {0}'], resources: {{cores: 1, memory: 1Gi}}}}\n"
    place = Place(tmp_path / "place", SMALL + "".join(step.format(i) for i in range(4)))

    def most_at_a_time(result):
        spans = []
        for entry in (place.root / "runs" / result["run"] / "journal.jsonl").read_text().splitlines():
            event = json.loads(entry)
            if event.get("event") == "step":
                spans.append(1 if event["state"] == "running" else -1)
        level = [sum(spans[:i + 1]) for i in range(len(spans))]
        return max(level)

    assert most_at_a_time(place.run(jetcal, "--cores", 4, "--memory", "64Gi")) == 4
    assert most_at_a_time(place.run(jetcal, "--cores", 4, "--memory", "2Gi", "--force-all")) == 2
    assert most_at_a_time(place.run(jetcal, "--cores", 1, "--memory", "64Gi", "--force-all")) == 1
    status, message = jetcal.fails(*place.arguments("--memory", "512Mi"))
    assert status == 2 and "asks for 1073741824 bytes of memory" in message


def test_conditions_fan_out_and_optional_inputs(jetcal, tmp_path):
    place = Place(tmp_path / "place", """
format: jetcal-pipeline/1
name: fan
parameters:
  seeds: {type: list, default: [3, 5]}
  deploy: {type: boolean, default: false}
steps:
  - name: train
    for_each: parameters.seeds
    command: [sh, -c, 'echo $0 > "$1"; echo $0', '${item}', '${outputs.model}']
    outputs: {model: {type: Model}, loss: {type: integer, stdout: true}}
  - name: check
    for_each: train
    command: [sh, -c, 'sed s/^/checked-/ "$0" > "$1"', '${inputs.model}', '${outputs.good}']
    inputs: {model: train.model}
    outputs: {good: {type: Model}}
  - name: extra
    when: ${parameters.deploy} == true
    command: [sh, -c, 'echo extra > "$0"', '${outputs.note}']
    outputs: {note: {type: Artifact}}
  - name: all
    command: [sh, -c, 'cat "$@" > out.txt', all, '${inputs.models}', '${inputs.note}']
    inputs: {models: check.good, note: {from: extra.note, optional: true}, losses: train.loss}
    outputs: {text: {type: Artifact, path: out.txt}}
  - name: needs-extra
    command: 'cat ${inputs.note}'
    inputs: {note: extra.note}
""")
    result = place.run(jetcal)
    assert states(result) == {"train[0]": "finished", "train[1]": "finished", "check[0]": "finished", "check[1]": "finished",
                              "extra": "skipped", "all": "finished", "needs-extra": "skipped"}
    assert pathlib.Path(of_step(result, "all")["paths"]["text"]).read_text() == "checked-3\nchecked-5\n"
    assert of_step(result, "extra")["reason"] == "its condition does not hold: ${parameters.deploy} == true"
    result = place.run(jetcal, "--set", "seeds=[5, 7]", "--set", "deploy=true")
    assert states(result)["train[0]"] == "cached" and states(result)["train[1]"] == "finished"
    assert pathlib.Path(of_step(result, "all")["paths"]["text"]).read_text() == "checked-5\nchecked-7\nextra\n"


def test_partial_runs_and_dry_run(jetcal, place):
    dry = place.run(jetcal, "--dry-run")
    assert states(dry) == {"sort": "would-run", "train": "unknown", "count": "unknown", "report": "unknown"}
    assert place.started() == [] and place.look(jetcal, "list")["runs"] == []
    result = place.run(jetcal, "--until", "train")
    assert states(result) == {"sort": "finished", "train": "finished", "count": "left-out", "report": "left-out"}
    place.run(jetcal)
    place.started()
    place.run(jetcal, "--force", "count")
    assert place.started() == ["count"], "what it gives is as before, so nothing after it runs"
    (place.folder / "words.txt").write_text("kiwi\n")
    result = place.run(jetcal, "--from", "report", "--set", "report=other")
    assert states(result)["sort"] == "kept" and place.started() == ["report"]
    assert jetcal.fails(*place.arguments("--until", "nothing"))[1].endswith("the pipeline quick has no step 'nothing'")


def test_never_cached_steps_and_damaged_stores(jetcal, tmp_path):
    place = Place(tmp_path / "place", SMALL + f"""
  - {{name: clock, cache: false, command: [sh, -c, 'echo start clock >> {tmp_path}/place/notes']}}
  - {{name: data, command: [sh, -c, 'echo start data >> {tmp_path}/place/notes; echo 1 > "$0"', '${{outputs.d}}'], outputs: {{d: {{type: Dataset}}}}}}
""")
    place.run(jetcal)
    place.run(jetcal)
    assert place.started() == ["clock", "clock", "data"]
    for path in (place.root / "artifacts").iterdir():
        subprocess.run(["rm", "-rf", path], check=True)
    place.run(jetcal)
    assert place.started() == ["clock", "data"]
    for path in (place.root / "steps").iterdir():
        path.write_text(path.read_text()[:40])
    place.run(jetcal)
    assert place.started() == ["clock", "data"]


def test_two_runs_at_a_time_share_a_step(jetcal, tmp_path):
    place = Place(tmp_path / "place", pause="sleep 0.3")
    processes = [subprocess.Popen([JETCAL, *map(str, place.arguments("--json"))], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True) for _ in range(3)]
    results = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert place.started() == ["count", "report", "sort", "train"]
    assert len({json.dumps(outputs(result), sort_keys=True) for result in results}) == 1


def test_environment_is_what_is_declared(jetcal, tmp_path):
    place = Place(tmp_path / "place", SMALL + """
  - name: show
    environment: {DECLARED: 'yes'}
    pass_environment: [SECRET]
    command: [sh, -c, 'env > "$0"', '${outputs.env}']
    outputs: {env: {type: Artifact}}
""")
    environment = dict(os.environ, SECRET="s3cret", STRANGER="1")
    result = json.loads(jetcal.raw(*place.arguments("--json"), env=environment).stdout)
    text = pathlib.Path(of_step(result, "show")["paths"]["env"]).read_text()
    assert "DECLARED=yes" in text and "SECRET=s3cret" in text and "STRANGER" not in text
    assert "s3cret" not in (place.root / "runs" / result["run"] / "journal.jsonl").read_text()
    again = json.loads(jetcal.raw(*place.arguments("--json"), env=dict(environment, SECRET="other")).stdout)
    assert states(again) == {"show": "cached"}


def test_service_runs_beside_the_command_and_ends_with_it(jetcal, tmp_path):
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "page").write_text("served")
    server = f"python3 -m http.server --bind 127.0.0.1 --directory {tmp_path}/place ${{service.port}}"
    place = Place(tmp_path / "place", SMALL + f"""
  - name: ask
    service: {{command: '{server}', ready: /page}}
    command: [sh, -c, 'exec python3 -c "import sys,urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1]).read().decode())" "$0/page"', '${{service.url}}']
    outputs: {{answer: {{type: string, stdout: true}}}}
  - name: dead
    service: {{command: 'false', ready: /}}
    command: 'true'
""")
    result = place.run(jetcal, status=6)
    assert of_step(result, "ask")["outputs"]["answer"] == "served"
    assert of_step(result, "dead")["reason"] == "its service ended with status 1 before it was ready"
    assert not processes_with(f"{tmp_path}/place")


def test_history_compares_explains_and_follows_lineage(jetcal, place):
    first = place.run(jetcal, "--experiment", "rates")
    second = place.run(jetcal, "--experiment", "rates", "--set", "rate=0.125")
    place.run(jetcal, "--experiment", "other")
    listed = place.look(jetcal, "list", "--experiment", "rates")["runs"]
    assert [run["run"] for run in listed] == [second["run"], first["run"]]
    why = place.look(jetcal, "why", "train", "--run", second["run"])
    assert why["why"] == ["the parameter rate is 0.125, was 0.5"]
    compared = place.look(jetcal, "compare", first["run"], second["run"][-6:])
    assert compared["parameters"] == {"rate": [0.5, 0.125]}
    assert compared["steps"]["sort"]["same"] is True and compared["steps"]["train"]["outputs"]["loss"] == [0.5, 0.125]
    copy = place.folder / "copied-report"
    subprocess.run(["cp", "-rL", of_step(second, "report")["paths"]["report"], copy], check=True)
    for what in (copy, copy / "model", f"{second['run']}/report/report", of_step(second, "report")["key"]):
        line = place.look(jetcal, "lineage", what)
        assert {"sort", "train"} <= {step["step"] for step in line["steps"]}
        assert [file["path"] for file in line["data"]] == [str(place.folder / "words.txt")] and line["commits"]
    status, message = jetcal.fails("pipeline", "lineage", place.file, "--directory", place.root)
    assert status == 3 and "no step" in message
    assert "start" not in jetcal.raw("pipeline", "log", "train", "--directory", place.root).stderr


def test_recurring_runs_come_at_their_times(jetcal, tmp_path):
    place = Place(tmp_path / "place", "recurring: {cron: '*/1 * * * * *'}\n" + SMALL + "  - {name: tick, cache: false, command: 'true'}\n")
    result = jetcal.raw(*place.arguments("--recurring", "--times", 2))
    assert result.returncode == 0, result.stderr
    assert [run["state"] for run in place.look(jetcal, "list")["runs"]] == ["finished", "finished"]


def test_a_full_disk_is_one_sentence_and_loses_nothing(jetcal, tmp_path):
    place = Place(tmp_path / "place", SMALL + """
  - {name: first, command: [sh, -c, 'echo kept > "$0"', '${outputs.d}'], outputs: {d: {type: Dataset}}}
  - {name: big, command: [sh, -c, 'head -c 3000000 /dev/zero > "$0"', '${outputs.d}'], outputs: {d: {type: Dataset}}, after: [first]}
""")
    mount = tmp_path / "full"
    mount.mkdir()
    script = f"mount -t tmpfs -o size=2m tmpfs {mount} && {JETCAL} pipeline run {place.file} --directory {mount}/runs; echo status $?; ls {mount}/runs/steps | wc -l"
    result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if "status" not in result.stdout:
        pytest.skip("this machine does not let a test mount a small disk: " + result.stderr.strip())
    assert "status 6" in result.stdout and result.stdout.split()[-1] == "1"
    assert "the step 'big' failed" in result.stderr and "terminate" not in result.stderr


@pytest.mark.parametrize("mistake, sentence", [
    ("set rat=1", "has no parameter 'rat'; did you mean 'rate'?"),
    ("set rate=fast", "the parameter 'rate' is of type number, but \"fast\" is not"),
    ("set rate", "--set takes NAME=VALUE, got 'rate'"),
    ("input nothing=x", "has no input 'nothing'"),
    ("input words=/no/such/file", "no such file: /no/such/file"),
    ("resume quick-000000", "there is no run 'quick-000000'"),
])
def test_mistakes_on_the_command_line_are_one_sentence(jetcal, place, mistake, sentence):
    flag, value = mistake.split()
    result = jetcal.raw(*place.arguments(f"--{flag}", value))
    assert result.returncode != 0 and sentence in result.stderr.strip().splitlines()[-1], result.stderr


def test_the_verb_starts_in_milliseconds(jetcal):
    start = time.monotonic()
    for _ in range(5):
        assert jetcal.raw("pipeline", "--help").returncode == 0
    assert (time.monotonic() - start) / 5 < 1.0
