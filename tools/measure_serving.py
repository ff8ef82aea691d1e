#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures jetcal's server beside the real Triton, in one run and in turn, and writes bench/results/serving.json.

    JETCAL_TRITON=VENV tools/measure_serving.py                         everything
    JETCAL_TRITON=VENV tools/measure_serving.py --parts networks        one part
    JETCAL_TRITON=VENV tools/measure_serving.py --quick --output F      a few short rounds, to see that all of it works

Parts:
    networks  the paper's two networks over binary HTTP at several batch sizes: jetcal with ragged and with padded requests (awake: with
              --busy-poll-us), Triton (Python backend on ONNX Runtime) with the usual padded export and with jetcal's factored one
    trivial   one-row requests of a model that computes nothing: requests a second, and a second of processor time of the server
    batching  64 clients that ask for one jet each, with and without dynamic batching: in jetcal (with a delay, and as it is by default: without),
              and in Triton with libtriton_jetcal.so
    start     start to first answer, and resident memory with both networks loaded

JETCAL_TRITON names a virtual environment with nvidia-pytriton and onnxruntime; --triton-backend FOLDER adds a backend `onnxruntime`
that was built elsewhere. Peers need tools/setup.py build bench. Every figure is the median of the rounds.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "python")]

import driver  # noqa: E402
from driver import say  # noqa: E402
from process_figures import cpu_seconds, resident_mb  # noqa: E402
from served import Served  # noqa: E402

PARTS = ("networks", "trivial", "batching", "start")
PRESETS = {"pfn": "paper-pfn", "particlenet": "paper-particlenet"}
PARTICLES = (20, 60)
DELAY_US = 2000
BUSY_POLL_US = 200  # of the server called awake

# The Python backend of Triton on ONNX Runtime: as many threads as jetcal has.
PYTHON_BACKEND = '''
import pathlib

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        path = pathlib.Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]

    def execute(self, requests):
        replies = []
        for request in requests:
            feed = {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            (output,) = self.session.run(["output"], feed)
            replies.append(pb.InferenceResponse([pb.Tensor("output", np.ascontiguousarray(output, np.float32))]))
        return replies
'''

TRIVIAL_BACKEND = '''
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("y", pb.get_input_tensor_by_name(request, "x").as_numpy())]) for request in requests]
'''

TRIVIAL_ONNX = '''
import sys

import onnx

f = onnx.TensorProto.FLOAT
value = onnx.helper.make_tensor_value_info
graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "trivial", [value("x", f, ["N", 8])], [value("y", f, ["N", 8])])
onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), sys.argv[1])
'''

TRIVIAL_CONFIG = '''name: "trivial"
{backend}
max_batch_size: 1024
input [ {{ name: "x" data_type: TYPE_FP32 dims: [ 8 ] }} ]
output [ {{ name: "y" data_type: TYPE_FP32 dims: [ 8 ] }} ]
'''


def network_config(name, network, backend, more="", ragged=False):
    """config.pbtxt for Triton, with the inputs that both exports and the backend have."""
    allow = " allow_ragged_batch: true" if ragged else ""
    inputs = [("pf_points", "2, -1")] * (network != "pfn") + [("pf_features", "6, -1"), ("pf_mask", "1, -1")]
    lines = [f'input [ {{ name: "{tensor}" data_type: TYPE_FP32 dims: [ {dims} ]{allow} }} ]' for tensor, dims in inputs]
    lines.append('input [ { name: "jet_features" data_type: TYPE_FP32 dims: [ 8 ] } ]')
    lines.append('output [ { name: "output" data_type: TYPE_FP32 dims: [ 1 ] } ]')
    return "\n".join([f'name: "{name}"', backend, "max_batch_size: 100000", *lines, "instance_group [ { kind: KIND_CPU count: 1 } ]", more, ""])


def add_model(repository, name, config, files):
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(config)
    for path, contents in files.items():
        (folder / "1" / path).write_bytes(contents)


