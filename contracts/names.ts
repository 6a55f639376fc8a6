/**
 * Names that cross every border of the house, as const tuples: zod enums, Postgres checks and registries derive from them.
 * This file imports nothing, so that workflows may use it.
 */

/** A judgement. `inconclusive` is its own outcome and never promotes. */
export const VERDICTS = ["pass", "fail", "inconclusive"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** Steps of a lifecycle, in the order they run. */
export const STAGES = [
  "accept",
  "snapshot",
  "validate",
  "train",
  "admit",
  "optimize",
  "evaluate",
  "approve",
  "deploy",
  "monitor",
] as const;
export type Stage = (typeof STAGES)[number];

export const STAGE_STATUSES = ["running", "passed", "failed", "inconclusive", "waiting", "cancelled"] as const;
export type StageStatus = (typeof STAGE_STATUSES)[number];

export const LIFECYCLE_STATUSES = ["running", "waiting", "completed", "failed", "rejected", "aborted"] as const;
export type LifecycleStatus = (typeof LIFECYCLE_STATUSES)[number];

/** What an artifact holds; its name is the SHA-256 of its bytes whatever it holds. */
export const ARTIFACT_KINDS = ["dataset", "model", "report", "profile", "spec", "trainer-output"] as const;
export type ArtifactKind = (typeof ARTIFACT_KINDS)[number];

/** How a model version came to be. */
export const VERSION_ORIGINS = ["trained", "optimized", "registered"] as const;
export type VersionOrigin = (typeof VERSION_ORIGINS)[number];

/** What can be said about a model or a version, and be taken back; each saying is an entry of the registry's history. */
export const REGISTRY_ATTRIBUTES = [
  "owner",
  "purpose",
  "risk-tier",
  "team",
  "description",
  "tag",
  "alias",
  "stages",
  "stage",
  "tombstone",
] as const;
export type RegistryAttribute = (typeof REGISTRY_ATTRIBUTES)[number];

/** Anybody's text, which may name people: it can be erased. */
export const ERASABLE_ATTRIBUTES = ["purpose", "description", "tag"] as const satisfies readonly RegistryAttribute[];

export const RISK_TIERS = ["low", "medium", "high", "unknown"] as const;
export type RiskTier = (typeof RISK_TIERS)[number];

/** Stages of versions of a model that defines none of its own; a version nobody put into a stage is in `none`. */
export const DEFAULT_VERSION_STAGES = ["staging", "production", "archived"] as const;
export const NO_VERSION_STAGE = "none";

/** Arms of an endpoint's traffic. */
export const ARMS = ["champion", "canary"] as const;
export type Arm = (typeof ARMS)[number];

export const ROLLOUT_STATUSES = ["running", "promoted", "rolled-back", "aborted"] as const;
export type RolloutStatus = (typeof ROLLOUT_STATUSES)[number];

/** What a rollout pages about: its evidence rests on splits that are not the intended ones. */
export const ROLLOUT_ALARMS = ["request-split", "label-split"] as const;
export type RolloutAlarm = (typeof ROLLOUT_ALARMS)[number];

/** What the rollout judge says at one look. `hold` means: not enough evidence either way. */
export const ROLLOUT_VERDICTS = ["promote", "rollback", "hold"] as const;
export type RolloutVerdict = (typeof ROLLOUT_VERDICTS)[number];

export const GUARDRAILS = ["error-rate", "latency", "wrong-label-rate", "prediction-shift"] as const;
export type Guardrail = (typeof GUARDRAILS)[number];

export const DRIFT_VERDICTS = ["stable", "drifted", "insufficient"] as const;
export type DriftVerdict = (typeof DRIFT_VERDICTS)[number];

export const DRIFT_TESTS = [
  "kolmogorov-smirnov",
  "population-stability-index",
  "jensen-shannon",
  "null-rate",
  "new-category-rate",
] as const;
export type DriftTestName = (typeof DRIFT_TESTS)[number];

export const DATA_CHECKS = [
  "schema",
  "row-count",
  "nulls",
  "ranges",
  "duplicates",
  "overlap",
  "class-balance",
  "time-order",
  "label-leakage",
] as const;
export type DataCheckName = (typeof DATA_CHECKS)[number];

/** `*_score`-like metrics are to be maximised, losses and errors minimised: each metric declares its direction. */
export const METRICS = [
  "accuracy",
  "precision",
  "recall",
  "f1",
  "roc-auc",
  "log-loss",
  "brier-score",
  "calibration-error",
] as const;
export type MetricName = (typeof METRICS)[number];

export const QUANTIZATION_PASSES = [
  "fold-fp32",
  "store-f16",
  "store-int8",
  "dynamic-int8",
  "static-int8",
  "weight-only-int4",
] as const;
export type QuantizationPassName = (typeof QUANTIZATION_PASSES)[number];

/** What is proven of a candidate beside its outputs on the rows; finite outputs are proven by comparing them. */
export const OPTIMIZATION_GATES = ["optimizer-parity", "batch-invariance", "saturation", "fused"] as const;

/** What a search for a better candidate comes to. */
export const OPTIMIZATION_OUTCOMES = ["met", "best-effort", "none"] as const;

/** What is done to things, as lineage tells it. `carried-over`: told by the edges of an older release, which did not say what. */
export const EXECUTION_KINDS = [
  "snapshot",
  "validate",
  "train",
  "admit",
  "register",
  "optimize",
  "evaluate",
  "approve",
  "rollout",
  "share",
  "promote",
  "rollback",
  "monitor",
  "window",
  "drift-check",
  "retrain-decision",
  "carried-over",
] as const;
export type ExecutionKind = (typeof EXECUTION_KINDS)[number];

/** As what an execution used or generated a thing. */
export const LINEAGE_ROLES = [
  "source",
  "training-data",
  "calibration-data",
  "evaluation-data",
  "trainer",
  "lifecycle",
  "bytes",
  "version",
  "parent",
  "champion",
  "canary",
  "evaluation",
  "report",
  "page",
  "baseline",
  "approval",
  "rollout",
  "routing-epoch",
  "monitor",
  "window",
  "drift-check",
  "decision",
  "input",
  "output",
] as const;
export type LineageRole = (typeof LINEAGE_ROLES)[number];

/** Task queues by resource: short work and workflows / CPU-heavy work. */
export const QUEUES = { control: "modelwright-control", compute: "modelwright-compute" } as const;

/** Names of the Temporal updates people's decisions travel by. */
export const UPDATES = {
  decide: "decide",
  pause: "pause",
  resume: "resume",
  abort: "abort",
  rollback: "rollback",
  promote: "promote",
  share: "share",
  /** Nobody's wish, and without authority: a look is due now, because something happened. */
  look: "look",
} as const;

/** What people ask of a run that goes on; each is an audit event with who and why. */
export const REQUESTS = ["pause", "resume", "abort", "rollback", "promote", "share"] as const;
export type RequestName = (typeof REQUESTS)[number];

export const WORKFLOWS = {
  modelLifecycle: "modelLifecycle",
  canaryRollout: "canaryRollout",
  deploymentInTurn: "deploymentInTurn",
  endpointRollback: "endpointRollback",
  driftCheck: "driftCheck",
  modelRegistration: "modelRegistration",
  auditCheckpoint: "auditCheckpoint",
  versionDecision: "versionDecision",
  policyChange: "policyChange",
  alarmAcknowledgement: "alarmAcknowledgement",
  logSettingsChange: "logSettingsChange",
  logRetention: "logRetention",
  registryChange: "registryChange",
  accessChange: "accessChange",
} as const;

/** Explicit ids: one lifecycle per id, one writer per endpoint, one check per monitor and scheduled time. */
export const workflowIds = {
  lifecycle: (lifecycleId: string) => `lifecycle/${lifecycleId}`,
  rollout: (endpoint: string) => `rollout/${endpoint}`,
  deployment: (rolloutId: string) => `deployment/${rolloutId}`,
  monitor: (monitorId: string) => `monitor/${monitorId}`,
  registration: (registrationId: string) => `registration/${registrationId}`,
  auditCheckpoint: (checkpointId: string) => `audit-checkpoint/${checkpointId}`,
  decision: (requestId: string) => `decision/${requestId}`,
  policy: (requestId: string) => `policy/${requestId}`,
  alarm: (requestId: string) => `alarm/${requestId}`,
  logSettings: (requestId: string) => `log-settings/${requestId}`,
  logRetention: "log-retention/nightly",
  registryChange: (changeId: string) => `registry-change/${changeId}`,
  access: (requestId: string) => `access/${requestId}`,
} as const;

/** Each round of a lifecycle has a rollout of its own. */
export const rolloutIdOf = (lifecycleId: string, round: number): string => `${lifecycleId}-${round}`;

/** Exit codes of the command line. */
export const EXIT_CODES = { pass: 0, error: 1, gateFailed: 2, waiting: 3 } as const;

/** Traffic shares are whole basis points and sum to this. */
export const BASIS_POINTS = 10_000;

/** People who read the database with tools of their own: auditors everything, members what belongs to their teams. */
export const LOGIN_ROLES = ["auditor", "member"] as const;
export type LoginRole = (typeof LOGIN_ROLES)[number];
