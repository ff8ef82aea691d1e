# SPDX-License-Identifier: Apache-2.0
"""Training steps of jetcal and its peers."""

import array
import statistics

import driver
from driver import say

PEERS = {"pfn": ["torch-ragged", "torch-padded"], "particlenet": ["torch-ragged-factored", "weaver-tuned", "weaver"],
         "particletransformer": ["torch-ragged"]}
GRADIENT_TOLERANCE = 2e-3  # of its length: rounding decides between neighbors at almost the same distance
SLOW_ROUNDS = 4  # of padded peers; weaver trims to one of four lengths in each


def is_weaver(name):
    return name.startswith("weaver")


def is_slow(name):
    return is_weaver(name) or name.startswith("torch-padded")


def check_equal(ours, engine, folder, counts):
    """Compares outputs, then loss and gradient of the first training batch where both have the same."""
    result = driver.check_outputs(ours, engine, counts)
    if is_weaver(engine.name):
        return result  # its batch normalisation counts padding, and its trim drops particles
    gradients = []
    for e in (ours, engine):
        file = folder / f"gradient-{e.name}.bin"
        gradients.append((e.ask(do="check", gradient=str(file))["loss"], array.array("f", file.read_bytes())))
    (loss, gradient), (other_loss, other_gradient) = gradients
    result["loss_difference"] = abs(loss - other_loss)
    difference = sum((a - b) ** 2 for a, b in zip(gradient, other_gradient)) ** 0.5
    result["gradient_difference"] = difference / sum(a * a for a in gradient) ** 0.5
    if len(gradient) != len(other_gradient) or not result["loss_difference"] <= driver.OUTPUT_TOLERANCE or \
            not result["gradient_difference"] <= GRADIENT_TOLERANCE:
        driver.stop(f"training of {engine.name} differs: {result}")
    return result


def time_rounds(engines, rounds, seconds):
    """Every engine once a round, the order turning; returns the replies by engine and round."""
    steps = {}
    for engine in engines:
        if is_weaver(engine.name):
            steps[engine.name] = 1  # the comparison of outputs has warmed it up
            continue
        warm = [engine.ask(do="round", steps=1)["seconds"] for _ in range(2)]  # not counted
        steps[engine.name] = max(1, min(200, round(seconds / min(warm))))
    replies = {engine.name: [] for engine in engines}
    for i in range(rounds):
        turn = i % len(engines)
        for engine in engines[turn:] + engines[:turn]:
            if i < SLOW_ROUNDS or not is_slow(engine.name):
                replies[engine.name].append(engine.ask(do="round", steps=steps[engine.name]))
    return replies


def rates(replies):
    return [reply["jets"] / reply["seconds"] for reply in replies]


def mean_rate(replies):
    return sum(reply["jets"] for reply in replies) / sum(reply["seconds"] for reply in replies)


def row(name, replies, gflop, peak, batch):
    speeds = driver.spread(rates(replies)) | {"mean": mean_rate(replies)}
    result = {"batch": batch, "jets_per_s": speeds, "steps_a_round": len(replies[0]["steps"]),
              "gflop_per_s": speeds["best"] * gflop, "share_of_sgemm": speeds["best"] * gflop / peak["best"],
              "share_of_sgemm_median": speeds["median"] * gflop / peak["median"],
              "peak_rss_mb": max(reply["peak_rss_mb"] for reply in replies)}
    lengths = [length for reply in replies for length in reply.get("lengths", [])]
    return result | ({"trimmed_to": lengths} if lengths else {})


def faster_by(ours, theirs):
    mine, other = rates(ours), rates(theirs)
    paired = [a / b for a, b in zip(mine, other)]
    return {"best": max(mine) / max(other), "median": statistics.median(mine) / statistics.median(other),
            "mean": mean_rate(ours) / mean_rate(theirs), "worst_round": min(paired)}


