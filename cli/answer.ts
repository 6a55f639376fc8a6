import { EXIT_CODES, type LifecycleStatus } from "../contracts/names.ts";

/** What a verb found out: printed as text for people, or as one JSON document for programs. */
export interface Answer {
  readonly document: unknown;
  /** Without colour codes unless the screen shows colour. */
  readonly lines: readonly string[];
  /** `pass` unless told. */
  readonly exitCode?: ExitCode;
}

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

const BY_VERDICT = {
  pass: EXIT_CODES.pass,
  stable: EXIT_CODES.pass,
  fail: EXIT_CODES.gateFailed,
  drifted: EXIT_CODES.gateFailed,
  inconclusive: EXIT_CODES.gateFailed,
  insufficient: EXIT_CODES.gateFailed,
} as const;
export type AnyVerdict = keyof typeof BY_VERDICT;

/** "Not enough evidence" never counts as passed. */
export const exitOfVerdict = (verdict: AnyVerdict): ExitCode => BY_VERDICT[verdict];

const BY_ROLLOUT = { running: "pass", promoted: "pass", "rolled-back": "gateFailed", aborted: "error" } as const;

export const exitOfRollout = (status: keyof typeof BY_ROLLOUT): ExitCode => EXIT_CODES[BY_ROLLOUT[status]];

const BY_STATUS = {
  running: "pass",
  completed: "pass",
  waiting: "waiting",
  rejected: "gateFailed",
  failed: "gateFailed",
  aborted: "error",
} as const satisfies Record<LifecycleStatus, keyof typeof EXIT_CODES>;

/** A refusal that is a judgement: the command worked and the answer is no. */
export const isGate = (code: string): boolean =>
  ["ENVIRONMENT_NEEDS_EVIDENCE", "DATA_VALIDATION_FAILED", "PLAN_CANNOT_CONCLUDE"].includes(code);

/** A refusal until somebody else has decided. */
export const isWait = (code: string): boolean => code === "APPROVAL_MISSING";

/** A lifecycle that failed by a verdict has no failure code; one that broke has. */
export function exitOfLifecycle(lifecycle: {
  readonly status: LifecycleStatus;
  readonly failureCode: string | null;
}): ExitCode {
  const { status, failureCode } = lifecycle;
  return failureCode === null || isGate(failureCode) ? EXIT_CODES[BY_STATUS[status]] : EXIT_CODES.error;
}
