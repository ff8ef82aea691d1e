# SPDX-License-Identifier: Apache-2.0
"""jetcal serve: models that come and go, requests that wait, ragged jets, settings, shared memory and what metrics say of it."""

import concurrent.futures
import http.client
import itertools
import json
import re
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shared_memory
from served import Served, export, wait_until
from test_serve import make_inputs, make_jets, make_plain_model
from tritonclient.utils import InferenceServerException

ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)


def ragged(jets):
    """The particles of padded jets in a row, and how many each jet has."""
    taken = jets["pf_mask"][:, 0, :] != 0
    features = np.concatenate([jets["pf_features"][j][:, taken[j]].T for j in range(len(taken))])
    points = np.concatenate([jets["pf_points"][j][:, taken[j]].T for j in range(len(taken))])
    return {"pf_counts": taken.sum(1).astype(np.int32), "pf_features": features, "pf_points": points,
            "jet_features": jets["jet_features"]}


def typed(module, values):
    inputs = []
    for name, array in values.items():
        item = module.InferInput(name, list(array.shape), {"int32": "INT32", "int64": "INT64"}.get(array.dtype.name, "FP32"))
        item.set_data_from_numpy(array)
        inputs.append(item)
    return inputs


def ask(url, model, jets):
    """One request on a connection of its own."""
    with triton.InferenceServerClient(url, network_timeout=60) as client:
        return client.infer(model, make_inputs(jets, True)).as_numpy("output")


@pytest.fixture(scope="module")
def repository(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    export(jetcal, folder, "small-particlenet", "optimal")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def server(repository):
    with Served(repository) as running:
        yield running


def metrics_of(server):
    connection = http.client.HTTPConnection(server.url)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[:1] != "#"}


def test_ragged_jets_over_http_and_grpc(server):
    jets = make_jets(9, 25)
    with triton.InferenceServerClient(server.url) as client, triton_grpc.InferenceServerClient(server.url) as other:
        expected = client.infer("optimal", make_inputs(jets, True)).as_numpy("output")
        flat = ragged(jets)
        np.testing.assert_array_equal(client.infer("optimal", typed(triton, flat)).as_numpy("output"), expected)
        flat["pf_counts"] = flat["pf_counts"].astype(np.int64).reshape(-1, 1)
        np.testing.assert_array_equal(other.infer("optimal", typed(triton_grpc, flat)).as_numpy("output"), expected)
        flat["pf_counts"] = flat["pf_counts"] + 1
        with pytest.raises(InferenceServerException) as caught:
            client.infer("optimal", typed(triton, flat))
        assert caught.value.status() == "400" and "adds up to" in caught.value.message()


def begin_long(pool, server, jets):
    """Sends a request that takes long and returns its future when it is running."""
    calls = metrics_of(server)["jetcal_http_requests_total"]
    long = pool.submit(ask, server.url, "optimal", jets)
    asked = itertools.count(1)  # each look at the metrics is a request too
    wait_until(lambda: metrics_of(server)["jetcal_http_requests_total"] > calls + next(asked))
    wait_until(lambda: metrics_of(server)['nv_inference_pending_request_count{model="optimal",version="1"}'] == 0)
    return long


def test_waiting_requests_share_a_batch(repository):
    """Behind a long request the short ones wait, and are run together."""
    with Served(repository) as fresh, concurrent.futures.ThreadPoolExecutor(33) as pool:
        short = make_jets(1, 30)
        expected = ask(fresh.url, "optimal", short)
        first = begin_long(pool, fresh, make_jets(4000, 60))
        rest = [pool.submit(ask, fresh.url, "optimal", short) for _ in range(32)]
        for answer in rest:
            np.testing.assert_array_equal(answer.result(), expected)
        first.result()
        with triton.InferenceServerClient(fresh.url) as client:
            (model,) = client.get_inference_statistics("optimal")["model_stats"]
        assert model["inference_count"] == 4033 and model["execution_count"] < 34
        assert model["inference_stats"]["success"]["count"] == 34
        seen = metrics_of(fresh)
        labels = 'model="optimal",version="1"'
        assert seen[f"nv_inference_request_summary_us_count{{{labels}}}"] == 34
        p50, p99 = (seen[f'nv_inference_request_summary_us{{{labels},quantile="{q}"}}'] for q in ("0.5", "0.99"))
        assert 0 < p50 <= p99
        buckets = [value for name, value in seen.items() if name.startswith("jetcal_inference_request_duration_us_bucket{" + labels)]
        assert buckets == sorted(buckets) and buckets[-1] == 34


