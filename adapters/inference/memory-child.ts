import { readFile } from "node:fs/promises";
import type { Digest } from "../../contracts/primitives.ts";
import type { ModelSignature } from "../../contracts/signature.ts";
import { openSession } from "./session.ts";
import { zeroTensors } from "./zero-tensors.ts";

/** What the process is asked to load, and the rows it then runs once. */
export interface MemoryRequest {
  readonly path: string;
  readonly digest: Digest;
  readonly signature: ModelSignature;
  readonly rowCount: number;
}

/** Entry of a process that loads one model, runs it once, says how much memory that took, and ends. */
process.once("message", (request: MemoryRequest) => {
  void measure(request).then(
    (bytes) => process.send?.({ bytes }, () => process.exit(0)),
    // A model that takes more than there is has no number; the parent sees a process that ended without one.
    () => process.exit(1),
  );
});

async function measure({ path, digest, signature, rowCount }: MemoryRequest): Promise<number> {
  const before = process.memoryUsage().rss;
  const session = await openSession({ model: await readFile(path), digest });
  await session.run(zeroTensors(signature, rowCount));
  return Math.max(0, process.memoryUsage().rss - before);
}
