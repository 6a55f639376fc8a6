import { describeProblems, readDocument } from "../client/document.ts";
import { Failure } from "../contracts/failures.ts";
import { evaluationSettingsSchema, type EvaluationSettings, type Gate } from "../contracts/evaluation.ts";
import { METRICS } from "../contracts/names.ts";
import { metrics } from "../core/evaluation/metrics.ts";

const GATE = /^\s*([a-z0-9-]+)\s*(>=|<=)\s*(?:(champion)\s*([+-])\s*)?([0-9.eE-]+)\s*(@every-slice)?\s*$/;

/**
 * A gate as people type it: `roc-auc>=0.6`, `log-loss<=0.69@every-slice`, and against the champion `roc-auc>=champion-0.01` or
 * `log-loss<=champion+0.002`.
 * @throws INPUT_INVALID, METRIC_UNKNOWN
 */
export function parseGate(text: string): Gate {
  const where = `--gate ${JSON.stringify(text.slice(0, 100))}`;
  const [, name = "", operator = "", champion, sign, number = "", everySlice] = GATE.exec(text) ?? [];
  const bound = Number(number);
  if (operator === "" || number === "" || !Number.isFinite(bound)) {
    const problems =
      'no gate; write METRIC>=NUMBER or METRIC<=NUMBER, such as "roc-auc>=0.6", "log-loss<=champion+0.002"';
    throw new Failure("INPUT_INVALID", { where, problems });
  }
  const metric = METRICS.find((known) => known === name);
  if (metric === undefined) throw new Failure("METRIC_UNKNOWN", { where, metric: name, allowed: METRICS.join(", ") });
  const rows = everySlice === undefined ? "overall" : "every-slice";
  if (champion === undefined) return { metric, rows, ...(operator === ">=" ? { atLeast: bound } : { atMost: bound }) };
  const harm = metrics[metric].direction === "higher" ? [">=", "-"] : ["<=", "+"];
  if (operator !== harm[0] || sign !== harm[1] || bound < 0) {
    const problems = `against the champion, ${metric} may only be worse by so much; write "${metric}${harm.join("champion")}0.01"`;
    throw new Failure("INPUT_INVALID", { where, problems });
  }
  return { metric, rows, notWorseThanChampionBy: bound };
}

/** Used when no gate is named: the model must rank better than a coin, shown with its whole interval. */
export const DEFAULT_GATE = "roc-auc>=0.5";

/**
 * Settings of an evaluation from a file of gates (a list, or an `evaluation` section of a spec), gates typed one by one, or the
 * default gate; slices that are named are added.
 * @throws FILE_MISSING, INPUT_INVALID, METRIC_UNKNOWN
 */
export async function evaluationSettings(given: {
  readonly file: string | undefined;
  readonly gates: readonly string[];
  readonly slices: readonly string[];
}): Promise<EvaluationSettings> {
  const typed = given.gates.map((text) => parseGate(text));
  const { file } = given;
  const settings =
    file === undefined
      ? evaluationSettingsSchema.parse({ gates: typed.length > 0 ? typed : [parseGate(DEFAULT_GATE)] })
      : await loadSettings(file);
  const gates = file === undefined ? settings.gates : [...settings.gates, ...typed];
  return { ...settings, gates, slices: [...new Set([...settings.slices, ...given.slices])] };
}

/** A list of gates stands for an `evaluation` section with nothing else in it. */
async function loadSettings(path: string): Promise<EvaluationSettings> {
  const { value, problems } = await readDocument(path, "gates file");
  const parsed = evaluationSettingsSchema.safeParse(Array.isArray(value) ? { gates: value as unknown[] } : value);
  if (problems === null && parsed.success) return parsed.data;
  const found = problems ?? (parsed.error ? describeProblems(parsed.error) : "");
  throw new Failure("INPUT_INVALID", { where: path, problems: `this is no gates file\n${found}` });
}

/** A gate in the words of `parseGate`, which reads it back. */
export function gateText({ metric, atLeast, atMost, notWorseThanChampionBy, rows }: Gate): string {
  const where = rows === "every-slice" ? "@every-slice" : "";
  if (atLeast !== undefined) return `${metric}>=${atLeast}${where}`;
  if (atMost !== undefined) return `${metric}<=${atMost}${where}`;
  const margin = notWorseThanChampionBy ?? 0;
  return `${metric}${metrics[metric].direction === "higher" ? ">=champion-" : "<=champion+"}${margin}${where}`;
}
