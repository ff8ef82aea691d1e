# SPDX-License-Identifier: Apache-2.0
"""A jetcal server of a test: started on a free port of the loopback interface, stopped by its process id."""

import json
import os
import pathlib
import signal
import subprocess

from conftest import JETCAL


class Served:
    """Runs `jetcal serve` over a repository while the block lasts; `port` is what it bound."""

    def __init__(self, repository, *flags):
        self.command = [JETCAL, "serve", "--json", "--model-repository", str(repository), "--http-port", "0",
                        *map(str, flags)]
        self.environment = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=self.environment)
        text = ""
        for line in self.process.stdout:  # one JSON document, printed when the server is ready
            text += line
            if line == "}\n":
                break
        if not text:
            raise RuntimeError(self.process.communicate()[1])
        self.announced = json.loads(text)
        self.port = self.announced["http_port"]
        self.url = f"127.0.0.1:{self.port}"
        return self

    def stop(self, timeout=30):
        """Sends SIGTERM and returns the exit status and what the server said on standard error."""
        os.kill(self.process.pid, signal.SIGTERM)
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors

    def __exit__(self, *_):
        if self.process.poll() is None:
            status, errors = self.stop()
            assert status == 0, errors


def export(jetcal, repository, preset, name, *flags):
    """Writes a network with random weights into a repository and returns its ONNX file."""
    report = jetcal("export", "--preset", preset, "--seed", 1, "--repository", repository, "--name", name, *flags)
    return pathlib.Path(report["onnx"])
