import type { Command } from "commander";
import type { DriftCheck, Monitor } from "../../client/index.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import type { Answer } from "../answer.ts";
import { instantText } from "../instant-text.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, defineVerb, parseNumber, withStack } from "../verb.ts";

/** `monitors [ID]`: what is watched and how its last check came out, or the checks of one monitor. */
export function addMonitors(program: Command): void {
  defineVerb(program, {
    usage: "monitors [id]",
    summary: "List what is watched with its newest drift check, or the checks of one monitor",
    details:
      "Drift, and a check that could not be made, raise an alarm as well: `modelwright alarms`. Exit code: 0, or 2 when a newest check found drift.",
    examples: ["monitors", "monitors flight-delay.v3 --limit 30"],
  })
    .option("--limit <count>", "at most so many checks of one monitor", parseNumber, 14)
    .action(
      answering(async (screen, id: string | undefined, { limit }: { readonly limit: number }) =>
        withStack(async ({ monitors, driftChecks }) => {
          if (id !== undefined) return describeChecks(screen, await driftChecks(id, { limit }));
          const watched = await Promise.all(
            (await monitors()).map(async (monitor) => {
              const [newest = null] = await driftChecks(monitor.id, { limit: 1 });
              return { monitor, newest };
            }),
          );
          return describeMonitors(screen, watched);
        }),
      ),
    );
}

interface Watched {
  readonly monitor: Monitor;
  readonly newest: DriftCheck | null;
}

function describeMonitors(screen: Screen, watched: readonly Watched[]): Answer {
  const columns: TableColumn<Watched>[] = [
    { title: "monitor", value: ({ monitor }) => monitor.id },
    { title: "model", value: ({ monitor }) => monitor.model },
    { title: "schedule (UTC)", value: ({ monitor }) => monitor.schedule },
    { title: "newest check", value: ({ newest }) => (newest ? instantText(newest.scheduledAt) : "none yet") },
    {
      title: "found",
      value: ({ newest }) => newest?.verdict ?? "",
      tone: ({ newest }) => toneOf(newest?.verdict ?? ""),
    },
    { title: "in", value: ({ newest }) => newest?.driftedColumns.join(", ") ?? "", flexible: true },
  ];
  const lines = watched.length === 0 ? ["Nothing is watched."] : renderTable(screen, columns, watched);
  return { document: { monitors: watched }, lines, exitCode: exitOf(watched.map(({ newest }) => newest)) };
}

function describeChecks(screen: Screen, checks: readonly DriftCheck[]): Answer {
  const columns: TableColumn<DriftCheck>[] = [
    { title: "check of", value: ({ scheduledAt }) => instantText(scheduledAt) },
    { title: "rows from", value: ({ window }) => window.from },
    { title: "found", value: ({ verdict }) => verdict, tone: ({ verdict }) => toneOf(verdict) },
    {
      title: "report",
      value: ({ reportDigest }) => (reportDigest ? `artifact/${reportDigest.slice(0, 12)}` : "no rows"),
    },
    { title: "in", value: ({ driftedColumns }) => driftedColumns.join(", "), flexible: true },
  ];
  const lines = checks.length === 0 ? ["No check yet."] : renderTable(screen, columns, checks);
  return { document: { checks }, lines, exitCode: exitOf(checks.slice(0, 1)) };
}

const exitOf = (newest: readonly (DriftCheck | null)[]) =>
  newest.some((check) => check?.harm) ? EXIT_CODES.gateFailed : EXIT_CODES.pass;
