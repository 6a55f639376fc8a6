import type { Command } from "commander";
import type { LogSettingsView } from "../../client/index.ts";
import { Failure } from "../../contracts/failures.ts";
import {
  logSettingsSchema,
  retentionDaysSchema,
  type FieldRule,
  type LogSettings,
} from "../../contracts/log-settings.ts";
import { instantSchema, nameSchema } from "../../contracts/primitives.ts";
import type { Answer } from "../answer.ts";
import { instantText } from "../instant-text.ts";
import { parseFieldRule } from "../parse-field-rule.ts";
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

interface LogSettingsOptions extends ActingOptions {
  readonly sampleShare?: number;
  readonly field?: readonly string[];
  readonly numbers?: boolean;
  readonly days?: number;
  readonly withdraw?: boolean;
  readonly asOf?: string;
  readonly reason?: string;
}

/** `log-settings [ENDPOINT]`: what gateways keep of requests, and how long. */
export function addLogSettings(program: Command): void {
  defineVerb(program, {
    usage: "log-settings [endpoint]",
    summary: "Show or set what gateways keep of requests, and how long",
    details:
      "For an endpoint: which share of its requests is kept with their rows, and what of their columns. It goes before what the spec of its lifecycle says, until it is withdrawn. With --field or --numbers, numbers without a rule are kept as they came, text and tensors are not; without both no column is. For the whole log, without an endpoint: how many days are kept besides today's; older ones are dropped every night, except those a running rollout is judged by.",
    examples: [
      "log-settings",
      "log-settings flight-delay --as-of 2026-11-01T00:00:00Z",
      'log-settings flight-delay --sample-share 0.1 --field hour=allow origin=hash distance=bucket:250,1000 --as grace --reason "a tenth is enough"',
      'log-settings --days 90 --as grace --reason "what the policy says"',
      'log-settings flight-delay --withdraw --as grace --reason "as the spec says"',
    ],
    acts: true,
  })
    .option("--sample-share <share>", "share of requests whose rows are kept, above 0 to 1", parseNumber)
    .option("--field <rule...>", "COLUMN=allow, =hash, =drop or =bucket:EDGES")
    .option("--numbers", "keep numbers as they came, even without a rule for any column")
    .option("--days <n>", "days of the whole log that are kept besides today's", parseNumber)
    .option("--withdraw", "take back what was set before")
    .option("--as-of <instant>", "show what held then")
    .option("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (screen, given: string | undefined, options: LogSettingsOptions) => {
        const endpoint = given === undefined ? null : checked(nameSchema, given, "endpoint");
        const change = parseChange(endpoint, options);
        return change === undefined ? show(screen, endpoint, options) : set(endpoint, change, options);
      }),
    );
}

type Change = { readonly settings: LogSettings | null } | { readonly days: number | null };

/** Undefined when nothing is to be set. @throws INPUT_INVALID */
function parseChange(endpoint: string | null, options: LogSettingsOptions): Change | undefined {
  const { sampleShare, field, numbers, days, withdraw } = options;
  const ofEndpoint = sampleShare !== undefined || field !== undefined || numbers !== undefined;
  const refused = (where: string, problems: string) => new Failure("INPUT_INVALID", { where, problems });
  if (endpoint === null && ofEndpoint)
    throw refused("endpoint", "what is kept of columns is said of one endpoint; name it");
  if (endpoint !== null && days !== undefined)
    throw refused("--days", "days are dropped over all endpoints at once; leave the endpoint out");
  if (withdraw && (ofEndpoint || days !== undefined))
    throw refused("--withdraw", "it takes back what was set; give one or the other");
  if (withdraw) return endpoint === null ? { days: null } : { settings: null };
  if (days !== undefined) return { days: checked(retentionDaysSchema, days, "--days") };
  if (!ofEndpoint) return undefined;
  const fields = field || numbers ? { fields: Object.fromEntries((field ?? []).map(parseFieldRule)) } : {};
  const asked = { ...(sampleShare === undefined ? {} : { sampleShare }), ...fields };
  return { settings: checked(logSettingsSchema, asked, "the settings") };
}

function set(endpoint: string | null, change: Change, options: LogSettingsOptions): Promise<Answer> {
  const { reason: said } = options;
  if (said === undefined)
    throw new Failure("INPUT_INVALID", { where: "--reason", problems: "it is recorded; say why" });
  const reason = resolveReason(said);
  return withActor(options, async (modelwright, by) => {
    if ("days" in change) {
      await modelwright.setLogRetention(change.days, { by, reason });
      const lines = [
        change.days === null ? "days are kept until somebody drops them" : `kept: ${keptDays(change.days)}`,
      ];
      return { document: { retentionDays: change.days }, lines };
    }
    const { settings } = change;
    await modelwright.setLogSettings(endpoint ?? "", settings, { by, reason });
    const lines = [settings ? `set for ${endpoint}: ${describe(settings)}` : `withdrawn for ${endpoint}`];
    return { document: { endpoint, settings }, lines };
  });
}

function show(screen: Screen, endpoint: string | null, { asOf }: LogSettingsOptions): Promise<Answer> {
  const moment = asOf === undefined ? {} : { asOf: new Date(checked(instantSchema, asOf, "--as-of")) };
  return withStack(async (modelwright) => {
    const { retention, endpoints } = await modelwright.logSettings(moment);
    const shown = endpoints.filter((one) => endpoint === null || one.endpoint === endpoint);
    const days = retention
      ? `kept: ${keptDays(retention.days)}, set by ${retention.setBy}: ${retention.reason}`
      : "kept: every day, until somebody drops it";
    return { document: { retention, endpoints: shown }, lines: [days, "", ...settingsTable(screen, shown)] };
  });
}

const keptDays = (days: number): string => `today and ${days === 1 ? "the day" : `${days} days`} before it (UTC)`;

function describe({ sampleShare, fields }: LogSettings): string {
  const rule = (kept: FieldRule) => (kept.keep === "bucket" ? `bucket:${kept.edges.join(",")}` : kept.keep);
  const columns = fields
    ? ["numbers as they came", ...Object.entries(fields).map(([column, kept]) => `${column}=${rule(kept)}`)].join(", ")
    : "no columns";
  return `${sampleShare === 1 ? "every request" : `${Math.round(sampleShare * 1e4) / 100} % of requests`}; ${columns}`;
}

function settingsTable(screen: Screen, endpoints: LogSettingsView["endpoints"]): string[] {
  if (endpoints.length === 0) return ["No endpoint."];
  const columns: TableColumn<LogSettingsView["endpoints"][number]>[] = [
    { title: "endpoint", value: ({ endpoint }) => endpoint },
    {
      title: "kept",
      value: ({ settings }) => (settings ? describe(settings) : "every request; no columns"),
      flexible: true,
    },
    { title: "set by", value: ({ settings, set }) => set?.setBy ?? (settings ? "its spec" : "") },
    { title: "at", value: ({ set }) => (set ? instantText(set.setAt) : "") },
    { title: "because", value: ({ set }) => set?.reason ?? "", flexible: true },
  ];
  return renderTable(screen, columns, endpoints);
}
