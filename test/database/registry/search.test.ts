import { array, assert, asyncProperty, constantFrom, option, record, uniqueArray, type Arbitrary } from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import type { VersionQuery } from "../../../contracts/registry.ts";
import { searchModels } from "../../../db/queries/registry/models.ts";
import { searchVersions, type RegisteredVersion } from "../../../db/queries/registry/versions.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";
import { alias, owner, purpose, say, stage, tag } from "./say.ts";

let test: TestDatabase;
/** What the search must know, in the order of registration. */
const known: { model: string; number: number; words: Set<string>; stage: string; tags: string[]; owner: string }[] = [];

const MODELS = [
  { name: "card-fraud", purpose: "score payments for fraud", owner: "payments" },
  { name: "flight-delay", purpose: "warn crews early", owner: "operations" },
  { name: "churn", purpose: "find customers who leave", owner: "payments" },
] as const;
const WORDS = ["alpine", "border", "copper"] as const;
const STAGES = ["none", "staging", "production"] as const;

beforeAll(async () => {
  test = await createTestDatabase();
  const { database } = test;
  for (let index = 0; index < 60; index += 1) {
    const model = MODELS[index % 3] ?? MODELS[0];
    const { number } = await addVersion(database, model.name, `search ${index}`);
    if (number === 1) await say(database, { model: model.name }, purpose(model.purpose), owner(model.owner));
    const words = WORDS.filter((_, bit) => ((index * 7) >> bit) & 1);
    const at = STAGES[index % 4] ?? "none";
    const region = index % 5 === 0 ? "north" : "south";
    const sayings = [tag("region", region), ...words.map((word) => tag(word, "yes"))];
    await say(database, { model: model.name, number }, ...sayings, ...(at === "none" ? [] : [stage(at)]));
    const said = [...model.name.split("-"), ...model.purpose.split(" "), ...words, region];
    known.push({
      model: model.name,
      number,
      words: new Set(said),
      stage: at,
      tags: [`region=${region}`],
      owner: model.owner,
    });
  }
  await say(database, { model: "card-fraud", number: 3 }, alias("best", 3));
  // The next ones are of other slices, as if thousands had come between: of an empty large one, and of one after it.
  for (const [times, place] of [70_000, 140_000].entries()) {
    await test.admin.query("SELECT setval('version_place', $1)", [place]);
    for (let index = 0; index < 5; index += 1) {
      const { number } = await addVersion(database, "later", `later ${times} ${index}`);
      known.push({ model: "later", number, words: new Set(["later"]), stage: "none", tags: [], owner: "" });
    }
  }
});
afterAll(async () => {
  await test.close();
});

const nameOf = ({ model, number }: { readonly model: string; readonly number: number }) => `${model}@${number}`;

/** All pages of a question. */
async function everything(query: Omit<VersionQuery, "limit" | "after">, limit: number): Promise<RegisteredVersion[]> {
  const found: RegisteredVersion[] = [];
  for (let after: string | undefined; ;) {
    const page = await searchVersions(test.database, { ...query, limit, ...(after ? { after } : {}) });
    found.push(...page.versions);
    if (page.next === null) return found;
    after = page.next;
  }
}

const optional = <Value>(values: Arbitrary<Value>) => option(values, { nil: undefined });
const question = record({
  words: optional(
    uniqueArray(constantFrom(...WORDS, "fraud", "crews", "later", "north"), { minLength: 1, maxLength: 3 }),
  ),
  without: optional(constantFrom(...WORDS)),
  model: optional(constantFrom(...MODELS.map(({ name }) => name), "later", "nobody")),
  stage: optional(constantFrom(...STAGES)),
  owner: optional(constantFrom("payments", "Operations", "nobody")),
  region: optional(constantFrom("north", "south")),
  limit: constantFrom(1, 7, 500),
  past: array(constantFrom(true), { maxLength: 1 }),
});

