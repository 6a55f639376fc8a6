import { fitText, printable, type TextTone } from "../client/text.ts";
import type { CandidateProgress, SearchProgress } from "../contracts/search-progress.ts";
import { ORIGINAL } from "../core/quantization/choose.ts";
import type { Screen } from "./screen.ts";
import { renderTable, type TableColumn } from "./table.ts";

const BAR_WIDTH = 16;
/** Columns a terminal must have for all of the table: a line that wraps could not be drawn over. */
const ROOMY = 72;

/**
 * Shows a search while it runs: on a terminal a table that is drawn over, elsewhere a line for each candidate that is done. Nothing
 * besides the answer with --json.
 */
export function followSearch(screen: Screen): (share: number, note: string, search?: SearchProgress) => void {
  const told = new Set<string>();
  let last: SearchProgress | undefined;
  return (share, note, search) => {
    last = search ?? last;
    if (screen.live) {
      if (last === undefined) screen.progress(share, note);
      else screen.redraw(renderSearch(screen, share, note, last));
      return;
    }
    if (screen.json) return;
    for (const candidate of search?.candidates ?? []) {
      if (told.has(candidate.name) || !["found", "left out"].includes(candidate.state)) continue;
      told.add(candidate.name);
      if (candidate.name !== ORIGINAL) screen.say(lineOf(candidate));
    }
  };
}

/** The bar, the candidates and the best of them so far. */
export function renderSearch(
  screen: Pick<Screen, "width" | "paint">,
  share: number,
  note: string,
  { candidates, best, trialCount }: SearchProgress,
): string[] {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
  const bar = "━".repeat(full) + "─".repeat(BAR_WIDTH - full);
  const columns: TableColumn<CandidateProgress>[] = [
    { title: "candidate", value: ({ name }) => name, tone: ({ name }) => (name === best ? "good" : null) },
    { title: "of fp32", value: ({ sizeRatio }) => sizeRatio?.toFixed(2) ?? "", align: "right" },
    { title: "outputs", value: closeness, align: "right" },
    { title: "in float", value: ({ fallbackCount }) => fallbackCount || "", align: "right" },
    { title: "front", value: ({ onFront }) => (onFront ? "•" : "") },
    { title: "", value: stateOf, tone: toneOf, flexible: true },
  ];
  return [
    `${bar}  ${fitText(printable(note), screen.width - BAR_WIDTH - 2)}`,
    ...renderTable(screen, screen.width < ROOMY ? columns.slice(0, 3) : columns, candidates),
    screen.paint("soft", `best so far: ${best} · ${trialCount} trials`),
  ];
}

const closeness = ({ state, sizeRatio, signalToNoiseDb }: CandidateProgress): string => {
  if (signalToNoiseDb !== null) return `${signalToNoiseDb.toFixed(1)} dB`;
  return state === "found" && sizeRatio !== null ? "equal" : "";
};

const stateOf = ({ state, reason, isInside }: CandidateProgress): string => {
  if (state === "left out") return reason;
  return state === "found" ? (isInside ? "inside the tolerances" : "outside the tolerances") : state;
};

const toneOf = ({ state, isInside }: CandidateProgress): TextTone | null =>
  state === "found" && isInside ? "good" : "soft";

const lineOf = (candidate: CandidateProgress): string => {
  const { name, state, sizeRatio, fallbackCount } = candidate;
  if (state === "left out") return printable(`${name}: ${stateOf(candidate)}`);
  const float = fallbackCount === 0 ? "" : `, ${fallbackCount} ${fallbackCount === 1 ? "layer" : "layers"} in float`;
  return `${name}: ${sizeRatio?.toFixed(2)} of fp32's size, outputs ${closeness(candidate)}${float}, ${stateOf(candidate)}`;
};
