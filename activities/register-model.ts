import { readFile } from "node:fs/promises";
import { runJob } from "../adapters/compute/run-job.ts";
import { registerDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { Registration, RegistrationInput } from "../contracts/messages.ts";
import { modelSignatureSchema, type ModelSignature } from "../contracts/signature.ts";
import { ensureModel, findRegistered } from "../db/queries/model.ts";
import { recordExecution } from "../db/queries/lineage/record-execution.ts";
import { runOperation } from "../db/queries/operation.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { keepFile } from "./keep-artifact.ts";
import { executionContext, operationContext } from "./operation-context.ts";
import type { Seal } from "./stage.ts";
import { recordVersion, referenceOf } from "./version-reference.ts";

/**
 * Admits somebody's own model file as a version: the same limits and smoke inference as for a trained one. The same bytes with the
 * same signature are one version of a model, however often they are registered by hand; what a lifecycle makes is its own version,
 * because it has its own history.
 */
export async function registerModel(dependencies: Dependencies, input: RegistrationInput): Promise<Registration> {
  const { model, registeredBy: by, proof } = input;
  // Before the work: nobody makes a worker open files he may not register.
  const who = await dependencies.database.transaction((tx) =>
    authorize(tx, { ...registerDeed(input), model, environment: null, by, proof }),
  );
  return withHeartbeat(async ({ signal }) => {
    const signature = await loadSignature(input.signaturePath);
    const facts = await runJob("admit", { model: { path: input.modelPath }, signature, sample: null }, { signal });
    const file = await keepFile(dependencies, { path: input.modelPath, kind: "model", mediaType: "application/onnx" });
    const { registrationId, modelPath, signaturePath } = input;
    return runOperation(
      dependencies.database,
      {
        key: `registration/${registrationId}`,
        request: { model, modelPath, signaturePath, digest: file.digest },
        context: operationContext(),
      },
      async (tx) => {
        await ensureModel(tx, model);
        const before = await findRegistered(tx, { model, artifact: file.digest, signature });
        if (before) return { ...referenceOf(before), existing: true };
        await file.register(tx);
        const seal: Seal = async (execution) => {
          await recordExecution(tx, { ...execution, lifecycle: null, context: executionContext(dependencies) });
        };
        const version = await recordVersion(tx, seal, {
          model,
          artifact: file.digest,
          signature,
          origin: "registered",
          parent: null,
          facts,
          createdBy: who.by,
          statement: who.statement,
          key: null,
          trainingData: null,
        });
        return { ...referenceOf(version), existing: false };
      },
    );
  });
}

async function loadSignature(path: string): Promise<ModelSignature> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what: "the model's signature as JSON" }, { cause });
  });
  const parsed = modelSignatureSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const found = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(top)"}: ${issue.message}`).join("; ");
  throw new Failure("MODEL_SIGNATURE", { where: path, found, expected: "a ModelSignature (contracts/signature.ts)" });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
