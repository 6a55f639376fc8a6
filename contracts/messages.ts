import type { SignedStatement } from "./identity.ts";
import type { ApprovalDecision } from "./approval.ts";
import type { DriftVerdict, LifecycleStatus, RequestName, RolloutStatus, RolloutVerdict, Verdict } from "./names.ts";
import type { VersionReference } from "./stages.ts";

/** Inputs and answers of workflows, activities and updates: one object each, ids and digests only. */

/** In every message by which somebody asks for something: the signed statement that he does; absent where he is believed. */
interface Provable {
  readonly proof?: SignedStatement;
}

/** One run over a lifecycle: its first round, or a retry that keeps what earlier rounds passed. */
export interface LifecycleRun {
  readonly lifecycleId: string;
  /** 1, 2, ... */
  readonly round: number;
}

/** `spec` is what the client sent; `acceptSpec` parses it again and what it records is what the run uses. */
export interface LifecycleInput extends LifecycleRun, Provable {
  readonly spec: unknown;
  readonly startedBy: string;
  readonly causedBy: string | null;
  /** Who asked for this round, when it is a retry. */
  readonly retriedBy?: string;
}

export interface LifecycleResult {
  readonly status: Exclude<LifecycleStatus, "running" | "waiting">;
  readonly reason: string;
}

/** The part of an accepted spec that the workflow needs for its order of steps. */
export interface AcceptedSpec {
  readonly approvalRequired: boolean;
  readonly endpoint: string | null;
  readonly monitored: boolean;
  readonly trainingTimeoutMs: number;
}

export interface StageOutcome {
  readonly stageRunId: string;
  readonly verdict: Verdict;
  /** The one sentence people read. */
  readonly headline: string;
}

/** A person's decision, sent as an update or by a workflow of its own. */
export interface Decision extends Provable {
  readonly decision: ApprovalDecision;
  readonly by: string;
  readonly reason: string;
  /** Of the evidence that was looked at: when it is another by now, nothing is decided. */
  readonly evidenceDigest?: string;
  /** Past the approvals that are missing, once, with an alarm. */
  readonly breakGlass?: boolean;
}

/** A decision about a version for an environment, outside any waiting lifecycle. */
export interface VersionDecision extends Decision {
  /** `NAME@N`. */
  readonly version: string;
  readonly environment: string;
}

/** Who asks for a pause, resume, abort or rollback, and why. */
export interface Request extends Provable {
  readonly by: string;
  readonly reason: string;
}

/** Another share for the canary of a running rollout. */
export interface ShareRequest extends Request {
  readonly share: AskedShare;
}

export interface AskedShare {
  /** 1 to 9,999. */
  readonly basisPoints: number;
  /** More than the step it is in allows: past the evidence, and recorded as that. */
  readonly override: boolean;
}

/** What it takes to be approved, from now on; without terms, what was set before is taken away. */
export interface PolicyChange extends Request {
  /** Makes a repeated request one change. */
  readonly requestId: string;
  /** Null: every model. */
  readonly model: string | null;
  readonly environment: string;
  /** `ApprovalTerms` as sent; parsed by the activity. */
  readonly terms: unknown;
}

/** What gateways keep of an endpoint's requests from now on, or how long the whole log is kept. */
export interface LogSettingsChange extends Request {
  /** Makes a repeated request one change. */
  readonly requestId: string;
  /** Null: the whole log. */
  readonly endpoint: string | null;
  /** `LogSettings` of the endpoint as sent; null takes back what was set before. Null for the whole log. */
  readonly settings: unknown;
  /** Of the whole log; null: until somebody drops it. Null for an endpoint. */
  readonly retentionDays: number | null;
}

/** What was dropped because its time was over. */
export interface ExpiredDays {
  /** ISO date of the first day that stayed; null where no retention is set. */
  readonly before: string | null;
  readonly dayCount: number;
  readonly rowCount: number;
}

export interface AlarmAcknowledgement extends Request {
  readonly alarm: string;
}

/** `change` as sent; parsed by `changeAccess`. */
export interface AccessChangeInput extends Request {
  /** Makes a repeated request one change. */
  readonly requestId: string;
  readonly change: unknown;
}

/** A request to be remembered; `subject` is `lifecycle/ID` or `rollout/ID`. */
export interface RecordedRequest extends Request {
  readonly subject: string;
  readonly request: RequestName;
  /** Of a `share`. */
  readonly share?: AskedShare;
  /** The endpoint whose canary goes back with it. */
  readonly withdraws?: string;
}

/** A rollout of one version on one endpoint; `lifecycle` is null for `modelwright deploy`. */
export interface RolloutInput extends Provable {
  readonly rolloutId: string;
  readonly endpoint: string;
  readonly environment: string;
  readonly versionId: string;
  /** `NAME@ALIAS`, when it was asked for by an alias: what that pointed to when it was asked is `versionId`. */
  readonly requestedAs?: string;
  readonly startedBy: string;
  readonly lifecycle: LifecycleRun | null;
  /** Plan as sent; parsed by `openRollout`. */
  readonly plan: unknown;
  /** Somebody wants past the approvals it lacks. */
  readonly breakGlass?: Request;
  /** Where a continued run goes on; absent at the start. */
  readonly resume?: RolloutPosition;
}

