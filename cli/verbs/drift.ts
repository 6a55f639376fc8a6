import { basename } from "node:path";
import { Option, type Command } from "commander";
import { runJob } from "../../adapters/compute/run-job.ts";
import { formatNumber } from "../../adapters/reports/numbers.ts";
import { formatCount } from "../../client/text.ts";
import { driftSettingsSchema, type DriftReport, type DriftResult } from "../../contracts/drift.ts";
import { DRIFT_TESTS } from "../../contracts/names.ts";
import { exitOfVerdict } from "../answer.ts";
import { DEFAULT_OUT, loadSignature, pinFile, shownPath, writeReport } from "../files.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, parseNumber } from "../verb.ts";

interface DriftOptions {
  readonly model?: string;
  readonly signature?: string;
  readonly columns?: string;
  readonly test?: readonly string[];
  readonly checksPerFalseAlarm: number;
  readonly out: string;
}

/** `drift REFERENCE CURRENT`: has the data moved? */
export function addDrift(program: Command): void {
  defineVerb(program, {
    usage: "drift <reference> <current>",
    summary: "Judge whether data has moved away from a reference, with a stated rate of false alarms",
    details:
      "Without --columns every column of numbers, booleans or text is watched; with --model its features and its score. Exit code: 0 stable, 1 error, 2 drifted or too few rows to tell.",
    examples: [
      "drift january.parquet february.parquet",
      "drift train.csv today.csv --columns age,plan --checks-per-false-alarm 1000",
      "drift train.parquet today.parquet --model model.onnx",
    ],
  })
    .option("--model <model>", "ONNX model whose score is watched too")
    .option("--signature <file>", "its signature; default signature.json beside it")
    .option("--columns <names>", "columns to watch, with commas between")
    .addOption(new Option("--test <names...>", "drift tests to run").choices(DRIFT_TESTS))
    .option(
      "--checks-per-false-alarm <count>",
      "a stable stream is called drifted at most once in so many checks",
      parseNumber,
      365,
    )
    .option("--out <directory>", "where drift.json and drift.html go", DEFAULT_OUT)
    .action(
      answering(async (screen, referencePath: string, currentPath: string, options: DriftOptions) => {
        const columns = options.columns
          ?.split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "");
        const settings = checked(
          driftSettingsSchema,
          {
            checksPerFalseAlarm: options.checksPerFalseAlarm,
            ...(columns === undefined ? {} : { columns }),
            ...(options.test === undefined ? {} : { tests: options.test }),
          },
          "--checks-per-false-alarm",
        );
        const reference = await pinFile(referencePath, "the reference data");
        const current = await pinFile(currentPath, "the current data");
        const model = options.model === undefined ? null : await pinFile(options.model, "the model");
        const signed = options.model ?? options.signature;
        const signature = signed === undefined ? null : await loadSignature(signed, options.signature);
        const profile = await runJob(
          "profile",
          { data: reference, signature, columns: columns ?? null, model },
          { onProgress: (share, note) => screen.progress(share / 2, `reference: ${note}`) },
        );
        const report = await runJob(
          "drift",
          { profile, data: current, signature, model, settings },
          { onProgress: (share, note) => screen.progress(0.5 + share / 2, `current: ${note}`) },
        );
        const subject = `${basename(currentPath)} against ${basename(referencePath)}`;
        const { renderDrift } = await import("../../adapters/reports/drift-page.ts");
        const page = renderDrift(report, profile, subject);
        const files = await writeReport(options.out, "drift", { report, page });
        const place = { subject, referenceRows: profile.rowCount, page: shownPath(files.html) };
        return {
          document: { verdict: report.verdict, files, report },
          lines: describe(screen, report, place),
          exitCode: exitOfVerdict(report.verdict),
        };
      }),
    );
}

const ORDER = { drifted: 0, insufficient: 1, stable: 2 } as const;

function describe(
  screen: Screen,
  { verdict, rowCount, results, settings }: DriftReport,
  { subject, referenceRows, page }: { subject: string; referenceRows: number; page: string },
): string[] {
  const columns: TableColumn<DriftResult>[] = [
    { title: "verdict", value: (result) => result.verdict, tone: (result) => toneOf(result.verdict) },
    { title: "column", value: ({ column }) => column, flexible: true },
    { title: "test", value: ({ test }) => test },
    { title: "effect", value: ({ statistic }) => formatNumber(statistic), align: "right" },
    { title: "interval", value: ({ interval: [low, high] }) => `[${formatNumber(low)}, ${formatNumber(high)}]` },
    { title: "margin", value: ({ margin }) => formatNumber(margin), align: "right" },
  ];
  return [
    `${screen.paint(toneOf(verdict) ?? "strong", verdict)}  ${subject} · ${formatCount(rowCount)} rows against ${formatCount(referenceRows)}`,
    screen.paint(
      "soft",
      `a stable stream is called drifted at most once in ${formatCount(settings.checksPerFalseAlarm)} checks`,
    ),
    "",
    ...renderTable(
      screen,
      columns,
      results.toSorted((a, b) => ORDER[a.verdict] - ORDER[b.verdict]),
    ),
    "",
    screen.paint("soft", `report: ${page}`),
  ];
}
