import { ApplicationFailure } from "@temporalio/common";
import { isFailure } from "../contracts/failures.ts";
import { requireSmallPayload } from "../contracts/payload.ts";

/** Puts the catalogue's code and retry class on the wire; anything unexpected stays what it is. */
function toApplicationFailure(thrown: unknown): unknown {
  if (!isFailure(thrown)) return thrown;
  return ApplicationFailure.create({
    message: thrown.message,
    type: thrown.code,
    nonRetryable: !thrown.retryable,
    details: [thrown.fields],
    cause: thrown,
  });
}

/** Wraps every activity, so that translating failures and keeping data out of histories is nobody's duty to remember. */
export function translateFailures<Functions extends Record<string, (...input: never[]) => Promise<unknown>>>(
  functions: Functions,
): Functions {
  const wrapped = Object.entries(functions).map(([name, activity]) => [
    name,
    async (...input: never[]) => {
      try {
        return requireSmallPayload(`result of activity ${name}`, await activity(...input));
      } catch (thrown) {
        throw toApplicationFailure(thrown);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as Functions;
}
