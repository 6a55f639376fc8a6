import { createPaint, fitText, printable, type Paint } from "../client/text.ts";

/** Where a verb writes: results to standard output, what happens meanwhile to standard error. */
export interface Screen {
  readonly json: boolean;
  /** Columns lines are fitted to. */
  readonly width: number;
  readonly color: boolean;
  readonly paint: Paint;
  /** True where lines may be drawn over: people watch. */
  readonly live: boolean;
  /** Draws lines in place of those drawn before. Only where `live`. */
  readonly redraw: (lines: readonly string[]) => void;
  /** Takes away what was drawn last, so that what follows starts clean. */
  readonly erase: () => void;
  /** One line that stays: to standard error with --json. */
  readonly say: (line: string) => void;
  /** How far work is; shown only where it can be drawn over. */
  readonly progress: (share: number, note: string) => void;
}

/** Tables and trees are made for 100 columns; wider terminals give long sentences more room. */
const DEFAULT_WIDTH = 100;
const BAR_WIDTH = 16;

interface ScreenOptions {
  readonly json: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly output: NodeJS.WriteStream;
  readonly errors: NodeJS.WriteStream;
}

/** The terminal as it is: its width, and colour only where a terminal shows it and NO_COLOR does not forbid it. */
export function createScreen({ json, environment, output, errors }: ScreenOptions): Screen {
  const drawing = json ? errors : output;
  const live = drawing.isTTY && environment["TERM"] !== "dumb" && environment["CI"] === undefined;
  const color = drawing.isTTY && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
  // One column stays free: a line as wide as the terminal makes some of them wrap.
  const width = drawing.isTTY && drawing.columns > 0 ? Math.max(40, drawing.columns - 1) : DEFAULT_WIDTH;
  const paint = createPaint(color);
  const results = createArea(drawing);
  const notes = createArea(errors);
  return {
    json,
    width,
    color,
    paint,
    live,
    redraw: (lines) => results.draw(lines.slice(-Math.max(1, (drawing.rows || 50) - 1))),
    erase: () => {
      results.draw([]);
      notes.draw([]);
    },
    say: (line) => {
      results.draw([]);
      drawing.write(`${line}\n`);
    },
    progress: (share, note) => {
      if (!errors.isTTY || !live) return;
      const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH);
      const bar = "━".repeat(full) + "─".repeat(BAR_WIDTH - full);
      notes.draw([`${bar}  ${fitText(printable(note), width - BAR_WIDTH - 2)}`]);
    },
  };
}

/** Lines of a terminal that are drawn over: up to their first one, clear, write, in one piece so that nothing flickers. */
function createArea(stream: NodeJS.WriteStream) {
  let drawnCount = 0;
  return {
    draw: (lines: readonly string[]) => {
      const up = drawnCount > 0 ? `\u001B[${drawnCount}A\r` : "";
      const text = lines.map((line) => `\u001B[2K${line}\n`).join("");
      // Below a shorter drawing the rest of the longer one is cleared.
      if (up !== "" || text !== "") stream.write(`${up}${text}${drawnCount > lines.length ? "\u001B[0J" : ""}`);
      drawnCount = lines.length;
    },
  };
}
