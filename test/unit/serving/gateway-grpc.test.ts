import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createGrpcClient, type GrpcAnswer, type GrpcClient } from "./grpc-client.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { expected, MemoryRoutes, Models, modelBytes, route } from "./served-model.ts";

const models = new Models();
let source: MemoryRoutes;
let running: RunningGateway;
let client: GrpcClient;

beforeAll(async () => {
  source = new MemoryRoutes(route(models.add(3, 0.1)));
  running = await runGateway(models, source, { bodyLimitBytes: 100_000 });
  client = createGrpcClient(running.gateway.grpcAddress);
});
afterAll(async () => {
  client.close();
  await running.gateway.stop();
  models.remove();
});

const heads = [
  { name: "origin_code", datatype: "INT64", shape: [2] },
  { name: "numbers", datatype: "FP32", shape: [2, 2] },
] as const;
const typed = [
  { ...heads[0], contents: { int64_contents: [0, 2] } },
  { ...heads[1], contents: { fp32_contents: [1, 0.5, -1, 2] } },
];
const raw = [new BigInt64Array([0n, 2n]), new Float32Array([1, 0.5, -1, 2])].map(({ buffer }) => Buffer.from(buffer));
const infer = (fields: object, metadata: Record<string, string> = {}): Promise<GrpcAnswer> =>
  client.call("ModelInfer", { model_name: "delay", ...fields }, metadata);
const answers = [expected(0.1, 0, 1, 0.5), expected(0.1, 2, -1, 2)];
const rawOutput = ({ message }: GrpcAnswer) =>
  new Float32Array(Uint8Array.from(message.raw_output_contents[0]!).buffer);

describe("the protocol's questions over gRPC", () => {
  test("get the answers of HTTP", async () => {
    expect((await client.call("ServerLive")).message).toEqual({ live: true });
    expect((await client.call("ServerReady")).message).toEqual({ ready: true });
    for (const [method, path, request] of [
      ["ServerMetadata", "/v2", {}],
      ["ModelReady", "/v2/models/delay/ready", { name: "delay" }],
      ["ModelReady", "/v2/models/delay/versions/3/ready", { name: "delay", version: "3" }],
      ["ModelMetadata", "/v2/models/delay", { name: "delay" }],
      ["ModelMetadata", "/v2/models/delay/versions/3", { name: "delay", version: "3" }],
    ] as const) {
      const http = (await (await fetch(running.url + path)).json()) as object;
      const { message } = await client.call(method, request);
      // 64-bit shapes arrive as text here.
      const sizes = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll(/"(-?\d+)"/g, "$1")) as object;
      expect(sizes(http)).toMatchObject(sizes(message));
    }
  });

  test("of what nobody serves are answered in status codes, and readiness with no", async () => {
    expect((await client.call("ModelReady", { name: "other" })).message).toEqual({ ready: false });
    expect((await client.call("ModelReady", { name: "delay", version: "2" })).message).toEqual({ ready: false });
    const refused = await Promise.all([
      client.call("ModelMetadata", { name: "other" }),
      client.call("ModelMetadata", { name: "delay", version: "2" }),
      client.call("ModelStatistics", { name: "other" }),
      infer({ model_name: "other", inputs: typed }),
      infer({ model_version: "2", inputs: typed }),
    ]);
    for (const { code, details } of refused) {
      expect(code).toBe(status.NOT_FOUND);
      expect(details).toContain("is not served here");
    }
  });
});

