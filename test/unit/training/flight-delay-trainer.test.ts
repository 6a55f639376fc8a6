import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { DuckDBInstance } from "@duckdb/node-api";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { processTrainer } from "../../../adapters/training/process-trainer.ts";
import { trainerOutputPaths, type TrainingRequest } from "../../../adapters/training/trainer.ts";
import { trainingSettingsSchema } from "../../../contracts/training.ts";
import { damageModel } from "../../../examples/flight-delay/damage.ts";
import { exportNetwork } from "../../../examples/flight-delay/trainer/export.ts";
import { createNetwork, type Network, type Rows } from "../../../examples/flight-delay/trainer/network.ts";
import type { Parameter } from "../../../examples/flight-delay/trainer/parameters.ts";
import { createPropagation } from "../../../examples/flight-delay/trainer/propagate.ts";
import { createRandom } from "../../../examples/flight-delay/trainer/random.ts";
import { rocAuc } from "../../../examples/flight-delay/trainer/roc-auc.ts";
import { readSettings } from "../../../examples/flight-delay/trainer/settings.ts";

const trainScript = fileURLToPath(new URL("../../../examples/flight-delay/train.ts", import.meta.url));

let directory = "";
let data = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-flights-"));
  data = join(directory, "data.parquet");
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  // Late exactly where an evening flight leaves BBB; ZZZ is too rare for an embedding of its own.
  await connection.run(`COPY (
    SELECT TIMESTAMP '2001-01-01' + INTERVAL (i) MINUTE AS date, i % 24 AS hour, 100 + i % 900 AS distance,
      CASE WHEN i = 7 THEN 'ZZZ' WHEN (i // 24) % 2 = 0 THEN 'AAA' ELSE 'BBB' END AS origin,
      hour > 16 AND origin = 'BBB' AS late
    FROM range(4000) t(i)) TO '${data}'`);
  connection.closeSync();
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

function request(name: string, parameters: Readonly<Record<string, number | number[] | string>>): TrainingRequest {
  const workDirectory = join(directory, name);
  const columns = [
    { name: "date", type: "timestamp" },
    { name: "hour", type: "number" },
    { name: "distance", type: "number" },
    { name: "origin", type: "text" },
    { name: "late", type: "boolean" },
  ] as const;
  return {
    settings: trainingSettingsSchema.parse({ command: [process.execPath, "--import", "tsx", trainScript] }),
    manifest: {
      version: 1,
      data: { path: data, digest: "0".repeat(64), format: "parquet", rowCount: 4000, columns: [...columns] },
      label: "late",
      features: ["hour", "distance", "origin"],
      parameters: { embedding: 4, hidden: [8], epochs: 20, batch: 128, learningRate: 0.02, ...parameters },
      seed: 3,
      output: trainerOutputPaths(workDirectory),
    },
    workDirectory,
    signal: new AbortController().signal,
    onProgress: () => {},
  };
}

describe("examples/flight-delay/train.ts", () => {
  test("learns from a manifest and returns a signature whose unknown airport is index 0", async () => {
    const shares: number[] = [];
    const result = await processTrainer.train({ ...request("a", {}), onProgress: (share) => shares.push(share) });
    expect(result.metrics["holdout_roc_auc"]).toBeGreaterThan(0.98);
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBe(1);
    const features = result.signature.inputs.flatMap((input) => input.features);
    expect(features.map(({ column }) => column)).toEqual(["hour", "distance", "origin"]);
    expect(features[2]).toMatchObject({ vocabulary: ["(unknown)", "AAA", "BBB"], unknown: 0, missing: 0 });
  });

  test("gives the same bytes for the same data, parameters and seed, and others for another seed", async () => {
    const quick = { epochs: 1, rows: 1000 };
    const [first, again, other] = [request("b", quick), request("c", quick), request("d", quick)];
    const trained = [first, again, { ...other, manifest: { ...other.manifest, seed: 4 } }].map(async (training) =>
      readFile((await processTrainer.train(training)).modelPath),
    );
    const [firstBytes, againBytes, otherBytes] = await Promise.all(trained);
    expect(firstBytes!.equals(againBytes!)).toBe(true);
    expect(firstBytes!.equals(otherBytes!)).toBe(false);
  });

  test("refuses a parameter it does not know, by name", async () => {
    const training = processTrainer.train(request("e", { epoch: 5 }));
    await expect(training).rejects.toMatchObject({
      code: "TRAINER_EXITED",
      message: expect.stringContaining('"epoch"'),
    });
  });

  test.each([
    [{ rows: 0 }, "rows"],
    [{ hidden: [0] }, "hidden"],
    [{ learningRate: "fast" }, "learningRate"],
    [{ holdoutShare: 1 }, "holdoutShare"],
  ])("refuses the parameters %j", (parameters, name) => {
    expect(() => readSettings(parameters)).toThrow(name);
  });
});