class Workshop:
    """The model repositories of both sides, made once."""

    def __init__(self, options, folder):
        self.options = options
        self.ours, self.theirs = folder / "ours", folder / "theirs"
        self.backends = folder / "backends"
        self.networks = [name for name in PRESETS if name in options.networks]
        for name in self.networks:
            driver.run([options.jetcal, "export", "--preset", PRESETS[name], "--seed", 1, "--repository", self.ours, "--name", name])
        self.exports = {}
        for name in self.networks:
            weights = self.ours / name / "1" / "model.jetcal"
            usual = folder / f"{name}.onnx"
            driver.run([driver.PYTHON, "-m", "bench.peers.export", weights, usual])
            self.exports[name] = {"usual": usual.read_bytes(), "factored": (self.ours / name / "1" / "model.onnx").read_bytes()}
            self._add_network(name, weights.read_bytes())
        self._add_trivial(folder)
        self._link_backends()

    def _add_network(self, name, weights):
        code = PYTHON_BACKEND.replace("THREADS", str(self.options.threads)).encode()
        for form, model in self.exports[name].items():
            files = {"model.onnx": model, "model.py": code}
            add_model(self.theirs, f"{name}-{form}", network_config(f"{name}-{form}", name, 'backend: "python"'), files)
            if self.options.triton_backend:
                add_model(self.theirs, f"{name}-{form}-ort", network_config(f"{name}-{form}-ort", name, 'backend: "onnxruntime"'), files)
        if self.backend_of_ours:
            batching = f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY_US} }}"
            for variant, more in (("single", ""), ("batched", batching)):
                config = network_config(f"{name}-{variant}", name, 'backend: "jetcal"', more, ragged=True)
                add_model(self.theirs, f"{name}-{variant}", config, {"model.jetcal": weights})
        off = 'parameters { key: "dynamic_batching" value { string_value: "off" } }\n'
        for variant, more in (("single", off), ("batched", f"dynamic_batching {{ max_queue_delay_microseconds: {DELAY_US} }}\n")):
            config = (self.ours / name / "config.pbtxt").read_text().replace(f'name: "{name}"', f'name: "{name}-{variant}"')
            add_model(self.ours, f"{name}-{variant}", config + more, {"model.jetcal": weights, "model.onnx": self.exports[name]["factored"]})

    def _add_trivial(self, folder):
        path = folder / "trivial.onnx"
        driver.run([driver.PYTHON, "-c", TRIVIAL_ONNX, path])
        add_model(self.ours, "trivial", TRIVIAL_CONFIG.format(backend='platform: "onnxruntime_onnx"'), {"model.onnx": path.read_bytes()})
        add_model(self.theirs, "trivial", TRIVIAL_CONFIG.format(backend='backend: "python"'), {"model.py": TRIVIAL_BACKEND.encode()})

    @property
    def backend_of_ours(self):
        folder = self.options.jetcal.parents[1] / "lib" / "triton" / "jetcal"
        return folder if (folder / "libtriton_jetcal.so").exists() else None

    def _link_backends(self):
        """One folder with every backend that the real server is to have."""
        from triton_server import packages
        self.backends.mkdir()
        found = [packages() / "pytriton" / "tritonserver" / "backends" / "python", self.backend_of_ours,
                 self.options.triton_backend and self.options.triton_backend / "onnxruntime"]
        for path in found:
            if path:
                (self.backends / path.name).symlink_to(path.resolve())


def our_server(workshop, models, *flags):
    """jetcal serve over some models of the repository."""
    names = [flag for model in models for flag in ("--load-model", model)]
    return Served(workshop.ours, "--threads", workshop.options.threads, "--model-control-mode", "explicit", *names, *flags, jetcal=workshop.options.jetcal,
                  errors=subprocess.DEVNULL)


def awake_server(workshop, models):
    return our_server(workshop, models, "--busy-poll-us", BUSY_POLL_US)


