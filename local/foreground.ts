import { startStack, type Stack, type StackOptions } from "./stack.ts";
import { stopOnSignals } from "./stop-on-signals.ts";

/**
 * Starts a stack that lives as long as this process: Ctrl-C, SIGTERM or a closed terminal at any moment, from the first step
 * of starting on, stops everything in order and then ends the process (exit code 130 for Ctrl-C). Fails as `startStack` does.
 * `beforeStop` runs first, for what must end or be shown before the stack goes.
 */
export async function startForegroundStack(
  options: Omit<StackOptions, "signal"> & { readonly beforeStop?: () => Promise<void> | void },
): Promise<Stack> {
  const { beforeStop, ...stackOptions } = options;
  const interruption = new AbortController();
  let starting: Promise<Stack> | undefined;
  stopOnSignals(async () => {
    await beforeStop?.();
    interruption.abort(new Error("interrupted"));
    // When starting was interrupted, it has stopped what it had started before it failed.
    const stack = await starting?.catch(() => undefined);
    await stack?.stop();
  });
  starting = startStack({ ...stackOptions, signal: interruption.signal });
  try {
    return await starting;
  } catch (error) {
    // The handler above is about to end the process, and the caller has nothing to report.
    if (interruption.signal.aborted) await new Promise<never>(() => undefined);
    throw error;
  }
}
