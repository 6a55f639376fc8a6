import { Failure } from "../contracts/failures.ts";
import type {
  LineageDirection,
  LineageGraph,
  LineageImpact,
  LineagePath,
  VersionComparison,
} from "../contracts/lineage.ts";
import { compareVersions } from "../core/lineage/compare-versions.ts";
import type { Database } from "../db/client.ts";
import { findArtifacts } from "../db/queries/lineage/find-artifacts.ts";
import { findPath } from "../db/queries/lineage/find-path.ts";
import { loadGraph } from "../db/queries/lineage/load-graph.ts";
import { loadImpact } from "../db/queries/lineage/load-impact.ts";
import { loadVersionFacts } from "../db/queries/lineage/load-version-facts.ts";
import { reveal } from "../db/queries/reveal.ts";
import { translated } from "./failures.ts";
import { numberedVersion } from "./numbered-version.ts";
import { parseReference, parseVersion } from "./reference.ts";

export interface LineageOptions {
  /** `upstream` unless told. */
  readonly direction?: LineageDirection;
  readonly limit?: number;
}

/** Questions about what was made from what. Every answer says whether it is the whole, and at which audit event it was read. */
export interface LineageReader {
  /**
   * What one thing, or several together, was made from (`upstream`) or what came of it; at most `limit` edges away, 5000 unless told.
   * @throws REFERENCE_INVALID, REFERENCE_UNKNOWN, INPUT_INVALID
   */
  readonly lineage: (references: string | readonly string[], options?: LineageOptions) => Promise<LineageGraph>;
  /** A shortest way between two things, whichever came of the other. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN */
  readonly lineagePath: (one: string, other: string) => Promise<LineagePath>;
  /** Versions, routing epochs and predictions that a thing had part in. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN */
  readonly impact: (reference: string) => Promise<LineageImpact>;
  /** What two versions have different, and what alike. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN */
  readonly compareVersions: (left: string, right: string) => Promise<VersionComparison>;
}

const DIGEST_DIGITS = 64;
/** A graph is answered in one piece: more would not fit the memory of who asks. */
const LARGEST_LIMIT = 1_000_000;

export function createLineageReader(database: Database): LineageReader {
  const refOf = (reference: string) => lineageRef(database, reference);
  const numbered = async (name: string) => numberedVersion(database, parseVersion(name));
  return {
    lineage: async (references, { direction = "upstream", limit } = {}) => {
      const refs = await Promise.all([references].flat().map(refOf));
      const request = { refs, direction, ...(limit === undefined ? {} : { limit: wholeLimit(limit) }) };
      return known(await translated(loadGraph(database, request)), refs);
    },
    lineagePath: async (one, other) => {
      const [from, to] = [await refOf(one), await refOf(other)];
      return known(await translated(findPath(database, { from, to })), [from, to]);
    },
    impact: async (reference) => {
      const ref = await refOf(reference);
      return known(await translated(loadImpact(database, { ref })), [ref]);
    },
    compareVersions: async (left, right) => {
      const versions = [await numbered(left), await numbered(right)] as const;
      const names = versions.map(({ model, number }) => `model/${model}@${number}`);
      const answer = known(await translated(loadVersionFacts(database, versions)), names);
      const { facts, ...reading } = await translated(reveal(database, answer));
      return { ...compareVersions(facts), ...reading };
    },
  };
}

/** As lineage has it: a digest may be shortened to its first digits. */
async function lineageRef(database: Database, reference: string): Promise<string> {
  const { kind, name, text } = parseReference(reference);
  if (kind === "model") {
    const { model, number } = await numberedVersion(database, parseVersion(text));
    return `model/${model}@${number}`;
  }
  if (kind !== "artifact" || name.length === DIGEST_DIGITS) return text;
  const [found, other] = await translated(findArtifacts(database, name));
  if (found === undefined) throw new Failure("REFERENCE_UNKNOWN", { reference: text });
  if (other !== undefined) {
    throw new Failure("REFERENCE_INVALID", { found: `${text}, which is the beginning of several digests` });
  }
  return found;
}

function known<Answer>(answer: Answer | null, refs: readonly string[]): Answer {
  if (answer === null) throw new Failure("REFERENCE_UNKNOWN", { reference: refs.join(" or ") });
  return answer;
}

function wholeLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_LIMIT) return limit;
  const problems = `${limit} edges; ask for a whole number from 1 to ${LARGEST_LIMIT}`;
  throw new Failure("INPUT_INVALID", { where: "limit", problems });
}