describe("the network", () => {
  const random = createRandom(5);
  const count = 12;
  const rows: Rows = {
    count,
    numbers: Float32Array.from({ length: count * 2 }, random.normal),
    categories: Int32Array.from({ length: count * 2 }, (_, i) => random.below(i % 2 === 0 ? 3 : 4)),
    labels: Uint8Array.from({ length: count }, () => random.below(2)),
  };
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  const shapes = [{ hidden: [] }, { hidden: [5] }, { hidden: [6, 4] }];
  const createSmall = (hidden: readonly number[]) =>
    createNetwork({ numberCount: 2, categorySizes: [3, 4], embedding: 3, hidden, seed: 2 }, 0.3);

  test.each(shapes)("has the gradients of its loss with hidden layers $hidden", ({ hidden }) => {
    const network = createSmall(hidden);
    // A zero bias puts a ReLU whose inputs are all off exactly on its kink, where a difference is no derivative.
    for (const { bias } of network.layers) bias.values.forEach((_, j) => (bias.values[j] = 0.05 + 0.02 * j));
    const propagation = createPropagation(network, count);
    propagation.forward(rows, order, 0, count);
    const meanLoss = propagation.backward() / count;
    const values = new Map(network.parameters.map((parameter) => [parameter, Float64Array.from(parameter.values)]));
    expect(meanLoss).toBeCloseTo(lossInDoubles(network, values, rows), 6);
    for (const parameter of network.parameters) {
      const exact = values.get(parameter)!;
      exact.forEach((value, i) => {
        // So small a step, only possible in double precision, stays on one side of every kink.
        const step = 1e-6;
        exact[i] = value + step;
        const above = lossInDoubles(network, values, rows);
        exact[i] = value - step;
        const below = lossInDoubles(network, values, rows);
        exact[i] = value;
        expect(parameter.gradient[i], `${parameter.name}[${i}]`).toBeCloseTo((above - below) / (2 * step), 5);
      });
    }
  });

  test.each(shapes)("is the same function in ONNX Runtime with hidden layers $hidden", async ({ hidden }) => {
    const network = createSmall(hidden);
    const expected = Array.from(createPropagation(network, count).forward(rows, order, 0, count));
    const found = await probabilities(exportNetwork(network), rows);
    found.forEach((value, row) => expect(value).toBeCloseTo(expected[row]!, 6));
  });

  test("says the opposite after damage, with the same inputs and outputs", async () => {
    const good = exportNetwork(createSmall([5]));
    const [before, after] = [await probabilities(good, rows), await probabilities(damageModel(good), rows)];
    after.forEach((value, row) => expect(value).toBeCloseTo(1 - before[row]!, 6));
    expect(damageModel(Buffer.from(good))).toEqual(damageModel(good));
  });
});

describe("rocAuc", () => {
  test("counts the pairs in order, ties as half", () => {
    expect(rocAuc(Float32Array.of(0.1, 0.4, 0.35, 0.8), Uint8Array.of(0, 0, 1, 1))).toBe(0.75);
    expect(rocAuc(Float32Array.of(0.5, 0.5), Uint8Array.of(0, 1))).toBe(0.5);
  });

  test("is undefined when a class is missing", () => {
    expect(rocAuc(Float32Array.of(0.5), Uint8Array.of(1))).toBeNull();
    expect(rocAuc(new Float32Array(), new Uint8Array())).toBeNull();
  });
});

/** Mean log loss written down once more, row by row and without any of the shortcuts. */
function lossInDoubles(network: Network, values: ReadonlyMap<Parameter, Float64Array>, rows: Rows): number {
  let loss = 0;
  for (let row = 0; row < rows.count; row++) {
    const embedded = network.embeddings.flatMap((table, c) => {
      const at = rows.categories[row * network.embeddings.length + c]! * table.shape[1]!;
      return [...values.get(table)!.subarray(at, at + table.shape[1]!)];
    });
    let layer = [...rows.numbers.subarray(row * 2, row * 2 + 2), ...embedded];
    network.layers.forEach(({ weights, bias }, i) => {
      const inputs = i === 0 ? layer : layer.map((value) => Math.max(0, value));
      const matrix = values.get(weights)!;
      layer = Array.from(values.get(bias)!, (start, j) =>
        inputs.reduce((sum, value, k) => sum + value * matrix[k * weights.shape[1]! + j]!, start),
      );
    });
    const probability = 1 / (1 + Math.exp(-layer[0]!));
    loss -= Math.log(rows.labels[row] === 1 ? probability : 1 - probability);
  }
  return loss / rows.count;
}

async function probabilities(model: Uint8Array, rows: Rows): Promise<number[]> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const outputs = await session.run({
    numbers: new Tensor("float32", rows.numbers, [rows.count, 2]),
    categories: new Tensor("int64", BigInt64Array.from(rows.categories, BigInt), [rows.count, 2]),
  });
  const result = outputs["probability"]!;
  expect(result.dims).toEqual([rows.count, 1]);
  await session.release();
  return Array.from(result.data as Float32Array);
}
