#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the serving image as an OCI archive, without a container engine: `jetcal`, the shared libraries that it needs, certificates.

    tools/make_image.py --jetcal build/release/bin/jetcal --output jetcal-serve.tar
    tools/make_image.py --root FOLDER          the image's file tree instead, as deploy/Containerfile.serve copies it

The archive is an OCI image layout (index.json, manifest, configuration, two layers): `podman load`, `docker load`, `ctr images import` and
`skopeo copy oci-archive:` take it. The same files give the same bytes: names are sorted, owners and times are 0. The user is 65532, there is no
shell, no libtorch and no ROOT. Exit status 1 with one sentence when a library is missing or does not belong there.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
USER = 65532
FORBIDDEN = re.compile(r"lib(torch|c10|Core|RIO|arrow|parquet|cudart|nccl)\b")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ETC = {
    "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\njetcal:x:{USER}:{USER}:jetcal:/:/sbin/nologin\n",
    "etc/group": f"root:x:0:\njetcal:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def stop(text):
    sys.exit(f"make_image: {text}")


def libraries_of(program):
    """Paths in the image and here of the libraries that the loader would open for a program."""
    listing = subprocess.run(["ldd", str(program)], capture_output=True, text=True)
    if listing.returncode != 0:
        stop(f"ldd cannot read {program}: {listing.stderr.strip()}")
    found = {}
    for line in listing.stdout.splitlines():
        words = line.split()
        if "not found" in line:
            stop(f"{program} needs {words[0]}, which is not installed")
        path = words[2] if len(words) > 2 and words[1] == "=>" else words[0]
        if not path.startswith("/"):
            continue  # the kernel's own
        if FORBIDDEN.search(pathlib.Path(path).name):
            stop(f"{program} needs {path}, which has no place in the serving image")
        # The loader keeps its place, which programs name; a library of elsewhere goes where the loader looks.
        usual = path.startswith(("/lib/", "/lib64/", "/usr/lib/"))
        found[path if usual else f"{LIBRARIES}/{pathlib.Path(path).name}"] = pathlib.Path(path).resolve()
    return found


def copyrights_of(libraries):
    """The copyright files of the Debian packages of libraries; nothing for libraries of elsewhere."""
    if not shutil.which("dpkg-query"):
        return {}
    names = [name for library in libraries for name in (str(library), str(library).removeprefix("/usr"))]
    listing = subprocess.run(["dpkg-query", "-S", *names], capture_output=True, text=True).stdout  # packages know one of the two
    packages = {line.split(":")[0] for line in listing.splitlines() if not line.startswith("diversion")}
    files = {f"/usr/share/doc/{package}/copyright": pathlib.Path("/usr/share/doc") / package / "copyright" for package in packages}
    return {name: path.resolve() for name, path in files.items() if path.exists()}


def files_of_system(programs):
    """What changes seldom: libraries with their licences, certificates, users."""
    files = {}
    for program in programs:
        files.update(libraries_of(program))
    files.update(copyrights_of(sorted(files.values())))
    if not pathlib.Path(CERTIFICATES).exists():
        stop(f"there is no {CERTIFICATES}; install ca-certificates")
    files[CERTIFICATES] = pathlib.Path(CERTIFICATES).resolve()
    return {name.lstrip("/"): path.read_bytes() for name, path in files.items()} | {
        name: text.encode() for name, text in ETC.items()}


def mode_of(name):
    return 0o755 if name.startswith("usr/bin/") or ".so" in name else 0o644


def add_entry(archive, name, content=None, mode=0o755):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if content is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
        return
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def layer_of(files, folders=()):
    """A layer as bytes: sorted names, every folder before what is in it, no owners, no times."""
    names = {str(parent): None for name in files for parent in pathlib.PurePosixPath(name).parents if str(parent) != "."}
    names.update({name: None for name in folders})
    names.update(files)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(names):
            content = names[name]
            add_entry(archive, name, content, mode_of(name) if content is not None else 0o1777 if name == "tmp" else 0o755)
    return stream.getvalue()


class Blobs:
    """What the layout names by digest."""

    def __init__(self):
        self.content = {}

    def add(self, kind, content, **more):
        digest = hashlib.sha256(content).hexdigest()
        self.content[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content), **more}