def edge_traffic(configuration, counts, batch):
    """Estimates the gigabytes of edge tensors that plain tensor operations write and read in a step, first layer factored.

    Passes over a tensor of all edges: two gathers and their sum 5; batch normalisation 3 forward, 5 backward; ReLU 2 and 3; a
    further linear layer 2 and 4; mean 1 and 1; gradients of the gathers 2.
    """
    if configuration["network"] != "particlenet":
        return None
    edges = sum(n * min(configuration["neighbors"], n - 1) for n in counts) / len(counts) * batch
    layers = configuration["edge_layers"]
    passes = 5 + 13 * layers + 6 * (layers - 1) + 2 + 2
    return configuration["edge_blocks"] * passes * edges * configuration["edge_units"] * 4e-9


def compare(options, model, threads, folder):
    jets, network = driver.make_inputs(options, model, folder)
    command = [options.jetcal, "bench", "train", "--worker", "--network", network, "--jets", jets, "--threads", threads,
               "--batch", options.batch, *options.jetcal_arguments]
    with driver.Engine("jetcal", command, driver.threads_environment(threads)) as ours:
        kind = driver.network_kind(network)
        names = options.peers if options.peers is not None else PEERS[kind]
        names = [name for name in names if not (kind == "pfn" and is_weaver(name))]
        batch = {name: options.weaver_batch if is_weaver(name) else options.batch for name in names}
        peers = [driver.peer(name, threads, "--network", network, "--jets", jets, "--batch", batch[name]) for name in names]
        sgemm = driver.peer("sgemm", threads)
        try:
            counts = driver.particle_counts(jets)
            equal = {engine.name: check_equal(ours, engine, folder, counts) for engine in peers}
            replies = time_rounds([ours, *peers, sgemm], options.rounds, options.seconds)
        finally:
            for engine in [*peers, sgemm]:
                engine.__exit__()
        description = ours.description | {"torch": sgemm.description["torch"]}
    peak = driver.spread([reply["gflop_per_s"] for reply in replies["sgemm"]])
    gflop = 3 * 2 * description["macs_per_jet"] * 1e-9
    rows = {"jetcal": row("jetcal", replies["jetcal"], gflop, peak, options.batch)}
    for name in names:
        rows[name] = row(name, replies[name], gflop, peak, batch[name]) | {
            "jetcal_is_faster_by": faster_by(replies["jetcal"], replies[name]), "equal": equal[name]}
    if "torch-ragged-factored" in rows:
        rows["torch-ragged-factored"]["edge_tensor_gb_per_step"] = edge_traffic(description["configuration"], counts,
                                                                               options.batch)
    result = {"model": model, "threads": threads, "batch": options.batch, "rounds": options.rounds,
              "particles_per_jet": description["particles_per_jet"], "parameters": description["parameters"],
              "configuration": description["configuration"], "gflop_per_jet": gflop, "sgemm_gflop_per_s": peak, "engines": rows}
    show(result)
    return result, description


def show(result):
    peak = result["sgemm_gflop_per_s"]
    say(f"train {result['model']}, {result['threads']} thread(s), batch {result['batch']}, {result['rounds']} rounds, "
        f"sgemm {peak['best']:.0f} best {peak['median']:.0f} median GFLOP/s")
    for name, entry in result["engines"].items():
        speeds, faster = entry["jets_per_s"], entry.get("jetcal_is_faster_by")
        text = f"  {name:22} {speeds['best']:8.1f} best {speeds['median']:8.1f} median {speeds['mean']:8.1f} mean jets/s " \
               f"{entry['gflop_per_s']:6.1f} GFLOP/s {100 * entry['share_of_sgemm']:5.1f} %"
        if faster:
            text += f"  jetcal x {faster['best']:.2f} best {faster['median']:.2f} median {faster['mean']:.2f} mean " \
                    f"{faster['worst_round']:.2f} worst round"
        say(text)
