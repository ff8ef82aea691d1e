#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps a jetcal server under mixed load and checks every answer; then asks for twice what it can do.

    tools/soak_serving.py --minutes 60                   as issue 8 asks
    tools/soak_serving.py --minutes 0.2 --overload 5     a look whether all works
    tools/soak_serving.py --minutes 10 --jetcal build/tsan/bin/jetcal --client build/release/bin/jetcal   under a sanitizer

For the given time: `jetcal loadgen` keeps the server at --share of its measured capacity, every reply the same bytes; clients ask for
random jets, ragged and padded, and compare each answer with the in-process result, bit for bit; models are loaded again; clients are
killed in the middle of requests and replies; slow clients, bodies over the limit and malformed requests come in between. Memory of the
server must stay flat, and no descriptor may be left when the clients have gone. Then the overload: requests arrive at twice the capacity; refusals must be quick, and what is
answered must stay within --goodput of the capacity. Exit status 1 when a promise is broken; --json prints the account.

Clients of a server are on other machines, and twice the requests are twice the work for them: the server has half of the processors, the clients
have the others (--together: all share all).

A server under a sanitizer (--jetcal of the build folder asan or tsan) must end with status 0, which it does not when it has found something. --client
names a program without one, that exports the networks, predicts in process and makes the load. The share of the capacity holds there
too; memory and quick refusals are other figures, --max-growth-mb and --max-refusal-ms are to be wider.
"""

import argparse
import array
import http.client
import json
import os
import pathlib
import random
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "python")]

import driver  # noqa: E402
from process_figures import descriptors, resident_mb  # noqa: E402
from served import Served  # noqa: E402

NUM_JETS = 400
MAX_BODY = 4 << 20
QUEUE = 64
# Jets of a request of the background load: enough that the server works harder than its clients, who share its processors.
BATCH = 64


def say(text):
    print(f"soak: {text}", file=sys.stderr, flush=True)


def run_json(command, **kwargs):
    result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, **kwargs)
    if result.returncode != 0:
        sys.exit(f"soak: '{' '.join(map(str, command))}' failed with status {result.returncode}")
    return json.loads(result.stdout)


class Jets:
    """Random jets with their in-process predictions, as the bytes that a server must send."""

    def __init__(self, jetcal, network, folder, seed):
        rng = random.Random(seed)
        lengths = [rng.choice([0, 1, 2, 5, 17, 30, 45, 60, 100]) for _ in range(NUM_JETS)]
        self.offsets = [0]
        for length in lengths:
            self.offsets.append(self.offsets[-1] + length)
        self.points, self.particles, self.jets = array.array("f"), array.array("f"), array.array("f")
        for _ in range(self.offsets[-1]):
            eta, phi = rng.gauss(0, 0.15), rng.gauss(0, 0.15)
            self.points.extend((eta, phi))
            self.particles.extend((rng.gauss(0, 1), rng.gauss(-3, 1), eta, phi, rng.gauss(0, 1), abs(rng.gauss(0, 0.2))))
        for _ in range(NUM_JETS):
            self.jets.extend((rng.uniform(3, 7), rng.gauss(0, 1.2), rng.gauss(0, 1.8), rng.uniform(2, 60), 0.5, 0.4, 0.1, rng.uniform(1, 60)))
        self.with_points = False
        path = folder / f"jets-{seed}.safetensors"
        self._write(path)
        worker = subprocess.run([jetcal, "bench", "inference", "--worker", "--networks", network, "--jets", path], text=True, check=True,
                                input=json.dumps({"do": "predict", "jets": NUM_JETS}) + "\n", stdout=subprocess.PIPE)
        y = json.loads(worker.stdout.splitlines()[1])["y"]
        self.y = [struct.pack("<f", value) for value in y]

    def _write(self, path):
        header, data = {"__metadata__": {"format": "jetcal-bench-jets"}}, b""
        for name, kind, shape, values in [("offsets", "I64", [NUM_JETS + 1], array.array("q", self.offsets)),
                                          ("points", "F32", [self.offsets[-1], 2], self.points),
                                          ("particles", "F32", [self.offsets[-1], 6], self.particles),
                                          ("jets", "F32", [NUM_JETS, 8], self.jets),
                                          ("target", "F32", [NUM_JETS], array.array("f", [0] * NUM_JETS))]:
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values) * values.itemsize]}
            data += values.tobytes()
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)

    def request(self, begin, end, ragged):
        """Tensors of some jets: name, shape, datatype, bytes."""
        jets = self.jets[8 * begin:8 * end]
        count = end - begin
        lengths = [self.offsets[j + 1] - self.offsets[j] for j in range(begin, end)]
        if ragged:
            rows = self.particles[6 * self.offsets[begin]:6 * self.offsets[end]]
            return [("pf_counts", [count], "INT32", array.array("i", lengths)), ("pf_features", [sum(lengths), 6], "FP32", rows),
                    ("jet_features", [count, 8], "FP32", jets)]
        longest = max([*lengths, 1])
        tensors = [("pf_features", 6, self.particles, 6), ("pf_mask", 1, None, 1)]
        if self.with_points:
            tensors.append(("pf_points", 2, self.points, 2))
        result = []
        for name, channels, source, stride in tensors:
            values = array.array("f", [0.0]) * (count * channels * longest)
            for i, length in enumerate(lengths):
                first = self.offsets[begin + i]
                for c in range(channels):
                    at = (i * channels + c) * longest
                    values[at:at + length] = (array.array("f", [1.0]) * length if source is None
                                              else source[stride * first + c:stride * (first + length):stride])
            result.append((name, [count, channels, longest], "FP32", values))
        return result + [("jet_features", [count, 8], "FP32", jets)]

    def body(self, begin, end, ragged):
        """A binary request for these jets, and the bytes of its answer."""
        tensors = self.request(begin, end, ragged)
        inputs = [{"name": name, "shape": shape, "datatype": kind, "parameters": {"binary_data_size": len(values) * 4}}
                  for name, shape, kind, values in tensors]
        text = json.dumps({"inputs": inputs, "outputs": [{"name": "output", "parameters": {"binary_data": True}}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(text)), "Content-Type": "application/octet-stream"}
        return text + b"".join(values.tobytes() for *_, values in tensors), headers, b"".join(self.y[begin:end])


def descriptors_once_idle(pid, expected, limit=30):
    """How many there are when they are as few as expected, at the latest after `limit` seconds: slow connections live for 10 s."""
    until = time.monotonic() + limit
    while descriptors(pid) > expected and time.monotonic() < until:
        time.sleep(0.5)
    return descriptors(pid)


class Soak:
    """Threads that ask, misbehave, reload and watch until the time is over."""

    def __init__(self, server, jets, seed):
        self.server, self.jets, self.rng = server, jets, random.Random(seed)
        self.lock = threading.Lock()
        self.counts, self.problems, self.samples = {}, [], []
        self.stopping = threading.Event()

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + number

    def problem(self, text):
        with self.lock:
            self.counts["problems"] = self.counts.get("problems", 0) + 1
            if len(self.problems) < 20:
                self.problems.append(text)

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def check(self):
        """Asks for random jets and compares the answers."""
        rng = random.Random(self.rng.random())
        connection = self.connect()
        while not self.stopping.is_set():
            name = rng.choice(list(self.jets))
            size = rng.choice([1, 1, 2, 8, 32])
            begin = rng.randrange(NUM_JETS - size)
            body, headers, expected = self.jets[name].body(begin, begin + size, rng.random() < 0.5)
            try:
                connection.request("POST", f"/v2/models/{name}/infer", body, headers)
                reply = connection.getresponse()
                answer = reply.read()
            except (OSError, http.client.HTTPException) as error:
                self.problem(f"an answer was lost: {error!r}")
                connection.close()
                connection = self.connect()
                continue
            if reply.status == 503:
                self.count("refused")
            elif reply.status != 200:
                self.problem(f"status {reply.status} for {size} jets of {name}: {answer[:200]}")
            elif answer[int(reply.headers["Inference-Header-Content-Length"]):] != expected:
                self.problem(f"a wrong answer for jets {begin} to {begin + size} of {name}")
            else:
                self.count("checked")
            time.sleep(rng.expovariate(20))
        connection.close()

    def raw(self, name="particlenet"):
        body, headers, _ = self.jets[name].body(0, 8, True)
        head = f"POST /v2/models/{name}/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
        return (head + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n").encode(), body

    def kill_clients(self):
        """Leaves in the middle of a head, of a body, before and within a reply."""
        rng = random.Random(self.rng.random())
        while not self.stopping.wait(rng.expovariate(10)):
            head, body = self.raw()
            request = head + body
            cut = rng.choice([rng.randrange(1, len(head)), rng.randrange(len(head), len(request)), len(request)])
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as client:
                client.sendall(request[:cut])
                if rng.random() < 0.5:  # a reset instead of an end
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif cut == len(request):
                    client.recv(10)
            self.count("killed clients")

    def be_slow(self):
        """Sends a request in pieces and takes its time to read; must be answered."""
        rng = random.Random(self.rng.random())
        while not self.stopping.is_set():
            head, body = self.raw("pfn")
            request = head + body
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as client:
                step = len(request) // 10 + 1
                for at in range(0, len(request), step):
                    client.sendall(request[at:at + step])
                    time.sleep(rng.uniform(0.01, 0.1))
                time.sleep(0.2)
                if not client.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")):
                    self.problem("a slow client has no answer")
            self.count("slow clients")

    def be_wrong(self):
        """Malformed and oversized requests have to be refused by their statuses."""
        rng = random.Random(self.rng.random())
        connection = self.connect()
        while not self.stopping.wait(rng.expovariate(20)):
            body, headers, _ = self.jets["pfn"].body(0, 4, True)
            case = rng.randrange(5)
            if case == 0:
                body, expected = body[:-rng.randrange(1, 60)], {400}
            elif case == 1:
                body, headers, expected = b'{"inputs":[' + bytes(rng.randrange(32, 127) for _ in range(50)), {}, {400}
            elif case == 2:
                headers, expected = {**headers, "Inference-Header-Content-Length": str(len(body) + 1000)}, {400}
            elif case == 3:
                body, expected = b"x" * (MAX_BODY + 1), {413}
            else:
                body, headers, expected = b"{}", {}, {400}
            try:
                connection.request("POST", "/v2/models/pfn/infer", body, headers)
                reply = connection.getresponse()
                reply.read()
                if reply.status not in expected:
                    self.problem(f"a wrong request (case {case}) is answered {reply.status}")
            except (OSError, http.client.HTTPException) as error:
                if case != 3:  # the server need not read all of what is too large
                    self.problem(f"a wrong request (case {case}) has no answer: {error!r}")
                connection.close()
                connection = self.connect()
            self.count("wrong requests")
        connection.close()

    def reload(self):
        connection = self.connect()
        while not self.stopping.wait(1):
            for name in self.jets:
                connection.request("POST", f"/v2/repository/models/{name}/load", "{}")
                reply = connection.getresponse()
                text = reply.read()
                if reply.status != 200:
                    self.problem(f"{name} is not loaded again: {reply.status} {text[:200]}")
                self.count("reloads")
        connection.close()

    def watch(self):
        while not self.stopping.wait(0.5):
            self.samples.append((resident_mb(self.server.process.pid), descriptors(self.server.process.pid)))

    def run(self, seconds):
        jobs = [self.check, self.check, self.kill_clients, self.be_slow, self.be_wrong, self.reload, self.watch]
        threads = [threading.Thread(target=self.guarded, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self.stopping.set()
        for thread in threads:
            thread.join()

    def guarded(self, job):
        try:
            job()
        except Exception as error:  # a thread that dies must not look like one that found nothing
            self.problem(f"{job.__name__} ended: {error!r}")

    def growth(self):
        """Memory of the last fifth over that of the second fifth, in MB."""
        fifth = len(self.samples) // 5
        if fifth < 2:
            return None
        early, late = self.samples[fifth:2 * fifth], self.samples[-fifth:]
        return statistics.median(megabytes for megabytes, _ in late) - statistics.median(megabytes for megabytes, _ in early)


def loadgen(jetcal, port, seconds, *flags):
    return [jetcal, "loadgen", "--json", "--url", f"http://127.0.0.1:{port}", "--model-name", "particlenet", "--batch-sizes", str(BATCH), "--form", "ragged",
            "--check-equal", "--seconds", str(seconds), *map(str, flags)]


def capacity(jetcal, port, seconds):
    """Requests a second that the server answers when it always has some waiting."""
    (row,) = run_json(loadgen(jetcal, port, seconds, "--connections", 16))["results"]
    return row["requests_per_second"]


def part_processors(together):
    """The processors of the server and of its clients."""
    processors = sorted(os.sched_getaffinity(0))
    if together or len(processors) < 2:
        return processors, processors
    half = len(processors) // 2
    return processors[:half], processors[half:]


class SoakedServer(Served):
    """The server of the soak, on some processors only."""

    def __init__(self, options, repository, processors):
        super().__init__(repository, "--model-control-mode", "explicit", "--load-model", "*", "--max-queue-size", QUEUE, "--max-body-bytes", MAX_BODY,
                         jetcal=options.jetcal, errors=None)
        self.command = ["taskset", "--cpu-list", ",".join(map(str, processors)), *self.command]


def soak(options, server, jets, account, broken):
    rate = capacity(options.client, server.port, options.calibration)
    account["capacity_requests_per_s"] = rate
    seconds = 60 * options.minutes
    time.sleep(1)  # until the connections of the capacity are gone
    before = descriptors(server.process.pid)
    say(f"capacity {rate:.0f} requests/s of {BATCH} jets; {options.minutes:g} minutes at {options.share:.0%} of it")
    generator = subprocess.Popen([str(part) for part in loadgen(options.client, server.port, seconds, "--rate", max(1, rate * options.share),
                                                                "--connections", 64)], stdout=subprocess.PIPE, text=True)
    load = Soak(server, jets, options.seed)
    load.run(seconds)
    text, _ = generator.communicate(timeout=seconds + 120)
    (row,) = json.loads(text)["results"]
    account["mixed"] = {"seconds": seconds, "counts": load.counts, "problems": load.problems, "background": row, "growth_mb": load.growth(),
                        "descriptors": {"before": before, "after": descriptors_once_idle(server.process.pid, before), "most": max(count for _, count in load.samples)}}
    lost = {what: count for what, count in row["failed"].items() if what != "unavailable"}
    if lost:
        broken.append(f"requests of the background load were not answered: {lost}")
    if load.problems:
        broken.append(f"{load.counts['problems']} problems, the first: {load.problems[0]}")
    if not load.counts.get("checked"):
        broken.append("no answer was checked")
    growth = load.growth()
    if growth and growth > options.max_growth_mb:
        broken.append(f"memory has grown by {growth:.1f} MB")
    after = account["mixed"]["descriptors"]["after"]
    if after > before:  # while the load lasts there are as many as its clients want
        broken.append(f"{after} descriptors are open after the load, {before} before it")


def overload(options, server, account, broken):
    rate = capacity(options.client, server.port, options.calibration)
    (row,) = run_json(loadgen(options.client, server.port, options.overload, "--rate", 2 * rate, "--connections", 2 * QUEUE + 64))["results"]
    again = capacity(options.client, server.port, options.calibration)
    goodput = row["requests_per_second"] / statistics.mean((rate, again))
    refused = row["refused_us"] or {"p50": 0, "p99": 0}
    account["overload"] = {"capacity_before": rate, "capacity_after": again, "goodput_over_capacity": goodput, "row": row}
    say(f"overload: {row['requests']} answered, failed {row['failed']}, goodput {goodput:.2f} of the capacity, "
        f"refusals p50 {refused['p50'] / 1000:.1f} p99 {refused['p99'] / 1000:.1f} ms, answers p99 {row['round_trip_us']['p99'] / 1000:.1f} ms")
    if goodput < 1 - options.goodput:
        broken.append(f"goodput is {goodput:.2f} of the capacity")
    if refused["p50"] > 1000 * options.max_refusal_ms:
        broken.append(f"half of the refusals take more than {options.max_refusal_ms:g} ms")
    others = {what: count for what, count in row["failed"].items() if what != "unavailable"}
    if others:
        broken.append(f"requests failed otherwise than by a refusal: {others}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jetcal", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "jetcal")
    parser.add_argument("--client", type=pathlib.Path, help="the program that exports, predicts in process and makes the load; default: --jetcal, which serves")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity")
    parser.add_argument("--overload", type=float, default=20, help="seconds at twice the capacity; 0: none")
    parser.add_argument("--calibration", type=float, default=3, help="seconds to measure the capacity")
    parser.add_argument("--goodput", type=float, default=0.1, help="share of the capacity that may be lost under overload")
    parser.add_argument("--max-refusal-ms", type=float, default=50)
    parser.add_argument("--max-growth-mb", type=float, default=8)
    parser.add_argument("--together", action="store_true", help="server and clients share all processors")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the account on standard output")
    options = parser.parse_args()
    options.client = options.client or options.jetcal
    account, broken = {"benchmark": "soak", **driver.machine(options.client)}, []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        jets = {}
        for network, preset in (("pfn", "small-pfn"), ("particlenet", "small-particlenet")):
            run_json([options.client, "export", "--preset", preset, "--seed", options.seed, "--repository", folder / "models", "--name", network, "--json"])
            jets[network] = Jets(options.client, folder / "models" / network / "1" / "model.jetcal", folder, options.seed)
        jets["particlenet"].with_points = True
        of_server, of_clients = part_processors(options.together)
        account["processors"] = {"server": of_server, "clients": of_clients}
        os.sched_setaffinity(0, of_clients)
        with SoakedServer(options, folder / "models", of_server) as server:
            if options.minutes > 0:
                soak(options, server, jets, account, broken)
            if options.overload > 0:
                overload(options, server, account, broken)
            status, _ = server.stop(timeout=60)
        if status != 0:
            broken.append(f"the server ended with status {status}")
    account["broken"] = broken
    if options.json:
        print(json.dumps(account, indent=1))
    for text in broken:
        say(text)
    say("a promise is broken" if broken else "every promise was kept")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