def real_triton(workshop, models):
    from triton_server import Triton
    names = [f"--load-model={model}" for model in models]
    return Triton(workshop.theirs, workshop.backends, "--model-control-mode=explicit", *names)


def load(options, server, model, batch, form="padded", connections=1, rate=0):
    """One run of loadgen; its only row, with processor time of the server."""
    before = cpu_seconds(server.process.pid)
    report = driver.run_json([options.jetcal, "loadgen", "--json", "--url", f"http://{server.url}", "--model-name", model, "--batch-sizes", batch,
                              "--form", form, "--connections", connections, "--seconds", options.seconds, "--warmup-seconds", options.warmup,
                              "--min-particles", PARTICLES[0], "--max-particles", PARTICLES[1], "--rate", rate])
    (row,) = report["results"]
    if row["failed"]:
        say(f"{model} at {server.url}: failed {row['failed']}")
    busy = cpu_seconds(server.process.pid) - before
    share = options.seconds / (options.seconds + options.warmup)  # the warm-up is the same load
    row["requests_per_cpu_second"] = row["requests"] / (busy * share) if busy > 0 else None
    return row


KEYS = {"jets_per_s": lambda row: row["jets_per_second"], "requests_per_s": lambda row: row["requests_per_second"],
        "mean_us": lambda row: row["round_trip_us"]["mean"], "p50_us": lambda row: row["round_trip_us"]["p50"],
        "p99_us": lambda row: row["round_trip_us"]["p99"], "inference_us": lambda row: row["inference_us"],
        "overhead_us": lambda row: row["overhead_us"], "queue_us": lambda row: row["queue_us"],
        "jets_per_execution": lambda row: row["jets_per_execution"], "requests_per_cpu_second": lambda row: row["requests_per_cpu_second"]}


def summary(rows):
    result = {key: statistics.median(get(row) or 0 for row in rows) for key, get in KEYS.items()}
    return result | {"failed": sum(sum(row["failed"].values()) for row in rows), "rounds": [KEYS["jets_per_s"](row) for row in rows]}


def in_turn(options, contenders):
    """Every contender once a round, the order turned from round to round."""
    rows = {name: [] for name in contenders}
    names = list(contenders)
    for i in range(options.rounds):
        turn = i % len(names)
        for name in names[turn:] + names[:turn]:
            rows[name].append(contenders[name]())
    return {name: summary(entries) for name, entries in rows.items()}


def networks(options, workshop):
    results = []
    forms = [form + suffix for form in ("usual", "factored") for suffix in [""] + ["-ort"] * bool(options.triton_backend)]
    theirs = [f"{name}-{form}" for name in workshop.networks for form in forms]
    with our_server(workshop, workshop.networks) as ours, awake_server(workshop, workshop.networks) as awake, real_triton(workshop, theirs) as triton:
        for name in workshop.networks:
            for batch in options.batches:
                contenders = {"jetcal ragged": lambda: load(options, ours, name, batch, "ragged"),
                              "jetcal padded": lambda: load(options, ours, name, batch)}
                if batch == 1:
                    contenders["jetcal ragged, awake"] = lambda: load(options, awake, name, batch, "ragged")
                for form in forms:
                    contenders[f"triton {form}"] = lambda form=form: load(options, triton, f"{name}-{form}", batch)
                rows = in_turn(options, contenders)
                ours_row = rows["jetcal ragged"]
                for peer, row in rows.items():
                    if peer.startswith("triton"):
                        row["jetcal_has_jets_per_s_by"] = ours_row["jets_per_s"] / row["jets_per_s"]
                        row["its_p50_over_jetcal"] = row["p50_us"] / ours_row["p50_us"]
                        row["its_p99_over_jetcal"] = row["p99_us"] / ours_row["p99_us"]
                        row["its_overhead_over_jetcal"] = row["overhead_us"] / ours_row["overhead_us"]
                        if batch == 1:
                            row["its_overhead_over_awake"] = row["overhead_us"] / rows["jetcal ragged, awake"]["overhead_us"]
                results.append({"network": name, "batch": batch, "servers": rows})
                show(f"{name}, {batch} jets a request", rows)
    return results


