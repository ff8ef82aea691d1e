# SPDX-License-Identifier: Apache-2.0
"""Requests of the Open Inference Protocol for one model `echo_TYPE` of every tensor type (y = x, shape [-1, -1], max_batch_size 16) and
for `pair` (c = a + b, FP32 and INT64 [-1] inputs): values at the ends of each type, values of other types, strings, mixed JSON and
binary inputs. As in oip_cases.py, `http_cases` and `grpc_cases` yield (name, request)."""

import json
import struct

import onnx
from google.protobuf import json_format
from onnx import TensorProto, helper
from tritonclient.grpc import service_pb2 as pb

# Type: its ONNX type, its format in struct, its field in gRPC's typed contents, its smallest and largest value.
TYPES = {
    "BOOL": (TensorProto.BOOL, "?", "bool_contents", False, True),
    "UINT8": (TensorProto.UINT8, "B", "uint_contents", 0, 2**8 - 1), "UINT16": (TensorProto.UINT16, "H", "uint_contents", 0, 2**16 - 1),
    "UINT32": (TensorProto.UINT32, "I", "uint_contents", 0, 2**32 - 1),
    "UINT64": (TensorProto.UINT64, "Q", "uint64_contents", 0, 2**64 - 1),
    "INT8": (TensorProto.INT8, "b", "int_contents", -2**7, 2**7 - 1), "INT16": (TensorProto.INT16, "h", "int_contents", -2**15, 2**15 - 1),
    "INT32": (TensorProto.INT32, "i", "int_contents", -2**31, 2**31 - 1),
    "INT64": (TensorProto.INT64, "q", "int64_contents", -2**63, 2**63 - 1),
    "FP16": (TensorProto.FLOAT16, "e", None, -65504.0, 65504.0), "FP32": (TensorProto.FLOAT, "f", "fp32_contents", -1.5e38, 3e38),
    "FP64": (TensorProto.DOUBLE, "d", "fp64_contents", -1.5e308, 1.5e308), "BYTES": (TensorProto.STRING, None, "bytes_contents", "", "z"),
}
PYTHON_MODEL = '''
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("y", pb.get_input_tensor_by_name(request, "x").as_numpy())]) for request in requests]
'''
PYTHON_PAIR = '''
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        replies = []
        for request in requests:
            a, b = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in "ab")
            replies.append(pb.InferenceResponse([pb.Tensor("c", a + b.astype(np.float32))]))
        return replies
'''


def config_type(name):
    return "TYPE_STRING" if name == "BYTES" else f"TYPE_{name}"


def save(folder, name, config, nodes, inputs, outputs, python):
    """Writes a model for jetcal below ours/, and the same for Triton below theirs/."""
    graph = helper.make_graph(nodes, name, inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for side, first in (("ours", 'platform: "onnxruntime_onnx"'), ("theirs", 'backend: "python"')):
        (folder / side / name / "1").mkdir(parents=True)
        (folder / side / name / "config.pbtxt").write_text(f'name: "{name}"\n{first}\nmax_batch_size: 16\n{config}')
    onnx.save(model, folder / "ours" / name / "1" / "model.onnx")
    (folder / "theirs" / name / "1" / "model.py").write_text(python)


def make_models(folder):
    info = helper.make_tensor_value_info
    for name, (kind, *_) in TYPES.items():
        save(folder, f"echo_{name}", f'input [ {{ name: "x" data_type: {config_type(name)} dims: [ -1 ] }} ]\n'
             f'output [ {{ name: "y" data_type: {config_type(name)} dims: [ -1 ] }} ]\n', [helper.make_node("Identity", ["x"], ["y"])],
             [info("x", kind, ["N", "M"])], [info("y", kind, ["N", "M"])], PYTHON_MODEL)
    save(folder, "pair", 'input [ { name: "a" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "b" data_type: TYPE_INT64 dims: [ -1 ] } ]\n'
         'output [ { name: "c" data_type: TYPE_FP32 dims: [ -1 ] } ]\n',
         [helper.make_node("Cast", ["b"], ["bf"], to=TensorProto.FLOAT), helper.make_node("Add", ["a", "bf"], ["c"])],
         [info("a", TensorProto.FLOAT, ["N", "M"]), info("b", TensorProto.INT64, ["N", "M"])],
         [info("c", TensorProto.FLOAT, ["N", "M"])], PYTHON_PAIR)


def packed(*texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def post(model, document, *parts):
    head = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))} if parts else {}
    return "POST", f"/v2/models/{model}/infer", head + b"".join(parts), headers


def item(name, kind, shape, **fields):
    return {"name": name, "shape": shape, "datatype": kind} | fields


def values_of(kind, low, high):
    """JSON data by what is tried; two values each."""
    yield "ends", [low, high]
    yield "nested", [[low, high]]
    yield "bool", [True, False]
    yield "text", ["1", "a"]
    yield "null", [None, None]
    yield "real", [0.5, 1.0]
    yield "whole real", [1.0, 2.0]
    yield "exponent", [1e0, 2e0]
    if kind.startswith(("INT", "UINT")):
        yield "above", [high + 1, 0]
        yield "below", [low - 1, 0]
        yield "huge", [10**30, 0]
    if kind.startswith("FP"):
        yield "whole", [-3, 16777216]
        yield "tiny", [1e-45, -0.0]
    if kind == "BYTES":
        yield "escapes", ["\u0000\n\"\\/", "\u20ac\U0001f600"]
        yield "empty", ["", ""]
        yield "number", [1, 2]
        yield "mixed", ["a", 1]


