# SPDX-License-Identifier: Apache-2.0
"""jetcal beside the real tritonserver: several hundred valid and malformed requests get the same answers but for the differences
that are listed with their reasons; and libtriton_jetcal.so inside it gives the numbers of the native engine."""

import concurrent.futures
import itertools
import json
import pathlib
import time

import grpc
import numpy as np
import oip_cases
import oip_differences
import oip_types
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from conftest import JETCAL
from served import Served, export
from test_serve import make_inputs, make_jets, make_plain_model
from test_serve_control import ask, ragged, typed
from triton_server import Triton

BACKEND = pathlib.Path(JETCAL).parents[1] / "lib" / "triton"

PYTHON_MODEL = '''
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        replies = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x").as_numpy()
            with np.errstate(all="ignore"):
                z = np.abs(x).astype(np.int64)
            replies.append(pb.InferenceResponse([pb.Tensor("y", 2 * x + 1), pb.Tensor("z", z)]))
        return replies
'''

def make_models(folder):
    """The same models for both: ONNX for jetcal, Python for Triton."""
    oip_types.make_models(folder)
    make_plain_model(folder / "ours" / "plain" / "1" / "model.onnx")
    theirs = folder / "theirs" / "plain"
    (theirs / "1").mkdir(parents=True)
    (theirs / "1" / "model.py").write_text(PYTHON_MODEL)
    config = (folder / "ours" / "plain" / "config.pbtxt").read_text()
    (theirs / "config.pbtxt").write_text(config.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))


def error_of(answer):
    return answer["body"].get("error") if isinstance(answer["body"], dict) else None


def differ(case, ours, theirs):
    """Whether a client sees another answer: status or code, the parsed body and tensors of what succeeds, an error whose text does
    not hold Triton's."""
    if case.startswith("grpc"):
        return (ours["code"], ours["replies"]) != (theirs["code"], theirs["replies"]) or theirs["details"] not in ours["details"]
    if ours["status"] != theirs["status"]:
        return True
    if error_of(theirs) is not None and error_of(ours) is not None:
        return error_of(theirs) not in error_of(ours)
    return any(ours[part] != theirs[part] for part in ("body", "tensors", "coding", "binary"))


def ask_both(ours, theirs):
    channels = grpc.insecure_channel(ours.url), grpc.insecure_channel(theirs.grpc_url)
    for name, request in itertools.chain(oip_cases.http_cases(), oip_types.http_cases()):
        mine = oip_cases.ask_http(ours.url, request)
        try:
            yield f"http {name}", mine, oip_cases.ask_http(theirs.url, request)
        except OSError:  # it has ended its process
            time.sleep(1)
            theirs.revive()
            yield f"http {name}", mine, {"status": 0, "type": None, "coding": None, "allow": None, "binary": False,
                                          "body": None, "tensors": ""}
    for name, request in itertools.chain(oip_cases.grpc_cases(), oip_types.grpc_cases()):
        yield f"grpc {name}", oip_cases.ask_grpc(channels[0], request), oip_cases.ask_grpc(channels[1], request)


def listed(table):
    """The cases of a table; each stands there once."""
    cases = [case for group in table.values() for case in group.splitlines() if case]
    assert len(cases) == len(set(cases)), [case for case in cases if cases.count(case) > 1]
    return set(cases)


def test_answers_agree_but_for_the_listed_differences(tmp_path):
    make_models(tmp_path)
    seen, other_answers, other_types, shown = set(), set(), set(), {}
    with Triton(tmp_path / "theirs") as theirs, Served(tmp_path / "ours") as ours:
        for case, mine, other in ask_both(ours, theirs):
            assert case not in seen, case
            seen.add(case)
            shown[case] = f"{case}\n  jetcal {json.dumps(mine)[:300]}\n  Triton {json.dumps(other)[:300]}"
            if differ(case, mine, other):
                other_answers.add(case)
            if case.startswith("http") and mine["type"] != other["type"]:
                other_types.add(case)
            if case.startswith("http") and mine["allow"] != other["allow"]:
                assert mine["status"] == 405 and other["allow"] is None, shown[case]  # HTTP asks for the header there
    assert len([case for case in seen if case.startswith("http")]) > 450 and len([case for case in seen if case.startswith("grpc")]) > 200
    for table, found in [(oip_differences.ANSWERS, other_answers), (oip_differences.CONTENT_TYPES, other_types)]:
        expected = listed(table)
        assert not found - expected, "\n".join(shown[case] for case in sorted(found - expected))
        assert not expected - found, f"listed, but the answers agree or nobody asks: {sorted(expected - found)}"


