import { createHash } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

import { digestFile } from "../artifacts/file-store.ts";
import { loadTrainerOutput } from "./load-trainer-output.ts";
import type { TrainingRequest, TrainingResult } from "./trainer.ts";

const donePath = (request: TrainingRequest) => join(request.workDirectory, "done.json");

/** The result of an earlier attempt of the same request that ended well and whose files are unchanged since; else null. */
export async function loadFinishedAttempt(request: TrainingRequest): Promise<TrainingResult | null> {
  const recorded = await readFile(donePath(request), "utf8").catch(() => null);
  if (recorded === null) return null;
  const current = await describeAttempt(request).catch(() => null);
  return recorded === current ? loadTrainerOutput(request) : null;
}

/** Says that the files in the work directory are the whole result; written aside, synced and renamed. */
export async function recordFinishedAttempt(request: TrainingRequest): Promise<void> {
  const path = donePath(request);
  const file = await open(`${path}.incoming`, "w");
  try {
    await file.writeFile(await describeAttempt(request));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.incoming`, path);
}

/** Digests of what was asked and of what came back: equal text, equal attempt. */
async function describeAttempt({ settings, manifest }: TrainingRequest): Promise<string> {
  const asked = createHash("sha256")
    .update(JSON.stringify([settings.command, manifest]))
    .digest("hex");
  const { model, signature, metrics } = manifest.output;
  const files = {
    model: await digestFile(model),
    signature: await digestFile(signature),
    metrics: await digestFile(metrics),
  };
  return JSON.stringify({ version: 1, asked, files });
}
