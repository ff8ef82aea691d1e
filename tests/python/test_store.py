# SPDX-License-Identifier: Apache-2.0
"""`jetcal store` against a real S3 server: every operation, and one clear sentence for every way in which it can fail."""

import http.server
import os
import resource
import socket
import ssl
import subprocess
import threading
import time

import pytest
from certificates import Authority
from conftest import JETCAL
from object_store import ACCESS, SECRET, ObjectStore, server  # noqa: F401 (server is a fixture)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3_000_000))
    return path


def test_what_is_put_comes_back(jetcal, server, file, tmp_path):
    environment = server.environment()
    name = "s3://bucket/back/a b+c/é=&?.bin"
    assert jetcal("store", "put", file, name, env=environment)["bytes"] == 3_000_000
    jetcal("store", "get", name, tmp_path / "copy", env=environment)
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert jetcal("store", "head", name, env=environment)["bytes"] == 3_000_000
    listing = jetcal("store", "list", "s3://bucket/back", env=environment)
    assert [(row["name"], row["bytes"]) for row in listing["objects"]] == [("a b+c/é=&?.bin", 3_000_000)]
    jetcal("store", "remove", name, env=environment)
    status, message = jetcal.fails("store", "head", name, env=environment)
    assert status == 3 and message.endswith(f"there is no object {name}"), message
    status, message = jetcal.fails("store", "get", name, tmp_path / "none", env=environment)
    assert status == 3 and "there is no object" in message
    assert not (tmp_path / "none").exists()
    jetcal("store", "remove", name, env=environment)  # not there: no failure


def test_empty_files_are_files(jetcal, server, tmp_path):
    (tmp_path / "empty").touch()
    jetcal("store", "put", tmp_path / "empty", "s3://bucket/empty", env=server.environment())
    jetcal("store", "get", "s3://bucket/empty", tmp_path / "copy", env=server.environment())
    assert (tmp_path / "copy").read_bytes() == b""


def test_folders_go_up_and_down_as_a_whole(jetcal, server, tmp_path):
    for name in ("one", "two/three", "two/four"):
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_text(name)
    assert jetcal("store", "put", tmp_path / "up", "s3://bucket/folder", env=server.environment())["files"] == 3
    assert jetcal("store", "get", "s3://bucket/folder/", tmp_path / "down", env=server.environment())["files"] == 3
    assert (tmp_path / "down" / "two" / "three").read_text() == "two/three"
    status, message = jetcal.fails("store", "get", "s3://bucket/nothing/", tmp_path / "x", env=server.environment())
    assert status == 3 and "there are no objects in s3://bucket/nothing/" in message


def test_listing_goes_over_many_pages(jetcal, server, tmp_path):
    (tmp_path / "many").mkdir()
    for i in range(1003):  # a page has a thousand
        (server.folder / "bucket" / "many").mkdir(exist_ok=True)
        (server.folder / "bucket" / "many" / f"{i:04d}").write_text("x")
    objects = jetcal("store", "list", "s3://bucket/many", env=server.environment())["objects"]
    assert [row["name"] for row in objects] == [f"{i:04d}" for i in range(1003)]


def test_of_many_writers_one_puts_what_is_absent(server, tmp_path):
    writers = []
    for i in range(6):
        (tmp_path / str(i)).write_text(f"writer {i}")
        writers.append(subprocess.Popen([JETCAL, "store", "put", "--if-absent", tmp_path / str(i), "s3://bucket/absent"],
                                        env=server.environment(), stderr=subprocess.PIPE, text=True))
    messages = [writer.communicate()[1] for writer in writers]
    winners = [i for i, writer in enumerate(writers) if writer.returncode == 0]
    assert len(winners) == 1, messages
    assert all("there is an object s3://bucket/absent" in message for i, message in enumerate(messages) if i != winners[0])
    subprocess.run([JETCAL, "store", "get", "s3://bucket/absent", tmp_path / "won"], env=server.environment(), check=True)
    assert (tmp_path / "won").read_text() == f"writer {winners[0]}"


