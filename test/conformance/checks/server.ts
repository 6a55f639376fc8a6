import assert from "node:assert/strict";
import { check, type Section, type Target } from "../check.ts";
import { expectError, inferPath, json, metadataOf } from "../requests.ts";
import { SHAPE } from "../samples.ts";

const versionOf = async (target: Target): Promise<string> => {
  const { versions } = await metadataOf(target, target.model);
  const [version] = versions ?? [];
  assert(version, "the model's metadata names no version");
  return version;
};

/** What the protocol calls the health and metadata APIs, over HTTP. */
export const server: Section = {
  title: "Health and metadata",
  checks: [
    check("live is 200 with `live`", async ({ http }) => {
      assert.equal(json<{ live?: boolean }>(await http.get("/v2/health/live"))?.live, true);
    }),
    check("ready is 200 with `ready`", async ({ http }) => {
      assert.equal(json<{ ready?: boolean }>(await http.get("/v2/health/ready"))?.ready, true);
    }),
    check("a model's ready is 200 with its name and `ready`", async ({ http, model }) => {
      const body = json<{ name?: string; ready?: boolean }>(await http.get(`/v2/models/${model}/ready`));
      assert.deepEqual({ name: body?.name, ready: body?.ready }, { name: model, ready: true });
    }),
    check("so is a version's", async (target) => {
      const version = await versionOf(target);
      assert.equal((await target.http.get(`/v2/models/${target.model}/versions/${version}/ready`)).status, 200);
    }),
    check("the server tells name, version and extensions", async ({ http }) => {
      const body = json<{ name: string; version: string; extensions: string[] }>(await http.get("/v2"));
      assert.deepEqual(
        [typeof body.name, typeof body.version, Array.isArray(body.extensions)],
        ["string", "string", true],
      );
    }),
    check("with a slash at the end as well", async ({ http }) => {
      json(await http.get("/v2/"));
    }),
    check("an extension that works is among them: binary_tensor_data", async ({ http }) => {
      const { extensions } = json<{ extensions: string[] }>(await http.get("/v2"));
      assert(extensions.includes("binary_tensor_data"), `extensions: ${extensions.join(", ") || "none"}`);
    }),
    check("a model tells name, versions, platform and its tensors", async (target) => {
      const body = await metadataOf(target, target.model);
      assert.equal(body.name, target.model);
      assert.equal(typeof body.platform, "string");
      assert((body.versions?.length ?? 0) > 0, "no versions");
      const long = body.inputs.find(({ name }) => name === "int64");
      assert.deepEqual([long?.datatype, long?.shape], ["INT64", [-1, SHAPE[1]]]);
      assert(
        body.outputs.some(({ name }) => name === "int64_echo"),
        "no output int64_echo",
      );
    }),
    check("and the same by version", async (target) => {
      const version = await versionOf(target);
      json(await target.http.get(`/v2/models/${target.model}/versions/${version}`));
    }),
    check("a model nobody serves is an error", async ({ http }) => {
      expectError(await http.get("/v2/models/nobody"));
    }),
    check("so is its readiness", async ({ http }) => {
      expectError(await http.get("/v2/models/nobody/ready"));
    }),
    check("so is inference of it", async ({ http }) => {
      expectError(await http.post(inferPath("nobody"), '{"inputs":[]}'));
    }),
    check("so is a version nobody serves", async ({ http, model }) => {
      expectError(await http.get(`/v2/models/${model}/versions/987654`));
    }),
    check("an unknown path is an error", async ({ http }) => {
      expectError(await http.get("/v2/nothing/at/all"));
    }),
    check("a known path by another method is an error", async ({ http, model }) => {
      expectError(await http.get(inferPath(model)));
    }),
  ],
};
