# SPDX-License-Identifier: Apache-2.0
"""jetcal beside the real tritonserver: several hundred valid and malformed requests get the same answers but for the differences
that are listed with their reasons; and libtriton_jetcal.so inside it gives the numbers of the native engine."""

import concurrent.futures
import json
import pathlib
import time

import grpc
import numpy as np
import oip_cases
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

# Prefixes of case names, and why jetcal answers otherwise there. A case that is not named must agree: in the status, or in the code
# and text of gRPC; in the parsed body of what succeeds.
DIFFERENT = {
    "health answers have the body of the protocol, which KServe's client reads": [
        "http GET /v2/health/live", "http GET /v2/health/ready", "http GET /v2/models/plain/ready",
        "http GET /v2/models/plain/versions/1/ready"],
    "an unknown model or version is 404 when its readiness is asked, as in KServe": [
        "http GET /v2/models/plain/versions/2/ready", "http GET /v2/models/nobody/ready"],
    "name, version and engine of the server": ["http GET /v2", "grpc config", "http GET /v2/models/plain"],
    "binary_data_output is the default of named outputs too, as the extension says": ["http json binary all but z"],
    "the platform is ONNX Runtime here and Python there": ["grpc metadata plain"],
    "percent-encoded paths are decoded": ["http json /v2/models/pl%61in/infer"],
    "nested data must have the shape of the request: other nesting is most likely transposed": [
        "http json data=[[1], [2]]", "http json data=[[[[1, 2]]]]"],
    "NaN and infinities are no JSON, and numbers beyond FP32 are refused": [
        "http json literal NaN", "http json literal Infinity", "http json literal -Infinity", "http json data=[1e+39",
        "http json data=[Infinity", "http binary nan"],
    "shapes that overflow are refused; Triton counts them modulo 2^64, and one ends its process": [
        "http json shape=[1099511627776", "http json shape=[4294967297", "grpc infer shape [1099511627776", "grpc stream shape [1099511627776",
        "grpc infer shape [-1", "grpc stream shape [-1"],
    "data without elements has none": ["http json shape=[1, 0]"],
    "an empty batch is refused": ["http json shape=[0, 2]", "http binary shape [0, 2]", "grpc infer shape [0, 2]", "grpc stream shape [0, 2]"],
    "what cannot be read is refused instead of taken for an empty tensor": [
        "http json empty", "http coding gzip 80", "http coding deflate 2", "http coding gzip 74", "http raw empty"],
    "a header that is no number is refused; Triton takes what strtoll makes of it": ["http binary header"],
    "binary tensors need the header that says where they begin": ["http binary no header"],
    "the status of an unsupported coding is 415": ["http coding br", "http coding  80"],
    "raw requests name the input as the model does": ["http raw odd"],
    "a number that is not finite is null in JSON": ["http binary nan to json"],
    "several mistakes at once, of which another is told first": ["http json not utf-8", "http json inputs number", "http json shape=[1]",
                                                                "http json shape=[1, 3]", "http json shape=[17, 1]",
                                                                "grpc infer shape [17, 1]", "grpc stream shape [17, 1]"],
    "fields of a wrong kind are refused where Triton passes over them": ["http index list", "http trace wrong level", "http trace of plain wrong",
                                                                        "http logging wrong format"],
    "traces are not written": ["grpc trace", "http trace"],
    "an accepted '*' is answered compressed or not": ["http accept *"],
    "regions of a GPU do not exist": ["grpc cuda register", "http cudasharedmemory register"],
    "the text says more": ["grpc infer datatype fp32", "grpc infer datatype TYPE", "grpc infer datatype ", "grpc stream datatype", "grpc infer version x",
                           "grpc stream version x", "grpc ready plain/x", "grpc metadata plain/x", "grpc config plain/x", "grpc statistics plain/x", "grpc load",
                           "grpc unload", "grpc unknown method", "grpc infer two inputs", "grpc stream two inputs"],
    "requests are parsed before models are looked for, or the other way round": ["http json /v2/models/plain/versions/9999"],
    "an extra output or input is refused in other words": ["http json two inputs"],
}


