import { recordChange } from "../../activities/change-registry.ts";
import { recordVersion } from "../../activities/version-reference.ts";
import { modelFactsSchema, modelSignatureSchema } from "../../contracts/signature.ts";
import { digestOf } from "../../db/canonical.ts";
import type { Database } from "../../db/client.ts";
import { ensureModel } from "../../db/queries/model.ts";
import { resolveVersion } from "../../db/queries/registry/resolve.ts";
import { searchVersions } from "../../db/queries/registry/versions.ts";
import { attribute } from "../../db/queries/person.ts";
import type { Registry } from "./beside-mlflow.ts";

const signature = modelSignatureSchema.parse({
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1], features: [{ kind: "number", column: "distance" }] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
  label: "late",
  prediction: { kind: "binary", output: "p" },
});
const facts = modelFactsSchema.parse({
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "p", datatype: "FP32", shape: [-1] }],
  opset: 21,
  nodeCount: 1,
  operators: ["Sigmoid"],
  parameterCount: 0,
  sizeBytes: 100,
});

/**
 * What our registry records, each a transaction with its audit event, and a version with its artifact and lineage too. The way there
 * through Temporal and the admission of the model's bytes are left out: MLflow has neither. A model is made once, as there.
 */
export function createOwnRegistry(database: Database, run: string): Registry {
  const models = new Map<string, Promise<void>>();
  const makeModel = (name: string): Promise<void> => {
    const known = models.get(name) ?? database.transaction((tx) => ensureModel(tx, name));
    models.set(name, known);
    return known;
  };
  return {
    register: async (model, call) => {
      await makeModel(model);
      const context = {
        workflowId: `bench/${run}`,
        runId: run,
        activityId: String(call),
        attempt: 1,
        codeDigest: digestOf(run),
      };
      const version = await database.earlyRelease.transaction(async (tx) => {
        const digest = digestOf({ run, call });
        return await recordVersion(
          tx,
          { lifecycle: null, context },
          {
            model,
            artifact: { digest, kind: "model", sizeBytes: 100, mediaType: "application/onnx" },
            signature,
            origin: "registered",
            parent: null,
            facts,
            createdBy: "ada",
            key: null,
            trainingData: null,
          },
        );
      });
      return version.number;
    },
    setAlias: async (model, number, alias) => {
      await database.transaction(async (tx) => {
        const who = await attribute(tx, { by: "ada", reason: "benchmark" });
        const sayings = [{ attribute: "alias" as const, key: alias, value: number }];
        await recordChange(tx, { model, number, sayings, validFrom: null, ...who, statement: null });
      });
    },
    search: async (model) => {
      const { versions } = await searchVersions(database, { model, limit: 50 });
      return versions.length;
    },
    getByAlias: async (model, alias) => {
      await resolveVersion(database, { model, version: alias });
    },
  };
}
