# SPDX-License-Identifier: Apache-2.0
"""What is rendered now is what a real kube-apiserver took under strict validation, by the record of test_nightly_cluster.py."""

import json

from rendered import RECORD, everything, fingerprint


def test_what_is_rendered_was_taken_by_a_real_server(jetcal, tmp_path):
    taken = json.loads(RECORD.read_text())["taken"]
    rendered = {fingerprint(resource): f"{resource['kind']} of {name}" for name, resource in everything(jetcal, tmp_path)}
    new = [what for digest, what in rendered.items() if digest not in taken]
    assert not new, f"no server has seen {new}: JETCAL_RECORD=1 ctest --preset nightly -R cluster"
    assert not [what for digest, what in taken.items() if digest not in rendered], "the record holds what is rendered no more"