def test_refused_credentials_are_told_without_them(jetcal, server, file):
    for changes in ({"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, {"AWS_ACCESS_KEY_ID": "nobody"}):
        for work in (("put", file, "s3://bucket/x"), ("list", "s3://bucket"), ("head", "s3://bucket/x")):
            status, message = jetcal.fails("store", *work, env=server.environment(**changes))
            assert status == 2 and "refuses the credentials of AWS_ACCESS_KEY_ID or what they may do" in message, message
            assert "wrong-secret" not in message and SECRET not in message
    status, message = jetcal.fails("store", "list", "s3://bucket",
                                   env=server.environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None))
    assert status == 6 and "there are no credentials for s3://bucket/" in message


def test_credentials_come_from_the_usual_files(jetcal, server, tmp_path):
    (tmp_path / "config").write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = http://127.0.0.1:{server.port}\n")
    (tmp_path / "credentials").write_text(f"[lab]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
    environment = server.environment(AWS_ENDPOINT_URL=None, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None,
                                     AWS_REGION=None, AWS_PROFILE="lab", AWS_CONFIG_FILE=str(tmp_path / "config"),
                                     AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "credentials"))
    assert "objects" in jetcal("store", "list", "s3://bucket", env=environment)


def test_missing_bucket_is_named(jetcal, server, file):
    for work in (("put", file, "s3://other/x"), ("list", "s3://other"), ("head", "s3://other/x"),
                 ("get", "s3://other/x", "/tmp/never"), ("remove", "s3://other/x")):
        status, message = jetcal.fails("store", *work, env=server.environment())
        assert status == 3 and f"there is no bucket other at http://127.0.0.1:{server.port}" in message, message


def test_wrong_settings_are_named(jetcal, server, file):
    for changes, text in (({"AWS_ENDPOINT_URL": "127.0.0.1"}, "AWS_ENDPOINT_URL must be a URL"),
                          ({"AWS_MAX_ATTEMPTS": "none"}, "AWS_MAX_ATTEMPTS must be a positive number"),
                          ({"AWS_CA_BUNDLE": "/nowhere"}, "AWS_CA_BUNDLE names a file that does not exist")):
        status, message = jetcal.fails("store", "list", "s3://bucket", env=server.environment(**changes))
        assert text in message
    status, message = jetcal.fails("store", "put", file, "s3://bucket", env=server.environment())
    assert status == 2 and "names no object" in message


def test_large_files_are_sent_in_parts(jetcal, server, tmp_path):
    part = 5 << 20  # the smallest that servers take
    environment = server.environment(JETCAL_S3_PART_BYTES=str(part))
    for size, requests in ((2 * part + 12345, 5), (2 * part, 4), (part, 1)):  # parts, and what begins and ends them
        contents = os.urandom(size)
        (tmp_path / "large").write_bytes(contents)
        report = jetcal("store", "put", tmp_path / "large", "s3://bucket/in parts", env=environment)
        assert report["requests"] == requests and report["bytes"] == size
        assert (server.folder / "bucket" / "in parts").read_bytes() == contents
    status, message = jetcal.fails("store", "put", tmp_path / "large", "s3://bucket/x", env=server.environment(JETCAL_S3_PART_BYTES="-1"))
    assert status == 2 and "JETCAL_S3_PART_BYTES must be a positive number" in message


def test_full_disk_leaves_nothing(server, file, tmp_path):
    subprocess.run([JETCAL, "store", "put", file, "s3://bucket/large"], env=server.environment(), check=True)

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    (tmp_path / "to").mkdir()
    result = subprocess.run([JETCAL, "store", "get", "s3://bucket/large", tmp_path / "to" / "copy"], capture_output=True, text=True,
                            env=server.environment(), preexec_fn=limit_files)
    assert result.returncode == 5 and "copy: File too large" in result.stderr, result.stderr
    assert list((tmp_path / "to").iterdir()) == []


def test_vanishing_server_is_asked_again(jetcal, server, file, tmp_path_factory):
    mortal = ObjectStore(tmp_path_factory.mktemp("mortal"))
    mortal.client().create_dir("bucket")
    mortal.kill()
    putting = subprocess.Popen([JETCAL, "store", "put", file, "s3://bucket/late", "--json"], env=mortal.environment(),
                               stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    mortal.start()
    output = putting.communicate(timeout=60)[0]
    assert putting.returncode == 0 and '"retries": 0' not in output
    mortal.kill()
    begin = time.monotonic()
    status, message = jetcal.fails("store", "get", "s3://bucket/late", "/tmp/never", env=mortal.environment(AWS_MAX_ATTEMPTS="3"))
    assert status == 6 and f"at http://127.0.0.1:{mortal.port} in 3 attempts: " in message, message
    assert time.monotonic() - begin < 5


class Broken(http.server.BaseHTTPRequestHandler):
    """Announces more than it sends, or says that it is busy, or that it is full."""

    asked = 0

    def do_GET(self):
        type(self).asked += 1
        if "busy" in self.path and self.asked < 3:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", "100" if "cut" in self.path else "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(507)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_answers_that_are_cut_busy_or_full(jetcal, server, file, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as broken:
        threading.Thread(target=broken.serve_forever, daemon=True).start()
        environment = server.environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{broken.server_port}", AWS_MAX_ATTEMPTS="3")
        status, message = jetcal.fails("store", "get", "s3://bucket/cut", tmp_path / "cut", env=environment)
        assert status == 4 and "in 3 attempts: the answer ends at byte 5, before its announced size" in message, message
        assert not (tmp_path / "cut").exists()
        Broken.asked = 0
        assert jetcal("store", "get", "s3://bucket/busy", tmp_path / "busy", env=environment)["retries"] == 2
        assert (tmp_path / "busy").read_bytes() == b"hello"
        environment["AWS_MAX_ATTEMPTS"] = "1"
        status, message = jetcal.fails("store", "put", file, "s3://bucket/full", env=environment)
        assert status == 5 and "is full (status 507)" in message, message
        broken.shutdown()


class PartsOnly(http.server.BaseHTTPRequestHandler):
    """Takes parts; refuses the third, or says at the end, once or always, with status 200, that nothing came of them."""

    asked = []

    def answer(self, status, body=b"", **headers):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path.split("?")[1]))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        if self.path.endswith("?uploads="):
            self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u/1</UploadId></InitiateMultipartUploadResult>")
        else:
            ends = sum(one == ("POST", "uploadId=u%2F1") for one in self.asked)
            done = "/slow" in self.path and ends == 1
            self.answer(200, b"<CompleteMultipartUploadResult/>" if done else
                        b"<Error><Code>InternalError</Code><Message>try later</Message></Error>")

    def do_PUT(self):
        refused = "/refused" in self.path and "partNumber=3" in self.path
        self.answer(403 if refused else 200, ETag='"e"')

    def do_DELETE(self):
        self.answer(204)

    def log_message(self, *arguments):
        pass


def test_an_upload_that_fails_is_taken_back(jetcal, server, file):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), PartsOnly) as parts:
        threading.Thread(target=parts.serve_forever, daemon=True).start()
        environment = server.environment(AWS_ENDPOINT_URL=f"http://127.0.0.1:{parts.server_port}", AWS_MAX_ATTEMPTS="2",
                                         JETCAL_S3_PART_BYTES="1000000")
        status, message = jetcal.fails("store", "put", file, "s3://bucket/refused", env=environment)
        assert status == 2 and "refuses the credentials" in message, message
        sent = [("POST", "uploads="), *(("PUT", f"partNumber={i}&uploadId=u%2F1") for i in (1, 2, 3))]
        assert PartsOnly.asked == [*sent, ("DELETE", "uploadId=u%2F1")]
        PartsOnly.asked.clear()
        status, message = jetcal.fails("store", "put", file, "s3://bucket/ended", env=environment)
        assert status == 6 and "in 2 attempts: InternalError: try later" in message, message
        assert PartsOnly.asked == [*sent, *[("POST", "uploadId=u%2F1")] * 2, ("DELETE", "uploadId=u%2F1")]
        PartsOnly.asked.clear()
        report = jetcal("store", "put", file, "s3://bucket/slow", env=environment)
        assert report["retries"] == 1 and PartsOnly.asked == [*sent, *[("POST", "uploadId=u%2F1")] * 2]
        parts.shutdown()


