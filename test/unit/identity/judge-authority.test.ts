import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { DEEDS, ROLE_DEEDS, ROLES, TEAM_ROLES, type Deed, type Scope } from "../../../contracts/identity.ts";
import { judgeAuthority, type AskedDeed, type Bearer, type Grant } from "../../../core/identity/judge-authority.ts";

const now = new Date("2026-05-01T12:00:00Z");
const holder = `person/${"a".repeat(32)}`;

const name = fc.constantFrom("flights", "hotels", "weather");
const place = { model: fc.option(name), environment: fc.option(fc.constantFrom("production", "staging")) };
const grant: fc.Arbitrary<Grant> = fc.record({ role: fc.constantFrom(...ROLES), ...place });
const some = <Value>(one: fc.Arbitrary<Value>) => fc.option(fc.uniqueArray(one, { minLength: 1, maxLength: 3 }));
const scope: fc.Arbitrary<Scope> = fc.record({
  deeds: some(fc.constantFrom(...DEEDS)),
  models: some(name),
  environments: some(fc.constantFrom("production", "staging")),
});
const asked: fc.Arbitrary<AskedDeed> = fc.record({
  deed: fc.constantFrom(...DEEDS),
  subject: fc.constant("lifecycle/1"),
  by: fc.constant(holder),
  details: fc.constant("0".repeat(64)),
  ...place,
  team: fc.option(fc.constantFrom("birds", "hosts")),
});
const bearerOf = (held: Pick<Bearer, "scope" | "grants" | "team">): Bearer => ({
  principal: holder,
  expiresAt: new Date(now.getTime() + 1000),
  revokedAt: null,
  ...held,
});
const judge = (deed: AskedDeed, bearer: Bearer) => {
  const statement = { ...deed, issuedAt: now, expiresAt: new Date(now.getTime() + 1000) };
  return judgeAuthority(deed, { statement, bearer, now });
};

describe("who may do what", () => {
  it("is allowed exactly when the scope covers it and one role reaches it", () => {
    const within = (list: readonly string[] | null, value: string | null) =>
      list === null || (value !== null && list.includes(value));
    fc.assert(
      fc.property(
        asked,
        scope,
        fc.array(grant, { maxLength: 4 }),
        fc.option(fc.constantFrom("birds", "hosts")),
        (deed, narrow, grants, team) => {
          const covered =
            within(narrow.deeds, deed.deed) &&
            within(narrow.models, deed.model) &&
            within(narrow.environments, deed.environment);
          const able = grants.some(
            ({ role, model, environment }) =>
              (ROLE_DEEDS[role] as readonly Deed[]).includes(deed.deed) &&
              [null, deed.model].includes(model) &&
              [null, deed.environment].includes(environment) &&
              (role !== "engineer" || deed.team === null || deed.team === team),
          );
          expect(judge(deed, bearerOf({ scope: narrow, grants, team })) === null).toBe(covered && able);
        },
      ),
    );
  });

  it("never grows when a scope is narrowed or a role taken away", () => {
    fc.assert(
      fc.property(asked, scope, fc.array(grant, { minLength: 1, maxLength: 4 }), (deed, narrow, grants) => {
        const wide = { scope: { deeds: null, models: null, environments: null }, grants, team: null };
        const less = [
          { ...wide, scope: narrow },
          { ...wide, grants: grants.slice(1) },
        ];
        // Whoever may with less may with more.
        const mayWith = (held: typeof wide | (typeof less)[number]) => judge(deed, bearerOf(held)) === null;
        expect(less.filter(mayWith).every(() => mayWith(wide))).toBe(true);
      }),
    );
  });

  it("says what was found and what would be allowed", () => {
    const deed: AskedDeed = {
      deed: "deploy",
      subject: "endpoint/live",
      by: holder,
      details: "",
      model: "flights",
      environment: "production",
      team: "hosts",
    };
    const bearer = bearerOf({
      scope: { deeds: null, models: null, environments: null },
      grants: [{ role: "engineer", model: null, environment: null }],
      team: "birds",
    });
    expect(judge(deed, bearer)).toEqual({
      kind: "rights",
      found: "engineer in team birds",
      allowed: "operator or administrator of model flights in production (team hosts)",
    });
  });

  it("gives every deed of people to somebody, and all of them to administrators", () => {
    const callers: readonly Deed[] = ["infer", "feedback"];
    for (const deed of DEEDS.filter((one) => !callers.includes(one))) {
      expect(
        ROLES.filter((role) => (ROLE_DEEDS[role] as readonly Deed[]).includes(deed)).length,
      ).toBeGreaterThanOrEqual(1);
    }
    expect(ROLE_DEEDS.administrator).toEqual(DEEDS);
    expect(TEAM_ROLES.every((role) => ROLES.includes(role))).toBe(true);
  });
});
