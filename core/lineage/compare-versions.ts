import type { VersionDifference, VersionFacts } from "../../contracts/lineage.ts";

type Aspect = VersionDifference["aspect"];
/** What is compared, in order: a name and its value in words. */
type Values = ReadonlyMap<string, string>;

/**
 * What two versions have alike and what different, in the order data, source, code, parameters, ... in which a difference
 * explains the next one. Nothing is weighed: two metrics differ when their numbers do, whatever their intervals.
 */
export function compareVersions([left, right]: readonly [VersionFacts, VersionFacts]): {
  readonly left: string;
  readonly right: string;
  readonly differences: VersionDifference[];
} {
  const differences = Object.entries(ASPECTS).flatMap(([aspect, valuesOf]) =>
    compareValues(aspect as Aspect, valuesOf(left), valuesOf(right)),
  );
  return { left: left.name, right: right.name, differences };
}

function compareValues(aspect: Aspect, left: Values, right: Values): VersionDifference[] {
  return [...new Set([...left.keys(), ...right.keys()])].map((name) => {
    const values = { left: left.get(name) ?? null, right: right.get(name) ?? null };
    return { aspect, name, ...values, same: values.left === values.right };
  });
}

const ASPECTS: Readonly<Record<Aspect, (facts: VersionFacts) => Values>> = {
  artifact: ({ artifact, origin, parent }) =>
    new Map([["bytes", artifact], ["origin", origin], ...(parent === null ? [] : [["made from", parent] as const])]),
  data: ({ data, evaluation }) =>
    listed([
      ...data
        .filter(({ role, digest }) => role !== "evaluation-data" || digest !== evaluation?.dataDigest)
        .map(({ role, digest, rowCount }): [string, string] => [
          role,
          rowCount === null ? digest : `${digest}, ${rowCount} rows`,
        ]),
      ...(evaluation ? [["evaluation-data", evaluation.dataDigest] as [string, string]] : []),
    ]),
  source: ({ sources }) =>
    listed(sources.filter(({ role }) => role === "source").map(({ path, digest }) => [path, digest])),
  code: ({ making, sources }) =>
    listed([
      ...making.map(({ kind, codeDigest }): [string, string] => [kind, codeDigest ?? "not recorded"]),
      ...sources.filter(({ role }) => role === "trainer").map(({ path, digest }): [string, string] => [path, digest]),
    ]),
  parameters: ({ spec }) => flatten(spec),
  gates: ({ evaluation }) =>
    listed([
      ...(evaluation ? [["verdict", evaluation.verdict] as [string, string]] : []),
      ...(evaluation?.gates ?? []).map(({ gate, verdict, reason }): [string, string] => [
        JSON.stringify(gate),
        `${verdict}: ${reason}`,
      ]),
    ]),
  metrics: ({ evaluation }) =>
    listed(
      (evaluation?.metrics ?? []).map(({ metric, estimate, low, high, undefinedReason }) => [
        metric,
        estimate === null || low === null || high === null
          ? `undefined: ${undefinedReason}`
          : `${short(estimate)} (${short(low)} to ${short(high)})`,
      ]),
    ),
  approvals: ({ approvals }) =>
    listed(approvals.map(({ decision, by, at }) => [`${decision} by ${by}`, at.slice(0, 19)])),
};

const short = (value: number) => String(Number(value.toPrecision(5)));

/** Values of one name together, in a fixed order, so that two lists of the same things are the same. */
function listed(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of [...pairs].sort(([a, one], [b, other]) => (`${a} ${one}` < `${b} ${other}` ? -1 : 1))) {
    const before = values.get(name);
    if (before === value || before?.split("; ").includes(value)) continue;
    values.set(name, before === undefined ? value : `${before}; ${value}`);
  }
  return values;
}

/** Leaves of a JSON value by their paths: `training.parameters.depth`. */
function flatten(value: unknown, path = ""): Map<string, string> {
  if (typeof value !== "object" || value === null) {
    return value === undefined || path === "" ? new Map() : new Map([[path, JSON.stringify(value)]]);
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return path === "" ? new Map() : new Map([[path, Array.isArray(value) ? "[]" : "{}"]]);
  return new Map(entries.flatMap(([name, inner]) => [...flatten(inner, path === "" ? name : `${path}.${name}`)]));
}
