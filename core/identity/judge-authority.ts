import {
  ROLE_DEEDS,
  STATEMENT_LIFE_MS,
  TEAM_ROLES,
  type Deed,
  type Role,
  type Scope,
  type Statement,
} from "../../contracts/identity.ts";

/** Where a deed has its effect. */
export interface Place {
  /** Null: of no model, as accounts are. */
  readonly model: string | null;
  readonly environment: string | null;
}

/** What is about to be done, as the step that does it knows it. */
export interface AskedDeed extends Place {
  readonly deed: Deed;
  readonly subject: string;
  /** Ref of the actor. */
  readonly by: string;
  /** SHA-256 of the canonical JSON of what exactly is asked. */
  readonly details: string;
  /** The model's team; null when it belongs to everybody. */
  readonly team: string | null;
}

/** A statement with its times read. */
export interface ReadStatement extends Pick<Statement, "deed" | "subject" | "by" | "details"> {
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** A token and its holder as they stand now. */
export interface Bearer {
  readonly principal: string;
  readonly team: string | null;
  readonly scope: Scope;
  readonly expiresAt: Date;
  readonly revokedAt: Date | null;
  readonly grants: readonly Grant[];
}

export interface Grant {
  readonly role: Role;
  /** Null: of every one. */
  readonly model: string | null;
  readonly environment: string | null;
}

/** Why it is refused: `proof` when it does not show who asked for this, `rights` when he may not. */
export interface Refusal {
  readonly kind: "proof" | "rights";
  readonly found: string;
  readonly allowed: string;
}

/** A laptop's clock may be ahead of the database's by this much. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/**
 * Whether a bearer may do what is asked, by a statement whose signature holds: null, or the first reason why not. `now` is database
 * time. That a statement was not used before is the database's to say.
 */
export function judgeAuthority(
  asked: AskedDeed,
  { statement, bearer, now }: { readonly statement: ReadStatement; readonly bearer: Bearer; readonly now: Date },
): Refusal | null {
  return (
    judgeToken(bearer, now) ??
    judgeStatement(asked, statement, bearer, now) ??
    judgeScope(asked, bearer.scope) ??
    judgeRoles(asked, bearer)
  );
}

/** Whether a token still counts, or null. */
export function judgeToken(
  { expiresAt, revokedAt }: Pick<Bearer, "expiresAt" | "revokedAt">,
  now: Date,
): Refusal | null {
  if (revokedAt) return proof(`a token revoked at ${revokedAt.toISOString()}`, "one that is not");
  if (expiresAt <= now) return proof(`a token that expired at ${expiresAt.toISOString()}`, "one that is still good");
  return null;
}

function judgeStatement(asked: AskedDeed, said: ReadStatement, { principal }: Bearer, now: Date): Refusal | null {
  const issuedAt = said.issuedAt.getTime();
  const expiresAt = said.expiresAt.getTime();
  if (issuedAt > now.getTime() + CLOCK_TOLERANCE_MS)
    return proof(`a statement issued at ${said.issuedAt.toISOString()}`, `one issued by ${now.toISOString()}`);
  if (expiresAt <= now.getTime())
    return proof(
      `a statement that expired at ${said.expiresAt.toISOString()}`,
      `one still good at ${now.toISOString()}`,
    );
  if (expiresAt - issuedAt > STATEMENT_LIFE_MS)
    return proof(`a statement good until ${said.expiresAt.toISOString()}`, "at most 31 days from its issue");
  if (said.by !== principal || asked.by !== principal)
    return proof(`${said.by === principal ? asked.by : said.by} in the token of ${principal}`, "its holder alone");
  if (said.deed !== asked.deed) return proof(`a statement about ${said.deed}`, asked.deed);
  if (said.subject !== asked.subject) return proof(`a statement about ${said.subject}`, asked.subject);
  if (said.details !== asked.details)
    return proof("a statement about other details than those asked for", "exactly what was signed");
  return null;
}

/** Whether a scope covers a deed, or null. */
export function judgeScope(
  { deed, model, environment }: Pick<AskedDeed, "deed" | "model" | "environment">,
  scope: Scope,
): Refusal | null {
  if (scope.deeds && !scope.deeds.includes(deed))
    return rights(`a token for ${scope.deeds.join(", ")}`, `one whose scope has ${deed}`);
  if (scope.models && (model === null || !scope.models.includes(model)))
    return rights(`a token for models ${scope.models.join(", ")}`, reachOf("model", model));
  if (scope.environments && (environment === null || !scope.environments.includes(environment)))
    return rights(`a token for environments ${scope.environments.join(", ")}`, reachOf("environment", environment));
  return null;
}

/** Whether a grant counts there. */
export const reachesPlace = (grant: Grant, { model, environment }: Place): boolean =>
  (grant.model === null || grant.model === model) && (grant.environment === null || grant.environment === environment);

/** Whether the roles of a bearer cover a deed, or null. */
export function judgeRoles(
  asked: Place & Pick<AskedDeed, "deed" | "team">,
  { grants, team }: Pick<Bearer, "grants" | "team">,
): Refusal | null {
  const reaches = (grant: Grant) =>
    (ROLE_DEEDS[grant.role] as readonly Deed[]).includes(asked.deed) &&
    reachesPlace(grant, asked) &&
    (!TEAM_ROLES.includes(grant.role) || asked.team === null || asked.team === team);
  if (grants.some(reaches)) return null;
  const held = [...new Set(grants.map(({ role }) => role))].join(", ") || "no role";
  const able = Object.entries(ROLE_DEEDS).flatMap(([role, deeds]) =>
    (deeds as readonly Deed[]).includes(asked.deed) ? [role] : [],
  );
  return rights(`${held}${team === null ? "" : ` in team ${team}`}`, `${able.join(" or ")}${placeOf(asked)}`);
}

const placeOf = ({ model, environment, team }: Place & Pick<AskedDeed, "team">) =>
  [model && ` of model ${model}`, environment && ` in ${environment}`, team && ` (team ${team})`]
    .filter(Boolean)
    .join("");
const reachOf = (what: string, name: string | null) =>
  name === null ? `one for every ${what}` : `one for ${what} ${name}`;
const proof = (found: string, allowed: string): Refusal => ({ kind: "proof", found, allowed });
const rights = (found: string, allowed: string): Refusal => ({ kind: "rights", found, allowed });
