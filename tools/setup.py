#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs what jetcal needs, at the versions of tools/dependencies.toml.

    tools/setup.py build              compiler, Debian libraries, wheels used as C++ libraries
    tools/setup.py build sim test     also PYTHIA and FastJet, and what the tests need
    tools/setup.py bench              the peers of the benchmarks: torch, weaver-core, ONNX Runtime
    tools/setup.py cluster            a kube-apiserver and etcd, for the nightly tests of what is rendered
    tools/setup.py cuda               nvcc and cuBLAS as wheels, where no CUDA toolkit is installed
    tools/setup.py --list             what each group holds

Idempotent: a group that is already there costs a fraction of a second. Everything but Debian packages goes to $JETCAL_DEPS
(default ~/.cache/jetcal); delete that folder to start again. Needs root (or sudo) only for Debian packages that are missing.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
PINS = tomllib.loads((ROOT / "tools" / "dependencies.toml").read_text())
DEPS = pathlib.Path(os.environ.get("JETCAL_DEPS") or pathlib.Path.home() / ".cache" / "jetcal")
PYTHON = "/usr/bin/python3"
GROUPS = ("build", "sim", "test", "bench", "cluster", "cuda")


def say(text):
    print(f"setup: {text}", flush=True)


def stop(text):
    sys.exit(f"setup: {text}")


