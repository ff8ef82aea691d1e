# SPDX-License-Identifier: Apache-2.0
"""The serving image: a valid OCI layout, the same bytes every time, nothing heavy inside, and it serves from within its own tree."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request

import pytest
from conftest import JETCAL, ROOT

TOOL = ROOT / "tools" / "make_image.py"
SHA = "sha256:"


def make(*arguments):
    return subprocess.run([sys.executable, TOOL, "--jetcal", JETCAL, *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "serve.tar"
    result = make("--output", path, "--tag", "jetcal-serve:1")
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture(scope="module")
def layout(archive):
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def blob(layout, descriptor):
    content = layout["blobs/sha256/" + descriptor["digest"].removeprefix(SHA)]
    assert len(content) == descriptor["size"] and SHA + hashlib.sha256(content).hexdigest() == descriptor["digest"]
    return content


@pytest.fixture(scope="module")
def image(layout):
    index = json.loads(layout["index.json"])
    manifest = json.loads(blob(layout, index["manifests"][0]))
    return index, manifest, json.loads(blob(layout, manifest["config"])), [blob(layout, layer) for layer in manifest["layers"]]


def members(layers):
    return {member.name: member for layer in layers for member in tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer)))}


def test_every_digest_holds(layout, image):
    index, manifest, config, layers = image
    assert json.loads(layout["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert index["schemaVersion"] == manifest["schemaVersion"] == 2
    assert index["manifests"][0]["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert config["rootfs"]["diff_ids"] == [SHA + hashlib.sha256(gzip.decompress(layer)).hexdigest() for layer in layers]
    named = {descriptor["digest"].removeprefix(SHA) for descriptor in (*manifest["layers"], manifest["config"], *index["manifests"])}
    assert {name.removeprefix("blobs/sha256/") for name in layout if name.startswith("blobs/")} == named


def test_it_is_small_and_runs_as_nobody(image):
    _, _, config, layers = image
    files = members(layers)
    for heavy in ("libtorch", "libc10", "libCore", "libRIO", "libarrow", "jetcal-"):
        assert not [name for name in files if pathlib.Path(name).name.startswith(heavy)]
    assert not any(pathlib.Path(name).name in ("sh", "bash", "python3") for name in files)
    assert config["os"] == "linux" and config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/usr/bin/jetcal"]
    passwd = tarfile.open(fileobj=io.BytesIO(gzip.decompress(layers[0]))).extractfile("etc/passwd").read().decode()
    assert "jetcal:x:65532:65532:" in passwd
    assert "etc/ssl/certs/ca-certificates.crt" in files and files["usr/bin/jetcal"].mode == 0o755
    assert {member.mtime for member in files.values()} == {0} and {member.uid for member in files.values()} == {0}
    assert files["tmp"].mode == 0o1777


def test_the_same_files_give_the_same_bytes(archive, tmp_path):
    assert make("--output", tmp_path / "again.tar", "--tag", "jetcal-serve:1").returncode == 0
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


@pytest.fixture(scope="module")
def tree(image, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("chroot takes root")
    folder = tmp_path_factory.mktemp("tree")
    folder.chmod(0o755)
    for layer in image[3]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as tar:
            tar.extractall(folder)
    if subprocess.run(["chroot", "--userspec=65532:65532", folder, "/usr/bin/jetcal", "--version"], capture_output=True).returncode == 125:
        pytest.skip("chroot is not permitted here")
    return folder


def inside(tree, config, *words):
    """The command and environment of the image's program in its tree, as its user."""
    environment = dict(entry.split("=", 1) for entry in config["config"]["Env"])
    return [shutil.which("chroot"), f"--userspec={config['config']['User']}", str(tree), *config["config"]["Entrypoint"], *words], environment


