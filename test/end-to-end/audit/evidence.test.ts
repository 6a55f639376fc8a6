import { spawnSync } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { evidenceBundleSchema } from "../../../contracts/evidence.ts";
import { runCli } from "../cli/run-cli.ts";
import { openStack, request, until, type RunningStack } from "../lifecycle/running-stack.ts";

const verifier = fileURLToPath(new URL("../../../verifier/verify-bundle.mjs", import.meta.url));

let running: RunningStack;
beforeAll(async () => {
  running = await openStack();
});
afterAll(async () => await running.close());

it("a prediction served by the stack is proved to somebody who has the bundle and the key, and nothing else", async () => {
  const { client, project, stack, query, directory } = running;
  const inFolder = (name: string) => join(directory, name);
  const [key, publicKey, checkpoints, bundle] = ["audit.key", "audit.pub", "checkpoints.txt", "bundle.json"].map(
    inFolder,
  );
  const run = (...words: string[]) => runCli(words, inFolder("data"));

  const made = await run("audit", "key", "--out", String(key), "--name", "example.org/tiny");
  await writeFile(String(publicKey), made.output);
  expect((await stat(String(key))).mode & 0o777).toBe(0o600);
  const signing = ["--key", String(key), "--out", String(checkpoints)];
  expect(await run("audit", "checkpoint", ...signing)).toMatchObject({ exitCode: 0 });

  const spec = project.spec({ approval: { required: true }, deployment: { endpoint: "tiny" } });
  await client.start(spec, { as: "ada", id: "first" });
  for await (const { status } of client.watch("first")) expect(["running", "waiting"]).toContain(status);
  await client.decide("first", { decision: "approve", by: "grace", reason: "good gates" });
  expect(await client.result("first")).toMatchObject({ status: "completed" });
  expect(await request(stack.addresses.gateway, "tiny")).toBe(true);
  const served = async () => await query<{ id: string }>("SELECT inference_id AS id FROM prediction LIMIT 1");
  await until(async () => (await served()).length > 0);
  const [prediction] = await served();

  // The stack signs by itself, so that a bundle needs neither key nor file.
  const explain = ["explain", `prediction/${prediction?.id}`, "--bundle"];
  const own = inFolder("own.json");
  expect(await run(...explain, own)).toMatchObject({ exitCode: 0, errors: "" });
  const ownAnchors = [join("data", "audit.key.pub"), join("data", "audit-checkpoints.txt")].map(inFolder);
  const [ownKey = "", ownCheckpoints = ""] = ownAnchors;
  const ownProof = spawnSync(process.execPath, [verifier, own, "--public-key", ownKey, "--checkpoint", ownCheckpoints]);
  expect(ownProof).toMatchObject({ status: 0 });
  expect(JSON.parse((await run("audit", "verify", "--json")).output)).toMatchObject({
    ok: true,
    checkpoints: expect.any(Number),
    anchoredEvents: expect.any(Number),
  });

  // With a key of one's own: the newest checkpoint is the one from before the lifecycle, which proves nothing of it.
  explain.push(String(bundle), "--checkpoint", String(checkpoints));
  expect(await run(...explain, "--public-key", String(publicKey))).toMatchObject({
    exitCode: 1,
    errors: expect.stringContaining("sign a new one"),
  });
  expect(await run(...explain, "--key", String(key))).toMatchObject({ exitCode: 0, errors: "" });

  const text = await readFile(String(bundle), "utf8");
  expect(text.length).toBeLessThan(100_000);
  const { facts, earlier } = evidenceBundleSchema.parse(JSON.parse(text));
  expect(facts.approvals[0]?.by).toMatch(/^person\/[0-9a-f]{32}$/);
  expect(facts.trainingData).toHaveLength(1);
  expect(earlier).toHaveLength(1);
  const verify = (...more: string[]) =>
    spawnSync(process.execPath, [verifier, String(bundle), "--public-key", String(publicKey), ...more], {
      encoding: "utf8",
    });
  const proved = verify("--checkpoint", String(checkpoints), "--artifact", project.dataPath);
  expect(proved).toMatchObject({ status: 0, stderr: "" });
  for (const part of ["tiny@1", "approved", "by grace", "source of the training data"]) {
    expect(proved.stdout).toContain(part);
  }

  // The bytes on record are those in the store, until somebody changes one.
  expect(JSON.parse((await run("audit", "artifacts", "--json")).output)).toMatchObject({ ok: true, problems: [] });
  const [model] = await query<{ digest: string }>("SELECT digest FROM artifact WHERE kind = 'model' LIMIT 1");
  const digest = model?.digest ?? "";
  await writeFile(join(inFolder("data"), "artifacts", digest.slice(0, 2), digest.slice(2)), "other weights");
  const swept = await run("audit", "artifacts", "--json");
  expect(swept.exitCode).toBe(2);
  expect(JSON.parse(swept.output)).toMatchObject({ problems: [{ digest, kind: "model", problem: "modified" }] });

  await writeFile(String(bundle), text.replaceAll("grace", "alice"));
  expect(verify()).toMatchObject({ status: 2 });

  const anchors = ["--checkpoint", String(checkpoints), "--public-key", String(publicKey)];
  const verified = await run("audit", "verify", ...anchors, "--json");
  expect(verified.exitCode).toBe(0);
  expect(JSON.parse(verified.output)).toMatchObject({ ok: true, checkpoints: 2 });
  // Whoever changes a checkpoint takes its signature away.
  const file = await readFile(String(checkpoints), "utf8");
  await writeFile(String(checkpoints), file.replace(/\n[1-9][0-9]*\n/, "\n123456\n"));
  const unanchored = await run("audit", "verify", ...anchors, "--json");
  expect(unanchored.exitCode).toBe(2);
  expect(JSON.parse(unanchored.output)).toMatchObject({ ok: false, kind: "unanchored" });
  expect(await run("audit", "checkpoint", ...signing)).toMatchObject({ exitCode: 2 });
});
