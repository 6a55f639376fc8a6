import { open, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { Failure } from "../../contracts/failures.ts";
import { embedTensor, externalTensors, type ExternalTensor } from "../../core/onnx/external-data.ts";
import { refuseSize } from "../../core/onnx/inspect.ts";
import { parseModel, serializeModel } from "../../core/onnx/model.ts";
import { readModel } from "./read-model.ts";

/**
 * A model as one file. One whose data is in other files is read together with them and written to `outputPath`: everything behind this
 * point (digests, the registry, evaluation, the gateway) knows models of one file.
 *
 * The other files must lie in the model's folder or below it, also behind links, and no byte of them is read for two tensors: beside
 * the files themselves, memory is at most three times their size.
 *
 * @returns the path of the one file: its own when no data is outside
 * @throws FILE_MISSING, MODEL_NOT_ONNX; MODEL_REFUSED for a location outside the folder, data that overlaps or is missing, and more than
 *   fits one file
 */
export async function embedData(path: string, outputPath: string): Promise<string> {
  const bytes = await readModel(path);
  const model = parseModel(bytes, path);
  const outside = externalTensors(model, path);
  if (outside.length === 0) return path;
  refuseSize(
    outside.reduce((sum, { length }) => sum + length, bytes.length),
    path,
  );
  for (const location of new Set(outside.map((tensor) => tensor.location))) {
    const tensors = outside.filter((tensor) => tensor.location === location);
    await readInto(tensors, { path, location });
  }
  await writeFile(outputPath, serializeModel(model));
  return outputPath;
}

async function readInto(
  tensors: readonly ExternalTensor[],
  { path, location }: { readonly path: string; readonly location: string },
): Promise<void> {
  const refuse = (found: string, allowed: string) => new Failure("MODEL_REFUSED", { where: path, found, allowed });
  const file = await confine(path, location);
  const { size } = await stat(file);
  let end = 0;
  for (const { tensor, offset, length } of tensors.toSorted((one, other) => one.offset - other.offset)) {
    // An initializer may be empty and stand where the next one begins.
    if (offset < end) throw refuse(`tensor "${tensor.name}" overlaps another in "${location}"`, "data of its own");
    end = offset + length;
    if (end > size) throw refuse(`tensor "${tensor.name}" ends at byte ${end} of "${location}"`, `${size} bytes`);
  }
  const handle = await open(file);
  try {
    for (const external of tensors) {
      const bytes = new Uint8Array(external.length);
      let filled = 0;
      while (filled < bytes.length) {
        const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, external.offset + filled);
        if (bytesRead === 0) throw refuse(`"${location}" became shorter while it was read`, `${size} bytes`);
        filled += bytesRead;
      }
      embedTensor(external, bytes);
    }
  } finally {
    await handle.close();
  }
}

/** The file itself, whatever links lead to it. */
async function confine(path: string, location: string): Promise<string> {
  const folder = await realpath(dirname(path));
  const file = await realpath(join(folder, location)).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path: join(folder, location), what: `data of the model ${path}` }, { cause });
  });
  const found = file.startsWith(folder.endsWith(sep) ? folder : folder + sep) ? await stat(file) : null;
  if (found?.isFile()) return file;
  throw new Failure("MODEL_REFUSED", {
    where: path,
    found: `data in "${location}", which is ${found === null ? "a link out of its folder" : "no file"}`,
    allowed: "files below the model's folder",
  });
}
