import { z } from "zod";

/** SHA-256 of the bytes, 64 lowercase hexadecimal digits: the only name an artifact has. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in 64 lowercase hexadecimal digits");
export type Digest = z.output<typeof digestSchema>;

/** Names people type: models, endpoints, environments, monitors. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "lowercase letters, digits and inner hyphens, at most 63");

/** What a person could not have seen: control characters, lone surrogates, marks that turn the text around. */
export const UNSEEN = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/u;
const UNSEEN_BUT_LINES = /[^\P{Cc}\n\t]|[\p{Cs}\p{Bidi_Control}\u2028\u2029]/u;
const SEEN = "no control characters, lone surrogates or marks of direction";

/** One line that people write, as they would see it again: no edge of blanks. */
export const lineSchema = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => !UNSEEN.test(text), SEEN)
    .refine((text) => text === text.trim(), "no blanks at its ends");

/** Lines that people write. */
export const textSchema = (longest: number) =>
  z
    .string()
    .max(longest)
    .refine((text) => !UNSEEN_BUT_LINES.test(text), SEEN);

/** A person or service account as the caller names itself. */
export const actorSchema = z.string().trim().min(1).max(200);

/** What rows that nobody names are called. */
export const idSchema = z.uuid();

/** A day (UTC), as `2026-10-01`. */
export const daySchema = z.iso.date("a day, as 2026-10-01");

/** An instant on the border: ISO 8601 with offset, as Postgres takes it too: no year 0, no offset of 16 hours or more. */
export const instantSchema = z.iso
  .datetime({ offset: true, error: "a moment with its zone, as 2026-03-01T10:00:00Z" })
  .refine(
    (text) => !/^0000|[+-](?:1[6-9]|2[0-9]):?[0-9]{2}$/.test(text),
    "a year from 1 on and an offset below 16 hours",
  );

/** A half-open window [from, to) of the data's own time column, written as date or timestamp without zone. */
export const windowSchema = z.strictObject({ from: z.string().min(1), to: z.string().min(1) });
export type DataWindow = z.output<typeof windowSchema>;

export const shareSchema = z.number().min(0).max(1);
export const milliseconds = z
  .int()
  .min(1)
  .max(30 * 24 * 3600 * 1000);
