import type { Command } from "commander";
import type { ChangeOptions } from "./changing.ts";

export interface CompromiseOptions extends ChangeOptions {
  readonly compromised?: true;
}

/** What a revocation says of it in its help. */
export const COMPROMISED =
  "With --compromised it was in the wrong hands: approvals given with it that no rollout has used yet count no more, and whoever it was may decide again. It can be said later too, of one that is revoked already.";

export const addCompromised = (command: Command): Command =>
  command.option("--compromised", "it was in the wrong hands; what was approved with it and is not used yet is void");
