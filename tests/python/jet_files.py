# SPDX-License-Identifier: Apache-2.0
"""Files of random jets for the suites: JetNTuple, NanoAOD without candidates, and Parquet."""

import awkward
import numpy
import pyarrow
import pyarrow.parquet
import uproot

JET_BRANCHES = {
    "pt_reco": "jetPt", "eta": "jetEta", "phi": "jetPhi", "mass": "jetMass", "area": "jetArea", "pt_raw": "jetRawPt",
    "qg_pt_d": "QG_ptD", "qg_axis2": "QG_axis2", "qg_mult": "QG_mult", "pt_gen": "genJetPt", "eta_gen": "genJetEta",
    "hadron_flavor": "hadronFlav", "parton_flavor": "partonFlav", "rho": "rhoAll", "num_vertices": "PV_npvsGood",
    "num_pileup": "Pileup_nTrueInt", "event": "event", "weight": "eventWeight"}
PARTICLE_BRANCHES = {
    "pf_pt": "PF_pT", "pf_d_eta": "PF_dEta", "pf_d_phi": "PF_dPhi", "pf_mass": "PF_mass", "pf_id": "PF_id",
    "pf_from_pv": "PF_fromPV", "pf_from_jet": "PF_fromAK4Jet"}
INTEGERS = {"QG_mult", "hadronFlav", "partonFlav", "PV_npvsGood", "PF_id", "PF_fromPV", "PF_fromAK4Jet"}
NANO_MISSING = ["particle-flow candidates", "quark-gluon variables"]


def make_branches(count, seed=1):
    """Makes the branches of a JetNTuple as arrays."""
    random = numpy.random.default_rng(seed)
    jets = {name: random.uniform(1, 100, count).astype("f4") for name in JET_BRANCHES.values()}
    jets["genJetPt"] = random.uniform(0, 100, count).astype("f4")
    jets["genJetPt"][::10] = 0
    jets["genJetEta"] = random.uniform(-3, 3, count).astype("f4")
    for name in INTEGERS & set(jets):
        jets[name] = random.integers(-5, 22, count).astype("i4")
    jets["event"] = random.integers(0, 2**64 - 1, count, dtype="u8")
    lengths = random.integers(0, 160, count)
    particles = {}
    for name in PARTICLE_BRANCHES.values():
        total = int(lengths.sum())
        flat = (random.integers(0, 2, total).astype("i4") if name in INTEGERS
                else random.uniform(-1, 1, total).astype("f4"))
        particles[name[3:]] = awkward.unflatten(abs(flat) if name == "PF_pT" else flat, lengths)
    jets["PF"] = awkward.zip(particles)
    return jets


def write_ntuple(path, jets, name="AK4jets/jetTree", leave_out=()):
    particles = awkward.unzip(jets["PF"]), awkward.fields(jets["PF"])
    kept = [(field, array) for array, field in zip(*particles) if f"PF_{field}" not in leave_out]
    branches = {key: value for key, value in jets.items() if key not in leave_out and key != "PF"}
    branches["PF"] = awkward.zip(dict(kept))
    with uproot.recreate(path) as file:
        tree = file.mktree(name, {key: value.type if isinstance(value, awkward.Array) else value.dtype
                                  for key, value in branches.items()})
        half = len(branches["event"]) // 2
        tree.extend({key: value[:half] for key, value in branches.items()})
        tree.extend({key: value[half:] for key, value in branches.items()})


def write_parquet(path, jets, leave_out=(), **options):
    """Writes the jets of make_branches with the names of the shards."""
    columns = {name: pyarrow.array(jets[branch]) for name, branch in JET_BRANCHES.items()}
    for name, branch in PARTICLE_BRANCHES.items():
        columns[name] = awkward.to_arrow(jets["PF"][branch[3:]], extensionarray=False)
    table = pyarrow.table({name: column for name, column in columns.items() if name not in leave_out})
    pyarrow.parquet.write_table(table, path, **options)


