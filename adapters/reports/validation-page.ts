import type { ColumnSummary, ValidationReport } from "../../contracts/data.ts";
import { formatNumber, formatShare } from "./numbers.ts";
import { badge, renderPage, table } from "./page.ts";

/** Data validation as one self-contained HTML file. */
export function renderValidation(report: ValidationReport, subject: string): string {
  const failed = report.checks.filter((check) => check.verdict !== "pass");
  return renderPage({
    title: "Data validation",
    subtitle: subject,
    verdict: report.verdict,
    summary:
      failed.length === 0
        ? `All ${report.executedCount} checks passed.`
        : `${failed.length} of ${report.executedCount} checks did not pass: ${failed.map((check) => check.message).join("; ")}.`,
    sections: [
      {
        title: "Checks",
        body: table(
          ["check", "data", "column", "verdict", "found", "allowed", "what it says"],
          report.checks.map((check) => [
            check.check,
            check.dataset,
            check.column ?? "",
            badge(check.verdict),
            check.observed === null ? "" : formatNumber(check.observed),
            check.allowed,
            check.message,
          ]),
        ),
      },
      ...report.datasets.map((dataset) => ({
        title: `Columns of ${dataset.name}`,
        note: `${formatNumber(dataset.rowCount)} rows`,
        body: table(
          ["column", "type", "nulls", "distinct", "minimum", "mean", "maximum", "deviation"],
          dataset.columns.map((column) => [
            column.name,
            column.type,
            formatShare(column.rowCount === 0 ? 0 : column.nullCount / column.rowCount),
            column.distinctCount === null ? "" : formatNumber(column.distinctCount),
            ...[column.minimum, column.mean, column.maximum].map((value) => formatValue(column.type, value)),
            column.deviation === null || column.type === "timestamp" ? "" : formatNumber(column.deviation),
          ]),
        ),
      })),
    ],
  });
}

/** Most milliseconds from 1970 that a Date holds; data may say more. */
const FURTHEST_DATE_MS = 8.64e15;

/** Timestamps are counted in milliseconds and read as dates. */
function formatValue(type: ColumnSummary["type"], value: number | null): string {
  if (value === null) return "";
  if (type !== "timestamp" || Math.abs(value) > FURTHEST_DATE_MS) return formatNumber(value);
  return new Date(value).toISOString().slice(0, 16).replace("T", " ");
}
