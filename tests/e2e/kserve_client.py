"""KServe's inference clients: kserve_client.py rest|grpc|v1 ADDRESS plain|binary [VALUES] infers on the model "plus" and prints
JSON."""

import asyncio
import importlib.util
import json
import sys
import types

import numpy

# The clients alone: the package's __init__ imports the server and the control plane too.
package = types.ModuleType("kserve")
package.__path__ = list(importlib.util.find_spec("kserve").submodule_search_locations)
sys.modules["kserve"] = package

from kserve.inference_client import InferenceGRPCClient, InferenceRESTClient, RESTConfig  # noqa: E402
from kserve.protocol.infer_type import InferInput, InferRequest  # noqa: E402


def request(binary, values):
    tensor = InferInput("x", [len(values)], "FP32")
    tensor.set_data_from_numpy(numpy.array(values, numpy.float32), binary_data=binary)
    parameters = {"binary_data_output": True} if binary else None
    return InferRequest("plus", [tensor], request_id="r", parameters=parameters)


async def rest(address, binary, values):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    url = f"http://{address}"
    ready = [await client.is_server_live(url), await client.is_server_ready(url), await client.is_model_ready(url, "plus")]
    return ready, await client.infer(url, request(binary, values), model_name="plus")


async def grpc(address, binary, values):
    client = InferenceGRPCClient(address)
    ready = [await client.is_server_live(), await client.is_server_ready(), await client.is_model_ready("plus")]
    return ready, await client.infer(request(binary, values))


async def version_1(address, values):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    url = f"http://{address}"
    ready = [await client.is_server_live(url), await client.is_model_ready(url, "plus")]
    answer = await client.infer(url, {"instances": values}, model_name="plus")
    return {"ready": ready, "y": answer["predictions"]}


def main(door, address, form, values="[1, 2]"):
    values = json.loads(values)
    if door == "v1":
        print(json.dumps(asyncio.run(version_1(address, values))))
        return
    ready, response = asyncio.run({"rest": rest, "grpc": grpc}[door](address, form == "binary", values))
    print(json.dumps({"id": response.id, "ready": ready, "y": response.outputs[0].as_numpy().tolist()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
