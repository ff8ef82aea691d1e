#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a sample of any size from the jets of a small one, to try training at scale.

    build/release/bin/jetcal ingest data/sample/qcd_20k.root --output shards
    ~/.cache/jetcal/python/bin/python tools/make_large_sample.py shards large --jets 14000000 --constituents

Every jet is one of the small sample, mirrored in eta or not, turned in phi, with all its energies multiplied by one factor (3 %
wide): another jet with the same response. The same seed gives the same files. --constituents leaves the candidates around the jets out,
which makes about 700 bytes a jet and is enough for the input mode of that name. The result has a manifest and is read like any folder
of shards, or uploaded to an object store. Needs numpy and pyarrow: the Python that `tools/setup.py test` makes.
"""

import argparse
import concurrent.futures
import copy
import json
import os
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.ipc

ENERGIES = ("pt_reco", "pt_raw", "pt_gen", "mass", "pf_pt", "pf_mass")
SPLITS = ("train", "validation", "test")


def read_jets(folder, constituents):
    """All jets of the small sample as numpy columns, particle columns flat beside their offsets."""
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in sorted(folder.glob("*.arrow"))]
    if not tables:
        sys.exit(f"make_large_sample: no shards in {folder}")
    table = pa.concat_tables(tables).combine_chunks()
    jets, particles, offsets = {}, {}, None
    for name in table.column_names:
        column = table.column(name).chunk(0)
        if pa.types.is_large_list(column.type):
            offsets = column.offsets.to_numpy()
            particles[name] = column.values.to_numpy()
        else:
            jets[name] = column.to_numpy()
    if constituents:
        keep = particles["pf_from_jet"] == 1
        before = np.concatenate([[0], np.cumsum(keep)])
        particles = {name: values[keep] for name, values in particles.items()}
        offsets = before[offsets]
    return table.schema, jets, particles, offsets


def take_particles(offsets, rows):
    """Indices of the particles of some jets, and the offsets of those jets."""
    counts = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(counts)
    index = np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[rows] - (ends - counts), counts)
    return index, np.concatenate([[0], ends]).astype(np.int64), counts


def make_batch(sample, first, count, seed):
    """Jets `first` to `first + count` of the large sample."""
    schema, jets, particles, offsets = sample
    rows = (first + np.arange(count)) % len(jets["pt_reco"])
    rng = np.random.Generator(np.random.Philox(key=[seed, first]))
    factor = np.exp(rng.normal(0, 0.03, count)).astype(np.float32)
    mirror = rng.choice(np.array([-1, 1], np.float32), count)
    turn = rng.uniform(-np.pi, np.pi, count).astype(np.float32)
    index, new_offsets, counts = take_particles(offsets, rows)
    columns = {name: values[rows] for name, values in jets.items()}
    columns |= {name: values[index] for name, values in particles.items()}
    for name in ENERGIES:
        columns[name] = columns[name] * (np.repeat(factor, counts) if name.startswith("pf_") else factor)
    columns["eta"], columns["eta_gen"] = columns["eta"] * mirror, columns["eta_gen"] * mirror
    columns["pf_d_eta"] = columns["pf_d_eta"] * np.repeat(mirror, counts)
    columns["phi"] = ((columns["phi"] + turn + np.pi) % (2 * np.pi) - np.pi).astype(np.float32)
    columns["event"] = (first + np.arange(count)).astype(np.uint64)
    columns["source_entry"], columns["source_jet"] = first + np.arange(count), np.zeros(count, np.int32)
    arrays = []
    for field in schema:
        values = columns[field.name]
        if pa.types.is_large_list(field.type):
            arrays.append(pa.LargeListArray.from_arrays(pa.array(new_offsets, pa.int64()),
                                                        pa.array(values, field.type.value_type)))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema), np.array([len(index), count_unusable(columns)])


def count_unusable(columns):
    """Particles that edm::is_usable_particle() refuses."""
    pt, angles = columns["pf_pt"], (columns["pf_d_eta"], columns["pf_d_phi"])
    usable = (pt > 0) & np.isfinite(pt)
    for angle in angles:
        usable &= np.abs(angle) <= 1e9
    return int(np.count_nonzero(~usable))


def write_shard(arguments):
    path, first, count, batch_jets, seed = arguments
    particles = np.zeros(2, np.int64)  # all of them, and unusable ones
    part = path.with_suffix(".arrow.part")
    with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, SAMPLE[0]) as writer:
        for start in range(first, first + count, batch_jets):
            batch, of_batch = make_batch(SAMPLE, start, min(batch_jets, first + count - start), seed)
            writer.write_batch(batch)
            particles += of_batch
    part.rename(path)
    return particles.tolist()


def load_sample(folder, constituents):
    global SAMPLE
    SAMPLE = read_jets(folder, constituents)


def plan(options):
    """Shards as (split, name, first jet, jets); jets of the splits do not overlap."""
    held_out = int(options.jets * options.held_out)
    shards, first = [], 0
    for split, jets in zip(SPLITS, (options.jets - 2 * held_out, held_out, held_out)):
        for number, start in enumerate(range(0, jets, options.shard_jets)):
            count = min(options.shard_jets, jets - start)
            shards.append((split, f"{split}-{number:05d}.arrow", first + start, count))
        first += jets
    return shards


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=pathlib.Path, help="folder of shards that jetcal ingest wrote")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--jets", type=int, default=1_000_000)
    parser.add_argument("--held-out", type=float, default=0.005, help="part of the jets for validation, and for test")
    parser.add_argument("--shard-jets", type=int, default=500_000)
    parser.add_argument("--batch-jets", type=int, default=16384)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--constituents", action="store_true", help="without the candidates around the jets")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    manifest = json.loads((options.sample / "manifest.json").read_text())
    options.output.mkdir(parents=True, exist_ok=True)
    shards = plan(options)
    work = [(options.output / name, first, count, options.batch_jets, options.seed) for _, name, first, count in shards]
    with concurrent.futures.ProcessPoolExecutor(options.processes, initializer=load_sample,
                                                initargs=(options.sample, options.constituents)) as pool:
        particles = list(pool.map(write_shard, work))
    template = manifest["files"][0]
    manifest["options"] |= {"shard_batch_jets": options.batch_jets, "inputs": []}
    manifest["files"] = []
    for (split, name, first, count), (num_particles, unusable) in zip(shards, particles):
        entry = copy.deepcopy(template) | {"path": f"repeated from jet {first}", "num_entries": count, "size": 0}
        entry["counts"] = {"read": count, "selected": count, "particles_read": num_particles,
                           "particles_selected": num_particles, "particles_unusable": unusable}
        entry["shards"] = [{"name": name, "split": split, "num_jets": count, "num_particles": num_particles}]
        manifest["files"].append(entry)
    (options.output / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    size = sum(path.stat().st_size for path, *_ in work)
    print(f"{options.jets} jets, {sum(number for number, _ in particles)} particles, {size / 1e9:.2f} GB in {len(shards)} shards in {options.output}")


if __name__ == "__main__":
    main()
