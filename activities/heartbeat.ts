import { Context } from "@temporalio/activity";

/** What a running stage last said; `modelwright watch` reads it from Temporal while the stage runs. */
export interface Progress {
  /** 0 to 1. */
  readonly share: number;
  readonly note: string;
}

const HEARTBEAT_EVERY_MS = 2000;

/** Runs long work while heartbeating its last progress, so that a dead worker is told from a slow step. */
export async function withHeartbeat<Result>(
  work: (tools: { signal: AbortSignal; progress: (share: number, note: string) => void }) => Promise<Result>,
): Promise<Result> {
  const context = Context.current();
  let last: Progress = { share: 0, note: "" };
  const beat = () => context.heartbeat(last);
  const timer = setInterval(beat, HEARTBEAT_EVERY_MS);
  beat();
  try {
    return await work({
      signal: context.cancellationSignal,
      progress: (share, note) => {
        last = { share, note };
        beat();
      },
    });
  } finally {
    clearInterval(timer);
  }
}
