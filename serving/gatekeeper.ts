import { createHash } from "node:crypto";
import { BlockList, isIP } from "node:net";
import { performance } from "node:perf_hooks";
import { Failure } from "../contracts/failures.ts";
import type { Deed, IdentityMode, Scope } from "../contracts/identity.ts";
import type { Quota } from "./quota.ts";
import { judgeRoles, judgeScope, judgeToken, type Grant, type Place } from "../core/identity/judge-authority.ts";

/** A token as Postgres knows it, and the time it says it is. */
export interface KnownToken {
  readonly scope: Scope;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly now: Date;
  /** Its holder's, for deeds that take a role. */
  readonly grants: readonly Grant[];
  readonly team: string | null;
}

const THIS_MACHINE = new BlockList();
THIS_MACHINE.addSubnet("127.0.0.0", 8, "ipv4");
THIS_MACHINE.addAddress("::1", "ipv6");

/** Also of an IPv4 address written as IPv6, as a server of both sees it. False for what is no address. */
const isThisMachine = (address: string): boolean =>
  isIP(address) > 0 && THIS_MACHINE.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

export interface GatekeeperOptions {
  /** What Postgres last said. */
  readonly identity: () => IdentityMode;
  /** By the SHA-256 of the token; null when there is none. */
  readonly findToken: (hash: string) => Promise<KnownToken | null>;
  /** What each caller may ask for. */
  readonly quota?: Quota;
}

/** Somebody asks a gateway for something; `authorization` is the header's value. */
export interface Caller {
  readonly deed: Extract<Deed, "infer" | "feedback" | "deploy">;
  readonly authorization: string | undefined;
  /** Where the call comes from: who is meant where callers show no token. */
  readonly address: string;
  readonly place?: Place | undefined;
  /** Where people are believed, only callers on this machine are, and only while they show no token. */
  readonly believedHereOnly?: true;
}

/** Lets a caller in. @throws BEARER_REFUSED, DEED_NOT_ALLOWED, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE */
export type Gatekeeper = (caller: Caller) => Promise<void>;

/** A revoked token is let in no longer than this. */
const FRESH_MS = 1_000;
/** Made-up tokens must not fill the memory. */
const KNOWN_AT_MOST = 10_000;

interface Look {
  readonly at: number;
  readonly token: Promise<KnownToken | null>;
}

/**
 * Where identity is required, every caller shows a token that is good for what he asks. While Postgres is away, what it last said
 * of a token counts; one it was never asked about has to wait.
 */
export function createGatekeeper({ identity, findToken, quota }: GatekeeperOptions): Gatekeeper {
  const looks = new Map<string, Look>();
  const lookUp = (hash: string): Promise<KnownToken | null> => {
    const before = looks.get(hash);
    const at = performance.now();
    if (before && at - before.at < FRESH_MS) return before.token;
    const token = findToken(hash).catch(async (cause: unknown) => {
      const known = await before?.token.catch(() => undefined);
      if (known !== undefined) return known;
      throw new Failure(
        "STORAGE_UNAVAILABLE",
        { what: "Postgres", reason: "the token cannot be looked up" },
        { cause },
      );
    });
    if (looks.size >= KNOWN_AT_MOST) looks.clear();
    looks.set(hash, { at, token });
    token.catch(() => looks.delete(hash));
    return token;
  };
  return async ({ deed, authorization, address, believedHereOnly, place = { model: null, environment: null } }) => {
    const isBelieved = !believedHereOnly || (authorization === undefined && isThisMachine(address));
    // Where nobody checks tokens they name nobody: a made-up one must not come with a quota of its own.
    if (identity() === "declared" && isBelieved) {
      quota?.take(address, `address ${address}`);
      return;
    }
    const refused = (found: string, allowed: string) => new Failure("BEARER_REFUSED", { deed, found, allowed });
    const [, bearer] = /^Bearer +(\S{1,200})$/i.exec(authorization?.trim() ?? "") ?? [];
    if (bearer === undefined) throw refused("no token", "one whose scope has it");
    const hash = createHash("sha256").update(bearer).digest("hex");
    const token = await lookUp(hash);
    if (!token) throw refused("a token nobody issued here", "one whose scope has it");
    const worn = judgeToken(token, token.now);
    if (worn) throw refused(worn.found, worn.allowed);
    // Callers need no role, a token whose scope has the deed is enough; what operators do takes one.
    const asked = { deed, ...place, team: null };
    const beyond = judgeScope(asked, token.scope) ?? (deed === "deploy" ? judgeRoles(asked, token) : null);
    if (beyond) {
      const { found, allowed } = beyond;
      throw new Failure("DEED_NOT_ALLOWED", {
        who: "the bearer",
        deed,
        subject: place.model ?? "labels",
        found,
        allowed,
      });
    }
    quota?.take(hash, "this token");
  };
}
