import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign,
  verify,
} from "node:crypto";
import { existsSync } from "node:fs";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { decodeBase64, encodeBase64, type NoteSignature } from "../../core/audit/checkpoint.ts";
import { Failure } from "../../contracts/failures.ts";

/** A key others check signatures with. Its name is also the name of the log it signs for. */
export interface PublicNoteKey {
  readonly name: string;
  /** First 4 bytes of SHA-256(name, line feed, algorithm, key). */
  readonly id: Buffer;
  /** 32 bytes. */
  readonly key: Buffer;
}

export interface PrivateNoteKey extends PublicNoteKey {
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Buffer;
}

// The form of C2SP signed-note, which other tools for transparency logs read: NAME+ID+BASE64(algorithm, key), one line.
const ED25519 = 1;
const PUBLIC = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;
const PRIVATE = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;

// What stands before the 32 bytes of a key in DER (RFC 8410).
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** One line, for the auditor: nothing in it is secret. */
export const formatPublicKey = ({ name, id, key }: PublicNoteKey): string =>
  `${name}+${id.toString("hex")}+${encodeBase64(Buffer.concat([Buffer.of(ED25519), key]))}`;

/** Makes a key and writes it for its owner alone; a file that is there is never replaced. @throws INPUT_INVALID */
export async function createNoteKey(path: string, name: string): Promise<PublicNoteKey> {
  if (name === "" || /[\s+]/u.test(name)) {
    throw new Failure("INPUT_INVALID", { where: "--name", problems: `"${name}" is empty or holds a blank or +` });
  }
  const { privateKey } = generateKeyPairSync("ed25519");
  const made = fromSeed(name, privateKey.export({ format: "der", type: "pkcs8" }).subarray(PKCS8.length));
  const line = `PRIVATE+KEY+${name}+${made.id.toString("hex")}+${encodeBase64(Buffer.concat([Buffer.of(ED25519), made.seed]))}\n`;
  await createWhole(path, line).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const problems = `the key cannot be written (${reason}); name a new file in a directory that exists`;
    throw new Failure("INPUT_INVALID", { where: path, problems }, { cause });
  });
  return made;
}

/** Where the public key of a signing key that the stack made lies, and below it keys that were in use before. */
const publicKeyPath = (keyPath: string): string => `${keyPath}.pub`;

/**
 * Makes the signing key and the file of its public key, unless they are there; several processes may do so at once. The name is one that
 * no other installation has.
 */
export async function ensureNoteKey(path: string): Promise<void> {
  const there = await readFile(path).catch(() => null);
  // Whoever loses the race finds the winner's.
  if (!there) await createNoteKey(path, `modelwright-${randomBytes(4).toString("hex")}`).catch(() => undefined);
  const line = `${formatPublicKey(await loadPrivateKey(path))}\n`;
  // There already, or the key was handed in where nobody can write.
  await createWhole(publicKeyPath(path), line).catch(() => undefined);
}

/** Readers find all of it or nothing; a file that is there stays. */
async function createWhole(path: string, content: string): Promise<void> {
  const partial = `${path}.${randomUUID()}`;
  await writeFile(partial, content, { mode: 0o600, flag: "wx" });
  try {
    await link(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Public keys beside a signing key: its own and those that signed before it; none where there is no file of them. @throws INPUT_INVALID */
export async function loadOwnKeys(keyPath: string): Promise<PublicNoteKey[]> {
  const path = publicKeyPath(keyPath);
  return existsSync(path) ? await loadPublicKeys(path) : [];
}

/** @throws FILE_MISSING, INPUT_INVALID */
export async function loadPrivateKey(path: string): Promise<PrivateNoteKey> {
  const [, name = "", id, encoded = ""] = PRIVATE.exec((await load(path, "the signing key")).trim()) ?? [];
  const seed = ed25519Bytes(encoded);
  const key = seed && fromSeed(name, seed);
  if (key?.id.toString("hex") === id && key) return key;
  const problems = "this is no signing key; `modelwright audit key --out FILE` makes one";
  throw new Failure("INPUT_INVALID", { where: path, problems });
}

/** Every key of the file, a line each; a key that was replaced stays in it for what it signed. @throws FILE_MISSING, INPUT_INVALID */
export const loadPublicKeys = async (path: string): Promise<PublicNoteKey[]> =>
  parsePublicKeys(await load(path, "the public key"), path);

/** As `loadPublicKeys`, from text found at `where`. @throws INPUT_INVALID */
export function parsePublicKeys(text: string, where: string): PublicNoteKey[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const keys = lines.map((line) => {
    const [, name = "", id, encoded = ""] = PUBLIC.exec(line.trim()) ?? [];
    const key = ed25519Bytes(encoded);
    return key && keyId(name, key).toString("hex") === id ? { name, id: keyId(name, key), key } : null;
  });
  const known = keys.filter((key) => key !== null);
  if (known.length > 0 && known.length === keys.length) return known;
  const problems = "a line of it is no public key; put there what `modelwright audit key` printed, NAME+ID+KEY";
  throw new Failure("INPUT_INVALID", { where, problems });
}

/** Signs the text of a note. */
export const signText = (key: PrivateNoteKey, text: string): NoteSignature => ({
  name: key.name,
  bytes: Buffer.concat([key.id, sign(null, Buffer.from(text), privateKeyOf(key.seed))]),
});

/** The key of which one of the signatures is, or null. Signatures of others, witnesses for instance, are passed over. */
export function findSigner(
  keys: readonly PublicNoteKey[],
  { text, signatures }: { readonly text: string; readonly signatures: readonly NoteSignature[] },
): PublicNoteKey | null {
  const signed = (key: PublicNoteKey) =>
    signatures.some(
      ({ name, bytes }) =>
        name === key.name &&
        key.id.equals(bytes.subarray(0, 4)) &&
        verify(null, Buffer.from(text), publicKeyOf(key.key), bytes.subarray(4)),
    );
  return keys.find(signed) ?? null;
}

function fromSeed(name: string, seed: Buffer): PrivateNoteKey {
  const spki = createPublicKey(privateKeyOf(seed)).export({ format: "der", type: "spki" });
  const key = spki.subarray(SPKI.length);
  return { name, id: keyId(name, key), key, seed };
}

const privateKeyOf = (seed: Buffer) =>
  createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });

const publicKeyOf = (key: Buffer) => createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" });

const keyId = (name: string, key: Buffer): Buffer =>
  createHash("sha256").update(`${name}\n`).update(Buffer.of(ED25519)).update(key).digest().subarray(0, 4);

function ed25519Bytes(encoded: string): Buffer | null {
  const bytes = decodeBase64(encoded);
  return bytes?.length === 33 && bytes[0] === ED25519 ? Buffer.from(bytes.subarray(1)) : null;
}

const load = (path: string, what: string) =>
  readFile(path, "utf8").catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what }, { cause });
  });
