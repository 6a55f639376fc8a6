import {
  anything,
  assert,
  asyncProperty,
  constantFrom,
  double,
  oneof,
  record,
  string,
  type Arbitrary,
} from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { createRegistryReader, type RegistryReader } from "../../../client/registry.ts";
import { translated } from "../../../client/failures.ts";
import { isFailure } from "../../../contracts/failures.ts";
import { REGISTRY_ATTRIBUTES } from "../../../contracts/names.ts";
import { registryChangeSchema } from "../../../contracts/registry.ts";
import { recordEntries } from "../../../db/queries/registry/entries.ts";
import { audited } from "../../support/audited.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { addVersion } from "../sample.ts";
import { say, tag } from "./say.ts";

let test: TestDatabase;
let reader: RegistryReader;
beforeAll(async () => {
  test = await createTestDatabase();
  reader = createRegistryReader(test.database, translated);
  await addVersion(test.database, "calm", "calm");
  await addVersion(test.database, "calm", "calmer");
});
afterAll(async () => {
  await test.close();
});

const NASTY = [
  "\0",
  "a\0b",
  "\uD800",
  "\u202Eevil",
  "'; DROP TABLE model; --",
  '" or 1=1',
  "!!! & | <-> :*",
  "((((",
  '"open phrase',
  "-",
  "or or or",
  "a:*",
  "\\",
  "%_%",
  "__proto__",
  "constructor",
  "latest",
  "v1",
  "1e309",
  "NaN",
  "infinity",
  "0000-01-01T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-01-01T00:00:00+23:59",
  "9999-12-31T23:59:59.999999999Z",
  "名前",
  "🙂".repeat(300),
  "x ".repeat(5000),
  "e\u0301",
];
/** Ten megabytes; once is enough for a question. */
const HUGE = "x".repeat(10_000_000);

const nasty: Arbitrary<string> = oneof(constantFrom(...NASTY), string({ unit: "binary", maxLength: 60 }));
const value: Arbitrary<unknown> = oneof({ weight: 4, arbitrary: nasty }, double(), anything({ maxDepth: 1 }));

/** Refused in the catalogue's words, or answered. Anything else is a bug. */
async function answered<Answer>(question: Promise<Answer>): Promise<Answer | null> {
  return await question.catch((thrown: unknown) => {
    if (isFailure(thrown)) return null;
    throw thrown;
  });
}

describe("whatever somebody asks the registry", () => {
  it("about models and versions, the answer is right or a refusal in words", async () => {
    const question = record(
      {
        words: value,
        owner: value,
        team: value,
        tags: oneof(value, record({ "a b": value }), constantFrom(JSON.parse('{"__proto__": "x"}'))),
        riskTier: value,
        model: value,
        stage: value,
        alias: value,
        digest: value,
        lifecycle: value,
        createdAfter: value,
        createdBefore: value,
        asOf: value,
        knownAt: value,
        limit: oneof(constantFrom(0, -1, 501, 1e9, 1.5, Number.NaN, 5), value),
        after: value,
      },
      { requiredKeys: [] },
    );
    await assert(
      asyncProperty(question, async (asked) => {
        await answered(reader.versions(asked as object));
        const { model: _model, stage: _stage, alias: _alias, digest: _digest, lifecycle: _lifecycle, ...rest } = asked;
        await answered(reader.models(rest as object));
      }),
      { numRuns: 400 },
    );
  });

  it("with one strange thing at a time, the answer is right or a refusal in words", async () => {
    const instant = "2026-01-01T00:00:00Z";
    for (const odd of [...NASTY, HUGE]) {
      for (const field of [
        "words",
        "owner",
        "team",
        "stage",
        "alias",
        "lifecycle",
        "asOf",
        "knownAt",
        "createdAfter",
        "after",
      ]) {
        const page = await answered(reader.versions({ [field]: odd, limit: 5 }));
        expect(page?.versions.length ?? 0).toBeLessThanOrEqual(2);
      }
      await answered(reader.versions({ tags: { [odd]: odd }, asOf: instant }));
      await answered(reader.models({ words: odd, knownAt: instant }));
      expect(await answered(reader.model(odd))).toBeNull();
      expect(await answered(reader.version(odd))).toBeNull();
      const found = await answered(reader.version(`calm@${odd}`));
      expect(found?.number ?? null).toBe(odd === "latest" ? 2 : null);
    }
  });

  it("what is said with strange words is refused, or kept exactly and found again by it", async () => {
    const saying = record({
      attribute: constantFrom(...REGISTRY_ATTRIBUTES),
      key: oneof(constantFrom(""), nasty),
      value,
    });
    const change = record({
      number: constantFrom(null, 1, 2, 0, 77),
      saying,
      validFrom: oneof(constantFrom(null), nasty),
    });
    await assert(
      asyncProperty(change, async ({ number, saying: said, validFrom }) => {
        const parsed = registryChangeSchema.safeParse({ model: "calm", number, sayings: [said], validFrom });
        if (!parsed.success || said.attribute === "tombstone") return;
        const written = await answered(
          audited(test.database).transaction((tx) => recordEntries(tx, { ...parsed.data, by: "ada", reason: "" })),
        );
        // An owner is kept as a pseudonym.
        const kept = said.attribute === "owner" ? said.value : (written?.[0]?.value ?? said.value);
        expect(kept).toEqual(said.value);
      }),
      { numRuns: 300 },
    );
    for (const odd of NASTY.filter((text) => registryChangeSchema.safeParse(changeOf(text)).success)) {
      await say(test.database, { model: "calm", number: 1 }, tag("odd", odd));
      const found = await reader.versions({ tags: { odd } });
      expect(found.versions.map(({ number, tags }) => [number, tags["odd"]])).toEqual([[1, odd]]);
    }
  });
});

const changeOf = (text: string) => ({
  model: "calm",
  number: 1,
  sayings: [{ attribute: "tag", key: "odd", value: text }],
  validFrom: null,
});
