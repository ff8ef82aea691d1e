# SPDX-License-Identifier: Apache-2.0
"""gRPC of jetcal serve on the port of HTTP, driven by unmodified clients: tritonclient.grpc and its asyncio form, the compiled
stubs of the published API, the standard health check."""

import asyncio
import queue
import socket
import threading
import time
import urllib.request

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
import tritonclient.utils.shared_memory as shared_memory
from oip_cases import pb
from served import Served, export
from test_serve import make_jets, make_plain_model
from tritonclient.grpc import service_pb2_grpc
from tritonclient.utils import InferenceServerException


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


@pytest.fixture()
def client(server):
    with triton.InferenceServerClient(server.url) as connection:
        yield connection


def tensors(module, values, **kwargs):
    inputs = []
    for name, array in values.items():
        item = module.InferInput(name, list(array.shape), "FP32")
        item.set_data_from_numpy(array, **kwargs)
        inputs.append(item)
    return inputs


ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)


def test_health_metadata_config_statistics(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("optimal") and client.is_model_ready("optimal", "1")
    assert not client.is_model_ready("optimal", "2") and not client.is_model_ready("nobody")
    metadata = client.get_server_metadata(as_json=True)
    assert metadata["name"] == "jetcal" and "binary_tensor_data" in metadata["extensions"]
    model = client.get_model_metadata("optimal")
    assert list(model.versions) == ["1"]
    assert {item.name: list(item.shape) for item in model.inputs}["pf_features"] == [-1, 6, -1]
    config = client.get_model_config("optimal").config
    assert config.max_batch_size == 100000 and config.input[0].data_type == 11
    assert config.parameters["jetcal_input_mode"].string_value
    before = client.get_inference_statistics("plain").model_stats[0].inference_count
    client.infer("plain", tensors(triton, {"x": ROWS}))
    after = client.get_inference_statistics("plain").model_stats[0]
    assert after.inference_count == before + 3 and after.batch_stats[0].batch_size == 3
    assert len(client.get_inference_statistics().model_stats) == 2
    assert {entry.name: entry.state for entry in client.get_model_repository_index().models} == {"optimal": "READY", "plain": "READY"}


def test_same_numbers_as_http(server, client):
    jets = make_jets(7, 30)
    with triton_http.InferenceServerClient(server.url) as other:
        expected = other.infer("optimal", tensors(triton_http, jets)).as_numpy("output")
    result = client.infer("optimal", tensors(triton, jets), request_id="jets", model_version="1")
    np.testing.assert_array_equal(result.as_numpy("output"), expected)
    assert result.get_response().id == "jets" and result.get_response().model_version == "1"


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
def test_compression_outputs_parameters_and_deadline(client, coding):
    rows = np.tile(ROWS, (1, 500))
    result = client.infer("plain", tensors(triton, {"x": rows}), outputs=[triton.InferRequestedOutput("z")],
                          compression_algorithm=coding, priority=1, timeout=5_000_000, client_timeout=20,
                          parameters={"note": "mine"}, headers={"x-own": "1"})
    np.testing.assert_array_equal(result.as_numpy("z"), np.abs(rows).astype(np.int64))
    assert result.as_numpy("y") is None


def test_typed_contents(server):
    with grpc.insecure_channel(server.url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = pb.ModelInferRequest(model_name="plain")
        item = request.inputs.add(name="x", datatype="FP32", shape=[3, 4])
        item.contents.fp32_contents.extend(ROWS.ravel().tolist())
        reply = stub.ModelInfer(request)
        names = [output.name for output in reply.outputs]
        y = np.frombuffer(reply.raw_output_contents[names.index("y")], np.float32).reshape(3, 4)
        np.testing.assert_array_equal(y, 2 * ROWS + 1)


def test_stream(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(20):
        client.async_stream_infer("plain", tensors(triton, {"x": ROWS + i}), request_id=str(i))
    client.async_stream_infer("nobody", tensors(triton, {"x": ROWS}), request_id="wrong")
    client.async_stream_infer("plain", tensors(triton, {"x": ROWS}), request_id="last", enable_empty_final_response=True)
    for i in range(20):
        result, error = answers.get(timeout=20)
        assert error is None and result.get_response().id == str(i)
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * (ROWS + i) + 1)
    result, error = answers.get(timeout=20)
    assert "nobody" in error.message()
    result, error = answers.get(timeout=20)
    assert error is None and result.get_response().parameters["triton_final_response"].bool_param
    client.stop_stream()


def test_callbacks_and_cancellation(client):
    answers = queue.Queue()
    call = client.async_infer("plain", tensors(triton, {"x": ROWS}), lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=20)
    assert error is None
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * ROWS + 1)
    jets = make_jets(3000, 100)
    call = client.async_infer("optimal", tensors(triton, jets), lambda result, error: answers.put((result, error)))
    call.cancel()
    _, error = answers.get(timeout=20)
    assert "CANCELLED" in str(error) or "cancel" in str(error).lower()
    assert client.is_server_live()


def test_errors_have_codes_and_texts(client):
    def refused(*arguments, **kwargs):
        with pytest.raises(InferenceServerException) as caught:
            client.infer(*arguments, **kwargs)
        return caught.value.status(), caught.value.message()

    x = tensors(triton, {"x": ROWS})
    assert refused("nobody", x) == ("StatusCode.NOT_FOUND", "Request for unknown model: 'nobody' is not found")
    assert refused("plain", x, model_version="7") == ("StatusCode.NOT_FOUND", "Request for unknown model: 'plain' version 7 is not found")
    code, text = refused("plain", tensors(triton, {"x": np.zeros((17, 1), np.float32)}))
    assert code == "StatusCode.INVALID_ARGUMENT"
    assert text == "[request id: <id_unknown>] inference request batch-size must be <= 16 for 'plain'"
    assert refused("plain", tensors(triton, {"w": ROWS})) == (
        "StatusCode.INVALID_ARGUMENT", "unexpected inference input 'w' for model 'plain'")
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("plain")
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    jets = make_jets(4000, 100)
    code, _ = refused("optimal", tensors(triton, jets), client_timeout=0.01)
    assert code == "StatusCode.DEADLINE_EXCEEDED"


def test_log_and_trace_settings(client):
    assert client.get_log_settings(as_json=True)["settings"]["log_info"] == {"bool_param": True}
    changed = client.update_log_settings({"log_verbose_level": 1}, as_json=True)
    assert changed["settings"]["log_verbose_level"] == {"uint32_param": 1}
    client.update_log_settings({"log_verbose_level": 0})
    assert client.get_trace_settings("plain", as_json=True)["settings"]["trace_level"] == {"value": ["OFF"]}
    assert client.update_trace_settings("plain", {"trace_rate": "500"}, as_json=True)["settings"]["trace_rate"] == {"value": ["500"]}
    assert client.get_trace_settings(as_json=True)["settings"]["trace_rate"] == {"value": ["1000"]}
    with pytest.raises(InferenceServerException):
        client.update_trace_settings("plain", {"trace_level": ["TIMESTAMPS"]})


def test_system_shared_memory(client):
    size = ROWS.nbytes
    taken = shared_memory.create_shared_memory_region("in", "/jetcal_test_in", size)
    given = shared_memory.create_shared_memory_region("out", "/jetcal_test_out", 2 * size)
    try:
        shared_memory.set_shared_memory_region(taken, [ROWS])
        client.register_system_shared_memory("in", "/jetcal_test_in", size)
        client.register_system_shared_memory("out", "/jetcal_test_out", 2 * size)
        assert client.get_system_shared_memory_status("in").regions["in"].byte_size == size
        with pytest.raises(InferenceServerException):
            client.register_system_shared_memory("in", "/jetcal_test_in", size)
        item = triton.InferInput("x", [3, 4], "FP32")
        item.set_shared_memory("in", size)
        wanted = triton.InferRequestedOutput("y")
        wanted.set_shared_memory("out", size, offset=size)
        result = client.infer("plain", [item], outputs=[wanted, triton.InferRequestedOutput("z")])
        np.testing.assert_array_equal(shared_memory.get_contents_as_numpy(given, np.float32, [6, 4])[3:], 2 * ROWS + 1)
        np.testing.assert_array_equal(result.as_numpy("z"), np.abs(ROWS).astype(np.int64))
        wanted.set_shared_memory("out", 4)
        with pytest.raises(InferenceServerException) as caught:
            client.infer("plain", [item], outputs=[wanted])
        assert "should be at least 48 bytes" in caught.value.message()
        item.set_shared_memory("in", size + 1)
        with pytest.raises(InferenceServerException):
            client.infer("plain", [item])
        client.unregister_system_shared_memory("in")
        client.unregister_system_shared_memory()
        assert not client.get_system_shared_memory_status().regions
    finally:
        shared_memory.destroy_shared_memory_region(taken)
        shared_memory.destroy_shared_memory_region(given)
    with pytest.raises(InferenceServerException) as caught:
        client.register_cuda_shared_memory("gpu", b"aGFuZGxl", 0, 8)
    assert "CPU" in caught.value.message()
    assert not client.get_cuda_shared_memory_status().regions


def test_asyncio_clients(server):
    async def work():
        async with triton_aio.InferenceServerClient(server.url) as client:
            assert await client.is_server_ready() and await client.is_model_ready("plain")
            assert (await client.get_model_metadata("plain")).name == "plain"
            results = await asyncio.gather(*[client.infer("plain", tensors(triton_aio, {"x": ROWS + i})) for i in range(30)])
            for i, result in enumerate(results):
                np.testing.assert_array_equal(result.as_numpy("y"), 2 * (ROWS + i) + 1)

            async def requests():
                for i in range(3):
                    yield {"model_name": "plain", "inputs": tensors(triton_aio, {"x": ROWS}), "request_id": str(i)}

            seen = [result.get_response().id async for result, error in client.stream_infer(requests()) if error is None]
            assert seen == ["0", "1", "2"]
        async with triton_http_aio.InferenceServerClient(server.url) as client:
            assert await client.is_server_live()
            results = await asyncio.gather(*[client.infer("plain", tensors(triton_http_aio, {"x": ROWS + i})) for i in range(30)])
            for i, result in enumerate(results):
                np.testing.assert_array_equal(result.as_numpy("y"), 2 * (ROWS + i) + 1)

    asyncio.run(work())


def test_standard_health_check(server):
    with grpc.insecure_channel(server.url) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"") == b"\x08\x01"  # SERVING
        assert check(b"\x0a\x05plain") == b"\x08\x01"
        with pytest.raises(grpc.RpcError) as caught:
            check(b"\x0a\x04none")
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_keepalive_and_message_limit(repository):
    with Served(repository, "--max-body-bytes", 100_000) as fresh:
        options = [("grpc.keepalive_time_ms", 1000), ("grpc.keepalive_permit_without_calls", 1)]
        with grpc.insecure_channel(fresh.url, options=options) as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            with pytest.raises(grpc.RpcError) as caught:
                infer(b"\0" * 200_000)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            with pytest.raises(grpc.RpcError) as caught:
                infer(b"\xff\xff\xff")
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            time.sleep(2.5)
            assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"") == b"\x08\x01"


