import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { Client, Connection, WorkflowExecutionAlreadyStartedError } from "@temporalio/client";
import { breakGlassDeed, deployDeed, registerDeed, requestDeed, startDeed } from "../contracts/deeds.ts";
import type {
  AuditCheckpointResult,
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
import { hear } from "../db/hear.ts";
import { loadLifecycle, requireLifecycle } from "../db/queries/lifecycle.ts";
import { isWaiting } from "../db/queries/rollout-turn.ts";
import { resolveVersion } from "../db/queries/registry/resolve.ts";
import { reveal } from "../db/queries/reveal.ts";
import { findRollout, findRunningRollout } from "../db/queries/rollout.ts";
import { findAddresses, type Addresses } from "./addresses.ts";
import { describeProblems } from "./document.ts";
import { createAccess, type Access } from "./access.ts";
import { createActing, type Acting } from "./acting.ts";
import { translated } from "./failures.ts";
import { createGovernance, type Governance } from "./governance.ts";
import { createPredictionLogDeeds, type PredictionLogDeeds } from "./prediction-log.ts";
import { createReader, ENDED, type Reader } from "./reader.ts";
import { parseVersion } from "./reference.ts";
import { createRegistryDeeds, type RegistryDeeds } from "./registry.ts";
import { createRolloutDeeds, type RolloutDeeds } from "./rollout-deeds.ts";
import { loadSpec, parseSpec } from "./spec.ts";

/** What scripts talk to. Every deed names who does it, or is signed with his token; every question goes to Postgres. */
export interface Modelwright
  extends Reader, RegistryDeeds, RolloutDeeds, Governance, PredictionLogDeeds, Access, Pick<Acting, "actor"> {
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
   * defaults hold where it says nothing. Where another rollout has the endpoint, its plan says whether this one waits: then it comes back at
   * once. @throws REFERENCE_UNKNOWN, ENDPOINT_BUSY, ENVIRONMENT_NEEDS_EVIDENCE, APPROVAL_MISSING
   */
  readonly deploy: (request: DeployRequest) => Promise<Deployed>;
  /**
   * Has the stack sign its audit log as it stands now, and comes back when it is. @throws AUDIT_NOT_SIGNED when the log is not the one
   * that was signed before, CHECKPOINT_UNCONFIGURED
   */
  readonly signCheckpoint: () => Promise<AuditCheckpointResult>;
  readonly temporal: Client;
  readonly close: () => Promise<void>;
}

export interface Deployed {
  readonly rolloutId: string;
  readonly number: number;
  /** It waits until the endpoint is its own. */
  readonly waiting: boolean;
  readonly result: () => Promise<RolloutResult>;
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

export interface ConnectOptions {
  /** Signs every deed; whoever it names must be its holder. Without it people are believed, where the installation does. */
  readonly token?: string | undefined;
}

/** Connects to a stack: the one named, else the one the environment or the data directory names. @throws STACK_UNREACHABLE */
export async function connect(addresses?: Addresses, { token }: ConnectOptions = {}): Promise<Modelwright> {
  const found = addresses ?? (await findAddresses());
  const connection = await Connection.connect({ address: found.temporal, connectTimeout: "5s" }).catch(
    (cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Failure("STACK_UNREACHABLE", { what: "Temporal", address: found.temporal, reason }, { cause });
    },
  );
  const client = new Client({ connection, namespace: found.temporalNamespace });
  const database = openDatabase({ url: found.database, maximumConnections: 4 });
  const acting = createActing(database, token);
  return {
    addresses: found,
    temporal: client,
    ...createReader(database, client),
    ...createLifecycleDeeds(client, database, acting),
    ...createEndpointDeeds(client, database, acting),
    ...createRolloutDeeds(client, database, acting),
    ...createAccess(client, database, acting),
    actor: acting.actor,
    signCheckpoint: () =>
      translated(
        client.workflow.execute(WORKFLOWS.auditCheckpoint, {
          taskQueue: QUEUES.control,
          // Its own run and not one under way, which may have read the log before what is asked about was in it.
          workflowId: workflowIds.auditCheckpoint(randomUUID()),
          args: [{ whole: false }],
        }) as Promise<AuditCheckpointResult>,
      ),
    ...createGovernance(client, database, acting),
    ...createPredictionLogDeeds(client, database, acting),
    ...createRegistryDeeds(client, acting),
    close: async () => {
      await database.close();
      await connection.close();
    },
  };
}

/** Results of runs speak of people as Postgres does. */
const revealed = async <Result>(database: Database, work: Promise<unknown>): Promise<Result> =>
  reveal(database, (await translated(work)) as Result);

function createLifecycleDeeds(client: Client, database: Database, { sign }: Acting) {
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
  const tell = async (lifecycleId: string, update: "pause" | "resume", request: Request) => {
    const { spec, status } = await requireLifecycle(database, lifecycleId);
    if (ENDED.includes(status)) throw alreadyEnded(lifecycleId, status);
    const rollout = spec.deployment ? await findRunningRollout(database, spec.deployment.endpoint) : null;
    const [handle, subject] =
      rollout?.lifecycle === lifecycleId
        ? [client.workflow.getHandle(workflowIds.rollout(rollout.endpoint)), `rollout/${rollout.id}`]
        : [handleOf(lifecycleId), `lifecycle/${lifecycleId}`];
    const signed = await sign(requestDeed({ subject, request: update }), request);
    await translated(handle.executeUpdate(update, { args: [{ ...request, ...signed }] }));
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
      const run = { lifecycleId, round: 1, spec: parsed };
      const { by, ...proof } = await sign(startDeed(run), { by: as });
      await begin({ ...run, startedBy: by, causedBy: null, ...proof });
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
      const run = { lifecycleId, round, spec: null };
      const { by, ...proof } = await sign(startDeed(run), { by: as });
      await begin({ ...run, startedBy, causedBy, retriedBy: by, ...proof });
      return { lifecycleId, round };
    },
    result: (lifecycleId) => revealed<LifecycleResult>(database, handleOf(lifecycleId).result()),
    pause: (lifecycleId, request) => tell(lifecycleId, UPDATES.pause, request),
    resume: (lifecycleId, request) => tell(lifecycleId, UPDATES.resume, request),
    abort: async (lifecycleId, request) => {
      // One that Temporal accepted and no worker has recorded yet can be aborted too.
      // And while Postgres is away: Temporal knows what runs, and gateways take a canary back before anything is on record.
      const recorded = (await hear(loadLifecycle(database, lifecycleId)))?.answer;
      if (recorded && ENDED.includes(recorded.status)) throw alreadyEnded(lifecycleId, recorded.status);
      const signed = await sign(requestDeed({ subject: `lifecycle/${lifecycleId}`, request: "abort" }), request);
      await translated(handleOf(lifecycleId).executeUpdate(UPDATES.abort, { args: [{ ...request, ...signed }] }));
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

/** A refusal (no evidence, a plan with problems) ends the workflow; a rollout that is recorded was not refused. Says whether it waits. */
async function untilOpened(database: Database, rolloutId: string, ended: () => boolean): Promise<boolean> {
  for (;;) {
    if (ended() || (await findRollout(database, rolloutId).catch(() => null))) return false;
    if (await isWaiting(database, rolloutId).catch(() => false)) return true;
    await new Promise((resolve) => setTimeout(resolve, OPENED_POLL_MS));
  }
}

/** Going past approvals is a deed of its own, beside the deployment it is for. */
const signGlass = (
  sign: Acting["sign"],
  { model, number }: { readonly model: string; readonly number: number },
  environment: string,
  request: Request,
) => sign(breakGlassDeed({ version: `${model}@${number}`, environment }), request);

function createEndpointDeeds(client: Client, database: Database, { sign }: Acting) {
  return {
    register: async ({ model, path, signaturePath, as }) => {
      const registrationId = randomUUID();
      const file = { registrationId, model, modelPath: resolve(path), signaturePath: resolve(signaturePath) };
      const { by, ...proof } = await sign(registerDeed(file), { by: as });
      return translated(
        client.workflow.execute(WORKFLOWS.modelRegistration, {
          taskQueue: QUEUES.control,
          workflowId: workflowIds.registration(registrationId),
          args: [{ ...file, registeredBy: by, ...proof }],
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
      const version = await translated(resolveVersion(database, parseVersion(`${model}@${named}`)));
      const rolloutId = `${endpoint}-${randomUUID().slice(0, 8)}`;
      const rollout = {
        rolloutId,
        endpoint,
        environment,
        versionId: version.id,
        ...(typeof named === "string" ? { requestedAs: `${model}@${named}` } : {}),
        plan,
      };
      const { by, ...proof } = await sign(deployDeed(rollout), { by: as });
      const glass = breakGlass === undefined ? null : { by: as, reason: breakGlass };
      const broken = glass && { ...glass, ...(await signGlass(sign, version, environment, glass)) };
      const input: RolloutInput = {
        ...rollout,
        startedBy: by,
        lifecycle: null,
        ...proof,
        ...(broken && { breakGlass: broken }),
      };
      const starting = client.workflow.start(WORKFLOWS.canaryRollout, {
        taskQueue: QUEUES.control,
        workflowId: workflowIds.rollout(endpoint),
        args: [input],
      });
      const handle = await translated(starting).catch(async (thrown: unknown) => {
        if (!(thrown instanceof WorkflowExecutionAlreadyStartedError)) throw thrown;
        return await translated(
          client.workflow.start(WORKFLOWS.deploymentInTurn, {
            taskQueue: QUEUES.control,
            workflowId: workflowIds.deployment(rolloutId),
            args: [input],
          }),
        );
      });
      const result = () => revealed<RolloutResult>(database, handle.result());
      // Listened for no longer than until it is open: the server holds a question for a result for twenty seconds, and a process with it.
      const opened = new AbortController();
      const early = client.withAbortSignal(opened.signal, result);
      let ended = false;
      void early.catch(() => undefined).finally(() => (ended = true));
      const opening = untilOpened(database, rolloutId, () => ended);
      const waiting = await Promise.race([early.then(() => false), opening]);
      opened.abort();
      return { rolloutId, number: version.number, waiting, result };
    },
  } satisfies Partial<Modelwright>;
}
