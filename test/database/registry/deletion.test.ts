import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { Saying } from "../../../contracts/registry.ts";
import { advanceEpoch, type EpochRequest } from "../../../db/queries/advance-epoch.ts";
import { findRegistered, registerVersion, type ModelVersion } from "../../../db/queries/model.ts";
import { findModel, searchModels } from "../../../db/queries/registry/models.ts";
import { resolveVersion } from "../../../db/queries/registry/resolve.ts";
import { searchVersions } from "../../../db/queries/registry/versions.ts";
import { endRollout, startRollout } from "../../../db/queries/rollout.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addArtifact, addEndpoint, addLifecycle, addVersion, facts, plan, provenance, signature } from "../sample.ts";
import { alias, owner, restored, say, stage, tag, tombstone } from "./say.ts";

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(async () => {
  await test.close();
});

const about = (model: string, number: number | null, ...sayings: Saying[]) =>
  say(test.database, { model, number }, ...sayings);

const advance = (request: Pick<EpochRequest, "endpoint" | "expectedEpoch"> & Partial<EpochRequest>) =>
  audited(test.database).transaction((tx) =>
    advanceEpoch(tx, {
      championVersion: null,
      canaryVersion: null,
      canaryShare: 0,
      salt: "salt",
      rollout: null,
      reason: "test",
      createdBy: "ada",
      leaseMs: 60_000,
      ...request,
    }),
  );

const addChild = (parent: ModelVersion, bytes: string) =>
  audited(test.database).transaction(async (tx) =>
    registerVersion(
      tx,
      {
        model: parent.model,
        artifact: await addArtifact(tx, bytes),
        signature,
        origin: "optimized",
        parentVersion: parent.id,
        facts,
        createdBy: "ada",
        key: null,
      },
      provenance(),
    ),
  );

describe("a version may not be deleted", () => {
  it("while it is champion, canary or what a rollback goes back to, and may be when it is none of these", async () => {
    const versions: ModelVersion[] = [];
    for (const bytes of ["one", "two", "three"]) versions.push(await addVersion(test.database, "served", bytes));
    const [one, two, three] = versions.map(({ id }) => id);
    if (!one || !two || !three) throw new Error("no versions");
    await addEndpoint(test.database, "served", "served", "staging");
    await advance({ endpoint: "served", expectedEpoch: 0, championVersion: one });
    await advance({ endpoint: "served", expectedEpoch: 1, championVersion: one, canaryVersion: two, canaryShare: 500 });
    for (const number of [1, 2])
      await expect(about("served", number, tombstone)).rejects.toThrow(
        `served@${number} is in use and stays: it serves on endpoint served`,
      );
    await advance({ endpoint: "served", expectedEpoch: 2, championVersion: two });
    await expect(about("served", 1, tombstone)).rejects.toThrow("a rollback of endpoint served goes back to it");
    await advance({ endpoint: "served", expectedEpoch: 3, championVersion: three });
    await expect(about("served", 2, tombstone)).rejects.toMatchObject({ code: "DELETE_REFUSED" });
    await about("served", 1, tombstone);
    await expect(about("served", null, tombstone)).rejects.toMatchObject({ code: "DELETE_REFUSED" });
    await expect(advance({ endpoint: "served", expectedEpoch: 4, championVersion: one })).rejects.toMatchObject({
      code: "DELETED",
      fields: { subject: "served@1" },
    });
  });

  it("while a rollout is under way with it", async () => {
    const version = await addVersion(test.database, "rolling", "rolling");
    await addEndpoint(test.database, "rolling", "rolling", "staging");
    const start = (id: string) =>
      audited(test.database).transaction((tx) =>
        startRollout(tx, {
          id,
          endpoint: "rolling",
          lifecycle: null,
          plan,
          championVersion: null,
          canaryVersion: version.id,
          latencyThresholdMs: null,
          startedBy: "ada",
        }),
      );
    await start("rolling-1");
    await expect(about("rolling", 1, tombstone)).rejects.toThrow("rollout rolling-1 is under way with it");
    await audited(test.database).transaction((tx) =>
      endRollout(tx, { id: "rolling-1", status: "aborted", outcome: "" }),
    );
    await about("rolling", 1, tombstone);
    await expect(start("rolling-2")).rejects.toMatchObject({ code: "DELETED" });
  });

  it("while an alias points to it, or another version was made from it and is not deleted", async () => {
    const parent = await addVersion(test.database, "kin", "parent");
    await addChild(parent, "child");
    await about("kin", 1, alias("best", 1));
    await expect(about("kin", 1, tombstone)).rejects.toThrow("alias best points to it");
    await about("kin", null, alias("best", 2));
    await expect(about("kin", 1, tombstone)).rejects.toThrow("version 2 was made from it and is not deleted");
    await about("kin", null, alias("best", null));
    await about("kin", 2, tombstone);
    await about("kin", 1, tombstone);
    await expect(about("kin", null, alias("best", 1))).rejects.toThrow("version 1 is deleted");
    await expect(addChild(parent, "late child")).rejects.toMatchObject({
      code: "DELETED",
      fields: { subject: "kin@1" },
    });
  });

  it("when somebody deploys it at the same time: one of the two is refused, whichever came later", async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < 8; round += 1) {
      const model = `raced-${round}`;
      const version = await addVersion(test.database, model, model);
      await addEndpoint(test.database, model, model, "staging");
      const attempts = [
        () => about(model, 1, tombstone),
        () => advance({ endpoint: model, expectedEpoch: 0, championVersion: version.id }),
      ];
      const ends = await Promise.allSettled(
        (round % 2 === 0 ? attempts : attempts.reverse()).map((attempt) => attempt()),
      );
      expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      const codes = ends.flatMap((end) => (end.status === "rejected" ? [(end.reason as { code: string }).code] : []));
      outcomes.add(codes.join());
    }
    expect([...outcomes].every((code) => ["DELETED", "DELETE_REFUSED"].includes(code))).toBe(true);
  });
});