def test_grpc_on_its_own_port_and_drain(repository):
    with socket.socket() as probe:  # a port that is free right now
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Served(repository, "--grpc-port", port) as fresh, triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert fresh.announced["grpc_port"] == port != fresh.port
        assert client.is_server_ready()
        counted = urllib.request.urlopen(f"http://{fresh.url}/metrics").read().decode()
        assert "\njetcal_grpc_calls_total 1\n" in counted  # of every port
    with Served(repository, "--drain-timeout", 30) as fresh:
        with triton.InferenceServerClient(fresh.url) as client:
            jets = tensors(triton, make_jets(2000, 60))
            answers = queue.Queue()
            client.infer("optimal", tensors(triton, make_jets(1, 5)))
            for _ in range(3):
                client.async_infer("optimal", jets, lambda result, error: answers.put((result, error)))
            deadline = time.monotonic() + 20
            with triton_http.InferenceServerClient(fresh.url) as watch:
                while time.monotonic() < deadline:
                    stats = watch.get_inference_statistics("optimal")["model_stats"][0]
                    if stats["inference_stats"]["success"]["count"] > 1 or answers.qsize():
                        break
                    time.sleep(0.01)
            stopped = []
            thread = threading.Thread(target=lambda: stopped.append(fresh.stop()))
            thread.start()
            results = [answers.get(timeout=30) for _ in range(3)]
            thread.join()
        assert [error for _, error in results if error is not None and "shutting down" not in str(error)] == []
        assert "stopped, 0 requests given up" in stopped[0][1]
