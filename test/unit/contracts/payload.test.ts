import { expect, test } from "vitest";
import { requireSmallPayload } from "../../../contracts/payload.ts";

test("lets ids and settings travel through Temporal unchanged", () => {
  const value = { lifecycleId: "flight-delay-1", round: 1 };
  expect(requireSmallPayload("input", value)).toBe(value);
});

test("refuses data, counting bytes and not characters", () => {
  const snowmen = "☃".repeat(90_000);
  expect(() => requireSmallPayload("input", snowmen)).toThrow(/input: 270002 bytes .* at most 262144/);
});

test("lets nothing travel as nothing", () => {
  expect(requireSmallPayload("result", undefined)).toBeUndefined();
});
