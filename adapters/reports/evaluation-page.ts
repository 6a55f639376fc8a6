import type { EvaluationReport, SliceResult } from "../../contracts/evaluation.ts";
import type { MetricName } from "../../contracts/names.ts";
import { formatEstimate, formatLevel, formatNumber, formatShare } from "./numbers.ts";
import { badge, html, renderPage, table, type Html, type Page } from "./page.ts";
import {
  COLORS,
  figure,
  intervalPlot,
  legend,
  precisionRecallPlot,
  reliabilityPlot,
  rocPlot,
  type IntervalRow,
} from "./plots.ts";

/** Slices drawn; the rest stays in the JSON report. */
const MAXIMUM_SLICES = 40;

/** The offline evaluation as one self-contained HTML file. */
export function renderEvaluation(
  report: EvaluationReport,
  names: { readonly model: string; readonly champion: string | null },
): string {
  const failed = report.gates.filter((gate) => gate.verdict !== "pass");
  const summary =
    failed.length === 0
      ? `${report.gates.length === 1 ? "The gate" : `All ${report.gates.length} gates`} fixed before the evaluation passed on ${formatNumber(report.rowCount)} rows, ${formatShare(report.positiveCount / report.rowCount)} of them positive.`
      : `${failed.length} of ${report.gates.length} gates did not pass: ${failed.map((gate) => gate.reason).join("; ")}.`;
  const sections: Page["sections"][number][] = [
    {
      title: "Gates",
      note: "Fixed in the spec before anything was measured; judged on intervals, never on point estimates.",
      body: gatesTable(report),
    },
    {
      title: "Metrics",
      note: `Intervals at ${formatLevel(report.settings.confidence)} confidence.`,
      body: metricsTable(report),
    },
    { title: "Curves", body: curves(report, names) },
  ];
  if (report.comparison.length > 0) {
    sections.push({
      title: "Challenger against champion",
      note: `${names.model} minus ${names.champion ?? "champion"} on the same rows, with paired intervals. Zero means no difference.`,
      body: comparisonTable(report),
    });
  }
  for (const column of report.settings.slices) sections.push(sliceSection(report, column));
  return renderPage({
    title: `Evaluation of ${names.model}`,
    subtitle: `model ${report.model} · data ${report.data}`,
    verdict: report.verdict,
    summary,
    sections,
  });
}

function gatesTable(report: EvaluationReport): Html {
  return table(
    ["gate", "rows", "verdict", "found", "why"],
    report.gates.map(({ gate, verdict, slice, observed, reason }) => [
      gateText(gate),
      slice,
      badge(verdict),
      observed.kind === "estimate"
        ? html`<span class="nowrap">${formatEstimate(observed)}</span>`
        : formatEstimate(observed),
      reason,
    ]),
  );
}

function gateText(gate: EvaluationReport["gates"][number]["gate"]): string {
  if (gate.atLeast !== undefined) return `${gate.metric} at least ${gate.atLeast}`;
  if (gate.atMost !== undefined) return `${gate.metric} at most ${gate.atMost}`;
  return `${gate.metric} not worse than the champion by ${gate.notWorseThanChampionBy ?? 0}`;
}

function metricsTable(report: EvaluationReport): Html {
  return table(
    ["metric", "estimate and interval", "rows"],
    report.metrics.map(({ metric, value }) => [metric, formatEstimate(value), value.sampleCount]),
  );
}

function curves(report: EvaluationReport, names: { model: string; champion: string | null }): Html {
  const { curves: subject, championCurves: champion } = report;
  const entries: { name: string; color: string }[] = [{ name: names.model, color: COLORS.subject }];
  if (champion) entries.push({ name: `${names.champion ?? "champion"} (champion)`, color: COLORS.reference });
  return html`${legend(entries)}
    <div class="plots">
      ${figure("Reliability", reliabilityPlot(subject, champion), "Bars: interval of the observed share in each bin of scores.")}
      ${figure("ROC", rocPlot(subject, champion), "Dashed: a coin.")}
      ${figure("Precision and recall", precisionRecallPlot(subject, champion, report.positiveCount / report.rowCount), "Dashed: share of positives.")}
    </div>`;
}

function comparisonTable(report: EvaluationReport): Html {
  return table(
    ["metric", "challenger", "champion", "difference and interval"],
    report.comparison.map(({ metric, challenger, champion, difference }) => [
      metric,
      formatNumber(challenger),
      formatNumber(champion),
      formatEstimate(difference),
    ]),
  );
}

/** ROC AUC by slice where defined, else accuracy; the largest slices, sorted by estimate. */
function sliceSection(report: EvaluationReport, column: string): Page["sections"][number] {
  const slices = report.slices.filter((slice) => slice.column === column);
  const metric: MetricName = slices.some((slice) => estimateOf(slice, "roc-auc")) ? "roc-auc" : "accuracy";
  const overall = report.metrics.find((result) => result.metric === metric)?.value;
  const line = overall?.kind === "estimate" ? overall.estimate : null;
  const rows = slices
    .toSorted((a, b) => b.rowCount - a.rowCount)
    .slice(0, MAXIMUM_SLICES)
    .flatMap((slice): IntervalRow[] => {
      const value = estimateOf(slice, metric);
      if (!value) return [];
      const [low, high] = value.interval;
      return [
        {
          name: `${slice.value} (${formatNumber(slice.rowCount)})`,
          estimate: value.estimate,
          low,
          high,
          notable: line !== null && high < line,
        },
      ];
    })
    .sort((a, b) => b.estimate - a.estimate);
  const left = slices.length - rows.length;
  return {
    title: `Slices by ${column}`,
    note: `${metric} with its interval; dashed: all rows; red: the whole interval lies below it. ${left > 0 ? `The ${rows.length} largest of ${slices.length} slices; all are in the JSON report.` : ""}`,
    body: rows.length === 0 ? html`<p>No slice has enough rows.</p>` : intervalPlot(rows, { label: metric, line }),
  };
}

function estimateOf(slice: SliceResult, metric: MetricName) {
  const value = slice.metrics.find((result) => result.metric === metric)?.value;
  return value?.kind === "estimate" ? value : null;
}
