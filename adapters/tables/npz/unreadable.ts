import { Failure } from "../../../contracts/failures.ts";

/** The failure of an npz file that is not what it says. */
export function unreadable(path: string, found: string, allowed: string, cause?: unknown): Failure {
  return new Failure("DATA_UNREADABLE", { path, found, allowed }, cause === undefined ? {} : { cause });
}
