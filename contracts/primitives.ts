import { z } from "zod";

/** SHA-256 of the bytes, 64 lowercase hexadecimal digits: the only name an artifact has. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in 64 lowercase hexadecimal digits");
export type Digest = z.output<typeof digestSchema>;

/** Names people type: models, endpoints, environments, monitors. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "lowercase letters, digits and inner hyphens, at most 63");

/** A person or service account as the caller names itself. */
export const actorSchema = z.string().trim().min(1).max(200);

/** What rows that nobody names are called. */
export const idSchema = z.uuid();

/** An instant on the border: ISO 8601 with offset. */
export const instantSchema = z.iso.datetime({ offset: true });

/** A half-open window [from, to) of the data's own time column, written as date or timestamp without zone. */
export const windowSchema = z.strictObject({ from: z.string().min(1), to: z.string().min(1) });
export type DataWindow = z.output<typeof windowSchema>;

export const shareSchema = z.number().min(0).max(1);
export const milliseconds = z
  .int()
  .min(1)
  .max(30 * 24 * 3600 * 1000);
