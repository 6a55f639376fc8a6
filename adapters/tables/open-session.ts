import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { Failure } from "../../contracts/failures.ts";

export interface SessionOptions {
  /** Absolute paths DuckDB may open; nothing else on the machine or the network. */
  readonly paths: readonly string[];
  /** Absolute folder for what does not fit in memory; without one such queries fail. */
  readonly spillFolder?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Session {
  readonly connection: DuckDBConnection;
  readonly close: () => void;
}

/** Fixed rather than the machine's, so that the same query plans alike everywhere. */
const THREADS = "2";
const MEMORY_LIMIT = "2GB";

/**
 * A DuckDB in memory, locked down before it sees anybody's SQL: only the named paths, no extensions, no further settings.
 * Aborting the signal interrupts the running query.
 */
export async function openSession({ paths, spillFolder, signal }: SessionOptions): Promise<Session> {
  signal?.throwIfAborted();
  const instance = await DuckDBInstance.create(":memory:", {
    threads: THREADS,
    memory_limit: MEMORY_LIMIT,
    temp_directory: spillFolder ?? "",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  const connection = await instance.connect();
  const interrupt = () => connection.interrupt();
  const close = () => {
    signal?.removeEventListener("abort", interrupt);
    connection.closeSync();
    instance.closeSync();
  };
  try {
    // Timestamps with a zone become the instant in UTC whatever zone this machine is in.
    await connection.run("SET TimeZone = 'UTC'");
    await connection.run(`SET allowed_paths = [${paths.map(sqlText).join(", ")}]`);
    await connection.run("SET enable_external_access = false");
    await connection.run("SET lock_configuration = true");
  } catch (error) {
    close();
    throw error;
  }
  signal?.addEventListener("abort", interrupt, { once: true });
  return { connection, close };
}

/** A SQL string literal. */
export const sqlText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
/** A SQL identifier. */
export const sqlName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * The first line of DuckDB's own complaint, or undefined for anything else: its internal errors are bugs and stay bugs.
 */
export function duckdbComplaint(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  if (!/^[A-Z][A-Za-z ]+ (Error|Exception): /.test(thrown.message) || thrown.message.startsWith("INTERNAL"))
    return undefined;
  return thrown.message.split("\n", 1)[0]?.trim();
}

/** Turns DuckDB's complaint about a file into a failure of that file; everything else passes unchanged. */
export function asUnreadable(thrown: unknown, path: string, allowed: string): unknown {
  const complaint = duckdbComplaint(thrown);
  if (complaint === undefined) return thrown;
  if (complaint.startsWith("Out of Memory")) {
    return new Failure(
      "STORAGE_UNAVAILABLE",
      { what: `memory for reading ${path}`, reason: complaint },
      { cause: thrown },
    );
  }
  return new Failure("DATA_UNREADABLE", { path, found: complaint, allowed }, { cause: thrown });
}
