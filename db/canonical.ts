import { hash } from "node:crypto";

import canonicalize from "canonicalize";

/** RFC 8785 canonical JSON in UTF-8: equal values have equal bytes, whatever the order of their keys. */
export function canonicalBytes(value: unknown): Buffer {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return Buffer.from(text, "utf8");
}

/** Over the parts one after the other. In one call, which takes half the time of an object made for each hash. */
export const sha256 = (...parts: readonly Uint8Array[]): Buffer => hash("sha256", Buffer.concat(parts), "buffer");

/** SHA-256 of the canonical JSON, in hexadecimal digits. */
export const digestOf = (value: unknown): string => sha256(canonicalBytes(value)).toString("hex");
