import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { Client, Connection, WorkflowExecutionAlreadyStartedError, type WorkflowHandle } from "@temporalio/client";
import type {
  AuditCheckpointResult,
  EndpointRollbackResult,
  LifecycleInput,
  LifecycleResult,
  Registration,
  Request,
  RolloutInput,
  RolloutResult,
} from "../contracts/messages.ts";
import { QUEUES, UPDATES, WORKFLOWS, workflowIds, type LifecycleStatus } from "../contracts/names.ts";
import { Failure } from "../contracts/failures.ts";
import { requireSmallPayload } from "../contracts/payload.ts";
import { rolloutPlanSchema } from "../contracts/rollout.ts";
import type { LifecycleSpecInput } from "../contracts/spec.ts";
import { digestOf } from "../db/canonical.ts";
import { openDatabase, type Database } from "../db/client.ts";
import { loadLifecycle, requireLifecycle } from "../db/queries/lifecycle.ts";
import { resolveVersion } from "../db/queries/registry/resolve.ts";
import { findRollout, findRunningRollout } from "../db/queries/rollout.ts";
import { findAddresses, type Addresses } from "./addresses.ts";
import { describeProblems } from "./document.ts";
import { translated } from "./failures.ts";
import { createGovernance, type Governance } from "./governance.ts";
import { createReader, ENDED, type Reader } from "./reader.ts";
import { createRegistryDeeds, type RegistryDeeds } from "./registry.ts";
import { loadSpec, parseSpec } from "./spec.ts";

/** What scripts talk to. Every deed names who does it; every question goes to Postgres. */
export interface Modelwright extends Reader, RegistryDeeds, Governance {
  readonly addresses: Addresses;
  /**
   * Starts a lifecycle from a spec file or a spec written in TypeScript; every problem of the spec is reported and nothing is
   * started if there is one. Starting the same id twice is one lifecycle.
   */
  readonly start: (
    spec: string | LifecycleSpecInput,
    options: { readonly as: string; readonly id?: string },
  ) => Promise<{ lifecycleId: string }>;
  /** Runs a failed lifecycle again; stages that passed are kept. */
  readonly retry: (
    lifecycleId: string,
    options: { readonly as: string },
  ) => Promise<{ lifecycleId: string; round: number }>;
  /** Waits for the end; rejects with the failure that ended it. */
  readonly result: (lifecycleId: string) => Promise<LifecycleResult>;
  readonly pause: (lifecycleId: string, request: Request) => Promise<void>;
  readonly resume: (lifecycleId: string, request: Request) => Promise<void>;
  readonly abort: (lifecycleId: string, request: Request) => Promise<void>;
  /** Registers a model file of your own; its signature is a JSON file. Paths are on the compute workers' machine. */
  readonly register: (file: {
    readonly model: string;
    readonly path: string;
    readonly signaturePath: string;
    readonly as: string;
  }) => Promise<Registration>;
  /**
   * Starts a rollout of `NAME@N` or `NAME@ALIAS`, which is resolved once and goes on record, and comes back when it is open; the plan's
   * defaults hold where it says nothing. @throws REFERENCE_UNKNOWN, ENDPOINT_BUSY, ENVIRONMENT_NEEDS_EVIDENCE, APPROVAL_MISSING
   */
  readonly deploy: (
    request: DeployRequest,
  ) => Promise<{ readonly rolloutId: string; readonly number: number; readonly result: () => Promise<RolloutResult> }>;
  /** Ends a running canary, or brings the former champion back. */
  readonly rollback: (endpoint: string, request: Request) => Promise<RolloutResult | EndpointRollbackResult>;
  /**
   * Has the stack sign its audit log as it stands now, and comes back when it is. @throws AUDIT_NOT_SIGNED when the log is not the one
   * that was signed before, CHECKPOINT_UNCONFIGURED
   */
  readonly signCheckpoint: () => Promise<AuditCheckpointResult>;
  readonly temporal: Client;
  readonly close: () => Promise<void>;
}

export interface DeployRequest {
  readonly model: string;
  /** A number, an alias or `latest`. */
  readonly version: number | string;
  readonly endpoint: string;
  readonly environment: string;
  readonly as: string;
  /** RolloutPlan as people write it. */
  readonly plan?: Readonly<Record<string, unknown>>;
  /** Past the approvals that are missing, once, with an alarm; says why. */
  readonly breakGlass?: string;
}

const OPENED_POLL_MS = 200;

