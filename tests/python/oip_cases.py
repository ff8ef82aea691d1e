# SPDX-License-Identifier: Apache-2.0
"""Requests of the Open Inference Protocol, valid and malformed, for one model `plain`: input x FP32 [-1], outputs y = 2x + 1
FP32 and z = |x| INT64, max_batch_size 16, version 1. `http_cases` and `grpc_cases` yield (name, request); `ask_http` and
`ask_grpc` send one to any server and return what a client sees of the answer."""

import gzip
import http.client
import json
import struct
import zlib

import grpc
from google.protobuf import json_format
from tritonclient.grpc import service_pb2 as pb

INFER = "/v2/models/plain/infer"


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def tensor(**fields):
    return {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]} | fields


def body(*inputs, **fields):
    return json.dumps({"inputs": list(inputs) or [tensor()]} | fields).encode()


def binary(document, *parts, header=None):
    head = json.dumps(document).encode() if not isinstance(document, bytes) else document
    length = len(head) if header is None else header
    return "POST", INFER, head + b"".join(parts), {"Inference-Header-Content-Length": str(length)}


def binary_input(size, **fields):
    item = tensor(parameters={"binary_data_size": size}) | fields
    item.pop("data")
    return item


def http_get_cases():
    for path in ["/v2", "/v2/", "/", "/v2/health/live", "/v2/health/ready", "/v2/health", "/v2/health/live/",
                 "/v2/models/plain", "/v2/models/plain/ready", "/v2/models/plain/versions/1/ready", "/v2/models/plain/versions/1",
                 "/v2/models/plain/versions/2", "/v2/models/plain/versions/2/ready", "/v2/models/plain/versions/x/ready",
                 "/v2/models/plain/config", "/v2/models/plain/versions/1/config", "/v2/models/plain/versions/9/config",
                 "/v2/models/nobody", "/v2/models/nobody/ready", "/v2/models/nobody/config", "/v2/models/nobody/stats",
                 "/v2/models/plain/infer", "/v2/models/plain/nothing", "/v2/repository/index", "/v2/nothing",
                 "/v2/models/plain/versions/2/stats", "/v2/systemsharedmemory/status",
                 "/v2/systemsharedmemory/region/none/status", "/v2/cudasharedmemory/status", "/v2/logging", "/v2/trace/setting",
                 "/v2/models/plain/trace/setting", "/v2/models/nobody/trace/setting"]:
        yield f"GET {path}", ("GET", path, b"", {})
    for method in ["PUT", "DELETE", "HEAD", "POST"]:
        for path in ["/v2", "/v2/health/ready", "/v2/models/plain", "/v2/models/plain/config", "/v2/models/plain/stats"]:
            yield f"{method} {path}", (method, path, b"", {})
    yield "PUT infer", ("PUT", INFER, body(), {})


