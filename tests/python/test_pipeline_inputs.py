# SPDX-License-Identifier: Apache-2.0
"""Inputs of pipelines on a real S3 server: fetched once, taken by content, named in the lineage; mistakes are one sentence."""

import fcntl
import json
import os
import shutil
import subprocess

import pytest
from object_store import SECRET, server  # noqa: F401 (server is a fixture)
from test_pipeline_run import Place, of_step, outputs, states

from conftest import JETCAL

WORDS = """
format: jetcal-pipeline/1
name: words
inputs:
  words: {default: %s}
steps:
  - name: join
    command: [sh, -c, 'find "$@" -type f | sort | xargs cat > "$0"', '${outputs.all}', '${inputs.words}']
    inputs: {words: inputs.words}
    outputs: {all: {type: Dataset}}
  - name: count
    command: [sh, -c, 'wc -w < "$0" > "$1"', '${inputs.all}', '${outputs.words}']
    inputs: {all: join.all}
    outputs: {words: {type: integer}}
"""


class Bucket:
    """A folder of the server's bucket; counts what runs fetched."""

    def __init__(self, server, name):
        self.server, self.folder = server, server.folder / "bucket" / name
        self.location = f"s3://bucket/{name}"

    def put(self, name, text):
        with self.server.client().open_output_stream(f"{self.location.removeprefix('s3://')}/{name}") as stream:
            stream.write(text.encode())

    def run(self, jetcal, place, *more, status=0, **changes):
        done = jetcal.raw(*place.arguments(*more), "--json", env=self.server.environment(**changes))
        assert done.returncode == status, done.stderr
        assert SECRET not in done.stderr and "terminate called" not in done.stderr
        fetched = [line.split()[1].rstrip(",") for line in done.stderr.splitlines() if line.startswith("fetching ")]
        return json.loads(done.stdout), fetched


@pytest.fixture
def bucket(server, request):
    bucket = Bucket(server, request.node.originalname)
    bucket.put("words.txt", "pear apple\n")
    bucket.put("sets/a.txt", "one\n")
    bucket.put("sets/b.txt", "two three\n")
    bucket.put("sets/deep/c.txt", "four\n")
    return bucket


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "place", text=WORDS % "words.txt")


def count(result):
    return of_step(result, "count")["outputs"]["words"]


def test_an_object_is_fetched_once_and_taken_by_its_content(jetcal, bucket, place):
    given = ["--input", f"words={bucket.location}/words.txt"]
    first, fetched = bucket.run(jetcal, place, *given)
    assert count(first) == 2 and fetched == [f"{bucket.location}/words.txt"]
    second, fetched = bucket.run(jetcal, place, *given)
    assert set(states(second).values()) == {"cached"} and fetched == [] and outputs(second) == outputs(first)
    (place.folder / "words.txt").write_text("pear apple\n")
    local, _ = bucket.run(jetcal, place)
    assert set(states(local).values()) == {"cached"}, "the same content under another name"
    assert not list(place.root.glob("work/inputs.*"))


def test_another_content_is_fetched_anew(jetcal, bucket, place):
    given = ["--input", f"words={bucket.location}/words.txt"]
    bucket.run(jetcal, place, *given)
    bucket.put("words.txt", "fig  grape\n")  # as long as before
    result, fetched = bucket.run(jetcal, place, *given)
    assert len(fetched) == 1 and states(result) == {"join": "finished", "count": "finished"}
    bucket.put("words.txt", "one\n")
    result, fetched = bucket.run(jetcal, place, *given)
    assert len(fetched) == 1 and count(result) == 1
    shutil.rmtree(place.root / "artifacts")
    result, fetched = bucket.run(jetcal, place, *given)
    assert len(fetched) == 1 and count(result) == 1, "what is gone here is fetched again"


def test_a_folder_and_a_pattern_are_inputs(jetcal, bucket, place):
    for name in (f"{bucket.location}/sets", f"{bucket.location}/sets/"):
        result, fetched = bucket.run(jetcal, place, "--input", f"words={name}")
        assert count(result) == 4
    assert fetched == [], "the same folder"
    result, fetched = bucket.run(jetcal, place, "--input", f"words={bucket.location}/sets/*.txt")
    assert count(result) == 3 and fetched == [f"{bucket.location}/sets/{name}.txt" for name in "ab"]
    result, _ = bucket.run(jetcal, place, "--input", f"words={bucket.location}/sets/?.txt", "--input", f"words={bucket.location}/words.txt")
    assert count(result) == 5
    bucket.put("sets/d.txt", "five\n")
    result, fetched = bucket.run(jetcal, place, "--input", f"words={bucket.location}/sets/")
    assert count(result) == 5 and fetched == [f"{bucket.location}/sets"]