describe("inference over gRPC", () => {
  test("of typed contents answers typed contents", async () => {
    const { code, message } = await infer({ inputs: typed, id: "typed" });
    expect(code).toBe(0);
    expect(message).toMatchObject({ model_name: "delay", model_version: "3", id: "typed", raw_output_contents: [] });
    expect(message.outputs).toMatchObject([{ name: "probability", datatype: "FP32", shape: ["2", "1"] }]);
    for (const [i, value] of message.outputs[0]!.contents!.fp32_contents.entries()) {
      expect(value).toBeCloseTo(answers[i]!, 6);
    }
  });

  test("of raw contents answers raw contents, equal to HTTP's to the bit", async () => {
    const answer = await infer({ inputs: heads, raw_input_contents: raw });
    expect(answer.message.outputs[0]!.contents).toBeNull();
    const http = await running.infer(tensors([0, 1, 0.5], [2, -1, 2]));
    expect([...rawOutput(answer)]).toEqual(http.json.outputs[0]!.data);
  });

  test("of raw columns goes through the model's own mapping, with NaN for a missing value", async () => {
    const column = (name: string, datatype: string, contents: object) => ({ name, datatype, shape: [3], contents });
    const columns = [
      column("origin", "BYTES", { bytes_contents: ["JFK", "XXX", "ATL"].map((text) => Buffer.from(text)) }),
      column("hour", "FP64", { fp64_contents: [18, Number.NaN, 6] }),
      column("distance", "INT64", { int64_contents: [800, 1300, 300] }),
    ];
    const asTensors = await running.infer(tensors([1, 1, 0], [3, 0, 1], [0, -1, -1]));
    for (const parameters of [{}, { content_type: { string_param: "columns" } }]) {
      const { message } = await infer({ inputs: columns, parameters });
      expect(message.outputs[0]!.contents!.fp32_contents).toEqual(asTensors.json.outputs[0]!.data);
    }
  });

  test("tells version, epoch, arm and id in metadata and in parameters, and logs what HTTP logs", async () => {
    const { metadata, message } = await infer(
      { inputs: typed, id: "two", parameters: { routing_key: { string_param: "user-1" } } },
      { "modelwright-routing-key": "user-2" },
    );
    const told = {
      "modelwright-epoch": "1",
      "modelwright-arm": "champion",
      "modelwright-inference-id": "two",
    };
    expect(metadata).toMatchObject(told);
    for (const [name, text] of Object.entries(told)) expect(message.parameters[name]!.string_param).toBe(text);
    await running.infer({ ...tensors([0, 0, 0]), id: "http", parameters: { routing_key: "user-1" } });
    await infer({ inputs: typed, id: "by-metadata" }, { "modelwright-routing-key": "user-1" });
    const found = (id: string) => running.rows.filter(({ inferenceId }) => inferenceId.split("/")[0] === id);
    await eventually("their rows", () => found("by-metadata").length === 2);
    expect(found("two")).toMatchObject([
      { inferenceId: "two/0", endpoint: "delay", epoch: 1, arm: "champion", assigned: true, outcome: "ok" },
      { inferenceId: "two/1", outcome: "ok" },
    ]);
    const [http] = found("http");
    for (const row of [...found("two"), ...found("by-metadata")]) {
      expect(row.routingKeyHash).toBe(http!.routingKeyHash);
    }
  });

  test("without an id gets a UUID of version 7, and by version counts as not assigned", async () => {
    const { message } = await infer({ inputs: typed, model_version: "3" });
    expect(message.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    await eventually("its row", () => running.rows.some(({ inferenceId }) => inferenceId === `${message.id}/0`));
    expect(running.rows.find(({ inferenceId }) => inferenceId === `${message.id}/0`)!.assigned).toBe(false);
  });
});

describe("a gRPC request that is wrong", () => {
  const [origin, numbers] = typed as [object, object];
  test.each([
    ["no inputs", { inputs: [] }],
    ["an input that is missing", { inputs: [origin] }],
    ["an input twice", { inputs: [origin, origin] }],
    ["an unknown datatype", { inputs: [{ ...origin, datatype: "FP8" }, numbers] }],
    [
      "another datatype than the model's",
      { inputs: [{ ...heads[0], datatype: "INT32", contents: { int_contents: [0, 1] } }, numbers] },
    ],
    ["a negative size", { inputs: [{ ...origin, shape: [-1] }, numbers] }],
    [
      "no rows",
      {
        inputs: [
          { ...heads[0], shape: [0] },
          { ...heads[1], shape: [0, 2] },
        ],
      },
    ],
    ["data in another datatype's field", { inputs: [{ ...heads[0], contents: { int_contents: [0, 2] } }, numbers] }],
    ["too few elements", { inputs: [{ ...heads[0], contents: { int64_contents: [0] } }, numbers] }],
    ["no data at all", { inputs: [heads[0], numbers] }],
    ["raw contents for some inputs", { inputs: heads, raw_input_contents: raw.slice(1) }],
    ["raw contents beside typed ones", { inputs: typed, raw_input_contents: raw }],
    ["raw contents of the wrong length", { inputs: heads, raw_input_contents: [raw[0], Buffer.alloc(7)] }],
    [
      "shared memory",
      { inputs: [{ ...origin, parameters: { shared_memory_region: { string_param: "x" } } }, numbers] },
    ],
    ["an unknown output", { inputs: typed, outputs: [{ name: "logit" }] }],
    [
      "classification",
      { inputs: typed, outputs: [{ name: "probability", parameters: { classification: { int64_param: 1 } } }] },
    ],
    ["an unknown content type", { inputs: typed, parameters: { content_type: { string_param: "column" } } }],
    ["a routing key that is a truth value", { inputs: typed, parameters: { routing_key: { bool_param: true } } }],
    ["an id with a line break", { inputs: typed, id: "a\nb" }],
    ["a category beyond the vocabulary", { inputs: [{ ...heads[0], contents: { int64_contents: [4, 0] } }, numbers] }],
  ])("with %s is an invalid argument and says why", async (_, fields) => {
    const { code, details } = await infer(fields);
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(details.length).toBeGreaterThan(20);
  });

  test("beyond the limit of an HTTP body is refused, and the next one is not", async () => {
    const { code } = await infer({ inputs: heads, raw_input_contents: [raw[0], Buffer.alloc(200_000)] });
    expect(code).toBe(status.RESOURCE_EXHAUSTED);
    expect((await infer({ inputs: typed })).code).toBe(0);
  });

  test("is no harm of the model, and tells its epoch and arm where it reached one", async () => {
    const { metadata } = await infer({ inputs: [origin], id: "wrong" });
    expect(metadata).toMatchObject({ "modelwright-epoch": "1", "modelwright-arm": "champion" });
    await infer({ inputs: typed, id: "right" });
    const has = (id: string) => running.rows.some(({ inferenceId }) => inferenceId.startsWith(`${id}/`));
    await eventually("the right row", () => has("right"));
    expect(has("wrong")).toBe(false);
  });
});

describe("over gRPC", () => {
  test("index and statistics are HTTP's", async () => {
    const { models } = (await client.call("RepositoryIndex")).message;
    expect(models).toEqual([{ name: "delay", version: "3", state: "READY", reason: "" }]);
    const http = (await (await fetch(`${running.url}/v2/models/delay/stats`)).json()) as {
      model_stats: { inference_count: number; execution_count: number; inference_stats: { success: object } }[];
    };
    const { inference_count, execution_count } = http.model_stats[0]!;
    expect(inference_count).toBeGreaterThan(0);
    for (const request of [{}, { name: "delay" }, { name: "delay", version: "3" }]) {
      expect((await client.call("ModelStatistics", request)).message.model_stats).toMatchObject([
        {
          name: "delay",
          version: "3",
          inference_count: String(inference_count),
          execution_count: String(execution_count),
        },
      ]);
    }
  });

  test("a model that fails is an internal error, and its canary's failure is answered by the champion", async () => {
    const shortTable = models.addBytes(4, modelBytes(0, 3));
    const last = [{ ...heads[0], contents: { int64_contents: [3, 0] } }, typed[1]!];
    const champion = models.add(3, 0.1);
    const leaseUntilMs = source.nowMs() + 60_000;
    source.set(route(champion, { epoch: 2, canary: shortTable, canaryBasisPoints: 9_999, leaseUntilMs }));
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    const taken = await infer({ inputs: last, id: "taken" });
    expect([taken.code, taken.metadata["modelwright-arm"], taken.message.model_version]).toEqual([0, "champion", "3"]);
    const named = await infer({ inputs: last, model_version: "4" });
    expect([named.code, named.metadata["modelwright-arm"]]).toEqual([status.INTERNAL, "canary"]);
  });

  test("a gateway that stops says it is not ready, and answers what has come", async () => {
    const other = await runGateway(models, new MemoryRoutes(route(models.add(3, 0.1))), { drainMs: 2000 });
    const leaving = createGrpcClient(other.gateway.grpcAddress);
    expect((await leaving.call("ServerReady")).message).toEqual({ ready: true });
    const ask = () => leaving.call("ModelInfer", { model_name: "delay", inputs: typed });
    const before = Array.from({ length: 50 }, ask);
    const stopped = other.gateway.stop();
    expect((await leaving.call("ServerReady")).message).toEqual({ ready: false });
    const during = Array.from({ length: 50 }, ask);
    const codes = (await Promise.all([...before, ...during])).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set([0]));
    await stopped;
    expect(other.rows.length).toBe(2 * codes.length);
    expect((await leaving.call("ServerLive")).code).toBe(status.UNAVAILABLE);
    leaving.close();
  });
});
