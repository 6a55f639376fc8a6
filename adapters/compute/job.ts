import type { SearchProgress } from "../../contracts/search-progress.ts";

/** What a job may say while it works. */
export interface JobContext {
  /** `share` from 0 to 1; a search for a candidate also says what it has. */
  readonly progress: (share: number, note: string, search?: SearchProgress) => void;
}

/** CPU-heavy work on files that runs in its own process. Input and output cross by structured clone. */
export type Job<Input, Output> = (input: Input, context: JobContext) => Promise<Output>;
