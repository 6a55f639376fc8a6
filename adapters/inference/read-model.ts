import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { Failure } from "../../contracts/failures.ts";
import type { Digest } from "../../contracts/primitives.ts";
import { refuseSize } from "../../core/onnx/inspect.ts";

export const digestOf = (bytes: Uint8Array): Digest => createHash("sha256").update(bytes).digest("hex");

/** @throws FILE_MISSING; MODEL_REFUSED before a byte of a file is read that is too large, which Node could not hold beyond 2 GiB */
export async function readModel(path: string): Promise<Uint8Array> {
  const missing = (cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what: "the model" }, { cause });
  };
  const { size } = await stat(path).catch(missing);
  refuseSize(size, path);
  return readFile(path).catch(missing);
}
