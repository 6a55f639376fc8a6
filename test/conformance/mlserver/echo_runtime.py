"""MLServer's side of the comparison: a runtime that decodes and encodes with MLServer's own codecs, as its runtimes do."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor

DATATYPES = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "BYTES"]
INPUTS = {"": DATATYPES, "-half": ["FP16"], "-one": ["FP32"]}


def echo(tensor):
    name = f"{tensor.name}_echo"
    if tensor.datatype == "BYTES":
        output = StringCodec.encode_output(name, StringCodec.decode_input(tensor))
        output.shape = tensor.shape
        return output
    return NumpyCodec.encode_output(name, NumpyCodec.decode_input(tensor))


class Echo(MLModel):
    async def load(self) -> bool:
        names = INPUTS[self.name.removeprefix("echo")]
        self.inputs = [MetadataTensor(name=name.lower(), datatype=name, shape=[-1, 2]) for name in names]
        self.outputs = [MetadataTensor(name=f"{name.lower()}_echo", datatype=name, shape=[-1, 2]) for name in names]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = [echo(tensor) for tensor in payload.inputs]
        if payload.outputs:
            outputs = [output for asked in payload.outputs for output in outputs if output.name == asked.name]
        return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs)
