import { customType, timestamp } from "drizzle-orm/pg-core";

/** `timestamptz`; set by the database wherever it has a default. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

/** A whole transaction's number, which never comes again. */
export const transactionId = customType<{ data: string }>({ dataType: () => "xid8" });
