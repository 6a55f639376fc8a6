import { basename, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { runJob } from "../../adapters/compute/run-job.ts";
import { formatBytes, formatNumber, formatShare } from "../../adapters/reports/numbers.ts";
import { loadDocument } from "../../client/document.ts";
import { printable, wrapText } from "../../client/text.ts";
import { EXIT_CODES, QUANTIZATION_PASSES } from "../../contracts/names.ts";
import {
  optimizationSettingsSchema,
  type Candidate,
  type OptimizationReport,
  type OptimizationSettings,
} from "../../contracts/optimization.ts";
import { DEFAULT_OUT, loadSignature, pinFile, pinModel, shownPath, writeReport } from "../files.ts";
import { followSearch } from "../search-view.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, parseNumber } from "../verb.ts";

interface OptimizeOptions {
  readonly data: string;
  readonly signature?: string;
  readonly calibration?: string;
  readonly passes?: readonly string[];
  readonly settings?: string;
  readonly objective?: string;
  readonly maximumDisagreement?: number;
  readonly batches?: readonly number[];
  readonly budget?: number;
  readonly out: string;
}

/** `optimize MODEL`: makes smaller candidates, measures them and chooses. */
export function addOptimize(program: Command): void {
  defineVerb(program, {
    usage: "optimize <model>",
    summary: "Search for a smaller, faster or cheaper form of an ONNX model that is as good as fp32",
    details:
      "Every candidate is left in the output directory as NAME.onnx, and what was measured beside it: the same search again goes on where it was ended. Keeping fp32 is a valid answer; the exit code is 2 only when a constraint is not kept.",
    examples: [
      "optimize model.onnx --data test.parquet",
      "optimize model.onnx --data test.csv --objective size --json",
      "optimize model.onnx --data test.parquet --passes static-int8 store-f16 --calibration train.parquet",
      "optimize model.onnx --data test.parquet --objective cost --batches 1 16 64",
      "optimize model.onnx --data test.parquet --settings optimization.yaml",
    ],
  })
    .requiredOption("--data <data>", "rows the candidates must agree on and are timed with")
    .option("--calibration <data>", "rows that static-int8 takes its ranges from; default those of --data")
    .option("--signature <file>", "signature as JSON; default signature.json beside the model")
    .addOption(
      new Option("--passes <name...>", "what to try beside fp32; default dynamic-int8").choices(QUANTIZATION_PASSES),
    )
    .option(
      "--settings <file>",
      "the optimization section of a lifecycle: tolerances, constraints, options of the passes",
    )
    .addOption(
      new Option("--objective <what>", "what to make small; default latency").choices(["size", "latency", "cost"]),
    )
    .option(
      "--maximum-disagreement <share>",
      "largest share of rows whose decision may differ from fp32; default 0.01",
      parseNumber,
    )
    .option(
      "--batches <rows...>",
      "batch sizes it will be served in, the present one first; default 1 32",
      parseNumbers,
    )
    .option("--budget <seconds>", "when the search ends and chooses from what it has; default 600", parseNumber)
    .option("--out <directory>", "where optimization.json, optimization.html and the candidates go", DEFAULT_OUT)
    .action(
      answering(async (screen, path: string, options: OptimizeOptions) => {
        const settings = await settingsOf(options);
        const model = await pinModel(path, "model", options.out);
        const data = await pinFile(options.data, "the data");
        const signature = await loadSignature(path, options.signature, model);
        const calibration =
          options.calibration === undefined ? data : await pinFile(options.calibration, "the calibration data");
        const outputDirectory = resolve(options.out);
        const report = await runJob(
          "optimize",
          {
            model,
            signature,
            data: { path: data.path },
            calibrationData: { path: calibration.path },
            settings,
            outputDirectory,
          },
          { onProgress: followSearch(screen) },
        );
        const { renderOptimization } = await import("../../adapters/reports/optimization-page.ts");
        const page = renderOptimization(report, basename(path));
        const files = await writeReport(options.out, "optimization", { report, page });
        const chosen = join(options.out, `${report.chosen}.onnx`);
        const places = { chosen: shownPath(chosen), page: shownPath(files.html) };
        return {
          document: { chosen: report.chosen, outcome: report.outcome, files: { ...files, model: chosen }, report },
          lines: describe(screen, report, places),
          exitCode: report.outcome === "best-effort" ? EXIT_CODES.gateFailed : EXIT_CODES.pass,
        };
      }),
    );
}

async function settingsOf(options: OptimizeOptions): Promise<OptimizationSettings> {
  const { settings: path, passes, objective, batches } = options;
  const schema = optimizationSettingsSchema;
  const written = path === undefined ? {} : await loadDocument(path, { what: "optimization settings", schema });
  const given = {
    ...(objective !== undefined && { objective }),
    ...(options.maximumDisagreement !== undefined && { maximumDisagreementShare: options.maximumDisagreement }),
    ...(passes && { passes }),
    ...(batches && { batches }),
    ...(options.budget !== undefined && { searchBudgetMs: Math.round(options.budget * 1000) }),
  };
  return checked(schema, { ...written, ...given }, "--maximum-disagreement, --batches or --budget");
}

const parseNumbers = (value: string, before: readonly number[] = []): readonly number[] => [
  ...before,
  parseNumber(value),
];

function describe(screen: Screen, report: OptimizationReport, places: { chosen: string; page: string }): string[] {
  const original = report.candidates[0]?.sizeBytes ?? 1;
  const ways = report.candidates[0]?.latency ?? [];
  const threaded = new Set(ways.map(({ threads }) => threads)).size > 1;
  const columns: TableColumn<Candidate>[] = [
    { title: "candidate", value: ({ name }) => name, tone: ({ name }) => (name === report.chosen ? "good" : null) },
    { title: "size", value: ({ sizeBytes }) => formatBytes(sizeBytes), align: "right" },
    { title: "of fp32", value: ({ sizeBytes }) => (sizeBytes / original).toFixed(2), align: "right" },
    ...ways.map(({ batch, threads }, index): TableColumn<Candidate> => ({
      title: `p50 at ${batch}${threaded ? ` × ${threads}` : ""}`,
      value: ({ latency }) => `${formatNumber(latency[index]?.p50Ms ?? Number.NaN)} ms`,
      align: "right",
    })),
    { title: "same decision", value: ({ agreement }) => formatShare(agreement.sameDecisionShare), align: "right" },
    { title: "largest diff.", value: ({ agreement }) => formatNumber(agreement.maximumDifference), align: "right" },
    { title: "front", value: ({ onParetoFront }) => (onParetoFront ? "•" : "") },
    {
      title: "left out because",
      value: ({ refused, unmet }) => refused ?? (unmet.length === 0 ? null : unmet.join("; ")),
      flexible: true,
    },
  ];
  return [
    ...wrapText(`${report.outcome}: ${report.chosen}. ${printable(report.reason)}`, screen.width),
    "",
    ...renderTable(screen, columns, report.candidates),
    "",
    screen.paint("soft", `model:  ${places.chosen}`),
    screen.paint("soft", `report: ${places.page}`),
  ];
}