def test_a_timeout_in_the_queue_and_a_client_that_gives_up(jetcal, tmp_path):
    export(jetcal, tmp_path, "paper-particlenet", "optimal")
    config = tmp_path / "optimal" / "config.pbtxt"
    config.write_text(config.read_text() + """
dynamic_batching { default_queue_policy { allow_timeout_override: true default_timeout_microseconds: 60000000 max_queue_size: 3 } }""")
    labels = 'model="optimal",version="1"'
    pending = f"nv_inference_pending_request_count{{{labels}}}"
    with Served(tmp_path) as fresh, triton.InferenceServerClient(fresh.url) as client, \
            concurrent.futures.ThreadPoolExecutor(8) as pool:
        short, inputs = make_jets(1, 10), make_inputs(make_jets(1, 10), True)
        ask(fresh.url, "optimal", short)
        first = begin_long(pool, fresh, make_jets(4000, 100))
        begin = time.monotonic()
        with pytest.raises(InferenceServerException) as caught:
            client.infer("optimal", inputs, timeout=50_000)
        assert caught.value.message() == "Request timeout expired" and caught.value.status() == "503"
        assert 0.04 < time.monotonic() - begin < 1.0
        gone = http.client.HTTPConnection(fresh.url)
        gone.request("POST", "/v2/models/optimal/infer", json.dumps({"inputs": [
            {"name": name, "shape": list(array.shape), "datatype": "FP32", "data": array.ravel().tolist()}
            for name, array in make_jets(1, 3).items()]}))
        wait_until(lambda: metrics_of(fresh)[pending] == 1)
        gone.close()
        cancelled = f'nv_inference_request_failure{{{labels},reason="CANCELED"}}'
        wait_until(lambda: metrics_of(fresh)[cancelled] == 1)
        seen = metrics_of(fresh)
        assert seen[f'nv_inference_request_failure{{{labels},reason="REJECTED"}}'] == 1 and seen[pending] == 0
        waiting = [pool.submit(ask, fresh.url, "optimal", short) for _ in range(3)]
        wait_until(lambda: metrics_of(fresh)[pending] == 3)
        with pytest.raises(InferenceServerException) as caught:
            client.infer("optimal", inputs)
        assert "Exceeds maximum queue size" in caught.value.message() and caught.value.status() == "503"
        assert not first.done()
        for answer in [first, *waiting]:
            assert answer.result() is not None


def test_explicit_mode(repository):
    with Served(repository, "--model-control-mode", "explicit", "--load-model", "plain") as fresh:
        for module in (triton, triton_grpc):
            with module.InferenceServerClient(fresh.url) as client:
                assert client.is_server_ready() and client.is_model_ready("plain") and not client.is_model_ready("optimal")
                client.load_model("optimal")
                assert client.is_model_ready("optimal")
                client.unload_model("optimal")
                assert not client.is_model_ready("optimal") and client.is_server_ready()
                with pytest.raises(InferenceServerException) as caught:
                    client.load_model("nobody")
                assert "failed to load 'nobody'" in caught.value.message()
                model = (repository / "plain" / "1" / "model.onnx").read_bytes()
                client.load_model("sent", config=json.dumps({"backend": "onnxruntime", "max_batch_size": 2}),
                                  files={"file:1/model.onnx": model})
                inputs = typed(module, {"x": ROWS[:2]})
                np.testing.assert_array_equal(client.infer("sent", inputs).as_numpy("y"), 2 * ROWS[:2] + 1)
                client.unload_model("sent", unload_dependents=True)
                assert not client.is_model_ready("sent")


def test_reload_under_traffic_loses_nothing(repository):
    with Served(repository, "--model-control-mode", "explicit", "--load-model", "*") as fresh:
        stop, failures, answers = threading.Event(), [], []

        def ask():
            with triton.InferenceServerClient(fresh.url) as client:
                inputs = typed(triton, {"x": ROWS})
                while not stop.is_set():
                    try:
                        if not np.array_equal(client.infer("plain", inputs).as_numpy("y"), 2 * ROWS + 1):
                            failures.append("wrong")
                    except Exception as error:
                        failures.append(error)
                    answers.append(1)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            tasks = [pool.submit(ask) for _ in range(4)]
            with triton.InferenceServerClient(fresh.url) as client:
                for _ in range(15):
                    client.load_model("plain")
            while len(answers) < 200:
                time.sleep(0.01)
            stop.set()
            for task in tasks:
                task.result()
        assert failures == []