def run(command, **kwargs):
    """Runs a command quietly; its output is shown only when it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kwargs)
    if result.returncode != 0:
        sys.stderr.write(result.stdout[-4000:])
        stop(f"'{' '.join(map(str, command))}' failed with status {result.returncode}")
    return result.stdout


def pins(kind, group):
    return PINS.get(kind, {}).get(group, {})


# ---- Debian packages ------------------------------------------------------------------------------------------------


def installed_debian_versions(names):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version}\n", *names],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    rows = [line.split() for line in result.stdout.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def install_apt(group):
    wanted = pins("apt", group)
    if not wanted:
        return
    have = installed_debian_versions(wanted)
    missing = {name: version for name, version in wanted.items() if not have.get(name, "").startswith(version)}
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    if root and not shutil.which("sudo"):
        stop("these Debian packages are missing and only root can install them: " + " ".join(sorted(missing)))
    say(f"installing {len(missing)} Debian packages: {' '.join(sorted(missing))}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run([*root, "apt-get", "update", "-qq"], env=environment)
    # The pin is the upstream version; a star lets Debian's own security revision through.
    packages = [f"{name}={version}*" for name, version in sorted(missing.items())]
    run([*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "--allow-downgrades", *packages],
        env=environment)


# ---- wheels and Python packages ---------------------------------------------------------------------------------------


def stamp_is_current(folder, wanted):
    stamp = folder / "jetcal-pins.txt"
    return stamp.exists() and stamp.read_text() == stamp_text(wanted)


def stamp_text(wanted):
    return "".join(f"{name}=={version}\n" for name, version in sorted(wanted.items()))


def make_environment(folder):
    if not (folder / "bin" / "pip").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        run([PYTHON, "-m", "venv", str(folder)])


def install_wheels(group):
    wanted = pins("wheels", group)
    folder = DEPS / "wheels"
    if not wanted:
        return
    record = folder / f"pins-{group}.txt"
    if record.exists() and record.read_text() == stamp_text(wanted):
        return
    make_environment(folder)
    say(f"installing {len(wanted)} wheels as C++ libraries: {', '.join(f'{n} {v}' for n, v in sorted(wanted.items()))}")
    run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps",
         *(f"{name}=={version}" for name, version in sorted(wanted.items()))])
    record.write_text(stamp_text(wanted))


def python_folder(group):
    return DEPS / ("python" if group == "test" else f"python-{group}")


def install_python(group):
    wanted, alone = pins("python", group), pins("python-alone", group)
    folder = python_folder(group)
    if not wanted or stamp_is_current(folder, wanted | alone):
        return
    make_environment(folder)
    say(f"installing {len(wanted) + len(alone)} Python packages for the {group} group")
    for packages, flags in ((wanted, []), (alone, ["--no-deps"])):
        if packages:
            run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *flags,
                 *(f"{name}=={version}" for name, version in sorted(packages.items()))])
    (folder / "jetcal-pins.txt").write_text(stamp_text(wanted | alone))


# ---- JavaScript that pages carry ----------------------------------------------------------------------------------------------


def install_npm(group):
    wanted = pins("npm", group)
    folder = DEPS / "npm"
    if not wanted or stamp_is_current(folder, wanted):
        return
    npm = shutil.which("npm")
    if not npm:
        say(f"npm is not installed: left out {', '.join(sorted(wanted))}; jetcal tune report writes no page")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, version in sorted(wanted.items()):
        say(f"fetching {name} {version}")
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            run([npm, "pack", "--silent", f"{name}@{version}"], cwd=scratch)
            with tarfile.open(next(pathlib.Path(scratch).glob("*.tgz"))) as tar:
                # Licences, the description and the built library; not its thousands of sources.
                members = [member for member in tar.getmembers() if re.fullmatch(
                    r"package/(LICENSE|NOTICE|licenses/[^/]+|package\.json|dist/[^/]+\.min\.js)", member.name)]
                tar.extractall(scratch, members=members)
            shutil.rmtree(folder / name, ignore_errors=True)
            (pathlib.Path(scratch) / "package").rename(folder / name)
    (folder / "jetcal-pins.txt").write_text(stamp_text(wanted))


# ---- Go programs ----------------------------------------------------------------------------------------------------------


def staged_modules(go, module, version, environment, cwd):
    """A go.mod for a program of Kubernetes, whose own one finds its parts in its source tree: they are modules of their own, too."""
    name = "k8s.io/kubernetes"
    found = subprocess.run([go, "mod", "download", "-json", f"{name}@v{version}"], env=environment, cwd=cwd, stdout=subprocess.PIPE)
    if found.returncode != 0:
        stop(f"{name} {version} cannot be fetched")
    text = pathlib.Path(json.loads(found.stdout)["GoMod"]).read_text()
    parts = re.findall(r"^\s*(k8s\.io/\S+) => \./staging/", text, re.MULTILINE)
    language = re.search(r"^go (\S+)", text, re.MULTILINE).group(1)
    of_part = "v0." + version.split(".", 1)[1]
    replaced = "".join(f"\t{part} => {part} {of_part}\n" for part in parts)
    return f"module {pathlib.PurePath(module).name}\n\ngo {language}\n\nrequire {name} v{version}\n\nreplace (\n{replaced})\n"


def install_go(group):
    wanted = pins("go", group)
    folder = DEPS / ("go" if group == "test" else f"go-{group}")
    if not wanted or stamp_is_current(folder, wanted):
        return
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if not go:
        say(f"Go is not installed: left out {', '.join(sorted(wanted))}; tests that need them are skipped")
        return
    minutes = {"test": 4, "cluster": 14}[group]  # of one core
    say(f"compiling {', '.join(sorted(wanted))} (about {minutes // len(os.sched_getaffinity(0)) or 1} minutes)")
    with tempfile.TemporaryDirectory(dir=DEPS) as scratch:
        environment = dict(os.environ, GOBIN=str(folder / "bin"), GOMODCACHE=f"{scratch}/modules", GOCACHE=f"{scratch}/objects",
                           GOFLAGS="-modcacherw -buildvcs=false", CGO_ENABLED="0")
        for module, version in sorted(wanted.items()):
            command = [go, "install", "-trimpath", "-ldflags=-s -w"]
            if module.startswith("k8s.io/kubernetes/"):
                (pathlib.Path(scratch) / "go.mod").write_text(staged_modules(go, module, version, environment, scratch))
                run([*command, "-mod=mod", module], env=environment, cwd=scratch)
            else:
                run([*command, f"{module}@v{version}"], env=environment, cwd=scratch)
    (folder / "jetcal-pins.txt").write_text(stamp_text(wanted))


# ---- torch in Python, without the CUDA libraries that its wheel is linked against ------------------------------------------


def lend_torch(group):
    """Lets the Python of the tests or the benchmarks use the wheel that the C++ part is built with."""
    install_wheels("build")
    wheels = next((DEPS / "wheels" / "lib").glob("python3.*")) / "site-packages"
    packages = next((python_folder(group) / "lib").glob("python3.*")) / "site-packages"
    version = pins("wheels", "build")["torch"]
    for name in ("torch", "torchgen", "functorch", "nvidia", f"torch-{version}.dist-info"):
        link = packages / name
        if link.resolve() != (wheels / name).resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(wheels / name)
    libraries = wheels / "torch" / "lib"
    stand_ins = DEPS / "cuda-stand-ins"
    record = stand_ins / "torch.txt"
    if record.exists() and record.read_text() == version:
        return
    say("making stand-ins of the CUDA libraries that torch names and a CPU does not enter")
    stand_ins.mkdir(parents=True, exist_ok=True)
    provided = {path.name for path in wheels.glob("nvidia/*/lib/*.so*")} | {path.name for path in libraries.iterdir()}
    for library in sorted(libraries.glob("lib*.so*")):
        for name in re.findall(r"NEEDED.*\[(lib(?:cu|nccl|nv)[^]]*)\]", run(["readelf", "-d", str(library)])):
            if name not in provided:
                make_stand_in(name, library, stand_ins)
    record.write_text(version)


def make_stand_in(name, library, folder):
    # Functions are resolved when they are called, which never happens; only variables and their versions must exist.
    nvshmem = name.startswith("libnvshmem")
    symbols = re.findall(r"U (\w+)@NVSHMEM", run(["nm", "-D", "--undefined-only", str(library)])) if nvshmem else []
    script = folder / "versions.map"
    script.write_text("NVSHMEM { global: *; };\n")
    run(["gcc", "-shared", "-w", "-x", "c", "-", "-o", str(folder / name), f"-Wl,-soname,{name}",
         *([f"-Wl,--version-script={script}"] if nvshmem else [])],
        input="".join(f"char {symbol}[64];\n" for symbol in sorted(set(symbols))))


# ---- PYTHIA 8, built from its source distribution ------------------------------------------------------------------------


def pythia_folder():
    return DEPS / f"pythia8-{pins('source', 'sim')['pythia8mc']}"


def compile_one(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return result.returncode, result.stdout


def install_pythia():
    version = pins("source", "sim")["pythia8mc"]
    folder = pythia_folder()
    library = folder / "lib" / "libpythia8.a"
    if library.exists():
        return
    source = folder / "source"
    if not (source / "src").exists():
        say(f"fetching the source of PYTHIA {version}")
        download = DEPS / "download"
        download.mkdir(parents=True, exist_ok=True)
        make_environment(DEPS / "wheels")
        run([str(DEPS / "wheels" / "bin" / "pip"), "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--no-build-isolation", "-d", str(download), f"pythia8mc=={version}"])
        archive = next(download.glob("pythia8mc-*.tar.gz"))
        shutil.rmtree(folder / "unpacked", ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "unpacked", filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(
                folder / "unpacked")
        inner = next((folder / "unpacked").glob("pythia8mc-*/pythia8*/src")).parent
        shutil.copytree(inner / "plugins" / "python" / "include", folder / "include", dirs_exist_ok=True)
        shutil.copytree(inner / "share" / "Pythia8" / "xmldoc", folder / "share" / "xmldoc", dirs_exist_ok=True)
        for name in ("pdfdata", "tunes", "setups"):
            shutil.copytree(inner / "share" / "Pythia8" / name, folder / "share" / name, dirs_exist_ok=True)
        source.mkdir(exist_ok=True)
        (inner / "src").rename(source / "src")
        shutil.rmtree(folder / "unpacked")
    compile_pythia(folder, source, library)


def compile_pythia(folder, source, library):
    objects = folder / "objects"
    objects.mkdir(exist_ok=True)
    library.parent.mkdir(exist_ok=True)
    # Largest first, so that the last minutes are not one core waiting for the longest file.
    files = sorted((source / "src").glob("*.cc"), key=lambda path: -path.stat().st_size)
    jobs = []
    for file in files:
        target = objects / (file.stem + ".o")
        if not target.exists():
            xml = str(folder / "share" / "xmldoc")
            jobs.append((target, ["sh", "-c", 'g++ -std=c++17 -O2 -fPIC -pthread -w -I "$1" -DXMLDIR="\\"$2\\"" -c "$3" '
                                  '-o "$4.part" && mv "$4.part" "$4"', "sh", str(folder / "include"), xml, str(file),
                                  str(target)]))
    cores = len(os.sched_getaffinity(0))
    say(f"compiling PYTHIA: {len(jobs)} of {len(files)} files on {cores} cores (about {14 // cores or 1} minutes when all)")
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        futures = [pool.submit(compile_one, command) for _, command in jobs]
        for done, future in enumerate(concurrent.futures.as_completed(futures), start=1):
            status, output = future.result()
            if status != 0:
                sys.stderr.write(output[-4000:])
                os._exit(1)
            if done % 20 == 0 or done == len(jobs):
                say(f"  PYTHIA {done} of {len(jobs)} files, {time.monotonic() - start:.0f} s")
    part = library.with_suffix(".part")
    part.unlink(missing_ok=True)
    run(["ar", "rcs", str(part), *(str(objects / (file.stem + ".o")) for file in files)])
    part.rename(library)
    shutil.rmtree(objects)


# ---- main -----------------------------------------------------------------------------------------------------------------


def check_system():
    release = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release") if "=" in line)
    name, number = release.get("ID", "").strip('"'), release.get("VERSION_ID", "").strip('"')
    if (name, number) != (PINS["system"]["distribution"], PINS["system"]["release"]):
        say(f"this is {name} {number}; jetcal is tested on {PINS['system']['distribution']} {PINS['system']['release']}")


def pins_digest():
    return hashlib.sha256((ROOT / "tools" / "dependencies.toml").read_bytes()).hexdigest()[:12]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=["build"], help=f"any of: {', '.join(GROUPS)}")
    parser.add_argument("--list", action="store_true", help="print the pinned versions and stop")
    options = parser.parse_args()
    if options.list:
        for kind in ("apt", "wheels", "source", "python", "npm", "go"):
            for group, packages in PINS.get(kind, {}).items():
                print(f"{kind}.{group}: " + ", ".join(f"{name} {version}" for name, version in packages.items()))
        return
    unknown = [group for group in options.groups if group not in GROUPS]
    if unknown:
        stop(f"unknown group '{unknown[0]}', known are {', '.join(GROUPS)}")
    start = time.monotonic()
    check_system()
    DEPS.mkdir(parents=True, exist_ok=True)
    for group in options.groups:
        install_apt(group)
    for group in options.groups:
        install_wheels(group)
        install_python(group)
        if group == "test":
            install_python("kfp")  # apart, because it wants an older protobuf
            install_python("kserve")  # apart, because it wants an older pandas
        install_go(group)
        install_npm(group)
    for group in ("test", "bench"):
        if group in options.groups:
            lend_torch(group)
    if "sim" in options.groups:
        install_pythia()
    say(f"{' '.join(options.groups)} ready in {time.monotonic() - start:.1f} s "
        f"(pins {pins_digest()}, {DEPS})")


if __name__ == "__main__":
    main()
