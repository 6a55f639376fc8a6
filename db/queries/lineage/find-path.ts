import { sql } from "drizzle-orm";

import type { LineageExecution, LineagePath, LineageStep } from "../../../contracts/lineage.ts";
import type { Database, Queryable } from "../../client.ts";
import { loadExecutions } from "./load-executions.ts";
import { readSnapshot, sayWhole } from "./read-snapshot.ts";

export interface PathRequest {
  readonly from: string;
  readonly to: string;
  /** Most edges looked at, 200,000 unless told. */
  readonly limit?: number;
}

/**
 * A shortest way from one thing to another, whichever of them came of the other; null when one of them is not in the graph. What
 * lies both downstream of the one and upstream of the other is searched, and nothing else.
 */
export async function findPath(db: Database, { from, to, limit = 200_000 }: PathRequest): Promise<LineagePath | null> {
  return await readSnapshot(db, async (tx, snapshot) => {
    const known = await tx.execute(sql`SELECT FROM lineage_node WHERE ref = ANY(${sql.param([from, to])}::text[])`);
    if (known.rows.length < new Set([from, to]).size) return null;
    const forth = await search(tx, from, to, limit);
    const back = forth.way ? null : await search(tx, to, from, limit);
    const { way, cut } = back?.way ? back : forth;
    const executions = await loadExecutions(tx, new Set(way?.map(({ execution }) => Number(execution))));
    const steps = way && toSteps(way, executions, back?.way ? from : to);
    return {
      from: back?.way ? to : from,
      to: back?.way ? from : to,
      steps,
      ...sayWhole(snapshot, {
        // A way that was found is one, however much was left unseen.
        cut: way === null && (cut || back?.cut === true),
        nodeCount: steps ? steps.length + 1 : 0,
        edgeCount: (steps?.length ?? 0) * 2,
      }),
    };
  });
}

/** An execution used a thing that leads on from the start. */
interface Use extends Record<string, unknown> {
  readonly execution: string;
  readonly ref: string;
  readonly role: string;
  readonly madeBy: string | null;
}

async function search(
  tx: Queryable,
  from: string,
  to: string,
  limit: number,
): Promise<{ readonly way: Use[] | null; readonly cut: boolean }> {
  if (from === to) return { way: [], cut: false };
  const { rows } = await tx.execute<Use & { readonly last: boolean }>(sql`
    WITH RECURSIVE between AS MATERIALIZED (SELECT upstream_executions(${to}) AS id),
    start AS (SELECT id FROM lineage_node WHERE ref = ${from}),
    walked (id) AS (
      SELECT execution FROM used JOIN between ON between.id = execution WHERE node = (SELECT id FROM start)
      UNION SELECT used.execution FROM walked JOIN used ON used.made_by = walked.id JOIN between ON between.id = used.execution
    )
    SELECT used.execution, lineage_node.ref, used.role, used.made_by AS "madeBy", EXISTS (
        SELECT FROM generated JOIN lineage_node AS target ON target.id = generated.node
        WHERE generated.execution = used.execution AND target.ref = ${to}) AS last
    FROM walked JOIN used ON used.execution = walked.id JOIN lineage_node ON lineage_node.id = used.node
    WHERE used.node = (SELECT id FROM start) OR used.made_by IN (SELECT id FROM walked)
    ORDER BY used.execution DESC, used.node, used.role LIMIT ${limit + 1}`);
  return { way: shortest(rows.slice(0, limit), from), cut: rows.length > limit };
}

/** Breadth first, against the arrows: from what generated the target to a use of the start. Uses in the order of time. */
function shortest(uses: readonly (Use & { readonly last: boolean })[], from: string): Use[] | null {
  const byExecution = new Map<string, Use[]>();
  for (const use of uses) byExecution.set(use.execution, [...(byExecution.get(use.execution) ?? []), use]);
  const next = new Map<string, Use | null>(uses.filter(({ last }) => last).map(({ execution }) => [execution, null]));
  // A Map visits what is added to it while it is walked.
  for (const execution of next.keys()) {
    const found = byExecution.get(execution)?.find(({ ref }) => ref === from);
    if (found) {
      const way = [found];
      for (let use = next.get(execution); use; use = next.get(use.execution)) way.push(use);
      return way;
    }
    for (const use of byExecution.get(execution) ?? []) {
      if (use.madeBy !== null && !next.has(use.madeBy)) next.set(use.madeBy, use);
    }
  }
  return null;
}

function toSteps(way: readonly Use[], executions: readonly LineageExecution[], end: string): LineageStep[] {
  const byId = new Map(executions.map((execution) => [execution.id, execution]));
  return way.flatMap(({ execution, ref, role }, index) => {
    const by = byId.get(execution);
    return by ? [{ from: ref, role, execution: by, to: way[index + 1]?.ref ?? end }] : [];
  });
}
