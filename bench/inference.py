# SPDX-License-Identifier: Apache-2.0
"""Inference of jetcal and its peers: latency of a call and jets a second at several batch sizes."""

import statistics

import driver
from driver import say

PEERS = {"pfn": ["ort-padded", "ort-padded-max", "torch-ragged"],
         "particlenet": ["ort-padded", "ort-factored", "ort-factored-max", "torch-ragged-factored"],
         "particletransformer": ["ort-factored", "ort-factored-max", "torch-ragged"]}


def export(options, network, folder):
    """Writes the usual padded export of PyTorch and jetcal's own, factored one; returns their paths."""
    padded, repository = folder / f"{network.stem}.onnx", folder / "repository"
    if not (repository / network.stem).exists():
        if driver.network_kind(network) != "particletransformer":  # its only export is jetcal's own
            driver.run([driver.PYTHON, "-m", "bench.peers.export", network, padded])
        driver.run([options.jetcal, "export", network, "--repository", repository, "--name", network.stem])
    return padded, repository / network.stem / "1" / "model.onnx"


def start(options, name, network, jets, threads, folder):
    model = network
    if name.startswith("ort"):
        padded, factored = export(options, network, folder)
        model = padded if name.startswith("ort-padded") else factored
    return driver.peer(name, threads, "--network", model, "--jets", jets, "--inference")


def time_batches(engines, options):
    """Every engine once a round; one that is slow takes part until it has used `cap` seconds on a batch size."""
    replies = {engine.name: {batch: [] for batch in options.batches} for engine in engines}
    failures = {}
    for batch in options.batches:
        used = dict.fromkeys(replies, 0.0)
        for i in range(options.rounds):
            turn = i % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                if used[engine.name] > options.cap:
                    continue
                reply = engine.ask(do="latency", batch=batch, seconds=options.seconds, calls=1, warm_up=i == 0)
                if "error" in reply:
                    failures.setdefault(engine.name, {})[batch] = reply["error"]
                    used[engine.name] = float("inf")
                    continue
                replies[engine.name][batch].append(reply)
                used[engine.name] += reply["calls"] * reply["p50"]
    return replies, failures


def summary(replies):
    latencies = [reply["p50"] for reply in replies]
    return {"p50_ms": {"best": 1e3 * min(latencies), "median": 1e3 * statistics.median(latencies)},
            "jets_per_s": driver.spread([reply["jets_per_s"] for reply in replies]), "calls": sum(r["calls"] for r in replies)}


def faster_by(ours, theirs):
    result = {key: ours["jets_per_s"][key] / theirs["jets_per_s"][key] for key in ("best", "median")}
    return result | {"latency": theirs["p50_ms"]["median"] / ours["p50_ms"]["median"]}


def compare(options, model, threads, folder):
    jets, network = driver.make_inputs(options, model, folder)
    command = [options.jetcal, "bench", "inference", "--worker", "--networks", network, "--jets", jets, "--threads", threads]
    variants = {"jetcal": []} | {f"jetcal-{precision}": ["--precision", precision] for precision in options.precisions}
    ours = [driver.Engine(name, [*command, *flags, *options.jetcal_arguments], driver.threads_environment(threads))
            for name, flags in variants.items()]
    kind = driver.network_kind(network)
    names = options.peers if options.peers is not None else PEERS[kind]
    names = [name for name in names if not (kind == "pfn" and "factored" in name)]
    peers = [start(options, name, network, jets, threads, folder) for name in names]
    try:
        counts = driver.particle_counts(jets)
        equal = {engine.name: driver.check_outputs(ours[0], engine, counts) for engine in peers}
        accuracy = {engine.name: accuracy_of(ours[0], engine, len(counts)) for engine in ours[1:]}
        replies, failures = time_batches([*ours, *peers], options)
    finally:
        for engine in [*ours, *peers]:
            engine.__exit__()
    description = ours[0].description
    gflop = 2 * description["macs_per_jet"] * 1e-9
    rows = []
    for batch in options.batches:
        engines = {name: summary(replies[name][batch]) for name in replies if replies[name][batch]}
        for name, entry in engines.items():
            entry["gflop_per_s"] = entry["jets_per_s"]["best"] * gflop
            if name.startswith("jetcal-"):
                entry["faster_than_float32_by"] = faster_by(entry, engines["jetcal"])
            elif name != "jetcal":
                entry["jetcal_is_faster_by"] = faster_by(engines["jetcal"], entry)
        rows.append({"batch": batch, "engines": engines})
    result = {"model": model, "threads": threads, "rounds": options.rounds, "configuration": description["configuration"],
              "particles_per_jet": description["particles_per_jet"], "gflop_per_jet": gflop, "equal": equal,
              "reduced_precision": accuracy, "failures": failures, "batches": rows}
    show(result)
    return result, description | {"torch": peers[-1].description["torch"] if peers else None}


def accuracy_of(reference, engine, jets):
    """Says how far outputs in reduced precision are from float32, against the spread of the outputs."""
    exact, other = (e.ask(do="predict", jets=jets)["y"] for e in (reference, engine))
    differences = [b - a for a, b in zip(exact, other)]
    return {"jets": jets, "output_rms": statistics.pstdev(exact), "difference_rms": statistics.fmean(d * d for d in differences)**0.5,
            "difference_max": max(map(abs, differences))}


def show(result):
    say(f"inference {result['model']}, {result['threads']} thread(s), {result['rounds']} rounds")
    for entry in result["batches"]:
        for name, values in entry["engines"].items():
            faster, own = values.get("jetcal_is_faster_by"), values.get("faster_than_float32_by")
            text = f"  batch {entry['batch']:5} {name:22} p50 {values['p50_ms']['median']:9.3f} ms {values['jets_per_s']['best']:9.0f}" \
                   f" best {values['jets_per_s']['median']:9.0f} median jets/s {values['gflop_per_s']:6.1f} GFLOP/s"
            if faster:
                text += f"  jetcal x {faster['best']:.2f} best {faster['median']:.2f} median {faster['latency']:.2f} latency"
            if own:
                text += f"  x {own['best']:.2f} best {own['median']:.2f} median of float32"
            say(text)
    for name, failed in result["failures"].items():
        say(f"  {name} failed: {failed}")
