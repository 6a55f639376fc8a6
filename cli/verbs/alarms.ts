import type { Command } from "commander";
import type { Alarm } from "../../client/index.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { idSchema } from "../../contracts/primitives.ts";
import type { Answer } from "../answer.ts";
import { instantText } from "../instant-text.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, resolveReason, withActor, withStack, type ActingOptions } from "../verb.ts";

interface AlarmOptions extends ActingOptions {
  readonly open?: boolean;
  readonly acknowledge?: string;
  readonly reason?: string;
}

/** `alarms`: what asked for somebody's eyes, and who has seen to it. */
export function addAlarms(program: Command): void {
  defineVerb(program, {
    usage: "alarms",
    summary: "List alarms, or acknowledge one",
    details: "Alarms stay on record for ever. Exit 0: all are acknowledged, 3: some are open.",
    examples: ["alarms --open", 'alarms --acknowledge 0199… --as grace --reason "reviewed the evidence next morning"'],
    acts: true,
  })
    .option("--open", "only those nobody has acknowledged")
    .option("--acknowledge <id>", "say that you have seen to it")
    .option("--reason <why>", "what you found; it is recorded in the audit trail")
    .action(
      answering(async (screen, options: AlarmOptions) => {
        if (options.acknowledge !== undefined) return acknowledge(options.acknowledge, options);
        return withStack(async (modelwright) => {
          const alarms = await modelwright.alarms({ open: options.open ?? false });
          const isOpen = alarms.some(({ acknowledged }) => acknowledged === null);
          return {
            document: { alarms },
            lines: alarmTable(screen, alarms),
            exitCode: isOpen ? EXIT_CODES.waiting : EXIT_CODES.pass,
          };
        });
      }),
    );
}

async function acknowledge(given: string, options: AlarmOptions): Promise<Answer> {
  const id = checked(idSchema, given, "--acknowledge");
  if (options.reason === undefined) {
    throw new Failure("INPUT_INVALID", {
      where: "--reason",
      problems: "an acknowledgement says what you found; give it",
    });
  }
  const reason = resolveReason(options.reason);
  return withActor(options, async (modelwright, by) => {
    await modelwright.acknowledge(id, { by, reason });
    return { document: { alarm: id, acknowledged: { by, reason } }, lines: [`acknowledged ${id} by ${by}`] };
  });
}

function alarmTable(screen: Screen, alarms: readonly Alarm[]): string[] {
  if (alarms.length === 0) return ["No alarm."];
  const columns: TableColumn<Alarm>[] = [
    { title: "alarm", value: ({ id }) => id },
    { title: "kind", value: ({ kind }) => kind },
    { title: "raised", value: ({ raisedAt }) => instantText(raisedAt) },
    {
      title: "seen by",
      value: ({ acknowledged }) => acknowledged?.by ?? "nobody",
      tone: ({ acknowledged }) => (acknowledged ? null : "bad"),
    },
    {
      title: "about",
      value: ({ text, acknowledged }) => (acknowledged ? `${text}; ${acknowledged.reason}` : text),
      flexible: true,
    },
  ];
  return renderTable(screen, columns, alarms);
}
