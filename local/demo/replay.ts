import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { projectRoot } from "../data-directory.ts";

/** What a replay counted, as it says when it ends. */
export interface ReplayCounts {
  readonly requests: number;
  readonly errors: number;
  readonly lastErrorAt: string | null;
  readonly lastInferenceId: string | null;
}

export interface Replay {
  /** Ends the replay after its last answers; returns what it counted. */
  readonly stop: () => Promise<ReplayCounts>;
}

/** Starts the example's replay of May's flights as a client of the gateway; it ends with this process at the latest. */
export function startReplay(request: {
  readonly gateway: string;
  readonly endpoint: string;
  /** First day, `2001-05-DD`. */
  readonly from: string;
  readonly rate: number;
}): Replay {
  const script = join(projectRoot, "examples/flight-delay/replay.ts");
  const { gateway, endpoint, from, rate } = request;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", script, "--gateway", gateway, "--endpoint", endpoint, "--from", from, "--rate", String(rate)],
    // Out of the terminal's process group: Ctrl-C is for the demo, which then closes the pipe.
    { stdio: ["pipe", "pipe", "ignore"], detached: true },
  );
  const counts = new Promise<ReplayCounts>((resolve, reject) => {
    let last = "";
    createInterface({ input: child.stdout }).on("line", (line) => {
      last = line;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0 && last.startsWith("{")) resolve(JSON.parse(last) as ReplayCounts);
      else reject(new Error(`the replay ended with code ${code}`));
    });
  });
  counts.catch(() => {});
  return {
    stop: () => {
      child.stdin.end();
      return counts;
    },
  };
}
