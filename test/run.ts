import { startVitest } from "vitest/node";

/**
 * Runs every tier, or the files and options named on the command line as vitest would, and says as its very last line how many
 * tests passed and failed. Exits 1 when a test failed, a file could not be loaded, or nothing ran at all.
 */
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const projects = process.argv.slice(2).flatMap((argument) => /^--project=(.+)$/.exec(argument)?.[1] ?? []);

const vitest = await startVitest("test", filters, {
  watch: false,
  ...(projects.length > 0 ? { project: projects } : {}),
});
const modules = vitest.state.getTestModules();
const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
for (const module of modules) {
  for (const test of module.children.allTests()) counts[test.result().state]++;
}
// A file that cannot be imported, or a hook that fails, leaves no failed test behind; unhandled errors belong to no file.
const broken = modules.filter(
  (module) => module.state() === "failed" && ![...module.children.allTests("failed")].length,
);
const found = counts.failed + counts.pending + broken.length + vitest.state.getUnhandledErrors().length;
// Servers that do not start are in none of these; vitest has printed the reason and set the exit code.
const failedCount = found === 0 && process.exitCode ? 1 : found;
await vitest.close();

if (counts.skipped > 0) console.log(`${counts.skipped} skipped`);
console.log(`${counts.passed} passed, ${failedCount} failed`);
process.exit(failedCount === 0 && counts.passed > 0 ? 0 : 1);
