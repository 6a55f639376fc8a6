import type { JudgeResult, Setting } from "./rollout-simulation.ts";

/** Where the table stands in docs/rollouts.md. */
const BEGIN = "<!-- made by `npm run bench -- rollout --write` -->";
const END = "<!-- end -->";

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

export const describeSetting = ({ requestsPerMinute, steps }: Setting): string =>
  `${requestsPerMinute}/min, ${steps.map((share) => `${share / 100}`).join("→")} %`;

export function renderRows(setting: Setting, results: readonly JudgeResult[]): string[] {
  return results.map(({ judge, falseRollback, detection, falsePromotion }, index) => {
    const cells = [
      index === 0 ? describeSetting(setting) : "",
      judge,
      percent(falseRollback),
      ...detection.map(({ medianLook }) => medianLook ?? "–"),
      percent(falsePromotion),
    ];
    return `| ${cells.join(" | ")} |`;
  });
}

export function renderTable(rows: readonly string[]): string {
  const head = "| traffic, canary | judge | healthy rolled back | 1.5x found | 2x | 3x | at the margin promoted |";
  return [head, "|---|---|---|---|---|---|---|", ...rows].join("\n");
}

/** The page with the table in its place. @throws Error when the page has no place for it */
export function withTable(page: string, table: string): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error("docs/rollouts.md has lost the place of its table");
  return `${page.slice(0, from + BEGIN.length)}\n\n${table}\n\n${page.slice(to)}`;
}
