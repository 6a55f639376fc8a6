import { describe, expect, it } from "vitest";
import { exitOfLifecycle, exitOfRollout, exitOfVerdict } from "../../../cli/answer.ts";
import { describeChanges } from "../../../cli/describe-changes.ts";
import { describeError } from "../../../cli/print-error.ts";
import { renderTable } from "../../../cli/table.ts";
import { createPaint, textWidth } from "../../../client/text.ts";
import { Failure } from "../../../contracts/failures.ts";
import { rollout, stage, view } from "./views.ts";

const screen = { width: 40, paint: createPaint(false) };

describe("a table", () => {
  const rows = [
    { name: "first", count: 7, note: "a note that is far too long for forty columns" },
    { name: "second one", count: 12345, note: "evil\u001B[2J\nnote" },
  ];
  const columns = [
    { title: "name", value: ({ name }: (typeof rows)[number]) => name },
    { title: "count", value: ({ count }: (typeof rows)[number]) => count, align: "right" as const },
    { title: "note", value: ({ note }: (typeof rows)[number]) => note, flexible: true },
  ];

  it("aligns its columns and shortens only the flexible one", () => {
    expect(renderTable(screen, columns, rows)).toEqual([
      "name        count  note",
      "first           7  a note that is far t…",
      "second one  12345  evil\uFFFD[2J note",
    ]);
  });

  it("is never wider than the screen", () => {
    expect(Math.max(...renderTable(screen, columns, rows).map(textWidth))).toBeLessThanOrEqual(40);
  });
});

describe("an error", () => {
  it("of the catalogue is one sentence with its code, and no stack", async () => {
    const failure = new Failure("FILE_MISSING", { path: "a.csv", what: "the data" });
    const { lines, document, exitCode } = await describeError(failure, screen);
    expect(lines).toEqual([`error FILE_MISSING: ${failure.message}`]);
    expect(document).toEqual({ error: { code: "FILE_MISSING", message: failure.message, fields: failure.fields } });
    expect(exitCode).toBe(1);
  });

  it("that is a judgement exits 2", async () => {
    const refused = new Failure("ENVIRONMENT_NEEDS_EVIDENCE", { environment: "production", version: "model/a@1" });
    expect((await describeError(refused, screen)).exitCode).toBe(2);
  });

  it("nobody expected says that it is a bug, with the frames of its whole chain and no endless message", async () => {
    const bug = new TypeError("x".repeat(5000), { cause: new RangeError("the root of it") });
    const { lines, document, exitCode } = await describeError(bug, screen);
    expect(exitCode).toBe(1);
    expect(document.error["code"]).toBe("BUG");
    expect(lines.join("\n")).toMatch(
      /fault of Modelwright[\s\S]*\n\s+at [\s\S]*caused by RangeError: the root of it\n\s+at /,
    );
    expect(lines[0]?.length).toBeLessThan(700);
  });

  it("of a server that is away says so instead of calling it a bug", async () => {
    const refused = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:5432"), { code: "ECONNREFUSED" });
    const { lines } = await describeError(new Error("Failed query: select 1", { cause: refused }), screen);
    expect(lines[0]).toMatch(/^error STACK_UNREACHABLE: Postgres .*ECONNREFUSED/);
  });

  it("cannot move the cursor", async () => {
    const failure = new Failure("FILE_MISSING", { path: "\u001B[2J\u202E\u0007.csv", what: "the data" });
    expect((await describeError(failure, screen)).lines.join("\n")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });
});

describe("exit codes", () => {
  it("count what is not shown as not passed", () => {
    const verdicts = ["pass", "stable", "fail", "inconclusive", "drifted", "insufficient"] as const;
    expect(verdicts.map(exitOfVerdict)).toEqual([0, 0, 2, 2, 2, 2]);
    expect((["promoted", "rolled-back", "aborted"] as const).map(exitOfRollout)).toEqual([0, 2, 1]);
  });

  it("tell a lifecycle that was judged from one that broke", () => {
    const of = (
      status: "completed" | "waiting" | "failed" | "rejected" | "aborted",
      failureCode: string | null = null,
    ) => exitOfLifecycle({ status, failureCode });
    expect([of("completed"), of("waiting"), of("failed"), of("rejected"), of("aborted")]).toEqual([0, 3, 2, 2, 1]);
    expect([of("failed", "TRAINER_EXITED"), of("failed", "ENVIRONMENT_NEEDS_EVIDENCE")]).toEqual([1, 2]);
  });
});

describe("changes of a lifecycle, where nothing can be drawn over", () => {
  it("are a line each, and none when nothing changed", () => {
    const before = view({ stages: [stage({ stage: "train", status: "running" })] });
    const after = view({
      status: "failed",
      outcome: "too low",
      stages: [
        stage({ stage: "train", status: "passed", headline: "trained" }),
        stage({ stage: "admit", status: "running" }),
      ],
      rollout: rollout(),
    });
    expect(describeChanges(null, before)).toEqual(["train: running"]);
    expect(describeChanges(before, before)).toEqual([]);
    const waits = { ...before, waiting: { rolloutId: "r1", endpoint: "e", behind: ["r0"] } };
    expect(describeChanges(before, waits)).toEqual(["rollout r1 waits for e, behind r0"]);
    expect(describeChanges(waits, waits)).toEqual([]);
    expect(describeChanges(before, after)).toEqual([
      "train: passed in 1.2 s: trained",
      "admit: running",
      "rollout: hold: error-rate: not shown safe yet",
      "lifecycle: failed: too low",
    ]);
  });
});
