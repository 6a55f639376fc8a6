interface Field {
  readonly name: string;
  readonly least: number;
  readonly greatest: number;
  /** Names that stand for numbers, the first for `least`. */
  readonly words?: readonly string[];
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const FIELDS: readonly Field[] = [
  { name: "minute", least: 0, greatest: 59 },
  { name: "hour", least: 0, greatest: 23 },
  { name: "day of month", least: 1, greatest: 31 },
  { name: "month", least: 1, greatest: 12, words: MONTHS },
  { name: "day of week", least: 0, greatest: 7, words: WEEKDAYS },
];

const PART = /^(\*|[0-9a-z]+)(?:-([0-9a-z]+))?(?:\/([1-9][0-9]*))?$/i;

/**
 * What keeps a text from being a cron expression of five fields, in a few words; null when it is one.
 * A field is a list of `*`, `n`, `n-m`, each with or without a step `/s`; months and weekdays have their English names too, and Sunday
 * is 0 or 7. What Temporal takes besides (six fields, `@every`) is none: it would not mean what the five say.
 */
export function cronProblem(expression: string): string | null {
  const fields = expression.trim().split(/\s+/);
  if (fields.length !== FIELDS.length)
    return `${fields.length} ${fields.length === 1 ? "field" : "fields"} where five belong`;
  for (const [index, field] of FIELDS.entries()) {
    const text = fields[index] ?? "";
    if (!text.split(",").every((part) => isPart(part, field))) return `"${text}" is no ${field.name}`;
  }
  return null;
}

function isPart(part: string, field: Field): boolean {
  const [, from = "", to] = PART.exec(part) ?? [];
  if (from === "*") return to === undefined;
  const [first, last] = [valueOf(from, field), to === undefined ? Infinity : valueOf(to, field)];
  return first !== null && last !== null && first <= last;
}

function valueOf(text: string, { least, greatest, words = [] }: Field): number | null {
  const word = words.indexOf(text.toLowerCase());
  const value = word < 0 ? Number(/^[0-9]{1,2}$/.test(text) ? text : Number.NaN) : word + least;
  return value >= least && value <= greatest ? value : null;
}
