import type { ChildProcess } from "node:child_process";
import { forkProgram } from "./fork-program.ts";

/** A process that runs one job at a time. */
export interface JobProcess {
  readonly child: ChildProcess;
  /** The end of what it wrote to standard error. */
  readonly lastWords: () => string;
  /** Leaves it for the next job; only after an answer. */
  readonly giveBack: () => void;
}

const childEntry = new URL("./child.ts", import.meta.url);

/** Starting costs most of a second, a short job less: thirty drift checks would mostly start processes. */
const KEEP_IDLE_MS = 20_000;
/** Native memory that leaks goes with its process after so many jobs. */
const JOBS_PER_PROCESS = 20;

const idle: Kept[] = [];

interface Kept extends JobProcess {
  jobCount: number;
  timer: NodeJS.Timeout | null;
}

/** A waiting process, else a new one. Waiting ones keep nothing alive and end with this process. */
export function borrowProcess(): JobProcess {
  const kept = idle.pop() ?? start();
  if (kept.timer) clearTimeout(kept.timer);
  kept.timer = null;
  kept.jobCount += 1;
  kept.child.ref();
  kept.child.channel?.ref();
  return kept;
}

function start(): Kept {
  const child = forkProgram(childEntry, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
  });
  const kept: Kept = {
    child,
    jobCount: 0,
    timer: null,
    lastWords: () => said.trim(),
    giveBack: () => {
      if (kept.jobCount >= JOBS_PER_PROCESS || child.exitCode !== null) {
        child.kill("SIGKILL");
        return;
      }
      child.removeAllListeners("exit").once("exit", () => forget(kept));
      child.unref();
      child.channel?.unref();
      (child.stderr as { unref?: () => void } | null)?.unref?.();
      kept.timer = setTimeout(() => child.kill("SIGKILL"), KEEP_IDLE_MS).unref();
      idle.push(kept);
    },
  };
  return kept;
}

function forget(kept: Kept): void {
  const index = idle.indexOf(kept);
  if (index >= 0) idle.splice(index, 1);
}
