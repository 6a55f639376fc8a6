import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFileStore } from "../../../adapters/artifacts/file-store.ts";
import { digestOf } from "../../../adapters/inference/read-model.ts";
import type { LifecycleSpecInput } from "../../../client/index.ts";
import { optimizationReportSchema } from "../../../contracts/optimization.ts";
import { tinyModel, tinySignature } from "../../fixtures/lifecycle/tiny-project.ts";
import { wideModel, writeApart } from "../../fixtures/lifecycle/model-files.ts";
import { quickRollout, sendTraffic } from "../lifecycle/running-stack.ts";
import { processesOf } from "../local/run-program.ts";
import { runCli } from "./run-cli.ts";
import { as, refusal, startVerbStack, type Answered, type VerbStack } from "./verb-stack.ts";

let stack: VerbStack;
const run: VerbStack["run"] = (...words) => stack.run(...words);
const start: VerbStack["start"] = (...lifecycle) => stack.start(...lifecycle);
const approval = { required: true };
const unreachable = { gates: [{ metric: "roc-auc", atLeast: 0.999 } as const] };
let started: Record<"first" | "turned" | "unfit" | "broken" | "held", Answered>;

beforeAll(async () => {
  stack = await startVerbStack();
  const mendedBy = join(stack.directory, "mended");
  const [first, turned, unfit, broken, held] = await Promise.all([
    start("first", { approval, deployment: { endpoint: "tiny" }, monitoring: {} }),
    start("turned", { model: { name: "turned" }, approval }),
    start("unfit", { model: { name: "unfit" }, evaluation: unreachable }),
    start("broken", { model: { name: "broken" } }, { behaviour: "fails until mended", mendedBy }),
    start("held", { model: { name: "held" } }, { durationMs: 600_000 }, []),
  ]);
  started = { first, turned, unfit, broken, held };
});

afterAll(async () => {
  await stack?.stop();
});

