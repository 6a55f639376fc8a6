import { mkdir, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";

import { trainerProgressSchema } from "../../contracts/training.ts";
import { endLeftOverTrainer, MANIFEST_VARIABLE } from "./end-left-over-trainer.ts";
import { loadFinishedAttempt, recordFinishedAttempt } from "./finished-attempt.ts";
import { loadTrainerOutput } from "./load-trainer-output.ts";
import { runCommand } from "./run-command.ts";
import { trainerOutputPaths, type Trainer, type TrainingRequest, type TrainingResult } from "./trainer.ts";

/** A command on this machine, its manifest's path as last argument, in a process group of its own. */
export const processTrainer: Trainer = {
  kind: "process",
  summary: "A command on the compute worker's machine, run in the spec's working directory.",
  train,
};

/** A trainer gets this long to stop on SIGTERM. */
const GRACE_MS = 5_000;

async function train(request: TrainingRequest): Promise<TrainingResult> {
  const { settings, manifest, workDirectory, signal, onProgress } = request;
  signal.throwIfAborted();
  const outputs = trainerOutputPaths(workDirectory);
  if (Object.entries(outputs).some(([name, path]) => manifest.output[name as keyof typeof outputs] !== path)) {
    // Old outputs are deleted below, which must never reach a file outside the work directory.
    throw new TypeError("the manifest's outputs are not trainerOutputPaths(workDirectory)");
  }
  await mkdir(workDirectory, { recursive: true });
  const finished = await loadFinishedAttempt(request);
  if (finished !== null) return finished;

  const manifestPath = join(workDirectory, "manifest.json");
  const pidPath = join(workDirectory, "trainer.pid");
  await endLeftOverTrainer({ manifestPath, pidPath });
  for (const path of Object.values(outputs)) await rm(path, { force: true });
  await writeFile(manifestPath, JSON.stringify(manifest, null, 2));
  try {
    await runCommand({
      command: [...settings.command, manifestPath],
      workingDirectory: settings.workingDirectory,
      environment: trainerEnvironment(process.env, manifestPath),
      logPath: join(workDirectory, "trainer.log"),
      pidPath,
      timeoutMs: settings.timeoutMs,
      silenceMs: settings.silenceMs,
      graceMs: GRACE_MS,
      signal,
      onLine: (line) => reportProgress(line, onProgress),
    });
  } finally {
    // The process group is gone; this also finds what left the group, such as a daemon the trainer made.
    await endLeftOverTrainer({ manifestPath, pidPath });
  }
  const result = await loadTrainerOutput(request);
  await recordFinishedAttempt(request);
  return result;
}

/**
 * What a trainer sees of our environment: enough to find programs and a place for files. Database addresses, tokens and keys
 * of the worker are not its business. Node is always found, even when the worker was started by its full path.
 */
function trainerEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  manifestPath: string,
): Record<string, string> {
  const shared = ["HOME", "TMPDIR", "LANG", "TZ"].flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const path = [environment["PATH"], dirname(process.execPath)].filter((part) => part !== undefined && part !== "");
  return { ...Object.fromEntries(shared), PATH: path.join(delimiter), [MANIFEST_VARIABLE]: manifestPath };
}

/** True when the line was progress; every other line is the trainer's log. */
function reportProgress(line: string, onProgress: TrainingRequest["onProgress"]): boolean {
  if (!line.startsWith("{")) return false;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return false;
  }
  const parsed = trainerProgressSchema.safeParse(value);
  if (parsed.success) onProgress(parsed.data.progress, parsed.data.note);
  return parsed.success;
}
