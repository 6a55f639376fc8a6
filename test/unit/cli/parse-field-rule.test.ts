import { describe, expect, it } from "vitest";
import { parseFieldRule } from "../../../cli/parse-field-rule.ts";

describe("rules of columns as people type them", () => {
  it.each([
    ["hour=allow", "hour", { keep: "allow" }],
    [" origin=hash", "origin", { keep: "hash" }],
    ["the carrier=drop", "the carrier", { keep: "drop" }],
    ["distance=bucket:-1.5,250,1e3", "distance", { keep: "bucket", edges: [-1.5, 250, 1000] }],
  ])("%j is read", (text, column, rule) => {
    expect(parseFieldRule(text)).toEqual([column, rule]);
  });

  it.each([
    "hour",
    "=hash",
    "hour=encrypt",
    "hour=bucket",
    "hour=bucket:",
    "hour=bucket:2,1",
    "hour=bucket:1,,2",
    "hour=hash:1",
  ])("%j is refused with the way to write one", (text) => {
    expect(() => parseFieldRule(text)).toThrow(/COLUMN=bucket: and rising edges/);
  });
});
