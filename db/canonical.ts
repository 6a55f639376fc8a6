import { createHash } from "node:crypto";

import canonicalize from "canonicalize";

/** RFC 8785 canonical JSON in UTF-8: equal values have equal bytes, whatever the order of their keys. */
export function canonicalBytes(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return Buffer.from(text, "utf8");
}

export const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** SHA-256 of the canonical JSON, in hexadecimal digits. */
export const digestOf = (value: unknown): string => sha256(canonicalBytes(value)).toString("hex");
