# SPDX-License-Identifier: Apache-2.0
"""jetcal serve, driven by an unmodified tritonclient: numbers, metadata, statistics, errors, shutdown."""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time

import numpy as np
import onnx
import onnxruntime
import pytest
import tritonclient.http as triton
from served import Served, export
from tritonclient.utils import InferenceServerException

ORDER = ["pf_points", "pf_features", "pf_mask", "jet_features"]


def make_jets(num_jets, particles, seed=7):
    """The four tensors of the paper for jets of 1 to `particles` particles, padded with zeros."""
    random = np.random.default_rng(seed)
    mask = (np.arange(particles) < random.integers(1, particles + 1, (num_jets, 1))).astype(np.float32)[:, None, :]
    points = random.normal(0, 0.2, (num_jets, 2, particles)).astype(np.float32) * mask
    features = random.normal(0, 1, (num_jets, 6, particles)).astype(np.float32) * mask
    jet = random.normal(0, 1, (num_jets, 8)).astype(np.float32)
    return {"pf_points": points, "pf_features": features, "pf_mask": mask, "jet_features": jet}


def make_inputs(tensors, binary):
    inputs = []
    for name, values in tensors.items():
        item = triton.InferInput(name, list(values.shape), "FP32")
        item.set_data_from_numpy(values, binary_data=binary)
        inputs.append(item)
    return inputs


def make_plain_model(path):
    """y = 2 x + 1 for float rows of any length, and z = x without its sign, as INT64."""
    node = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [node("Mul", ["x", "two"], ["x2"]), node("Add", ["x2", "one"], ["y"]),
         node("Abs", ["x"], ["a"]), node("Cast", ["a"], ["z"], to=onnx.TensorProto.INT64)], "plain",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", "M"])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "M"]),
         onnx.helper.make_tensor_value_info("z", onnx.TensorProto.INT64, ["N", "M"])],
        [onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value])
         for name, value in (("one", 1.0), ("two", 2.0))])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True)
    onnx.save(model, path)
    (path.parent.parent / "config.pbtxt").write_text(
        'name: "plain"\nplatform: "onnxruntime_onnx"\nmax_batch_size: 16\n'
        'input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
        'output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "z" data_type: TYPE_INT64 dims: [ -1 ] } ]\n')


