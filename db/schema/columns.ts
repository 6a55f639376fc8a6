import { customType, timestamp } from "drizzle-orm/pg-core";

import { canonicalBytes } from "../canonical.ts";
import type { Parser } from "../json.ts";

/** `timestamptz`; set by the database wherever it has a default. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** A whole transaction's number, which never comes again. */
export const transactionId = customType<{ data: string }>({ dataType: () => "xid8" });

/** Canonical JSON kept as the bytes that are hashed or signed; parsed by its contract on every read. */
export const documentColumn = <Value>(name: string, schema: Parser<Value>) =>
  customType<{ data: Value; driverData: Buffer }>({
    dataType: () => "bytea",
    toDriver: (value) => canonicalBytes(value),
    fromDriver: (stored) => schema.parse(JSON.parse(stored.toString("utf8"))),
  })(name);
