import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";

import { createWhole } from "./whole-file.ts";

/** A random password of 24 bytes that stays the same from the first call on, in a file only its owner can read. */
export async function loadSecret(path: string): Promise<string> {
  const known = await readFile(path, "utf8").catch(() => undefined);
  if (known !== undefined) return known;
  await createWhole(path, randomBytes(24).toString("base64url"));
  return await readFile(path, "utf8");
}
