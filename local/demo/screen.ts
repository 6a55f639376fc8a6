import { createPaint, wrapText } from "../../client/text.ts";

/** What the demo shows: headings, sentences, and one live block that is redrawn in place. */
export interface Screen {
  readonly act: (title: string, explanation?: string) => void;
  readonly say: (line: string) => void;
  /** Replaces the live block. Without a terminal nothing is redrawn: the last one is printed when it settles. */
  readonly live: (lines: readonly string[]) => void;
  /** Leaves the live block as it stands. */
  readonly settle: () => void;
  readonly width: number;
  readonly color: boolean;
}

const MAXIMUM_WIDTH = 120;

export function createScreen(output: NodeJS.WriteStream): Screen {
  const terminal = output.isTTY;
  const color = terminal && !process.env["NO_COLOR"];
  const width = Math.min(output.columns ?? 100, MAXIMUM_WIDTH);
  const paint = createPaint(color);
  const write = (lines: readonly string[]) => output.write(lines.map((line) => `${line}\n`).join(""));
  let block: readonly string[] = [];

  const settle = () => {
    if (!terminal) write(block);
    block = [];
  };
  const say = (line: string) => {
    settle();
    // Indented lines are columns, not prose.
    write(line.startsWith(" ") ? [line] : wrapText(line, width));
  };
  return {
    width,
    color,
    settle,
    say,
    act: (title, explanation) => {
      say("");
      say(paint("strong", title));
      if (explanation !== undefined) write(wrapText(explanation, width).map((line) => paint("soft", line)));
      write([""]);
    },
    live: (lines) => {
      if (terminal) {
        if (block.length > 0) output.write(`\u001B[${block.length}A\u001B[0J`);
        write(lines);
      }
      block = lines;
    },
  };
}
