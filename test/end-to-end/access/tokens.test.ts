import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connect } from "../../../client/index.ts";
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
  const asRoot = ["--as", "root-canary", "--reason", "reason-canary"];
  const tokens: Record<string, string> = {};
  const issue = async (who: string, ...more: string[]) => {
    const { document } = await run(["access", "token", who, "--expires", "1d", ...more, ...asRoot]);
    tokens[who] = document["token"] ?? "";
    return document["id"] ?? "";
  };
  for (const [name, role] of [
    ["root-canary", "administrator"],
    ["ada-canary", "engineer"],
    ["grace-canary", "approver"],
  ] as const) {
    expect(await run(["access", "person", name, ...asRoot])).toMatchObject({ exitCode: 0 });
    expect(await run(["access", "grant", name, role, ...asRoot])).toMatchObject({ exitCode: 0 });
    await issue(name);
  }
  await run(["access", "service", "caller", ...asRoot]);
  const callers = await issue("caller", "--scope", "infer", "--model", "tiny");
  const root = tokens["root-canary"];
  expect(await run(["access", "identity", "required", "--reason", "reason-canary"], root)).toMatchObject({
    exitCode: 0,
  });

  // By word alone nothing is done any more, and by a token only what its holder may.
  const byWord = await run(["access", "identity", "declared", ...asRoot]);
  expect(byWord).toMatchObject({ exitCode: 1, document: { error: { code: "PROOF_REQUIRED" } } });
  const beyond = await run(["access", "identity", "declared", "--reason", "mine now"], tokens["ada-canary"]);
  expect(beyond).toMatchObject({ exitCode: 1, document: { error: { code: "DEED_NOT_ALLOWED" } } });
  const other = await run(["access", "identity", "declared", ...asRoot], tokens["ada-canary"]);
  expect(other).toMatchObject({ exitCode: 1, document: { error: { code: "INPUT_INVALID" } } });

  const [ada, grace] = await Promise.all(
    ["ada-canary", "grace-canary"].map((name) => connect(stack.addresses, { token: tokens[name] })),
  );
  if (!ada || !grace) throw new Error("both connect");
  try {
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
  await run(["access", "revoke-token", callers, "--reason", "reason-canary"], root);
  await until(async () => (await infer(tokens["caller"])) === 401);

  // What is kept knows who did what by pseudonyms; tokens are in no history, log or row.
  const kept = await dump(query);
  for (const seed of ["ada-canary", "grace-canary", "root-canary", "reason-canary"]) expect(kept).not.toContain(seed);
  const secrets = Object.values(tokens).map((token) => token.split("_").at(-1) ?? "");
  const histories: string[] = [];
  for await (const { workflowId, runId } of running.client.temporal.workflow.list()) {
    const { events } = await running.client.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    histories.push(...(events ?? []).map((event) => Buffer.from(JSON.stringify(event, payloadText)).toString("utf8")));
  }
  expect(histories.join("")).toContain("modelwright-statement/1");
  const logs = await filesUnder(dataDir, ".log");
  for (const secret of secrets)
    for (const place of [kept, histories.join(""), logs]) expect(place).not.toContain(secret);

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
  expect(await run(["audit", "verify"])).toMatchObject({ exitCode: 0 });
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

/** Payloads travel as bytes; what they say is what is looked through. */
const payloadText = (_name: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && "type" in value && value.type === "Buffer" && "data" in value
    ? Buffer.from(value.data as number[]).toString("utf8")
    : value instanceof Uint8Array
      ? Buffer.from(value).toString("utf8")
      : value;
