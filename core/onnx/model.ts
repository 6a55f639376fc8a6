import { Failure } from "../../contracts/failures.ts";
import type { OnnxModel } from "./messages.ts";
import { MESSAGES } from "./schema.ts";
import { decode, encode, MalformedMessage } from "./wire.ts";

export type * from "./messages.ts";

/**
 * Reads an ONNX file. Tensor data stays a view of `bytes`, so do not change them afterwards; fields of newer ONNX versions
 * are kept and written back. Memory beyond the file is bounded whatever the bytes say.
 *
 * @param where the file or artifact, for the failure
 * @throws Failure MODEL_NOT_ONNX when the bytes are no ONNX model, are cut short, or contradict themselves
 */
export function parseModel(bytes: Uint8Array, where: string): OnnxModel {
  const refuse = (found: string, cause?: unknown) => new Failure("MODEL_NOT_ONNX", { where, found }, { cause });
  const format = otherFormat(bytes);
  if (format !== undefined) throw refuse(format);
  let model: OnnxModel;
  try {
    model = decode(MESSAGES.model, bytes);
  } catch (cause) {
    if (cause instanceof TypeError || !(cause instanceof Error)) throw cause;
    // The wire reader of protobuf-es throws plain Error and RangeError; a TypeError would be a bug of ours.
    throw refuse(
      cause instanceof MalformedMessage ? cause.message : `malformed at the wire level: ${cause.message}`,
      cause,
    );
  }
  if (model.irVersion <= 0) throw refuse("no IR version");
  if (model.graph === undefined) throw refuse("no graph");
  if (model.opsetImports.length === 0) throw refuse("no operator set");
  return model;
}

/** Writes a model. The same model gives the same bytes; a model made by the `onnx` package comes back byte for byte. */
export function serializeModel(model: OnnxModel): Uint8Array {
  return encode(MESSAGES.model, model);
}

/** Names the formats people mistake for ONNX. Nothing is unpacked: loading a pickle would run code. */
function otherFormat(bytes: Uint8Array): string | undefined {
  const [first, second, third, fourth] = bytes;
  if (bytes.length === 0) return "an empty file";
  if (first === 0x80 && second !== undefined && second >= 2 && second <= 5) return "a Python pickle";
  if (first === 0x50 && second === 0x4b && third === 0x03 && fourth === 0x04) {
    return "a zip archive, as torch.save writes them: a pickle inside";
  }
  if (first === 0x1f && second === 0x8b) return "a gzip archive";
  if (first === 0x89 && second === 0x48 && third === 0x44 && fourth === 0x46)
    return "an HDF5 file, as Keras writes them";
  return undefined;
}
