import type { LineageImpact } from "../client/index.ts";
import { fitText, formatCount, printable } from "../client/text.ts";
import type { Screen } from "./screen.ts";

/** Epochs told in a terminal; the JSON document has up to a thousand. */
const TOLD = 12;

/** What people saw of what came of a thing. */
export function describeImpact(impact: LineageImpact, { width, paint }: Pick<Screen, "width" | "paint">): string[] {
  const { versionCount, epochCount, predictionCount, epochs } = impact;
  const many = (count: number, one: string) => `${formatCount(count)} ${one}${count === 1 ? "" : "s"}`;
  const summary = `${many(versionCount, "version")}, ${many(epochCount, "routing epoch")}, ${many(predictionCount, "prediction")}`;
  const told = epochs.slice(0, TOLD).map(({ endpoint, epoch, version, arm, predictionCount: answered }) => {
    const line = `${endpoint} epoch ${epoch}: ${version} as ${arm}, ${many(answered, "prediction")}`;
    return `  ${fitText(printable(line), width - 2)}`;
  });
  const left = epochCount - told.length;
  return [
    paint("strong", `in part in ${summary}`),
    ...told,
    ...(left > 0 ? [`  and ${many(left, "earlier epoch")}`] : []),
  ];
}
