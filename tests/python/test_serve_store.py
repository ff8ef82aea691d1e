# SPDX-License-Identifier: Apache-2.0
"""Models of jetcal serve in an object store (a real S3 server): first load, new versions, a store that goes and comes back, writers
that are half done, wrong credentials, a cache that outlives the server."""

import json
import shutil
import threading
import time
import urllib.request

import numpy as np
import onnx
import pytest
import tritonclient.http as triton
from object_store import ObjectStore, need_gateway
from served import Served, wait_until
from test_serve import make_plain_model
from tritonclient.utils import InferenceServerException

ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
POLL = ["--model-control-mode", "poll", "--repository-poll-secs", 0.3]


@pytest.fixture()
def store(tmp_path):
    need_gateway()
    folder = tmp_path / "store"
    (folder / "models").mkdir(parents=True)
    server = ObjectStore(folder)
    yield server
    server.kill()


def upload(store, source, prefix):
    """Puts a model's folder into the bucket `models`, file by file."""
    client = store.client()
    for path in sorted(source.rglob("*")):
        if path.is_file():
            with client.open_output_stream(f"models/{prefix}/{path.relative_to(source)}") as stream:
                stream.write(path.read_bytes())


def make_model(folder, added=1.0, version=1):
    """y = 2 x + `added`."""
    make_plain_model(folder / str(version) / "model.onnx")
    file = folder / str(version) / "model.onnx"
    model = onnx.load(file)
    model.graph.initializer[0].CopyFrom(onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [], [added]))
    onnx.save(model, file)
    return folder


class StoreServed(Served):
    """Reads its models from the store."""

    def __init__(self, store, *flags, prefix="prod", **variables):
        super().__init__(f"s3://models/{prefix}", *flags)
        self.environment = store.environment(AWS_MAX_ATTEMPTS="2", **variables)


def ask(client, model="plain", version=""):
    item = triton.InferInput("x", list(ROWS.shape), "FP32")
    item.set_data_from_numpy(ROWS)
    answer = client.infer(model, [item], model_version=version)
    added = answer.as_numpy("y") - 2 * ROWS
    assert np.ptp(added) < 1e-5
    return round(float(added.flat[0]), 3), answer.get_response()["model_version"]


def states(client):
    return {entry["name"]: entry for entry in client.get_model_repository_index()}


def test_first_load_new_version_and_removal_by_polling(store, tmp_path):
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    with StoreServed(store, *POLL) as server, triton.InferenceServerClient(server.url) as client:
        assert ask(client) == (1, "1")
        upload(store, make_model(tmp_path / "v2", 5, 2), "prod/plain")
        wait_until(lambda: ask(client) == (5, "2"))
        upload(store, make_model(tmp_path / "other", 7), "prod/other")
        wait_until(lambda: "other" in states(client) and states(client)["other"].get("state") != "LOADING")
        shutil.rmtree(store.folder / "models" / "prod" / "other")
        wait_until(lambda: "other" not in states(client))
        assert ask(client) == (5, "2") and client.is_server_ready()


def test_a_new_state_is_taken_whole_under_traffic(store, tmp_path):
    """The new version is uploaded slowly, its weights last: no request fails, and each answer is one of the two."""
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    second = make_model(tmp_path / "v2", 5, 2)
    bad, seen, stop = [], [], threading.Event()

    def traffic(url):
        with triton.InferenceServerClient(url) as client:
            while not stop.is_set():
                try:
                    seen.append(ask(client))
                except Exception as error:  # noqa: BLE001
                    bad.append(str(error))

    with StoreServed(store, *POLL) as server:
        worker = threading.Thread(target=traffic, args=[server.url])
        worker.start()
        client = store.client()
        with client.open_output_stream("models/prod/plain/2/notes.txt") as stream:
            stream.write(b"the weights come later")
        time.sleep(1.2)  # polled meanwhile: version 2 has no weights
        upload(store, second, "prod/plain")
        wait_until(lambda: seen and seen[-1] == (5, "2"))
        stop.set()
        worker.join()
        assert not bad and set(seen) == {(1, "1"), (5, "2")}


