import { fitText, padText, printable, textWidth, type TextTone } from "../client/text.ts";
import type { Screen } from "./screen.ts";

export interface TableColumn<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null;
  readonly align?: "left" | "right";
  /** Takes the room that is left, and is shortened when there is none. One column of a table. */
  readonly flexible?: boolean;
  readonly tone?: (row: Row) => TextTone | null;
}

const GAP = 2;
const SMALLEST_FLEXIBLE = 12;

/** Rows under titles in aligned columns; only the flexible column is shortened to keep a line within the screen. */
export function renderTable<Row>(
  { width, paint }: Pick<Screen, "width" | "paint">,
  columns: readonly TableColumn<Row>[],
  rows: readonly Row[],
): string[] {
  const cells = rows.map((row) => columns.map(({ value }) => printable(String(value(row) ?? ""))));
  const wanted = columns.map(({ title }, index) =>
    Math.max(textWidth(title), ...cells.map((line) => textWidth(line[index] ?? ""))),
  );
  const fixed = columns.reduce((sum, { flexible }, index) => sum + (flexible ? 0 : (wanted[index] ?? 0)), 0);
  const room = Math.max(SMALLEST_FLEXIBLE, width - fixed - GAP * (columns.length - 1));
  const widths = columns.map(({ flexible }, index) => Math.min(wanted[index] ?? 0, flexible ? room : Infinity));
  const line = (texts: readonly string[], tone: (index: number) => TextTone | null) =>
    texts
      .map((text, index) => {
        const last = index === columns.length - 1 && columns[index]?.align !== "right";
        const columnWidth = widths[index] ?? 0;
        const shown = last ? fitText(text, columnWidth) : padText(text, columnWidth, columns[index]?.align);
        const toned = tone(index);
        return toned ? paint(toned, shown) : shown;
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => "soft",
    ),
    ...rows.map((row, number) => line(cells[number] ?? [], (index) => columns[index]?.tone?.(row) ?? null)),
  ];
}

const VERDICT_TONES: Partial<Record<string, TextTone>> = {
  pass: "good",
  stable: "good",
  promoted: "good",
  completed: "good",
  fail: "bad",
  failed: "bad",
  drifted: "bad",
  rejected: "bad",
  aborted: "bad",
  "rolled-back": "bad",
  inconclusive: "open",
  insufficient: "open",
  waiting: "open",
  running: "accent",
};

/** The colour a verdict or status is shown in; the word alone says it all. */
export const toneOf = (word: string): TextTone | null => VERDICT_TONES[word] ?? null;
