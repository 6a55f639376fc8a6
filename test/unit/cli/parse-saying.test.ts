import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";

import { parseSaying } from "../../../cli/registry/parse-saying.ts";
import { isFailure } from "../../../contracts/failures.ts";

function thrownBy(word: string): unknown[] {
  try {
    parseSaying(word, 1);
    return [];
  } catch (thrown) {
    return [thrown];
  }
}

describe("what `set` is told", () => {
  it.each([
    ["owner=payments", null, { attribute: "owner", key: "", value: "payments" }],
    ["purpose=a = b", null, { attribute: "purpose", key: "", value: "a = b" }],
    ["risk-tier=high", null, { attribute: "risk-tier", key: "", value: "high" }],
    ["stages=shadow,production", null, { attribute: "stages", key: "", value: ["shadow", "production"] }],
    ["tag:country=NO", 3, { attribute: "tag", key: "country", value: "NO" }],
    ["tag:a:b=c=d", 3, { attribute: "tag", key: "a:b", value: "c=d" }],
    ["tag:country=", null, { attribute: "tag", key: "country", value: null }],
    ["alias:best", 3, { attribute: "alias", key: "best", value: 3 }],
    ["alias:best=4", 3, { attribute: "alias", key: "best", value: 4 }],
    ["alias:best=", null, { attribute: "alias", key: "best", value: null }],
    ["stage=production", 3, { attribute: "stage", key: "", value: "production" }],
    ["stage=none", 3, { attribute: "stage", key: "", value: null }],
  ] as const)("%s is understood", (word, number, saying) => {
    expect(parseSaying(word, number)).toEqual(saying);
  });

  it.each([
    ["owner", null, /write NAME=VALUE/],
    ["tombstone=true", null, /NAME is one of owner, purpose, risk-tier, description/],
    ["team=birds", null, /NAME is one of/],
    ["alias:best", null, /of which version/],
    ["alias:v3", 3, /nothing like `v3`/],
    ["alias:latest", 3, /not `latest`/],
    ["alias:best=next", null, /expected number/],
    ["risk-tier=huge", null, /low/],
    ["stages=none,live", null, /none/],
    ["stages=live,live", null, /each stage once/],
    ["tag:=x", null, /tag/],
    ["owner=a\u0000b", null, /control characters/],
  ] as const)("%s is refused", (word, number, reason) => {
    expect(() => parseSaying(word, number)).toThrow(reason);
  });

  it("is understood or refused in words, whatever it is", () => {
    assert(
      property(string({ unit: "binary", maxLength: 80 }), (word) => {
        const thrown = [word, `tag:${word}`, `owner=${word}`, `alias:${word}=1`].flatMap(thrownBy);
        expect(thrown.filter((one) => !isFailure(one))).toEqual([]);
      }),
    );
  });
});
