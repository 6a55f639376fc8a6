/** Answers about lineage, as they travel from Postgres to whoever asks. */

/** Something that was used or made: `model/NAME@N`, `artifact/DIGEST`, `lifecycle/ID`, `prediction/ID` and the like. */
export interface LineageNode {
  readonly ref: string;
  /** What a person wants to know of it in a few words; empty when there is nothing to add. */
  readonly label: string;
}

/** What was done, once. */
export interface LineageExecution {
  readonly id: string;
  readonly kind: string;
  /** Where and in which part of a run, in a few words. */
  readonly label: string;
  /** ISO instant, or null where it is not recorded. */
  readonly at: string | null;
}

/** An execution used or generated a thing, in a role. */
export interface LineageEdge {
  readonly execution: string;
  readonly ref: string;
  readonly role: string;
}

export interface UsedEdge extends LineageEdge {
  /** The execution that had made it; null when nothing on record had. */
  readonly madeBy: string | null;
}

export const LINEAGE_DIRECTIONS = ["upstream", "downstream"] as const;
/** `upstream`: what it was made from. `downstream`: what came of it. */
export type LineageDirection = (typeof LINEAGE_DIRECTIONS)[number];

/** Why an answer is not the whole. `older-release`: an application of the release before may still write edges of its own. */
export type Truncation = "limit" | "older-release";

/** The audit log as it was when an answer was read. */
export interface AuditPosition {
  readonly stream: string;
  /** Events so far; 0 before the first. */
  readonly seq: number;
  /** Hexadecimal digits of the newest event's hash. */
  readonly hash: string;
}

/** What every answer says of itself. */
export interface Completeness {
  readonly complete: boolean;
  readonly truncatedBy: Truncation | null;
  readonly nodeCount: number;
  readonly edgeCount: number;
  readonly readAt: AuditPosition;
}

/** All that lies upstream or downstream of a thing, with the executions between: a bipartite graph without circles. */
export interface LineageGraph extends Completeness {
  /** What was asked for. */
  readonly roots: readonly string[];
  readonly direction: LineageDirection;
  /** The roots among them. */
  readonly nodes: readonly LineageNode[];
  /** How many of these were looked up for a label: all, or in a graph of more than 10,000 the 1,000 nearest to the roots. */
  readonly labelledCount: number;
  readonly executions: readonly LineageExecution[];
  readonly used: readonly UsedEdge[];
  readonly generated: readonly LineageEdge[];
}

/** One step of a path: `from` was used in a role by an execution that generated `to`. */
export interface LineageStep {
  readonly from: string;
  readonly role: string;
  readonly execution: LineageExecution;
  readonly to: string;
}

/** A shortest way from one thing to another that came of it. */
export interface LineagePath extends Completeness {
  readonly from: string;
  readonly to: string;
  /** Downstream; empty from a thing to itself; null when none came of the other, which is proved only when `complete`. */
  readonly steps: readonly LineageStep[] | null;
}

/** What a thing had part in that people saw. */
export interface LineageImpact extends Completeness {
  readonly ref: string;
  /** Model versions downstream, or itself. */
  readonly versionCount: number;
  /** The newest of them, a thousand at most. */
  readonly versions: readonly string[];
  /** Routing epochs in which one of them had traffic. */
  readonly epochs: readonly {
    readonly endpoint: string;
    readonly epoch: number;
    readonly version: string;
    readonly arm: string;
    readonly at: Date;
    readonly predictionCount: number;
  }[];
  readonly epochCount: number;
  readonly predictionCount: number;
}

/** One thing two versions have alike or different; null where a version has none. */
export interface VersionDifference {
  readonly aspect: VersionAspect;
  readonly name: string;
  readonly left: string | null;
  readonly right: string | null;
  readonly same: boolean;
}

export type VersionAspect = "artifact" | "data" | "source" | "code" | "parameters" | "gates" | "metrics" | "approvals";

export interface VersionComparison extends Completeness {
  readonly left: string;
  readonly right: string;
  /** In the order of the aspects. */
  readonly differences: readonly VersionDifference[];
}

/** Digest of code or settings by the kind of execution it was used in. */
export interface MakingExecution {
  readonly kind: string;
  readonly codeDigest: string | null;
  readonly parametersDigest: string | null;
}

/** What is on record about a version, as comparing takes it. */
export interface VersionFacts {
  /** `NAME@N`. */
  readonly name: string;
  readonly artifact: string;
  readonly origin: string;
  readonly parent: string | null;
  /** Every execution by which its bytes came to be. */
  readonly making: readonly MakingExecution[];
  /** Digests by the part they played: training-data, calibration-data, evaluation-data. */
  readonly data: readonly { readonly role: string; readonly digest: string; readonly rowCount: number | null }[];
  readonly sources: readonly { readonly role: string; readonly path: string; readonly digest: string }[];
  /** The accepted spec of its lifecycle; null without one. */
  readonly spec: unknown;
  /** Its newest evaluation. */
  readonly evaluation: {
    readonly id: string;
    readonly verdict: string;
    readonly dataDigest: string;
    readonly gates: readonly { readonly gate: unknown; readonly verdict: string; readonly reason: string }[];
    readonly metrics: readonly {
      readonly metric: string;
      readonly estimate: number | null;
      readonly low: number | null;
      readonly high: number | null;
      readonly undefinedReason: string | null;
    }[];
  } | null;
  readonly approvals: readonly { readonly decision: string; readonly by: string; readonly at: string }[];
}
