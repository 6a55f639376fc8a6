import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { generateRegistry } from "../../../bench/registry-data.ts";
import type { VersionQuery } from "../../../contracts/registry.ts";
import { searchVersions } from "../../../db/queries/registry/versions.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";

/** As many versions as fill slices of the middle size, generated as the benchmark's are; and a newer one, far from them. */
let test: TestDatabase;
const VERSIONS = 12_000;
const MODELS = 12;
beforeAll(async () => {
  test = await createTestDatabase();
  await test.admin.query("SELECT setval('version_place', 5000)");
  await generateRegistry(test.admin, { models: MODELS, versions: VERSIONS });
  await test.admin.query("SELECT setval('version_place', 400000)");
  await addVersion(test.database, "newest", "newest");
});
afterAll(async () => {
  await test.close();
});

/** All pages of a question, in its order. */
async function everything(query: Omit<VersionQuery, "limit" | "after">, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await searchVersions(test.database, { ...query, limit, ...(after ? { after } : {}) });
    found.push(...page.versions.map(({ model, number }) => `${model}@${number}`));
    if (page.next === null) return found;
    after = page.next;
  }
}

/** The generated versions with such numbers, newest first. */
const versionsWhere = (is: (index: number) => boolean): string[] =>
  Array.from({ length: VERSIONS }, (_, back) => VERSIONS - 1 - back)
    .filter(is)
    .map((index) => `bench-${String(index % MODELS).padStart(6, "0")}@${Math.floor(index / MODELS) + 1}`);

describe("a search among thousands of versions", () => {
  const legacy = VERSIONS / 5;
  const questions: readonly [string, Omit<VersionQuery, "limit">, number, (index: number) => boolean][] = [
    ["a word every one has", { words: "onnx" }, 1100, () => true],
    ["a word of one in a hundred", { words: "percent" }, 50, (index) => index % 100 === 0],
    ["a word of one", { words: "rare3" }, 50, (index) => index === 3500],
    ["a word of the oldest alone", { words: "legacy" }, 900, (index) => index < legacy],
    ["two common words that are never together", { words: "even odd" }, 50, () => false],
    ["two of which one is of the oldest", { words: "legacy odd" }, 300, (index) => index < legacy && index % 2 === 1],
    ["either of two", { words: "rare1 or rare2" }, 1, (index) => index === 1500 || index === 2500],
    ["a word and a tag", { words: "even", tags: { runtime: "r1" } }, 700, (index) => index % 6 === 4],
    ["a stage", { stage: "production" }, 5, (index) => index >= VERSIONS - MODELS],
    [
      "a word and a time",
      { words: "even", createdAfter: "2025-04-02T06:00:00Z", createdBefore: "2025-07-02T12:00:00Z" },
      400,
      (index) => index % 2 === 0 && index >= VERSIONS / 4 && index < VERSIONS / 2,
    ],
  ];
  it.each(questions)("finds %s, each once and the newest first", async (_, question, limit, is) => {
    expect(await everything(question, limit)).toEqual(versionsWhere(is));
  });

  it("finds what is without a word, and what has nothing said of it", async () => {
    expect(await everything({ words: "-even" }, 1100)).toEqual([
      "newest@1",
      ...versionsWhere((index) => index % 2 === 1),
    ]);
    expect(await everything({ model: "newest" }, 50)).toEqual(["newest@1"]);
  });
});
