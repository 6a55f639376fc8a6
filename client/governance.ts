import { randomUUID } from "node:crypto";
import type { Client } from "@temporalio/client";
import type { ApprovalStanding, ApprovalTerms } from "../contracts/approval.ts";
import { acknowledgeDeed, breakGlassDeed, decideDeed, policyDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { Decision, Request } from "../contracts/messages.ts";
import { QUEUES, UPDATES, workflowIds, type WORKFLOWS } from "../contracts/names.ts";
import type { Database } from "../db/client.ts";
import { findLifecycleCase, findVersionCase, type ApprovalCase } from "../db/queries/approval-case.ts";
import { listPolicies, type SetPolicy } from "../db/queries/approval-policy.ts";
import { listAlarms, type Alarm } from "../db/queries/alarm.ts";
import { listBrokenGlass, type BrokenGlass } from "../db/queries/break-glass.ts";
import { requireLifecycle } from "../db/queries/lifecycle.ts";
import { reveal } from "../db/queries/reveal.ts";
import type { Acting } from "./acting.ts";
import { translated } from "./failures.ts";
import { ENDED } from "./reader.ts";

/** A version and where it wants to go: by the id of the lifecycle that made it, or by name. */
export type ApprovalSubject =
  | string
  | { readonly model: string; readonly number: number; readonly environment: string };

/** Approvals, what they take, and what went past them. */
export interface Governance {
  /** Answers with what is still missing. The decision is about the evidence as it is now, unless it names another. */
  readonly decide: (subject: ApprovalSubject, decision: Decision) => Promise<ApprovalStanding>;
  /** What a version is judged by; for a lifecycle null before there is a version. */
  readonly approvalCase: (subject: ApprovalSubject) => Promise<ApprovalCase | null>;
  /** Sets what it takes to be approved; null takes away what was set before. */
  readonly setPolicy: (
    place: { readonly model: string | null; readonly environment: string },
    terms: Partial<ApprovalTerms> | null,
    request: Request,
  ) => Promise<{ readonly policy: string | null }>;
  /** What was set and holds, or held then; the default last. */
  readonly policies: (options?: { readonly model?: string; readonly asOf?: Date }) => Promise<SetPolicy[]>;
  /** Newest first. */
  readonly alarms: (options?: { readonly open?: boolean }) => Promise<Alarm[]>;
  readonly acknowledge: (alarmId: string, request: Request) => Promise<void>;
  /** Newest first: of versions, or all. */
  readonly brokenGlass: (options?: { readonly versionIds?: readonly string[] }) => Promise<BrokenGlass[]>;
}

export function createGovernance(client: Client, database: Database, { sign }: Acting): Governance {
  const told = <Answer>(question: Promise<Answer>): Promise<Answer> =>
    translated(question.then((answer) => reveal(database, answer)));
  const run = <Result>(type: keyof typeof WORKFLOWS, workflowId: string, input: object): Promise<Result> =>
    translated(
      client.workflow.execute(type, { taskQueue: QUEUES.control, workflowId, args: [input] }) as Promise<Result>,
    );
  const caseOf = (subject: ApprovalSubject) =>
    typeof subject === "string" ? findLifecycleCase(database, subject) : findVersionCase(database, subject);

  /** The lifecycle that waits for exactly this decision, if one does: it has to hear of it. */
  const waiting = async (asked: ApprovalCase | null): Promise<string | null> => {
    const made = asked?.version.lifecycle;
    if (!made) return null;
    const { spec, status } = await translated(requireLifecycle(database, made));
    return status === "waiting" && spec.deployment?.environment === asked.environment ? made : null;
  };

  /** Signed is what was looked at; where there is nothing yet to decide about, the activity says so. */
  const signed = async (asked: ApprovalCase | null, given: Decision, evidence: string | null) => {
    if (!asked) return {};
    const version = `${asked.version.model}@${asked.version.number}`;
    const { environment } = asked;
    if (given.breakGlass) return environment === null ? {} : sign(breakGlassDeed({ version, environment }), given);
    return evidence === null ? {} : sign(decideDeed({ version, decision: given.decision, evidence }), given);
  };

  return {
    decide: async (subject, given) => {
      if (typeof subject === "string") {
        const { status } = await translated(requireLifecycle(database, subject));
        if (ENDED.includes(status)) throw new Failure("APPROVAL_NOT_WAITING", { lifecycle: subject, status });
      }
      const asked = await translated(caseOf(subject));
      const evidenceDigest = given.evidenceDigest ?? asked?.evidenceDigest;
      const decision: Decision = {
        ...given,
        ...(evidenceDigest ? { evidenceDigest } : {}),
        ...(await signed(asked, given, evidenceDigest ?? null)),
      };
      const lifecycleId = typeof subject === "string" ? subject : await waiting(asked);
      if (lifecycleId !== null) {
        const handle = client.workflow.getHandle(workflowIds.lifecycle(lifecycleId));
        return told(
          translated(handle.executeUpdate<ApprovalStanding, [Decision]>(UPDATES.decide, { args: [decision] })),
        );
      }
      const version = asked && `${asked.version.model}@${asked.version.number}`;
      const input = { ...decision, version, environment: asked?.environment };
      return told(run<ApprovalStanding>("versionDecision", workflowIds.decision(randomUUID()), input));
    },
    approvalCase: (subject) => told(caseOf(subject)),
    setPolicy: async (place, terms, request) => {
      const requestId = randomUUID();
      const change = { ...place, requestId, terms };
      const proof = await sign(policyDeed(change), request);
      return run("policyChange", workflowIds.policy(requestId), { ...request, ...change, ...proof });
    },
    policies: (options = {}) => told(listPolicies(database, options)),
    alarms: (options = {}) => told(listAlarms(database, options)),
    acknowledge: async (alarm, request) => {
      const proof = await sign(acknowledgeDeed({ alarm }), request);
      return run("alarmAcknowledgement", workflowIds.alarm(randomUUID()), { ...request, alarm, ...proof });
    },
    brokenGlass: (options = {}) => told(listBrokenGlass(database, options)),
  };
}
