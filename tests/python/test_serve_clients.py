# SPDX-License-Identifier: Apache-2.0
"""Every call of tritonclient's four clients (HTTP and gRPC, with and without asyncio), unmodified, against one server; a call that a
newer tritonclient adds fails the test until it is made here."""

import asyncio
import inspect
import threading

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
import tritonclient.utils.shared_memory as shared_memory
from served import Served
from test_serve import make_plain_model
from tritonclient.utils import InferenceServerException

ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
CLIENTS = {"http": tritonclient.http, "grpc": tritonclient.grpc, "http.aio": tritonclient.http.aio, "grpc.aio": tritonclient.grpc.aio}
# Calls that ask the server for nothing.
LOCAL = {"close", "plugin", "register_plugin", "unregister_plugin", "generate_request_body", "parse_response_body"}
# Made by test_serve_grpc.py.
STREAMS = {"stream_infer", "start_stream", "stop_stream", "async_stream_infer"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    with Served(folder, "--model-control-mode", "explicit", "--load-model", "plain") as running:
        yield running


class Caller:
    """Makes calls by name and notes which; coroutines are run to their end."""

    def __init__(self, module, url):
        self.module, self.made, self.loop = module, set(), asyncio.new_event_loop()
        self.http = ".http" in module.__name__
        async def build():  # the clients of asyncio want a running loop
            return module.InferenceServerClient(url)
        self.client = self.loop.run_until_complete(build())

    def __call__(self, name, *arguments, **keywords):
        self.made.add(name)
        result = getattr(self.client, name)(*arguments, **keywords)
        return self.loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def json(self, name, *arguments):
        return self(name, *arguments) if self.http else self(name, *arguments, as_json=True)

    def refused(self, name, *arguments):
        with pytest.raises(InferenceServerException) as caught:
            self(name, *arguments)
        return str(caught.value)

    def close(self):
        self("close")
        self.loop.close()


def entries(answer, name):
    return answer if isinstance(answer, list) else answer.get(name, [])


@pytest.mark.parametrize("name", CLIENTS)
def test_every_call(server, name):
    module = CLIENTS[name]
    call = Caller(module, server.url)
    assert call("is_server_live") and call("is_server_ready")
    assert call("is_model_ready", "plain", "1") and not call("is_model_ready", "nobody")
    assert call.json("get_server_metadata")["name"] == "jetcal"
    assert call.json("get_model_metadata", "plain")["versions"] == ["1"]
    config = call.json("get_model_config", "plain")
    assert config.get("config", config)["max_batch_size"] == 16

    item = module.InferInput("x", list(ROWS.shape), "FP32")
    item.set_data_from_numpy(ROWS)
    wanted = [module.InferRequestedOutput("y")]
    answer = call("infer", "plain", [item], outputs=wanted, request_id="seven", parameters={"own": "value"}, priority=0, timeout=1000000,
                  headers={"x-own": "1"})
    np.testing.assert_array_equal(answer.as_numpy("y"), 2 * ROWS + 1)
    assert answer.as_numpy("z") is None
    for packed in ("gzip", "deflate"):
        how = {"compression_algorithm": packed}
        if call.http:
            how = {"request_compression_algorithm": packed, "response_compression_algorithm": packed}
        np.testing.assert_array_equal(call("infer", "plain", [item], **how).as_numpy("y"), 2 * ROWS + 1)
    if hasattr(call.client, "async_infer"):
        answers = []
        if call.http:
            answers.append(call("async_infer", "plain", [item]).get_result())
        else:
            done = threading.Event()
            call("async_infer", "plain", [item], lambda result, error: (answers.append(result), done.set()))
            assert done.wait(20)
        np.testing.assert_array_equal(answers[0].as_numpy("y"), 2 * ROWS + 1)

    statistics, = call.json("get_inference_statistics", "plain")["model_stats"]
    assert int(statistics["inference_stats"]["success"]["count"]) >= 3
    index = entries(call.json("get_model_repository_index"), "models")
    assert [(model["name"], model["state"]) for model in index] == [("plain", "READY")]
    call("unload_model", "plain")
    assert not call("is_model_ready", "plain")
    call("load_model", "plain")
    assert call("is_model_ready", "plain")
    assert "nobody" in call.refused("load_model", "nobody")

    settings = call.json("get_log_settings")
    assert "log_verbose_level" in settings.get("settings", settings)
    call("update_log_settings", {"log_verbose_level": 0})
    assert call.json("get_trace_settings")
    call("update_trace_settings", None, {"trace_rate": "1000"})
    memory_calls(call)
    call.refused("register_cuda_shared_memory", "gpu", b"aGFuZGxl", 0, 8)
    assert not entries(call.json("get_cuda_shared_memory_status"), "regions")
    call("unregister_cuda_shared_memory")
    call.close()
    offered = {name for name, member in inspect.getmembers(module.InferenceServerClient, inspect.isfunction) if not name.startswith("_")}
    assert offered - call.made - LOCAL - STREAMS == set()


def memory_calls(call):
    """The input through shared memory of this machine."""
    region = shared_memory.create_shared_memory_region("rows", "/jetcal_test_rows", ROWS.nbytes)
    try:
        shared_memory.set_shared_memory_region(region, [ROWS])
        call("register_system_shared_memory", "rows", "/jetcal_test_rows", ROWS.nbytes)
        regions = call.json("get_system_shared_memory_status")
        assert "rows" in str(regions)
        shared = call.module.InferInput("x", list(ROWS.shape), "FP32")
        shared.set_shared_memory("rows", ROWS.nbytes)
        np.testing.assert_array_equal(call("infer", "plain", [shared]).as_numpy("y"), 2 * ROWS + 1)
        call("unregister_system_shared_memory", "rows")
        assert "rows" in call.refused("infer", "plain", [shared])
    finally:
        shared_memory.destroy_shared_memory_region(region)
