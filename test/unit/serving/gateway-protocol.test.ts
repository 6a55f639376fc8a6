import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { expected, MemoryRoutes, Models, route } from "./served-model.ts";

const models = new Models();
let running: RunningGateway;

beforeAll(async () => {
  const source = new MemoryRoutes(route(models.add(3, 0.1)));
  running = await runGateway(models, source, { bodyLimitBytes: 100_000 });
});
afterAll(async () => {
  await running.gateway.stop();
  models.remove();
});

const get = async (path: string, method = "GET") => {
  const response = await fetch(running.url + path, { method });
  const text = await response.text();
  return { status: response.status, type: response.headers.get("content-type"), json: JSON.parse(text) as unknown };
};
const post = async (
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  path = "/v2/models/delay/infer",
) => fetch(running.url + path, { method: "POST", headers, body });

describe("the protocol's questions", () => {
  test.each([
    [
      "/v2",
      { name: "modelwright", version: "0.1.0", extensions: ["binary_tensor_data", "statistics", "model_repository"] },
    ],
    [
      "/v2/",
      { name: "modelwright", version: "0.1.0", extensions: ["binary_tensor_data", "statistics", "model_repository"] },
    ],
    ["/v2/health/live", { live: true }],
    ["/v2/health/ready", { ready: true, live: true }],
    ["/v2/models/delay/ready", { name: "delay", ready: true }],
    ["/v2/models/delay/versions/3/ready", { name: "delay", ready: true }],
  ])("%s is answered with exactly the body both clients want", async (path, json) => {
    expect(await get(path)).toEqual({ status: 200, type: "application/json", json });
  });

  test("a model tells its tensors and the columns it also takes", async () => {
    const metadata = {
      name: "delay",
      versions: ["3"],
      platform: "onnx_onnxv1",
      inputs: [
        { name: "origin_code", datatype: "INT64", shape: [-1] },
        { name: "numbers", datatype: "FP32", shape: [-1, 2] },
      ],
      outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
      parameters: { columns: ["origin", "hour", "distance"] },
    };
    expect((await get("/v2/models/delay")).json).toEqual(metadata);
    expect((await get("/v2/models/delay/versions/3")).json).toEqual(metadata);
  });

  test.each([
    ["/v2/models/other", "GET", 404],
    ["/v2/models/delay/versions/2", "GET", 404],
    ["/v2/models/delay/versions/2/infer", "POST", 404],
    ["/nothing", "GET", 404],
    ["/v2/models/%ff", "GET", 400],
    ["/v2/models/delay/infer", "GET", 405],
    ["/v2/health/live", "POST", 405],
  ])("%s by %s is an error of status %i in the protocol's shape", async (path, method, status) => {
    expect(await get(path, method)).toEqual({ status, type: "application/json", json: { error: expect.any(String) } });
  });
});

