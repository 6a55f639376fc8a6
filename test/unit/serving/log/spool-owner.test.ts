import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { claimSpool, lookForSpools, OWN_RUN } from "../../../../serving/log/spool-owner.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "modelwright-spools-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const elsewhere = (name: string, beatAt: number): void => {
  const path = join(root, name, "owner.json");
  writeFileSync(path, JSON.stringify({ hostname: "another host", pid: process.pid, run: "another" }));
  utimesSync(path, beatAt, beatAt);
};

test("a spool of another host is abandoned when it said nothing between two looks, whatever any clock says", async () => {
  await claimSpool(join(root, "silent"), "g");
  await claimSpool(join(root, "beating"), "g");
  for (const name of ["silent", "beating"]) elsewhere(name, 1_000);
  const first = await lookForSpools(root, OWN_RUN, new Map());
  expect(first.abandoned).toEqual([]);
  elsewhere("beating", 1_005);
  const second = await lookForSpools(root, OWN_RUN, first.beats);
  expect(second.abandoned).toEqual(["silent"]);
});

test("a spool of this process is its own until released, also to its other gateways", async () => {
  const claim = await claimSpool(join(root, "own"), "g");
  expect((await lookForSpools(root, OWN_RUN, new Map())).abandoned).toEqual([]);
  await claim.release();
  expect((await lookForSpools(root, OWN_RUN, new Map())).abandoned).toEqual(["own"]);
});

test("a spool of a process that had this one's id before is abandoned", async () => {
  await claimSpool(join(root, "before"), "g");
  const owner = { hostname: hostname(), pid: process.pid, run: "the one before" };
  writeFileSync(join(root, "before", "owner.json"), JSON.stringify(owner));
  expect((await lookForSpools(root, OWN_RUN, new Map())).abandoned).toEqual(["before"]);
});