def http_json_cases():
    whole = {
        "plain": body(), "id": body(id="seven"), "id empty": body(id=""), "id number": body(id=7), "id null": body(id=None),
        "unknown keys": body(more=1), "outputs empty": body(outputs=[]), "output y": body(outputs=[{"name": "y"}]),
        "outputs z y": body(outputs=[{"name": "z"}, {"name": "y"}]), "output unknown": body(outputs=[{"name": "q"}]),
        "output no name": body(outputs=[{}]), "outputs object": body(outputs={}), "output string": body(outputs=["y"]),
        "output number name": body(outputs=[{"name": 1}]), "output twice": body(outputs=[{"name": "y"}, {"name": "y"}]),
        "binary out": body(outputs=[{"name": "y", "parameters": {"binary_data": True}}]),
        "binary out string": body(outputs=[{"name": "y", "parameters": {"binary_data": "yes"}}]),
        "binary all": body(parameters={"binary_data_output": True}),
        "binary all but z": body(parameters={"binary_data_output": True},
                                 outputs=[{"name": "y"}, {"name": "z", "parameters": {"binary_data": False}}]),
        "parameters": body(parameters={"a": "b", "c": 1, "d": True, "e": 1.5}), "parameter null": body(parameters={"a": None}),
        "parameter list": body(parameters={"a": [1]}), "parameter object": body(parameters={"a": {}}),
        "parameters list": body(parameters=[]), "priority": body(parameters={"priority": 1}),
        "priority text": body(parameters={"priority": "high"}), "timeout": body(parameters={"timeout": 1000000}),
        "timeout negative": body(parameters={"timeout": -1}), "sequence": body(parameters={"sequence_id": 3, "sequence_start": True}),
        "empty": b"", "brace": b"{", "list": b"[]", "number": b"7", "object": b"{}", "null": b"null", "two": body() + b"x",
        "not utf-8": b'{"inputs":[{"name":"\xff"}]}', "deep": b'{"a":' * 200 + b"1" + b"}" * 200, "inputs empty": b'{"inputs":[]}',
        "inputs object": b'{"inputs":{}}', "inputs null": b'{"inputs":null}', "inputs number": b'{"inputs":[7]}',
        "comment": b'{/*a*/"inputs":[]}', "trailing comma": b'{"inputs":[],}', "blank before": b"  " + body(),
        "two inputs": body(tensor(), tensor(name="w")), "input twice": body(tensor(), tensor()),
        "classification": body(outputs=[{"name": "y", "parameters": {"classification": 1}}]),
        "shared memory in": body(tensor(parameters={"shared_memory_region": "none", "shared_memory_byte_size": 8}) | {"data": None}),
        "shared memory out": body(outputs=[{"name": "y", "parameters": {"shared_memory_region": "none",
                                                                        "shared_memory_byte_size": 8}}]),
    }
    for name, text in whole.items():
        yield f"json {name}", ("POST", INFER, text, {})
    for key in ["name", "shape", "datatype", "data"]:
        item = tensor()
        item.pop(key)
        yield f"json no {key}", ("POST", INFER, body(item), {})
    inputs = {
        "name": ["y", "", 1, None, []],
        "shape": [[2], [1], [1, 3], [2, 1], [17, 1], [0, 2], [1, 0], [-1, 2], [1, 2.0], [1, 2.5], ["1", 2], "1", [], 7, None,
                  [1, 1, 2], [1 << 40, 1 << 40], [1, [2]], [4294967297, 2]],
        "datatype": ["FP64", "INT32", "FP16", "BF16", "BYTES", "BOOL", "fp32", "TYPE_FP32", "", "X", 3, None],
        "data": [[[1, 2]], [[1], [2]], [1], [1, 2, 3], [], [[]], [1, "2"], ["a", "b"], [True, False], [None, 1], 7, "12", {},
                 [[1, 2], [3, 4]], [1.5, -2.25], [1e39, 1], [1e400, 1], [1e-46, 1], [-0.0, 0], [16777217, 1], [[[[1, 2]]]]],
    }
    for key, values in inputs.items():
        for value in values:
            yield f"json {key}={json.dumps(value)}", ("POST", INFER, body(tensor(**{key: value})), {})
    for text in ["NaN", "Infinity", "-Infinity", "nan", "1.", ".5", "+1", "01", "1e5", "0x1"]:
        yield f"json literal {text}", ("POST", INFER, body().replace(b"[1, 2]}", f"[{text}, 2]}}".encode()), {})
    for batch in [1, 2, 15, 16, 17]:
        item = tensor(shape=[batch, 2], data=list(range(2 * batch)))
        yield f"json batch {batch}", ("POST", INFER, body(item), {})
    for path in ["/v2/models/nobody/infer", "/v2/models/plain/versions/1/infer", "/v2/models/plain/versions/2/infer",
                 "/v2/models/plain/versions//infer", "/v2/models//infer", "/v2/models/plain/infer/", "/v2/models/plain/infer?a=b",
                 "/v2/models/pl%61in/infer", "/v2/models/plain/versions/01/infer", "/v2/models/plain/versions/-1/infer",
                 "/v2/models/plain/versions/99999999999999999999/infer"]:
        yield f"json {path}", ("POST", path, body(), {})


