import { admit } from "./admit.ts";
import { drift } from "./drift.ts";
import { embed } from "./embed.ts";
import { evaluate } from "./evaluate.ts";
import { optimize } from "./optimize.ts";
import { profile } from "./profile.ts";
import { rederive } from "./rederive.ts";
import { score } from "./score.ts";
import { snapshot } from "./snapshot.ts";
import { validate } from "./validate.ts";

/** Registry of jobs: one file each, one line here. */
export const jobs = {
  admit,
  drift,
  embed,
  evaluate,
  optimize,
  profile,
  rederive,
  score,
  snapshot,
  validate,
};

export type JobName = keyof typeof jobs;
export type JobInput<Name extends JobName> = Parameters<(typeof jobs)[Name]>[0];
export type JobOutput<Name extends JobName> = Awaited<ReturnType<(typeof jobs)[Name]>>;
