import { Failure } from "../contracts/failures.ts";
import { UNSEEN } from "../contracts/primitives.ts";
import type { NamedVersion } from "../db/queries/registry/resolve.ts";

/** Kinds of things that can be asked about. */
const REFERENCE_KINDS = [
  "model",
  "artifact",
  "lifecycle",
  "prediction",
  "evaluation",
  "approval",
  "rollout",
  "routing-epoch",
  "monitor",
  "drift-check",
  "retrain-decision",
  "source",
] as const;
export type ReferenceKind = (typeof REFERENCE_KINDS)[number];

export interface Reference {
  readonly kind: ReferenceKind;
  /** What follows the first slash. */
  readonly name: string;
  /** Both, as Postgres has it. */
  readonly text: string;
}

/** As the lineage tables hold references at most. */
const LONGEST = 2000;

const SHAPES: Partial<Record<ReferenceKind, RegExp>> = {
  // A number, or an alias: contracts/registry.ts says what may be one.
  model: /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?@(?:[1-9][0-9]{0,8}|(?![vV][0-9]+$)[A-Za-z][A-Za-z0-9_.-]{0,62})$/,
  /** A digest, or its first digits. */
  artifact: /^[0-9a-f]{8,64}$/,
  prediction: /^[\x21-\x7e][\x20-\x7e]{0,199}$/,
};

/**
 * `model/NAME@N`, `artifact/DIGEST`, `lifecycle/ID`, ...: a kind, a slash and a name. A version may go without its kind.
 * @throws REFERENCE_INVALID
 */
export function parseReference(typed: string): Reference {
  const text = SHAPES.model?.test(typed) ? `model/${typed}` : typed;
  const slash = text.indexOf("/");
  const kind = REFERENCE_KINDS.find((known) => known === text.slice(0, slash));
  const name = text.slice(slash + 1);
  const plausible = name.trim() !== "" && text.length <= LONGEST && !UNSEEN.test(text);
  if (kind === undefined || !plausible || SHAPES[kind]?.test(name) === false) {
    throw new Failure("REFERENCE_INVALID", { found: shown(typed) });
  }
  return { kind, name, text };
}

/** `NAME@N` or `NAME@ALIAS`, as people name a version, or `model/NAME@N`. @throws REFERENCE_INVALID */
export function parseVersion(text: string): NamedVersion {
  const { kind, name } = parseReference(text);
  const at = name.lastIndexOf("@");
  if (kind !== "model") throw new Failure("REFERENCE_INVALID", { found: shown(text) });
  const version = name.slice(at + 1);
  return { model: name.slice(0, at), version: /^[0-9]/.test(version) ? Number(version) : version };
}

/** An id as people type it, with or without its kind in front: `lifecycle/ID` and `ID`. @throws LIFECYCLE_UNKNOWN */
export function parseLifecycleId(text: string): string {
  const id = text.startsWith("lifecycle/") ? text.slice("lifecycle/".length) : text;
  if (id.trim() === "" || id.length > 200 || UNSEEN.test(id)) {
    throw new Failure("LIFECYCLE_UNKNOWN", { lifecycle: `"${shown(text)}"` });
  }
  return id;
}

/** What can be paused, resumed and aborted: `rollout/ID`, or a lifecycle's id. @throws LIFECYCLE_UNKNOWN, REFERENCE_INVALID */
export function parseRun(text: string): { readonly kind: "lifecycle" | "rollout"; readonly id: string } {
  if (text.startsWith("rollout/")) return { kind: "rollout", id: parseReference(text).name };
  return { kind: "lifecycle", id: parseLifecycleId(text) };
}

/** Enough of the text to be recognised, with what cannot be seen made visible. */
function shown(text: string): string {
  const seen = text.replaceAll(new RegExp(UNSEEN, "gu"), "\uFFFD");
  return seen.length > 120 ? `${seen.slice(0, 119)}…` : seen;
}
