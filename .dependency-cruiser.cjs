/**
 * Import directions of the house (docs/architecture.md): for each folder, what it may import besides itself.
 * Types count too, except in workflows/, where the bundle test and the linter hold the line for values.
 */
const folders = {
  contracts: { ours: [], packages: ["zod"] },
  core: { ours: ["contracts"], packages: ["@bufbuild/protobuf"] },
  db: {
    ours: ["contracts"],
    packages: ["drizzle-orm", "pg", "@types/pg", "pg-copy-streams", "@types/pg-copy-streams", "canonicalize"],
  },
  adapters: {
    ours: ["contracts", "core"],
    packages: [
      "onnxruntime-node",
      "onnxruntime-common",
      "@duckdb/node-api",
      "@observablehq/plot",
      "linkedom",
      "@temporalio/client",
      "esbuild",
      "tsx",
    ],
  },
  activities: {
    ours: ["contracts", "core", "db", "adapters"],
    packages: ["@temporalio/activity", "@temporalio/common"],
  },
  workflows: { ours: ["contracts", "activities"], packages: ["@temporalio/workflow"] },
  serving: {
    ours: ["contracts", "core", "db", "adapters"],
    packages: ["@grpc/grpc-js", "@grpc/proto-loader", "zod", "@opentelemetry"],
  },
  client: {
    ours: ["contracts", "core", "workflows", "db"],
    packages: ["@temporalio/client", "@temporalio/common", "yaml", "zod"],
  },
  verifier: { ours: [], packages: [] },
  cli: { ours: ["contracts", "core", "adapters", "client", "local"], packages: ["commander"] },
};

const own = (names) => names.map((name) => `^${name}/`);
const modules = (names) => names.map((name) => `node_modules/${name}/`);

module.exports = {
  forbidden: [
    ...Object.entries(folders).map(([folder, { ours, packages }]) => ({
      name: `${folder}-directions`,
      comment: `${folder}/ may import itself, ${[...ours, ...packages].join(", ") || "nothing else"}`,
      severity: "error",
      from: { path: `^${folder}/` },
      to: { pathNot: [...own([folder, ...ours]), ...modules(packages)], dependencyTypesNot: ["core"] },
    })),
    ...["contracts", "core", "workflows"].map((folder) => ({
      name: `${folder}-no-node-built-ins`,
      severity: "error",
      from: { path: `^${folder}/` },
      to: { dependencyTypes: ["core"] },
    })),
    {
      name: "leaf-constants-import-nothing",
      comment: "names.ts and failures.ts enter the workflow bundle",
      severity: "error",
      from: { path: "^contracts/(names|failures)\\.ts$" },
      to: {},
    },
    {
      name: "composition-is-not-imported-by-cli-only-parts",
      severity: "error",
      from: { path: "^(workers|local)/" },
      to: { path: "^cli/" },
    },
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    { name: "no-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    // @bufbuild/protobuf has no CommonJS-style entry for its subpaths.
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    parser: "swc",
  },
};
