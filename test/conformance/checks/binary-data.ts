import assert from "node:assert/strict";
import { check, type Section, type Target } from "../check.ts";
import {
  asking,
  binaryOutputs,
  binaryRequest,
  expectBinaryEcho,
  expectEcho,
  expectError,
  inferPath,
  jsonInput,
  mediaType,
  modelOf,
  requestOf,
  samplesOf,
  samplesWith,
} from "../requests.ts";
import { outputName, SAMPLES, type Sample } from "../samples.ts";

const BINARY = ',"parameters":{"binary_data":true}';
const ALL_BINARY = ',"parameters":{"binary_data_output":true}';
const LENGTH = "inference-header-content-length";

const single = SAMPLES.find(({ datatype }) => datatype === "FP32") as Sample;
const one = (target: Target): string => inferPath(`${target.model}-one`);

export const binaryData: Section = {
  title: "Binary tensor extension",
  checks: [
    ...SAMPLES.map((sample) =>
      check(`carries ${sample.datatype} there and back, bit for bit`, async (target) => {
        const { body, headers } = binaryRequest(await samplesWith(target, sample), { more: asking(sample, BINARY) });
        expectBinaryEcho(await target.http.post(inferPath(modelOf(target, sample)), body, headers), sample);
      }),
    ),
    check("carries NaN and infinity, which JSON cannot", async (target) => {
      const bytes = Buffer.from(new Float32Array([Number.NaN, Infinity, -Infinity, -0]).buffer);
      const sample = { ...single, bytes };
      const { body, headers } = binaryRequest([sample], { more: asking(sample, BINARY) });
      expectBinaryEcho(await target.http.post(one(target), body, headers), sample);
    }),
    check("mixes inputs in JSON with inputs in bytes", async (target) => {
      const samples = await samplesOf(target, target.model);
      const isBinary = ({ datatype }: Sample): boolean => datatype === "INT64" || datatype === "BYTES";
      for (const sample of samples.filter(isBinary)) {
        const { body, headers } = binaryRequest(samples, { more: asking(sample, BINARY), isBinary });
        expectBinaryEcho(await target.http.post(inferPath(target.model), body, headers), sample);
      }
    }),
    check("answers JSON to bytes where bytes are not asked for", async (target) => {
      const { body, headers } = binaryRequest([single], { more: asking(single) });
      expectEcho(await target.http.post(one(target), body, headers), single);
    }),
    check("answers bytes to JSON where they are asked for, as application/octet-stream", async (target) => {
      const answer = await target.http.post(one(target), requestOf([jsonInput(single)], asking(single, BINARY)));
      expectBinaryEcho(answer, single);
      assert.equal(mediaType(answer), "application/octet-stream");
    }),
    check("answers every output as bytes for binary_data_output", async (target) => {
      const samples = await samplesOf(target, target.model);
      const { body, headers } = binaryRequest(samples, { more: ALL_BINARY });
      const found = binaryOutputs(await target.http.post(inferPath(target.model), body, headers));
      assert.deepEqual(
        samples.map(outputName).filter((name) => !found.has(name)),
        [],
      );
    }),
    check("lets an output's binary_data go before binary_data_output", async (target) => {
      const more = `${asking(single, ',"parameters":{"binary_data":false}')}${ALL_BINARY}`;
      expectEcho(await target.http.post(one(target), requestOf([jsonInput(single)], more)), single);
    }),
    check("takes a raw body for a model of one input", async (target) => {
      const answer = await target.http.post(one(target), single.bytes, { [LENGTH]: "0" });
      expectBinaryEcho(answer, single);
    }),
    ...malformed(),
  ],
};

/** Each is refused as the client's fault. */
function malformed() {
  const refused = (
    title: string,
    spoil: (sent: ReturnType<typeof binaryRequest>) => ReturnType<typeof binaryRequest>,
  ) =>
    check(title, async (target) => {
      const { body, headers } = spoil(binaryRequest([single], { more: asking(single) }));
      expectError(await target.http.post(one(target), body, headers));
    });
  const sized = (size: number | string) => (): ReturnType<typeof binaryRequest> => {
    const input = jsonInput(single, { data: "", parameters: `{"binary_data_size":${size}}` });
    const header = Buffer.from(requestOf([input]), "utf8");
    return { body: Buffer.concat([header, single.bytes]), headers: { [LENGTH]: String(header.length) } };
  };
  return [
    refused("refuses truncated bytes", ({ body, headers }) => ({ body: body.subarray(0, -3), headers })),
    refused("refuses bytes that nobody announced", ({ body, headers }) => ({
      body: Buffer.concat([body, Buffer.alloc(4)]),
      headers,
    })),
    refused("refuses a header length beyond the body", ({ body, headers }) => ({
      body,
      headers: { ...headers, [LENGTH]: "1073741824" },
    })),
    refused("refuses a header length that is no number", ({ body, headers }) => ({
      body,
      headers: { ...headers, [LENGTH]: "-1" },
    })),
    refused("refuses a header length within the JSON", ({ body, headers }) => ({
      body,
      headers: { ...headers, [LENGTH]: "7" },
    })),
    refused("refuses a size that the shape does not say", sized(12)),
    refused("refuses a size beyond the body", sized(1_073_741_824)),
    refused("refuses a negative size", sized(-1)),
    refused("refuses a size that is no number", sized('"16"')),
    check("refuses a BYTES element that announces more than there is", async (target) => {
      const samples = await samplesOf(target, target.model);
      const spoilt = samples.map((sample) =>
        sample.datatype === "BYTES" ? { ...sample, bytes: Buffer.from([255, 255, 255, 127, 65]) } : sample,
      );
      const { body, headers } = binaryRequest(spoilt);
      expectError(await target.http.post(inferPath(target.model), body, headers));
    }),
  ];
}
