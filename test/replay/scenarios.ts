import type { Client } from "@temporalio/client";

import type { RolloutOrder } from "../../contracts/messages.ts";
import { UPDATES, workflowIds } from "../../contracts/names.ts";
import {
  approve,
  decideWhenAsked,
  lifecycleInput,
  request,
  startLifecycle,
  startWorkflow,
  type StubSpec,
} from "../workflow/start.ts";
import { catalogued, rolloutInput, untilCancelled, type StubActivities } from "../workflow/stub-activities.ts";
import { until } from "../workflow/until.ts";

/** Runs one behaviour to its end; returns the ids of the workflows whose histories show it. */
export type Scenario = (
  stage: { readonly client: Client; readonly stubs: StubActivities },
  name: string,
) => Promise<readonly string[]>;

const held = async () => ({ verdict: "hold", stepDone: false, reason: "too few labels" }) as const;
const holdsUntil = (stubs: StubActivities) => until(() => stubs.inputsOf("lookAtRollout").length > 1);

const lifecycle =
  (spec: StubSpec, prepare: (stubs: StubActivities) => void = () => undefined, round = 1): Scenario =>
  async ({ client, stubs }, name) => {
    prepare(stubs);
    const handle = await startLifecycle(client, name, spec, round);
    await handle.result().catch(() => undefined);
    return [handle.workflowId];
  };

const rollout =
  (prepare: (stubs: StubActivities) => void = () => undefined, resume: object = {}): Scenario =>
  async ({ client, stubs }, name) => {
    prepare(stubs);
    const input = { ...rolloutInput(name), ...resume };
    const handle = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), input);
    await handle.result().catch(() => undefined);
    return [handle.workflowId];
  };

const governed =
  (
    type: "versionDecision" | "policyChange" | "alarmAcknowledgement" | "logSettingsChange" | "logRetention",
    input: object,
  ): Scenario =>
  async ({ client }, name) => {
    const handle = await startWorkflow(client, type, `${type}/${name}`, input);
    await handle.result();
    return [handle.workflowId];
  };

const driftCheck =
  (prepare: (stubs: StubActivities, name: string) => void = () => undefined, times = 1): Scenario =>
  async ({ client, stubs }, name) => {
    prepare(stubs, name);
    const id = workflowIds.monitor(name);
    for (let left = times; left > 0; left -= 1) {
      const input = { monitorId: name, scheduledAt: "2001-06-02T03:00:00.000Z" };
      const handle = await startWorkflow(client, "driftCheck", id, input);
      await handle.result().catch(() => undefined);
    }
    return [id];
  };

const missed = async () => {
  throw catalogued("FILE_MISSING", "flights.parquet: no such file");
};
const harm = async () => ({ driftCheckId: "check-1", verdict: "drifted", harm: true }) as const;

// Release 0.1.0 did what was asked and recorded it after; later ones record first. Waiting runs of both go on.
const abortedInCanary: Scenario = async ({ client, stubs }, name) => {
  stubs.set({ lookAtRollout: held });
  const handle = await startLifecycle(client, name, { endpoint: name });
  await holdsUntil(stubs);
  await handle.executeUpdate(UPDATES.abort, { args: [request] });
  await handle.result();
  return [handle.workflowId, workflowIds.rollout(name)];
};
const rolledBack: Scenario = async ({ client, stubs }, name) => {
  stubs.set({ lookAtRollout: held });
  const handle = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
  await holdsUntil(stubs);
  await handle.executeUpdate(UPDATES.rollback, { args: [request] });
  await handle.result();
  return [handle.workflowId];
};

