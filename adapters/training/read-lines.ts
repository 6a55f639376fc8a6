import type { Readable } from "node:stream";

/** A line longer than this is handed on in pieces, so that a program without line breaks cannot fill the memory. */
const LONGEST_LINE = 64 * 1024;

/** Hands on each line without its break, the last one too when it has none; resolves when the stream is over. */
export async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
    while (rest.length > LONGEST_LINE) {
      onLine(rest.slice(0, LONGEST_LINE));
      rest = rest.slice(LONGEST_LINE);
    }
  });
  await new Promise<void>((resolve) => {
    stream.once("close", resolve);
    stream.once("error", () => resolve());
  });
  if (rest !== "") onLine(rest);
}
