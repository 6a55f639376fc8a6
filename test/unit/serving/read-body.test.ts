import { Readable } from "node:stream";
import type { IncomingMessage } from "node:http";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readBody } from "../../../serving/http/read-body.ts";

/** A request as far as its body goes. */
const request = (pieces: readonly Buffer[], headers: Readonly<Record<string, string>>) =>
  Object.assign(Readable.from(pieces, { objectMode: false }), { headers }) as unknown as IncomingMessage;

const pieces = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.array(fc.nat(400), { maxLength: 8 }))
  .map(([bytes, cuts]) => {
    const places = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
    return places.slice(1).map((place, index) => Buffer.from(bytes.subarray(places[index], place)));
  })
  .map((found) => found.filter(({ length }) => length > 0));

describe("a body", () => {
  test("is read whole however it comes in pieces, announced or not, with what follows its JSON aligned", async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.boolean(), fc.nat(50), async (parts, isAnnounced, jsonBytes) => {
        const sent = Buffer.concat(parts);
        let held = 0;
        const body = await readBody(
          request(parts, {
            "inference-header-content-length": String(jsonBytes),
            ...(isAnnounced ? { "content-length": String(sent.length) } : {}),
          }),
          1_000,
          (bytes) => (held += bytes),
        );
        expect(body).toEqual(sent);
        expect(held).toBe(sent.length);
        // One piece is taken as it came.
        expect(parts.length === 1 ? 0 : (body.byteOffset + jsonBytes) % 8).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test("takes no memory for what is only announced", async () => {
    const announced = 30_000_000;
    const sent = request([Buffer.from("x")], { "content-length": String(announced) });
    const before = process.memoryUsage().arrayBuffers;
    await readBody(sent, announced, () => undefined);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(announced / 2);
  });
});
