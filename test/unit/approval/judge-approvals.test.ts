import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { approvalTermsSchema, type ApprovalTerms } from "../../../contracts/approval.ts";
import {
  judgeApprovals,
  judgeStanding,
  type ApprovalQuestion,
  type Decided,
} from "../../../core/approval/judge-approvals.ts";

const evidenceDigest = "e".repeat(64);
const terms = (given: Partial<ApprovalTerms> = {}) => approvalTermsSchema.parse(given);
const approval = (by: string, given: Partial<Decided> = {}): Decided => ({
  decision: "approve",
  by,
  reason: "",
  roles: [],
  signed: false,
  evidenceDigest,
  expiresAt: 100,
  compromisedAt: null,
  ...given,
});
const ask = (decisions: readonly Decided[], given: Partial<ApprovalQuestion> = {}) =>
  judgeApprovals({ terms: terms(), author: "ada", evidenceDigest, decisions, at: 50, ...given });

describe("a version", () => {
  it("waits for everybody its policy asks for, and says how many are missing", () => {
    expect(ask([], { terms: terms({ quorum: 2, roles: ["approver"] }) })).toEqual({
      status: "waiting",
      missing: 2,
      by: [],
      says: "2 approvals missing, by somebody other than the author in the role of approver",
    });
    expect(ask([approval("grace")], { terms: terms({ quorum: 2 }) })).toMatchObject({ missing: 1, by: ["grace"] });
  });

  it("is approved by different people only: the same one twice, in whatever letter case, is one", () => {
    const quorum = { terms: terms({ quorum: 2 }) };
    expect(ask([approval("grace"), approval("Grace")], quorum)).toMatchObject({ status: "waiting", missing: 1 });
    expect(ask([approval("grace"), approval("linus")], quorum)).toMatchObject({ status: "approved" });
  });

  it("is never approved by its author, who may reject it", () => {
    expect(ask([approval("ADA")])).toMatchObject({ status: "waiting" });
    expect(ask([approval("grace"), approval("Ada", { decision: "reject" })])).toMatchObject({ status: "rejected" });
  });

  it("is rejected by one who may decide, and not by one who may not", () => {
    const policy = { terms: terms({ roles: ["approver"] }) };
    const no = { decision: "reject" } as const;
    const yes = approval("grace", { roles: ["approver"] });
    expect(ask([yes, approval("eve", no)], policy)).toMatchObject({ status: "approved" });
    expect(ask([yes, approval("linus", { ...no, roles: ["approver"] })], policy)).toMatchObject({
      status: "rejected",
      by: "linus",
    });
  });

  it("is not approved by what a compromised token or role decided, from when that is known, and says so", () => {
    const stolen = approval("grace", { compromisedAt: 50 });
    expect(ask([stolen], { at: 49 })).toMatchObject({ status: "approved" });
    expect(ask([stolen])).toMatchObject({ status: "void", says: expect.stringMatching(/compromised/) as string });
    expect(ask([stolen, approval("grace")])).toMatchObject({ status: "approved" });
    expect(ask([approval("grace", { decision: "reject", compromisedAt: 50 })])).toMatchObject({ status: "waiting" });
  });

  it("needs signatures where the policy asks for them", () => {
    const policy = { terms: terms({ requiresSignature: true }) };
    expect(ask([approval("grace")], policy)).toMatchObject({ status: "waiting" });
    expect(ask([approval("grace", { signed: true })], policy)).toMatchObject({ status: "approved" });
  });

  it("is void when what was approved is something else by now, expired, or judged badly since", () => {
    const other = approval("grace", { evidenceDigest: "f".repeat(64) });
    expect(ask([other])).toMatchObject({ status: "void", says: expect.stringContaining("other evidence") });
    expect(ask([approval("grace")], { at: 100 })).toMatchObject({
      status: "void",
      says: expect.stringContaining("expired"),
    });
    expect(ask([approval("grace")], { evidenceDigest: null })).toMatchObject({ status: "void" });
  });

  it("passes a broken glass, and needs nothing where nothing is asked for", () => {
    const question = { terms: terms(), author: "ada", evidenceDigest, decisions: [], at: 50 };
    expect(judgeStanding({ ...question, needed: true, openGlass: null })).toMatchObject({ status: "waiting" });
    expect(judgeStanding({ ...question, needed: true, openGlass: "glass" })).toMatchObject({
      status: "approved",
      by: [],
    });
    expect(judgeStanding({ ...question, needed: false, openGlass: null })).toMatchObject({
      status: "approved",
      by: [],
    });
  });
});

