# SPDX-License-Identifier: Apache-2.0
"""ONNX models of every tensor type the protocol has, strings included: what goes in comes out, in JSON, binary and over gRPC."""

import numpy as np
import oip_types
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton
from served import Served
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

STRINGS = [["", "z"], ["a\n\"\\", "€\U0001f600"], ["x" * 100000, "."]]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    oip_types.make_models(folder)
    config = folder / "ours" / "echo_BYTES" / "config.pbtxt"
    config.write_text(config.read_text() + "dynamic_batching { max_queue_delay_microseconds: 100000 }\n")
    with Served(folder / "ours") as running:
        yield running


def values(kind):
    *_, low, high = oip_types.TYPES[kind]
    if kind == "BYTES":
        return np.array([[text.encode() for text in row] for row in STRINGS], dtype=np.object_)
    return np.array([[low, high], [1, 0]], dtype=triton_to_np_dtype(kind))


def tensor(module, kind, array, **how):
    item = module.InferInput("x", list(array.shape), kind)
    item.set_data_from_numpy(array, **how)
    return [item]


@pytest.mark.parametrize("kind", oip_types.TYPES)
def test_what_goes_in_comes_out(server, kind):
    array = values(kind)
    with triton_grpc.InferenceServerClient(server.url) as client:
        np.testing.assert_array_equal(client.infer(f"echo_{kind}", tensor(triton_grpc, kind, array)).as_numpy("y"), array)
    with triton.InferenceServerClient(server.url) as client:
        for binary in [True, False]:
            if kind == "FP16" and not binary:
                continue  # JSON has no way to write it
            wanted = [triton.InferRequestedOutput("y", binary_data=binary)]
            answer = client.infer(f"echo_{kind}", tensor(triton, kind, array, binary_data=binary), outputs=wanted).as_numpy("y")
            if kind == "BYTES" and not binary:
                answer = np.array([[text.encode() if isinstance(text, str) else text for text in row] for row in answer], dtype=np.object_)
            np.testing.assert_array_equal(answer, array)


def test_strings_of_several_requests_share_an_execution(server):
    with triton.InferenceServerClient(server.url, concurrency=8) as client:
        rows = [np.array([[f"{i}".encode() * i, b"end"]] * (1 + i % 2), dtype=np.object_) for i in range(8)]
        executed = lambda: client.get_inference_statistics("echo_BYTES")["model_stats"][0].get("execution_count", 0)  # noqa: E731
        before = executed()
        waiting = [client.async_infer("echo_BYTES", tensor(triton, "BYTES", row)) for row in rows]
        for row, answer in zip(rows, waiting):
            np.testing.assert_array_equal(answer.get_result().as_numpy("y"), row)
        assert executed() - before < 8


def test_a_zero_byte_in_a_string_is_refused(server):
    with triton.InferenceServerClient(server.url) as client, pytest.raises(InferenceServerException, match="holds a zero byte"):
        client.infer("echo_BYTES", tensor(triton, "BYTES", np.array([[b"a\0b", b""]], dtype=np.object_)))
