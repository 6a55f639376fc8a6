import { performance } from "node:perf_hooks";

const SECONDS = 5;

export interface Timed {
  readonly perSecond: number;
  /** Milliseconds a call. */
  readonly p50: number;
  readonly p95: number;
}

/** What was called for some time. */
export interface Turn {
  readonly times: readonly number[];
  readonly elapsedMs: number;
}

/** Calls `work` from so many clients at once for some seconds, each with its own number of the call. */
export async function takeTurn(
  clients: number,
  work: (call: number) => Promise<unknown>,
  seconds = SECONDS,
): Promise<Turn> {
  const times: number[] = [];
  let calls = 0;
  const began = performance.now();
  const over = began + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() < over) {
        const before = performance.now();
        await work(calls++);
        times.push(performance.now() - before);
      }
    }),
  );
  return { times, elapsedMs: performance.now() - began };
}

export function summarize(turns: readonly Turn[]): Timed {
  const times = turns.flatMap((turn) => turn.times).toSorted((a, b) => a - b);
  const elapsedMs = turns.reduce((sum, turn) => sum + turn.elapsedMs, 0);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { perSecond: times.length / (elapsedMs / 1000), p50: at(0.5), p95: at(0.95) };
}

export const timeWork = async (...asked: Parameters<typeof takeTurn>): Promise<Timed> =>
  summarize([await takeTurn(...asked)]);

export interface Measure {
  readonly measure: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, in the same unit: another program in the same run, or what we aim at. */
  readonly peer: string;
  readonly peerValue: number;
}

/** What we set ourselves, for measures that no peer has. */
export const AIM = "our aim";

export function print({ measure, value, unit, peer, peerValue }: Measure): void {
  const round = (number: number) => Number(number.toPrecision(4));
  const line = {
    bench: "registry",
    measure,
    value: round(value),
    unit,
    peer,
    peerValue: round(peerValue),
    ratio: round(value / peerValue),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
