/** Reaches for all who ask at once, in order: who asks meanwhile may have written something since, and waits for the next time. */
export function createSharedWait(reach: () => Promise<void>): () => Promise<void> {
  let present: Promise<void> = Promise.resolve();
  let next: Promise<void> | null = null;
  const begin = async (): Promise<void> => {
    await present.catch(() => undefined);
    next = null;
    present = reach();
    await present;
  };
  return async () => {
    next ??= begin();
    await next;
  };
}
