import { createHash } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createGatekeeper, type Caller, type KnownToken } from "../../../serving/gatekeeper.ts";
import { followOperators } from "../../../serving/operator-tokens.ts";
import type { Scope } from "../../../contracts/identity.ts";
import { createGrpcClient, type GrpcClient } from "./grpc-client.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

const now = new Date("2026-05-01T12:00:00Z");
const good = (scope: Partial<Scope> = {}, fields: Partial<KnownToken> = {}): KnownToken => ({
  scope: { deeds: ["infer"], models: null, environments: null, ...scope },
  expiresAt: new Date(now.getTime() + 60_000),
  revokedAt: null,
  now,
  grants: [],
  team: null,
  ...fields,
});
const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** Tokens by what they are called; `away` while nobody answers. */
const tokens = new Map<string, KnownToken>();
let away = false;
let lookUps = 0;
async function findToken(hash: string): Promise<KnownToken | null> {
  lookUps += 1;
  if (away) throw Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });
  for (const [name, token] of tokens) if (hashOf(name) === hash) return token;
  return null;
}
beforeEach(() => {
  tokens.clear();
  away = false;
  lookUps = 0;
});

describe("a gatekeeper", () => {
  const place = { model: "flights", environment: "production" };
  const open = () => createGatekeeper({ identity: () => "required", findToken });
  const codeOf = (asking: Promise<void>) =>
    asking.then(
      () => "let in",
      (thrown: { code: string }) => thrown.code,
    );
  const ask = (name: string | null, fields: Partial<Caller> = {}) =>
    codeOf(
      open()({
        deed: "infer",
        address: "127.0.0.1",
        authorization: name === null ? undefined : `Bearer ${name}`,
        place,
        ...fields,
      }),
    );

  test("lets everybody in, and asks nobody, where people are believed", async () => {
    const admit = createGatekeeper({ identity: () => "declared", findToken });
    expect(await codeOf(admit({ deed: "infer", authorization: undefined, address: "127.0.0.1" }))).toBe("let in");
    expect(lookUps).toBe(0);
  });

  test("lets operators load and unload where their role reaches, and nobody by a token alone", async () => {
    const grant = (role: "operator" | "engineer", model: string | null = null) => ({ role, model, environment: null });
    const deploy = { deeds: ["deploy" as const] };
    tokens.set("mw_no-role", good(deploy));
    tokens.set("mw_engineer", good(deploy, { grants: [grant("engineer")] }));
    tokens.set("mw_operator", good(deploy, { grants: [grant("operator")] }));
    tokens.set("mw_other-model", good(deploy, { grants: [grant("operator", "hotels")] }));
    tokens.set("mw_caller", good({}, { grants: [grant("operator")] }));
    const asked = await Promise.all(
      ["no-role", "engineer", "operator", "other-model", "caller"].map((name) => ask(`mw_${name}`, { deed: "deploy" })),
    );
    const refused = "DEED_NOT_ALLOWED";
    expect(asked).toEqual([refused, refused, "let in", refused, refused]);
    expect(await ask(null, { deed: "deploy" })).toBe("BEARER_REFUSED");
  });

  test("believes operators on its own machine alone, and only while they show no token, where people are believed", async () => {
    const admit = createGatekeeper({ identity: () => "declared", findToken });
    tokens.set(
      "mw_operator",
      good({ deeds: ["deploy"] }, { grants: [{ role: "operator", model: null, environment: null }] }),
    );
    tokens.set("mw_caller", good());
    const from = (address: string, token?: string) =>
      codeOf(
        admit({ deed: "deploy", believedHereOnly: true, authorization: token && `Bearer ${token}`, address, place }),
      );
    for (const here of ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"]) expect(await from(here)).toBe("let in");
    for (const elsewhere of ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "unknown"])
      expect(await from(elsewhere)).toBe("BEARER_REFUSED");
    expect(await from("192.0.2.7", "mw_operator")).toBe("let in");
    expect(await from("192.0.2.7", "mw_caller")).toBe("DEED_NOT_ALLOWED");
    expect(await from("127.0.0.1", "mw_made-up")).toBe("BEARER_REFUSED");
    expect(await from("127.0.0.1", "mw_caller")).toBe("DEED_NOT_ALLOWED");
  });

  test("lets in who shows a token that is good for what is asked, and nobody else", async () => {
    tokens.set("mw_caller", good());
    tokens.set("mw_here", good({ models: ["flights"], environments: ["production"] }));
    tokens.set("mw_elsewhere", good({ models: ["hotels"] }));
    tokens.set("mw_staging", good({ environments: ["staging"] }));
    tokens.set("mw_labels", good({ deeds: ["feedback"] }));
    tokens.set("mw_revoked", good({}, { revokedAt: now }));
    tokens.set("mw_expired", good({}, { expiresAt: now }));
    expect(await ask("mw_caller")).toBe("let in");
    expect(await ask("mw_here")).toBe("let in");
    expect(await ask("mw_labels", { deed: "feedback" })).toBe("let in");
    expect(await ask("mw_elsewhere")).toBe("DEED_NOT_ALLOWED");
    expect(await ask("mw_staging")).toBe("DEED_NOT_ALLOWED");
    expect(await ask("mw_labels")).toBe("DEED_NOT_ALLOWED");
    expect(await ask("mw_revoked")).toBe("BEARER_REFUSED");
    expect(await ask("mw_expired")).toBe("BEARER_REFUSED");
    expect(await ask("mw_made-up")).toBe("BEARER_REFUSED");
    expect(await ask(null)).toBe("BEARER_REFUSED");
    expect(await ask(null, { authorization: "Basic bXdfY2FsbGVyOg==" })).toBe("BEARER_REFUSED");
    expect(await ask(null, { authorization: `Bearer ${"x".repeat(10_000)}` })).toBe("BEARER_REFUSED");
  });

  test("goes by what Postgres last said of a token while it is away, and lets a new one wait", async () => {
    tokens.set("mw_caller", good());
    const admit = open();
    const asks = (name: string) =>
      codeOf(admit({ deed: "infer", authorization: `Bearer ${name}`, address: "127.0.0.1", place }));
    expect(await asks("mw_caller")).toBe("let in");
    away = true;
    expect(await asks("mw_caller")).toBe("let in");
    expect(await asks("mw_unknown")).toBe("STORAGE_UNAVAILABLE");
    away = false;
    expect(await asks("mw_unknown")).toBe("BEARER_REFUSED");
  });
});