def http_binary_cases():
    data = floats(1, 2)
    head = {"inputs": [binary_input(8)]}
    yield "binary plain", binary(head, data)
    yield "binary and binary out", binary(head | {"parameters": {"binary_data_output": True}}, data)
    for size in [0, 4, 7, 9, 12, 16, -1, 1 << 40, "8", 8.0, None, True]:
        yield f"binary size {size}", binary({"inputs": [binary_input(size)]}, data)
    for extra in [b"x", floats(3), b"x" * 100]:
        yield f"binary extra {len(extra)}", binary(head, data, extra)
    for short in range(0, 8, 3):
        yield f"binary short {short}", binary(head, data[:short])
    length = len(json.dumps(head))
    for header in [length - 1, length + 1, 0, -1, "x", "", " ", 1 << 40, 1 << 70, f"{length}x", f"+{length}", length + 8, length + 9]:
        yield f"binary header {header!r}", binary(head, data, header=header)
    yield "binary no header", ("POST", INFER, json.dumps(head).encode() + data, {})
    for shape in [[2, 1], [1, 1], [1, 3], [2, 2], [0, 2], [17, 0], [-1, 2], [2], []]:
        yield f"binary shape {shape}", binary({"inputs": [binary_input(8, shape=shape)]}, data)
    for kind in ["FP64", "INT32", "BYTES", "BOOL", "FP16"]:
        yield f"binary type {kind}", binary({"inputs": [binary_input(8, datatype=kind)]}, data)
    yield "binary and data", binary({"inputs": [tensor(parameters={"binary_data_size": 8})]}, data)
    yield "binary nan", binary(head | {"parameters": {"binary_data_output": True}}, floats(float("nan"), float("inf")))
    yield "binary nan to json", binary(head, floats(float("nan"), 1))
    yield "raw", ("POST", INFER, data, {"Inference-Header-Content-Length": "0"})
    yield "raw odd", ("POST", INFER, data[:7], {"Inference-Header-Content-Length": "0"})
    yield "raw empty", ("POST", INFER, b"", {"Inference-Header-Content-Length": "0"})
    for coding, packed in [("gzip", gzip.compress(body(), mtime=0)), ("deflate", zlib.compress(body())), ("identity", body()),
                           ("br", body()), ("gzip", body() + b" "), ("deflate", b"xx"), ("gzip", gzip.compress(body(), mtime=0)[:-6]),
                           ("", body())]:
        yield f"coding {coding!r} {len(packed)}", ("POST", INFER, packed, {"Content-Encoding": coding})
    for accept in ["gzip", "deflate", "identity", "br", "gzip;q=0", "gzip, deflate", "*"]:
        yield f"accept {accept}", ("POST", INFER, body(), {"Accept-Encoding": accept})
    for kind in ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]:
        yield f"content type {kind!r}", ("POST", INFER, body(), {"Content-Type": kind})


def http_control_cases():
    for name, text in {"empty": b"", "object": b"{}", "ready": b'{"ready":true}', "ready text": b'{"ready":"yes"}', "bad": b"{",
                       "list": b"[]"}.items():
        yield f"index {name}", ("POST", "/v2/repository/index", text, {})
    for verb in ["load", "unload"]:
        for model in ["plain", "nobody"]:
            yield f"{verb} {model}", ("POST", f"/v2/repository/models/{model}/{verb}", b"", {})
        yield f"{verb} bad", ("POST", f"/v2/repository/models/plain/{verb}", b"{", {})
        yield f"GET {verb}", ("GET", f"/v2/repository/models/plain/{verb}", b"", {})
    for name, text in {"empty": b"{}", "info": b'{"log_info":true}', "level": b'{"log_verbose_level":0}',
                       "format": b'{"log_format":"default"}', "wrong type": b'{"log_info":"yes"}', "unknown": b'{"nothing":1}',
                       "wrong format": b'{"log_format":"xml"}', "bad": b"{", "negative": b'{"log_verbose_level":-1}'}.items():
        yield f"logging {name}", ("POST", "/v2/logging", text, {})
    for name, text in {"empty": b"{}", "level": b'{"trace_level":["OFF"]}', "rate": b'{"trace_rate":"1000"}',
                       "count": b'{"trace_count":"-1"}', "wrong level": b'{"trace_level":["LOUD"]}', "unknown": b'{"nothing":"1"}',
                       "wrong rate": b'{"trace_rate":"x"}', "bad": b"{"}.items():
        yield f"trace {name}", ("POST", "/v2/trace/setting", text, {})
        yield f"trace of plain {name}", ("POST", "/v2/models/plain/trace/setting", text, {})
    for path in ["systemsharedmemory", "cudasharedmemory"]:
        yield f"{path} register empty", ("POST", f"/v2/{path}/region/r/register", b"", {})
        yield f"{path} register object", ("POST", f"/v2/{path}/region/r/register", b"{}", {})
        yield f"{path} register bad", ("POST", f"/v2/{path}/region/r/register", b"{", {})
        yield f"{path} unregister all", ("POST", f"/v2/{path}/unregister", b"", {})
        yield f"{path} unregister none", ("POST", f"/v2/{path}/region/none/unregister", b"", {})
    yield "register missing", ("POST", "/v2/systemsharedmemory/region/r/register", b'{"key":"/nothing-there","offset":0,"byte_size":8}', {})


def http_cases():
    yield from http_get_cases()
    yield from http_json_cases()
    yield from http_binary_cases()
    yield from http_control_cases()