/** Connects to a stack: the one named, else the one the environment or the data directory names. @throws STACK_UNREACHABLE */
export async function connect(addresses?: Addresses): Promise<Modelwright> {
  const found = addresses ?? (await findAddresses());
  const connection = await Connection.connect({ address: found.temporal, connectTimeout: "5s" }).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Failure("STACK_UNREACHABLE", { what: "Temporal", address: found.temporal, reason }, { cause });
    },
  );
  const client = new Client({ connection, namespace: found.temporalNamespace });
  const database = openDatabase({ url: found.database, maximumConnections: 4 });
  return {
    addresses: found,
    temporal: client,
    ...createReader(database, client),
    ...createLifecycleDeeds(client, database),
    ...createEndpointDeeds(client, database),
    signCheckpoint: () =>
      translated(
        client.workflow.execute(WORKFLOWS.auditCheckpoint, {
          taskQueue: QUEUES.control,
          // Its own run and not one under way, which may have read the log before what is asked about was in it.
          workflowId: workflowIds.auditCheckpoint(randomUUID()),
          args: [{ whole: false }],
        }) as Promise<AuditCheckpointResult>,
      ),
    ...createGovernance(client, database),
    ...createRegistryDeeds(client),
    close: async () => {
      await database.close();
      await connection.close();
    },
  };
}

function createLifecycleDeeds(client: Client, database: Database) {
  const handleOf = (lifecycleId: string) => client.workflow.getHandle(workflowIds.lifecycle(lifecycleId));
  const begin = (input: LifecycleInput) =>
    translated(
      client.workflow.start(WORKFLOWS.modelLifecycle, {
        taskQueue: QUEUES.control,
        workflowId: workflowIds.lifecycle(input.lifecycleId),
        workflowIdConflictPolicy: "USE_EXISTING",
        args: [requireSmallPayload("the lifecycle's spec", input)],
      }),
    );
  /** A pause or resume reaches the rollout while one runs, else the lifecycle between its stages. */
  const tell = async (lifecycleId: string, update: string, request: Request) => {
    const { spec, status } = await requireLifecycle(database, lifecycleId);
    if (ENDED.includes(status)) throw alreadyEnded(lifecycleId, status);
    const rollout = spec.deployment ? await findRunningRollout(database, spec.deployment.endpoint) : null;
    const handle =
      rollout?.lifecycle === lifecycleId
        ? client.workflow.getHandle(workflowIds.rollout(rollout.endpoint))
        : handleOf(lifecycleId);
    await translated(handle.executeUpdate(update, { args: [request] }));
  };
  return {
    start: async (spec, { as, id }) => {
      const parsed =
        typeof spec === "string" ? await loadSpec(spec) : parseSpec(spec, { path: "spec", directory: process.cwd() });
      const lifecycleId = id ?? `${parsed.model.name}-${randomUUID().slice(0, 8)}`;
      const recorded = id === undefined ? null : await loadLifecycle(database, id);
      if (recorded) {
        if (recorded.specDigest === digestOf(parsed)) return { lifecycleId };
        throw new Failure("OPERATION_CONFLICT", { key: `lifecycle/${lifecycleId}` });
      }
      await begin({ lifecycleId, round: 1, spec: parsed, startedBy: as, causedBy: null });
      return { lifecycleId };
    },
    retry: async (lifecycleId, { as }) => {
      const lifecycle = await requireLifecycle(database, lifecycleId);
      if (lifecycle.status !== "failed") {
        const problems = `it is ${lifecycle.status}; only a failed lifecycle is run again, start a new one instead`;
        throw new Failure("INPUT_INVALID", { where: `lifecycle ${lifecycleId}`, problems });
      }
      const round = (await lastRound(database, lifecycleId)) + 1;
      const { startedBy, causedBy } = lifecycle;
      await begin({ lifecycleId, round, spec: null, startedBy, causedBy, retriedBy: as });
      return { lifecycleId, round };
    },
    result: (lifecycleId) => translated(handleOf(lifecycleId).result() as Promise<LifecycleResult>),
    pause: (lifecycleId, request) => tell(lifecycleId, UPDATES.pause, request),
    resume: (lifecycleId, request) => tell(lifecycleId, UPDATES.resume, request),
    abort: async (lifecycleId, request) => {
      // One that Temporal accepted and no worker has recorded yet can be aborted too.
      const recorded = await loadLifecycle(database, lifecycleId);
      if (recorded && ENDED.includes(recorded.status)) throw alreadyEnded(lifecycleId, recorded.status);
      await translated(handleOf(lifecycleId).executeUpdate(UPDATES.abort, { args: [request] }));
    },
  } satisfies Partial<Modelwright>;
}

