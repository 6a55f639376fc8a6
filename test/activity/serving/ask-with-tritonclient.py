"""Asks a gateway what tritonclient can ask, over both of its protocols, and prints what it got: HTTP GRPC, each host and port."""

import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http
from google.protobuf.json_format import MessageToDict


def plain(found):
    """HTTP answers dictionaries, gRPC messages."""
    return found if isinstance(found, (dict, list)) else MessageToDict(found, preserving_proto_field_name=True)


def refusal(work):
    try:
        work()
    except tritonclient.utils.InferenceServerException as thrown:
        return {"status": str(thrown.status()), "message": thrown.message()}
    return None


def ask(module, address, compressions):
    client = module.InferenceServerClient(address)

    def tensor(name, values):
        found = module.InferInput(name, list(values.shape), tritonclient.utils.np_to_triton_dtype(values.dtype))
        found.set_data_from_numpy(values)
        return found

    origin = tensor("origin_code", np.array([0, 2], dtype=np.int64))
    numbers = tensor("numbers", np.array([[1, 0.5], [-1, 2]], dtype=np.float32))
    columns = [
        tensor("origin", np.array([b"JFK", b"XXX"], dtype=np.object_)),
        tensor("hour", np.array([18, 6], dtype=np.float64)),
        tensor("distance", np.array([800, 300], dtype=np.int64)),
    ]
    output = module.InferRequestedOutput("probability")
    first = client.infer("delay", [origin, numbers], request_id="triton", model_version="3", outputs=[output])
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "models_ready": [client.is_model_ready("delay", version) for version in ("", "3", "9")]
        + [client.is_model_ready("nothing")],
        "server": plain(client.get_server_metadata()),
        "model": plain(client.get_model_metadata("delay")),
        "probabilities": first.as_numpy("probability").tolist(),
        "id": plain(first.get_response())["id"],
        "all_outputs": client.infer("delay", [origin, numbers]).as_numpy("probability").tolist(),
        "compressed": [client.infer("delay", [origin, numbers], **each).as_numpy("probability").tolist() for each in compressions],
        "columns": client.infer("delay", columns, parameters={"content_type": "columns", "routing_key": "user-1"})
        .as_numpy("probability")
        .tolist(),
        "index": plain(client.get_model_repository_index()),
        "statistics": plain(client.get_inference_statistics("delay", "3")),
        "refused": refusal(lambda: client.infer("delay", [origin])),
        "unknown": refusal(lambda: client.infer("nothing", [origin, numbers])),
    }


http, grpc = sys.argv[1:]
answers = {
    "http": ask(
        tritonclient.http,
        http,
        [{"request_compression_algorithm": name, "response_compression_algorithm": name} for name in ("gzip", "deflate")],
    ),
    "grpc": ask(tritonclient.grpc, grpc, [{"compression_algorithm": name} for name in ("gzip", "deflate")]),
}
print(json.dumps(answers))
