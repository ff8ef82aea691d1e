# SPDX-License-Identifier: Apache-2.0
"""jetcal serve, driven by the unmodified REST and gRPC clients of the KServe SDK: plain, and with TLS and a token."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from certificates import Authority
from served import Served
from test_serve import make_plain_model

KSERVE = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal") / "python-kserve" / "bin" / "python"
CALLS = pathlib.Path(__file__).with_name("kserve_calls.py")
ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
WHOLE = {"id": "seven", "model": "plain", "version": "1",
         "outputs": {"y": (2 * ROWS + 1).tolist(), "z": np.abs(ROWS).astype(int).tolist()}}
UNKNOWN = "Request for unknown model: 'nobody' is not found"
STRANGER = "this server wants a bearer token: send the header 'Authorization: Bearer TOKEN'"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    if not KSERVE.exists():
        pytest.skip("the KServe SDK is not installed: tools/setup.py test")
    folder = tmp_path_factory.mktemp("repository")
    make_plain_model(folder / "plain" / "1" / "model.onnx")
    return folder


def call(server, authority="", token=""):
    done = subprocess.run([KSERVE, CALLS, server.url, authority, token], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(seen):
    rest, grpc = seen["rest"], seen["grpc"]
    for side in (rest, grpc):
        assert side["live"] is True and side["ready"] is True and side["model"] is True and side["nobody"] is False
    for name in ["json", "binary", "binary out"]:
        assert rest[name] == WHOLE | {"version": None}, name  # its REST client passes over model_version
    assert rest["one output"]["outputs"] == {"z": WHOLE["outputs"]["z"]}
    assert rest["dictionary"]["outputs"] == {"y": [[3, 5]], "z": [[1, 2]]}
    assert grpc["typed"] == WHOLE and grpc["raw"] == WHOLE
    assert rest["unknown"][0] == 404 and UNKNOWN in rest["unknown"][1] and grpc["unknown"] == ["NOT_FOUND", UNKNOWN]
    assert rest["wrong"][0] == 400 and "missing required input" in rest["wrong"][1]


def test_every_call_of_the_sdk(repository):
    with Served(repository) as server:
        seen = call(server)
        check(seen)
        assert seen["rest"]["stranger"] is None and seen["grpc"]["stranger"] is None


def test_every_call_with_tls_and_a_token(repository, tmp_path):
    authority = Authority(tmp_path / "certificates")
    certificate, key = authority.sign("server", "127.0.0.1")
    (tmp_path / "tokens").write_text("open-sesame\n")
    with Served(repository, "--tls-certificate", certificate, "--tls-key", key, "--token-file", tmp_path / "tokens") as server:
        seen = call(server, str(authority.file), "open-sesame")
        check(seen)
        assert seen["rest"]["stranger"][0] == 401 and STRANGER in seen["rest"]["stranger"][1]
        assert seen["grpc"]["stranger"] == ["UNAUTHENTICATED", STRANGER]
