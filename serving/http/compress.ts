import type { IncomingHttpHeaders } from "node:http";
import { promisify } from "node:util";
import { constants, deflate, gzip } from "node:zlib";
import { bodyLength, type Answer } from "./answer.ts";

/** In the order of preference. `deflate` is the zlib format, as HTTP means it. */
const ENCODERS = { gzip: promisify(gzip), deflate: promisify(deflate) };

/** Below it an answer fits a few packets, and compressing costs more than it saves. */
const WORTH_BYTES = 4 * 1024;

/** The fastest level: floats hardly compress better with more work. It runs on a thread of its own. */
const LEVEL = { level: constants.Z_BEST_SPEED };

/** The answer in an encoding that the client accepts, where that is worth it. */
export async function compress(answer: Answer, headers: IncomingHttpHeaders): Promise<Answer> {
  if (bodyLength(answer) < WORTH_BYTES) return answer;
  const vary = { ...answer.headers, vary: "accept-encoding" };
  const encoding = chooseEncoding(headers["accept-encoding"]?.toString() ?? "");
  if (!encoding) return { ...answer, headers: vary };
  const body = await ENCODERS[encoding](answer.body, LEVEL);
  return { ...answer, headers: { ...vary, "content-encoding": encoding }, body };
}

/** What the client named; a star is no wish of its own, and weight 0 means never. */
function chooseEncoding(accepted: string): keyof typeof ENCODERS | null {
  const named = accepted
    .toLowerCase()
    .split(",")
    .flatMap((item) => {
      const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
      return parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter)) ? [] : [name];
    });
  return (["gzip", "deflate"] as const).find((encoding) => named.includes(encoding)) ?? null;
}
