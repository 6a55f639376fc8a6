import { Option, type Command } from "commander";
import type { ApprovalSubject, Modelwright } from "../../client/index.ts";
import { parseLifecycleId, parseVersion } from "../../client/reference.ts";
import type { ApprovalStanding } from "../../contracts/approval.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import type { ExitCode } from "../answer.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface DecisionOptions extends ActingOptions {
  readonly reason: string;
  readonly environment?: string;
  readonly breakGlass?: boolean;
}

const VERBS = [
  {
    name: "approve",
    done: "approved",
    summary: "Approve what a lifecycle waits with, or a version for an environment; its author may not",
    examples: [
      'approve flight-delay-1f2e3d4c --as grace --reason "looked at the slices, good"',
      'approve model/flight-delay@3 --environment production --as grace --reason "as good as the champion"',
    ],
  },
  {
    name: "reject",
    done: "rejected",
    summary: "Reject what a lifecycle waits with, which ends it, or a version for an environment",
    examples: ['reject flight-delay-1f2e3d4c --as grace --reason "calibration in winter is not good enough"'],
  },
] as const;

/** `approve` and `reject`: a decision over exactly the present evidence. */
export function addApprove(program: Command): void {
  for (const { name, done, summary, examples } of VERBS) {
    const verb = defineVerb(program, {
      usage: `${name} <id>`,
      summary,
      details:
        "The id is a lifecycle's, or model/NAME@N with --environment. The decision is about the evidence as it is now; `modelwright policy` shows whose decisions count. Exit 0: decided, 3: more approvals are missing.",
      examples,
      acts: true,
    })
      .option("--environment <name>", "where the version wants to go, when it is named as model/NAME@N")
      .requiredOption("--reason <why>", "why; it is recorded in the audit trail");
    if (name === "approve") {
      verb.addOption(
        new Option(
          "--break-glass",
          "past the approvals that are missing: once, for a day, with an alarm that stays on record",
        ),
      );
    }
    verb.action(
      answering(async (_screen, id: string, options: DecisionOptions) => {
        const reason = resolveReason(options.reason);
        const named = parseSubject(id, options.environment);
        return withActor(options, async (modelwright, by) => {
          const request = { by, reason };
          const subject = typeof named === "string" ? named : await numbered(modelwright, named);
          const breakGlass = options.breakGlass === true ? { breakGlass: true } : {};
          const standing = await modelwright.decide(subject, { decision: name, ...request, ...breakGlass });
          const what = options.breakGlass ? "glass broken for" : done;
          return {
            document: { ...documentOf(subject), [name]: request, standing },
            lines: [`${what} ${id} by ${request.by}: ${request.reason}`, standing.says],
            exitCode: exitOf(standing),
          };
        });
      }),
    );
  }
}

/** A lifecycle, or a version with its environment. @throws INPUT_INVALID, REFERENCE_INVALID */
function parseSubject(id: string, environment: string | undefined): string | NamedSubject {
  if (environment === undefined && !id.startsWith("model/")) return parseLifecycleId(id);
  if (environment === undefined) {
    const problems = "a version is approved for an environment; name it";
    throw new Failure("INPUT_INVALID", { where: "--environment", problems });
  }
  parseVersion(id);
  return { version: id, environment: checked(nameSchema, environment, "--environment") };
}

interface NamedSubject {
  /** `model/NAME@N`, or by an alias: what that points to now is decided about. */
  readonly version: string;
  readonly environment: string;
}

async function numbered(modelwright: Modelwright, { version, environment }: NamedSubject): Promise<ApprovalSubject> {
  const { model, number } = await modelwright.version(version);
  return { model, number, environment };
}

function documentOf(subject: ApprovalSubject): object {
  if (typeof subject === "string") return { lifecycleId: subject };
  return { version: `${subject.model}@${subject.number}`, environment: subject.environment };
}

const exitOf = ({ status }: ApprovalStanding): ExitCode =>
  status === "waiting" || status === "void" ? EXIT_CODES.waiting : EXIT_CODES.pass;