@pytest.fixture(scope="module")
def backend_repository(jetcal, tmp_path_factory):
    if not (BACKEND / "jetcal" / "libtriton_jetcal.so").exists():
        pytest.skip(f"{BACKEND}/jetcal/libtriton_jetcal.so is not built (target triton_jetcal)")
    folder = tmp_path_factory.mktemp("repository")
    export(jetcal, folder, "small-particlenet", "optimal")
    inside = tmp_path_factory.mktemp("inside")
    for name, batching in [("padded", ""), ("batched", "dynamic_batching { max_queue_delay_microseconds: 20000 }")]:
        (inside / name / "1").mkdir(parents=True)
        (inside / name / "1" / "model.jetcal").write_bytes((folder / "optimal" / "1" / "model.jetcal").read_bytes())
        (inside / name / "config.pbtxt").write_text(f"""name: "{name}"
backend: "jetcal"
max_batch_size: 100000
input [ {{ name: "pf_points" data_type: TYPE_FP32 dims: [ 2, -1 ] allow_ragged_batch: true }},
        {{ name: "pf_features" data_type: TYPE_FP32 dims: [ 6, -1 ] allow_ragged_batch: true }},
        {{ name: "pf_mask" data_type: TYPE_FP32 dims: [ 1, -1 ] allow_ragged_batch: true }},
        {{ name: "jet_features" data_type: TYPE_FP32 dims: [ 8 ] }} ]
output [ {{ name: "output" data_type: TYPE_FP32 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
{batching}
""")
    export(jetcal, inside, "small-particlenet", "exported", "--triton-backend")
    for where in (folder, inside):
        export(jetcal, where, "small-particlenet", "fewer-bits", "--triton-backend")
        with open(where / "fewer-bits" / "config.pbtxt", "a") as config:
            config.write('parameters { key: "precision" value { string_value: "int16" } }\n')
    (inside / "flat" / "1").mkdir(parents=True)
    (inside / "flat" / "1" / "model.jetcal").write_bytes((folder / "optimal" / "1" / "model.jetcal").read_bytes())
    (inside / "flat" / "config.pbtxt").write_text("""name: "flat"
backend: "jetcal"
max_batch_size: 0
input [ { name: "pf_counts" data_type: TYPE_INT32 dims: [ -1 ] }, { name: "pf_features" data_type: TYPE_FP32 dims: [ -1, 6 ] },
        { name: "pf_points" data_type: TYPE_FP32 dims: [ -1, 2 ] }, { name: "jet_features" data_type: TYPE_FP32 dims: [ -1, 8 ] } ]
output [ { name: "output" data_type: TYPE_FP32 dims: [ -1, 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
""")
    (inside / "more" / "1").mkdir(parents=True)
    (inside / "more" / "1" / "model.jetcal").write_bytes((folder / "optimal" / "1" / "model.jetcal").read_bytes())
    (inside / "more" / "config.pbtxt").write_text(
        (inside / "flat" / "config.pbtxt").read_text().replace('"flat"', '"more"')
        + 'output [ { name: "resolution" data_type: TYPE_FP32 dims: [ -1, 1 ] } ]\n')
    return folder, inside


def test_the_backend_inside_triton_gives_the_same_numbers(backend_repository):
    ours, inside = backend_repository
    with Served(ours) as server, Triton(inside, BACKEND) as real, triton.InferenceServerClient(server.url) as native, \
            triton.InferenceServerClient(real.url, concurrency=16) as client:
        for num_jets, particles in [(1, 5), (7, 40), (64, 100)]:
            jets = make_jets(num_jets, particles)
            expected = native.infer("optimal", make_inputs(jets, True)).as_numpy("output")
            np.testing.assert_array_equal(client.infer("padded", make_inputs(jets, True)).as_numpy("output"), expected)
            np.testing.assert_array_equal(client.infer("exported", make_inputs(jets, True)).as_numpy("output"), expected)
            np.testing.assert_array_equal(client.infer("flat", typed(triton, ragged(jets))).as_numpy("output"), expected)
        in_fewer_bits = native.infer("fewer-bits", make_inputs(jets, True)).as_numpy("output")
        assert not np.array_equal(in_fewer_bits, expected)
        np.testing.assert_array_equal(client.infer("fewer-bits", make_inputs(jets, True)).as_numpy("output"), in_fewer_bits)
        with triton_grpc.InferenceServerClient(real.grpc_url) as other:
            np.testing.assert_array_equal(other.infer("padded", typed(triton_grpc, jets)).as_numpy("output"), expected)
        wrong = dict(jets, pf_mask=np.ones((64, 1, 99), np.float32))
        with pytest.raises(Exception) as caught:
            client.infer("padded", make_inputs(wrong, True))
        assert "unexpected shape" in str(caught.value)
        with pytest.raises(Exception) as caught:  # of an output that only config.pbtxt has
            client.infer("more", typed(triton, ragged(jets)))
        assert "the network has no output 'resolution'" in str(caught.value)
        # Requests of different lengths become one execution.
        cases = [make_jets(1 + i % 3, 5 + 3 * i, seed=i) for i in range(12)]
        expected = [native.infer("optimal", make_inputs(jets, True)).as_numpy("output") for jets in cases]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for answer, wanted in zip(pool.map(lambda jets: ask(real.url, "batched", jets), cases), expected):
                np.testing.assert_array_equal(answer, wanted)
        (model,) = client.get_inference_statistics("batched")["model_stats"]
        assert model["inference_count"] == sum(len(jets["pf_mask"]) for jets in cases)
        assert model["execution_count"] < 12
