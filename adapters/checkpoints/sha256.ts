import { hash } from "node:crypto";
import type { Hash } from "../../core/audit/merkle-hash.ts";

export const sha256: Hash = (...parts) => hash("sha256", Buffer.concat(parts), "buffer");
