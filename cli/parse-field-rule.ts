import { fieldRuleSchema, type FieldRule } from "../contracts/log-settings.ts";
import { Failure } from "../contracts/failures.ts";

/**
 * What is kept of a column as people type it: `hour=allow`, `origin=hash`, `carrier=drop`, `distance=bucket:250,1000,2500`.
 * @throws INPUT_INVALID
 */
export function parseFieldRule(text: string): readonly [column: string, rule: FieldRule] {
  const [, column = "", keep = "", edges] = /^([^=]+)=([a-z]+)(?::(.+))?$/.exec(text.trim()) ?? [];
  const given =
    edges === undefined ? {} : { edges: edges.split(",").map((edge) => (edge.trim() ? Number(edge) : NaN)) };
  const parsed = fieldRuleSchema.safeParse({ keep, ...given });
  if (parsed.success) return [column, parsed.data];
  const problems =
    "no rule; write COLUMN=allow, COLUMN=hash, COLUMN=drop, or COLUMN=bucket: and rising edges, such as distance=bucket:250,1000";
  throw new Failure("INPUT_INVALID", { where: `--field ${JSON.stringify(text.slice(0, 100))}`, problems });
}
