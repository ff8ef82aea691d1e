# SPDX-License-Identifier: Apache-2.0
"""Ragged inputs and batch_input of any ONNX model, as Triton defines them: requests of different lengths become one execution."""

import numpy as np
import onnx
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from onnx import TensorProto, helper
from served import Served

FEATURES = 2
BATCH_INPUTS = {"count": "BATCH_ELEMENT_COUNT", "ends": "BATCH_ACCUMULATED_ELEMENT_COUNT",
                "bounds": "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", "longest": "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
                "items": "BATCH_ITEM_SHAPE", "flat_items": "BATCH_ITEM_SHAPE_FLATTEN"}


def make_ragged_model(folder, kind=TensorProto.INT32, delay_us=50000, batch=64):
    """Sums the elements of each request, and gives back what it learns of the batch, one row a request; `twice` is 2 x."""
    node = helper.make_node
    constant = lambda name, values: helper.make_tensor(name, TensorProto.INT64, [len(values)], values)  # noqa: E731
    column = lambda name, out: [node("Cast", [name], [f"{out}_f"], to=TensorProto.FLOAT),  # noqa: E731
                                node("Reshape", [f"{out}_f", "to_column"], [out])]
    nodes = [node("CumSum", ["x", "axis"], ["running"]), node("Concat", ["nought", "running"], ["sums"], axis=0),
             node("Cast", ["bounds"], ["bounds_64"], to=TensorProto.INT64), node("Gather", ["sums", "bounds_64"], ["at"]),
             node("Slice", ["at", "one", "last"], ["upper"]), node("Slice", ["at", "zero", "minus_one"], ["lower"]),
             node("Sub", ["upper", "lower"], ["difference"]), node("Reshape", ["difference", "to_column"], ["sum"]),
             node("Slice", ["bounds", "zero", "minus_one"], ["starts"]), *column("starts", "start"), *column("ends", "end"),
             *column("count", "elements"), node("Shape", ["longest"], ["longest_shape"]), node("Shape", ["count"], ["requests"]),
             node("Expand", ["longest_shape", "requests"], ["longest_each"]), *column("longest_each", "most"),
             node("Cast", ["items"], ["item"], to=TensorProto.FLOAT), node("Cast", ["flat_items"], ["flat"], to=TensorProto.FLOAT),
             node("Reshape", ["flat", "to_items"], ["flat_item"]), node("Add", ["x", "x"], ["twice"])]
    sizes = {"items": ["R", FEATURES]}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["T"])]
    inputs += [helper.make_tensor_value_info(name, kind, sizes.get(name, [name])) for name in BATCH_INPUTS]
    outputs = {"sum": 1, "start": 1, "end": 1, "elements": 1, "most": 1, "item": FEATURES, "flat_item": FEATURES}
    graph = helper.make_graph(
        nodes, "ragged", inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["R", width]) for name, width in outputs.items()]
        + [helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["T"])],
        [constant("to_column", [-1, 1]), constant("to_items", [-1, FEATURES]), constant("zero", [0]), constant("one", [1]),
         constant("minus_one", [-1]), constant("last", [1 << 60]), helper.make_tensor("axis", TensorProto.INT64, [], [0]),
         helper.make_tensor("nought", TensorProto.FLOAT, [1], [0.0])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "1").mkdir(parents=True)
    onnx.save(model, folder / "1" / "model.onnx")
    named = "TYPE_INT32" if kind == TensorProto.INT32 else "TYPE_FP32"
    batch_inputs = ", ".join(f'{{ kind: {what} target_name: "{name}" data_type: {named} source_input: "x" }}'
                             for name, what in BATCH_INPUTS.items())
    lines = [f'{{ name: "{name}" data_type: TYPE_FP32 dims: [ {width} ] }}' for name, width in outputs.items()]
    (folder / "config.pbtxt").write_text(
        f'platform: "onnxruntime_onnx"\nmax_batch_size: {batch}\n'
        f'input [ {{ name: "x" data_type: TYPE_FP32 dims: [ -1, {FEATURES} ] allow_ragged_batch: true }} ]\n'
        f'output [ {", ".join(lines)}, {{ name: "twice" data_type: TYPE_FP32 dims: [ -1, {FEATURES} ] }} ]\n'
        f'batch_input [ {batch_inputs} ]\n'
        f'batch_output [ {{ target_name: "twice" kind: BATCH_SCATTER_WITH_INPUT_SHAPE source_input: "x" }} ]\n'
        f'dynamic_batching {{ max_queue_delay_microseconds: {delay_us} }}\n')


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    make_ragged_model(folder / "ragged")
    make_ragged_model(folder / "ragged_float", TensorProto.FLOAT)
    with Served(folder) as running:
        yield running


