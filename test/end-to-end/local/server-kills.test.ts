import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { connect, type Modelwright } from "../../../client/index.ts";
import { startStack, type Stack } from "../../../local/stack.ts";
import { createTinyProject, tinyModel, type TinyProject } from "../../fixtures/lifecycle/tiny-project.ts";
import { quickRollout, request, until } from "../lifecycle/running-stack.ts";
import { ownServersEnv } from "./run-program.ts";

let directory: string;
let stack: Stack;
let client: Modelwright;
let project: TinyProject;
const told: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-server-kills-"));
  const onProgress = (line: string) => told.push(line);
  stack = await startStack({ dataDir: join(directory, "data"), env: ownServersEnv, onProgress });
  client = await connect(stack.addresses);
  project = await createTinyProject(join(directory, "project"));
});

afterAll(async () => {
  await client?.close();
  await stack?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A connection of its own for each question: none is open when the server is killed. */
async function query(text: string): Promise<Record<string, unknown>[]> {
  const postgres = new Client({ connectionString: stack.addresses.database });
  await postgres.connect();
  try {
    return (await postgres.query<Record<string, unknown>>(text)).rows;
  } finally {
    await postgres.end();
  }
}

/** Kills a server as the machine's memory keeper would, and waits until there is another process in its place. */
async function kill(server: "postgres" | "temporal"): Promise<void> {
  const pid = stack.servers[server].pid ?? 0;
  process.kill(pid, "SIGKILL");
  await until(() => ![undefined, pid].includes(stack.servers[server].pid));
  expect(told.at(-1)).toBe(`${server}: it ended with SIGKILL; starting it again`);
}

/** Asks the endpoint again and again until it is stopped, which says how many requests were answered and how many not. */
function ask(endpoint: string) {
  const counts = { answered: 0, unanswered: 0 };
  const over = new AbortController();
  const asking = (async () => {
    while (!over.signal.aborted) {
      counts[(await request(stack.addresses.gateway, endpoint)) ? "answered" : "unanswered"] += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    counts,
    stop: async () => {
      over.abort();
      await asking;
      return counts;
    },
  };
}

/** The server and whatever it started; each has sessions of its own. */
function processesOfPostgres(): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const parents = lines.map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [stack.servers.postgres.pid ?? 0];
  for (const parent of found) for (const [pid, ppid] of parents) if (ppid === parent) found.push(pid);
  return found;
}

/** Which versions answer a few requests. */
async function armsOf(endpoint: string): Promise<Set<string | null>> {
  const url = `${stack.addresses.gateway}/v2/models/${endpoint}/infer`;
  const inputs = [{ name: "numbers", datatype: "FP32", shape: [1, 2], data: [0.5, 0.1] }];
  const answers = await Promise.all(
    Array.from({ length: 25 }, async () => fetch(url, { method: "POST", body: JSON.stringify({ inputs }) })),
  );
  return new Set(answers.map(({ headers }) => headers.get("modelwright-arm")));
}

describe("SIGKILL", () => {
  it("of Postgres in the middle of a canary: every request is answered meanwhile, and the rollout promotes once", async () => {
    const deployment = { endpoint: "served", rollout: { ...quickRollout, minimumRequestsPerStep: 60 } };
    await client.start(project.spec({ deployment }), { as: "ada", id: "one" });
    await client.result("one");
    const model = join(project.directory, "two.onnx");
    await writeFile(model, tinyModel(1.1));
    await until(async () => await request(stack.addresses.gateway, "served"));
    const asked = ask("served");
    await client.start(project.spec({ deployment }, { model }), { as: "ada", id: "two" });
    await until(async () => (await query("SELECT FROM deployment_look WHERE rollout = 'two-1'")).length > 0);
    const before = asked.counts.answered;
    await kill("postgres");

    expect(await client.result("two")).toMatchObject({ status: "completed" });
    const { answered, unanswered } = await asked.stop();
    expect(answered).toBeGreaterThan(before);
    expect(unanswered).toBe(0);
    const looks = await query("SELECT number, verdict FROM deployment_look WHERE rollout = 'two-1' ORDER BY number");
    expect(looks.map(({ number }) => number)).toEqual(looks.map((_, index) => index + 1));
    expect(looks.filter(({ verdict }) => verdict !== "hold")).toMatchObject([{ verdict: "promote" }]);
    const [endpoint] = await client.endpoints({ endpoint: "served" });
    expect(endpoint).toMatchObject({ champion: { number: 2 }, canary: null });
    expect(await client.auditLog.verify()).toMatchObject({ ok: true });
  });

  it("of both servers in the middle of a training: the run goes on from its history and ends with one version", async () => {
    const spec = project.spec({ model: { name: "trained" } }, { durationMs: 4000 });
    await client.start(spec, { as: "ada", id: "training" });
    const starts = join(stack.addresses.dataDir, "work/training/1/train/starts.txt");
    await until(() => existsSync(starts));
    await kill("temporal");
    await kill("postgres");

    expect(await client.result("training")).toMatchObject({ status: "completed" });
    expect(await query("SELECT number FROM model_version WHERE model = 'trained'")).toEqual([{ number: 1 }]);
    const { stages } = await client.lifecycle("training");
    expect(stages.map(({ status }) => status)).toEqual(stages.map(() => "passed"));
    expect(await client.auditLog.verify()).toMatchObject({ ok: true });
  });
});

describe("Postgres that answers nobody", () => {
  it("keeps no abort waiting, not even of a control worker that was killed meanwhile: the champion has everything at once, and the record is made when Postgres is back", async () => {
    const never = { steps: [9000], minimumRequestsPerStep: 1_000_000, leaseMs: 3_600_000, deadlineMs: 3_600_000 };
    const deployment = { endpoint: "served", rollout: { ...quickRollout, ...never } };
    const model = join(project.directory, "three.onnx");
    await writeFile(model, tinyModel(1.2));
    await client.start(project.spec({ deployment }, { model }), { as: "ada", id: "three" });
    await until(async () => (await armsOf("served")).has("canary"));
    const frozen = processesOfPostgres();
    for (const pid of frozen) process.kill(pid, "SIGSTOP");
    // Once: those that served the killed worker are gone a moment later.
    const thaw = () => {
      for (const pid of frozen.splice(0)) process.kill(pid, "SIGCONT");
    };
    try {
      const control = stack.children.get("control");
      const before = control?.pid;
      process.kill(before ?? 0, "SIGKILL");
      await until(() => ![undefined, before].includes(control?.pid));
      const aborting = client.abort("three", { by: "grace", reason: "looks wrong" });
      await until(async () => !(await armsOf("served")).has("canary"));
      thaw();
      await aborting;
    } finally {
      thaw();
    }

    expect(await client.result("three")).toMatchObject({ status: "aborted" });
    expect(await client.rollout("three-1")).toMatchObject({ status: "aborted" });
    const [endpoint] = await client.endpoints({ endpoint: "served" });
    expect(endpoint).toMatchObject({ champion: { number: 2 }, canary: null });
    expect(await client.auditLog.verify()).toMatchObject({ ok: true });
  });
});
