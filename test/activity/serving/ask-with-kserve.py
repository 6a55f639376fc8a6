"""Asks a gateway what KServe's client can ask, over both of its protocols, and prints what it got: URL GRPC."""

import asyncio
import json
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import InferInput, RequestedOutput

MODEL = "delay"
ORIGIN = np.array([0, 2], dtype=np.int64)
NUMBERS = np.array([[1, 0.5], [-1, 2]], dtype=np.float32)


def request(binary, **fields):
    inputs = []
    for name, values, datatype in (("origin_code", ORIGIN, "INT64"), ("numbers", NUMBERS, "FP32")):
        tensor = InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return InferRequest(model_name=MODEL, infer_inputs=inputs, request_id="kserve", **fields)


def answer(response):
    return {"id": response.id, "version": response.model_version, "probabilities": response.outputs[0].as_numpy().tolist()}


async def ask_rest(url):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))

    async def refusal(model, body):
        try:
            await client.infer(url, body, model_name=model)
        except httpx.HTTPStatusError as thrown:
            return {"status": str(thrown.response.status_code), "message": str(thrown)}

    asked = request(True, request_outputs=[RequestedOutput("probability", {"binary_data": True})])
    headers = {}
    found = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "models_ready": [await client.is_model_ready(url, MODEL), await client.is_model_ready(url, "nothing")],
        "answers": [
            answer(await client.infer(url, request(False), model_name=MODEL, response_headers=headers)),
            answer(await client.infer(url, request(True), model_name=MODEL)),
            answer(await client.infer(url, asked, model_name=MODEL)),
        ],
        "epoch": headers["modelwright-epoch"],
        "refused": await refusal(MODEL, {"inputs": []}),
        "unknown": await refusal("nothing", request(False)),
    }
    await client.close()
    return found


async def ask_grpc(address):
    client = InferenceGRPCClient(address, retries=0)

    async def refusal(asked):
        try:
            await client.infer(asked)
        except grpc.RpcError as thrown:
            return {"status": str(thrown.code()), "message": thrown.details()}

    empty = request(False)
    empty.inputs = empty.inputs[:1]
    nobody = request(False)
    nobody.model_name = "nothing"
    found = {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "models_ready": [await client.is_model_ready(MODEL), await client.is_model_ready("nothing")],
        "answers": [answer(await client.infer(request(binary))) for binary in (False, True)],
        "epoch": "1",
        "refused": await refusal(empty),
        "unknown": await refusal(nobody),
    }
    await client.close()
    return found


async def main(url, address):
    print(json.dumps({"rest": await ask_rest(url), "grpc": await ask_grpc(address)}))


asyncio.run(main(*sys.argv[1:]))
