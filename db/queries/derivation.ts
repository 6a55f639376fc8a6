import { stageResultSchemas } from "../../contracts/stages.ts";
import type { Queryable } from "../client.ts";
import { findVersion, findVersionById } from "./model.ts";
import { findStageRun } from "./stage-run.ts";

/** What an optimized version was made from, by digest, and where it is written how. */
export interface Derivation {
  readonly version: string;
  readonly parent: string;
  /** The optimization's report, which has the options, ranges and runtime. */
  readonly report: string;
  /** The candidate that was chosen. */
  readonly chosen: string;
}

/** The derivation of `NAME@N`; `not-derived` for a version that no other was rewritten into, null for one that is not there. */
export async function findDerivation(
  db: Queryable,
  name: { readonly model: string; readonly number: number },
): Promise<Derivation | "not-derived" | null> {
  const version = await findVersion(db, name);
  if (version === null) return null;
  const { parentVersion, lifecycle, round } = version;
  if (version.origin !== "optimized" || parentVersion === null || lifecycle === null || round === null) {
    return "not-derived";
  }
  const parent = await findVersionById(db, parentVersion);
  const stage = await findStageRun(db, { lifecycle, round, stage: "optimize" });
  if (parent === null || stage === null) return "not-derived";
  const { report, chosen } = stageResultSchemas.optimize.parse(stage.result);
  return { version: version.artifact, parent: parent.artifact, report, chosen };
}
