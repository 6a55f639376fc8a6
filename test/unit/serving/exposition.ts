export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly samples: Sample[];
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`;
const HELP = new RegExp(`^# HELP (${NAME}) \\S.*$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`);
const SAMPLE = new RegExp(String.raw`^(${NAME})(?:\{((?:${LABEL},?)*)\})? ([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|Inf)|NaN)$`);
const PARTS = ["_bucket", "_sum", "_count"];

function refuse(why: string, line: string): never {
  throw new Error(`metrics: ${why}: ${line}`);
}

/** Reads Prometheus's text format 0.0.4 as its documentation has it, every rule of it that the gateway could break. @throws what is wrong, and where */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>();
  const series = new Set<string>();
  let current = "";
  if (!text.endsWith("\n")) refuse("the last line has no end", text.slice(-40));
  for (const line of text.slice(0, -1).split("\n")) {
    const [, typed, type] = TYPE.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) {
      if (families.has(typed)) refuse("a second type", line);
      families.set(typed, { type, samples: [] });
      current = typed;
    } else if (line.startsWith("#")) {
      if (!HELP.test(line)) refuse("neither help nor type", line);
    } else {
      const sample = readSample(line);
      const family = families.get(current);
      if (!family || !belongs(sample.name, current, family.type)) refuse("not of the family before it", line);
      const key = `${sample.name} ${JSON.stringify(sample.labels)}`;
      if (series.has(key)) refuse("a series twice", line);
      series.add(key);
      family.samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === "histogram") requireHistogram(name, family);
  return families;
}

function readSample(line: string): Sample {
  const found = SAMPLE.exec(line);
  if (!found) return refuse("no sample", line);
  const [, name = "", labels = ""] = found;
  const pairs = [...labels.matchAll(new RegExp(LABEL, "g"))].map(([, key = "", value = ""]) => {
    const read = value.replaceAll(/\\(["\\n])/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    return [key, read] as const;
  });
  const value = found.at(-1) ?? "";
  return { name, labels: Object.fromEntries(pairs), value: Number(value.replace("Inf", "Infinity")) };
}

const belongs = (name: string, family: string, type: string): boolean =>
  type === "histogram" ? PARTS.some((part) => name === family + part) : name === family;

/** Buckets rise, and the last of them is everything. */
function requireHistogram(name: string, { samples }: Family): void {
  for (const count of samples.filter((sample) => sample.name === `${name}_count`)) {
    const own = JSON.stringify(count.labels);
    const buckets = samples.filter((sample) => {
      const rest = Object.fromEntries(Object.entries(sample.labels).filter(([label]) => label !== "le"));
      return sample.name === `${name}_bucket` && JSON.stringify(rest) === own;
    });
    const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("Inf", "Infinity")));
    const rises = (numbers: readonly number[]) =>
      numbers.every((number, at) => at === 0 || number >= (numbers[at - 1] ?? 0));
    if (!rises(bounds) || !rises(buckets.map(({ value }) => value))) refuse("buckets that fall", `${name}${own}`);
    if (bounds.at(-1) !== Infinity || buckets.at(-1)?.value !== count.value) refuse("no whole", `${name}${own}`);
  }
}
