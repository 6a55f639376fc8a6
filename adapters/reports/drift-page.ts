import * as Plot from "@observablehq/plot";
import type { BaselineColumn, BaselineProfile, DriftReport } from "../../contracts/drift.ts";
import { formatNumber } from "./numbers.ts";
import { badge, html, renderPage, table, type Html } from "./page.ts";
import { COLORS, draw, figure, legend } from "./plots.ts";

/** Categories drawn of a column; the counts of all are in the JSON report. */
const MAXIMUM_CATEGORIES = 24;

/** A drift check as one self-contained HTML file. */
export function renderDrift(report: DriftReport, profile: BaselineProfile, subject: string): string {
  const drifted = report.driftedColumns;
  return renderPage({
    title: "Drift check",
    subtitle: subject,
    verdict: report.verdict,
    summary: `${summaryOf(report.verdict, drifted)} ${formatNumber(report.rowCount)} rows against a baseline of ${formatNumber(profile.rowCount)}; a stable stream is called drifted at most once in ${report.settings.checksPerFalseAlarm} checks.`,
    sections: [
      {
        title: "Results",
        note: "Drifted: the whole interval of the effect lies above the margin. Stable: it lies below. Insufficient: neither is shown with this many rows.",
        body: table(
          ["column", "test", "verdict", "effect", "interval", "margin", "detectable"],
          report.results.map((result) => [
            result.column,
            result.test,
            badge(result.verdict),
            formatNumber(result.statistic),
            `[${formatNumber(result.interval[0])}, ${formatNumber(result.interval[1])}]`,
            formatNumber(result.margin),
            formatNumber(result.detectable),
          ]),
        ),
      },
      {
        title: "Distributions",
        body: html`${legend([
            { name: "this window", color: COLORS.subject },
            { name: "baseline", color: COLORS.reference },
          ])}
          <div class="plots">${plots(report, profile)}</div>`,
      },
    ],
  });
}

function summaryOf(verdict: DriftReport["verdict"], drifted: readonly string[]): string {
  if (verdict === "drifted") return `Drifted: ${drifted.join(", ")}.`;
  return verdict === "stable"
    ? "No watched column moved by more than its margin."
    : "Not enough rows for a verdict on every column.";
}

function plots(report: DriftReport, profile: BaselineProfile): Html[] {
  return profile.columns.flatMap((reference) => {
    const current = report.counts.find((counts) => counts.column === reference.column);
    return current ? [figure(reference.column, distributionPlot(reference, current))] : [];
  });
}

function distributionPlot(reference: BaselineColumn, current: BaselineColumn): Html {
  const rows = shares(reference, current);
  const size = {
    width: 330,
    height: 220,
    marginLeft: 46,
    marginBottom: 40,
    y: { label: "share", zero: true, grid: true },
  };
  if (reference.kind === "number") {
    const cumulative = (key: "reference" | "current") => {
      let sum = 0;
      return rows.slice(0, -1).map((row) => ({ edge: Number(row.name), share: (sum += row[key]) }));
    };
    return draw({
      ...size,
      x: { label: null },
      y: { label: "cumulative share", domain: [0, 1], grid: true },
      marks: [
        Plot.line(cumulative("reference"), {
          x: "edge",
          y: "share",
          // Wide and pale, so that it is seen below a window that equals it.
          stroke: COLORS.reference,
          strokeWidth: 5,
          strokeOpacity: 0.45,
          curve: "step-after",
        }),
        Plot.line(cumulative("current"), {
          x: "edge",
          y: "share",
          stroke: COLORS.subject,
          strokeWidth: 2,
          curve: "step-after",
        }),
      ],
    });
  }
  const largest = rows.toSorted((a, b) => b.reference - a.reference).slice(0, MAXIMUM_CATEGORIES);
  return draw({
    ...size,
    x: { label: null, domain: largest.map((row) => row.name), tickRotate: -90 },
    marks: [
      Plot.barY(largest, { x: "name", y: "reference", fill: COLORS.reference, fillOpacity: 0.45 }),
      Plot.dot(largest, { x: "name", y: "current", fill: COLORS.subject, r: 3 }),
    ],
  });
}

function shares(
  reference: BaselineColumn,
  current: BaselineColumn,
): { name: string; reference: number; current: number }[] {
  const total = (column: BaselineColumn) =>
    Math.max(
      1,
      column.counts.reduce((sum, count) => sum + count, 0),
    );
  const names = reference.kind === "number" ? [...reference.edges.map(String), "above"] : reference.values;
  const [referenceTotal, currentTotal] = [total(reference), total(current)];
  return names.map((name, index) => ({
    name,
    reference: (reference.counts[index] ?? 0) / referenceTotal,
    current: (current.counts[index] ?? 0) / currentTotal,
  }));
}
