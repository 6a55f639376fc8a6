import type { BrokenGlass } from "../client/index.ts";
import { printable } from "../client/text.ts";
import { instantText } from "./instant-text.ts";
import type { Screen } from "./screen.ts";

/** Every glass that was ever broken for what is shown, in a line each: it does not fade. */
export function brokenGlassLines({ paint }: Pick<Screen, "paint">, broken: readonly BrokenGlass[]): string[] {
  if (broken.length === 0) return [];
  return ["", ...broken.map((one) => paint("bad", printable(`! ${describeBrokenGlass(one)}`)))];
}

export function describeBrokenGlass({ version, environment, by, reason, at, rollout }: BrokenGlass): string {
  const through = rollout === null ? "not used" : `rollout ${rollout} went through`;
  return `model/${version} past its approvals into ${environment}: glass broken by ${by} on ${instantText(at)} ("${reason}"), ${through}`;
}
