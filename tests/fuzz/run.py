#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every fuzz target of a build folder for its share of the minutes, and says what they found.

Seeds are small valid inputs of every kind: made here, files of tests/fuzz/seeds/TARGET and of the tree, and the model files of a
`jetcal export`. What libFuzzer adds to them stays in BUILD/fuzz/corpus; an input that ends a target, takes more than a minute or
4 GiB stays beside it. Exit status 1 when there is one.
"""

import argparse
import gzip
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Files of the tree that are inputs of a target.
OF_THE_TREE = {"pipeline_fuzz": "jetcal/pipeline/builtin/*.yaml", "correction_fuzz": "jetcal/sim/cards/jec/*.txt"}
TENSOR = struct.pack("<4f", 1, 2, 3, 4)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def cut(json_length, body):
    """An input whose first two bytes say where the JSON ends."""
    return struct.pack(">H", json_length) + body


def infer_bodies():
    whole = {"id": "a", "parameters": {"priority": 1, "timeout": 5, "binary_data_output": True},
             "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2.5], [-3e-3, 4]]}],
             "outputs": [{"name": "y", "parameters": {"classification": 2, "binary_data": False}}]}
    binary = {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}]}
    kinds = {"inputs": [{"name": kind, "shape": [1], "datatype": kind, "data": ["a" if kind == "BYTES" else 1]}
                        for kind in ("BOOL", "UINT8", "INT16", "UINT64", "INT64", "FP64", "BYTES")]}
    text = json.dumps(binary).encode()
    return [cut(0xFFFF, json.dumps(whole).encode()), cut(0xFFFF, json.dumps(kinds).encode()), cut(len(text), text + TENSOR), cut(0, TENSOR)]


def http(method, path, body=b"", *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: h", *headers] + [f"Content-Length: {len(body)}"] * bool(body)
    return "\r\n".join([*lines, "", ""]).encode() + body


def connections():
    infer = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'
    binary = b'{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}]}'
    path = "/v2/models/echo/infer"
    chunked = b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{len(infer):x}".encode() + b"\r\n" + infer
    headers = b"\x00\x00\x0e\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x86\xa0\xe4\x1d\x13\x9d\x09"  # GET / in HPACK
    return [http("GET", "/v2"), http("GET", "/v2/models/echo/stats") + http("GET", "/metrics"), http("POST", path, infer),
            http("POST", path, binary + TENSOR, f"Inference-Header-Content-Length: {len(binary)}"),
            http("POST", path, gzip.compress(infer, mtime=0), "Content-Encoding: gzip", "Accept-Encoding: deflate"),
            http("POST", "/v2/repository/models/echo/load", b'{"parameters":{"config":"{}"}}'), chunked + b"\r\n0\r\n\r\n",
            http("POST", "/v2/logging", b'{"log_verbose_level":1}'), PREFACE, PREFACE + headers]


CONFIG = b'''name: "m"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] allow_ragged_batch: true } ]
output [ { name: "y" data_type: TYPE_INT64 dims: [ 2 ] } ]
batch_input [ { kind: BATCH_ACCUMULATED_ELEMENT_COUNT data_type: TYPE_INT32 source_input: "x" target_name: "c" } ]
instance_group [ { kind: KIND_CPU count: 2 } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 priority_levels: 2 default_priority_level: 1
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 max_queue_size: 3 } priority_queue_policy { key: 1 value { max_queue_size: 1 } } }
version_policy { specific { versions: [ 1, 3 ] } }
parameters { key: "a" value { string_value: "b\\n\\x41" } }
model_warmup [ { name: "w" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: 4 zero_data: true } } } ]
optimization { graph { level: 1 } }
'''


def model_files(jetcal):
    with tempfile.TemporaryDirectory() as folder:
        for preset in ("small-pfn", "small-particlenet"):
            subprocess.run([jetcal, "export", "--preset", preset, "--seed", "1", "--repository", folder, "--name", preset], check=True,
                           stdout=subprocess.DEVNULL)
        versions = sorted(pathlib.Path(folder).glob("*/1"))
        return [version.joinpath("model.onnx").read_bytes() for version in versions], [version.joinpath("model.jetcal").read_bytes() for version in versions]


def files(target):
    paths = [*sorted((ROOT / "tests" / "fuzz" / "seeds" / target).glob("*")), *sorted(ROOT.glob(OF_THE_TREE[target]) if target in OF_THE_TREE else [])]
    return [path.read_bytes() for path in paths]


def seeds(jetcal):
    onnx, models = model_files(jetcal)
    reply = {"model_name": "m", "model_version": "1", "id": "i", "outputs": [{"name": "y", "datatype": "FP32", "shape": [4], "parameters": {"binary_data_size": 16}},
                                                                             {"name": "z", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
    text = json.dumps(reply).encode()
    jets = {"jets": [{"particles": [[1, 2, 3, 4, 5, 6]], "features": [1] * 8}]}
    as_json = {"name": "m", "backend": "jetcal", "max_batch_size": 4, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": ["-1"]}]}
    return {"infer_json_fuzz": infer_bodies(), "connection_fuzz": connections(), "pbtxt_fuzz": [CONFIG, json.dumps(as_json).encode()],
            "control_json_fuzz": [b'{"log_verbose_level":1,"log_info":true,"log_format":"default"}', b'{"trace_level":["OFF"],"trace_rate":"5"}',
                                  b'{"key":"/k","offset":0,"byte_size":64}', b'{"parameters":{"config":"{\\"name\\":\\"m\\"}","file:1/model.onnx":"TWFu"}}'],
            "coded_body_fuzz": [gzip.compress(b"a" * 300, mtime=0), zlib.compress(CONFIG), zlib.compress(b"\0" * 100000)],
            "onnx_file_fuzz": onnx, "model_file_fuzz": models,
            "reply_fuzz": [cut(len(text), text + TENSOR), cut(65535, json.dumps(jets).encode()), *infer_bodies()]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--jetcal", type=pathlib.Path, required=True, help="a program that exports models for the seeds")
    parser.add_argument("--minutes", type=float, default=10, help="of all targets together")
    parser.add_argument("--targets", help="separated by commas; default: all")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    with_libfuzzer = "clang" in (options.build / "CMakeCache.txt").read_text().partition("CMAKE_CXX_COMPILER:")[2].splitlines()[0]
    made = seeds(options.jetcal)
    names = options.targets.split(",") if options.targets else sorted(path.name for path in (options.build / "fuzz").glob("*_fuzz"))
    if not names:
        sys.exit(f"fuzz: {options.build / 'fuzz'} holds no fuzz targets; build the target fuzzers")
    seconds = 60 * options.minutes / len(names)
    found = []
    for name in names:
        program, corpus = (options.build / "fuzz" / name).resolve(), (options.build / "fuzz" / "corpus" / name).resolve()
        if not with_libfuzzer:
            shutil.rmtree(corpus, ignore_errors=True)
        corpus.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate([*made.get(name, []), *files(name)]):
            (corpus / f"seed-{i}").write_bytes(seed)
        arguments = [f"-max_total_time={seconds:.0f}", f"-seed={options.seed}", "-max_len=65536", "-rss_limit_mb=4096", "-timeout=60", "-print_final_stats=1",
                     f"-artifact_prefix={program}.", corpus] if with_libfuzzer else [seconds, options.seed, corpus]
        print(f"fuzz: {name}, {seconds:.0f} s, seed {options.seed}", flush=True)
        environment = {**os.environ, "ASAN_OPTIONS": f"hard_rss_limit_mb=4096:{os.environ.get('ASAN_OPTIONS', '')}"}
        result = subprocess.run([str(word) for word in [program, *arguments]], capture_output=True, text=True, errors="replace", env=environment)
        lines = (result.stdout + result.stderr).splitlines()
        if result.returncode != 0:
            found.append(name)
            print("\n".join(lines[-60:]))
        else:
            print("\n".join(line for line in lines if "nothing found" in line or line.startswith("stat::number_of_executed_units")))
    print(f"fuzz: findings in {', '.join(found)}" if found else "fuzz: nothing found")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
