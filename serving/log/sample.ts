import { createHash } from "node:crypto";

/** Whether the rows of a request are kept: by its id, so that every gateway, and the error of a canary beside it, says the same. */
export function isSampled(id: string, share: number): boolean {
  if (share >= 1) return true;
  const hash = createHash("sha256").update(id).digest();
  return hash.readUIntBE(0, 6) / 2 ** 48 < share;
}