/** Every workflow and its main paths. A name here is a file in `histories/`. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  "lifecycle-plain": lifecycle({}),
  "lifecycle-whole": async ({ client }, name) => {
    const handle = await startLifecycle(client, name, { approvalRequired: true, endpoint: name, monitored: true });
    await decideWhenAsked(handle, approve);
    await handle.result();
    return [handle.workflowId, workflowIds.rollout(name)];
  },
  "lifecycle-rejected": async ({ client }, name) => {
    const handle = await startLifecycle(client, name, { approvalRequired: true });
    await decideWhenAsked(handle, { ...approve, decision: "reject" });
    await handle.result();
    return [handle.workflowId];
  },
  "lifecycle-quorum": async ({ client, stubs }, name) => {
    const missing = { status: "waiting", missing: 1, by: ["grace"], says: "1 approval missing" } as const;
    stubs.set({ recordDecision: async () => missing });
    const handle = await startLifecycle(client, name, { approvalRequired: true });
    await decideWhenAsked(handle, approve);
    stubs.set({ recordDecision: async () => ({ status: "approved", by: ["grace", "linus"], says: "approved" }) });
    await decideWhenAsked(handle, { ...approve, by: "linus" });
    await handle.result();
    return [handle.workflowId];
  },
  "lifecycle-approval-lapsed": async ({ client, stubs }, name) => {
    const orders: RolloutOrder[] = ["unapproved", rolloutInput(name, { lifecycleId: name, round: 1 })];
    stubs.set({ planRollout: async () => orders.shift() ?? null });
    const handle = await startLifecycle(client, name, { approvalRequired: true, endpoint: name });
    await decideWhenAsked(handle, approve);
    await until(() => stubs.inputsOf("awaitApproval").length === 2);
    await decideWhenAsked(handle, approve);
    await handle.result();
    return [handle.workflowId, workflowIds.rollout(name)];
  },
  "version-decision": governed("versionDecision", { ...approve, version: "flight-delay@2", environment: "production" }),
  "policy-change": governed("policyChange", {
    ...request,
    requestId: "r",
    model: null,
    environment: "production",
    terms: {},
  }),
  "log-settings-change": governed("logSettingsChange", {
    ...request,
    requestId: "r",
    endpoint: "flight-delay",
    settings: { sampleShare: 0.1 },
    retentionDays: null,
  }),
  "log-retention": governed("logRetention", {}),
  "alarm-acknowledgement": governed("alarmAcknowledgement", { ...request, alarm: "alarm-1" }),
  "lifecycle-gate-failed": lifecycle({}, (stubs) =>
    stubs.set({ evaluateModel: async () => ({ stageRunId: "s", verdict: "inconclusive", headline: "AUC is open" }) }),
  ),
  "lifecycle-activity-failed": lifecycle({}, (stubs) =>
    stubs.set({
      trainModel: async () => {
        throw catalogued("TRAINER_EXITED", "trainer ended with code 1");
      },
    }),
  ),
  "lifecycle-aborted": async ({ client, stubs }, name) => {
    stubs.set({ trainModel: async () => await untilCancelled() });
    const handle = await startLifecycle(client, name);
    await until(() => stubs.inputsOf("trainModel").length > 0);
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    await handle.result();
    return [handle.workflowId];
  },
  "lifecycle-aborted-in-canary": abortedInCanary,
  "lifecycle-aborted-when-recorded": abortedInCanary,
  "lifecycle-paused": async ({ client, stubs }, name) => {
    stubs.set({
      snapshotData: async () => {
        await handle.executeUpdate(UPDATES.pause, { args: [request] });
        return { stageRunId: "s", verdict: "pass", headline: "" };
      },
    });
    const handle = await startLifecycle(client, name);
    await until(async () => {
      const { events } = await handle.fetchHistory();
      return (events ?? []).filter((event) => event.activityTaskCompletedEventAttributes).length === 2;
    });
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    await handle.result();
    return [handle.workflowId];
  },
  "lifecycle-second-round": lifecycle(
    { approvalRequired: true, endpoint: "anything", monitored: true },
    (stubs) => stubs.set({ awaitApproval: async () => ({ waiting: false }), planRollout: async () => null }),
    2,
  ),
  "lifecycle-endpoint-busy": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held });
    const other = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    const handle = await startLifecycle(client, name, { endpoint: name });
    await handle.result().catch(() => undefined);
    await other.terminate();
    return [handle.workflowId];
  },
  "lifecycle-in-turn": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held });
    const other = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    stubs.set({
      planRollout: async (run) => rolloutInput(name, run),
      waitTurn: async () => {
        stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
        await other.result();
        return { mayStart: true };
      },
    });
    const handle = await startLifecycle(client, `${name}-next`, { endpoint: name });
    await handle.result();
    return [handle.workflowId];
  },
  "deployment-in-turn": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held });
    const other = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    stubs.set({
      waitTurn: async () => {
        stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
        await other.result();
        return { mayStart: true };
      },
    });
    const next = { ...rolloutInput(name), rolloutId: `${name}-2` };
    const handle = await startWorkflow(client, "deploymentInTurn", workflowIds.deployment(next.rolloutId), next);
    await handle.result();
    return [handle.workflowId];
  },
  "deployment-taken-back": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held, waitTurn: async () => ({ mayStart: false }) });
    const other = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    const next = { ...rolloutInput(name), rolloutId: `${name}-2` };
    const handle = await startWorkflow(client, "deploymentInTurn", workflowIds.deployment(next.rolloutId), next);
    await handle.executeUpdate(UPDATES.abort, { args: [request] });
    await handle.result();
    await other.terminate();
    return [handle.workflowId];
  },
  "rollout-rolled-back": rollout((stubs) =>
    stubs.set({ lookAtRollout: async () => ({ verdict: "rollback", stepDone: false, reason: "errors 9 %" }) }),
  ),
  "rollout-first-version": rollout((stubs) =>
    stubs.set({
      openRollout: async () => ({
        hasChampion: false,
        stepCount: 3,
        lookIntervalMs: 5,
        deadlineMs: 1,
        onDeadline: "hold",
      }),
    }),
  ),
  "rollout-deadline": rollout((stubs) =>
    stubs.set({
      openRollout: async () => ({
        hasChampion: true,
        stepCount: 1,
        lookIntervalMs: 5,
        deadlineMs: 1,
        onDeadline: "rollback",
      }),
      lookAtRollout: held,
    }),
  ),
  "rollout-failed": rollout((stubs) =>
    stubs.set({
      confirmTraffic: async () => {
        throw catalogued("GATEWAY_UNCONFIRMED", "gateway-1 did not confirm");
      },
    }),
  ),
  "rollout-by-request": rolledBack,
  "rollout-by-recorded-request": rolledBack,
  "rollout-paused": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held });
    const handle = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    await handle.executeUpdate(UPDATES.pause, { args: [request] });
    await until(() => stubs.inputsOf("renewRolloutLease").length > 1);
    stubs.set({ lookAtRollout: async () => ({ verdict: "promote", stepDone: true, reason: "safe" }) });
    await handle.executeUpdate(UPDATES.resume, { args: [request] });
    await handle.result();
    return [handle.workflowId];
  },
  "rollout-overridden": async ({ client, stubs }, name) => {
    stubs.set({ lookAtRollout: held });
    const handle = await startWorkflow(client, "canaryRollout", workflowIds.rollout(name), rolloutInput(name));
    await holdsUntil(stubs);
    const share = { basisPoints: 100, override: false };
    await handle.executeUpdate(UPDATES.share, { args: [{ ...request, share }] });
    await until(() => stubs.inputsOf("setShare").length > 0);
    await handle.executeUpdate(UPDATES.promote, { args: [request] });
    await handle.result();
    return [handle.workflowId];
  },
  "rollout-withdrawn": rolledBack,
  "rollout-phases": rollout((stubs) =>
    stubs.set({
      openRollout: async () => ({
        hasChampion: true,
        stepCount: 3,
        steps: [500, 2500, 5000],
        lookIntervalMs: 5,
        deadlineMs: 600_000,
        onDeadline: "rollback",
        shadowed: true,
        bakeMs: 50,
        observeMs: 50,
      }),
    }),
  ),
  "rollout-continued": rollout(undefined, { resume: { step: 1, lookCount: 4000, deadlineAt: 4e12 }, paused: false }),
  "endpoint-rollback": async ({ client }, name) => {
    const input = { endpoint: name, requestId: "request-1", ...request };
    const handle = await startWorkflow(client, "endpointRollback", workflowIds.rollout(name), input);
    await handle.result();
    return [handle.workflowId];
  },
  "registry-change": async ({ client }, name) => {
    const change = {
      model: "own",
      number: 1,
      sayings: [{ attribute: "stage", key: "", value: "staging" }],
      validFrom: null,
    };
    const input = { changeId: name, change, ...request };
    const handle = await startWorkflow(client, "registryChange", workflowIds.registryChange(name), input);
    await handle.result();
    return [handle.workflowId];
  },
  "model-registration": async ({ client }, name) => {
    const input = {
      registrationId: name,
      model: "own",
      modelPath: "/m.onnx",
      signaturePath: "/s.json",
      registeredBy: "ada",
    };
    const handle = await startWorkflow(client, "modelRegistration", workflowIds.registration(name), input);
    await handle.result();
    return [handle.workflowId];
  },
  "audit-checkpoint": async ({ client }, name) => {
    const handle = await startWorkflow(client, "auditCheckpoint", workflowIds.auditCheckpoint(name), { whole: false });
    await handle.result();
    return [handle.workflowId];
  },
  "access-change": async ({ client }, name) => {
    const input = { ...request, requestId: name, change: { change: "identity", mode: "required" } };
    const handle = await startWorkflow(client, "accessChange", workflowIds.access(name), input);
    await handle.result();
    return [handle.workflowId];
  },
  "drift-stable": driftCheck(),
  "drift-cooldown": driftCheck((stubs) => stubs.set({ checkDrift: harm })),
  "drift-retrain": driftCheck(startsLifecycle),
  "drift-repeated": driftCheck(startsLifecycle, 2),
  "drift-missed": driftCheck((stubs) => stubs.set({ checkDrift: missed })),
};

function startsLifecycle(stubs: StubActivities, name: string): void {
  stubs.set({
    checkDrift: harm,
    decideRetrain: async () => ({ decision: "start", lifecycle: lifecycleInput(`${name}-retrain`, {}) }),
  });
}