describe("a search for versions", () => {
  it("finds what a naive filter does, newest first, in pages without a repetition or a loss, now and of a past moment", async () => {
    await assert(
      asyncProperty(question, async ({ words, without, model, stage: at, owner: by, region, limit, past }) => {
        const expected = known
          .filter((one) => (words ?? []).every((word) => one.words.has(word)) && !(without && one.words.has(without)))
          .filter((one) => (model ?? one.model) === one.model && (at ?? one.stage) === one.stage)
          .filter((one) => by === undefined || by.toLowerCase() === one.owner)
          .filter((one) => region === undefined || one.tags.includes(`region=${region}`))
          .map(nameOf)
          .reverse();
        const query = {
          ...(words || without ? { words: [...(words ?? []), ...(without ? [`-${without}`] : [])].join(" ") } : {}),
          ...(model ? { model } : {}),
          ...(at ? { stage: at } : {}),
          ...(by ? { owner: by } : {}),
          ...(region ? { tags: { region } } : {}),
          ...(past.length > 0 ? { asOf: "9998-01-01T00:00:00Z" } : {}),
        };
        expect((await everything(query, limit)).map(nameOf)).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it("finds by alias, digest, origin and time of registration", async () => {
    const [best] = await everything({ alias: "best" }, 5);
    expect(best).toMatchObject({ model: "card-fraud", number: 3, aliases: ["best"], stage: "production" });
    expect((await everything({ digest: best?.artifact ?? "" }, 5)).map(nameOf)).toEqual(["card-fraud@3"]);
    expect(await everything({ origin: "registered", model: "later" }, 2)).toHaveLength(10);
    expect(await everything({ origin: "trained" }, 2)).toEqual([]);
    const at = best?.createdAt.getTime() ?? 0;
    const around = { createdAfter: new Date(at).toISOString(), createdBefore: new Date(at + 1).toISOString() };
    expect((await everything(around, 5)).map(nameOf)).toContain("card-fraud@3");
    expect(await everything({ createdBefore: "2001-01-01T00:00:00Z" }, 5)).toEqual([]);
    expect(await everything({ createdAfter: "9998-01-01T00:00:00Z" }, 5)).toEqual([]);
  });

  it("goes on where it was while versions are registered and renamed in between", async () => {
    const first = await searchVersions(test.database, { model: "churn", limit: 4 });
    await addVersion(test.database, "churn", "in between");
    await say(test.database, { model: "churn" }, purpose("find customers who stay"));
    const second = await searchVersions(test.database, { model: "churn", limit: 4, after: first.next ?? "" });
    const numbers = [...first.versions, ...second.versions].map(({ number }) => number);
    expect(numbers).toEqual([20, 19, 18, 17, 16, 15, 14, 13]);
    expect(await everything({ words: "stay", model: "churn" }, 50)).toHaveLength(21);
    expect(await everything({ words: "leave", model: "churn" }, 50)).toEqual([]);
  });

  it("refuses a cursor that is none, or another question's", async () => {
    const { next } = await searchVersions(test.database, { model: "churn", limit: 1 });
    for (const after of [next ?? "", "", "🙂", "bnVsbA", Buffer.from("[1e999,1]").toString("base64url")]) {
      const refused = searchVersions(test.database, { model: "card-fraud", limit: 1, after });
      await expect(refused).rejects.toMatchObject({ code: "INPUT_INVALID", fields: { where: "cursor" } });
    }
  });

  it("refuses words nothing can be found by", async () => {
    for (const words of ["the", "!!", '""'])
      await expect(searchVersions(test.database, { words, limit: 5 })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });
});

describe("a search for models", () => {
  it("goes by name, in pages, with words, owner and tags", async () => {
    const names = async (query: object) =>
      (await searchModels(test.database, { limit: 50, ...query })).models.map(({ name }) => name);
    expect(await names({})).toEqual(["card-fraud", "churn", "flight-delay", "later"]);
    expect(await names({ words: "payment or customer" })).toEqual(["card-fraud", "churn"]);
    expect(await names({ owner: "payments", words: "-fraud" })).toEqual(["churn"]);
    expect(await names({ tags: { region: "north" } })).toEqual([]);
    const first = await searchModels(test.database, { limit: 3 });
    const second = await searchModels(test.database, { limit: 3, after: first.next ?? "" });
    expect([first.models.length, second.models.map(({ name }) => name), second.next]).toEqual([3, ["later"], null]);
  });
});
