import assert from "node:assert/strict";
import { check, type Section } from "../check.ts";
import { expectError, json } from "../requests.ts";

interface Entry {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
}

const index = "/v2/repository/index";

export const repository: Section = {
  title: "Repository and statistics extensions",
  checks: [
    check("the index lists the models with their state", async ({ http, model }) => {
      const entries = json<Entry[]>(await http.post(index, "{}"));
      const entry = entries.find(({ name }) => name === model);
      assert.equal(entry?.state, "READY");
    }),
    check("the index takes an empty body", async ({ http }) => {
      json(await http.post(index, ""));
    }),
    check("the index of what is ready has the model", async ({ http, model }) => {
      const entries = json<Entry[]>(await http.post(index, '{"ready":true}'));
      assert(entries.some(({ name }) => name === model));
    }),
    check("loading a model nobody has is an error", async ({ http }) => {
      expectError(await http.post("/v2/repository/models/nobody/load", "{}"));
    }),
    check("unloading a model nobody has is an error", async ({ http }) => {
      expectError(await http.post("/v2/repository/models/nobody/unload", "{}"));
    }),
    check("loading a model that is loaded changes nothing", async ({ http, model }) => {
      assert.equal((await http.post(`/v2/repository/models/${model}/load`, "{}")).status, 200);
      assert.equal((await http.get(`/v2/models/${model}/ready`)).status, 200);
    }),
    check("statistics count the requests", async ({ http, model }) => {
      const body = json<{ model_stats: { inference_count: number }[] }>(await http.get(`/v2/models/${model}/stats`));
      assert((body.model_stats[0]?.inference_count ?? 0) > 0, "inference_count is 0");
    }),
  ],
};
