import { InvalidArgumentError } from "commander";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time as people write it: `90s`, `30m`, `12h`, `7d`. In milliseconds. */
export function parseDuration(text: string): number {
  const [, count, unit] = /^([1-9][0-9]{0,5})([smhd])$/.exec(text.trim()) ?? [];
  const unitMs = unit === undefined ? undefined : UNITS_MS[unit];
  if (unitMs === undefined) throw new InvalidArgumentError("It must be a number and a unit: 90s, 30m, 12h or 7d.");
  return Number(count) * unitMs;
}