def test_poll_mode(jetcal, tmp_path):
    make_plain_model(tmp_path / "plain" / "1" / "model.onnx")
    with Served(tmp_path, "--model-control-mode", "poll", "--repository-poll-secs", 0.1) as fresh:
        with triton.InferenceServerClient(fresh.url) as client:
            assert client.is_model_ready("plain") and not client.is_model_ready("optimal")
            export(jetcal, tmp_path, "small-pfn", "optimal")
            deadline = time.monotonic() + 20
            while not client.is_model_ready("optimal") and time.monotonic() < deadline:
                time.sleep(0.05)
            assert client.is_model_ready("optimal")
            with pytest.raises(InferenceServerException) as caught:
                client.load_model("plain")
            assert "polling" in caught.value.message()


def test_settings_and_memory_over_http(server):
    with triton.InferenceServerClient(server.url) as client:
        assert client.get_log_settings()["log_info"] is True
        assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
        assert client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0
        with pytest.raises(InferenceServerException):
            client.update_log_settings({"log_format": "xml"})
        assert client.get_trace_settings()["trace_level"] == ["OFF"]
        assert client.update_trace_settings("plain", {"trace_rate": "5"})["trace_rate"] == "5"
        assert client.update_trace_settings("plain", {"trace_rate": None})["trace_rate"] == "1000"
        region = shared_memory.create_shared_memory_region("both", "/jetcal_test_http", 2 * ROWS.nbytes)
        try:
            shared_memory.set_shared_memory_region(region, [ROWS])
            client.register_system_shared_memory("both", "/jetcal_test_http", 2 * ROWS.nbytes)
            assert client.get_system_shared_memory_status()[0]["byte_size"] == 2 * ROWS.nbytes
            item = triton.InferInput("x", [3, 4], "FP32")
            item.set_shared_memory("both", ROWS.nbytes)
            wanted = triton.InferRequestedOutput("y")
            wanted.set_shared_memory("both", ROWS.nbytes, offset=ROWS.nbytes)
            result = client.infer("plain", [item], outputs=[wanted])
            assert result.get_response()["outputs"][0]["parameters"]["shared_memory_region"] == "both"
            np.testing.assert_array_equal(shared_memory.get_contents_as_numpy(region, np.float32, [6, 4])[3:], 2 * ROWS + 1)
            client.unregister_system_shared_memory("both")
            with pytest.raises(InferenceServerException) as caught:
                client.infer("plain", [item])
            assert caught.value.message() == "Unable to find shared memory region: 'both'"
        finally:
            shared_memory.destroy_shared_memory_region(region)
        classes = client.infer("plain", typed(triton, {"x": ROWS}), outputs=[triton.InferRequestedOutput("y", class_count=2)])
        assert classes.as_numpy("y").tolist()[0] == [b"-5.000000:3", b"-7.000000:2"]


def test_shared_memory_can_be_forbidden(repository):
    with Served(repository, "--shared-memory", "false") as fresh, triton.InferenceServerClient(fresh.url) as client:
        with pytest.raises(InferenceServerException) as caught:
            client.register_system_shared_memory("r", "/jetcal_test_none", 8)
        assert "no client use shared memory" in caught.value.message()


@pytest.mark.parametrize("flags", [[], ["--form", "ragged"], ["--rate", 200, "--connections", 4], ["--coding", "json"]])
def test_loadgen(jetcal, server, flags):
    report = jetcal("loadgen", "--url", f"http://{server.url}", "--model-name", "optimal", "--batch-sizes", "1,8", "--seconds", 0.4,
                    "--warmup-seconds", 0.1, *flags)
    assert [row["batch_size"] for row in report["results"]] == [1, 8]
    for row in report["results"]:
        times = row["round_trip_us"]
        assert row["requests"] > 3 and row["failed"] == {}
        assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"]
        assert row["inference_us"] > 0 and row["jets_per_second"] > 0
    assert report["loop"] == ("open" if "--rate" in flags else "closed")


def test_loadgen_says_what_is_wrong(jetcal, server):
    status, message = jetcal.fails("loadgen", "--url", f"http://{server.url}", "--model-name", "nobody")
    assert status == 3 and "nobody" in message
    status, message = jetcal.fails("loadgen", "--url", "http://127.0.0.1:1", "--model-name", "optimal")
    assert status == 6 and "cannot ask the server" in message
    status, message = jetcal.fails("loadgen", "--url", f"http://{server.url}", "--model-name", "plain", "--form", "ragged")
    assert status == 2 and "no jet network" in message


def test_modes_are_named(jetcal, repository):
    status, message = jetcal.fails("serve", "--model-repository", repository, "--model-control-mode", "maybe")
    assert status == 2 and re.search("none, poll or explicit", message)
    status, message = jetcal.fails("serve", "--model-repository", repository, "--load-model", "plain")
    assert status == 2 and "explicit" in message
