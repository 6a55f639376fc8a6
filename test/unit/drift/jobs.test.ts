import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drift } from "../../../adapters/compute/drift.ts";
import { profile } from "../../../adapters/compute/profile.ts";
import type { PinnedData } from "../../../adapters/compute/watched-batches.ts";
import {
  baselineProfileSchema,
  driftReportSchema,
  driftSettingsSchema,
  SCORE_COLUMN,
} from "../../../contracts/drift.ts";
import { isFailure } from "../../../contracts/failures.ts";
import { modelSignatureSchema } from "../../../contracts/signature.ts";
import { buildGraph } from "../../../core/onnx/build.ts";
import { serializeModel } from "../../../core/onnx/model.ts";
import { createRandom } from "../../../core/stats/random.ts";

const signature = modelSignatureSchema.parse({
  inputs: [
    {
      name: "distance",
      datatype: "FP32",
      shape: [-1, 1],
      features: [{ kind: "number", column: "distance", mean: 700, deviation: 500 }],
    },
    {
      name: "origin",
      datatype: "INT64",
      shape: [-1],
      features: [{ kind: "category", column: "origin", vocabulary: ["ATL", "ORD", "SFO"] }],
    },
  ],
  outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  label: "late",
  prediction: { kind: "binary", output: "probability" },
});

/** Probability rises with distance; the airport moves it a little. */
function logisticModel(): Uint8Array {
  const graph = buildGraph("logistic");
  const distance = graph.input("distance", "FP32", ["batch", 1]);
  const origin = graph.input("origin", "INT64", ["batch"]);
  const offset = graph.add("Gather", [graph.floats("offsets", [3, 1], [-0.2, 0, 0.3]), origin]);
  graph.add("Sigmoid", [graph.add("Add", [distance, offset])], {}, { output: "probability" });
  graph.output("probability", "FP32", ["batch", 1]);
  return serializeModel(graph.model());
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
const context = { progress: () => {} };
const settings = driftSettingsSchema.parse({});
const failsWith = (code: string) => expect.toSatisfy((thrown) => isFailure(thrown) && thrown.code === code);

let directory: string;
let model: { path: string; digest: string };
let reference: PinnedData;

async function flights(
  name: string,
  seed: number,
  rows: number,
  change: { scale?: number; airport?: string } = {},
): Promise<PinnedData> {
  const random = createRandom(seed);
  const lines = Array.from({ length: rows }, (_, row) => {
    const airport = change.airport && row % 5 === 0 ? change.airport : ["ATL", "ORD", "SFO"][random.integer(3)];
    return `${Math.round((change.scale ?? 1) * Math.exp(6.3 + 0.6 * random.normal()))},${airport},${random.integer(2)}`;
  });
  const text = `distance,origin,late\n${lines.join("\n")}\n`;
  const path = join(directory, `${name}.csv`);
  await writeFile(path, text);
  return { path, digest: sha256(text) };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "drift-jobs-"));
  const bytes = logisticModel();
  model = { path: join(directory, "model.onnx"), digest: sha256(bytes) };
  await writeFile(model.path, bytes);
  reference = await flights("reference", 1, 20_000);
});
afterAll(() => rm(directory, { recursive: true }));

const profiled = (columns: readonly string[] | null = null) =>
  profile({ data: reference, signature, columns, model }, context);

describe("the jobs profile and drift", () => {
  it("freeze features and score, the same profile for the same bytes", async () => {
    const first = await profiled();
    expect(baselineProfileSchema.parse(first)).toEqual(first);
    expect(first).toMatchObject({ rowCount: 20_000, data: reference.digest });
    expect(first.columns.map(({ column, kind }) => `${column}: ${kind}`)).toEqual([
      "distance: number",
      "origin: category",
      `${SCORE_COLUMN}: number`,
    ]);
    for (const { counts, nullCount } of first.columns)
      expect(counts.reduce((sum, count) => sum + count, nullCount)).toBe(20_000);
    expect(await profiled()).toEqual(first);
  });

  it("find kilometres where miles were, in the column and in the score, and leave a stable window alone", async () => {
    const frozen = await profiled();
    const check = async (data: PinnedData) => drift({ profile: frozen, data, signature, model, settings }, context);
    const stable = await check(await flights("stable", 2, 10_000));
    expect(driftReportSchema.parse(stable)).toEqual(stable);
    expect(stable).toMatchObject({ verdict: "stable", rowCount: 10_000 });
    const shifted = await check(await flights("kilometres", 3, 10_000, { scale: 1.609 }));
    expect(shifted).toMatchObject({ verdict: "drifted", driftedColumns: ["distance", SCORE_COLUMN] });
  });

  it("report rows that the model refuses as scores that are null, beside the category that is new", async () => {
    const data = await flights("new-airport", 4, 9000, { airport: "DEN" });
    const report = await drift({ profile: await profiled(), data, signature, model, settings }, context);
    expect(report).toMatchObject({ verdict: "drifted", driftedColumns: ["origin", SCORE_COLUMN] });
    expect(report.results.find(({ column, test }) => column === SCORE_COLUMN && test === "null-rate")).toMatchObject({
      verdict: "drifted",
      statistic: 0.2,
    });
  });

  it("watch the columns they are told, without a model or a signature if need be", async () => {
    const frozen = await profiled(["origin"]);
    expect(frozen.columns.map(({ column }) => column)).toEqual(["origin"]);
    const bare = await profile({ data: reference, signature: null, columns: null, model: null }, context);
    expect(bare.columns.map(({ column }) => column)).toEqual(["distance", "origin", "late"]);
    const report = await drift(
      {
        profile: await profiled(),
        data: reference,
        signature: null,
        model: null,
        settings: { ...settings, columns: ["distance"] },
      },
      context,
    );
    expect(new Set(report.results.map(({ column }) => column))).toEqual(new Set(["distance"]));
    const onlyScore = await drift(
      {
        profile: await profiled(),
        data: reference,
        signature,
        model,
        settings: { ...settings, columns: [SCORE_COLUMN] },
      },
      context,
    );
    expect(onlyScore.driftedColumns).toEqual([]);
    expect(new Set(onlyScore.results.map(({ column }) => column))).toEqual(new Set([SCORE_COLUMN]));
  });

  it("refuse other bytes than announced, an empty file, a lost column and a model without its signature", async () => {
    const of = (data: PinnedData, more: object = {}) =>
      profile({ data, signature, columns: null, model, ...more }, context);
    await expect(of({ ...reference, digest: "0".repeat(64) })).rejects.toThrow(failsWith("DIGEST_MISMATCH"));
    await expect(of({ path: join(directory, "none.csv"), digest: reference.digest })).rejects.toThrow(
      failsWith("FILE_MISSING"),
    );
    await expect(
      of(await flights("empty", 1, 0), { signature: null, model: null, columns: ["distance"] }),
    ).rejects.toThrow(failsWith("DATA_EMPTY"));
    await expect(of(reference, { columns: ["gone"] })).rejects.toThrow(failsWith("COLUMN_MISSING"));
    await expect(of(reference, { signature: null })).rejects.toThrow(failsWith("INPUT_INVALID"));
    await expect(of(reference, { columns: [SCORE_COLUMN], model: null })).rejects.toThrow(failsWith("INPUT_INVALID"));
  });
});
