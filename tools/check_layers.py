#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the code to the rooms that CMake declares.

Every jetcal/<room>/CMakeLists.txt names, in one jetcal_room() line, the rooms and external libraries it may include. This
check fails on an include that the line does not name, on a declared room or library that nobody includes (an idle arrow), on an
arrow that does not go down a level, on a cycle, and on an include of another room's detail/ folder.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LEVELS = {"base": 0, "http": 1, "page": 1, "workers": 1, "store": 2, "edm": 2, "kernels": 2, "hpo": 2, "data": 3, "jec": 3, "models": 3, "analysis": 3, "cuda": 4,
          "sim": 5, "train": 5, "onnx": 5, "engine": 5, "pipeline": 5, "suggest": 5, "client": 6, "triton": 6, "server": 6, "board": 7, "cli": 8}
# Which external library a header belongs to.
EXTERNAL_HEADERS = [
    ("torch", r"(torch|ATen|c10)/.+"),
    ("arrow", r"(arrow|parquet)/.+"),
    ("eigen", r"Eigen/.+"),
    ("muparser", r"muParser\.h"),
    ("root", r"(ROOT/.+|T[A-Z]\w*\.h|Rtypes\.h|RtypesCore\.h|Compression\.h|Math/.+)"),
    ("pythia8", r"Pythia8/.+"),
    ("fastjet", r"fastjet/.+"),
    ("protobuf", r"(google/protobuf/.+|.+\.pb\.h)"),
    ("http", r"(http_parser|simdjson)\.h"),
    ("nghttp2", r"nghttp2/.+"),
    ("sqlite", r"sqlite3\.h"),
    ("csv", r"csv\.h"),
    ("tls", r"openssl/ssl\.h"),
    ("crypto", r"openssl/.+"),
    ("curl", r"curl/.+"),
    ("pugixml", r"pugixml\.hpp"),
    ("cuda", r"(cuda_runtime(_api)?|cublas_v2)\.h"),
]
# Found at run time, so no include shows its use; the definition that names its path does.
DLOPENED = {"onnxruntime": "JETCAL_ONNXRUNTIME_LIBRARY"}


def parse_rooms():
    rooms = {}
    for path in sorted(ROOT.glob("jetcal/*/CMakeLists.txt")):
        match = re.search(r"jetcal_room\(([^)]*)\)", path.read_text())
        if not match:
            continue
        words = match.group(1).split()
        room = {"DEPENDS": [], "EXTERNALS": [], "SOURCES": []}
        kind = None
        for word in words[1:]:
            if word in room:
                kind = word
            else:
                room[kind].append(word)
        rooms[words[0]] = room
    return rooms


def includes_of(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1)


def external_of(header):
    for name, pattern in EXTERNAL_HEADERS:
        if re.fullmatch(pattern, header):
            return name
    return None


def check_room(name, declared, problems):
    used_rooms, used_externals = set(), set()
    for path in sorted(ROOT.glob(f"jetcal/{name}/**/*")):
        if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
            continue
        where = path.relative_to(ROOT)
        for number, header in includes_of(path):
            match = re.match(r"jetcal/(\w+)/(.+)", header)
            if match and match.group(1) != name:
                other = match.group(1)
                used_rooms.add(other)
                if declared is not None and other not in declared["DEPENDS"]:
                    problems.append(f"{where}:{number}: {name} may not include {other}")
                if match.group(2).startswith("detail/"):
                    problems.append(f"{where}:{number}: detail/ of {other} is private to it")
            external = None if match else external_of(header)
            if external:
                used_externals.add(external)
                if declared is not None and external not in declared["EXTERNALS"]:
                    problems.append(f"{where}:{number}: {name} may not see {external} ({header})")
        for external, marker in DLOPENED.items():
            if marker in path.read_text():
                used_externals.add(external)
    if declared is None:
        return
    for other in declared["DEPENDS"]:
        if other not in used_rooms:
            problems.append(f"jetcal/{name}/CMakeLists.txt: idle arrow, nothing in {name} includes {other}")
        if LEVELS[other] >= LEVELS[name]:
            problems.append(f"jetcal/{name}/CMakeLists.txt: {name} (level {LEVELS[name]}) may not depend on {other} "
                            f"(level {LEVELS[other]})")
    for external in declared["EXTERNALS"]:
        if external not in used_externals:
            problems.append(f"jetcal/{name}/CMakeLists.txt: idle arrow, nothing in {name} includes {external}")


def find_cycle(rooms):
    state = {}

    def visit(room, path):
        if state.get(room) == "done":
            return None
        if state.get(room) == "open":
            return path[path.index(room):] + [room]
        state[room] = "open"
        for other in rooms.get(room, {"DEPENDS": []})["DEPENDS"]:
            cycle = visit(other, path + [room])
            if cycle:
                return cycle
        state[room] = "done"
        return None

    for room in rooms:
        cycle = visit(room, [])
        if cycle:
            return cycle
    return None


def main():
    rooms = parse_rooms()
    problems = []
    for name in sorted(path.name for path in (ROOT / "jetcal").iterdir() if path.is_dir()):
        if name not in LEVELS:
            problems.append(f"jetcal/{name}: a room that ARCHITECTURE.md gives no level")
        elif name != "cli" and name not in rooms:
            problems.append(f"jetcal/{name}: no jetcal_room() line")
        else:
            check_room(name, rooms.get(name), problems)
    cycle = find_cycle(rooms)
    if cycle:
        problems.append("rooms form a cycle: " + " -> ".join(cycle))
    print("\n".join(problems) or f"layers: {len(rooms)} rooms, no forbidden include, no cycle, no idle arrow")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
