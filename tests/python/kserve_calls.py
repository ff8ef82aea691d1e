# SPDX-License-Identifier: Apache-2.0
"""Every call of the clients of the KServe SDK, unmodified; run by the interpreter that has it (test_serve_kserve.py), because its
pins and those of the other tests disagree. Arguments: address, authority or "", token or "". Prints what the calls gave, as JSON."""

import asyncio
import json
import logging
import ssl
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)


def request(binary, model="plain", outputs=None, **parameters):
    item = InferInput(name="x", shape=list(ROWS.shape), datatype="FP32")
    item.set_data_from_numpy(ROWS, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[item], request_id="seven", parameters=parameters or None,
                        request_outputs=outputs)


def told(answer):
    return {"id": answer.id, "model": answer.model_name, "version": answer.model_version,
            "outputs": {output.name: output.as_numpy().tolist() for output in answer.outputs}}


async def failure(call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]
    except grpc.RpcError as error:
        return [error.code().name, error.details()]
    return None


async def rest(address, authority, headers):
    # The client writes into the headers that it is given.
    base = f"{'https' if authority else 'http'}://{address}"
    config = RESTConfig(protocol="v2", verify=ssl.create_default_context(cafile=authority) if authority else True)
    client = InferenceRESTClient(config)
    one = [RequestedOutput("z", {"binary_data": True})]
    seen = {
        "live": await client.is_server_live(base, headers=headers), "ready": await client.is_server_ready(base, headers=headers),
        "model": await client.is_model_ready(base, "plain", headers=headers),
        "nobody": await client.is_model_ready(base, "nobody", headers=headers),
        "json": told(await client.infer(base, request(False), "plain", headers=dict(headers))),
        "binary": told(await client.infer(base, request(True), "plain", headers=dict(headers))),
        "binary out": told(await client.infer(base, request(True, binary_data_output=True), "plain", headers=dict(headers))),
        "one output": told(await client.infer(base, request(True, outputs=one), "plain", headers=dict(headers))),
        "dictionary": told(await client.infer(base, {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32",
                                                                 "data": [[1, 2]]}]}, "plain", headers=dict(headers))),
        "unknown": await failure(client.infer(base, request(True), "nobody", headers=dict(headers))),
        "wrong": await failure(client.infer(base, {"inputs": []}, "plain", headers=dict(headers))),
        "stranger": await failure(client.infer(base, request(True), "plain")),
    }
    await client.close()
    return seen


async def over_grpc(address, authority, headers):
    metadata = tuple((name.lower(), value) for name, value in headers.items())
    async with InferenceGRPCClient(address, use_ssl=bool(authority), root_certificates=authority or None) as client:
        return {
            "live": await client.is_server_live(headers=metadata), "ready": await client.is_server_ready(headers=metadata),
            "model": await client.is_model_ready("plain", headers=metadata),
            "nobody": await client.is_model_ready("nobody", headers=metadata),
            "typed": told(await client.infer(request(False), headers=metadata)),
            "raw": told(await client.infer(request(True), headers=metadata)),
            "unknown": await failure(client.infer(request(True, "nobody"), headers=metadata)),
            "stranger": await failure(client.infer(request(True))),
        }


async def main(address, authority, token):
    logging.disable(logging.CRITICAL)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {"rest": await rest(address, authority, headers), "grpc": await over_grpc(address, authority, headers)}


print(json.dumps(asyncio.run(main(*sys.argv[1:4]))))
