import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";

import type { Statement } from "../contracts/identity.ts";
import { canonicalBytes, sha256 } from "./canonical.ts";

// What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410).
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

const privateKeyOf = (seed: Buffer) =>
  createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });

/** The public key of a seed of 32 bytes, in base64url. */
export function publicKeyOf(seed: Buffer): string {
  const spki = createPublicKey(privateKeyOf(seed)).export({ format: "der", type: "spki" });
  return spki.subarray(SPKI.length).toString("base64url");
}

/** Ed25519 over the statement's canonical bytes, in base64url. */
export const signStatement = (statement: Statement, seed: Buffer): string =>
  sign(null, canonicalBytes(statement), privateKeyOf(seed)).toString("base64url");

/** False for anything that is not this key's signature of exactly this statement. */
export function isSignedBy(statement: Statement, signature: string, publicKey: string): boolean {
  const key = Buffer.concat([SPKI, Buffer.from(publicKey, "base64url")]);
  return verify(
    null,
    canonicalBytes(statement),
    createPublicKey({ key, format: "der", type: "spki" }),
    Buffer.from(signature, "base64url"),
  );
}

/** How a text someone wrote is named where it is kept for ever; the salt keeps guesses from being tried. */
export const textRef = (text: string, salt: Buffer): string =>
  text === "" ? "" : `text/${sha256(salt, Buffer.from(text, "utf8")).toString("hex")}`;