def http_cases():
    for kind, (_, form, _, low, high) in TYPES.items():
        for name, data in values_of(kind, low, high):
            yield f"{kind} {name}", post(f"echo_{kind}", {"inputs": [item("x", kind, [1, 2], data=data)]})
        raw = packed(b"", b"z") if form is None else struct.pack(f"<2{form}", low, high)
        described = item("x", kind, [1, 2], parameters={"binary_data_size": len(raw)})
        yield f"{kind} binary", post(f"echo_{kind}", {"inputs": [described], "parameters": {"binary_data_output": True}}, raw)
        yield f"{kind} binary to JSON", post(f"echo_{kind}", {"inputs": [described]}, raw)
        short = item("x", kind, [1, 2], parameters={"binary_data_size": len(raw) - 1})
        yield f"{kind} binary short", post(f"echo_{kind}", {"inputs": [short]}, raw[:-1])
        yield f"{kind} binary wrong shape", post(f"echo_{kind}", {"inputs": [described | {"shape": [1, 3]}]}, raw)
        yield f"{kind} JSON to binary", post(f"echo_{kind}", {"inputs": [item("x", kind, [1, 2], data=[low, high])],
                                                              "parameters": {"binary_data_output": True}})
    strings = {"not utf-8": packed(b"\xff", b"\xc3\xa9"), "nul": packed(b"\0", b"a\0b"), "length above": struct.pack("<I", 9) + b"ab",
               "length huge": struct.pack("<I", 0xffffffff) + b"ab", "half a length": packed(b"a") + b"\1\0", "one of two": packed(b"a"),
               "three of two": packed(b"a", b"b", b"c"), "nothing": b""}
    for name, raw in strings.items():
        described = item("x", "BYTES", [1, 2], parameters={"binary_data_size": len(raw)})
        yield f"strings {name}", post("echo_BYTES", {"inputs": [described], "parameters": {"binary_data_output": True}}, raw)
    yield from pair_cases()


def pair_cases():
    a, b = item("a", "FP32", [1, 2], data=[1, 2]), item("b", "INT64", [1, 2], data=[3, 4])
    raw_a, raw_b = struct.pack("<2f", 1, 2), struct.pack("<2q", 3, 4)
    binary_a, binary_b = item("a", "FP32", [1, 2], parameters={"binary_data_size": 8}), item("b", "INT64", [1, 2],
                                                                                           parameters={"binary_data_size": 16})
    for name, (inputs, *parts) in {
            "JSON": ([a, b],), "JSON turned": ([b, a],), "binary": ([binary_a, binary_b], raw_a, raw_b),
            "binary turned": ([binary_b, binary_a], raw_b, raw_a), "binary in the wrong order": ([binary_a, binary_b], raw_b, raw_a),
            "mixed": ([a, binary_b], raw_b), "mixed turned": ([binary_a, b], raw_a), "one missing": ([a],), "other missing": ([binary_b], raw_b),
            "one twice": ([a, a],), "three": ([a, b, a | {"name": "d"}],), "types swapped": ([a | {"datatype": "INT64"}, b],),
            "batches differ": ([a, b | {"shape": [2, 1]}],), "rows differ": ([a, b | {"shape": [1, 3], "data": [1, 2, 3]}],),
            "bytes of one missing": ([binary_a, binary_b], raw_a), "bytes of both missing": ([binary_a, binary_b], b""),
            "bytes too many": ([binary_a, binary_b], raw_a, raw_b, b"x")}.items():
        yield f"pair {name}", post("pair", {"inputs": inputs}, *parts)
    yield "pair raw", ("POST", "/v2/models/pair/infer", raw_a, {"Inference-Header-Content-Length": "0"})
    yield "pair no outputs key", post("pair", {"inputs": [a, b], "outputs": None})
    yield "pair outputs", post("pair", {"inputs": [a, b], "outputs": [{"name": "c"}]})


def grpc_cases():
    for kind, (_, form, field, low, high) in TYPES.items():
        x = {"name": "x", "datatype": kind, "shape": ["1", "2"]}
        raw = packed(b"", b"z") if form is None else struct.pack(f"<2{form}", low, high)
        message = lambda **fields: json_format.ParseDict({"model_name": f"echo_{kind}", "inputs": [x | fields]}, pb.ModelInferRequest())  # noqa: B023, E731
        request = message()
        request.raw_input_contents.append(raw)
        yield f"{kind} raw", ("ModelInfer", request)
        short = message()
        short.raw_input_contents.append(raw[:-1])
        yield f"{kind} raw short", ("ModelInfer", short)
        if field:
            contents = pb.ModelInferRequest()
            contents.CopyFrom(message())
            values = [b"", b"z"] if form is None else [low, high]
            getattr(contents.inputs[0].contents, field).extend(values)
            yield f"{kind} typed", ("ModelInfer", contents)
        for other in ["fp32_contents", "int_contents", "bytes_contents"]:
            if other != field:
                wrong = message()
                getattr(wrong.inputs[0].contents, other).extend([b"a", b"b"] if other == "bytes_contents" else [1, 2])
                yield f"{kind} in {other}", ("ModelInfer", wrong)
    for kind, field, value in [("UINT8", "uint_contents", 256), ("UINT16", "uint_contents", 1 << 16), ("INT8", "int_contents", 128),
                               ("INT16", "int_contents", -32769)]:
        wide = json_format.ParseDict({"model_name": f"echo_{kind}", "inputs": [{"name": "x", "datatype": kind, "shape": ["1", "2"]}]},
                                     pb.ModelInferRequest())
        getattr(wide.inputs[0].contents, field).extend([value, 0])
        yield f"{kind} out of range", ("ModelInfer", wide)
