import { readFile } from "node:fs/promises";
import { modelSignatureSchema, type ModelSignature } from "../../contracts/signature.ts";

/** The columns of a file of rows, without the label, which is the last. */
export async function columnsOf(path: string): Promise<readonly string[]> {
  const text = await readFile(path, "utf8");
  return text.slice(0, text.indexOf("\n")).split(",").slice(0, -1);
}

/** How they become the one input of every model here. */
export function signatureOf(columns: readonly string[]): ModelSignature {
  const features = columns.map((column) => ({ kind: "number", column }));
  return modelSignatureSchema.parse({
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, columns.length], features }],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
    label: "high",
    prediction: { kind: "binary", output: "probability" },
  });
}

/** All rows as one tensor, with the labels. */
export async function readRows(path: string) {
  const lines = (await readFile(path, "utf8")).trim().split("\n").slice(1);
  const cells = lines.map((line) => line.split(",").map(Number));
  const width = (cells[0]?.length ?? 1) - 1;
  const data = Float32Array.from(cells.flatMap((row) => row.slice(0, width)));
  return {
    tensor: { name: "x", datatype: "FP32", shape: [cells.length, width], data } as const,
    labels: cells.map((row) => row[width] === 1),
  };
}