def make_models(folder):
    """The same model `plain` for both: ONNX for jetcal, Python for Triton."""
    make_plain_model(folder / "ours" / "plain" / "1" / "model.onnx")
    theirs = folder / "theirs" / "plain"
    (theirs / "1").mkdir(parents=True)
    (theirs / "1" / "model.py").write_text(PYTHON_MODEL)
    config = (folder / "ours" / "plain" / "config.pbtxt").read_text()
    (theirs / "config.pbtxt").write_text(config.replace('platform: "onnxruntime_onnx"', 'backend: "python"'))


def agree(case, ours, theirs):
    if case.startswith("http"):
        if theirs["status"] == 500 and 400 <= ours["status"] < 500:
            return True  # what a client did wrong is 400 here
        if ours["status"] != theirs["status"]:
            return False
        return theirs["status"] != 200 or (ours["body"] == theirs["body"] and ours["tensors"] == theirs["tensors"])
    if (ours["code"], ours["details"]) != (theirs["code"], theirs["details"]):
        return False
    return ours["replies"] == theirs["replies"]


def ask_both(ours, theirs):
    channels = grpc.insecure_channel(ours.url), grpc.insecure_channel(theirs.grpc_url)
    for name, request in oip_cases.http_cases():
        mine = oip_cases.ask_http(ours.url, request)
        try:
            yield f"http {name}", mine, oip_cases.ask_http(theirs.url, request)
        except OSError:  # it has ended its process
            time.sleep(1)
            theirs.revive()
            yield f"http {name}", mine, {"status": 0, "coding": None, "body": None, "tensors": ""}
    for name, request in oip_cases.grpc_cases():
        yield f"grpc {name}", oip_cases.ask_grpc(channels[0], request), oip_cases.ask_grpc(channels[1], request)


def test_answers_agree_but_for_the_listed_differences(tmp_path):
    make_models(tmp_path)
    prefixes = [prefix for cases in DIFFERENT.values() for prefix in cases]
    count, wrong = 0, []
    with Triton(tmp_path / "theirs") as theirs, Served(tmp_path / "ours") as ours:
        for case, mine, other in ask_both(ours, theirs):
            count += 1
            if not agree(case, mine, other) and not any(case.startswith(prefix) for prefix in prefixes):
                wrong.append(f"{case}\n  jetcal {json.dumps(mine)[:300]}\n  Triton {json.dumps(other)[:300]}")
    assert count > 450
    assert not wrong, "\n".join(wrong)


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
    return folder, inside


def test_the_backend_inside_triton_gives_the_same_numbers(backend_repository):
    ours, inside = backend_repository
    with Served(ours) as server, Triton(inside, BACKEND) as real, triton.InferenceServerClient(server.url) as native, \
            triton.InferenceServerClient(real.url, concurrency=16) as client:
        for num_jets, particles in [(1, 5), (7, 40), (64, 100)]:
            jets = make_jets(num_jets, particles)
            expected = native.infer("optimal", make_inputs(jets, True)).as_numpy("output")
            np.testing.assert_array_equal(client.infer("padded", make_inputs(jets, True)).as_numpy("output"), expected)
            np.testing.assert_array_equal(client.infer("flat", typed(triton, ragged(jets))).as_numpy("output"), expected)
        with triton_grpc.InferenceServerClient(real.grpc_url) as other:
            np.testing.assert_array_equal(other.infer("padded", typed(triton_grpc, jets)).as_numpy("output"), expected)
        wrong = dict(jets, pf_mask=np.ones((64, 1, 99), np.float32))
        with pytest.raises(Exception) as caught:
            client.infer("padded", make_inputs(wrong, True))
        assert "unexpected shape" in str(caught.value)
        # Requests of different lengths become one execution.
        cases = [make_jets(1 + i % 3, 5 + 3 * i, seed=i) for i in range(12)]
        expected = [native.infer("optimal", make_inputs(jets, True)).as_numpy("output") for jets in cases]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for answer, wanted in zip(pool.map(lambda jets: ask(real.url, "batched", jets), cases), expected):
                np.testing.assert_array_equal(answer, wanted)
        (model,) = client.get_inference_statistics("batched")["model_stats"]
        assert model["inference_count"] == sum(len(jets["pf_mask"]) for jets in cases)
        assert model["execution_count"] < 12