def trivial(options, workshop):
    results = []
    with our_server(workshop, ["trivial"]) as ours, awake_server(workshop, ["trivial"]) as awake, real_triton(workshop, ["trivial"]) as triton:
        for connections in (1, 8, 64):
            rows = in_turn(options, {"jetcal": lambda: load(options, ours, "trivial", 1, connections=connections),
                                     "jetcal, awake": lambda: load(options, awake, "trivial", 1, connections=connections),
                                     "triton": lambda: load(options, triton, "trivial", 1, connections=connections)})
            for ours_row, key in (("jetcal", "its_overhead_over_jetcal"), ("jetcal, awake", "its_overhead_over_awake")):
                rows["triton"][key] = rows["triton"]["overhead_us"] / rows[ours_row]["overhead_us"]
            results.append({"connections": connections, "servers": rows})
            show(f"trivial model, {connections} connection(s)", rows)
    return results


def batching(options, workshop):
    results = []
    variants = ("single", "batched")
    models = [f"{name}-{variant}" for name in workshop.networks for variant in variants]
    ours = models + workshop.networks
    with contextlib.ExitStack() as stack:
        servers = {"jetcal": stack.enter_context(our_server(workshop, ours))}
        if workshop.backend_of_ours:
            servers["jetcal in triton"] = stack.enter_context(real_triton(workshop, models))
        else:
            say("libtriton_jetcal.so is not built (target triton_jetcal): left out")
        for name in workshop.networks:
            contenders = {}
            for place, server in servers.items():
                for variant in variants:
                    # Inside Triton, jets that share an execution are padded requests with ragged batching.
                    form = "ragged" if place == "jetcal" else "padded"
                    contenders[f"{place} {variant}"] = lambda server=server, variant=variant, form=form: load(
                        options, server, f"{name}-{variant}", 1, form, connections=64)
            contenders["jetcal by default"] = lambda name=name: load(options, servers["jetcal"], name, 1, "ragged", connections=64)
            rows = in_turn(options, contenders)
            for variant, single in (("jetcal batched", "jetcal single"), ("jetcal by default", "jetcal single"), ("jetcal in triton batched", "jetcal in triton single")):
                if variant in rows:
                    rows[variant]["faster_than_single_by"] = rows[variant]["jets_per_s"] / rows[single]["jets_per_s"]
            results.append({"network": name, "clients": 64, "max_queue_delay_us": DELAY_US, "servers": rows})
            show(f"{name}, 64 clients of one jet", rows)
    return results


def request_of(name):
    tensors = [("pf_points", [1, 2, 3])] * (name != "pfn") + [("pf_features", [1, 6, 3]), ("pf_mask", [1, 1, 3]), ("jet_features", [1, 8])]
    inputs = []
    for tensor, shape in tensors:
        count = 1
        for size in shape:
            count *= size
        inputs.append({"name": tensor, "shape": shape, "datatype": "FP32", "data": [1.0 if tensor == "pf_mask" else 0.1 * i for i in range(count)]})
    return json.dumps({"inputs": inputs})


def first_answer(url, model, body, deadline):
    """Asks until the model answers; `url` may still be nobody's."""
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(url, timeout=5)
            connection.request("POST", f"/v2/models/{model}/infer", body)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.001)
    driver.stop(f"{model} at {url} never answers")


