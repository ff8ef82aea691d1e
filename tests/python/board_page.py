# SPDX-License-Identifier: Apache-2.0
"""A board and a browser for its tests: started, watched for errors and for requests to other hosts, stopped."""

import contextlib
import http.client
import json
import shutil
import signal
import subprocess
import time

import pytest

from conftest import JETCAL


class Board:
    """A running `jetcal board`; get(path) is (status, headers, body)."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([JETCAL, "board", *map(str, arguments), "--port", "0", "--json"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        text = ""
        while not text.rstrip().endswith("}"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            text += line
        self.said = json.loads(text)
        self.url, self.port = self.said["url"], self.said["port"]

    def request(self, method, path, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, dict((name.lower(), value) for name, value in reply.getheaders()), body

    def get(self, path, **headers):
        return self.request("GET", path, headers)

    def api(self, path):
        status, _, body = self.get("/api/" + path)
        assert status == 200, body
        return json.loads(body)

    def stop(self):
        """Seconds from SIGTERM to the end."""
        if self.process.poll() is None:
            began = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=20) == 0, self.process.stderr.read()
            return time.monotonic() - began
        return 0


@contextlib.contextmanager
def board(*arguments):
    running = Board(*arguments)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def chromium():
    """Playwright's handle of Debian's Chromium, which reaches nothing but this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (tools/setup.py test)")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


class Watch:
    """What went wrong in a page: errors of the console, exceptions, requests to anywhere but the board, replies that failed."""

    def __init__(self, page, url):
        self.errors, self.elsewhere = [], []
        page.on("console", lambda message: self.errors.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.elsewhere.append(request.url)
                if not request.url.startswith((url, "data:", "blob:")) else None)

    def calm(self):
        assert self.errors == [] and self.elsewhere == []


@contextlib.contextmanager
def page_of(browser, url, **options):
    """A page of its own session that must end without an error and without a request to another host."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(30000)
    watch = Watch(page, url)
    yield page
    watch.calm()
    context.close()