describe("inference", () => {
  test("answers what the model computes, with its version, epoch, arm and the caller's id", async () => {
    const answer = await running.infer({ ...tensors([0, 1, 0.5], [2, -1, 2]), id: "call-1" });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.json).toMatchObject({ model_name: "delay", model_version: "3", id: "call-1" });
    expect(answer.headers.get("modelwright-epoch")).toBe("1");
    expect(answer.headers.get("modelwright-arm")).toBe("champion");
    expect(answer.headers.get("modelwright-inference-id")).toBe("call-1");
    const [output] = answer.json.outputs;
    expect(output).toMatchObject({ name: "probability", datatype: "FP32", shape: [2, 1] });
    expect(output!.data[0]).toBeCloseTo(expected(0.1, 0, 1, 0.5), 6);
    expect(output!.data[1]).toBeCloseTo(expected(0.1, 2, -1, 2), 6);
  });

  test("without an id gets a UUID of version 7", async () => {
    const { json } = await running.infer(tensors([0, 0, 0]));
    expect(json.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("of raw columns equals inference of the tensors they encode to", async () => {
    const columns = [
      { name: "origin", datatype: "BYTES", shape: [3], data: ["JFK", "XXX", null] },
      { name: "hour", datatype: "FP64", shape: [3, 1], data: [18, null, 6] },
      { name: "distance", datatype: "INT64", shape: [3], data: [800, 1300, 300] },
      { name: "carrier", datatype: "BYTES", shape: [3], data: ["AA", "UA", "DL"] },
    ];
    const asTensors = await running.infer(tensors([1, 1, 0], [3, 0, 1], [3, -1, -1]));
    const asColumns = await running.infer({ inputs: columns });
    const named = await running.infer({ inputs: columns, parameters: { content_type: "columns" } });
    expect(asColumns.json.outputs).toEqual(asTensors.json.outputs);
    expect(named.json.outputs).toEqual(asTensors.json.outputs);
  });

  test("of one row over any boundary of a batch is the same", async () => {
    const rows = Array.from({ length: 64 }, (_, i) => [i % 4, i / 10, 1 - i / 20] as const);
    const together = (await running.infer(tensors(...rows))).json.outputs[0]!.data;
    const alone = await Promise.all(
      rows.map(async (row) => (await running.infer(tensors(row))).json.outputs[0]!.data[0]),
    );
    expect(alone).toEqual(together);
  });

  test("in binary, both ways, equals inference in JSON", async () => {
    const header = Buffer.from(
      JSON.stringify({
        parameters: { binary_data_output: true },
        inputs: [
          { name: "origin_code", datatype: "INT64", shape: [2], parameters: { binary_data_size: 16 } },
          { name: "numbers", datatype: "FP32", shape: [2, 2], data: [1, 0.5, -1, 2] },
        ],
      }),
    );
    const body = Buffer.concat([header, Buffer.from(new BigInt64Array([0n, 2n]).buffer)]);
    const response = await post(body, { "inference-header-content-length": String(header.length) });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
    const bytes = Buffer.from(await response.arrayBuffer());
    const jsonLength = Number(response.headers.get("inference-header-content-length"));
    const json = JSON.parse(bytes.subarray(0, jsonLength).toString());
    expect(json.outputs[0]).toEqual({
      name: "probability",
      datatype: "FP32",
      shape: [2, 1],
      parameters: { binary_data_size: 8 },
    });
    const binary = new Float32Array(Uint8Array.from(bytes.subarray(jsonLength)).buffer);
    const plain = await running.infer(tensors([0, 1, 0.5], [2, -1, 2]));
    expect([...binary]).toEqual(plain.json.outputs[0]!.data);
  });

  test("takes gzip", async () => {
    const response = await post(gzipSync(JSON.stringify(tensors([0, 0, 0]))), { "content-encoding": "gzip" });
    expect(response.status).toBe(200);
  });

  test("by version is answered and counts as not assigned", async () => {
    const response = await post(
      JSON.stringify({ ...tensors([0, 0, 0]), id: "by-version" }),
      {},
      "/v2/models/delay/versions/3/infer",
    );
    expect([response.status, response.headers.get("modelwright-epoch")]).toEqual([200, "1"]);
    await eventually("its row", () =>
      running.rows.some(({ inferenceId, assigned }) => inferenceId === "by-version" && !assigned),
    );
  });
});

describe("a request that is wrong", () => {
  const valid = tensors([0, 0, 0]);
  const [origin, numbers] = valid.inputs as [object, object];
  test.each([
    ["no JSON", 400, "{"],
    ["an input that is missing", 400, { inputs: [origin] }],
    ["an input too many", 400, { inputs: [origin, numbers, { name: "x", datatype: "FP32", shape: [1], data: [1] }] }],
    ["another datatype", 400, { inputs: [{ ...origin, datatype: "INT32" }, numbers] }],
    ["another width", 400, { inputs: [origin, { ...numbers, shape: [1, 3], data: [1, 2, 3] }] }],
    ["another rank", 400, { inputs: [{ ...origin, shape: [1, 1] }, numbers] }],
    [
      "no rows",
      400,
      {
        inputs: [
          { ...origin, shape: [0], data: [] },
          { ...numbers, shape: [0, 2], data: [] },
        ],
      },
    ],
    ["inputs of different length", 400, { inputs: [{ ...origin, shape: [2], data: [0, 1] }, numbers] }],
    ["a category beyond the vocabulary", 400, tensors([4, 0, 0])],
    ["a negative category", 400, tensors([-1, 0, 0])],
    ["an unknown output", 400, { ...valid, outputs: [{ name: "logit" }] }],
    ["a column that is missing", 400, { inputs: [{ name: "hour", datatype: "FP32", shape: [1], data: [1] }] }],
    ["a body beyond the limit", 413, { ...valid, id: "x".repeat(200_000) }],
  ])("with %s is answered with status %i and says why", async (_, status, body) => {
    const response = await post(typeof body === "string" ? body : JSON.stringify(body));
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/json");
    const { error } = (await response.json()) as { error: string };
    expect(error.length).toBeGreaterThan(20);
  });

  test("by its headers is refused", async () => {
    const body = JSON.stringify(valid);
    const statuses = await Promise.all([
      post(body, { "content-encoding": "br" }),
      post(body, { "content-encoding": "gzip" }),
      post(body, { "inference-header-content-length": "-1" }),
      post(body, { "inference-header-content-length": "999999999999" }),
      post(gzipSync(" ".repeat(1_000_000)), { "content-encoding": "gzip" }),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([415, 400, 400, 400, 413]);
  });

  test("as endless chunks is cut off and others go on", async () => {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${running.url}/v2/models/delay/infer`, { method: "POST" }, (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on("error", reject);
      for (let i = 0; i < 5; i++) request.write(Buffer.alloc(50_000, "x"));
    });
    expect(status).toBe(413);
    expect((await running.infer(valid)).status).toBe(200);
  });

  test("beyond the memory for all bodies together is told to come again", async () => {
    const statuses: unknown[] = [];
    const unfinished = Array.from({ length: 17 }, () => {
      const headers = { "content-length": 100_000 };
      const options = { method: "POST", headers, agent: false };
      const request = httpRequest(`${running.url}/v2/models/delay/infer`, options, ({ statusCode }) =>
        statuses.push(statusCode),
      );
      request.on("error", () => undefined);
      request.write(Buffer.alloc(99_000, " "));
      return request;
    });
    // Sixteen of the largest fit, and the seventeenth does not.
    await eventually("a refusal", () => statuses.length > 0);
    expect(statuses).toEqual([503]);
    for (const request of unfinished) request.destroy();
    expect((await running.infer(valid)).status).toBe(200);
  });

  test("that is not HTTP at all gets the protocol's error", async () => {
    const { hostname, port } = new URL(running.url);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write("hello\r\n\r\n"));
      let text = "";
      socket.on("data", (chunk) => (text += String(chunk)));
      socket.on("close", () => resolve(text));
    });
    expect(answer).toContain("400 Bad Request");
    expect(answer).toContain('{"error":');
  });

  test("is no harm of the model: it is not in the prediction log", async () => {
    await running.infer({ inputs: [origin], id: "wrong" });
    await running.infer({ ...valid, id: "right" });
    await eventually("the right row", () => running.rows.some(({ inferenceId }) => inferenceId === "right"));
    expect(running.rows.some(({ inferenceId }) => inferenceId === "wrong")).toBe(false);
  });
});

describe("what is recorded", () => {
  test("is a row for each row of a request, with score and decision", async () => {
    const { json } = await running.infer({
      ...tensors([0, 1, 0.5], [1, -3, 2]),
      id: "two",
      parameters: { routing_key: "user-1" },
    });
    await eventually(
      "both rows",
      () => running.rows.filter(({ inferenceId }) => inferenceId.startsWith("two/")).length === 2,
    );
    const [first, second] = running.rows.filter(({ inferenceId }) => inferenceId.startsWith("two/"));
    expect(first).toMatchObject({
      inferenceId: "two/0",
      endpoint: "delay",
      epoch: 1,
      arm: "champion",
      outcome: "ok",
      decision: 1,
    });
    expect(second).toMatchObject({ inferenceId: "two/1", decision: 0 });
    expect([first!.score, second!.score]).toEqual(json.outputs[0]!.data);
    expect(first!.routingKeyHash).toMatch(/^[0-9a-f]{64}$/);
    // The database's clock, not this machine's: an hour behind.
    expect(Math.abs(first!.at.getTime() - (Date.now() - 3_600_000))).toBeLessThan(60_000);
  });

  test("are labels, and metrics that balance", async () => {
    const label = (body: unknown) => post(JSON.stringify(body), {}, "/v2/feedback");
    expect(
      (
        await label({
          feedback: [
            { inference_id: "two/0", label: 1 },
            { inference_id: "x", label: false },
          ],
        })
      ).status,
    ).toBe(200);
    expect(running.labels).toEqual([
      { inference_id: "two/0", label: 1 },
      { inference_id: "x", label: 0 },
    ]);
    const refused = [
      { feedback: [{ inference_id: "x", label: 2 }] },
      { feedback: [] },
      [],
      { feedback: [{ inference_id: "\u0000", label: 1 }] },
    ];
    expect(await Promise.all(refused.map(async (body) => (await label(body)).status))).toEqual([400, 400, 400, 400]);

    const text = await (await fetch(`${running.url}/metrics`)).text();
    const value = (name: string) => Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1]);
    const rows = (name: string) => value(`modelwright_prediction_rows_${name}`);
    expect(rows("accepted_total")).toBe(rows("written_total") + rows("dropped_total") + rows("spilled"));
    expect(text).toContain('modelwright_requests_total{endpoint="delay",arm="champion",outcome="ok"}');
    expect(value("modelwright_routing_confirmed")).toBe(1);
  });
});
