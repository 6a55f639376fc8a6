/** Codes of sockets, and SQLSTATEs of a Postgres that is stopping or starting (class 57P) or lost its connection (class 08). */
const SOCKET_CODES = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"];
const POSTGRES_CODES = /^(08|57P)/;
/** How pg words it, without a code. */
const POSTGRES_WORDS =
  /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error/i;

/** Why Postgres cannot be reached, in words, out of what pg and drizzle throw then; null for anything else. */
export function whyAway(thrown: unknown): string | null {
  for (let cause: unknown = thrown, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth += 1) {
    const code = "code" in cause ? cause.code : undefined;
    const away = typeof code === "string" && (SOCKET_CODES.includes(code) || POSTGRES_CODES.test(code));
    // An address with several IPs gives an AggregateError, which carries the code and no message.
    if (away || POSTGRES_WORDS.test(cause.message)) return cause.message || String(code);
  }
  return null;
}

/** Nobody who wants a canary back waits longer for Postgres than this. */
const SILENT_AFTER_MS = 2_000;

/** What Postgres answered, or null: it is away, or has been silent for 2 s. Other failures are thrown. */
export async function hear<Answer>(work: Promise<Answer>): Promise<{ readonly answer: Answer } | null> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), SILENT_AFTER_MS);
  });
  const heard = work.then(
    (answer) => ({ answer }),
    (thrown: unknown) => {
      if (whyAway(thrown) === null) throw thrown;
      return null;
    },
  );
  try {
    return await Promise.race([heard, silence]);
  } finally {
    clearTimeout(timer);
  }
}