describe("a deleted model", () => {
  it("gets no version, lifecycle or new words, and is back with everything when that is undone", async () => {
    await addVersion(test.database, "gone", "gone");
    await about("gone", null, owner("grace"), tag("country", "NO"));
    await addLifecycle(test.database, "gone-1", "gone");
    await expect(about("gone", null, tombstone)).rejects.toThrow("lifecycle gone-1 is under way");
    await test.admin.query("SET session_replication_role = replica");
    await test.admin.query("UPDATE lifecycle SET status = 'aborted', finished_at = now() WHERE id = 'gone-1'");
    await test.admin.query("SET session_replication_role = DEFAULT");
    await about("gone", null, tombstone);
    await expect(addVersion(test.database, "gone", "more")).rejects.toMatchObject({ code: "DELETED" });
    await expect(addLifecycle(test.database, "gone-2", "gone")).rejects.toMatchObject({ code: "DELETED" });
    await expect(about("gone", null, owner("ada"))).rejects.toMatchObject({ code: "DELETED" });
    await expect(about("gone", 1, stage("staging"))).rejects.toMatchObject({ code: "DELETED" });

    const names = async (deleted: boolean) =>
      (await searchModels(test.database, { limit: 500, deleted })).models.map(({ name }) => name);
    expect(await names(false)).not.toContain("gone");
    expect(await names(true)).toContain("gone");
    const versions = (deleted: boolean) => searchVersions(test.database, { model: "gone", limit: 5, deleted });
    expect([(await versions(false)).versions.length, (await versions(true)).versions.length]).toEqual([0, 1]);
    expect(await resolveVersion(test.database, { model: "gone", version: 1 })).toMatchObject({ deleted: true });

    await about("gone", null, restored);
    expect(await findModel(test.database, { name: "gone" })).toMatchObject({ deleted: false, tags: { country: "NO" } });
    expect((await versions(false)).versions).toMatchObject([{ number: 1, deleted: false }]);
  });

  it("is still shown as of the time before", async () => {
    await addVersion(test.database, "past", "past");
    const { rows } = await test.admin.query<{ at: string }>(
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS at",
    );
    const asOf = rows[0]?.at ?? "";
    await about("past", 1, tombstone);
    const query = { model: "past", limit: 5 } as const;
    expect((await searchVersions(test.database, query)).versions).toEqual([]);
    expect((await searchVersions(test.database, { ...query, asOf })).versions).toMatchObject([
      { number: 1, deleted: false },
    ]);
    expect((await searchVersions(test.database, { ...query, knownAt: asOf })).versions).toHaveLength(1);
    expect(await findModel(test.database, { name: "past" })).toMatchObject({ latestNumber: null, versionCount: 1 });
    expect(await findModel(test.database, { name: "past", asOf })).toMatchObject({ latestNumber: 1 });
  });
});

describe("the same bytes registered by hand again", () => {
  it("are the version they were, unless they read their columns differently; a deleted one is not taken for new", async () => {
    const version = await addVersion(test.database, "again", "same bytes");
    const find = (signed = signature) =>
      audited(test.database).transaction((tx) =>
        findRegistered(tx, { model: "again", artifact: version.artifact, signature: signed }),
      );
    expect(await find()).toMatchObject({ id: version.id });
    expect(await find({ ...signature, label: "another" })).toBeNull();
    await about("again", 1, tombstone);
    await expect(find()).rejects.toMatchObject({ code: "DELETED", fields: { subject: "again@1" } });
  });
});
