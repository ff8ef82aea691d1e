# SPDX-License-Identifier: Apache-2.0
"""Training on streamed jets, from a folder and from a real S3 server: same order, bounded memory, clear errors, resume."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from conftest import JETCAL, ROOT
from object_store import ACCESS, SECRET, ObjectStore, need_gateway

# 3000 jets in blocks of 100: windows of a few blocks, about 80 steps an epoch.
FLAGS = ["--preset", "small-pfn", "--mode", "constituents", "--epochs", "2", "--batch-size", "32", "--threads", "1",
         "--checkpoint-steps", "5", "--optimizer", "adam"]
STREAMED = ["--data-mode", "streamed", "--memory-mb", "1"]


def make_sample(shards, output, *flags):
    command = [sys.executable, ROOT / "tools" / "make_large_sample.py", shards, output, "--constituents", *flags]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return output


@pytest.fixture(scope="module")
def small(jetcal, sample, tmp_path_factory):
    """Shards of the sample that is in the repository."""
    folder = tmp_path_factory.mktemp("small") / "shards"
    jetcal("ingest", sample, "--output", folder)
    return folder


@pytest.fixture(scope="module")
def shards(small, tmp_path_factory):
    return make_sample(small, tmp_path_factory.mktemp("large") / "shards", "--jets", 3000, "--batch-jets", 100,
                       "--shard-jets", 700, "--held-out", 0.1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    need_gateway()
    server = ObjectStore(tmp_path_factory.mktemp("store"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def remote(store, shards):
    return store.upload(shards, "jets", "sample/v1")


def train(jetcal, data, output, *flags, **kwargs):
    return jetcal("train", "--data", data, "--output", output, *FLAGS, *flags, **kwargs)


@pytest.fixture(scope="module")
def streamed(jetcal, shards, tmp_path_factory):
    """A run on jets that are streamed from the folder."""
    output = tmp_path_factory.mktemp("streamed") / "run"
    return output, train(jetcal, shards, output, *STREAMED)


def losses(document):
    return [(epoch["train_loss"], epoch["validation_loss"]) for epoch in document["epochs"]], document["test_loss"]


def model_of(output):
    # The name of the place where the jets lay is part of the provenance.
    data = (output / "model.jetcal").read_bytes()
    length = int.from_bytes(data[:8], "little")
    return data[8 + length:]


def test_large_sample_is_another_sample_with_the_same_response(small, shards):
    def read(folder):
        return pa.concat_tables(pa.ipc.open_file(str(path)).read_all() for path in sorted(folder.glob("*.arrow")))
    before, after = read(small), read(shards)
    assert after.num_rows == 3000 and after.schema == before.schema
    assert len(set(after["event"].to_pylist())) == 3000
    ratio = np.asarray(after["pt_gen"]) / np.asarray(after["pt_reco"])
    original = np.asarray(before["pt_gen"]) / np.asarray(before["pt_reco"])
    assert np.isin(np.round(ratio, 4), np.round(original, 4)).mean() > 0.99
    assert np.isin(np.asarray(after["pt_reco"]), np.asarray(before["pt_reco"])).mean() < 0.01
    assert set(after["pf_from_jet"].combine_chunks().flatten().to_pylist()) == {1}


def test_streamed_run_reports_its_window(streamed):
    _, document = streamed
    storage = document["storage"]
    assert storage["mode"] == "streamed" and storage["retries"] == 0
    assert 2 <= storage["window_blocks"] <= 12
    assert storage["read_mb"] > 3 * 1.5  # preparation and two epochs of 24 blocks


def test_targets_alone_are_read_before_the_first_step(jetcal, shards, streamed, tmp_path):
    """A standardisation is fitted to all features, which are read for it; without one, of each of the 24 blocks two columns are."""
    _, standardised = streamed
    plain = train(jetcal, shards, tmp_path / "run", *STREAMED, "--no-standardise")
    assert plain["storage"]["reads"] - standardised["storage"]["reads"] == 2 * 24  # description and columns in place of the block
    of_training = sum(path.stat().st_size for path in shards.glob("train-*.arrow")) / 2**20
    saved = standardised["storage"]["read_mb"] - plain["storage"]["read_mb"]
    assert 0.8 * of_training < saved < of_training
    assert plain["baselines"] == standardised["baselines"], "the best constant, to the last bit"


def test_particles_that_are_left_out_are_counted(jetcal, small, tmp_path):
    """Where ingest found some, the sample is read before the first step."""
    folder = make_sample(small, tmp_path / "shards", "--jets", 600, "--batch-jets", 100)
    manifest = json.loads((folder / "manifest.json").read_text())
    path = folder / "train-00000.arrow"
    table = pa.ipc.open_file(str(path)).read_all()
    lists = table["pf_pt"].combine_chunks()
    values = lists.values.to_numpy().copy()
    values[[3, 50]] = -1
    column = pa.LargeListArray.from_arrays(lists.offsets, pa.array(values))
    field = table.schema.get_field_index("pf_pt")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for batch in table.set_column(field, table.schema.field(field), column).to_batches(max_chunksize=100):
            writer.write_batch(batch)
    manifest["files"][0]["counts"]["particles_unusable"] = 2
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for mode in ("streamed", "mapped"):
        result = train(jetcal, folder, tmp_path / mode, "--data-mode", mode, "--no-standardise")
        assert result["dropped_particles"]["train"] == 2


def test_streamed_epoch_is_another_order_but_no_other_sample(jetcal, shards, streamed, tmp_path):
    _, document = streamed
    mapped = train(jetcal, shards, tmp_path / "run")
    assert mapped["storage"] == {"mode": "mapped"}
    assert mapped["jets"] == document["jets"]
    assert mapped["baselines"] == document["baselines"]
    assert losses(mapped) != losses(document)
    memory = train(jetcal, shards, tmp_path / "memory", "--data-mode", "memory")
    assert memory["storage"]["mode"] == "memory"
    assert losses(memory) == losses(mapped)
    assert (tmp_path / "memory" / "model.jetcal").read_bytes() == (tmp_path / "run" / "model.jetcal").read_bytes()


def test_the_same_sample_elsewhere_gives_the_same_file(jetcal, sample, streamed, shards, small, tmp_path):
    output, _ = streamed
    shutil.copytree(shards, tmp_path / "shards")
    train(jetcal, tmp_path / "shards", tmp_path / "run", *STREAMED)
    assert (tmp_path / "run" / "model.jetcal").read_bytes() == (output / "model.jetcal").read_bytes()
    assert json.loads((tmp_path / "run" / "history.json").read_text())["data"] == str(tmp_path / "shards")
    provenance = jetcal("model", "show", output / "model.jetcal")["provenance"]
    assert provenance["data"] == "shards" and re.fullmatch("[0-9a-f]{64}", provenance["data_manifest"])
    assert not any(str(part) in value for value in provenance.values() for part in (shards.parent, tmp_path))
    jetcal("train", "--data", small, "--output", tmp_path / "small", "--preset", "small-pfn", "--epochs", 1)
    other = jetcal("model", "show", tmp_path / "small" / "model.jetcal")["provenance"]
    assert other["data_inputs"] == sample.name and other["data_manifest"] != provenance["data_manifest"]


def test_same_bits_from_the_store_as_from_the_folder(jetcal, store, remote, streamed, tmp_path):
    output, document = streamed
    result = train(jetcal, remote, tmp_path / "run", *STREAMED, env=store.environment())
    assert losses(result) == losses(document)
    assert model_of(tmp_path / "run") == model_of(output)
    assert result["storage"]["reads"] == document["storage"]["reads"]


def test_a_small_sample_is_kept_in_memory(jetcal, store, remote, shards, tmp_path):
    result = train(jetcal, remote, tmp_path / "run", env=store.environment())
    assert result["storage"]["mode"] == "memory"
    mapped = train(jetcal, shards, tmp_path / "mapped")
    assert losses(result) == losses(mapped)
    assert result["storage"]["read_mb"] < 3.5  # once, whatever the number of epochs


def test_run_goes_on_with_jets_from_elsewhere(jetcal, store, remote, shards, streamed, tmp_path):
    """Stopped while reading the folder, ended while reading the store."""
    output, document = streamed
    interrupted = tmp_path / "run"
    command = [JETCAL, "train", "--data", shards, "--output", interrupted, *FLAGS, *STREAMED]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = interrupted / "metrics.txt"
    deadline = time.monotonic() + 120
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= 1):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = train(jetcal, remote, interrupted, *STREAMED, env=store.environment())
    assert result["resumed_step"] > 0
    assert losses(result) == losses(document)
    assert model_of(interrupted) == model_of(output)


def test_other_memory_is_another_run(jetcal, shards, streamed):
    output, _ = streamed
    _, message = jetcal.fails("train", "--data", shards, "--output", output, *FLAGS, "--data-mode", "streamed",
                              "--memory-mb", "0.5")
    assert "data.order" in message and "windows of" in message


@pytest.mark.parametrize("flags, text", [
    (["--data-mode", "streamed", "--memory-mb", "0.0625"], "data.memory_mb is 0.0625, but the largest of the blocks"),
    (["--data-mode", "streamed", "--memory-mb", "-1"], "data.memory_mb must be positive, got -1"),
    (["--data-mode", "cached"], "unknown data.mode 'cached', known are auto, memory, mapped, streamed"),
])
def test_wrong_options_are_named(jetcal, shards, tmp_path, flags, text):
    _, message = jetcal.fails("train", "--data", shards, "--output", tmp_path / "run", *FLAGS, *flags)
    assert text in message


def test_a_store_cannot_be_mapped(jetcal, store, remote, tmp_path):
    _, message = jetcal.fails("train", "--data", remote, "--output", tmp_path / "run", *FLAGS, "--data-mode", "mapped",
                              env=store.environment())
    assert "data.mode mapped needs a folder" in message and remote in message


def fails_to_read(jetcal, location, output, environment, seconds=60):
    start = time.monotonic()
    _, message = jetcal.fails("train", "--data", location, "--output", output, *FLAGS, *STREAMED, env=environment)
    assert time.monotonic() - start < seconds
    return message


def test_missing_bucket_and_object_are_named(jetcal, store, remote, tmp_path):
    message = fails_to_read(jetcal, "s3://no-such-bucket/sample", tmp_path / "run", store.environment())
    assert "there is no bucket no-such-bucket at http://127.0.0.1" in message
    message = fails_to_read(jetcal, "s3://jets/elsewhere", tmp_path / "run", store.environment())
    assert "there is no object s3://jets/elsewhere/manifest.json" in message


def test_wrong_credentials_are_told(jetcal, store, remote, tmp_path):
    for changes in ({"AWS_SECRET_ACCESS_KEY": "wrong"}, {"AWS_ACCESS_KEY_ID": "nobody"}):
        message = fails_to_read(jetcal, remote, tmp_path / "run", store.environment(**changes))
        assert "refuses the credentials" in message and remote in message
        assert SECRET not in message


def test_credentials_come_from_the_usual_files(jetcal, store, remote, tmp_path, streamed):
    (tmp_path / "credentials").write_text(
        f"[lab]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:{store.port}\n")
    environment = store.environment(AWS_ENDPOINT_URL=None, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                                    AWS_REGION=None, AWS_PROFILE="lab", AWS_CONFIG_FILE=str(tmp_path / "config"),
                                    AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"))
    result = train(jetcal, remote, tmp_path / "run", *STREAMED, env=environment)
    assert losses(result) == losses(streamed[1])


def test_no_server_is_told_after_the_attempts(jetcal, store, tmp_path):
    environment = store.environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="2")
    message = fails_to_read(jetcal, "s3://jets/sample", tmp_path / "run", environment, seconds=30)
    assert "cannot read s3://jets/sample/manifest.json from http://127.0.0.1:9 in 2 attempts" in message


def test_truncated_object_is_named(jetcal, store, shards, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(shards, folder)
    shard = folder / "train-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:100_000])
    location = store.upload(folder, "cut", "sample")
    message = fails_to_read(jetcal, location, tmp_path / "run", store.environment())
    assert "corrupt shard s3://cut/sample/train-00001.arrow" in message and "truncated" in message


def test_a_column_in_codes_of_a_dictionary_is_refused(jetcal, shards, tmp_path):
    folder = tmp_path / "coded"
    shutil.copytree(shards, folder)
    path = folder / "train-00001.arrow"
    batches = [batch.append_column("kind", pa.array(["qcd"] * batch.num_rows).dictionary_encode())
               for batch in map(pa.ipc.open_file(path.read_bytes()).get_batch, range(7))]
    with pa.ipc.new_file(str(path), batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    message = fails_to_read(jetcal, folder, tmp_path / "run", None)
    assert f"corrupt shard {path}" in message and "dictionary" in message


@pytest.fixture
def mortal(shards, tmp_path):
    """A server of its own, to be killed."""
    need_gateway()
    server = ObjectStore(tmp_path / "root" if (tmp_path / "root").mkdir() else tmp_path / "root")
    server.location = server.upload(shards, "jets", "sample")
    yield server
    server.kill()


def start_run(server, output, **changes):
    command = [JETCAL, "train", "--data", server.location, "--output", output, *FLAGS, *STREAMED, "--json"]
    environment = server.environment(**changes)
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_steps(process, output):
    metrics = output / "metrics.txt"
    deadline = time.monotonic() + 120
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= 1):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert process.poll() is None, process.stderr.read()


def test_run_survives_a_server_that_comes_back(mortal, streamed, tmp_path):
    process = start_run(mortal, tmp_path / "run")
    wait_for_steps(process, tmp_path / "run")
    mortal.kill()
    time.sleep(0.5)
    mortal.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert document["storage"]["retries"] > 0
    assert losses(document) == losses(streamed[1])


def test_run_ends_with_one_sentence_when_the_server_stays_dead_and_resumes(jetcal, mortal, streamed, tmp_path):
    process = start_run(mortal, tmp_path / "run", AWS_MAX_ATTEMPTS="3")
    wait_for_steps(process, tmp_path / "run")
    mortal.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    message = err.strip().splitlines()[-1]
    assert re.search(r"cannot read s3://jets/sample/\w+-\d+\.arrow from http://127.0.0.1:\d+ in 3 attempts", message)
    assert "terminate called" not in err
    mortal.start()
    result = train(jetcal, mortal.location, tmp_path / "run", *STREAMED, env=mortal.environment())
    assert result["resumed_step"] > 0
    assert losses(result) == losses(streamed[1])


def peak_memory_mb(jetcal, data, output, *flags):
    """Runs one epoch of training and returns the most memory that the process held at any time."""
    command = [JETCAL, "train", "--data", data, "--output", output, "--preset", "small-pfn", "--mode", "constituents",
               "--epochs", "1", "--threads", "1", "--batch-size", "500", "--data-mode", "streamed", *flags, "--json"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, process.stderr.read()
    return usage.ru_maxrss / 1024


def test_memory_does_not_grow_with_the_sample(jetcal, small, tmp_path):
    peaks = []
    for jets in (20_000, 100_000):
        folder = make_sample(small, tmp_path / str(jets), "--jets", jets, "--batch-jets", 2000, "--held-out", 0.02)
        peaks.append(peak_memory_mb(jetcal, folder, tmp_path / f"run-{jets}", "--memory-mb", "12"))
    # 80,000 more jets are 61 MB of shards; their targets and the order take 12 bytes each.
    assert peaks[1] - peaks[0] < 6, peaks
