// Sets up what `npm run demo` and `npm test` need before any package is there: plain JavaScript, Node built-ins only, and
// syntax that a Node too old for us still reads, so that it can say so. Says nothing when there is nothing to do.
import { spawnSync } from "child_process";
import { createHash } from "crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "fs";
import { dirname, join } from "path";
import { fileURLToPath } from "url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stamp = join(modules, ".modelwright-setup");

requireNode(20, 19);
if (!isInstalled()) withLock(() => isInstalled() || install());

function requireNode(major, minor) {
  const [ourMajor, ourMinor] = process.versions.node.split(".").map(Number);
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return;
  fail(
    `Node ${process.versions.node} is too old, Modelwright needs ${major}.${minor} or newer; install it from https://nodejs.org`,
  );
}

/** What the installed packages depend on: the exact versions, and the platform their native parts are for. */
function fingerprint() {
  const lockfile = readFileSync(join(root, "package-lock.json"));
  const platform = `${process.platform} ${process.arch}`;
  return createHash("sha256").update(lockfile).update(platform).digest("hex");
}

function isInstalled() {
  if (textOf(stamp) === fingerprint()) return true;
  // Somebody ran npm by hand: it writes its own record of what it installed.
  const byHand = changedAt(join(modules, ".package-lock.json"));
  if (byHand === undefined || byHand < changedAt(join(root, "package-lock.json"))) return false;
  writeFileSync(stamp, fingerprint());
  return true;
}

function install() {
  console.log("Installing npm packages (needed once, takes a minute) ...");
  // Run by npm, we use that npm; run by hand, the one on the PATH.
  const npm = process.env.npm_execpath;
  const [command, first] = npm && npm.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  // Not `npm ci`: it refuses a lockfile without the entries of other platforms' binaries, which npm cannot write where the
  // registry does not carry them. From an empty folder `install --no-save` takes the same locked versions and changes no file.
  rmSync(modules, { recursive: true, force: true });
  // Whatever the user's npm settings leave out, tests and the embedded Postgres need it.
  const args = [
    "install",
    "--no-save",
    "--include=dev",
    "--include=optional",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const result = spawnSync(command, first.concat(args), {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: command === "npm" && process.platform === "win32",
  });
  if (result.error) fail(`npm could not be run (${result.error.message}); install npm 10 or newer`);
  if (result.status !== 0)
    fail(`\`npm install\` ended with ${result.signal || `exit code ${result.status}`}; its last lines above say why`);
  writeFileSync(stamp, fingerprint());
}

/** Installing starts by deleting node_modules: a second terminal waits until the first is done. */
function withLock(action) {
  const folder = join(root, ".modelwright");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lock = join(folder, "setup.lock");
  for (;;) {
    try {
      const file = openSync(lock, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (!isAlive(Number(textOf(lock)))) remove(lock);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  process.on("exit", () => remove(lock));
  action();
}

function isAlive(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function remove(path) {
  try {
    unlinkSync(path);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function changedAt(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
