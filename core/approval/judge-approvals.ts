import type { ApprovalDecision, ApprovalStanding, ApprovalTerms } from "../../contracts/approval.ts";

/** A recorded decision about a version and environment. Times are database time, milliseconds since 1970. */
export interface Decided {
  readonly decision: ApprovalDecision;
  readonly by: string;
  /** What he said; empty when it was nothing. */
  readonly reason: string;
  /** Roles held when it was recorded. */
  readonly roles: readonly string[];
  readonly signed: boolean;
  readonly evidenceDigest: string;
  readonly expiresAt: number;
  /** Since then it is known that the token which signed it, or the role by which it counted, was in the wrong hands; else null. */
  readonly compromisedAt: number | null;
}

export interface ApprovalQuestion {
  readonly terms: ApprovalTerms;
  /** Who made the version; never counts as an approver, in whatever letter case. */
  readonly author: string;
  /** Of the evidence as it is now; null while an evaluation that is not a pass is the version's last word. */
  readonly evidenceDigest: string | null;
  /** Everything decided about the version and environment, over whatever evidence. */
  readonly decisions: readonly Decided[];
  /** Database time of asking. */
  readonly at: number;
}

export interface StandingQuestion extends ApprovalQuestion {
  /** Whether anything asks for approval at all. */
  readonly needed: boolean;
  /** A glass that was broken for it and not used yet. */
  readonly openGlass: string | null;
}

/** How a version stands: approvals count only where they are asked for, and a broken glass lets it past all of them. */
export function judgeStanding(question: StandingQuestion): ApprovalStanding {
  if (!question.needed) return { status: "approved", by: [], says: "no approval is asked for" };
  const standing = judgeApprovals(question);
  if (standing.status === "approved" || question.openGlass === null) return standing;
  return { status: "approved", by: [], says: "the glass was broken: it may pass once without approval" };
}

/**
 * Whether a version is approved. Counted are decisions over exactly the present evidence that have not expired and were given with
 * no compromised token or role, by people with a role the terms name, signed where they ask for it; each person once. One such
 * rejection outweighs every approval, and the author may reject. `void` says that approvals were there and why they count no more.
 */
export function judgeApprovals(question: ApprovalQuestion): ApprovalStanding {
  const { terms, evidenceDigest, decisions } = question;
  if (evidenceDigest === null) {
    return { status: "void", says: "the version's newest evaluation did not pass; evaluate it again" };
  }
  const living = livingDecisions(question, decisions);
  const rejection = living.find((one) => one.decision === "reject");
  if (rejection) {
    const why = rejection.reason === "" ? "" : `: ${rejection.reason}`;
    return { status: "rejected", by: rejection.by, says: `rejected by ${rejection.by}${why}` };
  }

  const by = distinct(living.map((one) => one.by));
  const missing = Math.max(0, terms.quorum - by.length);
  if (missing === 0) return { status: "approved", by, says: `approved by ${by.join(" and ")}` };
  const lapse = by.length === 0 && describeLapse(question);
  if (lapse) return { status: "void", says: `${lapse}; ${wanted(terms, missing)}` };
  const has = by.length > 0 ? `approved by ${by.join(" and ")}, ` : "";
  return { status: "waiting", missing, by, says: has + wanted(terms, missing) };
}

/** Those of the decisions that count now, whatever they say. */
export function livingDecisions<One extends Decided>(
  { terms, author, evidenceDigest, at }: ApprovalQuestion,
  decisions: readonly One[],
): One[] {
  return decisions.filter(
    (one) => one.evidenceDigest === evidenceDigest && isGood(one, at) && isEligible(one, terms, author),
  );
}

/** Whether a decision still counts by itself: it has not expired, and nobody says that it was somebody else's. */
export const isGood = (
  { expiresAt, compromisedAt }: Pick<Decided, "expiresAt" | "compromisedAt">,
  at: number,
): boolean => at < expiresAt && (compromisedAt === null || at < compromisedAt);

/** Why approvals that are there count no more, or null when there are none. */
function describeLapse({ decisions, evidenceDigest, at }: ApprovalQuestion): string | null {
  const approvals = decisions.filter((one) => one.decision === "approve");
  const stolen = approvals.some(({ compromisedAt }) => compromisedAt !== null && compromisedAt <= at);
  if (stolen) return "its approval was given with a token or a role that was compromised";
  const expired = approvals.some((one) => one.evidenceDigest === evidenceDigest && one.expiresAt <= at);
  if (expired) return "its approval expired";
  const other = approvals.some((one) => one.evidenceDigest !== evidenceDigest);
  return other ? "it was approved on other evidence or under another policy" : null;
}

function isEligible({ decision, by, roles, signed }: Decided, terms: ApprovalTerms, author: string): boolean {
  if (terms.requiresSignature && !signed) return false;
  if (sameName(by, author)) return decision === "reject";
  return terms.roles.length === 0 || terms.roles.some((role) => roles.includes(role));
}

const sameName = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

function distinct(names: readonly string[]): string[] {
  return [...new Map(names.map((name) => [name.toLowerCase(), name])).values()];
}

function wanted({ roles, requiresSignature }: ApprovalTerms, missing: number): string {
  const who = roles.length > 0 ? ` in the role of ${roles.join(" or ")}` : "";
  const how = requiresSignature ? ", signed with a token" : "";
  return `${missing} approval${missing === 1 ? "" : "s"} missing, by somebody other than the author${who}${how}`;
}
