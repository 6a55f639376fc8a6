import { Failure } from "../../../contracts/failures.ts";
import { digestOf } from "../../canonical.ts";

/** Where a page ended: the place of its last row, and which question it answers. Opaque to whoever holds it. */
export function writeCursor(place: string | number, question: object): string {
  return Buffer.from(JSON.stringify([place, questionOf(question)])).toString("base64url");
}

/** @throws INPUT_INVALID for anything but a cursor of this very question: another one's would skip what nobody saw */
export function readCursor<Kind extends "string" | "number">(
  cursor: string,
  question: object,
  kind: Kind,
): Kind extends "string" ? string : number {
  const [place, of] = parse(cursor);
  if (typeof place === kind && of === questionOf(question)) return place as Kind extends "string" ? string : number;
  const problems = "it is not where a page of this question ended; begin without it, or ask as before";
  throw new Failure("INPUT_INVALID", { where: "cursor", problems });
}

/** The size of a page may change from one to the next, what is asked may not. */
function questionOf(question: object): string {
  const { after: _after, limit: _limit, ...asked } = question as Record<string, unknown>;
  return digestOf(asked).slice(0, 16);
}

function parse(cursor: string): readonly unknown[] {
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}
