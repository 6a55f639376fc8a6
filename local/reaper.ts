import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

import { processIdentity } from "./processes.ts";

/** One process to end when its keeper is gone. */
export interface Charge {
  readonly pid: number;
  readonly identity: string;
  /** Servers are ended after those who use them. */
  readonly role: "client" | "server";
  readonly steps: readonly { readonly signal: NodeJS.Signals; readonly graceMs: number }[];
}

export type ReaperOrder =
  | { readonly order: "watch"; readonly charge: Charge }
  | { readonly order: "forget"; readonly pid: number }
  | { readonly order: "remove"; readonly path: string; readonly content: string };

export interface Reaper {
  readonly pid: number | undefined;
  /** Ends the process when we are gone. Call it right after starting the process. */
  watch(charge: Omit<Charge, "identity">): void;
  forget(pid: number): void;
  /** Removes the file when we are gone, unless it holds something else by then: a successor may have written its own. */
  removeFile(path: string, content: string): void;
  /** Lets the reaper do what is left to do, and waits for it. */
  close(): Promise<void>;
}

/**
 * Starts the process that cleans up after this one, however it ends: SIGKILL leaves no time for handlers. It reads orders
 * from a pipe whose other end only we hold, and acts when that end closes.
 */
export function startReaper(): Reaper {
  let orders: readonly ReaperOrder[] = [];
  let closing = false;
  let child = launch();

  function launch(): ChildProcess {
    const started = spawn(
      process.execPath,
      ["--import", tsxLoader(), fileURLToPath(new URL("reaper-process.ts", import.meta.url))],
      {
        // An own session: Ctrl-C in the terminal must not end the one who cleans up.
        detached: true,
        stdio: ["pipe", "ignore", "ignore"],
      },
    );
    started.stdin?.on("error", () => undefined); // It was killed; its successor gets all orders again.
    started.once("exit", () => {
      if (closing) return;
      child = launch();
      for (const order of orders) send(order);
    });
    return started;
  }

  function send(order: ReaperOrder): void {
    child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  function give(order: ReaperOrder): void {
    orders = [...orders, order];
    send(order);
  }

  return {
    get pid() {
      return child.pid;
    },
    watch(charge) {
      const identity = processIdentity(charge.pid);
      if (identity !== undefined) give({ order: "watch", charge: { ...charge, identity } });
    },
    forget(pid) {
      orders = orders.filter((order) => order.order !== "watch" || order.charge.pid !== pid);
      send({ order: "forget", pid });
    },
    removeFile(path, content) {
      give({ order: "remove", path, content });
    },
    async close() {
      closing = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      await new Promise<void>((resolve) => {
        child.once("exit", () => resolve());
        child.stdin?.end();
      });
    },
  };
}

/** Address of the loader that lets Node run TypeScript, whatever the working directory is. */
export function tsxLoader(): string {
  return pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
}
