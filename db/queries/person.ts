import { inArray, sql } from "drizzle-orm";

import type { Queryable, Transaction } from "../client.ts";
import { personName, personText } from "../schema/identity.ts";

/** Who did something and what he said about it, as it is stored: a pseudonym and a commitment. */
export interface Attribution {
  /** `service/NAME` or `person/…`. */
  readonly by: string;
  /** `text/…`, or nothing where nothing was said. */
  readonly reason: string;
}

/**
 * Makes a name and a person's words storable for ever: the ref of the actor, made known when it is new, and the commitment to the
 * text. `salt` is the one a signed statement was made with.
 */
export async function attribute(
  tx: Transaction,
  { by, reason, salt = null }: { readonly by: string; readonly reason: string; readonly salt?: Buffer | null },
): Promise<Attribution> {
  const { rows } = await tx.execute<{ by: string; reason: string }>(
    sql`SELECT ref AS by, commit_text(${reason}, ref, ${salt}) AS reason FROM actor_ref(${by}) AS ref`,
  );
  const [found] = rows;
  if (!found) throw new Error("actor_ref returned nothing");
  return found;
}

/** The ref of a name, or null when it was never seen. */
export async function findActorRef(db: Queryable, name: string): Promise<string | null> {
  const { rows } = await db.execute<{ ref: string | null }>(sql`SELECT find_actor_ref(${name}) AS ref`);
  return rows[0]?.ref ?? null;
}

/** Takes a person's name and texts away for good; returns how many texts. The audit event of it belongs in the same transaction. */
export async function erasePerson(tx: Transaction, ref: string): Promise<number> {
  const { rows } = await tx.execute<{ count: number }>(sql`SELECT erase_person(${ref}) AS count`);
  return rows[0]?.count ?? 0;
}

/** What opens a pseudonym or commitment: it is `SHA-256(salt, value)`, the first 32 hexadecimal digits of it for a person. */
export interface Opening {
  readonly ref: string;
  readonly salt: Buffer;
  readonly value: string;
}

/** Openings of the refs that were not erased, in any order. */
export async function loadOpenings(db: Queryable, refs: readonly string[]): Promise<Opening[]> {
  const of = (kind: string) => refs.filter((ref) => ref.startsWith(kind));
  const { ref, salt, name } = personName;
  const names = await db
    .select({ ref, salt, value: name })
    .from(personName)
    .where(inArray(ref, of("person/")));
  const texts = await db
    .select({ ref: personText.ref, salt: personText.salt, value: personText.content })
    .from(personText)
    .where(inArray(personText.ref, of("text/")));
  return [...names, ...texts];
}
