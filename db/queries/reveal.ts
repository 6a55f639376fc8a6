import type { Queryable } from "../client.ts";
import { loadOpenings } from "./person.ts";

const REF = /person\/[0-9a-f]{32}|text\/[0-9a-f]{64}/g;

/**
 * The same answer with names and words in place of pseudonyms and commitments, wherever they stand in its strings. What was erased
 * is said to be: `erased person 3f9a1c0d`, `erased text`.
 */
export async function reveal<Answer>(db: Queryable, answer: Answer): Promise<Answer> {
  const refs = new Set<string>();
  changeStrings(answer, (text) => {
    for (const [ref] of text.matchAll(REF)) refs.add(ref);
    return text;
  });
  if (refs.size === 0) return answer;
  const opened = new Map((await loadOpenings(db, [...refs])).map(({ ref, value }) => [ref, value]));
  const shown = (ref: string) => opened.get(ref) ?? erased(ref);
  return changeStrings(answer, (text) => text.replaceAll(REF, shown)) as Answer;
}

const erased = (ref: string): string =>
  ref.startsWith("text/") ? "erased text" : `erased person ${ref.slice("person/".length, "person/".length + 8)}`;

/** A copy of arrays and plain objects with their strings changed; dates, bytes and the like are what they were. */
function changeStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => changeStrings(one, change));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, changeStrings(one, change)]));
}
