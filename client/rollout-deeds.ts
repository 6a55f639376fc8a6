import { randomUUID } from "node:crypto";
import type { Client, WorkflowHandle } from "@temporalio/client";
import { requestDeed, rollbackDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { AskedShare, EndpointRollbackResult, Request, RolloutResult } from "../contracts/messages.ts";
import { QUEUES, UPDATES, WORKFLOWS, workflowIds } from "../contracts/names.ts";
import type { Database } from "../db/client.ts";
import { hear } from "../db/hear.ts";
import { reveal } from "../db/queries/reveal.ts";
import { findRollout, findRunningRollout, type Rollout } from "../db/queries/rollout.ts";
import { isWaiting } from "../db/queries/rollout-turn.ts";
import type { Acting } from "./acting.ts";
import { translated } from "./failures.ts";

/** What people ask of an endpoint's rollout. */
export interface RolloutDeeds {
  /** Ends a running canary, or brings the former champion back. */
  readonly rollback: (endpoint: string, request: Request) => Promise<RolloutResult | EndpointRollbackResult>;
  /**
   * Promotes the running canary whatever its evidence says; kept for ever as an override. Comes back when it is on its way.
   * @throws REFERENCE_UNKNOWN when no rollout runs, ENDPOINT_BUSY when its end is decided
   */
  readonly promote: (endpoint: string, request: Request) => Promise<{ readonly rolloutId: string }>;
  /**
   * Gives the running canary another share and holds its ramp there until `resumeRamp`. More than its present step allows takes an
   * override, which is kept for ever. @throws SHARE_NOT_EARNED, REFERENCE_UNKNOWN, ENDPOINT_BUSY
   */
  readonly setShare: (
    endpoint: string,
    request: Request & { readonly share: AskedShare },
  ) => Promise<{ readonly rolloutId: string }>;
  /**
   * Has a rollout that runs paused, gone on with, or ended, and one that waits for its endpoint taken back, by its id; the asker's reason is kept.
   * @throws REFERENCE_UNKNOWN when it neither runs nor waits
   */
  readonly askRollout: (rolloutId: string, ask: "pause" | "resume" | "abort", request: Request) => Promise<void>;
  /** Lets a rollout that is paused, or held at a share that was set, go on by its plan. @throws REFERENCE_UNKNOWN */
  readonly resumeRamp: (endpoint: string, request: Request) => Promise<{ readonly rolloutId: string }>;
}

export function createRolloutDeeds(client: Client, database: Database, { sign }: Acting): RolloutDeeds {
  const reach = { client, database, sign };
  const tell = async (
    endpoint: string,
    update: "promote" | "share" | "resume",
    { share, ...request }: Request & { readonly share?: AskedShare },
  ) => {
    const { id } = await requireRollout(database, endpoint);
    const asked = share === undefined ? {} : { share };
    const signed = await sign(requestDeed({ subject: `rollout/${id}`, request: update, ...asked }), request);
    const handle = client.workflow.getHandle(workflowIds.rollout(endpoint));
    await translated(handle.executeUpdate(UPDATES[update], { args: [{ ...request, ...asked, ...signed }] }));
    return { rolloutId: id };
  };
  return {
    rollback: (endpoint, request) => rollBack(reach, endpoint, request),
    promote: (endpoint, request) => tell(endpoint, "promote", request),
    setShare: (endpoint, request) => tell(endpoint, "share", request),
    askRollout: (rolloutId, ask, request) => askRollout(reach, rolloutId, ask, request),
    resumeRamp: (endpoint, request) => tell(endpoint, "resume", request),
  };
}

async function requireRollout(database: Database, endpoint: string): Promise<Rollout> {
  const running = await translated(findRunningRollout(database, endpoint));
  if (running) return running;
  throw new Failure("REFERENCE_UNKNOWN", { reference: `running rollout of endpoint/${endpoint}` });
}

interface Reach {
  readonly client: Client;
  readonly database: Database;
  readonly sign: Acting["sign"];
}

async function rollBack(
  { client, database, sign }: Reach,
  endpoint: string,
  request: Request,
): Promise<RolloutResult | EndpointRollbackResult> {
  const heard = await hear(findRunningRollout(database, endpoint));
  const handle = client.workflow.getHandle(workflowIds.rollout(endpoint));
  // A rollout whose workflow was terminated still counts as running; ending it is the endpoint's own rollback.
  // While Postgres is away, the workflow is whom to ask: gateways take the canary back before anything is on record.
  if (heard?.answer !== null && (await isRunning(handle))) {
    const subject = `rollout/${heard?.answer.id ?? ""}`;
    const signed = await sign(requestDeed({ subject, request: "rollback" }), request);
    await translated(handle.executeUpdate(UPDATES.rollback, { args: [{ ...request, ...signed }] }));
    const { rolloutId } = (await translated(handle.result())) as RolloutResult;
    const ended = await findRollout(database, rolloutId);
    const status = ended && ended.status !== "running" ? ended.status : "aborted";
    return reveal(database, { rolloutId, status, reason: ended?.outcome ?? request.reason });
  }
  const asked = { endpoint, requestId: randomUUID() };
  const signed = await sign(rollbackDeed(asked), request);
  return translated(
    client.workflow.execute(WORKFLOWS.endpointRollback, {
      taskQueue: QUEUES.control,
      workflowId: workflowIds.rollout(endpoint),
      args: [{ ...asked, ...request, ...signed }],
    }) as Promise<EndpointRollbackResult>,
  );
}

async function askRollout(
  { client, database, sign }: Reach,
  rolloutId: string,
  ask: "pause" | "resume" | "abort",
  request: Request,
): Promise<void> {
  const rollout = await translated(findRollout(database, rolloutId));
  if (rollout?.status !== "running" && (rollout || !(await translated(isWaiting(database, rolloutId))))) {
    throw new Failure("REFERENCE_UNKNOWN", { reference: `running rollout/${rolloutId}` });
  }
  // One that runs is ended by going back; one that waits has nothing to go back from.
  const update = rollout && ask === "abort" ? "rollback" : ask;
  const workflowId = rollout ? workflowIds.rollout(rollout.endpoint) : workflowIds.deployment(rolloutId);
  const signed = await sign(requestDeed({ subject: `rollout/${rolloutId}`, request: update }), request);
  const handle = client.workflow.getHandle(workflowId);
  await translated(handle.executeUpdate(UPDATES[update], { args: [{ ...request, ...signed }] }));
}

async function isRunning(handle: WorkflowHandle): Promise<boolean> {
  const description = await handle.describe().catch(() => null);
  return description?.status.name === "RUNNING";
}