def make_nano(version, count=60, seed=1):
    """Makes events of NanoAOD without candidates, with the types of the version: v8, v12 or v15."""
    random = numpy.random.default_rng(seed)
    new = version != "v8"
    index, flavor, small = ("i2", "u1", "u1") if new else ("i4", "i4", "i4")
    num_jets, num_gen = random.integers(0, 9, count), random.integers(0, 6, count)

    def lists(lengths, low, high, dtype="f4"):
        total = int(lengths.sum())
        flat = random.uniform(low, high, total) if dtype == "f4" else random.integers(low, high, total)
        return awkward.unflatten(flat.astype(dtype), lengths)

    jet = {"pt": lists(num_jets, 15, 300), "eta": lists(num_jets, -3, 3), "phi": lists(num_jets, -3.1, 3.1),
           "mass": lists(num_jets, 1, 30), "area": lists(num_jets, 0.4, 0.6), "rawFactor": lists(num_jets, -0.2, 0.3),
           # -1 is no match; the number of stored generator jets is often less than 7
           "genJetIdx": lists(num_jets, -1, 7, index), "partonFlavour": lists(num_jets, -5, 6, index),
           "hadronFlavour": lists(num_jets, 0, 6, flavor)}
    if version == "v15":
        jet["UParTAK4RegPtRawCorr"] = lists(num_jets, 0.8, 1.2)
    if new:
        jet["PNetRegPtRawCorr"] = lists(num_jets, 0.8, 1.2)
    return {
        "Jet": awkward.zip(jet),
        "GenJet": awkward.zip({"pt": lists(num_gen, 10, 300), "eta": lists(num_gen, -3, 3)}),
        "Rho_fixedGridRhoFastjetAll" if new else "fixedGridRhoFastjetAll": random.uniform(5, 40, count).astype("f4"),
        "PV_npvsGood": random.integers(1, 60, count).astype(small),
        "Pileup_nTrueInt": random.uniform(5, 60, count).astype("f4"),
        "event": random.integers(0, 2**64 - 1, count, dtype="u8"),
        "genWeight": random.uniform(0, 1, count).astype("f4")}


def write_nano(path, events, storage="TTree", compression=uproot.ZLIB(1), leave_out=()):
    """Writes events as TTree (with a counter nJet) or as RNTuple (with one list per variable)."""
    kept = {}
    for name, value in events.items():
        if not isinstance(value, awkward.Array):
            kept[name] = value
            continue
        fields = {field: value[field] for field in awkward.fields(value) if f"{name}_{field}" not in leave_out}
        if storage == "TTree":
            kept[name] = awkward.zip(fields)
        else:
            kept.update({f"{name}_{field}": array for field, array in fields.items()})
    kept = {name: value for name, value in kept.items() if name not in leave_out}
    with uproot.recreate(path, compression=compression) as file:
        if storage == "TTree":
            tree = file.mktree("Events", {name: value.type if isinstance(value, awkward.Array) else value.dtype
                                          for name, value in kept.items()})
            tree.extend(kept)
        else:
            file.mkrntuple("Events", awkward.Array(kept))


def by_nano_rules(events):
    """Computes what ingest should find for every jet, in the order of events and jets."""
    jet, gen = events["Jet"], events["GenJet"]
    stored = awkward.num(gen.pt)
    index = jet.genJetIdx
    matched = (index >= 0) & (index < stored)
    padded_pt = awkward.fill_none(awkward.pad_none(gen.pt, 7, axis=1), 0)
    padded_eta = awkward.fill_none(awkward.pad_none(gen.eta, 7, axis=1), 0)
    safe = awkward.where(matched, index, 0)

    def flat(array):
        return awkward.to_numpy(awkward.flatten(awkward.broadcast_arrays(array, jet.pt)[0]))

    rho = next(value for name, value in events.items() if name.endswith("fixedGridRhoFastjetAll"))
    return {
        "pt_reco": flat(jet.pt), "eta": flat(jet.eta), "phi": flat(jet.phi), "mass": flat(jet.mass),
        "area": flat(jet.area), "pt_raw": flat(jet.pt * (1 - jet.rawFactor)),
        "pt_gen": flat(awkward.where(matched, padded_pt[safe], 0)),
        "eta_gen": flat(awkward.where(matched, padded_eta[safe], 0)),
        "hadron_flavor": flat(jet.hadronFlavour), "parton_flavor": flat(jet.partonFlavour), "rho": flat(rho),
        "num_vertices": flat(events["PV_npvsGood"]), "num_pileup": flat(events["Pileup_nTrueInt"]),
        "event": flat(events["event"]), "weight": flat(events["genWeight"]),
        "unmatched": int(awkward.sum(~matched)), "unstored": int(awkward.sum(index >= stored))}
