import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fitText,
  formatBasisPoints,
  formatDuration,
  padText,
  printable,
  textWidth,
  wrapText,
} from "../../../client/text.ts";

describe("text for terminals", () => {
  it.each([
    [0, "0.0 s"],
    [-5, "0.0 s"],
    [1234, "1.2 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min"],
    [184_000, "3 min 04 s"],
    [3_599_600, "1 h"],
    [3_600_000, "1 h"],
    [7_500_000, "2 h 05 min"],
    [100_000_000, "1 d 04 h"],
    [30 * 86_400_000, "30 d"],
  ])("writes %d ms as %s", (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });

  it("writes basis points as a share without needless zeros", () => {
    expect([500, 1250, 1, 10_000].map(formatBasisPoints)).toEqual(["5 %", "12.5 %", "0.01 %", "100 %"]);
  });

  it("pads to exactly the width asked for, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 30 }), (text, width) => {
        const line = printable(text);
        expect(textWidth(padText(line, width))).toBe(width);
        expect(textWidth(fitText(line, width))).toBeLessThanOrEqual(width);
      }),
    );
  });

  it("leaves nothing that is not seen in a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
      }),
      { numRuns: 50 },
    );
  });

  it("wraps at spaces and loses no word", () => {
    const text = "one two three four five";
    const lines = wrapText(text, 9);
    expect(lines).toEqual(["one two", "three", "four five"]);
    expect(wrapText("unbreakable", 4)).toEqual(["unbreakable"]);
  });
});
