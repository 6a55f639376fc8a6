/** `npm run bench -- NAME`: one benchmark, a JSON line a measure. */

/** Registry of benchmarks: one file each, which runs when it is imported, one line here. */
const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  gateway: () => import("./gateway.ts"),
  "gateway-swaps": () => import("./gateway-swaps.ts"),
  lifecycle: () => import("./lifecycle.ts"),
  quantize: () => import("./quantize.ts"),
  registry: () => import("./registry.ts"),
  rollout: () => import("./rollout.ts"),
  "rollout-reach": () => import("./rollout-reach.ts"),
};

const [name] = process.argv.slice(2);
const bench = name === undefined ? undefined : benches[name];
if (bench) {
  await bench();
} else {
  process.stderr.write(`usage: npm run bench -- NAME, where NAME is one of ${Object.keys(benches).join(", ")}\n`);
  // Asking for the list is fine, asking for a benchmark that is not there is an error.
  process.exitCode = name === undefined ? 0 : 1;
}
