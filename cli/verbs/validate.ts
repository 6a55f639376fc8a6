import { basename } from "node:path";
import type { Command } from "commander";
import { runJob } from "../../adapters/compute/run-job.ts";
import { formatNumber } from "../../adapters/reports/numbers.ts";
import { loadDocument } from "../../client/document.ts";
import { formatCount, printable, wrapText } from "../../client/text.ts";
import { dataChecksSchema, type CheckResult, type ValidationReport } from "../../contracts/data.ts";
import { exitOfVerdict } from "../answer.ts";
import { DEFAULT_OUT, pinFile, shownPath, writeReport } from "../files.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, defineVerb } from "../verb.ts";

interface ValidateOptions {
  readonly against?: string;
  readonly label?: string;
  readonly time?: string;
  readonly checks?: string;
  readonly out: string;
}

/** `validate DATA`: the data checks alone on files. */
export function addValidate(program: Command): void {
  defineVerb(program, {
    usage: "validate <data>",
    summary: "Check a data file: schema, rows, nulls, ranges, duplicates, overlap, balance, leakage",
    details:
      "DATA is Parquet, CSV, JSON Lines or npz. Checks of the label need --label, checks of two files --against. Thresholds are the keys of data.checks in a spec. Exit code: 0 pass, 1 error, 2 a check failed or was inconclusive.",
    examples: [
      "validate train.parquet --label churned",
      "validate train.csv --against test.csv --label churned --time signed_up --checks checks.yaml",
    ],
  })
    .option("--against <data>", "evaluation data: checks the overlap and the order in time of the two")
    .option("--label <column>", "column to predict (0/1 or boolean)")
    .option("--time <column>", "column that orders the rows in time")
    .option("--checks <file>", "thresholds as YAML or JSON, such as minimumRows or ranges")
    .option("--out <directory>", "where validation.json and validation.html go", DEFAULT_OUT)
    .action(
      answering(async (screen, data: string, options: ValidateOptions) => {
        const what = { what: "file of data checks", schema: dataChecksSchema };
        const checks =
          options.checks === undefined ? dataChecksSchema.parse({}) : await loadDocument(options.checks, what);
        const training = await pinFile(data, "the data");
        const evaluation = options.against === undefined ? null : await pinFile(options.against, "the evaluation data");
        const report = await runJob(
          "validate",
          {
            training: { path: training.path },
            evaluation: evaluation && { path: evaluation.path },
            label: options.label ?? null,
            time: options.time ?? null,
            checks,
          },
          { onProgress: screen.progress },
        );
        const subject = [data, ...(options.against === undefined ? [] : [options.against])].map((path) =>
          basename(path),
        );
        const { renderValidation } = await import("../../adapters/reports/validation-page.ts");
        const page = renderValidation(report, subject.join(" and "));
        const files = await writeReport(options.out, "validation", { report, page });
        return {
          document: { verdict: report.verdict, files, report },
          lines: describe(screen, report, shownPath(files.html)),
          exitCode: exitOfVerdict(report.verdict),
        };
      }),
    );
}

/** What did not pass, in its own words and whole. */
function sentences({ paint, width }: Screen, checks: readonly CheckResult[]): string[] {
  const lines = checks
    .filter(({ verdict }) => verdict !== "pass")
    .flatMap(({ verdict, message }) => {
      const [first = "", ...more] = wrapText(printable(message), width - 2);
      return [
        `${paint(toneOf(verdict) ?? "strong", verdict === "fail" ? "✖" : "◆")} ${first}`,
        ...more.map((line) => `  ${line}`),
      ];
    });
  return lines.length === 0 ? [] : [...lines, ""];
}

/** What did not pass stands alone; results of one check that passed are one row. */
interface Row extends Pick<CheckResult, "check" | "dataset" | "verdict"> {
  readonly column: string;
  readonly found: string;
  readonly allowed: string;
}

function describe(
  screen: Screen,
  { verdict, executedCount, checks, datasets }: ValidationReport,
  page: string,
): string[] {
  const sizes = datasets.map(
    ({ name, rowCount, columns }) => `${name} ${formatCount(rowCount)} rows, ${columns.length} columns`,
  );
  const columns: TableColumn<Row>[] = [
    { title: "verdict", value: (row) => row.verdict, tone: (row) => toneOf(row.verdict) },
    { title: "check", value: (row) => row.check },
    { title: "data", value: (row) => row.dataset },
    { title: "column", value: (row) => row.column },
    { title: "found", value: (row) => row.found, align: "right" },
    { title: "allowed", value: (row) => row.allowed, flexible: true },
  ];
  return [
    `${screen.paint(toneOf(verdict) ?? "strong", verdict)}  ${formatCount(executedCount)} checks · ${sizes.join(" · ")}`,
    "",
    ...renderTable(screen, columns, rowsOf(checks)),
    "",
    ...sentences(screen, checks),
    screen.paint("soft", `report: ${page}`),
  ];
}

function rowsOf(checks: readonly CheckResult[]): Row[] {
  const notPassed = checks.filter(({ verdict }) => verdict !== "pass");
  const passed = new Map<string, CheckResult[]>();
  for (const result of checks.filter(({ verdict }) => verdict === "pass")) {
    const key = `${result.check} ${result.dataset}`;
    passed.set(key, [...(passed.get(key) ?? []), result]);
  }
  return [...notPassed.map(oneRow), ...[...passed.values()].flatMap(summary)];
}

const oneRow = ({ check, dataset, verdict, column, observed, allowed }: CheckResult): Row => ({
  check,
  dataset,
  verdict,
  column: column ?? "",
  found: observed === null ? "" : formatNumber(observed),
  allowed,
});

function summary(results: readonly CheckResult[]): Row[] {
  const [first] = results;
  if (!first) return [];
  if (results.length === 1) return [oneRow(first)];
  return [{ ...oneRow(first), column: `${results.length} columns`, found: "" }];
}
