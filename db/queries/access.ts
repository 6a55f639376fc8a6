import { and, eq, isNull, sql } from "drizzle-orm";

import type { AuditBody } from "../../contracts/audit.ts";
import { Failure } from "../../contracts/failures.ts";
import type { AccessChange, Assurance } from "../../contracts/identity.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import type { Transaction } from "../client.ts";
import { createId } from "../identifiers.ts";
import { recordRows } from "../record-rows.ts";
import {
  apiToken,
  compromise,
  identitySetting,
  principal,
  roleGrant,
  roleRevocation,
  teamMembership,
  tokenRevocation,
} from "../schema/identity.ts";
import { recordAudit } from "./audit.ts";
import { eraseSaid, subjectOf } from "./registry/entries.ts";
import { erasePerson, findActorRef, type Attribution } from "./person.ts";

/** Who changes it, why, and how sure that is. */
export interface AccessAuthority extends Attribution {
  readonly assurance: Assurance;
  readonly statement: string | null;
}

/** What an event says beside who, why and how sure. */
type Told = AuditBody extends infer Body
  ? Body extends { assurance: Assurance }
    ? Omit<Body, "assurance" | "reason">
    : never
  : never;

type Of<Kind extends AccessChange["change"]> = Extract<AccessChange, { change: Kind }>;

/** What a change is made with. */
interface Making {
  readonly tx: Transaction;
  readonly authority: AccessAuthority;
  readonly tell: (subject: string, told: Told) => Promise<void>;
}

/**
 * Records one change of accounts, roles, tokens or of what is asked of people, with its event. Returns what it is about: the ref of
 * an account, the id of a grant or token. Fails with PRINCIPAL_UNKNOWN, REFERENCE_UNKNOWN and INPUT_INVALID.
 */
export async function recordAccessChange(
  tx: Transaction,
  change: AccessChange,
  authority: AccessAuthority,
): Promise<string> {
  const { by: actor, reason, assurance, statement } = authority;
  const tell = (subject: string, told: Told) =>
    recordAudit(tx, { actor, statement, subject, body: { ...told, assurance, reason } });
  const make = changes[change.change] as (making: Making, change: AccessChange) => Promise<string>;
  return await make({ tx, authority, tell: async (subject, told) => void (await tell(subject, told)) }, change);
}

const changes: { readonly [Kind in AccessChange["change"]]: (making: Making, change: Of<Kind>) => Promise<string> } = {
  principal: async ({ tx, authority, tell }, change) => {
    const ref = await registerPrincipal(tx, change, authority.by);
    await tell(ref, { kind: "principal-registered", principalKind: change.kind, team: change.team });
    return ref;
  },
  grant: async ({ tx, authority: { by, reason }, tell }, { who, role, model, environment }) => {
    const holder = await requirePrincipal(tx, who);
    const id = createId();
    await recordRows(tx, roleGrant, [{ id, principal: holder, role, model, environment, grantedBy: by, reason }]);
    await tell(holder, { kind: "role-granted", grantId: id, role, model, environment });
    return id;
  },
  revoke: async ({ tx, authority: { by, reason }, tell }, { grant: id, compromised }) => {
    const [grant] = await tx.select().from(roleGrant).where(eq(roleGrant.id, id));
    if (!grant) throw new Failure("REFERENCE_UNKNOWN", { reference: `grant ${id}` });
    await recordRows(tx, roleRevocation, [{ grant: id, revokedBy: by, reason }]);
    if (compromised) await recordRows(tx, compromise, [{ id: createId(), token: null, grant: id, toldBy: by, reason }]);
    await tell(grant.principal, {
      kind: "role-revoked",
      grantId: id,
      role: grant.role,
      ...(compromised && { compromised }),
    });
    return id;
  },
  token: async ({ tx, authority: { by, reason }, tell }, change) => {
    const { id, label, hash, publicKey, scope, expiresInMs } = change;
    const holder = await requirePrincipal(tx, change.who);
    const expiresAt = await fromNow(tx, expiresInMs);
    const token = { id, principal: holder, label, hash, publicKey, scope, expiresAt, issuedBy: by, reason };
    const [issued] = await recordRows(tx, apiToken, [token]);
    if (!issued) throw new Failure("INPUT_INVALID", { where: `token ${id}`, problems: "it was issued before" });
    const told = { principal: holder, publicKey, scope, expiresAt: expiresAt.toISOString() };
    await tell(`token/${id}`, { kind: "token-issued", ...told });
    return id;
  },
  "revoke-token": async ({ tx, authority: { by, reason }, tell }, { token: id, compromised }) => {
    const [token] = await tx.select().from(apiToken).where(eq(apiToken.id, id));
    if (!token) throw new Failure("REFERENCE_UNKNOWN", { reference: `token/${id}` });
    await recordRows(tx, tokenRevocation, [{ token: id, revokedBy: by, reason }]);
    if (compromised) await recordRows(tx, compromise, [{ id: createId(), token: id, grant: null, toldBy: by, reason }]);
    await tell(`token/${id}`, {
      kind: "token-revoked",
      principal: token.principal,
      ...(compromised && { compromised }),
    });
    return id;
  },
  erase: async ({ tx, authority, tell }, { who }) => {
    const ref = await requirePerson(tx, who);
    await revokeEverything(tx, ref, authority);
    await tell(ref, { kind: "person-erased", textCount: await erasePerson(tx, ref) });
    return ref;
  },
  "erase-said": async ({ tx, tell }, { model, number, attribute, key }) => {
    const entryCount = await eraseSaid(tx, { model, number, attribute, key });
    const subject = `model/${subjectOf({ model, number })}`;
    if (entryCount === 0) throw new Failure("REFERENCE_UNKNOWN", { reference: `${attribute} of ${subject}` });
    await tell(subject, { kind: "said-erased", attribute, entryCount });
    return subject;
  },
  identity: async ({ tx, authority: { by, reason }, tell }, { mode }) => {
    await recordRows(tx, identitySetting, [{ mode, setBy: by, reason }]);
    await tell("installation/identity", { kind: "identity-set", mode });
    return mode;
  },
};

