import { basename, join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { runJob } from "../../adapters/compute/run-job.ts";
import { formatBytes, formatNumber, formatShare } from "../../adapters/reports/numbers.ts";
import { printable, wrapText } from "../../client/text.ts";
import { QUANTIZATION_PASSES } from "../../contracts/names.ts";
import { optimizationSettingsSchema, type Candidate, type OptimizationReport } from "../../contracts/optimization.ts";
import { DEFAULT_OUT, loadSignature, pinFile, shownPath, writeReport } from "../files.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";
import { answering, checked, defineVerb, parseNumber } from "../verb.ts";

interface OptimizeOptions {
  readonly data: string;
  readonly signature?: string;
  readonly calibration?: string;
  readonly passes?: readonly string[];
  readonly objective: string;
  readonly maximumDisagreement: number;
  readonly out: string;
}

/** `optimize MODEL`: makes smaller candidates, measures them and chooses. */
export function addOptimize(program: Command): void {
  defineVerb(program, {
    usage: "optimize <model>",
    summary: "Quantize an ONNX model and measure size, latency and agreement with fp32",
    details:
      "Every candidate is left in the output directory as NAME.onnx. Keeping fp32 is a valid answer, so the exit code is 0 whatever is chosen.",
    examples: [
      "optimize model.onnx --data test.parquet",
      "optimize model.onnx --data test.csv --objective size --json",
      "optimize model.onnx --data test.parquet --passes static-int8 store-f16 --calibration train.parquet",
    ],
  })
    .requiredOption("--data <data>", "rows the candidates must agree on and are timed with")
    .option("--calibration <data>", "rows that static-int8 takes its ranges from; default those of --data")
    .option("--signature <file>", "signature as JSON; default signature.json beside the model")
    .addOption(
      new Option("--passes <name...>", "what to try beside fp32; default dynamic-int8").choices(QUANTIZATION_PASSES),
    )
    .addOption(new Option("--objective <what>", "what to make small").choices(["size", "latency"]).default("latency"))
    .option(
      "--maximum-disagreement <share>",
      "largest share of rows whose decision may differ from fp32",
      parseNumber,
      0.01,
    )
    .option("--out <directory>", "where optimization.json, optimization.html and the candidates go", DEFAULT_OUT)
    .action(
      answering(async (screen, path: string, options: OptimizeOptions) => {
        const settings = checked(
          optimizationSettingsSchema,
          {
            objective: options.objective,
            maximumDisagreementShare: options.maximumDisagreement,
            ...(options.passes && { passes: options.passes }),
          },
          "--maximum-disagreement",
        );
        const model = await pinFile(path, "the model");
        const data = await pinFile(options.data, "the data");
        const signature = await loadSignature(path, options.signature);
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
          { onProgress: screen.progress },
        );
        const { renderOptimization } = await import("../../adapters/reports/optimization-page.ts");
        const page = renderOptimization(report, basename(path));
        const files = await writeReport(options.out, "optimization", { report, page });
        const chosen = join(options.out, `${report.chosen}.onnx`);
        const places = { chosen: shownPath(chosen), page: shownPath(files.html) };
        return {
          document: { chosen: report.chosen, files: { ...files, model: chosen }, report },
          lines: describe(screen, report, places),
        };
      }),
    );
}

function describe(screen: Screen, report: OptimizationReport, places: { chosen: string; page: string }): string[] {
  const original = report.candidates[0]?.sizeBytes ?? 1;
  const batches = (report.candidates[0]?.latency ?? []).map(({ batch }) => batch);
  const columns: TableColumn<Candidate>[] = [
    { title: "candidate", value: ({ name }) => name, tone: ({ name }) => (name === report.chosen ? "good" : null) },
    { title: "size", value: ({ sizeBytes }) => formatBytes(sizeBytes), align: "right" },
    { title: "of fp32", value: ({ sizeBytes }) => (sizeBytes / original).toFixed(2), align: "right" },
    ...batches.map((batch, index): TableColumn<Candidate> => ({
      title: `p50 at ${batch}`,
      value: ({ latency }) => `${formatNumber(latency[index]?.p50Ms ?? Number.NaN)} ms`,
      align: "right",
    })),
    { title: "same decision", value: ({ agreement }) => formatShare(agreement.sameDecisionShare), align: "right" },
    { title: "largest diff.", value: ({ agreement }) => formatNumber(agreement.maximumDifference), align: "right" },
    { title: "left out because", value: ({ refused }) => refused, flexible: true },
  ];
  return [
    ...wrapText(`chosen: ${report.chosen}. ${printable(report.reason)}`, screen.width),
    "",
    ...renderTable(screen, columns, report.candidates),
    "",
    screen.paint("soft", `model:  ${places.chosen}`),
    screen.paint("soft", `report: ${places.page}`),
  ];
}
