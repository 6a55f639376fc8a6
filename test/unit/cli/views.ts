import type { LifecycleView, RolloutView } from "../../../client/index.ts";
import { lifecycleSpecSchema, type LifecycleSpecInput } from "../../../contracts/spec.ts";
import { rolloutPlanSchema } from "../../../contracts/rollout.ts";

export const START = Date.UTC(2026, 0, 2, 3, 4, 5);
const DIGEST = "a".repeat(64);

const spec: LifecycleSpecInput = {
  model: { name: "flight-delay" },
  data: {
    source: { path: "flights.parquet" },
    select: { date: "date", late: "late" },
    time: "date",
    label: "late",
    windows: {
      training: { from: "2001-01-01", to: "2001-02-01" },
      evaluation: { from: "2001-02-01", to: "2001-03-01" },
    },
  },
  training: { command: ["node", "train.ts"] },
  evaluation: { gates: [{ metric: "roc-auc", atLeast: 0.6 }] },
  deployment: { endpoint: "flight-delay" },
  monitoring: {},
};

type StageRun = LifecycleView["stages"][number];

export function stage(run: Pick<StageRun, "stage" | "status"> & Partial<StageRun>): StageRun {
  const open = run.status === "running" || run.status === "waiting";
  return {
    id: `${run.stage}-${run.round ?? 1}`,
    lifecycle: "flight-delay-1",
    round: 1,
    verdict: run.status === "passed" ? "pass" : null,
    config: null,
    result: null,
    failure: null,
    headline: null,
    lapsed: null,
    attempt: 1,
    startedAt: new Date(START),
    finishedAt: open ? null : new Date(START + 1200),
    ...run,
  };
}

/** A lifecycle that has just started, changed as asked. */
export function view(changes: Partial<LifecycleView> & { readonly spec?: never } = {}): LifecycleView {
  return {
    id: "flight-delay-1",
    model: "flight-delay",
    spec: lifecycleSpecSchema.parse(spec),
    specDigest: DIGEST,
    startedBy: "ada",
    reason: "",
    causedBy: null,
    status: "running",
    outcome: null,
    failureCode: null,
    startedAt: new Date(START),
    statusAt: new Date(START),
    finishedAt: null,
    stages: [],
    approvals: [],
    progress: null,
    rollout: null,
    waiting: null,
    ...changes,
  };
}

/** A rollout at its second step with one look. */
export function rollout(): RolloutView {
  const guardrail = { canaryTrials: 604, championTrials: 3012, ratio: 1.1, harmBound: 60, safetyBound: 60 };
  return {
    id: "flight-delay-r1",
    endpoint: "flight-delay",
    model: "flight-delay",
    lifecycle: "flight-delay-1",
    plan: rolloutPlanSchema.parse({}),
    planDigest: DIGEST,
    latencyThresholdMs: 20,
    championVersion: "v1",
    canaryVersion: "v2",
    startedBy: "ada",
    continues: null,
    status: "running",
    outcome: null,
    startedAt: new Date(START),
    endedAt: null,
    overrides: [],
    looks: [
      {
        rollout: "flight-delay-r1",
        number: 14,
        at: new Date(START),
        verdict: "hold",
        look: {
          verdict: "hold",
          reason: "error-rate: not shown safe yet",
          step: 1,
          stepDone: false,
          sampleRatioEvidence: 0.3,
          guardrails: [
            {
              ...guardrail,
              name: "error-rate",
              canaryEvents: 3,
              championEvents: 12,
              harmEvidence: 0.9,
              safetyEvidence: 12.13,
            },
            {
              ...guardrail,
              name: "latency",
              canaryEvents: 40,
              championEvents: 150,
              harmEvidence: 1e-9,
              safetyEvidence: 4e9,
            },
            {
              ...guardrail,
              name: "wrong-label-rate",
              canaryEvents: 0,
              championEvents: 0,
              harmEvidence: 1,
              safetyEvidence: 1,
            },
          ],
          counts: [
            {
              epoch: 2,
              canaryShare: 0.25,
              requests: { champion: 3012, canary: 604 },
              errors: { champion: 12, canary: 3 },
              slow: { champion: 150, canary: 40 },
              labelled: { champion: 0, canary: 0 },
              wrong: { champion: 0, canary: 0 },
            },
          ],
        },
      },
    ],
  };
}