/** Again for the same account only its team changes. */
async function registerPrincipal(tx: Transaction, { kind, name, team }: Of<"principal">, by: string): Promise<string> {
  const ref = kind === "service" ? `service/${nameSchema.parse(name)}` : await personRef(tx, name);
  const known = await findActorRef(tx, name);
  if (known !== null && known !== ref) {
    const problems = `${known.split("/")[0]} "${name}" is known here already; give it another name`;
    throw new Failure("INPUT_INVALID", { where: `${kind} ${name}`, problems });
  }
  await recordRows(tx, principal, [{ ref, kind, registeredBy: by }]);
  await recordRows(tx, teamMembership, [{ principal: ref, team, setBy: by }]);
  return ref;
}

async function personRef(tx: Transaction, name: string): Promise<string> {
  const { rows } = await tx.execute<{ ref: string }>(sql`SELECT actor_ref(${name}) AS ref`);
  const ref = rows[0]?.ref ?? "";
  if (ref.startsWith("person/")) return ref;
  throw new Failure("INPUT_INVALID", { where: `person ${name}`, problems: "a service account has this name" });
}

async function fromNow(tx: Transaction, milliseconds: number): Promise<Date> {
  const { rows } = await tx.execute<{ at: string }>(
    sql`SELECT (clock_timestamp() + ${milliseconds}::float8 * interval '1 millisecond')::text AS at`,
  );
  return new Date(rows[0]?.at ?? "");
}

/** Whoever is forgotten can do nothing more, or his deeds would be signed by nobody. */
async function revokeEverything(tx: Transaction, ref: string, { by, reason }: AccessAuthority): Promise<void> {
  const tokens = await tx
    .select({ id: apiToken.id })
    .from(apiToken)
    .leftJoin(tokenRevocation, eq(tokenRevocation.token, apiToken.id))
    .where(and(eq(apiToken.principal, ref), isNull(tokenRevocation.token)));
  await recordRows(
    tx,
    tokenRevocation,
    tokens.map(({ id }) => ({ token: id, revokedBy: by, reason })),
  );
  const grants = await tx
    .select({ id: roleGrant.id })
    .from(roleGrant)
    .leftJoin(roleRevocation, eq(roleRevocation.grant, roleGrant.id))
    .where(and(eq(roleGrant.principal, ref), isNull(roleRevocation.grant)));
  await recordRows(
    tx,
    roleRevocation,
    grants.map(({ id }) => ({ grant: id, revokedBy: by, reason })),
  );
}

async function requirePrincipal(tx: Transaction, who: string): Promise<string> {
  const ref = await findActorRef(tx, who);
  const [found] = ref === null ? [] : await tx.select().from(principal).where(eq(principal.ref, ref));
  if (!found) throw new Failure("PRINCIPAL_UNKNOWN", { who });
  return found.ref;
}

async function requirePerson(tx: Transaction, who: string): Promise<string> {
  const ref = await findActorRef(tx, who);
  if (ref?.startsWith("person/")) return ref;
  throw new Failure("PRINCIPAL_UNKNOWN", { who });
}
