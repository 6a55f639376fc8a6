import { and, eq, sql } from "drizzle-orm";

import { Failure } from "../../../contracts/failures.ts";
import type { Moment } from "../../../contracts/registry.ts";
import type { Queryable } from "../../client.ts";
import { modelVersion } from "../../schema/model.ts";
import { modelState, versionState } from "../../schema/registry.ts";
import { findDescription, type ModelDescription } from "./models.ts";
import { describeVersion, momentSql, type RegisteredVersion } from "./versions.ts";

/** A version as people name it: by its number, or by an alias or `latest`, which point to another one at another time. */
export interface NamedVersion {
  readonly model: string;
  readonly version: number | string;
}

/**
 * The version a name means at a moment, with what was said of it then; a deleted one too, when it is named by its number.
 * @throws REFERENCE_UNKNOWN
 */
export async function resolveVersion(
  db: Queryable,
  { model, version }: NamedVersion,
  moment: Moment = {},
): Promise<RegisteredVersion> {
  const unknown = new Failure("REFERENCE_UNKNOWN", { reference: `model/${model}@${version}` });
  const owner = typeof version === "number" ? null : await findDescription(db, { name: model, ...moment });
  const number = typeof version === "number" ? version : owner && pointedAt(owner, version);
  const found = number === null ? null : await loadVersion(db, { model, number }, moment);
  if (!found) throw unknown;
  return found;
}

function pointedAt({ latestNumber, aliases }: ModelDescription, alias: string): number | null {
  if (alias === "latest") return latestNumber;
  return Object.hasOwn(aliases, alias) ? (aliases[alias] ?? null) : null;
}

async function loadVersion(
  db: Queryable,
  { model, number }: { readonly model: string; readonly number: number },
  moment: Moment,
): Promise<RegisteredVersion | null> {
  const past = moment.asOf !== undefined || moment.knownAt !== undefined;
  const { asOf, knownAt } = momentSql(moment);
  const said = (
    about: ReturnType<typeof sql>,
  ) => sql`(SELECT coalesce((SELECT said.state FROM registry_states(${asOf}, ${knownAt}) AS said
    WHERE said.model = ${model} AND said.number ${about}), '{}'))`;
  const [found] = await db
    .select({
      version: modelVersion,
      state: past ? said(sql`= ${number}`).mapWith(versionState.state) : versionState.state,
      ownerState: past ? said(sql`IS NULL`).mapWith(modelState.state) : modelState.state,
    })
    .from(modelVersion)
    .innerJoin(
      versionState,
      and(eq(versionState.model, modelVersion.model), eq(versionState.number, modelVersion.number)),
    )
    .innerJoin(modelState, eq(modelState.model, modelVersion.model))
    .where(
      and(
        eq(modelVersion.model, model),
        eq(modelVersion.number, number),
        sql`${modelVersion.createdAt} <= least(${asOf}, ${knownAt})`,
      ),
    );
  return found ? describeVersion(found.version, found.state, found.ownerState) : null;
}