def test_a_default_may_lie_there_and_lineage_names_it(jetcal, bucket, tmp_path):
    place = Place(tmp_path / "place", text=WORDS % f"{bucket.location}/words.txt")
    planned, fetched = bucket.run(jetcal, place, "--dry-run")
    assert states(planned)["join"] == "would-run" and len(fetched) == 1
    result, fetched = bucket.run(jetcal, place)
    assert count(result) == 2 and fetched == []
    lineage = place.look(jetcal, "lineage", of_step(result, "count")["key"])
    assert [data["path"] for data in lineage["data"]] == [f"{bucket.location}/words.txt"]
    rendered = jetcal.raw("pipeline", "render", place.file, "--format", "argo", "--bucket", "other")
    assert f"key: {bucket.folder.name}/words.txt" in rendered.stdout and "bucket: bucket" in rendered.stdout


def test_what_a_killed_run_was_fetching_goes_and_what_another_fetches_stays(jetcal, bucket, place):
    killed, other = place.root / "work" / "inputs.99999999", place.root / "work" / "inputs.99999998"
    for folder in (killed, other):
        folder.mkdir(parents=True)
        (folder / "words.txt").write_text("half")
    lock = os.open(other, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as a process does that runs in a container, under whatever number
    bucket.run(jetcal, place, "--input", f"words={bucket.location}/words.txt")
    os.close(lock)
    assert not killed.exists() and list(place.root.glob("work/inputs.*")) == [other]


def test_a_killed_run_has_fetched_for_the_next_one(jetcal, bucket, place):
    bucket.put("large.txt", "word\n" * 6_000_000)
    given = [word for name in ("words.txt", "large.txt") for word in ("--input", f"words={bucket.location}/{name}")]
    with subprocess.Popen([JETCAL, *map(str, place.arguments(*given))], env=bucket.server.environment(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        next(line for line in process.stderr if line.startswith(f"fetching {bucket.location}/large.txt"))
        process.kill()
    result, fetched = bucket.run(jetcal, place, *given)
    assert f"{bucket.location}/words.txt" not in fetched and count(result) == 6_000_002


def test_a_run_goes_on_with_its_inputs(jetcal, bucket, place):
    result, _ = bucket.run(jetcal, place, "--input", f"words={bucket.location}/words.txt", "--until", "join")
    again = jetcal("pipeline", "run", "--directory", place.root, "--resume", result["run"], env=bucket.server.environment())
    assert count(again) == 2


@pytest.mark.parametrize("name, changes, text", [
    ("nowhere.txt", {}, "there is no object s3://bucket/{test}/nowhere.txt, and none below it"),
    ("*.root", {}, "no object matches s3://bucket/{test}/*.root"),
    ("words.txt", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses the credentials"),
    ("words.txt", {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "there are no credentials for s3://bucket/{test}"),
    ("words.txt", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "2"}, "words.txt at http://127.0.0.1:9 in 2 attempts"),
])
def test_mistakes_are_one_sentence(jetcal, bucket, place, name, changes, text):
    result, _ = bucket.run(jetcal, place, "--input", f"words={bucket.location}/{name}", status=6, **changes)
    assert states(result) == {"join": "failed", "count": "blocked"}
    reason = of_step(result, "join")["reason"]
    assert text.format(test=bucket.folder.name) in reason and "\n" not in reason
    assert not list(place.root.glob("work/inputs.*")) and not list(place.root.glob("artifacts/*"))


@pytest.mark.parametrize("location, text", [
    ("s3://bucket", "an input is an object or a folder of a bucket, got s3://bucket"),
    ("s3://no-such-bucket/a", "there is no bucket no-such-bucket"),
    ("s3://", "cannot understand 's3://'"),
])
def test_a_place_that_is_no_object_is_told(jetcal, bucket, place, location, text):
    result, _ = bucket.run(jetcal, place, "--input", f"words={location}", status=6)
    assert text in of_step(result, "join")["reason"]
