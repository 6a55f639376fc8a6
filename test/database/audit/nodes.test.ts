import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { checkLog } from "../../../adapters/checkpoints/audit-log.ts";
import { sha256 } from "../../../adapters/checkpoints/sha256.ts";
import { generateAuditEvents } from "../../../bench/audit-data.ts";
import type { AuditLog } from "../../../contracts/audit-log.ts";
import type { MerkleTree } from "../../../core/audit/merkle-tree.ts";
import { computeOverTiles } from "../../../core/audit/tiles.ts";
import { createAuditLog } from "../../../db/queries/audit-log.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { treeOver } from "../../support/memory-log.ts";
import { APPEND_ONLY, PERMISSION_DENIED, refusalOf } from "../refusal.ts";

// Two levels of nodes: 65,536 events make the first of the second.
const SIZE = 66_000;
let test: TestDatabase;
let log: AuditLog;
let tree: MerkleTree;

beforeAll(async () => {
  test = await createTestDatabase();
  log = createAuditLog(test.database);
  await generateAuditEvents(test.admin, 60_000);
  await log.keepNodes("modelwright");
  await generateAuditEvents(test.admin, SIZE - 60_000);
  await Promise.all([log.keepNodes("modelwright"), log.keepNodes("modelwright")]);
  const { rows } = await test.admin.query<{ body: Buffer }>("SELECT body FROM audit_event ORDER BY seq");
  tree = treeOver(rows.map(({ body }) => body));
});
afterAll(async () => {
  await test.close();
});

const ask = <Result>(size: number, compute: (tree: MerkleTree) => Result) =>
  computeOverTiles({ hash: sha256, size, load: (wanted) => log.tiles("modelwright", wanted) }, compute);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("the nodes that the database keeps of the audit log's tree", () => {
  it("are one for 256 events and one for 256 of these", async () => {
    const { rows } = await test.admin.query(
      "SELECT level::int, count(*)::int FROM audit_node GROUP BY level ORDER BY level",
    );
    expect(rows).toEqual([
      { level: 8, count: 257 },
      { level: 16, count: 1 },
    ]);
  });

  it.each([1, 255, 256, 257, 60_001, 65_535, 65_536, 65_537, SIZE])(
    "give the roots and proofs of the tree over the events, at %i",
    async (size) => {
      expect(hex(await ask(size, (one) => one.root()))).toBe(hex(tree.root(size)));
      for (const index of [0, Math.floor(size / 3), size - 1]) {
        expect((await ask(size, (one) => one.inclusionProof(index))).map(hex)).toEqual(
          tree.inclusionProof(index, size).map(hex),
        );
        expect((await ask(size, (one) => one.consistencyProof(index + 1))).map(hex)).toEqual(
          tree.consistencyProof(index + 1, size).map(hex),
        );
      }
    },
  );

  it("are compared with the events when the whole log is read", async () => {
    expect(await checkLog(log)).toMatchObject({ events: SIZE, streams: [{ root: tree.root() }] });
    await test.admin.query("SET session_replication_role = replica");
    await test.admin.query("UPDATE audit_node SET hash = sha256(hash) WHERE level = 8 AND index = 200");
    expect((await checkLog(log)).problem).toMatchObject({ kind: "modified", found: expect.stringContaining("256") });
    await test.admin.query("DELETE FROM audit_node WHERE level = 8 AND index = 200");
    await test.admin.query("SET session_replication_role = DEFAULT");
    expect((await checkLog(log)).problem).toMatchObject({ kind: "modified" });
  });

  it("are written by the database alone, and never changed", async () => {
    const forged = "INSERT INTO audit_node (stream, level, index, hash) VALUES ('modelwright', 8, 999, sha256('x'))";
    expect(await refusalOf(test.database.execute(forged))).toBe(PERMISSION_DENIED);
    expect(await refusalOf(test.admin.query("UPDATE audit_node SET hash = sha256('x')"))).toBe(APPEND_ONLY);
    expect(await refusalOf(test.admin.query("TRUNCATE audit_node"))).toBe(APPEND_ONLY);
  });
});
