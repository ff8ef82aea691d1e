# SPDX-License-Identifier: Apache-2.0
"""Reads jets from a ROOT file as other people do; prints one JSON document.

    python -m bench.peers.loading uproot FILE      the branches, as ragged arrays
    python -m bench.peers.loading weaver FILE      weaver-core's data set, padded to 100, in batches of 500
"""

import json
import pathlib
import resource
import sys
import time

BRANCHES = ["jetPt", "jetEta", "jetPhi", "jetMass", "jetArea", "QG_ptD", "QG_axis2", "QG_mult", "genJetPt", "genJetEta",
            "jetGenMatch", "PF_pT", "PF_dEta", "PF_dPhi", "PF_dTheta", "PF_dR"]


def read_uproot(file):
    import uproot
    with uproot.open(file) as root:
        arrays = root["AK4jets/jetTree"].arrays(BRANCHES)
    return len(arrays)


def read_weaver(file, fetch_step):
    from .torch_cpu import torch
    from weaver.utils.dataset import SimpleIterDataset
    configuration = str(pathlib.Path(__file__).with_name("weaver_jets.yaml"))
    data = SimpleIterDataset({"jets": [file]}, configuration, for_training=True, fetch_step=fetch_step, async_load=False)
    loader = torch.utils.data.DataLoader(data, batch_size=500, num_workers=0)
    return sum(len(batch[0]["jet_features"]) for batch in loader)


def main():
    what, file = sys.argv[1:3]
    read = {"uproot": lambda: read_uproot(file), "weaver": lambda: read_weaver(file, 0.1),
            "weaver-default": lambda: read_weaver(file, 0.01)}[what]
    rates = []
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 2):  # the first one imports and compiles
        begin = time.perf_counter()
        jets = read()
        rates.append(jets / (time.perf_counter() - begin))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"reader": what, "jets": jets, "jets_per_s": max(rates), "rounds": rates, "peak_rss_mb": memory}))


if __name__ == "__main__":
    main()
