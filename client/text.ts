/** Text for people at a terminal: widths, shortening and colour, shared by everything that prints. */

export interface DrawingOptions {
  /** Columns of the terminal; no line is wider. */
  readonly width: number;
  readonly color: boolean;
  /** Milliseconds since 1970: what running durations count to, and what turns the spinner. */
  readonly now: number;
}

/** Characters that take two columns in a terminal: East Asian wide forms and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/**
 * One line of plain text: names and reasons come from people, and a control character or a text-direction mark in them could
 * rewrite what stands on the terminal.
 */
export function printable(text: string): string {
  return text.replaceAll(/\s+/gu, " ").replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "\uFFFD");
}

/** Columns a text takes; it holds no colour. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += /\p{Mn}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** The text itself when it fits into `width` columns, else its beginning with an ellipsis. */
export function fitText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = textWidth(character);
    if (used + next > width - 1) break;
    kept += character;
    used += next;
  }
  return width < 1 ? "" : `${kept.trimEnd()}…`;
}

/** The text in lines of at most `width` columns, broken at spaces; a word that is longer keeps a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && textWidth(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** Exactly `width` columns: shortened, or filled with spaces on the side away from `align`. */
export function padText(text: string, width: number, align: "left" | "right" = "left"): string {
  const fitted = fitText(text, width);
  const space = " ".repeat(Math.max(0, width - textWidth(fitted)));
  return align === "left" ? fitted + space : space + fitted;
}

const TONES = { good: 32, bad: 31, open: 33, accent: 36, soft: 2, strong: 1 } as const;
export type TextTone = keyof typeof TONES;
export type Paint = (tone: TextTone, text: string) => string;

/** Colours text, or leaves it alone. Widths are measured before painting. */
export function createPaint(color: boolean): Paint {
  return (tone, text) => (color && text !== "" ? `\u001B[${TONES[tone]}m${text}\u001B[0m` : text);
}

/** `0.4 s`, `12.0 s`, `3 min 04 s`, `2 h 05 min`, `3 d 04 h`, `30 d`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  // Half a second below an hour rounds to the hour, so the next unit begins there.
  const [large, small, units] =
    seconds < 3599.5 ? [60, 1, ["min", "s"]] : seconds < 86_370 ? [3600, 60, ["h", "min"]] : [86_400, 3600, ["d", "h"]];
  const rounded = Math.round(seconds / small) * small;
  const whole = `${Math.floor(rounded / large)} ${units[0]}`;
  const rest = Math.floor((rounded % large) / small);
  return rest === 0 ? whole : `${whole} ${String(rest).padStart(2, "0")} ${units[1]}`;
}

export const formatCount = (count: number): string => count.toLocaleString("en-US");

/** Basis points as a share: `5 %`, `12.5 %`. */
export const formatBasisPoints = (points: number): string => `${Number((points / 100).toFixed(2))} %`;
