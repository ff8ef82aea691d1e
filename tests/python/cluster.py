# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver in front of etcd, on 127.0.0.1, with the definitions of Kubeflow: no kubelet, nothing runs."""

import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import yaml

DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
SERVER = DEPS / "go-cluster" / "bin" / "kube-apiserver"
TOKEN = "jetcal-test"


def missing():
    """Says what a cluster lacks here, or nothing."""
    if not SERVER.exists():
        return "kube-apiserver is not built: tools/setup.py cluster"
    return "" if shutil.which("etcd") else "etcd is not installed: tools/setup.py cluster"


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Refused(Exception):
    """What the server answered instead of taking a resource."""


class Cluster:
    def __init__(self, folder):
        self.folder, self.processes, self.kinds = folder, [], {}
        client, peer, self.port = free_ports(3)
        etcd = f"http://127.0.0.1:{client}"
        self.start("etcd", "etcd", "--data-dir", folder / "etcd", "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
                   "--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync")
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        self.start("apiserver", SERVER, "--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1",
                   "--secure-port", self.port, "--cert-dir", folder / "certificates", "--service-cluster-ip-range", "10.0.0.0/24",
                   "--service-account-issuer", "https://jetcal.test", "--service-account-key-file", key,
                   "--service-account-signing-key-file", key, "--token-auth-file", folder / "tokens.csv",
                   "--authorization-mode", "RBAC", "--endpoint-reconciler-type", "none")
        self.wait(lambda: self.ask("GET", "/readyz") is not None, 120)

    def start(self, name, *command):
        with open(self.folder / f"{name}.log", "w") as log:
            self.processes.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT))

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, done, seconds):
        deadline = time.monotonic() + seconds
        while True:
            assert all(process.poll() is None for process in self.processes), "the server has ended; its log is beside it"
            try:
                if done():
                    return
            except (Refused, urllib.error.URLError, FileNotFoundError):
                pass
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.1)

    def ask(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind})
        trust = ssl.create_default_context(cafile=str(self.folder / "certificates" / "apiserver.crt"))
        try:
            with urllib.request.urlopen(request, context=trust, timeout=60) as reply:
                text = reply.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            raise Refused(json.loads(text)["message"] if text.startswith("{") else text) from error
        return json.loads(text) if text.startswith("{") else text

    def define(self, folder):
        """Adds every CustomResourceDefinition below a folder and waits until all are served."""
        names = []
        for path in sorted(folder.rglob("*.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                if document and document.get("kind") == "CustomResourceDefinition":
                    self.apply(document)
                    names.append(document["metadata"]["name"])
        where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        for name in names:
            self.wait(lambda name=name: any(one["type"] == "Established" and one["status"] == "True"
                                            for one in self.ask("GET", where + name)["status"]["conditions"]), 60)
        return names

    def place(self, resource):
        """The path of a resource's collection."""
        version, kind = resource["apiVersion"], resource["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if version not in self.kinds:
            self.kinds[version] = {one["kind"]: one for one in self.ask("GET", root)["resources"] if "/" not in one["name"]}
        entry = self.kinds[version][kind]
        space = resource["metadata"].get("namespace", "default")
        return f"{root}/namespaces/{space}/{entry['name']}" if entry["namespaced"] else f"{root}/{entry['name']}"

    def apply(self, resource, dry_run=False):
        """Server-side apply under strict validation; raises Refused with the server's words."""
        flags = "?fieldManager=jetcal&fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        where = self.place(resource)
        if "name" not in resource["metadata"]:
            return self.ask("POST", where + flags, resource)  # generateName: created, not applied
        return self.ask("PATCH", f"{where}/{resource['metadata']['name']}{flags}&force=true", resource, "application/apply-patch+yaml")
