import assert from "node:assert/strict";
import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { check, type Section, type Target } from "../check.ts";
import { asking, binaryRequest, expectEcho, expectError, inferPath, jsonInput, requestOf } from "../requests.ts";
import { SAMPLES, type Sample } from "../samples.ts";

const single = SAMPLES.find(({ datatype }) => datatype === "FP32") as Sample;
const one = (target: Target): string => inferPath(`${target.model}-one`);
const ENCODINGS = [
  ["gzip", gzipSync, gunzipSync],
  ["deflate", deflateSync, inflateSync],
] as const;

/** Enough rows that compressing the answer is worth it. */
function manyRows(): string {
  const rows = 5_000;
  const input = jsonInput(single, {
    shape: `[${rows},2]`,
    data: `[${Array.from({ length: 2 * rows }, (_, i) => i).join(",")}]`,
  });
  return requestOf([input], asking(single));
}

export const compression: Section = {
  title: "Compression",
  checks: ENCODINGS.flatMap(([encoding, pack, unpack]) => [
    check(`takes a request in ${encoding}`, async (target) => {
      const body = pack(requestOf([jsonInput(single)], asking(single)));
      expectEcho(await target.http.post(one(target), body, { "content-encoding": encoding }), single);
    }),
    check(`takes bytes behind JSON in ${encoding}`, async (target) => {
      const { body, headers } = binaryRequest([single], { more: asking(single) });
      expectEcho(await target.http.post(one(target), pack(body), { ...headers, "content-encoding": encoding }), single);
    }),
    check(`answers in ${encoding} where the client takes it`, async (target) => {
      const answer = await target.http.post(one(target), manyRows(), { "accept-encoding": encoding });
      assert.equal(answer.headers["content-encoding"], encoding);
      assert.equal(JSON.parse(unpack(answer.bytes).toString("utf8")).outputs[0].data.flat().length, 10_000);
    }),
    check(`refuses what is not ${encoding}`, async (target) => {
      const body = requestOf([jsonInput(single)]);
      expectError(await target.http.post(one(target), body, { "content-encoding": encoding }));
    }),
  ]),
};
