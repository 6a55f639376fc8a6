import type { MemoryRequest } from "./memory-child.ts";
import { forkProgram } from "../compute/fork-program.ts";

const childEntry = new URL("./memory-child.ts", import.meta.url);
const LIMIT_MS = 120_000;

/**
 * Resident memory that loading a model and running it once adds to a process of its own: in one that ran other models before, what
 * they left behind would be taken for this one's. Null when the process ended without a number.
 */
export async function measureMemory(request: MemoryRequest): Promise<number | null> {
  const child = forkProgram(childEntry, { stdio: ["ignore", "ignore", "ignore", "ipc"] });
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
