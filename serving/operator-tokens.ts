import { hear } from "../db/hear.ts";
import type { KnownToken } from "./gatekeeper.ts";

const EVERY_MS = 10_000;

export interface TokenSource {
  /** By the SHA-256 of the token; null when there is none. */
  readonly find: (hash: string) => Promise<KnownToken | null>;
  /** Those of operators, by their hash; none where nobody asks for tokens. */
  readonly listOperators: () => Promise<ReadonlyMap<string, KnownToken>>;
}

/** Tokens of Postgres, and those of operators while it is away: an outage is when they are needed, seen here before or not. */
export interface Tokens {
  /** Fails while Postgres is away, unless it is an operator's. */
  readonly find: TokenSource["find"];
  readonly close: () => void;
}

export async function followOperators(source: TokenSource): Promise<Tokens> {
  let known: ReadonlyMap<string, KnownToken> = new Map();
  const learn = async () => {
    const heard = await hear(source.listOperators()).catch(() => null);
    known = heard?.answer ?? known;
  };
  await learn();
  const timer = setInterval(() => void learn(), EVERY_MS).unref();
  return {
    find: async (hash) => {
      const asked = source.find(hash);
      const heard = await hear(asked);
      return heard ? heard.answer : (known.get(hash) ?? (await asked));
    },
    close: () => clearInterval(timer),
  };
}
