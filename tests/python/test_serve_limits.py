# SPDX-License-Identifier: Apache-2.0
"""Limits of jetcal serve on what clients may take, as its flags set them, and SIGTERM while requests come."""

import http.client
import json
import os
import queue
import re
import signal
import socket
import threading
import time

import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from served import Served, export
from test_serve import make_jets, make_plain_model
from tritonclient.utils import InferenceServerException

HOST = "127.0.0.1"
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()


@pytest.fixture(scope="module")
def repository(jetcal, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    export(jetcal, folder, "paper-particlenet", "optimal")
    return folder


@pytest.fixture(scope="module")
def server(repository):
    with Served(repository, "--max-connections", 3, "--max-header-bytes", 2000, "--head-timeout", 0.5, "--stall-timeout", 0.5,
                "--min-bytes-per-second", 1000000, "--idle-timeout", 2, "--max-json-bytes", 1000, "--max-body-bytes", 2000) as running:
        yield running


def connect(server):
    return socket.create_connection((HOST, server.port), timeout=20)


def status_of(connection):
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())["error"]


def head(*lines):
    return "\r\n".join(["POST /v2/models/plain/infer HTTP/1.1", "Host: h", *lines, "", ""]).encode()


CASES = {
    "header": (head("X: " + "y" * 2000), 431, "the request headers are larger than the limit of 2000 bytes"),
    "target": (b"GET /" + b"p" * 2000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 431, "the request headers are larger than the limit of 2000 bytes"),
    "JSON": (head("Content-Length: 1001"), 413, "the request body of 1001 bytes is larger than the limit of 1000"),
    "body": (head("Inference-Header-Content-Length: 10", "Content-Length: 2001"), 413,
             "the request body of 2001 bytes is larger than the limit of 2000"),
    "chunked": (head("Transfer-Encoding: chunked") + b"3e9\r\n" + b" " * 1001 + b"\r\n0\r\n\r\n", 413,
                "the request body is larger than the limit of 1000 bytes"),
    "slow head": (b"POST /v2/models/plain/infer HTTP/1.1\r\nHost:", 408, "the request came too slowly"),
    "slow body": (head(f"Content-Length: {len(BODY)}") + BODY[:5], 408, "the request came too slowly"),
}


@pytest.mark.parametrize("name", CASES)
def test_too_much_or_too_slow_is_refused_with_a_sentence(server, name):
    request, status, sentence = CASES[name]
    with connect(server) as client:
        client.sendall(request)
        assert status_of(client) == (status, sentence)
        assert client.recv(1) == b""  # and the connection ends


def test_one_connection_too_many_is_told_so_and_there_is_room_again(server):
    kept = [connect(server) for _ in range(3)]
    time.sleep(0.2)
    with connect(server) as client:
        assert status_of(client) == (503, "the server has too many connections")
    for client in kept:
        client.close()
    deadline = time.monotonic() + 10
    while True:
        with connect(server) as client:
            client.sendall(head(f"Content-Length: {len(BODY)}") + BODY)
            if client.recv(12) == b"HTTP/1.1 200":
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_idle_connection_is_closed(server):
    with connect(server) as client:
        began = time.monotonic()
        assert client.recv(1) == b"" and 1 < time.monotonic() - began < 10


def test_a_reader_that_does_not_read_is_given_up(repository):
    """16 MB of an answer go nowhere: the connection ends, the server stays."""
    with Served(repository, "--stall-timeout", 0.5, "--min-bytes-per-second", 100000000) as server:
        with connect(server) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            items = json.dumps({"inputs": [{"name": "x", "shape": [16, 250000], "datatype": "FP32",
                                            "parameters": {"binary_data_size": 16000000}}],
                                "parameters": {"binary_data_output": True}}).encode()
            client.sendall(head(f"Inference-Header-Content-Length: {len(items)}", f"Content-Length: {len(items) + 16000000}") + items)
            client.sendall(bytes(16000000))
            deadline = time.monotonic() + 20
            while True:
                text = http.client.HTTPConnection(HOST, server.port, timeout=20)
                text.request("GET", "/metrics")
                if b"jetcal_http_timeouts_total 1" in text.getresponse().read():
                    break
                assert time.monotonic() < deadline
                time.sleep(0.1)


def tensors(module, num_jets, particles):
    inputs = []
    for name, values in make_jets(num_jets, particles).items():
        inputs.append(module.InferInput(name, list(values.shape), "FP32"))
        inputs[-1].set_data_from_numpy(values)
    return inputs


def ask(client, inputs):
    """What a request came to: answered, refused, or closed before an answer."""
    try:
        client.infer("optimal", inputs)
        return "answered"
    except InferenceServerException as error:
        refused = "shutting down" in str(error) or error.status() in ("503", "StatusCode.UNAVAILABLE")
        return "refused" if refused else f"failed: {error}"
    except (ConnectionError, OSError, http.client.HTTPException) as error:
        return f"closed: {error}"


@pytest.mark.parametrize("module", [triton, triton_grpc], ids=["http", "grpc"])
def test_sigterm_answers_every_request_it_had_accepted(repository, module):
    """Twelve clients ask without pause while the server gets SIGTERM: what it took is answered, what it did not is told no."""
    outcomes, stop = [], threading.Event()

    def traffic(url):
        inputs = tensors(module, 8, 60)
        with module.InferenceServerClient(url) as client:
            while not stop.is_set():
                sent = time.monotonic()
                outcomes.append((sent, ask(client, inputs)))
                if outcomes[-1][1] != "answered":
                    return

    with Served(repository, "--drain-timeout", 60) as server:
        clients = [threading.Thread(target=traffic, args=[server.url]) for _ in range(12)]
        for client in clients:
            client.start()
        deadline = time.monotonic() + 60
        while len(outcomes) < 24 and time.monotonic() < deadline:
            time.sleep(0.01)
        stopped = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        _, errors = server.process.communicate(timeout=90)
        stop.set()
        for client in clients:
            client.join()
        assert server.process.returncode == 0 and "0 requests given up" in errors
    before = [outcome for sent, outcome in outcomes if sent < stopped]
    assert before.count("answered") >= 24 and set(before) <= {"answered", "refused"}, outcomes  # none is without an answer
    assert not [outcome for _, outcome in outcomes if outcome.startswith("failed")], outcomes


def test_a_drain_that_takes_too_long_ends_within_its_bound(repository):
    with Served(repository, "--drain-timeout", 0.5) as server, triton_grpc.InferenceServerClient(server.url) as client:
        outcomes = queue.Queue()
        inputs = tensors(triton_grpc, 4000, 100)
        for _ in range(20):  # far more work than the bound allows; it is under way when the first is done
            client.async_infer("optimal", inputs, lambda result, error: outcomes.put(error))
        assert outcomes.get(timeout=120) is None
        began = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        _, errors = server.process.communicate(timeout=60)
        assert time.monotonic() - began < 5 and server.process.returncode == 0, errors
        assert int(re.search(r"stopped, (\d+) requests given up", errors)[1]) >= 1, errors