def ask_http(address, request):
    """Returns status, the headers that clients look at, and the body: parsed where it is JSON."""
    method, path, content, headers = request
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if content or method == "POST":
        connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content)
    reply = connection.getresponse()
    raw = reply.read()
    connection.close()
    coding = reply.getheader("Content-Encoding")
    if coding == "gzip":
        raw = gzip.decompress(raw)
    elif coding == "deflate":
        raw = zlib.decompress(raw)
    length = reply.getheader("Inference-Header-Content-Length")
    json_part = raw if length is None else raw[:int(length)]
    try:
        content = json.loads(json_part) if json_part else None
    except ValueError:
        content = json_part.decode(errors="replace")
    return {"status": reply.status, "type": reply.getheader("Content-Type"), "coding": coding, "allow": reply.getheader("Allow"),
            "binary": length is not None, "body": content, "tensors": "" if length is None else raw[int(length):].hex()}


def infer_request(**fields):
    message = {"model_name": "plain", "inputs": [{"name": "x", "datatype": "FP32", "shape": ["1", "2"]}]} | fields
    return json_format.ParseDict(message, pb.ModelInferRequest())


def raw_request(*parts, **fields):
    request = infer_request(**fields)
    request.raw_input_contents.extend(parts)
    return request


def grpc_infer_cases():
    data = floats(1, 2)
    x = {"name": "x", "datatype": "FP32", "shape": ["1", "2"]}
    typed = x | {"contents": {"fp32_contents": [1, 2]}}
    yield "raw", raw_request(data)
    yield "typed", infer_request(inputs=[typed])
    yield "id", raw_request(data, id="seven")
    yield "version 1", raw_request(data, model_version="1")
    yield "version 2", raw_request(data, model_version="2")
    yield "version x", raw_request(data, model_version="x")
    yield "unknown model", raw_request(data, model_name="nobody")
    yield "no model", raw_request(data, model_name="")
    yield "no inputs", infer_request(inputs=[])
    yield "no contents", infer_request()
    yield "both contents", raw_request(data, inputs=[typed])
    yield "raw twice", raw_request(data, data)
    yield "raw empty", raw_request(b"")
    yield "input twice", raw_request(data, data, inputs=[x, x])
    yield "input unknown", raw_request(data, inputs=[x | {"name": "w"}])
    yield "two inputs", raw_request(data, data, inputs=[x, x | {"name": "w"}])
    yield "two inputs one raw", raw_request(data, inputs=[x, x | {"name": "w"}])
    for size in [0, 4, 7, 9, 12, 16]:
        yield f"raw of {size} bytes", raw_request(b"\0" * size)
    for shape in [[2], [1], [1, 3], [2, 1], [17, 1], [0, 2], [1, 0], [-1, 2], [], [1, 1, 2], [1 << 40, 1 << 40]]:
        yield f"shape {shape}", raw_request(data, inputs=[x | {"shape": [str(size) for size in shape]}])
    for kind in ["FP64", "INT32", "FP16", "BYTES", "BOOL", "fp32", "TYPE_FP32", "", "X"]:
        yield f"datatype {kind!r}", raw_request(data, inputs=[x | {"datatype": kind}])
    for name, contents in {"short": {"fp32_contents": [1]}, "long": {"fp32_contents": [1, 2, 3]}, "int": {"int_contents": [1, 2]},
                           "fp64": {"fp64_contents": [1, 2]}, "two kinds": {"fp32_contents": [1, 2], "int_contents": [1, 2]},
                           "empty": {}}.items():
        yield f"contents {name}", infer_request(inputs=[x | {"contents": contents}])
    for name, outputs in {"y": ["y"], "z y": ["z", "y"], "unknown": ["q"], "twice": ["y", "y"], "empty name": [""]}.items():
        yield f"outputs {name}", raw_request(data, outputs=[{"name": output} for output in outputs])
    for name, parameters in {"priority": {"priority": {"uint64_param": "1"}}, "priority int": {"priority": {"int64_param": "1"}},
                             "priority text": {"priority": {"string_param": "high"}}, "timeout": {"timeout": {"int64_param": "1000000"}},
                             "own": {"a": {"string_param": "b"}, "c": {"double_param": 1.5}, "d": {"bool_param": True}},
                             "empty": {"a": {}}, "sequence": {"sequence_id": {"int64_param": "3"}},
                             "triton_": {"triton_enable_empty_final_response": {"bool_param": True}}}.items():
        yield f"parameters {name}", raw_request(data, parameters=parameters)
    yield "classification", raw_request(data, outputs=[{"name": "y", "parameters": {"classification": {"int64_param": "1"}}}])
    memory = {"shared_memory_region": {"string_param": "none"}, "shared_memory_byte_size": {"int64_param": "8"}}
    yield "shared memory in", infer_request(inputs=[x | {"parameters": memory}])
    yield "shared memory out", raw_request(data, outputs=[{"name": "y", "parameters": memory}])
    for batch in [1, 2, 16, 17]:
        yield f"batch {batch}", raw_request(floats(*range(2 * batch)), inputs=[x | {"shape": [str(batch), "2"]}])


