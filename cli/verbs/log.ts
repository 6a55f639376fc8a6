import type { Command } from "commander";
import type { GatewayLog } from "../../client/index.ts";
import { Failure } from "../../contracts/failures.ts";
import { daySchema } from "../../contracts/primitives.ts";
import { withOwner } from "../access/with-owner.ts";
import type { Answer } from "../answer.ts";
import { instantText } from "../instant-text.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, asOption, checked, defineVerb, resolveActor, resolveReason, withStack } from "../verb.ts";

interface LogOptions {
  readonly dropBefore?: string;
  readonly as?: string;
  readonly reason?: string;
}

/** `log`: what became of the rows of the prediction log, and the end of old ones. */
export function addLog(program: Command): void {
  defineVerb(program, {
    usage: "log",
    summary: "Show what became of the rows gateways logged, or drop old days",
    details:
      "For each run of a gateway, as it last told: accepted = written + spilled + dropped. With --drop-before the days before (UTC) are dropped, with the keys counted in them; labels and counts stay. That needs DATABASE_ADMIN_URL, the address of the database's owner, unless the stack is a local one, and is refused while a running rollout is judged by those days.",
    examples: ["log", 'log --drop-before 2026-10-01 --as grace --reason "kept for 90 days"'],
  })
    .option("--drop-before <day>", "first day that stays, as 2026-10-01")
    .addOption(asOption())
    .option("--reason <why>", "why; it is recorded in the audit trail")
    .action(
      answering(async (screen, options: LogOptions) => {
        if (options.dropBefore !== undefined) return drop(options.dropBefore, options);
        return withStack(async (modelwright) => {
          const gateways = await modelwright.gatewayLogs();
          return { document: { gateways }, lines: gatewayTable(screen, gateways) };
        });
      }),
    );
}

async function drop(given: string, { as, reason }: LogOptions): Promise<Answer> {
  const before = checked(daySchema, given, "--drop-before");
  if (reason === undefined) {
    throw new Failure("INPUT_INVALID", { where: "--reason", problems: "what is dropped does not come back; say why" });
  }
  const attributed = { by: resolveActor(as), reason: resolveReason(reason) };
  return withOwner(async (owner) => {
    const { days, rowCount } = await owner.dropPredictions({ before, ...attributed });
    const said = `dropped ${rowCount} rows, with ${days.length} days before ${before}`;
    return { document: { before, days, rowCount }, lines: [said] };
  });
}

function gatewayTable(screen: Screen, gateways: readonly GatewayLog[]): string[] {
  if (gateways.length === 0) return ["No gateway has logged anything."];
  const columns: TableColumn<GatewayLog>[] = [
    { title: "gateway", value: ({ gateway }) => gateway, flexible: true },
    { title: "accepted", value: ({ accepted }) => String(accepted) },
    { title: "written", value: ({ written }) => String(written) },
    { title: "spilled", value: ({ spilled }) => String(spilled) },
    {
      title: "dropped",
      value: ({ dropped }) => String(dropped),
      tone: ({ dropped }) => (dropped > 0 ? "bad" : null),
    },
    { title: "told", value: ({ at }) => instantText(at) },
  ];
  return renderTable(screen, columns, gateways);
}
