# SPDX-License-Identifier: Apache-2.0
"""Runs whose artefacts are on a real S3 server: shared cache, wrong credentials, a vanishing server, a full disk."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest
from conftest import JETCAL
from object_store import SECRET, ObjectStore, need_gateway, server  # noqa: F401 (server is a fixture)
from test_pipeline_run import QUICK, Place, of_step, outputs, states


class SharedPlace(Place):
    """A folder with a pipeline whose artefacts are in an S3 store too. Its path is in no command, so that places share keys."""

    def __init__(self, folder, server, store, text=QUICK, pause="true"):
        super().__init__(folder, text=text.format(notes="$JETCAL_NOTES", pause=pause))
        self.server, self.store = server, store

    def start(self, *more, environment=None, **kwargs):
        command = [JETCAL, *map(str, self.arguments("--store", self.store, *more)), "--json"]
        environment = dict(environment or self.server.environment(), JETCAL_NOTES=str(self.notes))
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **kwargs)

    def run(self, *more, status=0, **kwargs):
        process = self.start(*more, **kwargs)
        output, messages = process.communicate(timeout=120)
        assert process.returncode == status, messages
        return json.loads(output) if output else messages.strip().splitlines()[-1]


@pytest.fixture
def store(request):
    return f"s3://bucket/{request.node.name}"


def objects(server, store):
    folder = server.folder / store.removeprefix("s3://")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_fresh_machine_takes_what_another_one_made(server, store, tmp_path):
    here = SharedPlace(tmp_path / "here", server, store)
    first = here.run()
    assert first["finished"] == 4 and here.started() == ["count", "report", "sort", "train"]
    there = SharedPlace(tmp_path / "there", server, store)
    second = there.run()
    assert set(states(second).values()) == {"cached"} and outputs(second) == outputs(first) and there.started() == []
    page = pathlib.Path(of_step(second, "report")["paths"]["report"])  # a result: it was fetched
    assert page.is_relative_to(there.root) and (page / "deep" / "page").read_text() == "plain 0.5 3\n"
    assert not os.access(page / "model", os.W_OK) or os.geteuid() == 0
    assert of_step(second, "train")["paths"]["model"].startswith(f"{store}/artifacts/")  # it was not
    assert not (there.root / "artifacts" / of_step(second, "train")["outputs"]["model"]).exists()
    assert not list(there.root.glob("**/*.part")) and not list(there.root.glob("**/fetched"))


def test_what_a_step_needs_is_fetched_and_no_more(server, store, tmp_path):
    SharedPlace(tmp_path / "here", server, store).run()
    there = SharedPlace(tmp_path / "there", server, store)
    result = there.run("--set", "report=fancy")
    assert there.started() == ["report"]
    page = pathlib.Path(of_step(result, "report")["paths"]["report"]) / "deep" / "page"
    assert page.read_text() == "fancy 0.5 3\n"
    have = {path.name for path in (there.root / "artifacts").iterdir()}
    assert of_step(result, "train")["outputs"]["model"] in have
    assert of_step(result, "sort")["outputs"]["sorted"] not in have
    third = SharedPlace(tmp_path / "third", server, store).run("--set", "report=fancy")
    assert set(states(third).values()) == {"cached"}


def test_every_artefact_and_record_is_there_by_content(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store)
    expected = {f"steps/{step['key']}.json" for step in place.run()["steps"]}
    for path in (place.root / "steps").iterdir():
        for output in json.loads(path.read_text())["outputs"].values():
            for file in output.get("files", []):
                expected.add("/".join(filter(None, ("artifacts", output["sha256"], output["file"], file["path"]))))
    assert len([name for name in expected if name.startswith("artifacts/")]) == 4
    assert set(objects(server, store)) == expected


def test_results_made_before_the_store_go_there_too(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store)
    subprocess.run([JETCAL, *map(str, place.arguments())], env=dict(os.environ, JETCAL_NOTES=str(place.notes)), check=True)  # without
    assert set(states(place.run("--dry-run")).values()) == {"cached"} and objects(server, store) == []
    assert set(states(place.run()).values()) == {"cached"}
    there = SharedPlace(tmp_path / "there", server, store)
    assert set(states(there.run()).values()) == {"cached"} and there.started() == []


def test_a_lost_or_changed_artefact_is_not_taken(server, store, tmp_path):
    first = SharedPlace(tmp_path / "here", server, store).run()
    model = of_step(first, "train")["outputs"]["model"]
    there = SharedPlace(tmp_path / "there", server, store)
    object_file = server.folder / store.removeprefix("s3://") / "artifacts" / model / "model"
    content = object_file.read_bytes()
    object_file.write_bytes(bytes(byte ^ 1 for byte in content))  # of the same size
    message = there.run("--set", "report=new", status=6)
    reason = of_step(message, "report")["reason"]
    assert "was changed after it was made" in reason and model in reason
    object_file.unlink()  # gone: made again, and put back
    result = there.run("--set", "report=new")
    assert states(result) == {"sort": "cached", "train": "finished", "count": "cached", "report": "finished"}
    assert object_file.read_bytes() == content


def test_a_forced_step_replaces_what_is_there(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store)
    before = of_step(place.run(), "count")["key"]
    record = server.folder / store.removeprefix("s3://") / "steps" / f"{before}.json"
    run = json.loads(record.read_text())["run"]
    place.run("--force", "count")
    assert json.loads(record.read_text())["run"] != run


def test_wrong_credentials_stop_a_run_before_it_starts(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store)
    for changes, status, text in (
            ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 2, "refuses the credentials of AWS_ACCESS_KEY_ID or what they may do"),
            ({"AWS_ACCESS_KEY_ID": "nobody"}, 2, "refuses the credentials of AWS_ACCESS_KEY_ID or what they may do"),
            ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 6, "there are no credentials for s3://bucket/"),
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "2"}, 6, "at http://127.0.0.1:9 in 2 attempts")):
        message = place.run(status=status, environment=server.environment(**changes))
        assert text in message and SECRET not in message, message
    assert place.started() == []
    elsewhere = SharedPlace(tmp_path / "elsewhere", server, "s3://nothing/x")
    assert "there is no bucket nothing" in elsewhere.run(status=3)
    place.run()
    for path in place.root.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_server_that_vanishes_loses_nothing(tmp_path, tmp_path_factory):
    need_gateway()
    mortal = ObjectStore(tmp_path_factory.mktemp("mortal"))
    mortal.client().create_dir("bucket")
    place = SharedPlace(tmp_path / "here", mortal, "s3://bucket/run", pause="sleep 0.4")
    process = place.start(environment=mortal.environment(AWS_MAX_ATTEMPTS="3"))
    while not objects(mortal, "s3://bucket/run"):  # the first artefact is there
        time.sleep(0.02)
    mortal.kill()
    output, messages = process.communicate(timeout=60)
    assert process.returncode == 6, messages
    failed = [step for step in json.loads(output)["steps"] if step["state"] == "failed"]
    assert failed and all(f"at http://127.0.0.1:{mortal.port} in 3 attempts: " in step["reason"] for step in failed), failed
    ran = place.started()
    mortal.start()
    result = place.run()
    assert result["state"] == "finished"
    again = place.started()
    assert sorted(ran + again) == ["count", "report", "sort", "train"], "no step that had ended well ran twice"
    there = SharedPlace(tmp_path / "there", mortal, "s3://bucket/run", pause="sleep 0.4")
    assert set(states(there.run()).values()) == {"cached"}
    mortal.kill()


def test_a_server_that_comes_back_in_time_is_waited_for(tmp_path, tmp_path_factory):
    need_gateway()
    mortal = ObjectStore(tmp_path_factory.mktemp("mortal"))
    mortal.client().create_dir("bucket")
    place = SharedPlace(tmp_path / "here", mortal, "s3://bucket/run", pause="sleep 0.3")
    process = place.start()
    while not objects(mortal, "s3://bucket/run"):
        time.sleep(0.02)
    mortal.kill()
    time.sleep(1)
    mortal.start()
    output, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert json.loads(output)["finished"] == 4
    mortal.kill()


def test_a_kill_in_the_middle_leaves_what_is_finished(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store, pause="sleep 0.3")
    process = place.start()
    while not list((place.root / "steps").glob("*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.6)  # the watchers end
    place.run()
    there = SharedPlace(tmp_path / "there", server, store, pause="sleep 0.3")
    assert set(states(there.run()).values()) == {"cached"}


LARGE = """
format: jetcal-pipeline/1
name: large
steps:
  - name: make
    command: [sh, -c, 'head -c 3000000 /dev/zero > "$0"; echo start make >> {notes}', '${{outputs.data}}']
    outputs: {{data: {{type: Dataset}}}}
  - name: count
    command: [sh, -c, 'wc -c < "$0" > "$1"', '${{inputs.data}}', '${{outputs.bytes}}']
    inputs: {{data: make.data}}
    outputs: {{bytes: {{type: integer}}}}
