# SPDX-License-Identifier: Apache-2.0
"""`jetcal train` tells Kubeflow Trainer how far it is, where Trainer's variables are set, and never waits for it."""

import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

FLAGS = ["--preset", "small-pfn", "--epochs", "3", "--batch-size", "500", "--threads", "1"]


class StatusServer:
    """Collects what is pushed; answers with `status` after `delay` seconds."""

    def __init__(self, status=200, delay=0.0, certificate=None):
        self.received, self.tokens, self.kinds = [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append(json.loads(body))
                outer.tokens.append(self.headers.get("Authorization"))
                outer.kinds.append(self.headers.get("Content-Type"))
                time.sleep(delay)
                self.send_response(status)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"a word")

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}/status"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def shards(jetcal, sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("status") / "shards"
    jetcal("ingest", sample, "--output", folder)
    return folder


def train(jetcal, shards, output, url, **variables):
    environment = dict(os.environ, KUBEFLOW_TRAINER_SERVER_URL=url, **variables)
    begin = time.monotonic()
    result = jetcal.raw("train", "--data", shards, "--output", output, *FLAGS, "--json", env=environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr, time.monotonic() - begin


def test_every_epoch_and_the_test_arrive_as_trainer_wants_them(jetcal, shards, tmp_path):
    (tmp_path / "token").write_text("a-token\n")
    with StatusServer() as server:
        document, messages, _ = train(jetcal, shards, tmp_path / "run", server.url, KUBEFLOW_TRAINER_SERVER_TOKEN=str(tmp_path / "token"))
    assert set(server.tokens) == {"Bearer a-token"} and set(server.kinds) == {"application/json"}
    pushes = document["status_pushes"]
    assert pushes["failed"] == 0 and pushes["sent"] == len(server.received) and pushes["sent"] + pushes["superseded"] >= 4
    assert "failed" not in messages
    last = server.received[-1]["trainerStatus"]
    assert last["progressPercentage"] == 100 and last["estimatedRemainingSeconds"] == 0
    metrics = {metric["name"]: metric["value"] for metric in last["metrics"]}
    assert all(isinstance(value, str) for value in metrics.values())
    assert float(metrics["test_loss"]) == document["test_loss"]
    assert float(metrics["validation_loss"]) == document["epochs"][-1]["validation_loss"] and metrics["epoch"] == "3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", last["lastUpdatedTime"])
    percentages = [message["trainerStatus"]["progressPercentage"] for message in server.received]
    assert percentages == sorted(percentages)


def test_without_the_variable_nothing_is_pushed_and_the_files_are_there(jetcal, shards, tmp_path):
    document, _, _ = train(jetcal, shards, tmp_path / "run", "")
    assert "status_pushes" not in document
    assert "validation_loss=" in (tmp_path / "run" / "metrics.txt").read_text()


def test_tls_with_the_given_authority(jetcal, shards, tmp_path):
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
                           "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "ca"], capture_output=True)
    assert made.returncode == 0, made.stderr
    (tmp_path / "both").write_text((tmp_path / "key").read_text() + (tmp_path / "ca").read_text())
    with StatusServer(certificate=tmp_path / "both") as server:
        document, _, _ = train(jetcal, shards, tmp_path / "run", server.url, KUBEFLOW_TRAINER_SERVER_CA_CERT=str(tmp_path / "ca"))
        assert document["status_pushes"]["failed"] == 0 and server.received
        server.received.clear()
        document, messages, _ = train(jetcal, shards, tmp_path / "untrusted", server.url)
        assert document["status_pushes"]["sent"] == 0 and server.received == []
        assert messages.count("pushes of status to") == 1 and "certificate" in messages


@pytest.mark.parametrize("kind", ["closed", "silent", "refusing", "slow"])
def test_a_bad_endpoint_neither_stops_nor_slows_training(jetcal, shards, tmp_path, kind):
    reference, _, quick = train(jetcal, shards, tmp_path / "reference", "")
    silent = socket.create_server(("127.0.0.1", 0))  # accepts, never answers
    with StatusServer(status=403 if kind == "refusing" else 200, delay=8 if kind == "slow" else 0) as server:
        url = {"closed": "http://127.0.0.1:9/", "silent": f"http://127.0.0.1:{silent.getsockname()[1]}/"}.get(kind, server.url)
        document, messages, seconds = train(jetcal, shards, tmp_path / "run", url)
    silent.close()
    assert document["status_pushes"]["sent"] == 0 and document["status_pushes"]["failed"] >= 1
    assert messages.count("pushes of status to") == 1
    assert document["test_loss"] == reference["test_loss"]
    # At most the push that is on its way when training ends, and the last one.
    assert seconds < quick * 2 + 11
    if kind == "refusing":
        assert "status 403: a word" in messages
