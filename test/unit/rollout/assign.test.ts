import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { assignArm, routingPoint } from "../../../core/rollout/assign.ts";
import fixture from "../../fixtures/rollout/assign.json" with { type: "json" };

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

describe("sticky assignment", () => {
  it.each(fixture.vectors)("agrees with the conformance vector of salt $salt and key $key", (vector) => {
    expect(routingPoint({ ...vector, hash }) * 2 ** 52).toBe(vector.numerator);
    for (const [basisPoints, arm] of Object.entries(vector.arms)) {
      expect(assignArm({ ...vector, canaryBasisPoints: Number(basisPoints), hash })).toBe(arm);
    }
  });

  it("only adds keys to the canary when the share rises", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(10_000), fc.nat(10_000), (key, one, other) => {
        const small = assignArm({ salt: "s", key, canaryBasisPoints: Math.min(one, other), hash });
        const large = assignArm({ salt: "s", key, canaryBasisPoints: Math.max(one, other), hash });
        expect([small, large]).not.toEqual(["canary", "champion"]);
      }),
    );
  });

  it("gives the canary nobody at 0, everybody at 10 000 and about its share between", () => {
    const count = (canaryBasisPoints: number) =>
      Array.from({ length: 20_000 }, (_, index) =>
        assignArm({ salt: "share", key: `user-${index}`, canaryBasisPoints, hash }),
      ).filter((arm) => arm === "canary").length;
    expect(count(0)).toBe(0);
    expect(count(10_000)).toBe(20_000);
    // Four standard deviations around the expected number.
    expect(Math.abs(count(500) - 1000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.05 * 0.95));
    expect(Math.abs(count(5000) - 10_000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.25));
  });

  it("picks other keys under another salt", () => {
    const both = Array.from({ length: 2000 }, (_, index) => `user-${index}`).filter((key) =>
      ["one", "two"].every((salt) => assignArm({ salt, key, canaryBasisPoints: 5000, hash }) === "canary"),
    ).length;
    expect(Math.abs(both - 500)).toBeLessThan(4 * Math.sqrt(2000 * 0.25 * 0.75));
  });
});