export interface RolloutPosition {
  readonly step: number;
  readonly lookCount: number;
  /** Milliseconds since 1970, workflow time. */
  readonly deadlineAt: number;
  /** The shadow phase is still on. */
  readonly shadowing?: boolean;
  /** Before then the last step does not promote. */
  readonly bakedAt?: number;
  /** It is promoted, and the former champion warm until then. */
  readonly observing?: { readonly until: number; readonly reason: string; readonly hand?: ByHand };
}

/** Whether a rollout whose endpoint is taken may try again now, or waits for others. */
export interface Turn {
  readonly mayStart: boolean;
}

/** What a lifecycle deploys: a rollout, nothing (an earlier round did), or not without approvals that are missing by now. */
export type RolloutOrder = RolloutInput | null | "unapproved";

export interface OpenedRollout {
  /** False when the endpoint has no champion yet: then there is nothing to compare with. */
  readonly hasChampion: boolean;
  readonly stepCount: number;
  /** Basis points of each step; absent in histories of earlier releases. */
  readonly steps?: readonly number[];
  readonly lookIntervalMs: number;
  readonly deadlineMs: number;
  readonly onDeadline: "rollback" | "hold";
  /** Whether the ramp waits for a shadow phase. */
  readonly shadowed?: boolean;
  readonly bakeMs?: number;
  readonly observeMs?: number;
}

/** A share that somebody set, or the step's own again. */
export interface ShareChange {
  readonly rolloutId: string;
  /** 1, 2, ... within the rollout. */
  readonly number: number;
  readonly basisPoints: number;
  /** As Postgres knows him; null when the plan's share comes back. */
  readonly by: string | null;
  readonly reason: string;
}

export interface LookOutcome {
  readonly verdict: RolloutVerdict;
  readonly stepDone: boolean;
  readonly reason: string;
  /** A newer rollout that its plan gives way to. */
  readonly givesWayTo?: string;
}

export interface RolloutResult {
  readonly rolloutId: string;
  readonly status: Exclude<RolloutStatus, "running">;
  readonly reason: string;
}

/** Who did something by hand, as Postgres knows him: pseudonym and commitment. */
export interface ByHand {
  readonly by: string;
  readonly reason: string;
}

/** A rollout's end, and who wanted it where it was no look that ended it. */
export interface RolloutEnd extends RolloutResult {
  readonly hand?: ByHand;
}

export interface DriftCheckInput {
  readonly monitorId: string;
  /** ISO; absent when a schedule starts the check, then the scheduled time counts. */
  readonly scheduledAt?: string;
}

export interface DriftCheckOutcome {
  readonly driftCheckId: string;
  readonly verdict: DriftVerdict;
  readonly harm: boolean;
}

/** A drift check that failed for good. */
export interface MissedCheck {
  readonly monitorId: string;
  /** ISO; the window that nobody checked ends here. */
  readonly scheduledAt: string;
  readonly reason: string;
}

export interface RetrainOutcome {
  readonly decision: "start" | "cooldown" | "budget" | "in-flight" | "disabled";
  readonly lifecycle: LifecycleInput | null;
}

export interface DriftCheckResult extends DriftCheckOutcome {
  readonly retrain: RetrainOutcome["decision"] | null;
  readonly lifecycleId: string | null;
}

export interface AuditCheckpointInput {
  /** Read every event again, or those since the newest checkpoint. */
  readonly whole: boolean;
}

export interface AuditCheckpointResult {
  readonly checkpoints: readonly { readonly stream: string; readonly size: number; readonly written: boolean }[];
}

/** `modelwright register`: a model file and its signature on the compute workers' machine. */
export interface RegistrationInput extends Provable {
  readonly registrationId: string;
  readonly model: string;
  readonly modelPath: string;
  readonly signaturePath: string;
  readonly registeredBy: string;
}

export interface Registration extends VersionReference {
  /** True when the same bytes with the same signature were registered by hand before: then that version is the answer. */
  readonly existing: boolean;
}

export interface EndpointRollbackInput extends Request {
  readonly endpoint: string;
  /** Makes a repeated request one rollback. */
  readonly requestId: string;
}

export interface EndpointRollbackResult {
  readonly epoch: number;
  /** `NAME@N` that serves now. */
  readonly champion: string;
}

/** `modelwright set` and `modelwright delete`. `change` is what the client sent; the activity parses it again. */
export interface RegistryChangeInput extends Request {
  readonly changeId: string;
  readonly change: unknown;
}

export interface RegistryChangeResult {
  /** Ids of the entries it made, in the order of what was said. */
  readonly entries: readonly number[];
}
