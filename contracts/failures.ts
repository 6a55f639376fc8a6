/**
 * The catalogue of expected failures: code, whether a retry can help, and wording. A message says where, what was found,
 * what was allowed and the way out. This file imports nothing, so that workflows may use it.
 */

interface Entry<Fields> {
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly wording: (fields: Fields) => string;
}

const never = <Fields>(wording: (fields: Fields) => string): Entry<Fields> => ({ retryable: false, wording });
const later = <Fields>(wording: (fields: Fields) => string): Entry<Fields> => ({ retryable: true, wording });

export const FAILURES = {
  APPROVAL_BY_AUTHOR: never(
    (f: { version: string; who: string }) =>
      `model/${f.version}: ${f.who} made it and may not approve it; ask somebody else to run \`modelwright approve\``,
  ),
  APPROVAL_EVIDENCE_CHANGED: never(
    (f: { version: string; found: string }) =>
      `model/${f.version}: ${f.found}, so this decision would be about something else; look at \`modelwright status\` and decide again`,
  ),
  APPROVAL_MISSING: never(
    (f: { version: string; environment: string; missing: string }) =>
      `model/${f.version}: it is not approved for ${f.environment}: ${f.missing}; ask for \`modelwright approve model/${f.version} --environment ${f.environment}\``,
  ),
  APPROVAL_NOT_COUNTED: never(
    (f: { version: string; who: string; allowed: string }) =>
      `model/${f.version}: the decision of ${f.who} would not count, the policy asks for ${f.allowed}; \`modelwright policy\` shows it`,
  ),
  APPROVAL_NOT_WAITING: never(
    (f: { lifecycle: string; status: string }) =>
      `lifecycle ${f.lifecycle}: no approval is being waited for (it is ${f.status}); see \`modelwright status ${f.lifecycle}\``,
  ),
  ARTIFACT_CORRUPT: never(
    (f: { digest: string; found: string }) =>
      `artifact ${f.digest}: the stored bytes have digest ${f.found}; restore the artifact from a backup, its name must equal the SHA-256 of its bytes`,
  ),
  ARTIFACT_MISSING: never(
    (f: { digest: string; store: string }) =>
      `artifact ${f.digest} is not in the store ${f.store}; check that this process uses the same artifact store as the one that wrote it`,
  ),
  AUDIT_NOT_SIGNED: never(
    (f: { kind: string; found: string }) =>
      `the audit log is not signed: it is ${f.kind} (${f.found}); keep the checkpoints and a copy of the database as they are, and see \`modelwright audit verify\``,
  ),
  CHECKPOINT_UNCONFIGURED: never(
    (f: { variables: string }) =>
      `the control worker has no place for signed checkpoints of the audit log; set ${f.variables} where it runs, or sign with \`modelwright audit checkpoint --key FILE\``,
  ),
  BEARER_REFUSED: never(
    (f: { deed: string; found: string; allowed: string }) =>
      `${f.deed}: found ${f.found}, allowed ${f.allowed}; send \`Authorization: Bearer TOKEN\` with a token from \`modelwright access token\``,
  ),
  COLUMN_MISSING: never(
    (f: { where: string; column: string; found: string }) =>
      `${f.where}: column "${f.column}" is missing; found ${f.found}; add the column or change the signature`,
  ),
  COLUMN_TYPE: never(
    (f: { where: string; column: string; found: string; allowed: string }) =>
      `${f.where}: column "${f.column}" is ${f.found}, allowed ${f.allowed}; convert it in the data source`,
  ),
  DATA_EMPTY: never(
    (f: { where: string; window: string }) =>
      `${f.where}: no rows${f.window ? ` in ${f.window}` : ""}; widen the window or check the source`,
  ),
  DATA_UNREADABLE: never(
    (f: { path: string; found: string; allowed: string }) =>
      `${f.path}: cannot be read as data (${f.found}); allowed: ${f.allowed}; export the file again`,
  ),
  DATA_VALIDATION_FAILED: never(
    (f: { where: string; checks: string }) =>
      `${f.where}: the data failed ${f.checks}; see the validation report, mend the data or change the check in the spec`,
  ),
  DEED_NOT_ALLOWED: never(
    (f: { who: string; deed: string; subject: string; found: string; allowed: string }) =>
      `${f.subject}: ${f.who} may not ask for this (${f.deed}): found ${f.found}, allowed ${f.allowed}; an administrator grants roles with \`modelwright access grant\` and issues tokens with \`modelwright access token\``,
  ),
  DELETED: never(
    (f: { subject: string }) =>
      `${f.subject} is deleted; bring it back with \`modelwright delete ${f.subject} --undo\`, or name another`,
  ),
  DELETE_REFUSED: never(
    (f: { subject: string; use: string }) => `${f.subject} is in use and stays: ${f.use}; end that use first`,
  ),
  DIGEST_MISMATCH: never(
    (f: { where: string; found: string; expected: string }) =>
      `${f.where}: the bytes have digest ${f.found}, ${f.expected} was announced; transfer the file again`,
  ),
  ENDPOINT_BUSY: never(
    (f: { endpoint: string; rollout: string }) =>
      `endpoint ${f.endpoint}: rollout ${f.rollout} is running and an endpoint has one writer; wait for it or end it with \`modelwright rollback ${f.endpoint}\``,
  ),
  ENDPOINT_NOT_READY: later(
    (f: { endpoint: string; reason: string }) =>
      `endpoint ${f.endpoint} cannot answer now (${f.reason}); ask again a little later or see \`GET /metrics\``,
  ),
  ENDPOINT_UNKNOWN: never(
    (f: { endpoint: string; found: string }) =>
      `endpoint ${f.endpoint} is not served here; served: ${f.found || "(none)"}; deploy a version to it or check the name`,
  ),
  ENVIRONMENT_NEEDS_EVIDENCE: never(
    (f: { environment: string; version: string }) =>
      `${f.version}: environment ${f.environment} takes only versions with a passing evaluation of exactly these bytes, and it has none; run it through a lifecycle, or deploy to an environment whose policy asks for no evidence`,
  ),
  FILE_MISSING: never(
    (f: { path: string; what: string }) =>
      `${f.path}: no such file (${f.what}); check the path, relative paths start at the spec or the working directory`,
  ),
  GATEWAY_OVERLOADED: later(
    (f: { endpoint: string; waiting: number; allowed: number }) =>
      `endpoint ${f.endpoint}: ${f.waiting} rows are waiting, allowed ${f.allowed}; ask again a little later`,
  ),
  GATEWAY_UNCONFIRMED: later(
    (f: { endpoint: string; epoch: number; missing: string }) =>
      `endpoint ${f.endpoint}: routing epoch ${f.epoch} is not confirmed by ${f.missing}; traffic stays with the champion until every live gateway confirms`,
  ),
  HOST_NOT_PROVEN: never(
    (f: { model: string; found: string; allowed: string; measured: string; here: string }) =>
      `model ${f.model}: it does not answer here as it did where it was measured: found ${f.found}, allowed ${f.allowed}; measured on ${f.measured}, here is ${f.here}; serve it on a host like that, or run its lifecycle on one like this`,
  ),
  INFERENCE_FAILED: never(
    (f: { model: string; reason: string }) =>
      `model ${f.model}: ONNX Runtime could not run it (${f.reason}); check the inputs against \`GET /v2/models/NAME\``,
  ),
  INFERENCE_PROCESS_DIED: later(
    (f: { model: string; exit: string }) =>
      `model ${f.model}: its inference process ended (${f.exit}); it is started again`,
  ),
  INPUT_INVALID: never((f: { where: string; problems: string }) => `${f.where}: ${f.problems}`),
  LIFECYCLE_UNKNOWN: never(
    (f: { lifecycle: string }) => `lifecycle ${f.lifecycle} is not known; \`modelwright status\` lists them`,
  ),
  METRIC_UNKNOWN: never(
    (f: { where: string; metric: string; allowed: string }) =>
      `${f.where}: metric "${f.metric}" is not known; allowed: ${f.allowed}`,
  ),
  MODEL_NOT_ONNX: never(
    (f: { where: string; found: string }) =>
      `${f.where}: not an ONNX model (${f.found}); export the model to ONNX, pickles are refused because loading one runs code`,
  ),
  MODEL_REFUSED: never(
    (f: { where: string; found: string; allowed: string }) =>
      `${f.where}: the model is refused: ${f.found}; allowed: ${f.allowed}; export it again within these limits`,
  ),
  MODEL_SIGNATURE: never(
    (f: { where: string; found: string; expected: string }) =>
      `${f.where}: the model's signature differs: found ${f.found}, expected ${f.expected}; export the model to match its signature or declare another`,
  ),
  MODEL_UNKNOWN: never(
    (f: { model: string; found: string }) => `model ${f.model} is not registered; registered: ${f.found}`,
  ),
  OPERATION_CONFLICT: never(
    (f: { key: string }) =>
      `operation ${f.key} was recorded with another request; this is a second caller under the same key, start a new lifecycle instead`,
  ),
  PAYLOAD_TOO_LARGE: never(
    (f: { where: string; sizeBytes: number; allowedBytes: number }) =>
      `${f.where}: ${f.sizeBytes} bytes would travel through Temporal, at most ${f.allowedBytes} may; put the data into an artifact or file and pass its digest or path`,
  ),
  PLAN_CANNOT_CONCLUDE: never(
    (f: { endpoint: string; found: string; allowed: string; wayOut: string }) =>
      `endpoint ${f.endpoint}: this rollout plan cannot end in a promotion: ${f.found}, allowed ${f.allowed}; ${f.wayOut}, or start it all the same with onUnwinnable: start`,
  ),
  PRINCIPAL_UNKNOWN: never(
    (f: { who: string }) =>
      `"${f.who}" has no account here; \`modelwright access list\` shows who has, \`modelwright access person\` and \`access service\` make one`,
  ),
  PROOF_REFUSED: never(
    (f: { deed: string; subject: string; found: string; allowed: string }) =>
      `${f.subject}: the proof of who asks for this (${f.deed}) is refused: found ${f.found}, allowed ${f.allowed}; sign again with a token that is good, in MODELWRIGHT_TOKEN or --token-file`,
  ),
  PROOF_REQUIRED: never(
    (f: { deed: string; subject: string; who: string }) =>
      `${f.subject}: ${f.who} gives no proof of who asks for this (${f.deed}), and this installation wants one; set MODELWRIGHT_TOKEN or --token-file to a token from \`modelwright access token\`, which the database's owner needs no other for (DATABASE_ADMIN_URL)`,
  ),
  QUANTIZATION_UNSUPPORTED: never(
    (f: { where: string; found: string; instead: string }) =>
      `${f.where}: nothing to quantize (${f.found}); ${f.instead}`,
  ),
  REFERENCE_INVALID: never(
    (f: { found: string }) =>
      `"${f.found}" is not a reference; allowed: model/NAME@N or NAME@ALIAS, artifact/DIGEST or its first 8 digits, lifecycle/ID, prediction/ID, rollout/ID, evaluation/ID, approval/ID, monitor/ID, drift-check/ID, routing-epoch/ENDPOINT/N, source/PATH#DIGEST`,
  ),
  QUOTA_EXCEEDED: later(
    (f: { client: string; allowedPerSecond: number; waitMs: number }) =>
      `${f.client}: more than ${f.allowedPerSecond} requests a second, as many are allowed; ask again in ${f.waitMs} ms, or less often`,
  ),
  REFERENCE_UNKNOWN: never(
    (f: { reference: string }) =>
      `${f.reference} is not recorded here; check the id; \`modelwright models\`, \`status\` and \`monitors\` list what is`,
  ),
  REQUEST_ABANDONED: never(
    (f: { model: string }) =>
      `model ${f.model}: the client went away before its request ran; nothing was computed, ask again if the answer is wanted`,
  ),
  REQUEST_EXPIRED: later(
    (f: { model: string; waitedMs: number; allowedMs: number }) =>
      `model ${f.model}: the request had no answer after ${f.waitedMs} ms, allowed were ${f.allowedMs}; give it a longer timeout, or ask again a little later`,
  ),
  REQUEST_REFUSED: never(
    (f: { status: number; found: string; allowed: string }) => `${f.found}; allowed: ${f.allowed}`,
  ),
  ROLE_TOO_POWERFUL: never(
    (f: { role: string; reasons: string }) =>
      `database role ${f.role}: it ${f.reasons}, and the application runs as none that could go round the database's rules; set DATABASE_URL to the address that \`migrate\` made, of the role modelwright_app_DATABASE`,
  ),
  SHARE_NOT_EARNED: never(
    (f: { rollout: string; asked: number; allowed: number }) =>
      `rollout ${f.rollout}: a share of ${f.asked} basis points for the canary, allowed 1 to ${f.allowed} in its present step; wait for the evidence of that step, or go past it with --override`,
  ),
  SPEC_INVALID: never(
    (f: { path: string; problems: string }) => `${f.path}: the spec has problems, nothing was started:\n${f.problems}`,
  ),
  STACK_NOT_STARTED: never(
    (f: { what: string; reason: string; wayOut: string }) => `${f.what} could not be started: ${f.reason}; ${f.wayOut}`,
  ),
  STACK_UNREACHABLE: later(
    (f: { what: string; address: string; reason: string }) =>
      `${f.what} at ${f.address} does not answer (${f.reason}); start a stack with \`modelwright up\`, or name one that runs, by its folder in MODELWRIGHT_DATA_DIR or by DATABASE_URL and TEMPORAL_ADDRESS`,
  ),
  STALE_ATTEMPT: never(
    (f: { stage: string; attempt: number; current: number }) =>
      `${f.stage}: attempt ${f.attempt} may not record its result, attempt ${f.current} took over; this one's work is dropped, the newer one goes on`,
  ),
  STORAGE_UNAVAILABLE: later(
    (f: { what: string; reason: string }) => `${f.what} is unavailable (${f.reason}); the step is retried`,
  ),
  TRAINER_EXITED: never(
    (f: { command: string; exit: string; tail: string }) =>
      `trainer \`${f.command}\` ended with ${f.exit}; its last words: ${f.tail || "(none)"}; mend the trainer and retry the lifecycle`,
  ),
  TRAINER_NO_MODEL: never(
    (f: { command: string; expected: string }) =>
      `trainer \`${f.command}\` ended well but wrote no ${f.expected}; write the file named in the manifest before exiting`,
  ),
  TRAINER_SILENT: never(
    (f: { command: string; silentMs: number; allowedMs: number }) =>
      `trainer \`${f.command}\` said nothing for ${f.silentMs} ms, allowed ${f.allowedMs} ms; print a progress line more often or raise training.silenceMs`,
  ),
  TRAINER_TIMEOUT: never(
    (f: { command: string; allowedMs: number }) =>
      `trainer \`${f.command}\` ran longer than training.timeoutMs = ${f.allowedMs} ms and was stopped; raise the limit or train less`,
  ),
  UNKNOWN_CATEGORY: never(
    (f: { where: string; column: string; value: string }) =>
      `${f.where}: column "${f.column}" holds "${f.value}", which is not in the vocabulary fixed at training, and the signature says to refuse it`,
  ),
  VERSION_MADE_OTHERWISE: never(
    (f: { reference: string; recorded: string; present: string; found: string; made: string }) =>
      `${f.reference} was made by ${f.recorded}; ${f.present} makes other bytes of the same parent and report (${f.made} where ${f.found} is recorded), which proves nothing for or against it; run \`modelwright audit rederive\` of the release and ONNX Runtime it was made by`,
  ),
  VERSION_NOT_DERIVED: never(
    (f: { reference: string }) =>
      `${f.reference} was not rewritten from another version; only versions whose origin is "optimized" can be made again, \`modelwright models NAME\` shows it`,
  ),
} satisfies Record<string, Entry<never>>;

export type FailureCode = keyof typeof FAILURES;
export type FailureFields<Code extends FailureCode> = Parameters<(typeof FAILURES)[Code]["wording"]>[0];

/** An expected failure from the catalogue. Bugs are never wrapped in it. */
export class Failure<Code extends FailureCode = FailureCode> extends Error {
  override readonly name = "Failure";
  readonly code: Code;
  readonly fields: FailureFields<Code>;
  readonly retryable: boolean;

  constructor(code: Code, fields: FailureFields<Code>, options?: { cause?: unknown }) {
    const entry = FAILURES[code] as Entry<FailureFields<Code>>;
    super(entry.wording(fields), options);
    this.code = code;
    this.fields = fields;
    this.retryable = entry.retryable;
  }
}

/** True for an expected failure, whichever module instance made it. */
export function isFailure(thrown: unknown): thrown is Failure {
  return (
    thrown instanceof Error && thrown.name === "Failure" && "code" in thrown && (thrown.code as string) in FAILURES
  );
}
