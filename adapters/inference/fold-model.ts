import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { saveOptimized } from "./session.ts";

/**
 * The model as ONNX Runtime's basic level saves it: standard operators only, the same bytes for the same runtime version. The levels above
 * write operators of this processor and are never quantized.
 *
 * @throws INFERENCE_FAILED when the runtime cannot load it
 */
export async function foldModel(model: Uint8Array): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "modelwright-fold-"));
  try {
    const path = join(folder, "model.onnx");
    await saveOptimized(model, { path, level: "basic" });
    return await readFile(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
