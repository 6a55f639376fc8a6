import { basename } from "node:path";
import type { Command } from "commander";
import { runJob } from "../../adapters/compute/run-job.ts";
import { formatEstimate, formatNumber, formatShare } from "../../adapters/reports/numbers.ts";
import { formatCount } from "../../client/text.ts";
import type { ComparisonResult, EvaluationReport, GateResult, MetricResult } from "../../contracts/evaluation.ts";
import { exitOfVerdict } from "../answer.ts";
import { DEFAULT_OUT, loadSignature, pinFile, pinModel, shownPath, writeReport } from "../files.ts";
import { DEFAULT_GATE, evaluationSettings, gateText } from "../parse-gate.ts";
import type { Screen } from "../screen.ts";
import { renderTable, toneOf, type TableColumn } from "../table.ts";
import { answering, defineVerb } from "../verb.ts";

interface EvaluateOptions {
  readonly data: string;
  readonly signature?: string;
  readonly champion?: string;
  readonly championSignature?: string;
  readonly gates?: string;
  readonly gate?: readonly string[];
  readonly slice?: readonly string[];
  readonly out: string;
}

const collect = (value: string, before: readonly string[] = []) => [...before, value];

/** `evaluate MODEL`: metrics with intervals, gates and a comparison on the same rows. */
export function addEvaluate(program: Command): void {
  defineVerb(program, {
    usage: "evaluate <model>",
    summary: "Measure an ONNX model on labelled data and judge it by gates",
    details: `Gates are judged on whole intervals: METRIC>=NUMBER, METRIC<=NUMBER, METRIC<=champion+MARGIN, each with @every-slice or without. With none the gate is ${DEFAULT_GATE}, better than a coin. Exit code: 0 pass, 1 error, 2 a gate failed or was inconclusive.`,
    examples: [
      'evaluate model.onnx --data test.parquet --gate "roc-auc>=0.64" --gate "log-loss<=0.69@every-slice" --slice origin',
      'evaluate new.onnx --data test.csv --champion old/model.onnx --gate "log-loss<=champion+0.002"',
    ],
  })
    .requiredOption("--data <data>", "labelled rows (Parquet, CSV, JSON Lines, npz)")
    .option("--signature <file>", "signature as JSON; default signature.json beside the model")
    .option("--champion <model>", "model to compare with on the same rows")
    .option("--champion-signature <file>", "its signature; default signature.json beside it")
    .option("--gates <file>", "gates as YAML or JSON: a list, or the evaluation section of a spec")
    .option("--gate <gate>", "one gate; may be repeated", collect)
    .option("--slice <column>", "column whose values are judged apart; may be repeated", collect)
    .option("--out <directory>", "where evaluation.json and evaluation.html go", DEFAULT_OUT)
    .action(
      answering(async (screen, path: string, options: EvaluateOptions) => {
        const { gates: file, gate: gates = [], slice: slices = [] } = options;
        const settings = await evaluationSettings({ file, gates, slices });
        const model = await pinModel(path, "model", options.out);
        const data = await pinFile(options.data, "the evaluation data");
        const signature = await loadSignature(path, options.signature, model);
        const report = await runJob(
          "evaluate",
          { model, signature, champion: await loadChampion(options), data, settings },
          { onProgress: screen.progress },
        );
        const names = {
          model: basename(path),
          champion: options.champion === undefined ? null : basename(options.champion),
        };
        const { renderEvaluation } = await import("../../adapters/reports/evaluation-page.ts");
        const page = renderEvaluation(report, names);
        const files = await writeReport(options.out, "evaluation", { report, page });
        return {
          document: { verdict: report.verdict, files, report },
          lines: describe(screen, report, {
            subject: `${names.model} on ${basename(options.data)}`,
            page: shownPath(files.html),
          }),
          exitCode: exitOfVerdict(report.verdict),
        };
      }),
    );
}

async function loadChampion({ champion, championSignature, out }: EvaluateOptions) {
  if (champion === undefined) return null;
  const model = await pinModel(champion, "champion", out);
  return { ...model, signature: await loadSignature(champion, championSignature, model) };
}

function describe(
  screen: Screen,
  report: EvaluationReport,
  { subject, page }: { subject: string; page: string },
): string[] {
  const { verdict, rowCount, positiveCount, comparison, slices } = report;
  const gates: TableColumn<GateResult>[] = [
    { title: "verdict", value: (gate) => gate.verdict, tone: (gate) => toneOf(gate.verdict) },
    { title: "gate", value: ({ gate }) => gateText(gate) },
    { title: "found", value: ({ observed }) => formatEstimate(observed) },
    { title: "on", value: ({ slice }) => slice, flexible: true },
  ];
  const metrics: TableColumn<MetricResult>[] = [
    { title: "metric", value: ({ metric }) => metric },
    { title: "estimate and interval", value: ({ value }) => formatEstimate(value), flexible: true },
  ];
  const compared: TableColumn<ComparisonResult>[] = [
    { title: "against the champion", value: ({ metric }) => metric },
    { title: "this", value: ({ challenger }) => formatNumber(challenger), align: "right" },
    { title: "champion", value: ({ champion }) => formatNumber(champion), align: "right" },
    { title: "difference and interval", value: ({ difference }) => formatEstimate(difference), flexible: true },
  ];
  const share = formatShare(rowCount === 0 ? 0 : positiveCount / rowCount);
  return [
    `${screen.paint(toneOf(verdict) ?? "strong", verdict)}  ${subject} · ${formatCount(rowCount)} rows, ${share} positive`,
    "",
    ...renderTable(screen, gates, report.gates),
    "",
    ...renderTable(screen, metrics, report.metrics),
    ...(comparison.length > 0 ? ["", ...renderTable(screen, compared, comparison)] : []),
    "",
    ...(slices.length > 0 ? [screen.paint("soft", `${formatCount(slices.length)} slices are in the report`)] : []),
    screen.paint("soft", `report: ${page}`),
  ];
}