class Regions:
    """AWS behind a proxy: the servers of all regions, of which one has the bucket and the others say so."""

    def __init__(self, authority, home):
        self.home, self.asked, self.object = home, [], b"jets"
        self.certificates = {}
        for region in ("us-east-1", home):
            host = f"s3.{region}.amazonaws.com"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.sign(region, host))
            self.certificates[host] = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    @staticmethod
    def head(connection):
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return ""
            text += byte
        return text.decode()

    def serve(self, connection):
        host = self.head(connection).split()[1].removesuffix(":443")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with self.certificates[host].wrap_socket(connection, server_side=True) as tls:
            while head := self.head(tls):
                signed_for = head.split("/s3/aws4_request")[0].rsplit("/", 1)[1]
                self.asked.append((host, head.split()[1], signed_for))
                if self.home in host:
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(self.object), self.object))
                else:
                    tls.sendall(b"HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\nx-amz-bucket-region: %s\r\n\r\n" % self.home.encode())


def test_the_region_of_a_bucket_is_learnt_from_aws(jetcal, server, tmp_path):
    authority = Authority(tmp_path / "certificates")
    regions = Regions(authority, "eu-central-1")
    environment = server.environment(AWS_ENDPOINT_URL=None, AWS_REGION=None, AWS_CA_BUNDLE=str(authority.file), https_proxy=regions.url)
    report = jetcal("store", "get", "s3://cms.jets/a b", tmp_path / "copy", env=environment)
    assert (tmp_path / "copy").read_bytes() == b"jets" and report["retries"] == 1
    assert regions.asked == [(f"s3.{region}.amazonaws.com", "/cms.jets/a%20b", region) for region in ("us-east-1", "eu-central-1")]
    regions.listener.close()


def test_stop_signal_ends_the_waiting(server, file):
    environment = server.environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="100")
    putting = subprocess.Popen([JETCAL, "store", "put", file, "s3://bucket/x"], env=environment, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    putting.terminate()
    message = putting.communicate(timeout=5)[1]
    assert putting.returncode == 130 and "stopped while asking for s3://bucket/x" in message