def test_a_store_that_goes_leaves_the_models_in_service(store, tmp_path):
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    with StoreServed(store, *POLL) as server, triton.InferenceServerClient(server.url) as client:
        store.kill()
        wait_until(lambda: "the repository cannot be read" in states(client)["plain"].get("reason", ""), 60)
        assert ask(client) == (1, "1") and client.is_server_ready() and states(client)["plain"]["state"] == "READY"
        store.start()
        wait_until(lambda: not states(client)["plain"].get("reason"), 60)
        upload(store, make_model(tmp_path / "v2", 5, 2), "prod/plain")
        wait_until(lambda: ask(client) == (5, "2"), 60)
        _, errors = server.stop()
        assert errors.count("cannot be read, what is loaded stays in service") == 1 and errors.count("can be read again") == 1


def test_explicit_mode_loads_from_the_store_on_request(store, tmp_path):
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    upload(store, make_model(tmp_path / "big", 3), "prod/unasked")
    cache = tmp_path / "cache"
    with StoreServed(store, "--model-control-mode", "explicit", "--repository-cache", cache) as server, \
            triton.InferenceServerClient(server.url) as client:
        assert set(states(client)) == {"plain", "unasked"} and not (cache / "unasked").exists()
        client.load_model("plain")
        assert ask(client) == (1, "1")
        upload(store, make_model(tmp_path / "v2", 5, 2), "prod/plain")
        client.load_model("plain")
        assert ask(client) == (5, "2")
        client.unload_model("plain")
        with pytest.raises(InferenceServerException, match="unloaded"):
            ask(client)
        with pytest.raises(InferenceServerException, match="failed to load 'nobody'"):
            client.load_model("nobody")
        store.kill()
        with pytest.raises(InferenceServerException, match="failed to load 'plain'"):
            client.load_model("plain")


def test_only_what_has_changed_is_fetched_and_the_cache_outlives_the_server(store, tmp_path):
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    cache = tmp_path / "cache"
    with StoreServed(store, *POLL, "--repository-cache", cache) as server, triton.InferenceServerClient(server.url) as client:
        first = (cache / "plain" / "1" / "model.onnx").stat().st_ino
        upload(store, make_model(tmp_path / "v2", 5, 2) / "2", "prod/plain/2")
        wait_until(lambda: ask(client) == (5, "2"))
        assert (cache / "plain" / "1" / "model.onnx").stat().st_ino == first
        second = Served("s3://models/prod", "--repository-cache", cache)
        second.environment = server.environment
        with pytest.raises(RuntimeError, match="another server uses it"):
            second.__enter__()
    (cache / ".staged-plain").mkdir()  # of a server that was killed
    store.kill()
    with StoreServed(store, "--repository-cache", cache) as server, triton.InferenceServerClient(server.url) as client:
        assert ask(client) == (5, "2")  # the store is away: what was kept is served
        assert not (cache / ".staged-plain").exists() and "cannot be read" in states(client)["plain"]["reason"]


def test_what_is_wrong_with_the_store_is_said_at_the_start(store, tmp_path):
    upload(store, make_model(tmp_path / "v1"), "prod/plain")
    for variables, text in [({"AWS_SECRET_ACCESS_KEY": "wrong"}, "s3://models"),
                            ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "credential")]:
        server = StoreServed(store, **variables)
        with pytest.raises(RuntimeError, match=text) as refused:
            server.__enter__()
        assert server.process.returncode != 0 and "wrong" not in str(refused.value), refused.value
    with StoreServed(store, prefix="empty") as server:  # a repository without models is one all the same
        assert json.loads(urllib.request.urlopen(f"http://{server.url}/v2/models").read()) == {"models": []}
