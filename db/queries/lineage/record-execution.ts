import { sql } from "drizzle-orm";

import type { ExecutionKind, LineageRole } from "../../../contracts/names.ts";
import { digestOf } from "../../canonical.ts";
import type { Transaction } from "../../client.ts";
import type { OperationContext } from "../operation.ts";

/** A thing in the part it played: `artifact/DIGEST` as training data, `model/NAME@N` as the version. */
export interface LineagePart {
  readonly ref: string;
  readonly role: LineageRole;
}

/** Who executes, as Temporal names it, and the digest of the sources it runs. */
export interface ExecutionContext extends OperationContext {
  readonly codeDigest: string;
}

export interface ExecutionRequest {
  readonly kind: Exclude<ExecutionKind, "carried-over">;
  /** The lifecycle it belongs to, or null. */
  readonly lifecycle: string | null;
  readonly round?: number;
  readonly context: ExecutionContext;
  /** JSON of the settings that decided what came out; kept as its digest. */
  readonly parameters: unknown;
  /** Now unless told. */
  readonly startedAt?: Date;
  readonly used: readonly LineagePart[];
  readonly generated: readonly LineagePart[];
}

/** What executions of one step share: whose it is, since when, by whom. */
export type ExecutionFrame = Pick<ExecutionRequest, "lifecycle" | "round" | "context" | "startedAt">;

/** The execution's row as `record_execution` takes it. */
export function executionRow(request: Omit<ExecutionRequest, "used" | "generated">) {
  const { kind, lifecycle, round, context, parameters, startedAt } = request;
  return {
    kind,
    lifecycle,
    round,
    workflow_id: context.workflowId,
    run_id: context.runId,
    activity_id: context.activityId,
    attempt: context.attempt,
    code_digest: context.codeDigest,
    parameters_digest: digestOf(parameters),
    started_at: startedAt,
  };
}

/**
 * Records what was made from what and seals it: no edge is added to it later. Which execution had made a thing that is used is
 * fixed now: the newest of the same lifecycle, else the first on record. Returns the execution's number.
 */
export async function recordExecution(tx: Transaction, request: ExecutionRequest): Promise<number> {
  const [row, used, generated] = [executionRow(request), request.used, request.generated].map((part) =>
    JSON.stringify(part),
  );
  const { rows } = await tx.execute<{ id: string }>(sql`SELECT record_execution(${row}, ${used}, ${generated}) AS id`);
  return Number(rows[0]?.id);
}
