import { fork } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { MemoryRequest } from "./memory-child.ts";

const childEntry = fileURLToPath(new URL("./memory-child.ts", import.meta.url));
/** Named in full: a parent started otherwise (a test runner) has no loader to inherit. */
const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const LIMIT_MS = 120_000;

/**
 * Resident memory that loading a model and running it once adds to a process of its own: in one that ran other models before, what
 * they left behind would be taken for this one's. Null when the process ended without a number.
 */
export async function measureMemory(request: MemoryRequest): Promise<number | null> {
  const child = fork(childEntry, [], {
    execArgv: ["--import", loader],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  try {
    return await new Promise<number | null>((resolve) => {
      child.once("message", (answer) => resolve((answer as { bytes: number }).bytes));
      child.once("error", () => resolve(null));
      child.once("exit", () => resolve(null));
      child.send(request);
    });
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}
