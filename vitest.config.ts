import { defineConfig } from "vitest/config";

const withServers = { globalSetup: ["test/support/servers.ts"] };

/** Test tiers in the order of what they need: nothing, Postgres and Temporal, the whole stack. */
const tiers = {
  unit: {},
  conformance: {},
  architecture: {},
  database: withServers,
  activity: withServers,
  workflow: withServers,
  replay: {},
  "end-to-end": { ...withServers, testTimeout: 240_000, hookTimeout: 240_000 },
};

export default defineConfig({
  test: {
    // Forks, not threads: the native bridge of the Temporal SDK and ONNX Runtime do not survive worker threads.
    pool: "forks",
    maxWorkers: 2,
    setupFiles: ["test/support/fast-check.ts"],
    // Tests that use ONNX Runtime directly; adapters/inference/without-telemetry.ts says why.
    env: { ORT_DISABLE_TELEMETRY: "1" },
    projects: Object.entries(tiers).map(([name, settings]) => ({
      extends: true as const,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: 60_000,
        hookTimeout: 60_000,
        ...settings,
      },
    })),
  },
});
