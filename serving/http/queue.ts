/** Runs work in the order it comes, at most so many at once. */
export function createQueue(atOnce: number): <Value>(work: () => Promise<Value>) => Promise<Value> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running === atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // Whoever waits takes the place over; the count stays.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
