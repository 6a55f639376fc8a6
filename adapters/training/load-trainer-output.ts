import { readFile, stat } from "node:fs/promises";

import { Failure } from "../../contracts/failures.ts";
import { modelSignatureSchema, type ModelSignature } from "../../contracts/signature.ts";
import { trainerMetricsSchema, type TrainerManifest } from "../../contracts/training.ts";
import type { TrainingRequest, TrainingResult } from "./trainer.ts";

/**
 * Reads what a trainer left and checks its form; the model itself is looked at by admission.
 *
 * @throws TRAINER_NO_MODEL for a missing or empty file; MODEL_SIGNATURE; INPUT_INVALID for metrics
 */
export async function loadTrainerOutput({ manifest, settings }: TrainingRequest): Promise<TrainingResult> {
  const { model, signature, metrics } = manifest.output;
  for (const path of [model, signature, metrics]) {
    const found = await stat(path).catch(() => null);
    if (!found?.isFile() || found.size === 0) {
      throw new Failure("TRAINER_NO_MODEL", { command: settings.command.join(" "), expected: path });
    }
  }
  return {
    modelPath: model,
    signature: checkColumns(await loadSignature(signature), manifest, signature),
    metrics: await loadMetrics(metrics),
  };
}

async function loadSignature(path: string): Promise<ModelSignature> {
  const parsed = modelSignatureSchema.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  const found = problems(parsed.error.issues);
  throw new Failure("MODEL_SIGNATURE", { where: path, found, expected: "a ModelSignature as JSON" });
}

/** A model that reads a column it may not have, or the label itself, would be refused much later and with less to go by. */
function checkColumns(signature: ModelSignature, manifest: TrainerManifest, where: string): ModelSignature {
  if (signature.label !== manifest.label) {
    throw new Failure("MODEL_SIGNATURE", {
      where,
      found: `label "${signature.label}"`,
      expected: `"${manifest.label}", the label of the manifest`,
    });
  }
  const allowed = manifest.features.filter((name) => name !== manifest.label);
  const used = signature.inputs.flatMap((input) => input.features.map(({ column }) => column));
  const forbidden = used.filter((column) => !allowed.includes(column));
  if (forbidden.length > 0) {
    throw new Failure("MODEL_SIGNATURE", {
      where,
      found: `a feature on ${[...new Set(forbidden)].join(", ")}`,
      expected: `features on ${allowed.join(", ")} only`,
    });
  }
  return signature;
}

async function loadMetrics(path: string): Promise<Readonly<Record<string, number>>> {
  const parsed = trainerMetricsSchema.safeParse(await readJson(path));
  if (parsed.success) return parsed.data;
  throw new Failure("INPUT_INVALID", {
    where: path,
    problems: `${problems(parsed.error.issues)}; allowed: a flat JSON object of numbers`,
  });
}

/** The value, or undefined for text that is not JSON, which no schema accepts. */
async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problems(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): string {
  const shown = issues.slice(0, 5).map(({ path, message }) => `${path.map(String).join(".") || "(file)"}: ${message}`);
  return [...shown, ...(issues.length > 5 ? [`and ${issues.length - 5} more`] : [])].join("; ");
}