const people = ["ada", "Ada", "grace", "GRACE", "linus", "barbara", "eve"];
const decision = fc.record<Decided>({
  decision: fc.constantFrom("approve", "approve", "approve", "reject"),
  by: fc.constantFrom(...people),
  reason: fc.constant(""),
  roles: fc.subarray(["approver", "operator"]),
  signed: fc.boolean(),
  evidenceDigest: fc.constantFrom(evidenceDigest, evidenceDigest, "f".repeat(64)),
  expiresAt: fc.integer({ min: 0, max: 100 }),
  compromisedAt: fc.option(fc.integer({ min: 0, max: 100 }), { nil: null, freq: 4 }),
});
const question = fc.record<ApprovalQuestion>({
  terms: fc
    .record({
      quorum: fc.integer({ min: 1, max: 4 }),
      roles: fc.subarray(["approver", "operator"] as const),
      requiresSignature: fc.boolean(),
    })
    .map((given) => terms(given)),
  author: fc.constant("ada"),
  evidenceDigest: fc.constantFrom(evidenceDigest, evidenceDigest, evidenceDigest, null),
  decisions: fc.array(decision, { maxLength: 12 }),
  at: fc.integer({ min: 0, max: 100 }),
});

/** Who counts, written down person by person instead of step by step. */
function naive({
  terms: { quorum, roles, requiresSignature },
  author,
  evidenceDigest: now,
  decisions,
  at,
}: ApprovalQuestion) {
  if (now === null) return "void";
  const said = (who: string, what: string) =>
    decisions.some(
      (one) =>
        one.by.toLowerCase() === who &&
        one.decision === what &&
        one.evidenceDigest === now &&
        one.expiresAt > at &&
        !(one.compromisedAt !== null && one.compromisedAt <= at) &&
        (one.signed || !requiresSignature) &&
        (who === author || roles.length === 0 || one.roles.some((role) => (roles as string[]).includes(role))),
    );
  const everybody = new Set(people.map((who) => who.toLowerCase()));
  if ([...everybody].some((who) => said(who, "reject"))) return "rejected";
  const approvers = [...everybody].filter((who) => who !== author && said(who, "approve"));
  return approvers.length >= quorum ? "approved" : "open";
}

describe("the judgement, for any decisions", () => {
  it("is the one that asking every person in turn gives", () => {
    fc.assert(
      fc.property(question, (given) => {
        const { status } = judgeApprovals(given);
        const expected = naive(given);
        expect(expected === "open" ? ["waiting", "void"] : [expected]).toContain(status);
      }),
      { numRuns: 2000 },
    );
  });

  it("does not depend on the order of the decisions", () => {
    fc.assert(
      fc.property(question, (given) => {
        const reversed = judgeApprovals({ ...given, decisions: given.decisions.toReversed() });
        expect(reversed.status).toBe(judgeApprovals(given).status);
      }),
    );
  });

  it("never becomes approved by time alone, nor by tighter terms", () => {
    fc.assert(
      fc.property(question, fc.integer({ min: 0, max: 100 }), (given, later) => {
        // A rejection that counts no more is no obstacle any more.
        const rejecting = given.decisions.some((one) => one.decision === "reject");
        fc.pre(!rejecting && judgeApprovals(given).status !== "approved");
        expect(judgeApprovals({ ...given, at: given.at + later }).status).not.toBe("approved");
        const tighter = { ...given.terms, quorum: given.terms.quorum + 1, requiresSignature: true };
        expect(judgeApprovals({ ...given, terms: tighter }).status).not.toBe("approved");
      }),
    );
  });

  it("counts missing approvals down to nothing", () => {
    fc.assert(
      fc.property(question, (given) => {
        const standing = judgeApprovals(given);
        fc.pre(standing.status === "waiting");
        if (standing.status !== "waiting") return;
        expect(standing.missing + standing.by.length).toBe(given.terms.quorum);
        const helpers = Array.from({ length: standing.missing }, (_, index) =>
          approval(`helper-${index}`, { roles: ["approver", "operator"], signed: true, expiresAt: given.at + 1 }),
        );
        expect(judgeApprovals({ ...given, decisions: [...given.decisions, ...helpers] }).status).toBe("approved");
      }),
    );
  });
});