@pytest.fixture(scope="module")
def repository(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    export(jetcal, folder, "paper-particlenet", "optimal")
    export(jetcal, folder, "small-pfn", "pfn", "--mode", "constituents")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def server(repository):
    with Served(repository) as running:
        yield running


@pytest.fixture()
def client(server):
    with triton.InferenceServerClient(server.url) as connection:
        yield connection


def test_ready_line_names_port_and_engines(server):
    engines = {model["name"]: model["engine"] for model in server.announced["models"]}
    assert engines == {"optimal": "native", "pfn": "native", "plain": "onnxruntime"}


def test_health_and_metadata(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("optimal") and client.is_model_ready("optimal", "1")
    assert not client.is_model_ready("optimal", "2") and not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("optimal")
    assert metadata["versions"] == ["1"]
    assert {item["name"]: item["shape"] for item in metadata["inputs"]} == {
        "pf_points": [-1, 2, -1], "pf_features": [-1, 6, -1], "pf_mask": [-1, 1, -1], "jet_features": [-1, 8]}
    assert metadata["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 1]}]
    config = client.get_model_config("pfn")
    assert config["max_batch_size"] == 100000
    assert config["parameters"]["jetcal_input_mode"] == {"string_value": "constituents"}
    assert {entry["name"]: entry["state"] for entry in client.get_model_repository_index()} == {
        "optimal": "READY", "pfn": "READY", "plain": "READY"}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_answers_what_onnxruntime_computes(client, repository, binary_in, binary_out):
    session = onnxruntime.InferenceSession(repository / "optimal" / "1" / "model.onnx",
                                           providers=["CPUExecutionProvider"])
    for num_jets, particles in [(1, 1), (1, 3), (2, 7), (5, 40), (12, 100)]:
        tensors = make_jets(num_jets, particles)
        result = client.infer("optimal", make_inputs(tensors, binary_in), request_id="jets",
                              outputs=[triton.InferRequestedOutput("output", binary_data=binary_out)])
        assert result.get_response()["id"] == "jets" and result.get_response()["model_version"] == "1"
        output = result.as_numpy("output")
        assert output.shape == (num_jets, 1)
        np.testing.assert_allclose(output, session.run(["output"], tensors)[0], rtol=0, atol=1e-4)


def test_padding_changes_nothing(client):
    tensors = make_jets(4, 20)
    padded = {name: np.pad(values, [(0, 0), (0, 0), (0, 13)]) if values.ndim == 3 else values
              for name, values in tensors.items()}
    short, long = (client.infer("optimal", make_inputs(case, True)).as_numpy("output") for case in (tensors, padded))
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-6)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compressed_requests_and_replies(client, coding):
    tensors = make_jets(3, 9)
    plain = client.infer("optimal", make_inputs(tensors, True)).as_numpy("output")
    packed = client.infer("optimal", make_inputs(tensors, True), request_compression_algorithm=coding,
                          response_compression_algorithm=coding).as_numpy("output")
    np.testing.assert_array_equal(plain, packed)


def test_statistics_per_batch_size(repository):
    with Served(repository) as fresh, triton.InferenceServerClient(fresh.url) as client:
        for num_jets, times in [(2, 3), (5, 1)]:
            for _ in range(times):
                client.infer("optimal", make_inputs(make_jets(num_jets, 10), True))
        with pytest.raises(InferenceServerException):
            client.infer("optimal", make_inputs({"pf_mask": make_jets(1, 4)["pf_mask"]}, True))
        (model,) = client.get_inference_statistics("optimal")["model_stats"]
        assert (model["inference_count"], model["execution_count"]) == (11, 4)
        assert model["inference_stats"]["success"]["count"] == 4
        counts = {entry["batch_size"]: entry["compute_infer"]["count"] for entry in model["batch_stats"]}
        assert counts == {2: 3, 5: 1}
        assert all(entry["compute_infer"]["ns"] > 0 for entry in model["batch_stats"])
        assert len(client.get_inference_statistics()["model_stats"]) == 3
        connection = http.client.HTTPConnection(fresh.url)
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
        assert 'nv_inference_count{model="optimal",version="1"} 11\n' in metrics


def test_serves_any_onnx_model(client):
    values = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
    for binary in (True, False):
        result = client.infer("plain", make_inputs({"x": values}, binary))
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * values + 1)
        np.testing.assert_array_equal(result.as_numpy("z"), np.abs(values).astype(np.int64))
    only = client.infer("plain", make_inputs({"x": values}, True), outputs=[triton.InferRequestedOutput("z")])
    assert [output["name"] for output in only.get_response()["outputs"]] == ["z"]


def reject(client, status, *arguments, **kwargs):
    with pytest.raises(InferenceServerException) as caught:
        client.infer(*arguments, **kwargs)
    assert caught.value.status() == str(status), caught.value
    return caught.value.message()


def test_wrong_requests_are_client_errors(client):
    good = make_jets(2, 5)
    assert "nobody" in reject(client, 404, "nobody", make_inputs(good, True))
    assert "9" in reject(client, 404, "optimal", make_inputs(good, True), model_version="9")
    missing = {name: good[name] for name in ORDER[:3]}
    assert "jet_features" in reject(client, 400, "optimal", make_inputs(missing, True))
    assert "extra" in reject(client, 400, "optimal", make_inputs(good | {"extra": good["pf_mask"]}, True))
    wrong_shape = good | {"pf_points": np.zeros((2, 3, 5), np.float32)}
    assert "pf_points" in reject(client, 400, "optimal", make_inputs(wrong_shape, True))
    wrong_batch = good | {"jet_features": np.zeros((3, 8), np.float32)}
    reject(client, 400, "optimal", make_inputs(wrong_batch, True))
    other_length = good | {"pf_mask": np.ones((2, 1, 6), np.float32)}
    reject(client, 400, "optimal", make_inputs(other_length, True))
    assert "nothing" in reject(client, 400, "optimal", make_inputs(good, True),
                               outputs=[triton.InferRequestedOutput("nothing")])
    wide = triton.InferInput("x", [17, 1], "FP32")
    wide.set_data_from_numpy(np.zeros((17, 1), np.float32))
    assert "16" in reject(client, 400, "plain", [wide])
    double = triton.InferInput("x", [1, 1], "FP64")
    double.set_data_from_numpy(np.zeros((1, 1)))
    assert "FP64" in reject(client, 400, "plain", [double])


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"{}", b'{"inputs":[]}', b'{"inputs":[{"name":"x"}]}',
    b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1]}]}',
    b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[NaN]}]}',
])
def test_malformed_bodies_are_client_errors(server, body):
    connection = http.client.HTTPConnection(server.url)
    connection.request("POST", "/v2/models/plain/infer", body)
    reply = connection.getresponse()
    assert reply.status == 400 and reply.getheader("Content-Type") == "application/json"
    assert set(json.loads(reply.read())) == {"error"}


