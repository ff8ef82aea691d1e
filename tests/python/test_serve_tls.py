# SPDX-License-Identifier: Apache-2.0
"""TLS, mutual TLS and bearer tokens of jetcal serve, driven by unmodified clients of HTTP/1.1, HTTP/2 and gRPC."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from certificates import Authority, read
from object_store import free_port
from served import Served, wait_until
from test_serve import make_plain_model
from tritonclient.utils import InferenceServerException

ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.server, made.client = made.sign("server", HOST), made.sign("client")
    made.other = Authority(made.folder / "other", "other")
    made.stranger = made.other.sign("stranger")
    made.flags = ["--tls-certificate", made.server[0], "--tls-key", made.server[1]]
    return made


@pytest.fixture(scope="module")
def tls(repository, authority):
    with Served(repository, *authority.flags, "--metrics-port", free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(repository, authority):
    with Served(repository, *authority.flags, "--tls-client-ca", authority.file) as server:
        yield server


def context(ca, client=None, protocols=()):
    made = ssl.create_default_context(cafile=ca)
    if client:
        made.load_cert_chain(*client)
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def http_client(server, ca, client=None):
    return triton_http.InferenceServerClient(server.url, ssl=True, ssl_context_factory=lambda: context(ca, client))


def grpc_client(server, ca, client=None):
    files = {"private_key": str(client[1]), "certificate_chain": str(client[0])} if client else {}
    return triton_grpc.InferenceServerClient(server.url, ssl=True, root_certificates=str(ca), **files)


def infer(module, client, rows=ROWS, **kwargs):
    item = module.InferInput("x", list(rows.shape), "FP32")
    item.set_data_from_numpy(rows)
    return client.infer("plain", [item], **kwargs).as_numpy("y")


def connect(server):
    return socket.create_connection((HOST, server.port), timeout=20)


def handshake(server, ca, client=None, protocols=()):
    return context(ca, client, protocols).wrap_socket(connect(server), server_hostname=HOST)


def get(server, path, ca=None, client=None, headers=None):
    """Status, headers and JSON of one request over HTTP/1.1, inside TLS when there is a CA."""
    connection = (http.client.HTTPSConnection(HOST, server.port, timeout=20, context=context(ca, client)) if ca
                  else http.client.HTTPConnection(HOST, server.port, timeout=20))
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, json.loads(body) if body.startswith(b"{") else body.decode()


def counter(text, name):
    return int(next(line for line in text.splitlines() if line.startswith(name + " ")).split()[1])


def test_http_and_grpc_on_one_port_inside_tls(tls, authority):
    assert tls.announced["tls"] is True
    for module, client in [(triton_http, http_client(tls, authority.file)), (triton_grpc, grpc_client(tls, authority.file))]:
        assert client.is_server_live() and client.is_model_ready("plain")
        np.testing.assert_array_equal(infer(module, client), 2 * ROWS + 1)
        client.close()


def test_large_bodies_both_ways(tls, authority):
    rows = np.random.default_rng(3).normal(size=(16, 200_001)).astype(np.float32)  # 13 MB, no multiple of a record
    for module, client in [(triton_http, http_client(tls, authority.file)), (triton_grpc, grpc_client(tls, authority.file))]:
        np.testing.assert_allclose(infer(module, client, rows), 2 * rows + 1, rtol=1e-6)
        client.close()


def test_requests_in_one_record_are_all_answered(tls, authority):
    """What OpenSSL holds decrypted is not seen by epoll: every request of a record must be answered all the same."""
    request = b"GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n"
    with handshake(tls, authority.file) as client:
        client.sendall(request * 900)  # 38 kB: more than the input buffer of a connection, several records
        got = b""
        while got.count(b'{"live":true}') < 900:
            chunk = client.recv(65536)
            assert chunk, "the server closed"
            got += chunk


def test_the_handshake_agrees_on_the_protocol(tls, authority):
    for offered, agreed in [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["h2"], "h2"), (["spdy/3"], None), ([], None)]:
        with handshake(tls, authority.file, protocols=offered) as client:
            assert client.selected_alpn_protocol() == agreed
            assert client.version() in ("TLSv1.2", "TLSv1.3")
    if shutil.which("curl"):
        done = subprocess.run(["curl", "-sS", "--http2", "--cacert", authority.file, "-w", "%{http_version}",
                               f"https://{HOST}:{tls.port}/v2/health/ready"], capture_output=True, text=True, timeout=20)
        assert done.stdout == '{"ready":true}2', done.stderr


def test_old_protocols_and_plain_http_are_refused(tls, authority):
    def failures():
        return counter(metrics_of(tls), "jetcal_tls_failures_total")

    before = failures()
    old = subprocess.run(["openssl", "s_client", "-connect", tls.url, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], capture_output=True,
                         text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert old.returncode != 0 and "alert protocol version" in old.stderr
    status, _, answer = get(tls, "/v2")
    assert (status, answer) == (400, {"error": "this port speaks TLS: use https"})
    with connect(tls) as client:
        client.sendall(b"\x16\x03\x01\x00\x05hello" + os.urandom(100))
        client.recv(1000)
    wait_until(lambda: failures() >= before + 3)  # a client may read its alert before the server counts it
    assert failures() == before + 3


def metrics_of(server):
    connection = http.client.HTTPConnection(HOST, server.announced["metrics_port"], timeout=20)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def test_probes_find_health_on_the_metrics_port_without_tls(tls):
    connection = http.client.HTTPConnection(HOST, tls.announced["metrics_port"], timeout=20)
    connection.request("GET", "/v2/health/ready")
    assert json.loads(connection.getresponse().read()) == {"ready": True}
    connection.request("GET", "/v2/models/plain")
    assert connection.getresponse().status == 404


def test_a_client_that_trusts_another_authority_goes_away(tls, authority):
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(tls, authority.other.file)
    with pytest.raises(InferenceServerException, match="UNAVAILABLE"), grpc_client(tls, authority.other.file) as client:
        client.is_server_live()


def test_mutual_tls_takes_only_clients_of_its_authority(mutual, authority):
    for module, made in [(triton_http, http_client), (triton_grpc, grpc_client)]:
        client = made(mutual, authority.file, authority.client)
        np.testing.assert_array_equal(infer(module, client), 2 * ROWS + 1)
        client.close()
    for wrong in [None, authority.stranger]:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            get(mutual, "/v2/health/live", authority.file, wrong)
        with pytest.raises(InferenceServerException, match="UNAVAILABLE"), grpc_client(mutual, authority.file, wrong) as client:
            client.is_server_live()


def test_certificates_are_read_again_while_connections_go_on(repository, tmp_path):
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    live = [tmp_path / "live.pem", tmp_path / "live.key"]

    def install(pair):
        for source, target in zip(pair, live):
            staged = target.with_suffix(".new")
            staged.write_bytes(read(source))
            staged.rename(target)

    def until_trusted(server, authority):
        deadline = time.monotonic() + 15
        while True:
            try:
                return get(server, "/v2/health/live", authority.file)
            except ssl.SSLError:
                assert time.monotonic() < deadline, "the new certificate is not used"
                time.sleep(0.05)

    install(first.sign("server", HOST))
    with Served(repository, "--tls-certificate", live[0], "--tls-key", live[1]) as server:
        with http_client(server, first.file) as kept:
            assert kept.is_server_live()
            install(second.sign("server", HOST))
            until_trusted(server, second)  # seen by itself
            with pytest.raises(ssl.SSLError):
                get(server, "/v2/health/live", first.file)
            np.testing.assert_array_equal(infer(triton_http, kept), 2 * ROWS + 1)  # its connection began before
        live[0].write_text("no certificate")
        os.kill(server.process.pid, signal.SIGHUP)
        time.sleep(0.3)
        assert get(server, "/v2/health/live", second.file)[0] == 200  # what cannot be used changes nothing
        install(first.sign("server", HOST))
        os.kill(server.process.pid, signal.SIGHUP)
        until_trusted(server, first)
        status, errors = server.stop()
        assert status == 0 and "live.pem as the certificate" in errors, errors


def test_a_slow_handshake_is_given_up_and_holds_nobody_up(repository, authority):
    with Served(repository, *authority.flags, "--head-timeout", 0.6) as server:
        with connect(server) as silent, connect(server) as slow:
            slow.sendall(b"\x16\x03\x01")
            began = time.monotonic()
            assert get(server, "/v2/health/live", authority.file)[0] == 200
            assert silent.recv(10) == b"" and slow.recv(10) == b""
            assert 0.4 < time.monotonic() - began < 5
        assert counter(get(server, "/metrics", authority.file)[2], "jetcal_http_timeouts_total") == 2


def test_sigterm_answers_what_tls_clients_have_asked(repository, authority):
    with Served(repository, *authority.flags) as server:
        with handshake(server, authority.file) as client, connect(server):  # the other one is in its handshake
            body = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}).encode()
            head = f"POST /v2/models/plain/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            client.sendall(head + body[:10])
            time.sleep(0.3)
            os.kill(server.process.pid, signal.SIGTERM)
            time.sleep(0.3)
            client.sendall(body[10:])
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 503") or b'"data":[3.0,5.0]' in answer or b'"data":[3,5]' in answer, answer
        _, errors = server.process.communicate(timeout=30)
        assert server.process.returncode == 0 and "0 requests given up" in errors


def test_wrong_flags_and_files_are_refused_by_name(jetcal, repository, authority, tmp_path):
    empty, control = tmp_path / "empty", tmp_path / "control"
    empty.write_text("# none\n\n")
    control.write_bytes(b"good\nwith blank\n")
    server, key = authority.server
    cases = [(["--tls-key", key], "tls-certificate is missing"), (["--tls-certificate", server], "tls-key is missing"),
             (["--tls-client-ca", server], "tls-client-ca needs tls-certificate"),
             (["--tls-certificate", server, "--tls-key", authority.client[1]], "client.key as the key of"),
             (["--tls-certificate", tmp_path / "none.pem", "--tls-key", key], "none.pem as the certificate"),
             (["--tls-certificate", key, "--tls-key", key], "server.key as the certificate"),
             ([*authority.flags, "--tls-client-ca", key], "server.key as the CA of client certificates"),
             (["--token-file", tmp_path / "absent"], "absent"), (["--token-file", empty], "holds no token"),
             (["--token-file", control], "line 2 of the token file"), (["--health-token", "true"], "health-token needs token-file")]
    for flags, text in cases:
        status, message = jetcal.fails("serve", "--model-repository", repository, "--http-port", 0, *flags)
        assert status != 0 and text in message, (flags, message)


# ---- tokens -------------------------------------------------------------------------------------------------------------

TOKENS = ["alpha-5f2c", "beta/9+=="]


@pytest.fixture(scope="module")
def token_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text("# of the trigger farm\n" + TOKENS[0] + "\n\n  " + TOKENS[1] + "  \n")
    return path


@pytest.fixture(scope="module")
def guarded(repository, token_file):
    with Served(repository, "--token-file", token_file) as server:
        yield server


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_every_token_of_the_file_opens_http_and_grpc(guarded):
    for token in TOKENS:
        with triton_http.InferenceServerClient(guarded.url) as client:
            np.testing.assert_array_equal(infer(triton_http, client, headers=bearer(token)), 2 * ROWS + 1)
            assert client.get_model_metadata("plain", headers=bearer(token))["name"] == "plain"
        with triton_grpc.InferenceServerClient(guarded.url) as client:
            np.testing.assert_array_equal(infer(triton_grpc, client, headers=bearer(token)), 2 * ROWS + 1)
    assert get(guarded, "/v2", headers={"Authorization": f"bEaReR   {TOKENS[0]} "})[0] == 200


REFUSED = [(None, "this server wants a bearer token: send the header 'Authorization: Bearer TOKEN'"),
           ("Bearer wrong", "the bearer token is not one that this server accepts"),
           ("Bearer alpha-5f2", "the bearer token is not one that this server accepts"),
           ("Bearer alpha-5f2cc", "the bearer token is not one that this server accepts"),
           ("Bearer # of the trigger farm", "the bearer token is not one that this server accepts"),
           ("Bearer", "the bearer token is not one that this server accepts"),
           ("Basic YTpi", "the header Authorization must be 'Bearer TOKEN'"),
           ("alpha-5f2c", "the header Authorization must be 'Bearer TOKEN'")]


@pytest.mark.parametrize("header, sentence", REFUSED)
def test_anything_else_is_401_and_unauthenticated(guarded, header, sentence):
    headers = {"Authorization": header} if header is not None else {}
    for path in ["/v2", "/v2/models/plain", "/metrics", "/v2/nothing", "/v2/health/live/../../models/plain"]:
        status, fields, answer = get(guarded, path, headers=headers)
        assert (status, answer, fields["WWW-Authenticate"]) == (401, {"error": sentence}, "Bearer")
    with triton_http.InferenceServerClient(guarded.url) as client:
        with pytest.raises(InferenceServerException) as refused:
            infer(triton_http, client, headers=headers)
        assert refused.value.message() == sentence and refused.value.status() == "401"
    with triton_grpc.InferenceServerClient(guarded.url) as client:
        with pytest.raises(InferenceServerException) as refused:
            infer(triton_grpc, client, headers={"authorization": header} if header else None)
        assert refused.value.message() == sentence and refused.value.status() == "StatusCode.UNAUTHENTICATED"


def test_a_stranger_is_refused_before_the_body_is_read(guarded):
    with connect(guarded) as client:
        client.sendall(b"POST /v2/models/plain/infer HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                       b"Inference-Header-Content-Length: 10\r\nContent-Length: 1000000000\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_health_is_free_unless_a_flag_says_otherwise(guarded, repository, token_file):
    def health(server, headers=None):
        with triton_http.InferenceServerClient(server.url) as one, triton_grpc.InferenceServerClient(server.url) as two:
            try:
                return [client.is_server_live(headers=headers) and client.is_server_ready(headers=headers) for client in (one, two)]
            except InferenceServerException as error:
                return error.status()

    assert health(guarded) == [True, True]
    with Served(repository, "--token-file", token_file, "--health-token", "true") as server:
        assert get(server, "/v2/health/live")[0] == 401
        with triton_grpc.InferenceServerClient(server.url) as client, pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
            client.is_server_live()
        assert health(server, bearer(TOKENS[1])) == [True, True]


def test_tokens_are_read_again_and_never_written(repository, tmp_path):
    file = tmp_path / "tokens"
    file.write_text("old-secret\n")
    with Served(repository, "--token-file", file) as server:
        assert get(server, "/v2", headers=bearer("old-secret"))[0] == 200
        file.write_text("new-secret\n")
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(lambda: get(server, "/v2", headers=bearer("new-secret"))[0] == 200)
        assert get(server, "/v2", headers=bearer("old-secret"))[0] == 401
        text = get(server, "/metrics", headers=bearer("new-secret"))[2]
        assert counter(text, "jetcal_http_unauthorized_total") >= 1
        _, errors = server.stop()
        assert "secret" not in errors and "tokens read again" in errors


def test_tokens_and_tls_go_together(repository, authority, token_file):
    with Served(repository, *authority.flags, "--token-file", token_file) as server:
        credentials = grpc.composite_channel_credentials(grpc.ssl_channel_credentials(read(authority.file)),
                                                         grpc.access_token_call_credentials(TOKENS[0]))
        with triton_grpc.InferenceServerClient(server.url, ssl=True, creds=credentials) as client:  # as real services do it
            np.testing.assert_array_equal(infer(triton_grpc, client), 2 * ROWS + 1)
        with grpc_client(server, authority.file) as client, pytest.raises(InferenceServerException, match="UNAUTHENTICATED"):
            client.get_server_metadata()
