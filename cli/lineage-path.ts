import type { LineagePath } from "../client/index.ts";
import { fitText, printable, wrapText } from "../client/text.ts";
import { describeReading } from "../core/lineage/describe-completeness.ts";
import { instantText } from "./instant-text.ts";
import type { Screen } from "./screen.ts";

/** A way from one thing to another, a thing a line and between two of them what was done. */
export function renderPath(path: LineagePath, { width, paint }: Pick<Screen, "width" | "paint">): string[] {
  const line = (text: string) => fitText(printable(text), width);
  const reading = (size: string) => ["", paint(path.complete ? "soft" : "open", line(describeReading(path, size)))];
  if (path.steps === null) {
    const said = wrapText(`Neither ${printable(path.from)} nor ${printable(path.to)} came of the other.`, width);
    return [...said, ...reading("no way")];
  }
  const steps = path.steps.flatMap(({ role, execution, to }) => {
    const when = execution.at === null ? "" : `, ${instantText(new Date(execution.at))}`;
    const where = execution.label === "" ? "" : `, ${execution.label}`;
    return [paint("soft", `│  ${line(`as ${role} in ${execution.kind}${where}${when}`)}`), line(to)];
  });
  const count = path.steps.length;
  return [paint("strong", line(path.from)), ...steps, ...reading(`${count} step${count === 1 ? "" : "s"}`)];
}
