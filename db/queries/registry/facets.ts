import { sql, type SQL } from "drizzle-orm";

import { Failure } from "../../../contracts/failures.ts";
import type { ModelQuery, VersionQuery } from "../../../contracts/registry.ts";
import type { Queryable } from "../../client.ts";

type Facet = readonly [attribute: string, value: string];

const given = (pairs: readonly (readonly [string, string | undefined])[]): Facet[] =>
  pairs.flatMap(([attribute, value]) => (value === undefined ? [] : [[attribute, value] as const]));

/** What a search asks for by its exact value and what people can change. */
export const changeableFacets = (query: ModelQuery & Partial<VersionQuery>): Facet[] => [
  ...given([
    ["owner", query.owner],
    ["risk-tier", query.riskTier],
    ["team", query.team],
    ["stage", query.stage],
    ["alias", query.alias],
  ]),
  ...Object.entries(query.tags ?? {}).map(([key, value]) => ["tag", `${key}=${value}`] as const),
];

/** What never changes about a version. */
export const fixedFacets = (query: VersionQuery): Facet[] =>
  given([
    ["model", query.model],
    ["origin", query.origin],
    ["digest", query.digest],
    ["lifecycle", query.lifecycle],
  ]);

/** `text[]` as the documents hold them; `more` are whole facets, as `live`. */
export function facetsSql(facets: readonly Facet[], more: readonly string[] = []): SQL {
  const [attributes, values] = [facets.map(([attribute]) => attribute), facets.map(([, value]) => value)];
  return sql`(${sql.param([...more])}::text[] || ARRAY(
    SELECT registry_facet(attribute, CASE attribute WHEN 'owner' THEN coalesce(find_actor_ref(value), value) ELSE value END)
    FROM unnest(${sql.param(attributes)}::text[], ${sql.param(values)}::text[]) AS wanted (attribute, value)))`;
}

export const wordsSql = (words: string | undefined): SQL =>
  words === undefined ? sql`NULL::tsquery` : sql`websearch_to_tsquery('english', ${words})`;

/** @throws INPUT_INVALID when nothing in the words can be searched for, as in `the` or `!!` */
export async function requireWords(db: Queryable, words: string | undefined): Promise<void> {
  if (words === undefined) return;
  const { rows } = await db.execute<{ count: number }>(sql`SELECT numnode(${wordsSql(words)}) AS count`);
  if (rows[0]?.count !== 0) return;
  const problems = `${JSON.stringify(words.slice(0, 80))} holds no word to search for; common words such as "the" are in no index`;
  throw new Failure("INPUT_INVALID", { where: "words", problems });
}
