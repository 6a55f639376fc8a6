import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";

import { expect, test } from "vitest";
import { parse } from "yaml";

import { lifecycleSpecSchema } from "../../../contracts/spec.ts";
import { readSettings } from "../../../examples/flight-delay/trainer/settings.ts";

const directory = new URL("../../../examples/flight-delay/", import.meta.url);
const load = async (name: string) =>
  lifecycleSpecSchema.parse(parse(await readFile(new URL(name, directory), "utf8"), { strict: true }));

test.each(["lifecycle.yaml", "first.yaml"])("%s is a lifecycle spec whose parts fit together", async (name) => {
  const spec = await load(name);
  const columns = Object.keys(spec.data.select);
  expect(columns).toEqual(expect.arrayContaining([...spec.evaluation.slices, ...Object.keys(spec.data.checks.ranges)]));
  expect(columns).toEqual(expect.arrayContaining(spec.monitoring?.drift.columns ?? []));
  expect(spec.deployment?.endpoint).toBe("flight-delay");
  expect(spec.evaluation.gates.length).toBeGreaterThan(1);
});

test.each(["lifecycle.yaml", "first.yaml"])(
  "%s names data and a trainer that exist and parameters it takes",
  async (name) => {
    const spec = await load(name);
    expect(existsSync(new URL(spec.data.source.path, directory))).toBe(true);
    expect(existsSync(new URL(spec.training.command.at(-1)!, directory))).toBe(true);
    expect(() => readSettings(spec.training.parameters)).not.toThrow();
  },
);

test("both specs select the same columns and are judged on the same rows; the first knew January alone", async () => {
  const first = (await load("first.yaml")).data;
  const challenger = (await load("lifecycle.yaml")).data;
  const january = { from: "2001-01-01", to: "2001-02-01" };
  expect(first).toEqual({ ...challenger, windows: { ...challenger.windows, training: january } });
});

test("the first champion needs no approval and its successor does", async () => {
  expect((await load("first.yaml")).approval.required).toBe(false);
  expect((await load("lifecycle.yaml")).approval.required).toBe(true);
});
