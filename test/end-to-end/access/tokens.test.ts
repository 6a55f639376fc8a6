import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../../client/index.ts";
import type { Scope } from "../../../contracts/identity.ts";
import { runCli } from "../cli/run-cli.ts";
import { openStack, until, type RunningStack } from "../lifecycle/running-stack.ts";

const verifier = fileURLToPath(new URL("../../../verifier/verify-bundle.mjs", import.meta.url));

let running: RunningStack;
beforeAll(async () => {
  running = await openStack();
});
afterAll(async () => await running.close());

/** Everything the database keeps, row by row, but what can be erased. */
async function dump(query: RunningStack["query"]): Promise<string> {
  const tables = await query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname NOT IN ('person_name', 'person_text') AND has_table_privilege(oid, 'SELECT')`,
  );
  const texts = [];
  for (const { name } of tables) {
    const rows = await query<{ text: string }>(`SELECT to_jsonb(t)::text AS text FROM "${name}" AS t`);
    texts.push(...rows.map(({ text }) => text));
  }
  const events = await query<{ text: string }>("SELECT convert_from(body, 'UTF8') AS text FROM audit_event");
  return [...texts, ...events.map(({ text }) => text)].join("\n");
}

async function filesUnder(folder: string, ending: string): Promise<string> {
  const names = await readdir(folder, { recursive: true });
  const texts = names.filter((name) => name.endsWith(ending)).map((name) => readFile(join(folder, name), "utf8"));
  return (await Promise.all(texts)).join("\n");
}

it("with identity required people act by tokens, which are nowhere kept, and can be forgotten afterwards", async () => {
  const { stack, project, query, directory } = running;
  const dataDir = join(directory, "data");
  const run = async (words: readonly string[], token?: string) => {
    const environment = token === undefined ? {} : { MODELWRIGHT_TOKEN: token };
    const { exitCode, output, errors } = await runCli([...words, "--json"], dataDir, environment);
    return { exitCode, errors, document: JSON.parse(output) as Record<string, string> };
  };
  const byRoot = { by: "root-canary", reason: "reason-canary" };
  const { changeAccess, issueToken } = running.client;
  const required = { change: "identity", mode: "required" } as const;
  await expect(changeAccess(required, byRoot)).rejects.toThrow(/nobody has a token of an administrator/);
  const tokens: Record<string, string> = {};
  const issue = async (who: string, scope: Partial<Scope> = {}) => {
    const wanted = { who, label: "test", scope: { deeds: null, models: null, environments: null, ...scope } };
    const { id, token } = await issueToken({ ...wanted, expiresInMs: 3_600_000 }, byRoot);
    tokens[who] = token;
    return id;
  };
  for (const [name, role] of [
    ["root-canary", "administrator"],
    ["ada-canary", "engineer"],
    ["grace-canary", "approver"],
  ] as const) {
    await changeAccess({ change: "principal", kind: "person", name, team: null }, byRoot);
    await changeAccess({ change: "grant", who: name, role, model: null, environment: null }, byRoot);
    await issue(name);
  }
  await changeAccess({ change: "principal", kind: "service", name: "caller", team: null }, byRoot);
  const callers = await issue("caller", { deeds: ["infer"], models: ["tiny"] });
  const root = tokens["root-canary"];
  expect(await run(["access", "identity", "required", "--reason", "reason-canary"], root)).toMatchObject({
    exitCode: 0,
  });

  // By word alone nothing is done any more, and by a token only what its holder may.
  const declared = { change: "identity", mode: "declared" } as const;
  await expect(changeAccess(declared, byRoot)).rejects.toMatchObject({ code: "PROOF_REQUIRED" });
  const lent = ["access", "identity", "declared", "--as", "root-canary", "--reason", "mine now"];
  expect(await run(lent, tokens["ada-canary"])).toMatchObject({
    exitCode: 1,
    document: { error: { code: "INPUT_INVALID" } },
  });

  const [ada, grace] = await Promise.all(
    ["ada-canary", "grace-canary"].map((name) => connect(stack.addresses, { token: tokens[name] })),
  );
  if (!ada || !grace) throw new Error("both connect");
  try {
    const notHers = ada.changeAccess(declared, { by: "ada-canary", reason: "mine now" });
    await expect(notHers).rejects.toMatchObject({ code: "DEED_NOT_ALLOWED" });
    const spec = project.spec({ approval: { required: true }, deployment: { endpoint: "tiny" } });
    await running.client.start(spec, { as: "ada-canary", id: "by-word" });
    await expect(running.client.result("by-word")).rejects.toMatchObject({ code: "PROOF_REQUIRED" });
    await ada.start(spec, { as: await ada.actor(), id: "signed" });
    for await (const { status } of ada.watch("signed")) expect(["running", "waiting"]).toContain(status);
    const decision = { decision: "approve", reason: "reason-canary" } as const;
    await expect(ada.decide("signed", { ...decision, by: "ada-canary" })).rejects.toMatchObject({
      code: expect.stringMatching(/APPROVAL_BY_AUTHOR|DEED_NOT_ALLOWED/),
    });
    await grace.decide("signed", { ...decision, by: "grace-canary" });
    expect(await ada.result("signed")).toMatchObject({ status: "completed" });
  } finally {
    await ada.close();
    await grace.close();
  }

  const infer = async (token?: string) => {
    const body = JSON.stringify({ inputs: [{ name: "numbers", datatype: "FP32", shape: [1, 2], data: [0.5, 0.1] }] });
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await fetch(`${stack.addresses.gateway}/v2/models/tiny/infer`, { method: "POST", headers, body })).status;
  };
  expect(await infer()).toBe(401);
  expect(await infer(tokens["ada-canary"])).toBe(200);
  await until(async () => (await infer(tokens["caller"])) === 200);
  const admin = await connect(stack.addresses, { token: root });
  await admin.changeAccess({ change: "revoke-token", token: callers }, byRoot);
  await admin.close();
  await until(async () => (await infer(tokens["caller"])) === 401);

  // What is kept knows who did what by pseudonyms; tokens are in no history, log or row.
  const kept = await dump(query);
  const seeds = ["ada-canary", "grace-canary", "root-canary", "reason-canary"];
  expect(seeds.filter((seed) => kept.includes(seed))).toEqual([]);
  const secrets = Object.values(tokens).map((token) => token.slice("mw_0123456789abcdef_".length));
  const histories: string[] = [];
  for await (const { workflowId, runId } of running.client.temporal.workflow.list()) {
    const { events } = await running.client.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    const plain = JSON.stringify(events).replaceAll(/"data":"([^"]*)"/g, (_all, data: string) =>
      Buffer.from(data, "base64").toString("utf8"),
    );
    histories.push(plain);
  }
  expect(histories.join("").includes("modelwright-statement/1")).toBe(true);
  const logs = await filesUnder(dataDir, ".log");
  expect(secrets.every((secret) => secret.length === 43) && logs.length > 0).toBe(true);
  const places = { kept, histories: histories.join(""), logs };
  const found = Object.entries(places).filter(([, text]) => secrets.some((secret) => text.includes(secret)));
  expect(found.map(([place]) => place)).toEqual([]);

  // A bundle names people and proves their signatures; after the erasure it is proof all the same.
  const [prediction] = await query<{ id: string }>("SELECT inference_id AS id FROM prediction LIMIT 1");
  const bundle = join(directory, "bundle.json");
  const verify = () => {
    const key = join(dataDir, "audit.key.pub");
    return spawnSync(process.execPath, [verifier, bundle, "--public-key", key], { encoding: "utf8" });
  };
  const explain = ["explain", `prediction/${prediction?.id}`];
  expect(await run([...explain, "--bundle", bundle])).toMatchObject({ exitCode: 0 });
  const before = await readFile(bundle, "utf8");
  for (const secret of secrets) expect(before).not.toContain(secret);
  const named = verify();
  expect([named.status, named.stdout]).toEqual([0, expect.stringContaining("grace-canary")]);

  expect(await run(["access", "erase", "grace-canary", "--reason", "asked to be forgotten"], root)).toMatchObject({
    exitCode: 0,
  });
  const told = await runCli(explain, dataDir);
  expect(told.output).toContain("erased person");
  expect(told.output).not.toContain("grace-canary");
  await run([...explain, "--bundle", bundle]);
  expect(await readFile(bundle, "utf8")).not.toContain("grace-canary");
  expect(verify().status).toBe(0);
  // One that was handed out before keeps what it says, and holds as before.
  await writeFile(bundle, before);
  expect(verify().status).toBe(0);
});
