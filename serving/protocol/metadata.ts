import type { ServedVersion } from "../../contracts/inference.ts";
import type { TensorOutput } from "../../contracts/signature.ts";

/** `GET /v2`. */
export const SERVER_METADATA = {
  name: "modelwright",
  version: "0.1.0",
  extensions: ["binary_tensor_data", "statistics", "model_repository"],
} as const;

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** `GET /v2/models/{m}`. `parameters` says what else clients may send: the raw columns. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly parameters: { readonly columns: readonly string[] };
}

const tensor = ({ name, datatype, shape }: TensorOutput): TensorMetadata => ({ name, datatype, shape });

export function describeModel(
  endpoint: string,
  version: ServedVersion,
  versions: readonly ServedVersion[],
  columns: readonly string[],
): ModelMetadata {
  return {
    name: endpoint,
    versions: versions.map(({ number }) => String(number)),
    platform: "onnx_onnxv1",
    inputs: version.signature.inputs.map(tensor),
    outputs: version.signature.outputs.map(tensor),
    parameters: { columns },
  };
}
