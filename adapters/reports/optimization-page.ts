import type { BatchInvariance, OptimizationReport } from "../../contracts/optimization.ts";
import { formatBytes, formatNumber, formatShare } from "./numbers.ts";
import { html, renderPage, table } from "./page.ts";
import { candidatePlots, layerPlot } from "./optimization-plots.ts";

/** The candidates and why one was chosen, as one self-contained HTML file. */
export function renderOptimization(report: OptimizationReport, subject: string): string {
  const isRefused = report.candidates.some(({ refused, unmet }) => refused !== null || unmet.length > 0);
  return renderPage({
    title: "Optimisation",
    subtitle: `${subject} · ${report.source}`,
    verdict: null,
    summary: `Chosen (${report.outcome}): ${report.chosen}. ${report.reason}`,
    sections: [
      {
        title: "Candidates",
        note: `Agreement is with fp32 on the same rows; what a row's answer owes to its batch is the largest difference of ${
          report.candidates[0]?.batchInvariance.rowCount ?? 0
        } rows run alone and together. Objective: ${report.settings.objective}. Measured on ${Object.entries(
          report.runtime,
        )
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}.`,
        body: html`${table(
          [
            "candidate",
            "size",
            ...latencyHeads(report),
            "same decision",
            "largest difference",
            "alone or in a batch",
            "Pareto front",
            ...(isRefused ? ["left out because"] : []),
          ],
          report.candidates.map((candidate) => [
            candidate.name === report.chosen ? html`<strong>${candidate.name}</strong>` : candidate.name,
            formatBytes(candidate.sizeBytes),
            ...candidate.latency.map((latency) => `${formatNumber(latency.p50Ms)} / ${formatNumber(latency.p95Ms)} ms`),
            formatShare(candidate.agreement.sameDecisionShare),
            formatNumber(candidate.agreement.maximumDifference),
            describeBatch(candidate.batchInvariance),
            candidate.onParetoFront ? "on it" : "",
            ...(isRefused ? [candidate.refused ?? candidate.unmet.join("; ")] : []),
          ]),
        )}
        ${candidatePlots(report)}`,
      },
      ...searchSections(report),
      ...(report.unmade.length === 0
        ? []
        : [
            {
              title: "Passes without a candidate",
              body: table(
                ["pass", "why"],
                report.unmade.map(({ name, reason }) => [name, reason]),
              ),
            },
          ]),
      ...passSections(report),
    ],
  });
}

/** What each pass was given and did. */
function passSections(report: OptimizationReport) {
  return [
    ...Object.entries(report.calibrations).map(([pass, calibration]) => ({
      title: `Ranges ${pass} was given`,
      note: `${calibration.method}${
        calibration.percentile === null ? "" : ` ${calibration.percentile}`
      } over ${calibration.rowCount} rows drawn with seed ${calibration.seed}; digest ${calibration.rangesDigest}.`,
      body: table(
        ["value", "lowest", "highest"],
        Object.entries(calibration.ranges).map(([value, [low, high]]) => [
          value,
          formatNumber(low),
          formatNumber(high),
        ]),
      ),
    })),
    ...Object.entries(report.nodes)
      .filter(([, nodes]) => nodes.length > 0)
      .map(([pass, nodes]) => ({
        title: `What ${pass} did`,
        body: table(
          ["node", "operator", "action", "why"],
          nodes.map((node) => [node.name, node.operator, node.action, node.reason]),
        ),
      })),
  ];
}

/** What was tried and proven on the way to the choice. */
function searchSections(report: OptimizationReport) {
  return [
    {
      title: "Gates",
      note: "What the runtime and another processor make of each candidate; one that fails is left out.",
      body: table(
        ["candidate", "gate", "verdict", "why"],
        report.candidates.flatMap(({ name, gates, tolerances }) => [
          ...tolerances.map(({ gate, verdict, reason }) => [name, gate.metric, verdict, reason]),
          ...gates.map((gate) => [name, gate.name, gate.verdict, gate.reason]),
        ]),
      ),
    },
    ...(report.layers.length === 0
      ? []
      : [
          {
            title: `Layers of ${report.chosen}`,
            note: "In the order of the graph, the signal-to-noise of the outputs when the layer alone is quantized; less is more harm.",
            body: html`${layerPlot(report)}
            ${table(
              ["layer", "dB"],
              report.layers.map(({ name, signalToNoiseDb }) => [name, describeDb(signalToNoiseDb)]),
            )}`,
          },
        ]),
    ...(report.trials.length === 0
      ? []
      : [
          {
            title: "Trials",
            note: `On ${report.settings.proxyRows} rows but for the full ones.`,
            body: table(
              ["pass", "on", "left in float", "dB", "same decision", "inside"],
              report.trials.map((trial) => [
                trial.pass,
                trial.layer === null ? trial.stage : `${trial.layer} alone`,
                trial.layer === null ? trial.fallbacks.join(", ") : "",
                describeDb(trial.signalToNoiseDb),
                formatShare(trial.sameDecisionShare),
                trial.isInside ? "yes" : "no",
              ]),
            ),
          },
        ]),
  ];
}

const describeDb = (value: number | null): string => (value === null ? "equal" : formatNumber(value));

const describeBatch = ({ byDesign, maximumDifference }: BatchInvariance): string =>
  byDesign ? formatNumber(maximumDifference) : `${formatNumber(maximumDifference)}, depends on the batch by design`;

const latencyHeads = (report: OptimizationReport) =>
  (report.candidates[0]?.latency ?? []).map(
    ({ batch, threads }) => `p50 / p95 at batch ${batch}${threads === 1 ? "" : `, ${threads} threads`}`,
  );
