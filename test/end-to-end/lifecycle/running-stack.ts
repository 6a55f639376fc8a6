import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Client as PostgresClient } from "pg";

import { connect, type Modelwright } from "../../../client/index.ts";
import { startStack, type Stack } from "../../../local/stack.ts";
import { createTinyProject, type TinyOptions, type TinyProject } from "../../fixtures/lifecycle/tiny-project.ts";
import { ownServersEnv } from "../local/run-program.ts";

export interface RunningStack {
  readonly stack: Stack;
  readonly client: Modelwright;
  readonly directory: string;
  readonly project: TinyProject;
  readonly query: <Row extends object>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** Kills one of our processes as the machine's memory keeper would, and waits until the supervisor has put another one there. */
  readonly kill: (name: "control" | "compute" | "gateway") => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The whole of Modelwright on a data directory of its own, as `modelwright up` runs it. */
export async function openStack(options: TinyOptions = {}): Promise<RunningStack> {
  const directory = await mkdtemp(join(tmpdir(), "modelwright-lifecycle-"));
  const stack = await startStack({ dataDir: join(directory, "data"), env: ownServersEnv });
  const client = await connect(stack.addresses);
  const postgres = new PostgresClient({ connectionString: stack.addresses.database });
  await postgres.connect();
  return {
    stack,
    client,
    directory,
    project: await createTinyProject(join(directory, "project"), options),
    query: async (text, values = []) => (await postgres.query(text, [...values])).rows,
    kill: async (name) => {
      const child = stack.children.get(name);
      if (child?.pid === undefined) throw new Error(`${name} does not run`);
      const before = child.restartCount;
      process.kill(child.pid, "SIGKILL");
      await until(() => child.restartCount > before && child.pid !== undefined);
    },
    close: async () => {
      await postgres.end();
      await client.close();
      await stack.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Waits for something a test knows will come; the test's own timeout ends a wait in vain. */
export async function until(holds: () => boolean | Promise<boolean>, everyMs = 25): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, everyMs));
}

export interface Traffic {
  readonly answered: () => number;
  readonly stop: () => Promise<void>;
}

const body = JSON.stringify({ inputs: [{ name: "numbers", datatype: "FP32", shape: [1, 2], data: [0.5, 0.1] }] });

/** One request to an endpoint; true when it was answered. */
export async function request(gateway: string, endpoint: string): Promise<boolean> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${gateway}/v2/models/${endpoint}/infer`, { method: "POST", headers, body }).catch(
    () => null,
  );
  await answer?.arrayBuffer().catch(() => undefined);
  return answer?.ok ?? false;
}

/** Requests, a few at a time, until it is stopped; a gateway that is away is asked again. */
export function sendTraffic(gateway: string, endpoint: string): Traffic {
  const over = new AbortController();
  let answered = 0;
  const sender = async () => {
    while (!over.signal.aborted) {
      if (await request(gateway, endpoint)) answered += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const senders = Promise.all([sender(), sender(), sender()]);
  return {
    answered: () => answered,
    stop: async () => {
      over.abort();
      await senders;
    },
  };
}

/** A plan that a handful of requests can satisfy: what is tested is the way, not the statistics. */
export const quickRollout = {
  steps: [2000, 5000],
  minimumRequestsPerStep: 20,
  guardrails: [{ name: "error-rate", atMost: 0.3 } as const],
  lookIntervalMs: 200,
  leaseMs: 5000,
  deadlineMs: 120_000,
  onUnwinnable: "start" as const,
};
