# SPDX-License-Identifier: Apache-2.0
"""A real S3 server for tests: Versity's gateway, which serves the folders below one folder as buckets."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pyarrow.fs
import pytest

DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
GATEWAY = DEPS / "go" / "bin" / "versitygw"
ACCESS, SECRET = "jetcal-test", "jetcal-test-secret"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ObjectStore:
    """Serves `folder` on 127.0.0.1; can be stopped and started again on its port."""

    def __init__(self, folder, port=None):
        self.folder, self.port, self.process = folder.resolve(), port or free_port(), None
        self.notes = self.folder.with_name("notes-of-" + folder.name)  # where file systems have no extended attributes
        self.notes.mkdir(exist_ok=True)
        self.start()

    def start(self):
        command = [str(GATEWAY), "--port", f"127.0.0.1:{self.port}", "--access", ACCESS, "--secret", SECRET, "--quiet",
                   "posix", "--sidecar", str(self.notes), str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            assert self.process.poll() is None, "the S3 server has ended"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def environment(self, **changes):
        """The environment of a process that reads from this store; None takes a variable away."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        variables |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": ACCESS,
                      "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null",
                      "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true", **changes}
        return {name: value for name, value in variables.items() if value is not None}

    def client(self):
        return pyarrow.fs.S3FileSystem(access_key=ACCESS, secret_key=SECRET, region="us-east-1", scheme="http",
                                       endpoint_override=f"127.0.0.1:{self.port}", allow_bucket_creation=True,
                                       allow_delayed_open=True)  # small objects in one request

    def upload(self, folder, bucket, prefix):
        """Puts the files of a folder into a bucket, through the server, and returns its location."""
        client = self.client()
        client.create_dir(bucket)
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("."):
                with client.open_output_stream(f"{bucket}/{prefix}/{path.name}") as stream:
                    stream.write(path.read_bytes())
        return f"s3://{bucket}/{prefix}"


def need_gateway():
    if not GATEWAY.exists():
        pytest.skip(f"{GATEWAY} is not there: tools/setup.py test builds it where Go is installed")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    need_gateway()
    server = ObjectStore(tmp_path_factory.mktemp("store"))
    server.client().create_dir("bucket")
    yield server
    server.kill()
