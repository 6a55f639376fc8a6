import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Digest } from "../contracts/primitives.ts";
import { digestSchema } from "../contracts/primitives.ts";
import { servingRecordSchema, type ServingRecord } from "../contracts/serving-record.ts";

/** All a gateway reads of an optimization's report: reports of other releases have other fields. */
const pointerSchema = z.object({ servingRecord: digestSchema.nullish() });

/**
 * The record a version is served by, found through the report of the optimization that chose it.
 *
 * @param localPath a local file with exactly these bytes, verified
 * @returns null for a report of a release that kept none
 * @throws ARTIFACT_MISSING, ARTIFACT_CORRUPT: a version whose evidence cannot be read is not served
 */
export async function loadServingRecord(
  report: Digest,
  localPath: (digest: Digest) => Promise<string>,
): Promise<ServingRecord | null> {
  const read = async (digest: Digest): Promise<unknown> => JSON.parse(await readFile(await localPath(digest), "utf8"));
  const { servingRecord } = pointerSchema.parse(await read(report));
  return servingRecord ? servingRecordSchema.parse(await read(servingRecord)) : null;
}
