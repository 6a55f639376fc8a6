import { stat } from "node:fs/promises";
import { resolve } from "node:path";

import type { TrainingSettings } from "../../contracts/training.ts";
import { digestFile } from "../artifacts/file-store.ts";

/** A larger file among a trainer's arguments is data, not code. */
const LARGEST_BYTES = 16_000_000;

/**
 * The files a trainer's command names, with the digests of their bytes: its code as far as it can be known from outside. A program
 * found by the PATH is none of them, nor is what its files import.
 */
export async function digestTrainerCode({
  command,
  workingDirectory,
}: Pick<TrainingSettings, "command" | "workingDirectory">): Promise<{ path: string; digest: string }[]> {
  const found = [];
  for (const path of new Set(command.map((part) => resolve(workingDirectory, part)))) {
    const file = await stat(path).catch(() => null);
    if (file?.isFile() && file.size <= LARGEST_BYTES) found.push({ path, digest: (await digestFile(path)).digest });
  }
  return found;
}
