import type { Estimate } from "../../contracts/evaluation.ts";

/** Four decimals, six for small values, thousands grouped. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  const size = Math.abs(value);
  if (size >= 100) return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
  if (size >= 0.001) return value.toFixed(4);
  if (size >= 0.00001) return value.toFixed(6);
  return value.toExponential(2);
}

/** `17.9 %`; `99.84 %` where one decimal would round to certainty. */
export const formatShare = (share: number): string => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 1)} %`;

/** `95 %`: a level somebody chose has no more decimals than they gave it. */
export const formatLevel = (level: number): string => `${Number((100 * level).toPrecision(6))} %`;

export function formatBytes(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  if (sizeBytes < 1024 ** 2) return `${(sizeBytes / 1024).toFixed(1)} KiB`;
  return `${(sizeBytes / 1024 ** 2).toFixed(1)} MiB`;
}

/** `0.6712 [0.6689, 0.6735]`, or why there is none. */
export function formatEstimate(value: Estimate): string {
  if (value.kind === "undefined") return `undefined: ${value.reason}`;
  return `${formatNumber(value.estimate)} [${formatNumber(value.interval[0])}, ${formatNumber(value.interval[1])}]`;
}
