import { sql, type SQL } from "drizzle-orm";

import { DEFAULT_VERSION_STAGES, NO_VERSION_STAGE, type RiskTier } from "../../../contracts/names.ts";
import type { ModelQuery, RegistryState } from "../../../contracts/registry.ts";
import type { Queryable } from "../../client.ts";
import { model } from "../../schema/model.ts";
import { modelState } from "../../schema/registry.ts";
import { loadRouting, type Routing } from "../routing.ts";
import { readCursor, writeCursor } from "./cursor.ts";
import { changeableFacets, facetsSql, requireWords, wordsSql } from "./facets.ts";
import { momentSql } from "./versions.ts";

/** A model with what is said of it. */
export interface ModelDescription {
  readonly name: string;
  readonly owner: string | null;
  readonly purpose: string;
  readonly riskTier: RiskTier;
  readonly team: string | null;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
  /** Alias to the number of the version it points to. */
  readonly aliases: Readonly<Record<string, number>>;
  /** Stages its versions may be in, `none` first. */
  readonly stages: readonly string[];
  /** Versions ever registered, deleted ones included. */
  readonly versionCount: number;
  /** Number of the newest version that is not deleted. */
  readonly latestNumber: number | null;
  readonly deleted: boolean;
  readonly createdAt: Date;
}

/** A model with what is said of it and what of it serves. */
export interface RegisteredModel extends ModelDescription {
  readonly serving: readonly Serving[];
}

/** What an endpoint gives traffic to. */
export interface Serving extends Pick<Routing, "endpoint" | "environment" | "epoch" | "canaryShare"> {
  readonly champion: number | null;
  readonly canary: number | null;
}

export interface ModelPage {
  readonly models: readonly RegisteredModel[];
  /** Where the next page begins; null at the end. */
  readonly next: string | null;
}

/** Models of a question by name; now, or as of a past moment. */
export async function searchModels(db: Queryable, query: ModelQuery): Promise<ModelPage> {
  await requireWords(db, query.words);
  const after = query.after === undefined ? null : readCursor(query.after, query, "string");
  const described = await describeModels(db, query, after === null ? sql`true` : sql`${model.name} > ${after}`);
  const models = await addServing(db, described, query);
  const last = models.length < query.limit ? null : (models.at(-1)?.name ?? null);
  return { models, next: last === null ? null : writeCursor(last, query) };
}

type NamedModel = Pick<ModelQuery, "asOf" | "knownAt"> & { readonly name: string };

/** One model, deleted or not, at a moment. Null when it was not there. */
export async function findModel(db: Queryable, named: NamedModel): Promise<RegisteredModel | null> {
  const described = await findDescription(db, named);
  const [found] = described ? await addServing(db, [described], named) : [];
  return found ?? null;
}

/** The same without a look at what serves. */
export async function findDescription(
  db: Queryable,
  { name, ...moment }: NamedModel,
): Promise<ModelDescription | null> {
  const [found] = await describeModels(db, { limit: 1, ...moment }, sql`${model.name} = ${name}`, false);
  return found ?? null;
}

async function describeModels(
  db: Queryable,
  query: ModelQuery,
  which: SQL,
  judged = true,
): Promise<ModelDescription[]> {
  const { asOf, knownAt } = momentSql(query);
  const past = query.asOf !== undefined || query.knownAt !== undefined;
  const known = sql`least(${asOf}, ${knownAt})`;
  const pastState = sql`(SELECT coalesce((SELECT state FROM registry_states(${asOf}, ${knownAt}) AS said
    WHERE said.model = model.name AND said.number IS NULL), '{}') AS state)`;
  const source = past
    ? sql`model, LATERAL ${pastState} AS said, LATERAL model_document(model.name, said.state) AS document`
    : sql`model JOIN model_state AS said ON said.model = model.name
        JOIN LATERAL (SELECT said.facets, said.words) AS document ON true`;
  const wanted = facetsSql(changeableFacets(query), [query.deleted ? "deleted" : "live"]);
  const words = query.words === undefined ? sql`` : sql` AND document.words @@ ${wordsSql(query.words)}`;
  const answers = judged ? sql` AND document.facets @> ${wanted}${words}` : sql``;
  const rows = await db
    .select({
      name: sql`model.name`.mapWith(String),
      createdAt: sql`model.created_at`.mapWith(model.createdAt),
      state: sql`said.state`.mapWith(modelState.state),
      versionCount: past
        ? sql`(SELECT count(*) FROM version_state AS one WHERE one.model = model.name AND one.created_at <= ${known})`.mapWith(
            Number,
          )
        : sql`model.next_version - 1`.mapWith(Number),
      latestNumber: sql<number | null>`(SELECT one.number FROM version_state AS one WHERE one.model = model.name
        AND one.created_at <= ${known} AND NOT ${past ? wasDeleted({ asOf, knownAt }) : sql`one.state ? 'tombstone'`}
        ORDER BY one.number DESC LIMIT 1)`,
    })
    .from(source)
    .where(
      sql`${which}${answers} AND model.created_at <= ${known}
        AND model.created_at >= coalesce(${query.createdAfter ?? null}::timestamptz, '-infinity')
        AND model.created_at < coalesce(${query.createdBefore ?? null}::timestamptz, 'infinity')`,
    )
    .orderBy(sql`model.name`)
    .limit(query.limit);
  return rows.map(({ state, ...row }) => ({ ...row, ...describeModel(state) }));
}

const wasDeleted = ({ asOf, knownAt }: { readonly asOf: SQL; readonly knownAt: SQL }) =>
  sql`EXISTS (SELECT FROM registry_truth(${asOf}, ${knownAt}) AS said WHERE said.model = one.model AND said.number = one.number
    AND said.attribute = 'tombstone' AND said.value IS NOT NULL)`;

async function addServing(
  db: Queryable,
  models: readonly ModelDescription[],
  { asOf, knownAt }: Pick<ModelQuery, "asOf" | "knownAt">,
): Promise<RegisteredModel[]> {
  const earliest = [asOf, knownAt].flatMap((moment) => (moment === undefined ? [] : [moment])).sort(byInstant)[0];
  const routings = await loadRouting(db, {
    models: models.map(({ name }) => name),
    ...(earliest === undefined ? {} : { asOf: earliest }),
  });
  const serving = new Map<string, Serving[]>();
  for (const { model: name, endpoint, environment, epoch, champion, canary, canaryShare } of routings) {
    const one = {
      endpoint,
      environment,
      epoch,
      champion: champion?.number ?? null,
      canary: canary?.number ?? null,
      canaryShare,
    };
    serving.set(name, [...(serving.get(name) ?? []), one]);
  }
  return models.map((one) => ({ ...one, serving: serving.get(one.name) ?? [] }));
}

const byInstant = (one: string, other: string) => Date.parse(one) - Date.parse(other);

const describeModel = (state: RegistryState) => ({
  owner: state.owner ?? null,
  purpose: state.purpose ?? "",
  riskTier: state["risk-tier"] ?? ("unknown" as const),
  team: state.team ?? null,
  description: state.description ?? null,
  tags: state.tag ?? {},
  aliases: state.alias ?? {},
  stages: [NO_VERSION_STAGE, ...(state.stages ?? DEFAULT_VERSION_STAGES)],
  deleted: state.tombstone === true,
});