const alreadyEnded = (lifecycleId: string, status: LifecycleStatus) =>
  new Failure("INPUT_INVALID", {
    where: `lifecycle ${lifecycleId}`,
    problems: `it is ${status} already, nothing of it runs; start a new one instead`,
  });

async function lastRound(database: Database, lifecycleId: string): Promise<number> {
  const lifecycle = await loadLifecycle(database, lifecycleId);
  return Math.max(1, ...(lifecycle?.stages ?? []).map((stage) => stage.round));
}

/** A refusal (no evidence, a plan with problems) ends the workflow; a rollout that is recorded was not refused. */
async function untilOpened(database: Database, rolloutId: string, ended: () => boolean): Promise<void> {
  while (!ended() && !(await findRollout(database, rolloutId).catch(() => null))) {
    await new Promise((resolve) => setTimeout(resolve, OPENED_POLL_MS));
  }
}

function createEndpointDeeds(client: Client, database: Database) {
  return {
    register: ({ model, path, signaturePath, as }) => {
      const registrationId = randomUUID();
      return translated(
        client.workflow.execute(WORKFLOWS.modelRegistration, {
          taskQueue: QUEUES.control,
          workflowId: workflowIds.registration(registrationId),
          args: [
            {
              registrationId,
              model,
              modelPath: resolve(path),
              signaturePath: resolve(signaturePath),
              registeredBy: as,
            },
          ],
        }) as Promise<Registration>,
      );
    },
    deploy: async ({ model, version: named, endpoint, environment, as, plan = {}, breakGlass }) => {
      const checked = rolloutPlanSchema.safeParse(plan);
      if (!checked.success)
        throw new Failure("INPUT_INVALID", {
          where: "rollout plan",
          problems: `it has problems\n${describeProblems(checked.error)}`,
        });
      const version = await translated(resolveVersion(database, { model, version: named }));
      const rolloutId = `${endpoint}-${randomUUID().slice(0, 8)}`;
      const input: RolloutInput = {
        rolloutId,
        endpoint,
        environment,
        versionId: version.id,
        ...(typeof named === "string" ? { requestedAs: `${model}@${named}` } : {}),
        startedBy: as,
        lifecycle: null,
        plan,
        ...(breakGlass === undefined ? {} : { breakGlass: { by: as, reason: breakGlass } }),
      };
      const starting = client.workflow.start(WORKFLOWS.canaryRollout, {
        taskQueue: QUEUES.control,
        workflowId: workflowIds.rollout(endpoint),
        args: [input],
      });
      const handle = await translated(starting).catch(async (thrown: unknown) => {
        if (!(thrown instanceof WorkflowExecutionAlreadyStartedError)) throw thrown;
        const running = await findRunningRollout(database, endpoint);
        throw new Failure("ENDPOINT_BUSY", { endpoint, rollout: running?.id ?? "(just opening)" }, { cause: thrown });
      });
      const result = translated(handle.result() as Promise<RolloutResult>);
      let ended = false;
      // Also keeps a rollout that fails later from ending a caller who never asks for the result.
      void result.catch(() => undefined).finally(() => (ended = true));
      await Promise.race([result, untilOpened(database, rolloutId, () => ended)]);
      return { rolloutId, number: version.number, result: () => result };
    },
    rollback: async (endpoint, request) => {
      const running = await findRunningRollout(database, endpoint);
      const handle = client.workflow.getHandle(workflowIds.rollout(endpoint));
      // A rollout whose workflow was terminated still counts as running; ending it is the endpoint's own rollback.
      if (running && (await isRunning(handle))) {
        await translated(handle.executeUpdate(UPDATES.rollback, { args: [request] }));
        await translated(handle.result());
        const ended = await findRollout(database, running.id);
        const status = ended && ended.status !== "running" ? ended.status : "aborted";
        return { rolloutId: running.id, status, reason: ended?.outcome ?? request.reason };
      }
      return translated(
        client.workflow.execute(WORKFLOWS.endpointRollback, {
          taskQueue: QUEUES.control,
          workflowId: workflowIds.rollout(endpoint),
          args: [{ endpoint, requestId: randomUUID(), ...request }],
        }) as Promise<EndpointRollbackResult>,
      );
    },
  } satisfies Partial<Modelwright>;
}

async function isRunning(handle: WorkflowHandle): Promise<boolean> {
  const description = await handle.describe().catch(() => null);
  return description?.status.name === "RUNNING";
}
