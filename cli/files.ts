import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { embed } from "../adapters/compute/embed.ts";
import { digestFile } from "../adapters/artifacts/file-store.ts";
import { loadDocument } from "../client/document.ts";
import { Failure } from "../contracts/failures.ts";
import type { Digest } from "../contracts/primitives.ts";
import { modelSignatureSchema, type ModelSignature } from "../contracts/signature.ts";
import { inspectModel } from "../core/onnx/inspect.ts";

/** A file by its path and the digest of its bytes: what jobs are told, so that they measure these bytes and no others. */
export interface PinnedFile {
  readonly path: string;
  readonly digest: Digest;
}

/** @throws FILE_MISSING; INPUT_INVALID for a folder */
export async function pinFile(path: string, what: string): Promise<PinnedFile> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what }, { cause });
  });
  if (!found.isFile()) {
    throw new Failure("INPUT_INVALID", {
      where: path,
      problems: `this is a folder, ${what} is one file; name the file`,
    });
  }
  const { digest } = await digestFile(path);
  return { path: resolve(path), digest };
}

/**
 * A model by path and digest, as one file: one whose data is in other files is written to the output directory with them.
 *
 * @throws what `pinFile` throws; MODEL_REFUSED for data outside the model's folder
 */
export async function pinModel(path: string, role: "model" | "champion", directory: string): Promise<PinnedFile> {
  const what = `the ${role}`;
  const { path: own } = await pinFile(path, what);
  await mkdir(directory, { recursive: true });
  return pinFile(await embed({ path: own, outputPath: join(directory, `${role}-in-one-file.onnx`) }), what);
}

/**
 * The signature of a model: the file named, else signature.json beside the model. None is ever guessed: a wrong one would score
 * without complaint.
 *
 * @param pinned the model as one file, where it is known
 * @throws FILE_MISSING, INPUT_INVALID, and MODEL_NOT_ONNX or MODEL_REFUSED of the model that has none
 */
export async function loadSignature(
  modelPath: string,
  named: string | undefined,
  pinned: PinnedFile | null = null,
): Promise<ModelSignature> {
  const path = named ?? join(dirname(modelPath), "signature.json");
  const there = named !== undefined || (await stat(path).catch(() => null)) !== null;
  if (there) return loadDocument(path, { what: "model signature", schema: modelSignatureSchema });
  throw new Failure("INPUT_INVALID", {
    where: modelPath,
    problems: await howToWriteSignature(pinned?.path ?? modelPath, path),
  });
}

async function howToWriteSignature(modelPath: string, path: string): Promise<string> {
  const bytes = await readFile(modelPath).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path: modelPath, what: "the model" }, { cause });
  });
  const { inputs, outputs } = inspectModel(bytes, modelPath);
  const list = (tensors: typeof inputs) =>
    tensors.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.join(", ")}]`);
  return [
    "the model has no signature, and how columns become its inputs is never guessed",
    `  inputs   ${list(inputs).join(", ")}`,
    `  outputs  ${list(outputs).join(", ")}`,
    `Write ${path}, or name a file with --signature. With your own columns it looks like this:`,
    ...EXAMPLE,
    'A "number" column is scaled as (value - mean) / deviation; several features of one input are stacked in their order.',
  ].join("\n");
}

const EXAMPLE = [
  '  { "inputs": [{ "name": "features", "datatype": "FP32", "shape": [-1, 2], "features": [',
  '      { "kind": "number", "column": "age", "mean": 41.2, "deviation": 13.7 },',
  '      { "kind": "category", "column": "plan", "vocabulary": ["basic", "plus"] }] }],',
  '    "outputs": [{ "name": "probability", "datatype": "FP32", "shape": [-1, 1] }],',
  '    "label": "churned", "prediction": { "kind": "binary", "output": "probability", "threshold": 0.5 } }',
];

export interface WrittenReport {
  readonly json: string;
  readonly html: string;
}

export const DEFAULT_OUT = "modelwright-report";

/** Writes a report as `NAME.json` and the self-contained page `NAME.html`; a report of the same name is replaced. */
export async function writeReport(
  directory: string,
  name: string,
  { report, page }: { readonly report: unknown; readonly page: string },
): Promise<WrittenReport> {
  const files = { json: join(directory, `${name}.json`), html: join(directory, `${name}.html`) };
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(files.json, `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(files.html, page);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problems = `the report cannot be written (${reason}); name another directory with --out`;
    throw new Failure("INPUT_INVALID", { where: directory, problems }, { cause });
  }
  return files;
}

/** As people would type it from where they are. */
export const shownPath = (path: string): string => {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? resolve(path) : short || ".";
};