describe("a gateway where identity is required", () => {
  const models = new Models();
  let source: MemoryRoutes;
  let running: RunningGateway;
  let client: GrpcClient;
  beforeAll(async () => {
    source = new MemoryRoutes(route(models.add(3, 0.1), { place: { model: "flights", environment: "production" } }));
    source.identity = "required";
    running = await runGateway(models, source, { findToken });
    client = createGrpcClient(running.gateway.grpcAddress);
  });
  afterAll(async () => {
    client.close();
    await running.gateway.stop();
    models.remove();
  });
  const one = tensors([0, 1, 0.5]);

  test("knows tokens of operators that nobody showed before Postgres went away, and no others", async () => {
    const operator = good({ deeds: ["deploy"] }, { grants: [{ role: "operator", model: null, environment: null }] });
    tokens.set("mw_operator", operator);
    tokens.set("mw_caller", good());
    const listOperators = async () => new Map([[hashOf("mw_operator"), operator]]);
    const { find, close } = await followOperators({ find: findToken, listOperators });
    expect(await find(hashOf("mw_caller"))).toBe(tokens.get("mw_caller"));
    away = true;
    expect(await find(hashOf("mw_operator"))).toBe(operator);
    await expect(find(hashOf("mw_caller"))).rejects.toThrow("refused");
    const admit = createGatekeeper({ identity: () => "required", findToken: find });
    const withdraws = (name: string) =>
      admit({ deed: "deploy", authorization: `Bearer ${name}`, address: "127.0.0.1" });
    await withdraws("mw_operator");
    await expect(withdraws("mw_caller")).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
    close();
  });

  test("answers 401 without a token and 403 beyond its scope, in HTTP and in gRPC, and shows neither token nor secret", async () => {
    tokens.set("mw_secret", good({ deeds: ["feedback"] }));
    const without = await running.infer(one);
    expect([without.status, without.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    const beyond = await running.infer(one, { authorization: "Bearer mw_secret" });
    expect(beyond.status).toBe(403);
    expect(beyond.text + running.lines.join("")).not.toContain("mw_secret");
    const asked = { model_name: "delay", inputs: [] };
    expect((await client.call("ModelInfer", asked)).code).toBe(status.UNAUTHENTICATED);
    const denied = await client.call("ModelInfer", asked, { authorization: "Bearer mw_secret" });
    expect(denied.code).toBe(status.PERMISSION_DENIED);
    expect(running.rows).toEqual([]);
  });

  test("answers who may ask, takes labels from who may give them, and tells everybody whether it is ready", async () => {
    tokens.set("mw_both", good({ deeds: ["infer", "feedback"] }));
    const headers = { authorization: "Bearer mw_both" };
    expect((await running.infer(one, headers)).status).toBe(200);
    const feedback = (given: Record<string, string>) =>
      fetch(`${running.url}/v2/feedback`, {
        method: "POST",
        headers: given,
        body: JSON.stringify({ feedback: [{ inference_id: "some-prediction", label: 1 }] }),
      });
    expect((await feedback(headers)).status).toBe(200);
    expect((await feedback({})).status).toBe(401);
    expect((await fetch(`${running.url}/v2/health/ready`)).status).toBe(200);
  });

  test("keeps to it through a restart without Postgres, and stops asking when people are believed again", async () => {
    source.away = true;
    await running.gateway.stop();
    running = await runGateway(models, source, { findToken });
    expect((await running.infer(one)).status).toBe(401);
    source.away = false;
    source.identity = "declared";
    await eventually("callers are believed", async () => (await running.infer(one)).status === 200);
  });
});