def to_bytes(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def configuration(layers, version, runtime):
    environment = ["PATH=/usr/bin"] + ([f"JETCAL_ONNXRUNTIME=/{runtime}"] if runtime else [])
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
        "config": {
            "User": f"{USER}:{USER}", "Env": environment, "WorkingDir": "/", "Entrypoint": ["/usr/bin/jetcal"],
            "Cmd": ["serve", "--model-repository", "/mnt/models", "--host", "0.0.0.0"], "ExposedPorts": {"8000/tcp": {}},
            "StopSignal": "SIGTERM", "Labels": {"org.opencontainers.image.title": "jetcal", "org.opencontainers.image.version": version,
                                                "org.opencontainers.image.licenses": "Apache-2.0"}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
    }


def write_archive(output, layers, version, runtime, tag):
    blobs = Blobs()
    packed = [blobs.add("layer.v1.tar+gzip", gzip.compress(layer, compresslevel=6, mtime=0)) for layer in layers]
    config = blobs.add("config.v1+json", to_bytes(configuration(layers, version, runtime)))
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": packed}
    document = configuration(layers, version, runtime)
    entry = blobs.add("manifest.v1+json", to_bytes(manifest),
                      platform={"architecture": document["architecture"], "os": "linux"},
                      annotations={"org.opencontainers.image.ref.name": tag.rpartition(":")[2], "io.containerd.image.name": tag})
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    files = dict(blobs.content)
    files["index.json"] = to_bytes(index)
    files["oci-layout"] = to_bytes({"imageLayoutVersion": "1.0.0"})
    part = output.with_name(output.name + ".part")
    with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("blobs", "blobs/sha256"):
            add_entry(archive, name)
        for name in sorted(files):
            add_entry(archive, name, files[name], 0o644)
    part.rename(output)
    return entry["digest"]


def write_tree(folder, layers):
    if folder.exists() and any(folder.iterdir()):
        stop(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            archive.extractall(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jetcal", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("jetcal-serve.tar"))
    parser.add_argument("--root", type=pathlib.Path, help="write the file tree here instead of an archive")
    parser.add_argument("--tag", default="jetcal-serve:latest", help="name of the image [jetcal-serve:latest]")
    parser.add_argument("--without-onnxruntime", action="store_true", help="serve jetcal's own networks only")
    arguments = parser.parse_args()
    if not arguments.jetcal.exists():
        stop(f"there is no {arguments.jetcal}; `make build` makes it")
    programs, own = [arguments.jetcal], {"usr/bin/jetcal": arguments.jetcal.read_bytes()}
    runtime = ""
    if not arguments.without_onnxruntime:
        found = sorted(DEPS.glob("wheels/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*"))
        if not found:
            stop(f"there is no ONNX Runtime in {DEPS}; tools/setup.py build installs it, --without-onnxruntime leaves it out")
        programs.append(found[-1])
        runtime = f"{LIBRARIES}/{found[-1].name}".lstrip("/")
    system = files_of_system(programs)
    if runtime:
        system[runtime] = programs[1].read_bytes()
    version = subprocess.run([arguments.jetcal, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    layers = [layer_of(system, folders=("tmp", "mnt", "mnt/models")), layer_of(own)]
    if arguments.root:
        write_tree(arguments.root, layers)
        print(f"{len(system) + len(own)} files, {sum(map(len, layers)) / 1e6:.1f} MB in {arguments.root}")
        return
    digest = write_archive(arguments.output, layers, version, runtime, arguments.tag)
    print(f"{arguments.output}: {arguments.tag}, {len(system) + len(own)} files, {sum(map(len, layers)) / 1e6:.1f} MB, "
          f"packed {arguments.output.stat().st_size / 1e6:.1f} MB, {digest}")


if __name__ == "__main__":
    main()
