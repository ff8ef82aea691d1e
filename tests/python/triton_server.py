# SPDX-License-Identifier: Apache-2.0
"""The real tritonserver of the nvidia-pytriton wheel, for tests that compare with it. JETCAL_TRITON names a virtual environment
that has the wheel (and onnxruntime, for models in Triton's Python backend); without it these tests are skipped."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request


def packages():
    """The site-packages of the wheel, or a skip."""
    root = os.environ.get("JETCAL_TRITON")
    found = sorted(pathlib.Path(root).glob("lib/python3*/site-packages")) if root else []
    if not found or not (found[0] / "pytriton").exists():
        import pytest  # tools/measure_serving.py starts servers without it
        pytest.skip("JETCAL_TRITON names no virtual environment with nvidia-pytriton: there is no real Triton to compare with")
    return found[0]


def free_ports(count):
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Triton:
    """Runs tritonserver over a repository while the block lasts; it is started again when it has ended by itself."""

    def __init__(self, repository, backends=None, *flags):
        self.site = packages()
        self.home = self.site / "pytriton" / "tritonserver"
        self.repository, self.backends, self.flags = repository, backends or self.home / "backends", flags
        self.http_port, self.grpc_port, self.metrics_port = free_ports(3)
        self.url, self.grpc_url = f"127.0.0.1:{self.http_port}", f"127.0.0.1:{self.grpc_port}"
        self.process = None

    def start(self):
        python = pathlib.Path(os.path.realpath(self.site.parents[2] / "bin" / "python3")).parents[1] / "lib"
        environment = dict(os.environ, PYTHONPATH=str(self.site), PATH=f"{self.site.parents[2]}/bin:{os.environ['PATH']}",
                           LD_LIBRARY_PATH=f"{self.site}/nvidia_pytriton.libs:{python}")
        stub = next(iter(sorted((self.home / "python_backend_stubs").glob("3.11/*"))), None)
        target = self.home / "backends" / "python" / "triton_python_backend_stub"
        if stub is not None and not target.exists():
            target.write_bytes(stub.read_bytes())
            target.chmod(0o755)
        self.process = subprocess.Popen(
            [self.home / "bin" / "tritonserver", f"--model-repository={self.repository}", f"--backend-directory={self.backends}",
             "--http-address=127.0.0.1", f"--http-port={self.http_port}", "--grpc-address=127.0.0.1", f"--grpc-port={self.grpc_port}",
             "--metrics-address=127.0.0.1", f"--metrics-port={self.metrics_port}", "--allow-cpu-metrics=false", *self.flags],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if urllib.request.urlopen(f"http://{self.url}/v2/health/ready", timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(self.stop())

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGINT)
        return self.process.communicate(timeout=60)[1]

    def revive(self):
        if self.process.poll() is not None:
            self.start()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