def test_many_clients_at_once(server, client):
    tensors = make_jets(3, 12)
    expected = client.infer("optimal", make_inputs(tensors, True)).as_numpy("output")
    failures = []

    def work():
        with triton.InferenceServerClient(server.url) as own:
            for _ in range(20):
                if not np.array_equal(own.infer("optimal", make_inputs(tensors, True)).as_numpy("output"), expected):
                    failures.append("another answer")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_sigterm_finishes_requests_in_flight(repository):
    tensors = make_jets(1500, 60)
    with Served(repository) as fresh, triton.InferenceServerClient(fresh.url, network_timeout=60) as client:
        results = []
        thread = threading.Thread(
            target=lambda: results.append(client.infer("optimal", make_inputs(tensors, True)).as_numpy("output")))
        thread.start()
        watch = http.client.HTTPConnection(fresh.url)
        for asked in range(1, 2000):  # until the server has read one request more than these
            watch.request("GET", "/metrics")
            (requests,) = re.findall(r"^jetcal_http_requests_total (\d+)$", watch.getresponse().read().decode(), re.M)
            if int(requests) > asked:
                break
            time.sleep(0.005)
        status, errors = fresh.stop()
        thread.join()
    assert status == 0 and "stopped, 0 requests given up" in errors
    assert results[0].shape == (1500, 1) and np.isfinite(results[0]).all()


def test_a_broken_model_leaves_the_others_alone(jetcal, tmp_path):
    export(jetcal, tmp_path, "small-pfn", "good")
    broken = export(jetcal, tmp_path, "small-pfn", "broken")
    broken.write_bytes(broken.read_bytes()[:500])
    broken.with_name("model.jetcal").unlink()
    with Served(tmp_path) as fresh, triton.InferenceServerClient(fresh.url) as client:
        assert client.is_model_ready("good") and not client.is_model_ready("broken")
        assert not client.is_server_ready()
        tensors = make_jets(2, 5)
        reject(client, 503, "broken", make_inputs({name: tensors[name] for name in ORDER[1:]}, True))
        states = {entry["name"]: entry for entry in client.get_model_repository_index()}
        assert states["broken"]["state"] == "UNAVAILABLE" and states["broken"]["reason"]
        assert client.infer("good", make_inputs({name: tensors[name] for name in ORDER[1:]}, True)) is not None


def test_port_in_use_and_missing_repository_are_one_sentence(jetcal, server, repository, tmp_path):
    status, message = jetcal.fails("serve", "--model-repository", repository, "--http-port", server.port)
    assert status == 6 and f"port {server.port} on 127.0.0.1 is in use" in message
    status, message = jetcal.fails("serve", "--model-repository", tmp_path / "nowhere")
    assert status == 3 and "nowhere" in message
    for flag in ("--http-port", "--grpc-port", "--metrics-port"):
        status, message = jetcal.fails("serve", "--model-repository", repository, flag, 70000)
        assert status == 2 and f"{flag[2:]} is out of range: 70000" in message
    for microseconds in (-1, 10001):
        status, message = jetcal.fails("serve", "--model-repository", repository, "--busy-poll-us", microseconds)
        assert status == 2 and f"busy-poll-us is out of range: {microseconds}" in message
    status, message = jetcal.fails("serve")
    assert status == 2 and "--model-repository" in message


def test_threads_that_stay_awake_answer_the_same(server, repository):
    tensors = make_jets(3, 7)
    inputs = make_inputs(tensors, True)
    with Served(repository, "--busy-poll-us", "500") as awake, triton.InferenceServerClient(awake.url) as client, \
            triton.InferenceServerClient(server.url) as other:
        for pause in (0, 0, 0.002, 0):  # within what it waits for, and beyond
            time.sleep(pause)
            answer = client.infer("optimal", inputs).as_numpy("output")
            np.testing.assert_array_equal(answer, other.infer("optimal", inputs).as_numpy("output"))


def test_metrics_on_their_own_port(repository):
    with socket.socket() as probe:  # a port that is free right now
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Served(repository, "--metrics-port", port) as fresh:
        assert fresh.announced["metrics_port"] == port
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/metrics")
        assert b"nv_inference_count" in connection.getresponse().read()


def test_interrupt_ends_it_too(repository):
    with Served(repository) as fresh:
        os.kill(fresh.process.pid, signal.SIGINT)
        _, errors = fresh.process.communicate(timeout=30)
        assert fresh.process.returncode == 0 and "stopped" in errors
