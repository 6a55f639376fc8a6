import { Failure } from "../../contracts/failures.ts";
import { REGISTRY_ATTRIBUTES } from "../../contracts/names.ts";
import { sayingSchema, type Saying } from "../../contracts/registry.ts";
import { checked } from "../verb.ts";

/** What `set` sets. Deleting is a verb of its own, and whose a model is the database's owner says (`access team`). */
const SETTABLE = REGISTRY_ATTRIBUTES.filter((attribute) => attribute !== "tombstone" && attribute !== "team");

const WORD = /^(?<attribute>[a-z-]+)(?::(?<key>[^=]*))?(?<equals>=(?<text>[\s\S]*))?$/;

/**
 * One word of `set`: `owner=payments`, `tag:country=NO`, `stages=shadow,production`, `alias:best` about a version or `alias:best=3`
 * about a model. Nothing after the `=` takes away what was said. @throws INPUT_INVALID
 */
export function parseSaying(word: string, number: number | null): Saying {
  const { attribute = "", key = "", equals, text = "" } = WORD.exec(word)?.groups ?? {};
  const known = SETTABLE.find((one) => one === attribute);
  if (known === undefined || (equals === undefined && known !== "alias")) {
    const problems = `${JSON.stringify(word.slice(0, 80))}; write NAME=VALUE, tag:KEY=VALUE or alias:NAME, where NAME is one of ${SETTABLE.join(", ")}; nothing after the \`=\` takes away`;
    throw new Failure("INPUT_INVALID", { where: "what to set", problems });
  }
  const value = equals === undefined ? number : text === "" ? null : valueOf(known, text);
  if (value === null && equals === undefined) {
    const problems = `alias ${key} of which version? write alias:${key}=N, or name the version: NAME@N`;
    throw new Failure("INPUT_INVALID", { where: "what to set", problems });
  }
  return checked(sayingSchema, { attribute: known, key, value }, word.slice(0, 80));
}

function valueOf(attribute: (typeof SETTABLE)[number], text: string): unknown {
  if (attribute === "stages") return text.split(",");
  if (attribute === "alias") return /^@?[0-9]{1,9}$/.test(text) ? Number(text.replace("@", "")) : text;
  // Being in no stage is what a version without one is.
  return attribute === "stage" && text === "none" ? null : text;
}
