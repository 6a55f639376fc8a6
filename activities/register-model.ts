import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runJob } from "../adapters/compute/run-job.ts";
import { registerDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { Registration, RegistrationInput } from "../contracts/messages.ts";
import { modelSignatureSchema, type ModelSignature } from "../contracts/signature.ts";
import { ensureModel, findRegistered } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { withHeartbeat } from "./heartbeat.ts";
import { keepFile } from "./keep-artifact.ts";
import { executionContext, operationContext } from "./operation-context.ts";
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
    const { signature, facts, file } = await takeIn(dependencies, input, signal);
    const { registrationId, modelPath, signaturePath } = input;
    return runOperation(
      dependencies.database.earlyRelease,
      {
        key: `registration/${registrationId}`,
        request: { model, modelPath, signaturePath, digest: file.digest },
        context: operationContext(),
      },
      async (tx) => {
        await ensureModel(tx, model);
        const before = await findRegistered(tx, { model, artifact: file.digest, signature });
        if (before) return { ...referenceOf(before), existing: true };
        const frame = { lifecycle: null, context: executionContext(dependencies) };
        const version = await recordVersion(tx, frame, {
          model,
          artifact: file.bytes,
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

/** Admits the file and stores its bytes, as one file where its data is in others. */
async function takeIn(dependencies: Dependencies, input: RegistrationInput, signal: AbortSignal) {
  const signature = await loadSignature(input.signaturePath);
  const directory = await mkdtemp(join(tmpdir(), "modelwright-register-"));
  try {
    const outputPath = join(directory, "model.onnx");
    const path = await runJob("embed", { path: input.modelPath, outputPath }, { signal });
    const facts = await runJob("admit", { model: { path }, signature, sample: null }, { signal });
    const file = await keepFile(dependencies, { path, kind: "model", mediaType: "application/onnx" });
    return { signature, facts, file };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
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
