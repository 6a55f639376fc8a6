import { and, asc, eq, isNull, sql } from "drizzle-orm";
import { DatabaseError } from "pg";

import { Failure } from "../../../contracts/failures.ts";
import type { RegistryChange } from "../../../contracts/registry.ts";
import { sha256 } from "../../canonical.ts";
import type { Queryable, Transaction } from "../../client.ts";
import type { JsonValue } from "../../json.ts";
import { recordRows } from "../../record-rows.ts";
import { registryEntry } from "../../schema/registry.ts";

export type RegistryEntry = typeof registryEntry.$inferSelect;

/** `NAME`, or `NAME@N`. */
export const subjectOf = ({ model, number }: { readonly model: string; readonly number: number | null }): string =>
  number === null ? model : `${model}@${number}`;

export interface EntriesRequest extends RegistryChange {
  readonly by: string;
  readonly reason: string;
}

/**
 * Adds what is said to the history, in order; the present follows. The model, and the version, exist. Fails with INPUT_INVALID,
 * DELETED or DELETE_REFUSED when the database finds that it may not be said.
 */
export async function recordEntries(tx: Transaction, request: EntriesRequest): Promise<RegistryEntry[]> {
  const { model, number, validFrom, by, reason } = request;
  const rows = request.sayings.map(({ attribute, key, value }) => ({
    model,
    // One slot of the model: so that it points to one version, and moving it is one entry.
    number: attribute === "alias" ? null : number,
    attribute,
    key,
    value,
    recordedBy: by,
    reason,
    ...(validFrom === null ? {} : { validFrom: new Date(validFrom) }),
  }));
  return await recordRows(tx, registryEntry, rows).catch((thrown: unknown) => {
    throw refusalIn(thrown, subjectOf(request)) ?? thrown;
  });
}

/** What an entry says, as it may be hashed for ever: of a text the commitment that stands in its place once it is erased. */
export const committed = ({ value, salt }: Pick<RegistryEntry, "value" | "salt">): JsonValue =>
  salt === null || typeof value !== "string"
    ? value
    : `text/${sha256(Buffer.concat([salt, Buffer.from(value)])).toString("hex")}`;

/** A place where texts are said: a purpose, a description, a tag. */
export interface SaidPlace {
  readonly model: string;
  /** Null: about the model itself. */
  readonly number: number | null;
  readonly attribute: RegistryEntry["attribute"];
  /** Of a tag its name; else empty. */
  readonly key: string;
}

/** Takes every text that was ever said there away for good; returns how many. The audit event of it belongs in the same transaction. */
export async function eraseSaid(tx: Transaction, { model, number, attribute, key }: SaidPlace): Promise<number> {
  const { rows } = await tx.execute<{ count: number }>(
    sql`SELECT erase_said(${model}, ${number}, ${attribute}, ${key}) AS count`,
  );
  return rows[0]?.count ?? 0;
}

/** What the constraints and triggers of `registry_entry` say no with; their message is the finding. */
function refusalIn(thrown: unknown, subject: string): Failure | null {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  if (!(cause instanceof DatabaseError) || !cause.constraint?.startsWith("registry_entry_")) return null;
  const rule = cause.constraint.slice("registry_entry_".length);
  if (rule === "not_deleted") return new Failure("DELETED", { subject }, { cause: thrown });
  if (rule === "not_in_use") return new Failure("DELETE_REFUSED", { subject, use: cause.message }, { cause: thrown });
  if (rule === "model_number_fkey")
    return new Failure("REFERENCE_UNKNOWN", { reference: `model/${subject}` }, { cause: thrown });
  return new Failure("INPUT_INVALID", { where: subject, problems: cause.message }, { cause: thrown });
}

/** An entry as it is told: instants to the microsecond, so that they can be asked about as they stand. */
export interface HistoryEntry {
  readonly id: number;
  readonly number: number | null;
  readonly attribute: RegistryEntry["attribute"];
  readonly key: string;
  readonly value: JsonValue;
  readonly validFrom: string;
  readonly recordedAt: string;
  readonly recordedBy: string;
  readonly reason: string;
}

const MICROSECONDS = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';

/** Everything ever said about a model itself, or about one version, in the order of recording; at most `limit`, the newest. */
export async function listHistory(
  db: Queryable,
  { model, number, limit = 1000 }: { readonly model: string; readonly number: number | null; readonly limit?: number },
): Promise<HistoryEntry[]> {
  const told = (column: typeof registryEntry.validFrom) =>
    sql<string>`to_char(${column} AT TIME ZONE 'UTC', ${MICROSECONDS})`;
  const newest = db
    .select({
      id: registryEntry.id,
      number: registryEntry.number,
      attribute: registryEntry.attribute,
      key: registryEntry.key,
      value: registryEntry.value,
      validFrom: told(registryEntry.validFrom).as("told_from"),
      recordedAt: told(registryEntry.recordedAt).as("told_at"),
      recordedBy: registryEntry.recordedBy,
      reason: registryEntry.reason,
    })
    .from(registryEntry)
    .where(
      and(
        eq(registryEntry.model, model),
        number === null ? isNull(registryEntry.number) : eq(registryEntry.number, number),
      ),
    )
    .orderBy(sql`${registryEntry.id} DESC`)
    .limit(limit)
    .as("newest");
  return await db.select().from(newest).orderBy(asc(newest.id));
}
