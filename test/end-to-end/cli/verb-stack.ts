import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { LifecycleSpecInput } from "../../../client/index.ts";
import { createTinyProject, type TinyProject, type TrainerParameters } from "../../fixtures/lifecycle/tiny-project.ts";
import { queryAsOwner } from "./query-as-owner.ts";
import { runCli } from "./run-cli.ts";
import { runUp, type Up } from "./run-up.ts";

/** What a verb answered: its exit code and its one JSON document. */
export interface Answered {
  readonly exitCode: number | null;
  readonly document: Record<string, unknown>;
}

/** A stack that `up` started, and the verbs that are said to it. */
export interface VerbStack {
  readonly directory: string;
  readonly project: TinyProject;
  readonly up: Up;
  readonly addresses: { readonly gateway: string; readonly database: string };
  /** Runs a verb with `--json`; fails when its standard output is anything but one JSON document. */
  readonly run: (...words: string[]) => Promise<Answered>;
  /** Starts a lifecycle of the tiny project; its id is the name of its spec's file. It is waited for unless `words` say otherwise. */
  readonly start: (
    id: string,
    changes: Partial<LifecycleSpecInput>,
    parameters?: TrainerParameters,
    words?: readonly string[],
  ) => Promise<Answered>;
  /** Asks an endpoint once; the id by which the answer can be asked about. */
  readonly ask: (endpoint: string) => Promise<string>;
  /** Asks the database as its owner. */
  readonly query: (text: string, values: readonly unknown[]) => ReturnType<typeof queryAsOwner>;
  readonly stop: () => Promise<void>;
}

export async function startVerbStack(): Promise<VerbStack> {
  const directory = await mkdtemp(join(tmpdir(), "modelwright-verbs-"));
  const [up, project] = await Promise.all([runUp(directory), createTinyProject(join(directory, "project"))]);
  const addresses = JSON.parse(up.line) as VerbStack["addresses"];
  const run = async (...words: string[]): Promise<Answered> => {
    const { exitCode, output } = await runCli([...words, "--json"], directory);
    return { exitCode, document: JSON.parse(output) as Record<string, unknown> };
  };
  return {
    directory,
    project,
    up,
    addresses,
    run,
    start: async (id, changes, parameters = {}, words = ["--wait"]) => {
      await writeFile(join(directory, `${id}.json`), JSON.stringify(project.spec(changes, parameters)));
      return await run("start", `${id}.json`, "--id", id, "--as", "ada", ...words);
    },
    ask: async (endpoint) => {
      const body = { inputs: [{ name: "numbers", datatype: "FP32", shape: [1, 2], data: [0.5, 0.1] }] };
      const answer = await fetch(`${addresses.gateway}/v2/models/${endpoint}/infer`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return answer.headers.get("modelwright-inference-id") ?? "";
    },
    query: (text, values) => queryAsOwner(directory, addresses.database, text, values),
    stop: async () => {
      await up.interrupt();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Words of who does it and why. */
export const as = (who: string, why: string): string[] => ["--as", who, "--reason", why];

/** What a verb answers that refuses. */
export const refusal = (code: string, exitCode = 1) => ({ exitCode, document: { error: { code } } });