"""


def test_a_full_disk_is_told_and_the_next_run_finishes(server, store, tmp_path):
    def large(name):
        return SharedPlace(tmp_path / name, server, store, text=LARGE)

    large("here").run("--until", "make")

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    there = large("there")
    result = there.run(status=6, preexec_fn=limit_files)
    assert states(result) == {"make": "cached", "count": "failed"}
    assert "File too large" in of_step(result, "count")["reason"], result
    assert not list(there.root.rglob("*.part")) and not list(there.root.glob("work/*.inputs"))
    result = there.run()
    assert of_step(result, "count")["outputs"]["bytes"] == 3_000_000 and there.started() == []


def test_a_full_file_system_is_told_and_the_next_run_finishes(server, store, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    try:
        place = SharedPlace(disk / "here", server, store, text=LARGE)
        result = place.run(status=6)
        failed = of_step(result, "make")  # the command or jetcal, whichever met it first
        assert failed["state"] == "failed" and "no space left on" in failed["reason"].lower(), failed
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert of_step(place.run(), "count")["outputs"]["bytes"] == 3_000_000
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_is_shared_like_a_bucket(jetcal, tmp_path):
    SharedPlace(tmp_path / "here", None, tmp_path / "shared").run(environment=dict(os.environ))
    there = SharedPlace(tmp_path / "there", None, tmp_path / "shared")
    assert set(states(there.run(environment=dict(os.environ))).values()) == {"cached"} and there.started() == []
    status, message = jetcal.fails(*there.arguments()[:2], there.file, "--directory", "s3://bucket/x")
    assert status == 2 and "--store" in message


def test_lineage_from_a_machine_that_ran_nothing(jetcal, server, store, tmp_path):
    here = SharedPlace(tmp_path / "here", server, store)
    model = of_step(here.run(), "train")["paths"]["model"]
    shutil.copy(model, tmp_path / "model")
    found = jetcal("pipeline", "lineage", tmp_path / "model", "--directory", tmp_path / "empty", "--store", store,
                   env=server.environment())
    assert [step["step"] for step in found["steps"]] == ["train", "sort"]
    assert found["data"][0]["path"] == str(here.folder / "words.txt")


def test_a_run_goes_on_with_its_store(server, store, tmp_path):
    place = SharedPlace(tmp_path / "here", server, store)
    place.run("--until", "sort", "--cores", 2)
    assert [name.split("/")[0] for name in objects(server, store)] == ["artifacts", "steps"]
    command = [JETCAL, "pipeline", "run", "--directory", place.root, "--resume", "last", "--json"]
    result = subprocess.run(command, env=dict(server.environment(), JETCAL_NOTES=str(place.notes)), check=True, capture_output=True)
    assert json.loads(result.stdout)["state"] == "finished"
    assert len([name for name in objects(server, store) if name.startswith("steps/")]) == 4


def test_two_machines_at_once_agree(server, store, tmp_path):
    places = [SharedPlace(tmp_path / name, server, store, pause="sleep 0.1") for name in ("one", "two")]
    results = [None, None]

    def work(i):
        results[i] = places[i].run()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs(results[0]) == outputs(results[1])


def test_the_default_pipeline_on_the_server(jetcal, server, store, sample, tmp_path):
    quick = ["--set", "trials=2", "--set", "epochs=1", "--set", "bootstrap=2", "--input", f"jets={sample}"]
    environment = server.environment()
    first = jetcal("pipeline", "run", *quick, "--directory", tmp_path / "here", "--store", store, env=environment)
    assert [step["state"] for step in first["steps"]] == ["finished"] * 5
    for step in first["steps"]:
        for name, path in step["paths"].items():
            artifact = server.folder / store.removeprefix("s3://") / pathlib.Path(path).relative_to(tmp_path / "here")
            here = pathlib.Path(path)
            for file in [here] if here.is_file() else [file for file in here.rglob("*") if file.is_file()]:
                assert (artifact / file.relative_to(here)).read_bytes() == file.read_bytes()
    begin = time.monotonic()
    second = jetcal("pipeline", "run", *quick, "--directory", tmp_path / "there", "--store", store, env=environment)
    assert {step["state"] for step in second["steps"]} == {"cached"} and outputs(second) == outputs(first)
    assert time.monotonic() - begin < 30
    made = {step["step"]: step["paths"] for step in second["steps"]}
    assert (pathlib.Path(made["analyze"]["report"]) / "index.html").exists()
    assert (pathlib.Path(made["export"]["repository"]) / "optimal" / "1" / "model.onnx").exists(), "the service runs on it"
    assert made["tune"]["model"].startswith(store)  # between steps: nobody here reads it
    tuned = jetcal("pipeline", "lineage", pathlib.Path(made["export"]["repository"]) / "optimal" / "1" / "model.onnx",
                   "--directory", tmp_path / "anywhere", "--store", store, env=environment)
    assert [step["step"] for step in tuned["steps"]] == ["export", "tune", "ingest"] and tuned["data"][0]["path"] == str(sample)
