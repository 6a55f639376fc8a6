import { getTableColumns, sql, type SQL } from "drizzle-orm";

import { NO_VERSION_STAGE } from "../../../contracts/names.ts";
import type { Moment, RegistryState, VersionQuery } from "../../../contracts/registry.ts";
import type { Queryable } from "../../client.ts";
import { modelVersion } from "../../schema/model.ts";
import { modelState, versionState } from "../../schema/registry.ts";
import type { ModelVersion } from "../model.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { changeableFacets, facetsSql, fixedFacets, requireWords, wordsSql } from "./facets.ts";

/** A version with what is said of it. */
export interface RegisteredVersion extends ModelVersion {
  readonly stage: string;
  readonly aliases: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  /** Of the version, or of its model with all versions. */
  readonly deleted: boolean;
}

export interface VersionPage {
  readonly versions: readonly RegisteredVersion[];
  /** Where the next page begins; null at the end. Of a past moment a page may hold less than was asked for and not be the last. */
  readonly next: string | null;
}

/** Versions of a question, the newest registration first; now, or as of a past moment. */
export async function searchVersions(db: Queryable, query: VersionQuery): Promise<VersionPage> {
  await requireWords(db, query.words);
  const before = query.after === undefined ? null : readCursor(query.after, query, "number");
  const page = query.asOf === undefined && query.knownAt === undefined ? searchPresent : searchPast;
  const { rows, last } = await page(db, query, before);
  return {
    versions: rows.map(({ version, state, ownerState }) => describeVersion(version, state, ownerState)),
    next: last === null ? null : writeCursor(last, query),
  };
}

interface FoundPage {
  readonly rows: readonly { version: ModelVersion; state: RegistryState; ownerState: RegistryState }[];
  /** Place up to which everything was looked at; null when that was everything. */
  readonly last: number | null;
}

async function searchPresent(db: Queryable, query: VersionQuery, before: number | null): Promise<FoundPage> {
  const wanted = facetsSql([...fixedFacets(query), ...changeableFacets(query)]);
  const call = sql`search_versions(${wanted}, ${wordsSql(query.words)}, ${query.deleted === true}, ${before}, ${query.createdAfter ?? null},
    ${query.createdBefore ?? null}, ${query.limit})`;
  const rows = await db
    .select({
      version: getTableColumns(modelVersion),
      state: versionState.state,
      ownerState: modelState.state,
      place: versionState.place,
    })
    .from(sql`${call} AS found`)
    .innerJoin(versionState, sql`${versionState.model} = found.model AND ${versionState.number} = found.number`)
    .innerJoin(modelVersion, sql`${modelVersion.model} = found.model AND ${modelVersion.number} = found.number`)
    .innerJoin(modelState, sql`${modelState.model} = found.model`)
    .orderBy(sql`${versionState.place} DESC`);
  return { rows, last: rows.length < query.limit ? null : (rows.at(-1)?.place ?? null) };
}

const SLICE = 8192;
/** Of a past moment the documents are made while searching; a page that found nothing by then says where to go on. */
const MOST_SLICES = 4;

async function searchPast(db: Queryable, query: VersionQuery, before: number | null): Promise<FoundPage> {
  const { rows: ends } = await db.execute<{ place: string }>(sql`SELECT last_value + 1 AS place FROM version_place`);
  let place = Math.min(before ?? Infinity, Number(ends[0]?.place ?? 0));
  const rows: Awaited<ReturnType<typeof searchPastSlice>> = [];
  for (let slices = 0; slices < MOST_SLICES && place > 0; slices += 1) {
    const missing = query.limit - rows.length;
    const found = await searchPastSlice(db, query, place, missing);
    rows.push(...found);
    const last = found.at(-1);
    if (found.length === missing && last) return { rows, last: last.place };
    place = Math.floor((place - 1) / SLICE) * SLICE;
  }
  return { rows, last: place > 0 ? place : null };
}

/** Versions of one slice below `before` that were there at the moment and answered the question then. */
async function searchPastSlice(db: Queryable, query: VersionQuery, before: number, limit: number) {
  const { asOf, knownAt } = momentSql(query);
  const stateOf = (number: SQL) => sql`LATERAL (SELECT coalesce((SELECT said.state
    FROM registry_states(${asOf}, ${knownAt}) AS said
    WHERE said.model = candidate.model AND said.number ${number}), '{}') AS state)`;
  const words = query.words === undefined ? sql`` : sql` AND document.words @@ ${wordsSql(query.words)}`;
  return await db
    .select({
      version: getTableColumns(modelVersion),
      state: sql`own.state`.mapWith(versionState.state),
      ownerState: sql`owner.state`.mapWith(modelState.state),
      place: sql`candidate.place`.mapWith(Number),
    })
    .from(candidatesSql(query, before))
    .innerJoin(modelVersion, sql`model_version.model = candidate.model AND model_version.number = candidate.number`)
    .innerJoin(sql`${stateOf(sql`= candidate.number`)} AS own`, sql`true`)
    .innerJoin(sql`${stateOf(sql`IS NULL`)} AS owner`, sql`true`)
    .innerJoin(
      sql`LATERAL (SELECT of_version.* FROM model_document(candidate.model, owner.state) AS of_model,
        version_document(model_version, candidate.place, own.state, owner.state, of_model.words) AS of_version) AS document`,
      sql`true`,
    )
    .where(
      sql`document.facets @> ${facetsSql(changeableFacets(query))}
        AND (own.state ? 'tombstone' OR owner.state ? 'tombstone') = ${query.deleted === true}${words}`,
    )
    .orderBy(sql`candidate.place DESC`)
    .limit(limit);
}

/** What was registered by then, narrowed by what never changes; in the order of the answer, so that a full page ends the work. */
function candidatesSql(query: VersionQuery, before: number): SQL {
  const { asOf, knownAt } = momentSql(query);
  const slice = sql`ARRAY[slice_facet(${SLICE}, ${before - 1}, false), slice_facet(${SLICE}, ${before - 1}, true)]`;
  return sql`(SELECT place, model, number FROM version_state
    WHERE facets && ${slice} AND facets @> ${facetsSql(fixedFacets(query))} AND place < ${before}
      AND created_at <= least(${asOf}, ${knownAt})
      AND created_at >= coalesce(${query.createdAfter ?? null}::timestamptz, '-infinity')
      AND created_at < coalesce(${query.createdBefore ?? null}::timestamptz, 'infinity')
    ORDER BY place DESC) AS candidate`;
}

/** Both axes of a moment: what is not told is the other one, or now. */
export function momentSql({ asOf, knownAt }: Moment): { asOf: SQL; knownAt: SQL } {
  const known = knownAt === undefined ? sql`'infinity'::timestamptz` : sql`${knownAt}::timestamptz`;
  return { asOf: asOf === undefined ? known : sql`${asOf}::timestamptz`, knownAt: known };
}

export function describeVersion(
  version: ModelVersion,
  state: RegistryState,
  ownerState: RegistryState,
): RegisteredVersion {
  return {
    ...version,
    stage: state.stage ?? NO_VERSION_STAGE,
    aliases: Object.entries(ownerState.alias ?? {}).flatMap(([name, number]) =>
      number === version.number ? [name] : [],
    ),
    tags: state.tag ?? {},
    description: state.description ?? null,
    deleted: state.tombstone === true || ownerState.tombstone === true,
  };
}
