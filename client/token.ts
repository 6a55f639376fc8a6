import { randomBytes } from "node:crypto";
import type { DescribedDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import { STATEMENT_FORMAT, type SignedStatement } from "../contracts/identity.ts";
import { digestOf, sha256 } from "../db/canonical.ts";
import { publicKeyOf, signStatement, textRef } from "../db/statement.ts";

/** What proves who somebody is: an Ed25519 seed. It leaves this process in no message; only a gateway is shown it, as a bearer. */
export interface Token {
  readonly id: string;
  readonly seed: Buffer;
}

/** A token as it is handed out, once, and what of it is kept. */
export interface NewToken {
  readonly text: string;
  readonly id: string;
  readonly hash: string;
  readonly publicKey: string;
}

const TOKEN = /^mw_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
/** A statement waits in Temporal until a worker is there; a day is enough for that, and short for one that got lost. */
const GOOD_FOR_MS = 24 * 3600 * 1000;

export function createToken(): NewToken {
  const id = randomBytes(8).toString("hex");
  const seed = randomBytes(32);
  const text = `mw_${id}_${seed.toString("base64url")}`;
  return { text, id, hash: sha256(Buffer.from(text)).toString("hex"), publicKey: publicKeyOf(seed) };
}

/** @throws INPUT_INVALID, without a word of what was given: it may be nearly a secret */
export function parseToken(text: string, where: string): Token {
  const [, id, seed] = TOKEN.exec(text.trim()) ?? [];
  if (id !== undefined && seed !== undefined) return { id, seed: Buffer.from(seed, "base64url") };
  const problems = "this is no token; one looks like mw_ID_SECRET, as `modelwright access token` printed it";
  throw new Failure("INPUT_INVALID", { where, problems });
}

/** Signs that `by`, the ref of the token's holder, asks for the deed. */
export function signDeed(
  token: Token,
  { deed, subject, details }: DescribedDeed,
  {
    by,
    reason,
    goodForMs = GOOD_FOR_MS,
  }: { readonly by: string; readonly reason: string; readonly goodForMs?: number },
): SignedStatement {
  const salt = randomBytes(32);
  const now = Date.now();
  const statement = {
    format: STATEMENT_FORMAT,
    deed,
    subject,
    by,
    reason: textRef(reason, salt),
    details: digestOf(details),
    issuedAt: new Date(now).toISOString(),
    expiresAt: new Date(now + goodForMs).toISOString(),
    nonce: randomBytes(16).toString("hex"),
  } as const;
  const signature = signStatement(statement, token.seed);
  return { token: token.id, statement, signature, reasonSalt: salt.toString("base64url") };
}
