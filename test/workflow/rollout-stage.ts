import { randomUUID } from "node:crypto";

import { afterAll, beforeAll, beforeEach, inject } from "vitest";

import type { LookOutcome, OpenedRollout, RolloutResult } from "../../contracts/messages.ts";
import { workflowIds } from "../../contracts/names.ts";
import type { Continued } from "../../workflows/rollout-requests.ts";
import { startWorkflow } from "./start.ts";
import { rolloutInput } from "./stub-activities.ts";
import { openWorkflowStage, type WorkflowStage } from "./workers.ts";

/** Of the file that imports this; its endpoint is another one in each test. */
export let stage: WorkflowStage;
export let endpoint: string;

beforeAll(async () => {
  stage = await openWorkflowStage(inject("temporalAddress"));
});
afterAll(async () => await stage.close());
beforeEach(() => {
  stage.stubs.reset();
  endpoint = `endpoint-${randomUUID().slice(0, 8)}`;
});

export const start = async (changes: Partial<Continued> = {}) =>
  await startWorkflow<RolloutResult>(stage.client, "canaryRollout", workflowIds.rollout(endpoint), {
    ...rolloutInput(endpoint),
    ...changes,
  });
export const opened = (changes: Partial<OpenedRollout>) => async (): Promise<OpenedRollout> => ({
  hasChampion: true,
  stepCount: 2,
  steps: [500, 5000],
  lookIntervalMs: 5,
  deadlineMs: 600_000,
  onDeadline: "rollback",
  ...changes,
});
export const held = async (): Promise<LookOutcome> => ({ verdict: "hold", stepDone: false, reason: "too few labels" });
export const RENEWALS: ReadonlySet<string> = new Set(["lookAtRollout", "renewRolloutLease"]);
export const steps = () =>
  stage.stubs.calls
    .filter(({ name }) => name !== "openRollout")
    .map(({ name, input }) => `${name} ${"step" in (input as object) ? (input as { step: number }).step : ""}`.trim());
