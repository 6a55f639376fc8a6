/**
 * Runs a TypeScript program of ours as a few joined files, which starts in a third of the time its hundreds of modules take one by
 * one: `node adapters/compute/bundled.mjs cli/main.ts WORDS`, or `importBundled(entry)`. The joined files lie under node_modules/.cache and are
 * made anew when a source changed; where they cannot be kept, tsx runs the sources as they are.
 */
import { realpathSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const KEPT_MS = 7 * 24 * 3600 * 1000;

/** Imports a program of this project by its path. */
export async function importBundled(entry) {
  process.setSourceMapsEnabled(true);
  const bundle = (await findBundle(entry)) ?? (await makeBundle(entry).catch(() => null));
  if (bundle === null) (await import("tsx/esm/api")).register();
  await import(pathToFileURL(bundle ?? entry).href);
}

/** Below node_modules, because joined files import their packages from there. */
const folderOf = (entry) =>
  join(root, "node_modules", ".cache", "modelwright", relative(root, entry).replaceAll(/[^\w.]/g, "-"));
/** Says what was bundled from which sources. */
const recordOf = (folder) => join(folder, "bundle.json");

/** The kept bundle, unless one of its sources changed. */
async function findBundle(entry) {
  const folder = folderOf(entry);
  try {
    const { bundle, sources } = JSON.parse(await readFile(recordOf(folder), "utf8"));
    const now = await describe(Object.keys(sources));
    return Object.entries(sources).every(([path, then]) => now[path] === then) ? join(folder, bundle) : null;
  } catch {
    return null;
  }
}

async function makeBundle(entry) {
  const { build } = await import("esbuild");
  const folder = folderOf(entry);
  const began = Date.now();
  const { metafile, outputFiles } = await build({
    entryPoints: { entry },
    absWorkingDir: root,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    outdir: folder,
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    sourcemap: "linked",
    metafile: true,
    write: false,
    logLevel: "silent",
    plugins: [ownAddresses],
  });
  const sources = await describe(["package-lock.json", ...Object.keys(metafile.inputs)]);
  await mkdir(folder, { recursive: true });
  for (const { path, contents } of outputFiles) await place(path, contents);
  const made = outputFiles.map(({ path }) => basename(path));
  const bundle = made.find((name) => /^entry-\w+\.js$/.test(name));
  // A source that changed meanwhile may have been read before it did: the next start joins again.
  const isCurrent = Object.values(sources).every((state) => Number(state.split(" ")[1]) < began);
  if (isCurrent) await place(recordOf(folder), JSON.stringify({ bundle, sources }));
  await forget(folder, made);
  return join(folder, bundle);
}

/** Modules go on knowing where they lie themselves. */
const ownAddresses = {
  name: "own addresses",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const address = JSON.stringify(pathToFileURL(path).href);
      return { contents: text.replaceAll("import.meta.url", address), loader: "ts" };
    }),
};

/** Size and time of change of each source, by its path in the project. */
async function describe(paths) {
  const states = paths.map(async (path) => {
    const { size, mtimeMs } = await stat(join(root, path));
    return [path, `${size} ${mtimeMs}`];
  });
  return Object.fromEntries(await Promise.all(states));
}

/** Whole or not at all: several programs may start at once. */
async function place(path, contents) {
  const incoming = `${path}.${process.pid}`;
  await writeFile(incoming, contents);
  await rename(incoming, path);
}

/** Files of sources that are gone; programs that began with them may still import one. */
async function forget(folder, made) {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    // Another start may have renamed or taken it away.
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > KEPT_MS && !made.includes(name)) await rm(path, { force: true });
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // The program sees its own path and words, as if it had been started itself.
  process.argv.splice(1, 1);
  await importBundled(resolve(process.argv[1]));
}
