import { request as httpRequest } from "node:http";
import { gunzipSync, inflateSync } from "node:zlib";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { parseExposition } from "./exposition.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, modelBytes, route } from "./served-model.ts";

const models = new Models();
const champion = models.add(3, 0.1);
let source: MemoryRoutes;
let running: RunningGateway;

beforeAll(async () => {
  source = new MemoryRoutes(route(champion));
  running = await runGateway(models, source);
});
afterAll(async () => {
  await running.gateway.stop();
  models.remove();
});

const send = async (path: string, method: "GET" | "POST" = "GET", body?: unknown) =>
  await fetch(running.url + path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
const sent = async (...request: Parameters<typeof send>): Promise<unknown> => await (await send(...request)).json();

/** As `fetch` would not: it asks for compression of its own accord, and undoes it unseen. */
async function inferPlainly(
  body: object,
  headers: Record<string, string>,
): Promise<{ encoding: string; vary: string; bytes: Buffer }> {
  return await new Promise((resolve, reject) => {
    const options = { method: "POST", headers, agent: false };
    const request = httpRequest(`${running.url}/v2/models/delay/infer`, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { "content-encoding": encoding, vary } = response.headers;
        resolve({ encoding: encoding ?? "identity", vary: vary ?? "", bytes: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

describe("an answer", () => {
  const many = { ...tensors(...Array.from({ length: 2_000 }, (_, i) => [i % 4, i, -i] as const)), id: "many" };

  test.each([
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["br, deflate;q=0.5, gzip", "gzip"],
    ["GZIP;q=0, Deflate", "deflate"],
    ["", "identity"],
    ["br", "identity"],
    ["gzip;q=0.0", "identity"],
  ])("that is large and accepted as '%s' is sent as %s, and is the same", async (accepted, encoding) => {
    const plain = await inferPlainly(many, {});
    const packed = await inferPlainly(many, { "accept-encoding": accepted });
    expect([plain.encoding, packed.encoding, packed.vary]).toEqual(["identity", encoding, "accept-encoding"]);
    const unpack = { gzip: gunzipSync, deflate: inflateSync, identity: (bytes: Buffer) => bytes };
    expect(unpack[encoding as keyof typeof unpack](packed.bytes)).toEqual(plain.bytes);
    expect(packed.bytes.length < plain.bytes.length).toBe(encoding !== "identity");
  });

  test("that is small is sent as it is", async () => {
    expect((await inferPlainly(tensors([0, 0, 0]), { "accept-encoding": "gzip" })).encoding).toBe("identity");
  });
});

describe("the document of the interface", () => {
  const documentSchema = z.object({
    openapi: z.literal("3.1.0"),
    paths: z.record(
      z.string(),
      z.record(
        z.string(),
        z.looseObject({
          responses: z.record(z.string(), z.looseObject({ content: z.record(z.string(), z.unknown()) })),
        }),
      ),
    ),
    components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }),
  });
  const load = async () => documentSchema.parse(await sent("/v2/openapi.json"));
  /** The schema that the document gives for an answer of this status. */
  const schemaOf = (document: z.output<typeof documentSchema>, path: string, method: string, status: number) => {
    const { responses } = document.paths[path]![method]!;
    const { content } = (responses[status] ?? responses["default"])!;
    const { schema } = z.object({ schema: z.object({ $ref: z.string() }) }).parse(content["application/json"]);
    const name = schema.$ref.replace("#/components/schemas/", "");
    return z.fromJSONSchema(document.components.schemas[name] as Parameters<typeof z.fromJSONSchema>[0]);
  };
  const bodies: Readonly<Record<string, object>> = {
    "/v2/models/{model}/infer": tensors([0, 0, 0]),
    "/v2/models/{model}/versions/{version}/infer": tensors([0, 0, 0]),
    "/v2/feedback": { feedback: [{ inference_id: "x", label: true, at: "2001-05-01T00:00:00Z" }] },
    "/v2/repository/index": { ready: true },
  };

  test("is an OpenAPI document, by the schema of OpenAPI 3.1", async () => {
    const validator = new Validator();
    const document = z.looseObject({}).parse(await sent("/v2/openapi.json"));
    expect(await validator.validate(document)).toEqual({ valid: true });
    expect(validator.version).toBe("3.1");
    expect(await validator.validate({ ...document, info: {} })).toMatchObject({ valid: false });
  });

  test("names every path, and each answers as it says", async () => {
    const document = await load();
    const paths = Object.keys(document.paths);
    expect(paths).toEqual(expect.arrayContaining(["/v2", "/metrics", "/v2/openapi.json", ...Object.keys(bodies)]));
    for (const path of paths) {
      for (const method of Object.keys(document.paths[path]!)) {
        const asked = path.replace("{model}", "delay").replace("{version}", "3");
        const response = await send(asked, method === "post" ? "POST" : "GET", bodies[path]);
        // Its route needs what it serves: that is the refusal of a closed door, and in the shape of every error.
        const status = path.endsWith("/unload") ? 409 : 200;
        expect([path, response.status]).toEqual([path, status]);
        const type = response.headers.get("content-type")!.split(";")[0]!;
        expect(Object.keys(document.paths[path]![method]!.responses["200"]!.content)).toContain(type);
        const body = await response.text();
        if (path === "/metrics" || path === "/v2/openapi.json") continue;
        expect(schemaOf(document, path, method, status).parse(JSON.parse(body))).toEqual(JSON.parse(body));
      }
    }
  });

  test("is beside metrics that Prometheus reads", async () => {
    await running.infer(tensors([0, 0, 0]));
    const families = parseExposition(await (await send("/metrics")).text());
    expect(families.get("modelwright_requests_total")?.samples[0]?.value).toBeGreaterThan(0);
    expect(families.get("modelwright_batch_rows")?.samples.length).toBeGreaterThan(0);
  });

  test("describes errors, and refuses what the gateway refuses", async () => {
    const document = await load();
    const missing = await send("/v2/models/other/infer", "POST", tensors([0, 0, 0]));
    expect(schemaOf(document, "/v2/models/{model}/infer", "post", missing.status).parse(await missing.json())).toEqual({
      error: expect.stringContaining("other"),
    });
    const request = z.fromJSONSchema(document.components.schemas["InferRequest"] as never);
    const valid = tensors([0, 0, 0]);
    expect(request.safeParse(valid).success).toBe(true);
    const wrong = [
      {},
      { inputs: [] },
      { inputs: [{ ...valid.inputs[0], datatype: "FLOAT" }] },
      { inputs: [{ ...valid.inputs[0], shape: [-1] }] },
      { ...valid, id: "a\nb" },
    ];
    for (const body of wrong) {
      expect(request.safeParse(body).success).toBe(false);
      expect((await send("/v2/models/delay/infer", "POST", body)).status).toBe(400);
    }
  });
});

describe("statistics", () => {
  test("count requests, rows, runs and errors of each version", async () => {
    interface Statistics {
      readonly model_stats: readonly {
        readonly version: string;
        readonly last_inference: number;
        readonly inference_count: number;
        readonly execution_count: number;
        readonly inference_stats: Readonly<Record<"success" | "fail", { count: number; ns: number }>>;
      }[];
    }
    const read = async (path = "") => ((await sent(`/v2/models/delay${path}/stats`)) as Statistics).model_stats;
    const [before] = await read();
    await running.infer(tensors([0, 0, 0], [1, 0, 0], [2, 0, 0]));
    await running.infer(tensors([0, 0, 0]));
    // Not the model's: it never saw them.
    expect((await running.infer({ inputs: [] })).status).toBe(400);
    const [after] = await read("/versions/3");
    expect(after!.inference_count - before!.inference_count).toBe(4);
    expect(after!.execution_count - before!.execution_count).toBe(2);
    expect(after!.inference_stats.success.count - before!.inference_stats.success.count).toBe(2);
    expect(after!.inference_stats.success.ns).toBeGreaterThan(before!.inference_stats.success.ns);
    expect(after!.inference_stats.fail).toEqual({ count: 0, ns: 0 });
    // The database's clock: an hour behind.
    expect(Math.abs(after!.last_inference - source.nowMs())).toBeLessThan(60_000);

    const canary = models.addBytes(4, modelBytes(0, 3));
    source.set(route(champion, { epoch: 2, canary, canaryBasisPoints: 9_999, leaseUntilMs: source.nowMs() + 60_000 }));
    await eventually("epoch 2", () => source.confirmed.includes("delay/2"));
    await running.infer({ ...tensors([3, 0, 0]), id: "last-category" });
    const both = await read();
    expect(both.map(({ version, inference_stats: { fail } }) => [version, fail.count])).toEqual([
      ["3", 0],
      ["4", 1],
    ]);
    expect(both[0]!.inference_stats.success.count).toBe(after!.inference_stats.success.count + 1);
    expect((await send("/v2/models/other/stats")).status).toBe(404);
    expect((await send("/v2/models/delay/versions/9/stats")).status).toBe(404);
  });
});

describe("the repository index", () => {
  test("lists what serves and, unless only that is asked for, what should and does not", async () => {
    const broken = models.addBytes(5, Uint8Array.of(1, 2, 3));
    source.set(
      route(champion, { epoch: 3, canary: broken, canaryBasisPoints: 1, leaseUntilMs: source.nowMs() + 60_000 }),
    );
    const index = async (body?: object) =>
      (await sent("/v2/repository/index", "POST", body)) as { version: string; state: string; reason: string }[];
    const ready = expect.objectContaining({ name: "delay", version: "3", state: "READY", reason: "" }) as unknown;
    await eventually("the broken one", async () => (await index()).some(({ state }) => state === "UNAVAILABLE"));
    const all = await index();
    expect(all).toContainEqual(ready);
    expect(all.find(({ version }) => version === "5")!.reason).toContain("could not be started");
    const served = await index({ ready: true });
    expect(served).toContainEqual(ready);
    expect(served.some(({ version }) => version === "5")).toBe(false);
    expect((await send("/v2/repository/index", "POST", { ready: "yes" })).status).toBe(400);
  });
});