describe("the verbs that need a stack, with --json", () => {
  it("up says in one line where everything answers", async () => {
    expect(JSON.parse(stack.up.line)).toMatchObject({
      ready: true,
      gateway: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      temporal: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
      temporalUi: expect.stringMatching(/^http:/) as string,
      database: expect.stringMatching(/^postgres:/) as string,
      dataDir: stack.directory,
    });
    expect((await fetch(`${stack.addresses.gateway}/v2/health/ready`)).status).toBe(200);
  });

  it("start exits with 3 where somebody has to approve, 2 when a gate failed, 1 when a stage broke", () => {
    expect(started.first).toMatchObject({ exitCode: 3, document: { id: "first", status: "waiting" } });
    expect(started.turned).toMatchObject({ exitCode: 3, document: { id: "turned", status: "waiting" } });
    expect(started.unfit).toMatchObject({ exitCode: 2, document: { status: "failed", failureCode: null } });
    expect(started.broken).toMatchObject({ exitCode: 1, document: { failureCode: "TRAINER_EXITED" } });
    expect(started.held).toMatchObject({ exitCode: 0, document: { lifecycleId: "held" } });
  });

  it("access login makes an auditor's login as the owner of the local database, without being told its address", async () => {
    const made = await run("access", "login", "grace", "--role", "auditor", ...as("ada", "the yearly audit"));
    const { address } = made.document as { address: string };
    const auditor = new Client({ connectionString: address });
    await auditor.connect();
    const { rows } = await auditor.query("SELECT kind FROM audit_views.who_did_what WHERE kind = 'login-created'");
    await auditor.end();
    expect([made.exitCode, rows.length]).toEqual([0, 1]);
  });

  // The next four are about a lifecycle each and need not wait for each other.
  it.concurrent("approve is refused to the author and taken from somebody else; watch follows to the end", async () => {
    expect(await run("approve", "first", ...as("ada", "mine"))).toMatchObject(refusal("APPROVAL_BY_AUTHOR"));
    expect(await run("approve", "first", ...as("grace", "good gates"))).toMatchObject({
      exitCode: 0,
      document: { lifecycleId: "first", approve: { by: "grace", reason: "good gates" } },
    });
    const watched = await run("watch", "first", "--through-waits");
    expect(watched).toMatchObject({ exitCode: 0, document: { id: "first", status: "completed" } });
    expect(await run("approve", "first", ...as("grace", "again"))).toMatchObject(refusal("APPROVAL_NOT_WAITING"));
  });

  it.concurrent("reject ends a lifecycle, whose status then exits with 2", async () => {
    expect(await run("reject", "turned", ...as("grace", "not calibrated"))).toMatchObject({ exitCode: 0 });
    expect(await run("watch", "turned")).toMatchObject({ exitCode: 2, document: { status: "rejected" } });
  });

  it.concurrent("pause, resume and abort reach a running lifecycle", async () => {
    for (const verb of ["pause", "resume", "abort"]) {
      const answered = await run(verb, "held", ...as("grace", `to ${verb}`));
      expect(answered).toMatchObject({ exitCode: 0, document: { [verb]: { by: "grace", reason: `to ${verb}` } } });
    }
    expect(await run("watch", "held")).toMatchObject({ exitCode: 1, document: { status: "aborted" } });
    expect(await run("abort", "held", ...as("grace", "again"))).toMatchObject(refusal("INPUT_INVALID"));
  });

  it.concurrent("retry runs a failed lifecycle again from where it broke", async () => {
    await writeFile(join(stack.directory, "mended"), "");
    const retried = await run("retry", "broken", "--as", "grace");
    expect(retried).toEqual({ exitCode: 0, document: { lifecycleId: "broken", round: 2 } });
    expect(await run("watch", "broken")).toMatchObject({ exitCode: 0, document: { status: "completed" } });
  });

  it("register makes the next version, of one file though its weights were in another, which deploy refuses for want of evidence (exit 2)", async () => {
    await writeApart(join(stack.directory, "own.onnx"), tinyModel(0.9));
    await writeFile(join(stack.directory, "signature.json"), JSON.stringify(tinySignature));
    const registered = await run("register", "own.onnx", "--model", "tiny", "--as", "ada");
    const digest = digestOf(tinyModel(0.9));
    expect(registered).toMatchObject({ exitCode: 0, document: { model: "tiny", number: 2, digest } });
    const stored = await createFileStore(join(stack.directory, "artifacts")).localPath(digest);
    expect(tinyModel(0.9)).toEqual(new Uint8Array(await readFile(stored)));
    const words = ["deploy", "tiny@2", "--endpoint", "tiny", "--environment", "production", "--as", "ada"];
    expect(await run(...words)).toMatchObject(refusal("ENVIRONMENT_NEEDS_EVIDENCE", 2));
  });

  it("deploy --wait follows a rollout until it is promoted, and rollback brings the former champion back", async () => {
    const model = join(stack.project.directory, "second.onnx");
    await writeFile(model, tinyModel(1.1));
    await writeFile(join(stack.directory, "plan.json"), JSON.stringify(quickRollout));
    expect(await start("second", {}, { model })).toMatchObject({ exitCode: 0, document: { status: "completed" } });
    const traffic = sendTraffic(stack.addresses.gateway, "tiny");
    const where = ["--endpoint", "tiny", "--environment", "production", "--plan", "plan.json"];
    const deployed = await run("deploy", "tiny@3", ...where, "--as", "ada", "--wait");
    await traffic.stop();
    expect(deployed).toMatchObject({ exitCode: 0, document: { status: "promoted" } });
    const explained = await run("explain", `rollout/${String(deployed.document["rolloutId"])}`);
    expect(explained).toMatchObject({
      exitCode: 0,
      document: { matches: true, rollouts: [{ status: "promoted", decision: { matches: true } }] },
    });
    expect(JSON.stringify(explained.document)).toContain('"recomputed":"promote"');
    expect(await run("explain", "lifecycle/first")).toMatchObject({ exitCode: 0, document: { matches: true } });
    expect(await run("rollback", "tiny", ...as("grace", "complaints"))).toMatchObject({
      exitCode: 0,
      document: { endpoint: "tiny", champion: "tiny@1" },
    });
  });

  it("deploy waits where the rollout that runs queues, and pause, resume and abort take a rollout by its id, one that waits too", async () => {
    const plan = { ...quickRollout, minimumRequestsPerStep: 1_000_000, onNewCandidate: "queue" };
    await writeFile(join(stack.directory, "queue.json"), JSON.stringify(plan));
    const where = ["--endpoint", "tiny", "--environment", "production", "--plan", "queue.json"];
    const deploy = async () => (await run("deploy", "tiny@3", ...where, "--as", "ada")).document;
    const [running, waiting] = [await deploy(), await deploy()];
    expect([running["waiting"], waiting["waiting"]]).toEqual([false, true]);
    const [one, next] = [running, waiting].map(({ rolloutId }) => `rollout/${String(rolloutId)}`) as [string, string];
    const behind = [running["rolloutId"]];
    expect(await run("status")).toMatchObject({
      document: { waiting: [{ rolloutId: waiting["rolloutId"], endpoint: "tiny", behind }] },
    });
    for (const verb of ["pause", "resume"])
      expect(await run(verb, one, ...as("grace", "x"))).toMatchObject({ exitCode: 0 });
    for (const id of [next, one])
      expect(await run("abort", id, ...as("grace", "no more"))).toMatchObject({ exitCode: 0 });
    expect(await run("watch", one)).toMatchObject({ exitCode: 2, document: { status: "aborted" } });
    expect(await run("abort", next, ...as("grace", "again"))).toMatchObject(refusal("REFERENCE_UNKNOWN"));
    expect(await run("status")).toMatchObject({ exitCode: 0, document: { waiting: [] } });
  });

  it("audit rederive makes an optimized version again byte for byte, and tells bytes that were tampered with", async () => {
    const model = join(stack.project.directory, "wide.onnx");
    await writeFile(model, wideModel());
    const changes: Partial<LifecycleSpecInput> = {
      model: { name: "derived" },
      optimization: { passes: ["static-int8"], objective: "size", maximumDisagreementShare: 1 },
    };
    const made = await start("derived", changes, { model });
    expect(made).toMatchObject({ exitCode: 0, document: { status: "completed" } });
    const rederived = await run("audit", "rederive", "model/derived@2");
    expect(rederived).toMatchObject({ exitCode: 0, document: { isSame: true, chosen: "static-int8" } });
    expect(rederived.document["rederived"]).toBe(rederived.document["recorded"]);
    expect(await run("audit", "rederive", "model/derived@1")).toMatchObject(refusal("VERSION_NOT_DERIVED"));

    const store = createFileStore(join(stack.directory, "artifacts"));
    const parent = await store.localPath(String(rederived.document["parent"]));
    const bytes = await readFile(parent);
    await chmod(parent, 0o600);
    await writeFile(
      parent,
      bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte)),
    );
    expect(await run("audit", "rederive", "model/derived@2")).toMatchObject(refusal("ARTIFACT_CORRUPT"));
    await writeFile(parent, bytes);
    expect(await run("audit", "rederive", "model/derived@2")).toMatchObject({ exitCode: 0 });
  });

  it("audit rederive exits with 2 where the evidence was swapped for another, and says where another version made it", async () => {
    const stage = "lifecycle = 'derived' AND stage = 'optimize'";
    const [{ report = "" } = {}] = await stack.query(
      `SELECT result ->> 'report' AS report FROM stage_run WHERE ${stage}`,
      [],
    );
    const store = createFileStore(join(stack.directory, "artifacts"));
    const kept = await store.read(String(report));
    const written = optimizationReportSchema.parse(JSON.parse(Buffer.from(kept).toString()));
    const settings = { ...written.settings, reduceRange: true };
    const { digest } = await store.put(Buffer.from(JSON.stringify({ ...written, settings })));
    const runtime = { ...written.runtime, quantizationMethod: "1" };
    const byOther = await store.put(Buffer.from(JSON.stringify({ ...written, settings, runtime })));
    const swap = (to: unknown) =>
      stack.query(`UPDATE stage_run SET result = result || jsonb_build_object('report', $1::text) WHERE ${stage}`, [
        to,
      ]);
    await swap(digest);
    const rederived = await run("audit", "rederive", "model/derived@2");
    expect(rederived).toMatchObject({ exitCode: 2, document: { isSame: false, chosen: "static-int8" } });
    expect(rederived.document["rederived"]).not.toBe(rederived.document["recorded"]);
    await swap(byOther.digest);
    expect(await run("audit", "rederive", "model/derived@2")).toMatchObject(refusal("VERSION_MADE_OTHERWISE"));
    await swap(report);
    expect(await run("audit", "rederive", "model/derived@2")).toMatchObject({ exitCode: 0 });
  });

  it("register answers with the version that the same bytes are already", async () => {
    const again = await run("register", "own.onnx", "--model", "tiny", "--as", "grace");
    expect(again).toMatchObject({ exitCode: 0, document: { number: 2, existing: true } });
  });

  it("set says things that models and model answer with, now and as of before, and delete refuses what serves", async () => {
    const before = new Date().toISOString();
    const said = await run("set", "tiny@1", "stage=production", "alias:best", "tag:country=NO", ...as("ada", "best"));
    expect(said).toMatchObject({
      exitCode: 0,
      document: { entries: [expect.any(Number), expect.any(Number), expect.any(Number)] },
    });
    await run(
      "set",
      "tiny",
      "owner=grace",
      "risk-tier=high",
      "purpose=tell the late from the early",
      ...as("ada", "review"),
    );
    const [found, card, past, searched, deleted, odd] = await Promise.all([
      run("models", "--stage", "production", "--tag", "country=NO"),
      run("model", "tiny@best", "--history"),
      run("model", "tiny", "--as-of", before),
      run("models", "late early", "--owner", "Grace"),
      run("delete", "tiny@best", ...as("ada", "mistake")),
      run("models", "x".repeat(5000)),
    ]);
    expect(found).toMatchObject({
      exitCode: 0,
      document: { versions: [{ model: "tiny", number: 1, aliases: ["best"] }] },
    });
    expect(card.document).toMatchObject({
      number: 1,
      stage: "production",
      history: [
        { attribute: "stage", recordedBy: "ada", reason: "best" },
        { attribute: "tag", value: "NO" },
      ],
    });
    expect(past.document).toMatchObject({ model: { owner: null, aliases: {} } });
    expect(searched.document).toMatchObject({ models: [{ name: "tiny", owner: "grace", riskTier: "high" }] });
    expect(deleted).toMatchObject(refusal("DELETE_REFUSED"));
    expect(odd).toMatchObject(refusal("INPUT_INVALID"));
    const wrong = await run("set", "tiny", "risk-tier=huge", ...as("ada", "no"));
    expect(wrong).toMatchObject(refusal("INPUT_INVALID"));
  });

  it("status, models and audit verify tell what there is", async () => {
    const [status, models, versions, audit] = await Promise.all([
      run("status"),
      run("models"),
      run("models", "--model", "tiny"),
      run("audit", "verify"),
    ]);
    const { lifecycles, endpoints } = status.document as Record<string, { id: string }[]>;
    const ids = ["broken", "derived", "first", "held", "second", "turned", "unfit"];
    expect(lifecycles?.map(({ id }) => id).toSorted()).toEqual(ids);
    expect(endpoints).toMatchObject([{ endpoint: "tiny", champion: { model: "tiny", number: 1 }, canary: null }]);
    expect((models.document["models"] as { name: string }[]).map(({ name }) => name)).toContain("tiny");
    expect(versions.document["versions"]).toHaveLength(3);
    expect(audit).toMatchObject({ exitCode: 0, document: { ok: true } });
    expect([status, models, versions].map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  });

  it("monitors lists what is watched, and says of one what its checks found", async () => {
    const watched = { monitors: [{ monitor: { id: "tiny.v1", schedule: "0 3 * * *" }, newest: null }] };
    expect(await run("monitors")).toMatchObject({ exitCode: 0, document: watched });
    expect(await run("monitors", "tiny.v1")).toEqual({ exitCode: 0, document: { checks: [] } });
    expect(await run("monitors", "tiny.v9")).toMatchObject(refusal("REFERENCE_UNKNOWN"));
    expect(await run("monitors", "tiny.v1", "--limit", "0")).toMatchObject(refusal("INPUT_INVALID"));
  });

  it("lineage and explain lead from one prediction to its version, approval and data", async () => {
    const answer = await stack.ask("tiny");
    let explained = await run("explain", `prediction/${answer}`);
    // The log is written in batches, a moment later.
    while (explained.exitCode !== 0) explained = await run("explain", `prediction/${answer}`);
    expect(explained.document).toMatchObject({ version: { model: "tiny", number: 1 } });
    expect(JSON.stringify(explained.document)).toContain("grace");
    const { exitCode, document } = await run("lineage", `prediction/${answer}`);
    expect(exitCode).toBe(0);
    for (const ref of ["model/tiny@1", "lifecycle/first", "source/", "routing-epoch/tiny/"])
      expect(JSON.stringify(document)).toContain(ref);
  });

  it("log-settings says what is kept of requests and how long, beside what specs say, and tells who said it", async () => {
    const tenth = ["--sample-share", "0.1", "--field", "hour=allow", "distance=bucket:250,1000"];
    expect(await run("log-settings", "tiny", ...tenth, ...as("grace", "enough"))).toMatchObject({ exitCode: 0 });
    expect(await run("log-settings", "--days", "90", ...as("grace", "by policy"))).toMatchObject({ exitCode: 0 });
    const { document } = await run("log-settings", "tiny");
    const fields = { hour: { keep: "allow" }, distance: { keep: "bucket", edges: [250, 1000] } };
    expect(document).toMatchObject({
      retention: { days: 90, setBy: "grace", reason: "by policy" },
      endpoints: [
        { endpoint: "tiny", settings: { sampleShare: 0.1, fields }, set: { setBy: "grace", reason: "enough" } },
      ],
    });
    const wrong = await run("log-settings", "tiny", "--field", "houre=drop", ...as("grace", "a slip"));
    expect(wrong).toMatchObject(refusal("INPUT_INVALID"));
    expect(await run("log-settings", "tiny", "--days", "3", ...as("grace", "no"))).toMatchObject(
      refusal("INPUT_INVALID"),
    );
    await run("log-settings", "tiny", "--withdraw", ...as("grace", "as the spec says"));
    const before = await run("log-settings", "tiny", "--as-of", "2001-01-01T00:00:00Z");
    expect([before.document, (await run("log-settings", "tiny")).document]).toMatchObject([
      { retention: null, endpoints: [] },
      { retention: { days: 90 }, endpoints: [{ settings: null, set: null }] },
    ]);
  });

  it("policy asks for approvals, without which deploy exits with 3; approve model/NAME@N gives one", async () => {
    const staging = ["--environment", "staging"];
    const deploy = ["deploy", "tiny@2", "--endpoint", "tiny-staging", ...staging, "--as", "grace"];
    expect(await run("policy", "tiny", ...staging, "--expires", "7d", ...as("root", "four eyes"))).toMatchObject({
      exitCode: 0,
      document: { model: "tiny", environment: "staging", terms: { quorum: 1, expiresInMs: 604_800_000 } },
    });
    expect(await run(...deploy)).toMatchObject(refusal("APPROVAL_MISSING", 3));
    const approve = ["approve", "model/tiny@2", ...staging];
    expect(await run(...approve, ...as("Ada", "mine"))).toMatchObject(refusal("APPROVAL_BY_AUTHOR"));
    expect(await run(...approve, ...as("grace", "looked at it"))).toMatchObject({
      exitCode: 0,
      document: { version: "tiny@2", environment: "staging", standing: { status: "approved", by: ["grace"] } },
    });
    expect(await run(...deploy, "--wait")).toMatchObject({ exitCode: 0, document: { status: "promoted" } });
    expect((await run("policy", "tiny")).document["policies"]).toMatchObject([
      { policy: { environment: "staging" }, setBy: "root", reason: "four eyes" },
      { policy: { environment: null } },
    ]);
  });

  it("a broken glass lets a version past its approvals once, raises an alarm, and is shown for ever after", async () => {
    const where = ["--endpoint", "tiny-staging", "--environment", "staging", "--plan", "plan.json", "--as", "root"];
    const glass = ["--break-glass", "--reason", "the site is down"];
    expect(await run("deploy", "tiny@1", ...where, "--break-glass")).toMatchObject(refusal("INPUT_INVALID"));
    expect(await run("deploy", "tiny@1", ...where, ...glass)).toMatchObject({ exitCode: 0 });
    expect(await run("rollback", "tiny-staging", ...as("root", "it was not the model"))).toMatchObject({ exitCode: 0 });
    expect(await run("deploy", "tiny@1", ...where)).toMatchObject(refusal("APPROVAL_MISSING", 3));

    const open = await run("alarms", "--open");
    expect(open).toMatchObject({ exitCode: 3, document: { alarms: [{ kind: "break-glass", acknowledged: null }] } });
    const openAlarms = async () => {
      const text = await (await fetch(`${stack.addresses.gateway}/metrics`)).text();
      return /^modelwright_alarms_open\{kind="break-glass"\} (\d+)$/m.exec(text)?.[1];
    };
    while ((await openAlarms()) !== "1") await new Promise((resolve) => setTimeout(resolve, 100));
    const [{ id = "" } = {}] = open.document["alarms"] as { id?: string }[];
    expect(await run("alarms", "--acknowledge", id, ...as("grace", "reviewed"))).toMatchObject({ exitCode: 0 });
    expect(await run("alarms")).toMatchObject({
      exitCode: 0,
      document: { alarms: [{ id, acknowledged: { by: "grace", reason: "reviewed" } }] },
    });
    while ((await openAlarms()) !== "0") await new Promise((resolve) => setTimeout(resolve, 100));
    for (const words of [["status"], ["models"], ["models", "tiny"]]) {
      expect((await run(...words)).document["brokenGlass"]).toMatchObject([
        { version: "tiny@1", environment: "staging", by: "root", reason: "the site is down" },
      ]);
    }
    expect((await runCli(["models", "tiny"], stack.directory)).output).toContain("past its approvals into staging");
  });

  it("what is not there is said by its code, with exit code 1", async () => {
    const wrong = [
      ["REFERENCE_UNKNOWN", "lineage", "model/nobody@9"],
      ["REFERENCE_UNKNOWN", "explain", "prediction/nobody"],
      ["REFERENCE_UNKNOWN", "deploy", "nobody@1", "--endpoint", "tiny", "--environment", "production"],
      ["REFERENCE_UNKNOWN", "rollback", "nobody", "--reason", "why not"],
      ["LIFECYCLE_UNKNOWN", "watch", "nobody"],
      ["LIFECYCLE_UNKNOWN", "explain", "lifecycle/nobody"],
      ["REFERENCE_UNKNOWN", "explain", "rollout/nobody"],
      ["LIFECYCLE_UNKNOWN", "approve", "nobody", ...as("grace", "why not")],
      ["MODEL_UNKNOWN", "model", "nobody"],
    ];
    const answers = await Promise.all(wrong.map(async ([, ...words]) => await run(...words)));
    expect(answers).toMatchObject(wrong.map(([code = ""]) => refusal(code)));
  });
});

describe.runIf(process.platform === "linux")("Ctrl-C in the terminal of up", () => {
  it("ends it with 130 and one line said, leaves no process, and other verbs then say that no stack runs", async () => {
    expect(await stack.up.interrupt()).toEqual({ exitCode: 130, after: [] });
    expect(await processesOf(stack.directory)).toEqual([]);
    expect(await run("status")).toMatchObject(refusal("STACK_UNREACHABLE"));
  });
});