def tensor(module, rows):
    item = module.InferInput("x", list(rows.shape), "FP32")
    item.set_data_from_numpy(rows)
    return [item]


def ask(module, client, model, rows):
    return client.infer(model, tensor(module, rows))


def check(answer, rows):
    value = lambda name: float(answer.as_numpy(name)[0, 0])  # noqa: E731
    np.testing.assert_allclose(value("sum"), rows.sum(dtype=np.float64), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(answer.as_numpy("twice"), 2 * rows)
    assert value("elements") == rows.size and value("end") - value("start") == rows.size and value("most") >= rows.size
    for name in ["item", "flat_item"]:
        np.testing.assert_array_equal(answer.as_numpy(name), [rows.shape[1:]] * rows.shape[0])
    return value("start")


@pytest.mark.parametrize("model", ["ragged", "ragged_float"])
def test_requests_of_different_lengths_become_one_execution(server, model):
    random = np.random.default_rng(5)
    cases = [random.normal(size=(1, 3 + i, FEATURES)).astype(np.float32) for i in range(24)]
    with triton.InferenceServerClient(server.url, concurrency=len(cases)) as client:
        def statistics():
            (model_stats,) = client.get_inference_statistics(model)["model_stats"]
            return model_stats.get("inference_count", 0), model_stats.get("execution_count", 0)
        before = statistics()
        waiting = [client.async_infer(model, tensor(triton, rows)) for rows in cases]
        starts = [check(answer.get_result(), rows) for answer, rows in zip(waiting, cases)]
        inferred, executed = (now - then for now, then in zip(statistics(), before))
        assert inferred == len(cases) and executed < len(cases) / 2
        assert len(set(starts)) > 2  # somebody was not first in its batch


def test_one_request_alone_and_over_grpc(server):
    rows = np.arange(10, dtype=np.float32).reshape(1, 5, FEATURES)
    with triton_grpc.InferenceServerClient(server.url) as client:
        answer = ask(triton_grpc, client, "ragged", rows)
        assert check(answer, rows) == 0
        config = client.get_model_config("ragged", as_json=True)["config"]
        assert config["input"][0]["allow_ragged_batch"] is True
        assert [entry.get("kind", "BATCH_ELEMENT_COUNT") for entry in config["batch_input"]] == list(BATCH_INPUTS.values())
        assert config["batch_output"][0]["target_name"] == ["twice"]


def test_an_empty_request_has_its_place(server):
    rows = np.zeros((1, 0, FEATURES), np.float32)
    with triton.InferenceServerClient(server.url) as client:
        assert check(ask(triton, client, "ragged", rows), rows) == 0


def test_what_does_not_fit_the_model_is_named(tmp_path):
    make_ragged_model(tmp_path / "good")
    text = (tmp_path / "good" / "config.pbtxt").read_text()
    wrong = {"absent": ('target_name: "count"', 'target_name: "nothing"', "fills the batch_input 'nothing', which the model does not have"),
             "typed": ("TYPE_INT32", "TYPE_FP32", "fills the batch_input 'count' with FP32 of 1 dimensions, the model has INT32"),
             "shaped": ("kind: BATCH_ELEMENT_COUNT", "kind: BATCH_ITEM_SHAPE", "fills the batch_input 'count' with INT32 of 2 dimensions"),
             "dense": ("allow_ragged_batch: true", "", "gives the input 'x' as FP32 [-1,-1,2]"),
             "magic": ("BATCH_ITEM_SHAPE_FLATTEN", "BATCH_MAGIC", "unknown kind 'BATCH_MAGIC'"),
             "unbatched": ("max_batch_size: 64", "max_batch_size: 0", "need a max_batch_size above 0")}
    for name, (old, new, _) in wrong.items():
        make_ragged_model(tmp_path / name)
        (tmp_path / name / "config.pbtxt").write_text(text.replace(old, new, 1))
    with Served(tmp_path) as server, triton.InferenceServerClient(server.url) as client:
        states = {entry["name"]: entry for entry in client.get_model_repository_index()}
        assert states["good"]["state"] == "READY"
        for name, (_, _, sentence) in wrong.items():
            assert states[name]["state"] == "UNAVAILABLE" and sentence in states[name]["reason"], states[name]