def test_it_serves_from_within_its_tree(jetcal, image, tree):
    _, _, config, _ = image
    command, environment = inside(tree, config, "serve", "--help")
    helped = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert helped.returncode == 0 and "--model-repository" in helped.stdout, helped.stderr
    repository = tree / "mnt" / "models"
    jetcal("export", "--preset", "small-pfn", "--seed", 1, "--repository", repository, "--name", "native")
    shutil.copytree(repository / "native", repository / "general")
    (repository / "general" / "1" / "model.jetcal").unlink()  # for ONNX Runtime
    subprocess.run(["chmod", "-R", "a+rX", repository], check=True)
    configuration = repository / "general" / "config.pbtxt"
    configuration.write_text(configuration.read_text().replace('name: "native"', 'name: "general"', 1))
    command, environment = inside(tree, config, "serve", "--model-repository", "/mnt/models", "--http-port", "0")
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        port = None
        while port is None:
            line = server.stderr.readline()
            assert line, "the server has ended"
            port = re.search(r"ready on http://[^:]+:(\d+),", line)
        url = f"http://127.0.0.1:{port.group(1)}"
        for _ in range(100):
            with urllib.request.urlopen(url + "/v2/health/live") as reply:
                assert reply.status == 200
            with urllib.request.urlopen(urllib.request.Request(url + "/v2/repository/index", method="POST", data=b"{}")) as reply:
                states = {model["name"]: model.get("state") for model in json.load(reply)}
            if set(states.values()) == {"READY"}:
                break
            time.sleep(0.1)
        assert states == {"native": "READY", "general": "READY"}
    finally:
        server.terminate()
        assert server.wait(timeout=20) == 0


def test_what_cannot_be_is_one_sentence(tmp_path):
    result = subprocess.run([sys.executable, TOOL, "--jetcal", tmp_path / "none"], capture_output=True, text=True)
    assert result.returncode == 1 and result.stderr == f"make_image: there is no {tmp_path / 'none'}; `make build` makes it\n"
    heavy = pathlib.Path(JETCAL).parent.parent / "libexec" / "jetcal" / "jetcal-train"
    if heavy.exists():
        result = subprocess.run([sys.executable, TOOL, "--jetcal", heavy, "--output", tmp_path / "x"], capture_output=True, text=True)
        assert result.returncode == 1 and "has no place in the serving image" in result.stderr and not (tmp_path / "x").exists()


def instructions(name):
    text = re.sub(r"\\\n", " ", (ROOT / "deploy" / name).read_text())
    return [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("name, user", [("Containerfile.serve", "65532:65532"), ("Containerfile.train", "65532:65532"), ("Containerfile.triton", "1000:1000")])
def test_containerfiles_copy_what_exists_and_run_as_nobody(name, user):
    lines = instructions(name)
    assert {word for word, _ in lines} <= {"ARG", "FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert [rest for word, rest in lines if word == "USER"][-1] == user
    for tool in re.findall(r"python3 (\S+\.py)", " ".join(rest for word, rest in lines if word == "RUN")):
        assert (ROOT / tool).exists()
    for word, rest in lines:
        if word == "COPY" and rest.startswith("--from=build /src/data"):
            assert (ROOT / rest.split()[1].removeprefix("/src/")).is_dir()
        if word == "COPY" and not rest.startswith("--from"):
            assert (ROOT / rest.split()[0]).exists()


def test_the_backend_for_triton_needs_nothing_of_debian():
    library = pathlib.Path(JETCAL).parent.parent / "lib" / "triton" / "jetcal" / "libtriton_jetcal.so"
    if not library.exists():
        pytest.skip("the target triton_jetcal is not built")
    listing = subprocess.run(["readelf", "-d", library], capture_output=True, text=True).stdout
    assert set(re.findall(r"\(NEEDED\).*\[(.*?)\]", listing)) <= {"libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"}
    assert "COPY --from=build /src/build/release/lib/triton/jetcal /opt/tritonserver/backends/jetcal" in (ROOT / "deploy" / "Containerfile.triton").read_text()


def test_training_image_installs_every_library_that_the_programs_link():
    if not shutil.which("dpkg-query"):
        pytest.skip("only Debian knows which package a library is of")
    build = pathlib.Path(JETCAL).parent.parent
    needed = set()
    for program in [JETCAL, *(build / "libexec" / "jetcal").glob("jetcal-*")]:
        if pathlib.Path(program).name == "jetcal-simulate":
            continue  # its libraries are setup.py's group sim
        listing = subprocess.run(["readelf", "-d", program], capture_output=True, text=True).stdout
        for library in re.findall(r"\(NEEDED\).*\[(.*)\]", listing):
            path = pathlib.Path("/lib/x86_64-linux-gnu") / library
            if path.exists():
                needed.add(path.resolve())
    names = [name for path in needed for name in (str(path), str(path).removeprefix("/usr"))]
    owners = {line.split(":")[0] for line in subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True).stdout.splitlines()}
    installed = " ".join(rest for word, rest in instructions("Containerfile.train") if word == "RUN").split()
    of_base = {"libc6", "libgcc-s1", "libstdc++6"}  # of every Debian
    with_mpi = {package for package in owners if "mpi" in package or package.startswith("libhwloc")}
    assert owners - of_base - with_mpi <= set(installed)
