import { customType } from "drizzle-orm/pg-core";

/** What a JSON column holds before anybody parsed it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A zod schema of contracts/, seen from here: db/ parses with the contracts and knows no other schema. */
export interface Parser<Value> {
  parse(value: unknown): Value;
}

/** For values whose shape belongs to whoever wrote them, as the result of a stage. */
export const unparsed: Parser<JsonValue> = { parse: (value) => value as JsonValue };

/** A `jsonb` column that is parsed by its contract on every read, so that a row of another release is refused, not misread. */
export const jsonColumn = <Value>(name: string, schema: Parser<Value>) =>
  customType<{ data: Value; driverData: unknown }>({
    dataType: () => "jsonb",
    toDriver: (value) => JSON.stringify(value),
    fromDriver: (value) => schema.parse(value),
  })(name);
