import type { ApprovalDecision } from "./approval.ts";
import type { AccessChange, Deed } from "./identity.ts";
import type {
  AlarmAcknowledgement,
  EndpointRollbackInput,
  LogSettingsChange,
  LifecycleInput,
  PolicyChange,
  RecordedRequest,
  RegistrationInput,
  RolloutInput,
} from "./messages.ts";

/** What a statement about a message says. Made from the message by whoever signs and again by whoever checks, so that both mean the same. */
export interface DescribedDeed {
  readonly deed: Deed;
  readonly subject: string;
  /** JSON; its digest is signed. */
  readonly details: unknown;
}

/** A lifecycle's first round, or another one; a retry sends no spec. */
export const startDeed = ({
  lifecycleId,
  round,
  spec,
}: Pick<LifecycleInput, "lifecycleId" | "round" | "spec">): DescribedDeed => ({
  deed: "start",
  subject: `lifecycle/${lifecycleId}`,
  details: { round, spec },
});

/** A share past the evidence is the deed that a promotion past it is: who may not do the one may not do the other in small steps. */
export const requestDeed = ({
  subject,
  request,
  share,
}: Pick<RecordedRequest, "subject" | "request" | "share">): DescribedDeed => ({
  deed: share?.override ? "promote" : request,
  subject,
  details: share ?? {},
});

export const deployDeed = ({
  endpoint,
  environment,
  rolloutId,
  versionId,
  requestedAs,
  plan,
}: Omit<RolloutInput, "startedBy" | "lifecycle" | "proof">): DescribedDeed => ({
  deed: "deploy",
  subject: `endpoint/${endpoint}`,
  details: { environment, rolloutId, versionId, requestedAs: requestedAs ?? null, plan },
});

/** Back to an endpoint's former champion; ending a running canary is a request to the rollout. */
export const rollbackDeed = ({
  endpoint,
  requestId,
}: Pick<EndpointRollbackInput, "endpoint" | "requestId">): DescribedDeed => ({
  deed: "rollback",
  subject: `endpoint/${endpoint}`,
  details: { requestId },
});

export const registerDeed = ({
  registrationId,
  model,
  modelPath,
  signaturePath,
}: Omit<RegistrationInput, "registeredBy" | "proof">): DescribedDeed => ({
  deed: "register",
  subject: `model/${model}`,
  details: { registrationId, modelPath, signaturePath },
});

/** About exactly the evidence that was looked at; the database holds a decision's row to it. */
export const decideDeed = (given: {
  readonly version: string;
  readonly decision: ApprovalDecision;
  readonly evidence: string;
}): DescribedDeed => ({
  deed: "decide",
  subject: `model/${given.version}`,
  details: { decision: given.decision, evidence: given.evidence },
});

export const breakGlassDeed = (given: { readonly version: string; readonly environment: string }): DescribedDeed => ({
  deed: "break-glass",
  subject: `model/${given.version}`,
  details: { ...given },
});

export const policyDeed = ({
  requestId,
  model,
  environment,
  terms,
}: Pick<PolicyChange, "requestId" | "model" | "environment" | "terms">): DescribedDeed => ({
  deed: "policy",
  subject: policySubject({ model, environment }),
  details: { requestId, terms },
});

/** What a policy is about, in statements and events. */
export const policySubject = ({ model, environment }: Pick<PolicyChange, "model" | "environment">): string =>
  `policy/${environment}${model === null ? "" : `/${model}`}`;

export const logSettingsDeed = ({
  requestId,
  endpoint,
  settings,
  retentionDays,
}: Omit<LogSettingsChange, "by" | "reason" | "proof">): DescribedDeed => ({
  deed: "log",
  subject: logSubject(endpoint),
  details: { requestId, settings, retentionDays },
});

/** What settings are about, in statements and events: an endpoint's log, or the whole. */
export const logSubject = (endpoint: string | null): string =>
  endpoint === null ? "prediction-log/all" : `endpoint/${endpoint}`;

export const acknowledgeDeed = ({ alarm }: Pick<AlarmAcknowledgement, "alarm">): DescribedDeed => ({
  deed: "acknowledge",
  subject: `alarm/${alarm}`,
  details: {},
});

/** What is said about a model or version; a saying can be anybody's text, so its digest is signed. */
export const annotateDeed = (given: {
  readonly model: string;
  readonly number: number | null;
  readonly changeId: string;
  readonly change: unknown;
}): DescribedDeed => ({
  deed: "annotate",
  subject: `model/${given.model}${given.number === null ? "" : `@${given.number}`}`,
  details: { changeId: given.changeId, change: given.change },
});

export const accessDeed = (change: AccessChange): DescribedDeed => ({
  deed: "access",
  subject: "access",
  details: change,
});
