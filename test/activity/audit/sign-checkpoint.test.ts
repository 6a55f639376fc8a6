import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { ensureNoteKey, loadOwnKeys, loadPrivateKey } from "../../../adapters/checkpoints/note-key.ts";
import { createActivities } from "../../../activities/index.ts";
import { listCheckpoints } from "../../../db/queries/audit-checkpoint.ts";
import { listAlarms } from "../../../db/queries/alarm.ts";
import { recordAudit } from "../../../db/queries/audit.ts";
import { openActivityStage, type ActivityStage } from "../lifecycle/activity-stage.ts";

let stage: ActivityStage;
let keyPath = "";
let path = "";
beforeAll(async () => {
  stage = await openActivityStage();
  ({ keyPath, path } = stage.dependencies.checkpoints ?? { keyPath, path });
});
afterAll(async () => await stage.close());

const record = () =>
  stage.test.database.transaction((tx) =>
    recordAudit(tx, { actor: "ada", subject: "x/1", body: { kind: "request-made", request: "pause", reason: "" } }),
  );

describe("signing the audit log", () => {
  it("makes one key however many workers start at once, and the file of its public key", async () => {
    await Promise.all(Array.from({ length: 8 }, () => ensureNoteKey(keyPath)));
    const made = await loadPrivateKey(keyPath);
    expect(made.name).toMatch(/^modelwright-[0-9a-f]{8}$/);
    expect((await loadOwnKeys(keyPath)).map(({ key }) => key.equals(made.key))).toEqual([true]);
    await ensureNoteKey(keyPath);
    expect((await loadPrivateKey(keyPath)).key).toEqual(made.key);
  });

  it("appends to the file, and the database remembers it; a repeated attempt changes nothing", async () => {
    await record();
    const signed = { checkpoints: [{ stream: "modelwright", size: 1, written: true }] };
    expect(await stage.run("signCheckpoint", { whole: false })).toEqual(signed);
    await record();
    await stage.run("signCheckpoint", { whole: false });
    const repeated = await stage.run("signCheckpoint", { whole: true });
    expect(repeated).toEqual({ checkpoints: [{ stream: "modelwright", size: 2, written: false }] });
    const remembered = await listCheckpoints(stage.test.database);
    expect(remembered.map(({ size, whole }) => ({ size, whole }))).toEqual([
      { size: 2, whole: false },
      { size: 1, whole: true },
    ]);
    const file = await readFile(path, "utf8");
    expect(file).toBe(
      remembered
        .map(({ note }) => note)
        .toReversed()
        .join(""),
    );
    expect(remembered[0]?.publicKey).toContain(`${(await loadPrivateKey(keyPath)).name}+`);
  });

  it("fails for a log that was changed, in the catalogue's words, and leaves the file as it was", async () => {
    const before = await readFile(path, "utf8");
    await stage.test.admin.query("SET session_replication_role = replica");
    await stage.test.admin.query("UPDATE audit_event SET actor = 'eve' WHERE seq = 1");
    await expect(stage.run("signCheckpoint", { whole: true })).rejects.toMatchObject({
      type: "AUDIT_NOT_SIGNED",
      nonRetryable: true,
      message: expect.stringContaining("event 1 of stream modelwright is modified"),
    });
    expect(await readFile(path, "utf8")).toBe(before);
    const alarms = () => listAlarms(stage.test.database, { open: true });
    expect(await alarms()).toMatchObject([
      { kind: "audit-not-signed", subject: "audit/modelwright", text: expect.stringContaining("modified") },
    ]);
    await expect(stage.run("signCheckpoint", { whole: true })).rejects.toThrow("not signed");
    expect(await alarms()).toHaveLength(1);
  });

  it("fails as plainly where the log is too broken for an alarm", async () => {
    await stage.test.admin.query("SET session_replication_role = replica");
    await stage.test.admin.query("DELETE FROM alarm");
    await stage.test.admin.query("UPDATE audit_head SET seq = 1 WHERE stream = 'modelwright'");
    await expect(stage.run("signCheckpoint", { whole: false })).rejects.toMatchObject({ type: "AUDIT_NOT_SIGNED" });
    expect(await listAlarms(stage.test.database)).toEqual([]);
  });

  it("is refused where no place is configured", async () => {
    const { signCheckpoint } = createActivities({ ...stage.dependencies, checkpoints: null });
    await expect(signCheckpoint({ whole: false })).rejects.toMatchObject({ type: "CHECKPOINT_UNCONFIGURED" });
  });
});
