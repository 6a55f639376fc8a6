import type { Tensor } from "../../contracts/data.ts";
import type { ParityAllowance } from "../../contracts/serving-record.ts";
import { halfToNumber } from "../onnx/half.ts";

export interface GoldenJudgement {
  readonly holds: boolean;
  /** The output that is farthest from what was measured, in words. */
  readonly found: string;
}

/**
 * Whether a model answers its golden rows as it did where it was measured. Every output is judged for itself: one of large numbers would
 * drown the noise of another. Where both are the same infinity or both NaN they agree; where only one is, no noise is allowed that large.
 *
 * @param golden the outputs that were measured
 * @param found the outputs here, in any order
 */
export function judgeGolden(
  golden: readonly Tensor[],
  found: readonly Tensor[],
  allowed: ParityAllowance,
): GoldenJudgement {
  const findings = golden.map((expected) => {
    const other = found.find(({ name }) => name === expected.name);
    return { name: expected.name, ...compare(expected, other, allowed) };
  });
  const worst = findings.find(({ holds }) => !holds);
  if (worst !== undefined) return { holds: false, found: `output "${worst.name}" ${worst.found}` };
  return { holds: true, found: findings.map(({ name, found: words }) => `output "${name}" ${words}`).join(", ") };
}

function compare(expected: Tensor, found: Tensor | undefined, allowed: ParityAllowance): GoldenJudgement {
  if (found === undefined) return { holds: false, found: "is missing" };
  if (found.datatype !== expected.datatype || found.shape.join() !== expected.shape.join()) {
    return { holds: false, found: `is ${found.datatype} [${found.shape.join(", ")}]` };
  }
  const [x, y] = [floatsOf(expected), floatsOf(found)];
  if (x !== undefined && y !== undefined) {
    const noise = signalToNoise(x, y);
    const holds = noise >= allowed.minimumSignalToNoiseDb;
    return { holds, found: noise === Number.POSITIVE_INFINITY ? "is equal" : `is at ${Number(noise.toFixed(1))} dB` };
  }
  let differingCount = 0;
  for (const [at, value] of expected.data.entries()) if (value !== found.data[at]) differingCount++;
  const share = expected.data.length === 0 ? 0 : differingCount / expected.data.length;
  const words = differingCount === 0 ? "is equal" : `differs in ${differingCount} of ${expected.data.length} elements`;
  return { holds: share <= allowed.maximumDifferingShare, found: words };
}

function floatsOf({ datatype, data }: Tensor): ArrayLike<number> | undefined {
  if (datatype === "FP16") return Float32Array.from(data as Uint16Array, halfToNumber);
  return data instanceof Float32Array || data instanceof Float64Array ? data : undefined;
}

/** In decibels; infinite when nothing differs, and minus infinity when a number is finite on one side only. */
function signalToNoise(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  let signal = 0;
  let noise = 0;
  for (let at = 0; at < expected.length; at++) {
    const [x, y] = [expected[at]!, found[at]!];
    if (Object.is(x, y)) {
      if (Number.isFinite(x)) signal += x * x;
      continue;
    }
    if (!Number.isFinite(x) || !Number.isFinite(y)) return Number.NEGATIVE_INFINITY;
    signal += x * x;
    noise += (x - y) ** 2;
  }
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}
