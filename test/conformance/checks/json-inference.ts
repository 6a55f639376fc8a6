import assert from "node:assert/strict";
import { check, type Section } from "../check.ts";
import {
  asking,
  expectEcho,
  inferPath,
  json,
  jsonInput,
  metadataOf,
  modelOf,
  requestOf,
  samplesOf,
  samplesWith,
} from "../requests.ts";
import { outputName, SAMPLES, SHAPE } from "../samples.ts";

interface Answered {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

const nested = (tokens: readonly string[]): string => {
  const [, width] = SHAPE;
  const rows = Array.from({ length: tokens.length / width }, (_, row) => tokens.slice(row * width, (row + 1) * width));
  return `[${rows.map((row) => `[${row.join(",")}]`).join(",")}]`;
};

export const jsonInference: Section = {
  title: "Inference in JSON",
  checks: [
    ...SAMPLES.map((sample) =>
      check(`carries ${sample.datatype} there and back, extremes included`, async (target) => {
        const samples = await samplesWith(target, sample);
        const body = requestOf(
          samples.map((each) => jsonInput(each)),
          asking(sample),
        );
        expectEcho(await target.http.post(inferPath(modelOf(target, sample)), body), sample);
      }),
    ),
    check("takes data nested as the shape says", async (target) => {
      const [sample] = SAMPLES.filter(({ datatype }) => datatype === "FP32");
      assert(sample);
      const body = requestOf([jsonInput(sample, { data: nested(sample.tokens) })], asking(sample));
      expectEcho(await target.http.post(inferPath(`${target.model}-one`), body), sample);
    }),
    check("answers with the model's name, its version and the caller's id", async (target) => {
      const samples = await samplesOf(target, target.model);
      const body = requestOf(
        samples.map((each) => jsonInput(each)),
        ',"id":"call-1"',
      );
      const answer = json<Answered>(await target.http.post(inferPath(target.model), body));
      assert.deepEqual([answer.model_name, answer.id], [target.model, "call-1"]);
      assert.equal(typeof answer.model_version, "string", "no model_version");
    }),
    check("answers by version", async (target) => {
      const { versions } = await metadataOf(target, target.model);
      const samples = await samplesOf(target, target.model);
      const body = requestOf(samples.map((each) => jsonInput(each)));
      json(await target.http.post(inferPath(target.model, versions?.[0] ?? "1"), body));
    }),
    check("answers every output where none is asked for", async (target) => {
      const samples = await samplesOf(target, target.model);
      const answer = json<Answered>(
        await target.http.post(inferPath(target.model), requestOf(samples.map((each) => jsonInput(each)))),
      );
      const names = new Set(answer.outputs.map(({ name }) => name));
      assert.deepEqual(
        samples.map(outputName).filter((name) => !names.has(name)),
        [],
      );
    }),
    check("answers the outputs that are asked for and no other, in that order", async (target) => {
      const samples = await samplesOf(target, target.model);
      const asked = ["uint8_echo", "bool_echo"];
      const outputs = `,"outputs":${JSON.stringify(asked.map((name) => ({ name })))}`;
      const answer = json<Answered>(
        await target.http.post(
          inferPath(target.model),
          requestOf(
            samples.map((each) => jsonInput(each)),
            outputs,
          ),
        ),
      );
      assert.deepEqual(
        answer.outputs.map(({ name }) => name),
        asked,
      );
    }),
    check("takes inputs in any order", async (target) => {
      const samples = (await samplesOf(target, target.model)).toReversed();
      json(await target.http.post(inferPath(target.model), requestOf(samples.map((each) => jsonInput(each)))));
    }),
    check("reads unknown fields and parameters over", async (target) => {
      const samples = await samplesOf(target, target.model);
      const more = ',"parameters":{"nobody_knows":1},"and_this":[]';
      json(
        await target.http.post(
          inferPath(target.model),
          requestOf(
            samples.map((each) => jsonInput(each)),
            more,
          ),
        ),
      );
    }),
    check("takes UTF-8 with a content type that says so", async (target) => {
      const samples = await samplesOf(target, target.model);
      const headers = { "content-type": "application/json; charset=utf-8" };
      json(await target.http.post(inferPath(target.model), requestOf(samples.map((each) => jsonInput(each))), headers));
    }),
  ],
};
