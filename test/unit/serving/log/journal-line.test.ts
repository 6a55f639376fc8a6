import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readLine, toRecord, writeRequestLine } from "../../../../serving/log/journal-line.ts";
import { request } from "./journal-request.ts";

test("a request is read as it was written, its scores to the last bit", () => {
  const scores = fc.oneof(
    fc.float32Array({ noNaN: true, maxLength: 40 }),
    fc.float64Array({ noNaN: true, maxLength: 40 }),
  );
  const property = fc.property(scores, fc.double({ min: 0, max: 1, noNaN: true }), (given, threshold) => {
    const written = request("a", { scores: given, threshold, rowCount: given.length });
    expect(readLine(writeRequestLine(written))).toEqual({ request: toRecord(written) });
  });
  fc.assert(property);
});

test("a score at the threshold decides for 1, one below it for 0", () => {
  expect(toRecord(request("a", { scores: Float64Array.of(0.3, 0.2), threshold: 0.3 }))).toMatchObject({
    decisions: [1, 0],
  });
});

test("of a request that is not sampled only the first row stands in the journal, which looks judge by", () => {
  const line = writeRequestLine(request("a", { scores: Float32Array.of(0.75, 0.25), rowCount: 2, sampled: false }));
  expect(readLine(line)).toMatchObject({ request: { scores: [0.75], decisions: [1], rowCount: 2 } });
});

test("a line has nothing that a gateway of release 0.1.0 would take for rows: it stumbles before it ships any, and leaves the journal alone", () => {
  const { request: read } = JSON.parse(writeRequestLine(request("a"))) as { request: Record<string, unknown> };
  expect(read).not.toHaveProperty("decisions");
});