def start_ours(workshop):
    from triton_server import free_ports
    (port,) = free_ports(1)
    names = [flag for model in workshop.networks for flag in ("--load-model", model)]
    begin = time.monotonic()
    process = subprocess.Popen([str(part) for part in [workshop.options.jetcal, "serve", "--model-repository", workshop.ours, "--http-port", port,
                                                       "--model-control-mode", "explicit", *names]], stderr=subprocess.DEVNULL)
    try:
        for name in workshop.networks:
            first_answer(f"127.0.0.1:{port}", name, request_of(name), begin + 60)
        return {"seconds": time.monotonic() - begin, "resident_mb": resident_mb(process.pid)}
    finally:
        process.terminate()
        process.wait(timeout=60)


def start_theirs(workshop):
    triton = real_triton(workshop, [f"{name}-factored" for name in workshop.networks])
    begin = time.monotonic()
    with triton:
        for name in workshop.networks:
            first_answer(triton.url, f"{name}-factored", request_of(name), begin + 60)
        return {"seconds": time.monotonic() - begin, "resident_mb": resident_mb(triton.process.pid)}


def start(options, workshop):
    rows = {"jetcal": [], "triton": []}
    for _ in range(options.rounds):
        rows["jetcal"].append(start_ours(workshop))
        rows["triton"].append(start_theirs(workshop))
    result = {name: {key: statistics.median(entry[key] for entry in entries) for key in ("seconds", "resident_mb")} | {"rounds": entries}
              for name, entries in rows.items()}
    for name, entry in result.items():
        say(f"start {name:10} first answers of both networks after {entry['seconds']:.3f} s, {entry['resident_mb']:.0f} MB resident")
    return result


def show(title, rows):
    say(title)
    for name, row in rows.items():
        ratios = "".join(f"  {key} {row[key]:.2f}" for key in row if "_over_" in key or key.endswith("_by"))
        say(f"  {name:26} {row['jets_per_s']:9.0f} jets/s  p50 {row['p50_us']:8.0f} p99 {row['p99_us']:8.0f} inference {row['inference_us']:8.0f}"
            f" overhead {row['overhead_us']:7.0f} us  {row['requests_per_cpu_second']:7.0f} requests/CPU s  {row['jets_per_execution']:6.1f} jets/run{ratios}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jetcal", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas; default: all")
    parser.add_argument("--networks", default="pfn,particlenet")
    parser.add_argument("--batches", default="1,32,256,1024")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of inference, on both sides; default: all cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of one measurement")
    parser.add_argument("--warmup", type=float, default=0.5, help="seconds before each")
    parser.add_argument("--triton-backend", type=pathlib.Path, help="folder that holds a backend folder `onnxruntime` built elsewhere")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "bench" / "results" / "serving.json")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 0.3 s, batches of 1 and 32")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.warmup, options.batches = 2, 0.3, 0.1, "1,32"
    options.jetcal = options.jetcal.resolve()
    options.networks = options.networks.split(",")
    options.batches = [int(batch) for batch in options.batches.split(",")]
    parts = [part for part in options.parts.split(",") if part]
    for name, known in [*((part, PARTS) for part in parts), *((network, PRESETS) for network in options.networks)]:
        if name not in known:
            driver.stop(f"there is no '{name}'; known: {', '.join(known)}")
    if not os.environ.get("JETCAL_TRITON"):
        driver.stop("JETCAL_TRITON names no virtual environment with nvidia-pytriton: there is no real Triton to compare with")
    begin, load_before = time.monotonic(), os.getloadavg()[0]
    description = driver.run_json([options.jetcal, "doctor", "--json"])
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(options, pathlib.Path(folder))
        results = {part: globals()[part](options, workshop) for part in parts}
    document = {"benchmark": "serving"} | {
        "version": description["version"], "commit": description["commit"], "cpu": description["cpu"]["model"], "isa": description["isa"],
        "cores": os.cpu_count(), "threads": options.threads, "load_before": load_before, "rounds": options.rounds,
        "seconds_each": options.seconds, "particles": PARTICLES, "seconds": time.monotonic() - begin, "results": results}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(driver.rounded(document), indent=1) + "\n")
    say(f"results in {options.output}")


if __name__ == "__main__":
    main()
