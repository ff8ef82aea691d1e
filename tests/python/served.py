# SPDX-License-Identifier: Apache-2.0
"""A jetcal server of a test or a measurement: started on a free port of the loopback interface, stopped by its process id."""

import json
import pathlib
import subprocess
import time


class Served:
    """Runs `jetcal serve` over a repository while the block lasts; `port` is what it bound. `errors` takes its standard error: what
    runs for long must not fill a pipe."""

    def __init__(self, repository, *flags, jetcal=None, errors=subprocess.PIPE):
        if jetcal is None:
            from conftest import JETCAL as jetcal  # which needs pytest; the tools do without
        self.command = [str(jetcal), "serve", "--json", "--model-repository", str(repository), "--http-port", "0", *map(str, flags)]
        self.environment = None
        self.errors = errors

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=self.errors, text=True, env=self.environment)
        text = ""
        for line in self.process.stdout:  # one JSON document, printed when the server is ready
            text += line
            if line == "}\n":
                break
        if not text:
            raise RuntimeError(self.process.communicate()[1] or "jetcal serve does not start")
        self.announced = json.loads(text)
        self.port = self.announced["http_port"]
        self.url = f"127.0.0.1:{self.port}"
        return self

    def stop(self, timeout=30):
        """Sends SIGTERM and returns the exit status and what the server said on standard error."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors

    def __exit__(self, *_):
        if self.process.poll() is None:
            status, errors = self.stop()
            assert status == 0, errors


def wait_until(condition, seconds=20):
    """Asks for what a server does in its own time, until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not come to that"
        time.sleep(0.005)


def export(jetcal, repository, preset, name, *flags):
    """Writes a network with random weights into a repository and returns its ONNX file."""
    report = jetcal("export", "--preset", preset, "--seed", 1, "--repository", repository, "--name", name, *flags)
    return pathlib.Path(report["onnx"])
