import { Option, type Command } from "commander";
import type { SetPolicy } from "../../client/index.ts";
import { formatDuration } from "../../client/text.ts";
import { approvalTermsSchema, type ApprovalTerms } from "../../contracts/approval.ts";
import { Failure } from "../../contracts/failures.ts";
import { ROLES } from "../../contracts/identity.ts";
import { instantSchema, nameSchema } from "../../contracts/primitives.ts";
import { instantText } from "../instant-text.ts";
import { parseDuration } from "../parse-duration.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import {
  answering,
  checked,
  defineVerb,
  parseNumber,
  resolveReason,
  withActor,
  withStack,
  type ActingOptions,
} from "../verb.ts";

interface PolicyOptions extends ActingOptions {
  readonly environment?: string;
  readonly quorum?: number;
  readonly role?: readonly string[];
  readonly expires?: number;
  readonly signed?: boolean;
  readonly withdraw?: boolean;
  readonly asOf?: string;
  readonly reason?: string;
}

/** `policy [MODEL]`: what it takes to be approved. */
export function addPolicy(program: Command): void {
  defineVerb(program, {
    usage: "policy [model]",
    summary: "Show or set what it takes for a version to be approved",
    details:
      "With --environment and terms it is set, for one model or for all; terms that are not given have their defaults: quorum 1, any role, 30 days, unsigned. The author never counts. Approvals under another policy count no more. Where nothing is set, only lifecycles whose spec asks for approval need one.",
    examples: [
      "policy",
      "policy flight-delay --as-of 2026-11-01T00:00:00Z",
      'policy --environment production --quorum 2 --role approver --expires 7d --as root --reason "two pairs of eyes"',
      'policy flight-delay --environment production --withdraw --as root --reason "as all models"',
    ],
    acts: true,
  })
    .option("--environment <name>", "where it holds")
    .option("--quorum <n>", "how many different people must approve, 1 to 10", parseNumber)
    .addOption(new Option("--role <role...>", "whose decisions count").choices(ROLES))
    .option("--expires <duration>", "how long a decision counts, as 12h or 7d", parseDuration)
    .option("--signed", "only statements signed with a token count")
    .option("--withdraw", "take away what was set before")
    .option("--as-of <instant>", "show what held then")
    .option("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (screen, given: string | undefined, options: PolicyOptions) => {
        const model = given === undefined ? null : checked(nameSchema, given, "model");
        const terms = parseTerms(options);
        if (terms !== undefined) {
          const { environment, reason } = requireChange(options);
          return withActor(options, async (modelwright, by) => {
            const { policy } = await modelwright.setPolicy({ model, environment }, terms, { by, reason });
            const what = `${model ?? "every model"} in ${environment}`;
            const said = terms === null ? `withdrawn for ${what}` : `set for ${what}: ${describe(terms)}`;
            return { document: { model, environment, terms, policy }, lines: [said] };
          });
        }
        return withStack(async (modelwright) => {
          const asOf =
            options.asOf === undefined ? {} : { asOf: new Date(checked(instantSchema, options.asOf, "--as-of")) };
          const policies = (await modelwright.policies({ ...(model === null ? {} : { model }), ...asOf })).filter(
            ({ policy }) =>
              options.environment === undefined || (policy.environment ?? options.environment) === options.environment,
          );
          return { document: { policies }, lines: policyTable(screen, policies) };
        });
      }),
    );
}

/** Undefined when nothing is to be set; null when it is taken away. @throws INPUT_INVALID */
function parseTerms(options: PolicyOptions): ApprovalTerms | null | undefined {
  const { quorum, role, expires, signed, withdraw } = options;
  const given = {
    ...(quorum === undefined ? {} : { quorum }),
    ...(role === undefined ? {} : { roles: role }),
    ...(expires === undefined ? {} : { expiresInMs: expires }),
    ...(signed === undefined ? {} : { requiresSignature: signed }),
  };
  if (withdraw && Object.keys(given).length > 0) {
    const problems = "it takes a policy away and has no terms; give one or the other";
    throw new Failure("INPUT_INVALID", { where: "--withdraw", problems });
  }
  if (withdraw) return null;
  return Object.keys(given).length === 0 ? undefined : checked(approvalTermsSchema, given, "the policy");
}

function requireChange({ environment, reason }: PolicyOptions) {
  if (environment === undefined || reason === undefined) {
    const where = environment === undefined ? "--environment" : "--reason";
    throw new Failure("INPUT_INVALID", {
      where,
      problems: "a policy is set for an environment and with a reason; give both",
    });
  }
  return {
    environment: checked(nameSchema, environment, "--environment"),
    reason: resolveReason(reason),
  };
}

const describe = ({ quorum, roles, expiresInMs, requiresSignature }: ApprovalTerms) =>
  `${quorum} of ${roles.length === 0 ? "anybody but the author" : roles.join(" or ")}, good for ${formatDuration(expiresInMs)}${requiresSignature ? ", signed" : ""}`;

function policyTable(screen: Screen, policies: readonly SetPolicy[]): string[] {
  const columns: TableColumn<SetPolicy>[] = [
    { title: "environment", value: ({ policy }) => policy.environment ?? "where a spec asks" },
    { title: "model", value: ({ policy }) => policy.model ?? "every model" },
    { title: "approvals", value: ({ policy }) => describe(policy) },
    { title: "set", value: ({ policy, setAt }) => (policy.environment === null ? "" : instantText(setAt)) },
    { title: "by", value: ({ policy, setBy }) => (policy.environment === null ? "" : setBy) },
    { title: "because", value: ({ reason }) => reason, flexible: true },
  ];
  return renderTable(screen, columns, policies);
}
