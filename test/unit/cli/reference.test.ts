import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseLifecycleId, parseReference, parseVersion } from "../../../client/reference.ts";
import { isFailure } from "../../../contracts/failures.ts";

const DIGEST = "0f".repeat(32);

function thrownBy(work: () => unknown): Error[] {
  try {
    work();
    return [];
  } catch (thrown) {
    return [thrown instanceof Error ? thrown : new Error(String(thrown))];
  }
}

describe("references as people type them", () => {
  it.each([
    ["model/flight-delay@12", "model", "flight-delay@12"],
    [`artifact/${DIGEST}`, "artifact", DIGEST],
    ["lifecycle/nightly-1", "lifecycle", "nightly-1"],
    ["prediction/0193-7e55/3", "prediction", "0193-7e55/3"],
    ["source//data/März 2001.parquet#ab", "source", "/data/März 2001.parquet#ab"],
    ["drift-check/42", "drift-check", "42"],
  ])("reads %s", (text, kind, name) => {
    expect(parseReference(text)).toEqual({ kind, name, text });
  });

  it("reads a version without its kind", () => {
    expect(parseReference("flight-delay@12")).toEqual(parseReference("model/flight-delay@12"));
    expect(parseReference("flight-delay@latest")).toMatchObject({ kind: "model", text: "model/flight-delay@latest" });
  });

  it.each([
    "",
    "model",
    "model/",
    "model/flight-delay",
    "model/flight-delay@0",
    "model/flight-delay@v3",
    "model/flight-delay@3rd",
    "model/flight-delay@__proto__",
    "model/Flight@1",
    "model/a@1; DROP TABLE model",
    "artifact/abc",
    `artifact/${DIGEST.toUpperCase()}`,
    "nonsense/1",
    "endpoint/flight-delay",
    "flight-delay@v3",
    "lifecycle/ ",
    "lifecycle/a\u0000b",
    "prediction/ümlaut",
    "lifecycle/\u202Eevil",
    `lifecycle/${"x".repeat(3000)}`,
    "__proto__/x",
  ])("refuses %j and says what is allowed", (text) => {
    expect(() => parseReference(text)).toThrow(/is not a reference; allowed: model\/NAME@N/);
  });

  it("refuses any text with a failure of the catalogue that is short and cannot move a cursor", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const thrown = [parseReference, parseVersion, parseLifecycleId].flatMap((parse) => thrownBy(() => parse(text)));
        const odd = thrown.filter(({ message }) => message.length > 400 || /[\p{Cc}\p{Bidi_Control}]/u.test(message));
        expect([thrown.every(isFailure), odd]).toEqual([true, []]);
      }),
      { numRuns: 50 },
    );
  });

  it("takes a version with and without its kind", () => {
    expect(parseVersion("flight-delay@3")).toEqual({ model: "flight-delay", version: 3 });
    expect(parseVersion("model/flight-delay@3")).toEqual({ model: "flight-delay", version: 3 });
    expect(parseVersion("flight-delay@Best_2.0")).toEqual({ model: "flight-delay", version: "Best_2.0" });
    expect(parseVersion("flight-delay@latest")).toEqual({ model: "flight-delay", version: "latest" });
    expect(() => parseVersion("lifecycle/x")).toThrow("is not a reference");
  });

  it("takes a lifecycle's id with and without its kind, and refuses what was never one", () => {
    expect([parseLifecycleId("nightly 1"), parseLifecycleId("lifecycle/nightly")]).toEqual(["nightly 1", "nightly"]);
    for (const text of ["", "  ", "x".repeat(201), "a\u0000"])
      expect(() => parseLifecycleId(text)).toThrow("is not known");
  });
});