def grpc_cases():
    for name, request in grpc_infer_cases():
        yield f"infer {name}", ("ModelInfer", request)
        yield f"stream {name}", ("ModelStreamInfer", request)
    yield "live", ("ServerLive", pb.ServerLiveRequest())
    yield "ready", ("ServerReady", pb.ServerReadyRequest())
    for name, version in [("plain", ""), ("plain", "1"), ("plain", "2"), ("plain", "x"), ("nobody", ""), ("", "")]:
        yield f"ready {name}/{version}", ("ModelReady", pb.ModelReadyRequest(name=name, version=version))
        yield f"metadata {name}/{version}", ("ModelMetadata", pb.ModelMetadataRequest(name=name, version=version))
        yield f"config {name}/{version}", ("ModelConfig", pb.ModelConfigRequest(name=name, version=version))
        if (name, version) not in [("plain", ""), ("plain", "1"), ("", "")]:  # counts differ
            yield f"statistics {name}/{version}", ("ModelStatistics", pb.ModelStatisticsRequest(name=name, version=version))
    yield "index", ("RepositoryIndex", pb.RepositoryIndexRequest())
    yield "index ready", ("RepositoryIndex", pb.RepositoryIndexRequest(ready=True))
    yield "load", ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="plain"))
    yield "unload", ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="plain"))
    yield "memory", ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest())
    yield "memory of none", ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest(name="none"))
    yield "memory register", ("SystemSharedMemoryRegister", pb.SystemSharedMemoryRegisterRequest(name="r", key="/nothing-there", byte_size=8))
    yield "memory unregister", ("SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest(name="none"))
    yield "memory unregister all", ("SystemSharedMemoryUnregister", pb.SystemSharedMemoryUnregisterRequest())
    yield "cuda", ("CudaSharedMemoryStatus", pb.CudaSharedMemoryStatusRequest())
    yield "cuda register", ("CudaSharedMemoryRegister", pb.CudaSharedMemoryRegisterRequest(name="r", byte_size=8))
    yield "cuda unregister", ("CudaSharedMemoryUnregister", pb.CudaSharedMemoryUnregisterRequest())
    yield "log", ("LogSettings", pb.LogSettingsRequest())
    for key, value in {"log_info": {"bool_param": True}, "log_verbose_level": {"uint32_param": 0}, "log_format": {"string_param": "default"},
                       "nothing": {"bool_param": True}}.items():
        yield f"log {key}", ("LogSettings", json_format.ParseDict({"settings": {key: value}}, pb.LogSettingsRequest()))
    yield "log wrong type", ("LogSettings", json_format.ParseDict({"settings": {"log_info": {"string_param": "x"}}}, pb.LogSettingsRequest()))
    yield "log wrong format", ("LogSettings", json_format.ParseDict({"settings": {"log_format": {"string_param": "x"}}}, pb.LogSettingsRequest()))
    for model in ["", "plain", "nobody"]:
        yield f"trace {model}", ("TraceSetting", pb.TraceSettingRequest(model_name=model))
        for key, value in {"trace_rate": ["1000"], "trace_level": ["OFF"], "nothing": ["1"]}.items():
            yield f"trace {model} {key}", ("TraceSetting", json_format.ParseDict(
                {"settings": {key: {"value": value}}, "model_name": model}, pb.TraceSettingRequest()))
    yield "unknown method", ("NoSuchCall", pb.ServerLiveRequest())


def ask_grpc(channel, request):
    """Returns code, details and the reply as a dictionary."""
    method, message = request
    descriptor = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name.get(method)
    path = f"/inference.GRPCInferenceService/{method}"
    reply = getattr(pb, descriptor.output_type.name) if descriptor else pb.ServerLiveResponse
    if method == "ModelStreamInfer":
        reply = pb.ModelStreamInferResponse
        call = channel.stream_stream(path, type(message).SerializeToString, reply.FromString)
        send = lambda: list(call(iter([message]), timeout=20))  # noqa: E731
    else:
        call = channel.unary_unary(path, type(message).SerializeToString, reply.FromString)
        send = lambda: [call(message, timeout=20)]  # noqa: E731
    try:
        answers = send()
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details(), "replies": []}
    return {"code": "OK", "details": "",
            "replies": [json_format.MessageToDict(answer, preserving_proto_field_name=True) for answer in answers]}
