import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MESSAGES } from "../../../core/onnx/schema.ts";
import { decode, encode, type Message, type Unknown } from "../../../core/onnx/wire.ts";
import { LEFT_UNKNOWN } from "../../../docs/onnx-schema.ts";

interface OfficialField {
  readonly number: number;
  readonly name: string;
  readonly repeated: boolean;
  /** A message with this field alone, in hexadecimal digits. */
  readonly bytes: string;
  readonly value: string;
}

const { messages: official } = JSON.parse(
  readFileSync(new URL("../../fixtures/onnx/fields.json", import.meta.url), "utf8"),
) as { readonly messages: Readonly<Record<string, readonly OfficialField[]>> };

type Told = string | readonly Told[];

/** A field's value as the fixture tells it. */
function told(value: unknown): Told {
  // A message that is kept as bytes has none here.
  if (value instanceof Uint8Array) return Buffer.from(value).toString() || "message";
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as Iterable<unknown>, told);
  return typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? `${value}` : "message";
}

describe.each(Object.values(MESSAGES) as Message<Unknown>[])("$name as onnx.proto has it", (message) => {
  const fields = official[message.name] ?? [];
  const known = fields.filter(({ number }) => message.byNumber.has(number));
  const left = fields.filter((field) => !known.includes(field));
  // A tensor of one field is not one with its data.
  const unchecked = { ...message, check: undefined };
  const read = ({ bytes }: OfficialField) =>
    decode<Unknown & Readonly<Record<string, unknown>>>(unchecked, new Uint8Array(Buffer.from(bytes, "hex")));

  it("has no field of another number, and leaves out what the generator names with a reason", () => {
    expect(message.entries.map(([, { number }]) => number)).toEqual(
      known.map(({ number }) => number).toSorted((a, b) => a - b),
    );
    expect(new Set(left.map(({ name }) => name))).toEqual(new Set(Object.keys(LEFT_UNKNOWN[message.name] ?? {})));
  });

  it.each(known)("reads $name, and writes it back", (field) => {
    const shape = read(field);
    const property = message.byNumber.get(field.number)?.[0] ?? "";
    expect(told(shape[property])).toEqual(field.repeated ? [field.value] : field.value);
    expect(decode(unchecked, encode(message, shape))).toEqual(shape);
  });

  it.each(left)("carries $name along", (field) => {
    const shape = read(field);
    expect(shape.unknown).toHaveLength(1);
    expect(decode(unchecked, encode(message, shape))).toEqual(shape);
  });
});
