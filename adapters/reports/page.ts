import type { Verdict } from "../../contracts/names.ts";
import { formatNumber } from "./numbers.ts";

/** HTML that is already safe to insert. */
export interface Html {
  readonly html: string;
}

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeText = (text: string) => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

type Part = Html | string | number | null | readonly (Html | string)[];

/** Template of a page's parts: strings and numbers are escaped, Html is inserted as it is. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const written = parts.map((part) => write(part));
  return { html: strings.map((text, index) => text + (written[index] ?? "")).join("") };
}

function write(part: Part): string {
  if (part === null) return "";
  if (typeof part === "string" || typeof part === "number") return escapeText(String(part));
  if (isList(part)) return part.map((one) => write(one)).join("");
  return part.html;
}

function isList(part: Part): part is readonly (Html | string)[] {
  return Array.isArray(part);
}

/** A table; numbers are grouped by thousands and set to the right, under a head that is too. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | Html)[])[]): Html {
  const cell = (value: string | number | Html) =>
    typeof value === "number" ? html`<td class="n">${formatNumber(value)}</td>` : html`<td>${value}</td>`;
  const isNumeric = (column: number) => rows.length > 0 && rows.every((row) => typeof row[column] === "number");
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${head.map((name, column) => (isNumeric(column) ? html`<th class="n">${name}</th>` : html`<th>${name}</th>`))}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map(cell)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export type Tone = "good" | "bad" | "open";
const TONES: Record<Verdict | "stable" | "drifted" | "insufficient", Tone> = {
  pass: "good",
  stable: "good",
  fail: "bad",
  drifted: "bad",
  inconclusive: "open",
  insufficient: "open",
};

/** A verdict as a word with its colour; the word alone says it all. */
export const badge = (verdict: keyof typeof TONES): Html =>
  html`<span class="badge ${TONES[verdict]}">${verdict}</span>`;

export interface Page {
  readonly title: string;
  /** What was judged, in one line. */
  readonly subtitle: string;
  readonly verdict: keyof typeof TONES | null;
  /** One sentence under the title. */
  readonly summary: string;
  readonly sections: readonly { readonly title: string; readonly note?: string; readonly body: Html }[];
}

/** A report as one self-contained file: styles and drawings inside, nothing loaded, no script. */
export function renderPage(page: Page): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${page.title}</title>
        <style>
          ${{ html: STYLE }}
        </style>
      </head>
      <body>
        <main>
          <header>
            <p class="product">Modelwright</p>
            <h1>${page.title} ${page.verdict === null ? null : badge(page.verdict)}</h1>
            <p class="subtitle">${page.subtitle}</p>
            <p class="summary">${page.summary}</p>
          </header>
          ${page.sections.map(
            (section) =>
              html`<section>
                <h2>${section.title}</h2>
                ${section.note ? html`<p class="note">${section.note}</p>` : null}${section.body}
              </section> `,
          )}
        </main>
      </body>
    </html> `.html;
}

const STYLE = `
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --paper: #ffffff; --ground: #f5f7f9;
  --good: #11734b; --good-ground: #e2f4eb; --bad: #b3261e; --bad-ground: #fbe6e4; --open: #8a5a00; --open-ground: #fcf0d9; --accent: #2457c5; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
.product { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: .02em; }
h1 { margin: 4px 0 2px; font-size: 28px; line-height: 1.2; display: flex; gap: 14px; align-items: center; flex-wrap: wrap; }
h2 { margin: 0 0 4px; font-size: 17px; }
h3 { margin: 0 0 6px; font-size: 14px; font-weight: 600; }
.subtitle { margin: 0; color: var(--soft); font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px; overflow-wrap: anywhere; }
.summary { margin: 12px 0 0; font-size: 16px; max-width: 75ch; }
section { margin-top: 22px; padding: 20px 22px; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
.note { margin: 0 0 12px; color: var(--soft); max-width: 85ch; font-size: 13.5px; }
.badge { padding: 2px 10px; border-radius: 999px; font-size: 13px; font-weight: 600; white-space: nowrap; }
.badge.good { color: var(--good); background: var(--good-ground); }
.badge.bad { color: var(--bad); background: var(--bad-ground); }
.badge.open { color: var(--open); background: var(--open-ground); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); padding: 6px 14px 6px 0; }
td { border-bottom: 1px solid #eef1f4; padding: 6px 14px 6px 0; vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.n, th.n { text-align: right; }
.nowrap { white-space: nowrap; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.scroll + .plots { margin-top: 22px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 22px; }
figure { margin: 0; }
figure svg { max-width: 100%; height: auto; overflow: visible; }
figcaption { color: var(--soft); font-size: 12.5px; }
.legend { display: flex; gap: 18px; margin: 0 0 10px; color: var(--soft); font-size: 13px; }
.legend i { display: inline-block; width: 18px; height: 3px; vertical-align: middle; margin-right: 6px; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
`;
