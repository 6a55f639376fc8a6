import type { VersionComparison } from "../client/index.ts";
import { fitText, formatCount, padText, printable, textWidth } from "../client/text.ts";
import { describeReading } from "../core/lineage/describe-completeness.ts";
import type { Screen } from "./screen.ts";

const INDENT = "  ";
const NARROWEST = 16;

/** What differs, under the aspect it belongs to; of what is alike only how much it is. */
export function renderComparison(
  comparison: VersionComparison,
  { width, paint }: Pick<Screen, "width" | "paint">,
): string[] {
  const { left, right, differences } = comparison;
  const shown = differences
    .filter(({ same }) => !same)
    .map((one) => ({ aspect: one.aspect, name: shorten(one.name), left: say(one.left), right: say(one.right) }));
  const nameWidth = Math.min(Math.floor(width / 3), Math.max(NARROWEST, ...shown.map(({ name }) => textWidth(name))));
  const half = Math.floor((width - INDENT.length - nameWidth - 4) / 2);
  const leftWidth = Math.min(half, Math.max(NARROWEST, textWidth(left), ...shown.map((one) => textWidth(one.left))));
  const row = (name: string, one: string, other: string) =>
    `${INDENT}${padText(name, nameWidth)}  ${padText(one, leftWidth)}  ${fitText(other, width - INDENT.length - nameWidth - leftWidth - 4)}`.trimEnd();
  const lines = [paint("strong", row("", left, right))];
  for (const aspect of new Set(shown.map((one) => one.aspect))) {
    lines.push(paint("accent", aspect));
    for (const one of shown) if (one.aspect === aspect) lines.push(row(one.name, one.left, one.right));
  }
  const alike = [...new Set(differences.map(({ aspect }) => aspect))].flatMap((aspect) => {
    const count = differences.filter((one) => one.aspect === aspect && one.same).length;
    return count === 0 ? [] : [`${aspect} ${formatCount(count)}`];
  });
  const reading = describeReading(comparison, `${formatCount(differences.length)} aspects compared`);
  return [
    ...lines,
    ...(alike.length > 0 ? ["", fitText(`alike: ${alike.join(", ")}`, width)] : []),
    "",
    paint(comparison.complete ? "soft" : "open", printable(reading)),
  ];
}

const say = (value: string | null) => (value === null ? "–" : shorten(value));

/** Digests by their first twelve digits. */
const shorten = (text: string) => printable(text.replaceAll(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…"));
