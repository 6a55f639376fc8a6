import assert from "node:assert/strict";
import { check, type Section, type Target } from "../check.ts";
import { modelOf, samplesOf, samplesWith } from "../requests.ts";
import { inputName, isHalf, outputName, SAMPLES, SHAPE, type Sample } from "../samples.ts";
import type { GrpcAnswer } from "../../unit/serving/grpc-client.ts";

/** The codes of gRPC that servers of the protocol answer. */
const OK = 0;
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;

const single = SAMPLES.find(({ datatype }) => datatype === "FP32") as Sample;

async function call(target: Target, method: string, request: object = {}, code: readonly number[] = [OK]) {
  assert(target.grpc);
  const answer = await target.grpc.call(method, request);
  assert(
    code.includes(answer.code),
    `code ${answer.code} (${answer.details.slice(0, 100)}), allowed: ${code.join(", ")}`,
  );
  return answer;
}

const head = (sample: Sample) => ({ name: inputName(sample), datatype: sample.datatype, shape: [...SHAPE] });
const typed = (sample: Sample) => ({
  ...head(sample),
  contents: sample.typed ? { [sample.typed.field]: sample.typed.values } : {},
});
const raw = (samples: readonly Sample[]) => ({
  inputs: samples.map(head),
  raw_input_contents: samples.map(({ bytes }) => bytes),
});

const infer = (target: Target, model: string, fields: object, code?: readonly number[]) =>
  call(target, "ModelInfer", { model_name: model, ...fields }, code);

function expectRaw({ message }: GrpcAnswer, sample: Sample): void {
  const index = message.outputs.findIndex(({ name }) => name === outputName(sample));
  assert.notEqual(index, -1, `no output ${outputName(sample)}`);
  assert.equal(message.raw_output_contents[index]?.toString("hex"), sample.bytes.toString("hex"));
}

function expectTyped({ message }: GrpcAnswer, sample: Sample): void {
  const output = message.outputs.find(({ name }) => name === outputName(sample));
  assert.deepEqual([output?.datatype, output?.shape.map(Number)], [sample.datatype, [...SHAPE]]);
  const field = sample.typed?.field as keyof NonNullable<NonNullable<typeof output>["contents"]>;
  const found = output?.contents?.[field] ?? [];
  const plain = (values: readonly unknown[]) =>
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value));
  assert.deepEqual(plain(found), plain(sample.typed?.values ?? []));
}

const refused = (what: string, fields: object) =>
  check(`refuses ${what}`, async (target) => {
    await infer(target, `${target.model}-one`, fields, [INVALID_ARGUMENT]);
    await infer(target, `${target.model}-one`, { inputs: [typed(single)] });
  });

export const grpc: Section = {
  title: "gRPC",
  needs: "grpc",
  checks: [
    check("ServerLive", async (target) => assert.equal((await call(target, "ServerLive")).message.live, true)),
    check("ServerReady", async (target) => assert.equal((await call(target, "ServerReady")).message.ready, true)),
    check("ServerMetadata", async (target) => assert.notEqual((await call(target, "ServerMetadata")).message.name, "")),
    check("ModelReady", async (target) =>
      assert.equal((await call(target, "ModelReady", { name: target.model })).message.ready, true),
    ),
    check("ModelReady is false of a model nobody serves, or it is not found", async (target) => {
      const { code, message } = await call(target, "ModelReady", { name: "nobody" }, [OK, NOT_FOUND]);
      if (code === OK) assert.equal(message.ready, false);
    }),
    check("ModelMetadata", async (target) => {
      const { message } = await call(target, "ModelMetadata", { name: target.model });
      const long = message.inputs.find(({ name }) => name === "int64");
      assert.deepEqual([long?.datatype, long?.shape], ["INT64", ["-1", "2"]]);
    }),
    check("RepositoryIndex", async (target) => {
      assert((await call(target, "RepositoryIndex")).message.models.length > 0, "it is empty");
    }),
    check("ModelStatistics", async (target) => {
      const { message } = await call(target, "ModelStatistics", { name: target.model });
      assert(message.model_stats.length > 0, "it is empty");
    }),
    ...SAMPLES.filter((sample) => !isHalf(sample)).map((sample) =>
      check(`carries ${sample.datatype} in typed contents`, async (target) => {
        const samples = await samplesWith(target, sample);
        expectTyped(await infer(target, target.model, { inputs: samples.map(typed) }), sample);
      }),
    ),
    ...SAMPLES.map((sample) =>
      check(`carries ${sample.datatype} in raw contents`, async (target) => {
        const samples = await samplesWith(target, sample);
        const answer = await infer(target, modelOf(target, sample), raw(samples));
        if (answer.message.raw_output_contents.length > 0 || isHalf(sample)) expectRaw(answer, sample);
        else expectTyped(answer, sample);
      }),
    ),
    check("answers the outputs that are asked for and no other", async (target) => {
      const samples = await samplesOf(target, target.model);
      const outputs = [{ name: "uint8_echo" }, { name: "bool_echo" }];
      const { message } = await infer(target, target.model, { inputs: samples.map(typed), outputs });
      assert.deepEqual(
        message.outputs.map(({ name }) => name),
        ["uint8_echo", "bool_echo"],
      );
    }),
    check("answers with the caller's id", async (target) => {
      const { message } = await infer(target, `${target.model}-one`, { inputs: [typed(single)], id: "call-1" });
      assert.equal(message.id, "call-1");
    }),
    check("a model nobody serves is not found", async (target) => {
      await infer(target, "nobody", { inputs: [typed(single)] }, [NOT_FOUND]);
    }),
    refused("no inputs", { inputs: [] }),
    refused("an input nobody knows", { inputs: [{ ...typed(single), name: "nobody" }] }),
    refused("an input twice", { inputs: [typed(single), typed(single)] }),
    refused("a datatype nobody knows", { inputs: [{ ...typed(single), datatype: "FLOAT" }] }),
    refused("another datatype than the model's", {
      inputs: [{ ...head(single), datatype: "FP64", contents: { fp64_contents: [1, 2, 3, 4] } }],
    }),
    refused("another shape than the model's", { inputs: [{ ...typed(single), shape: [4] }] }),
    refused("a negative size", { inputs: [{ ...typed(single), shape: [-2, -2] }] }),
    refused("too few elements", { inputs: [{ ...head(single), contents: { fp32_contents: [1] } }] }),
    refused("no data", { inputs: [head(single)] }),
    refused("truncated raw contents", { inputs: [head(single)], raw_input_contents: [single.bytes.subarray(0, 15)] }),
    refused("raw contents for nothing", { inputs: [typed(single)], raw_input_contents: [single.bytes, single.bytes] }),
    refused("an output nobody knows", { inputs: [typed(single)], outputs: [{ name: "nobody" }] }),
  ],
};
