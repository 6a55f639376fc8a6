import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { Failure } from "../contracts/failures.ts";

/** PEM files: the certificate with its chain, and its key. */
export interface CertificateFiles {
  readonly certificatePath: string;
  readonly keyPath: string;
  /** How often they are looked at; 10 s by default. */
  readonly reloadMs?: number;
}

interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A certificate that is renewed while connections stay. */
export interface WatchedCertificate {
  readonly current: () => Pair;
  readonly onChange: (listener: (pair: Pair) => void) => void;
  readonly close: () => void;
}

/**
 * Reads a certificate and its key, and again when the files change. Files are read and compared, not watched: what mounts secrets
 * swaps whole folders behind links, which watchers miss. A pair that does not fit (half of it is written yet) leaves the one before.
 *
 * @throws FILE_MISSING, STACK_NOT_STARTED where the first pair cannot be used
 */
export async function watchCertificate(
  { certificatePath, keyPath, reloadMs = 10_000 }: CertificateFiles,
  onProblem: (what: string, problem: unknown) => void,
): Promise<WatchedCertificate> {
  const read = async (): Promise<Pair> => {
    const [cert, key] = await Promise.all([readPem(certificatePath, "certificate"), readPem(keyPath, "key")]);
    createSecureContext({ cert, key });
    return { cert, key };
  };
  let pair = await read().catch((cause: unknown) => {
    if (cause instanceof Failure) throw cause;
    throw new Failure(
      "STACK_NOT_STARTED",
      {
        what: "the gateway",
        reason: `${certificatePath} and ${keyPath} are no certificate and its key`,
        wayOut: "PEM files that belong together",
      },
      { cause },
    );
  });
  const listeners: ((pair: Pair) => void)[] = [];
  const look = async (): Promise<void> => {
    try {
      const found = await read();
      if (found.cert.equals(pair.cert) && found.key.equals(pair.key)) return;
      pair = found;
      for (const listener of listeners) listener(pair);
    } catch (problem) {
      onProblem("the certificate could not be renewed", problem);
    }
  };
  const timer = setInterval(() => void look(), reloadMs);
  timer.unref();
  return {
    current: () => pair,
    onChange: (listener) => listeners.push(listener),
    close: () => clearInterval(timer),
  };
}

async function readPem(path: string, what: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new Failure("FILE_MISSING", { path, what }, { cause });
  });
}
