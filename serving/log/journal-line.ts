import type { CountedUnit, DecisionCount, RequestRecord } from "../../contracts/inference.ts";

/** What is counted of requests for which the spool had no room. */
export interface Overflow {
  readonly counts: readonly DecisionCount[];
  readonly units: readonly CountedUnit[];
  readonly droppedRows: number;
}

/** A line of the spool as it is read. */
export type Line = { readonly request: RequestRecord } | { readonly overflow: Overflow };

/** A request as the gateway's thread has it: the scores as the model gave them, and the threshold instead of each decision. */
export interface JournalRequest extends Omit<RequestRecord, "scores" | "decisions"> {
  /** One a row; empty unless `ok`. */
  readonly scores: Float32Array | Float64Array;
  /** From it on a score decides for 1. */
  readonly threshold: number;
}

/** What `JSON.parse` makes of a line of the present form, and of the released one of 0.1.0 with plain lists. */
type StoredLine =
  | Line
  | {
      readonly request: Omit<JournalRequest, "scores"> & {
        /** The bytes of the scores, little-endian, in base64: numbers in words would take the gateway's thread longer than the request. */
        readonly scores: string;
        readonly scoreBytes: 4 | 8;
      };
    };

/** A request's line. Of one that is not sampled only the first row is kept, which is what looks judge by. */
export function writeRequestLine(request: JournalRequest): string {
  const scores = request.sampled ? request.scores : request.scores.subarray(0, 1);
  const bytes = Buffer.from(scores.buffer, scores.byteOffset, scores.byteLength);
  // New names go before the spread: after it every object would get a shape of its own, which lives on among what is old.
  const stored = { scoreBytes: scores.BYTES_PER_ELEMENT, ...request, scores: bytes.toString("base64") };
  return JSON.stringify({ request: stored });
}

export const writeOverflowLine = (overflow: Overflow): string => JSON.stringify({ overflow });

/** @throws SyntaxError for what is no line */
export function readLine(text: string): Line {
  const line = JSON.parse(text) as StoredLine;
  if (!("request" in line) || !("scoreBytes" in line.request)) return line as Line;
  const { scores: encoded, scoreBytes, ...request } = line.request;
  // Copied, because typed arrays need alignment.
  const { buffer } = new Uint8Array(Buffer.from(encoded, "base64"));
  return {
    request: toRecord({ scores: scoreBytes === 4 ? new Float32Array(buffer) : new Float64Array(buffer), ...request }),
  };
}

/** The request as it is counted and kept. */
export function toRecord({ scores, threshold, ...request }: JournalRequest): RequestRecord {
  const decisions = Array.from(scores, (score) => (score >= threshold ? 1 : 0));
  return { scores: Array.from(scores), decisions, ...request };
}
