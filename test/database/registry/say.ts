import type { Saying } from "../../../contracts/registry.ts";
import type { Database } from "../../../db/client.ts";
import { recordEntries, type RegistryEntry } from "../../../db/queries/registry/entries.ts";
import { audited } from "../../support/audited.ts";

export interface Subject {
  readonly model: string;
  readonly number?: number | null;
  readonly validFrom?: string;
}

/** Says something as ada does, in a transaction of its own. */
export const say = (
  database: Database,
  { model, number = null, validFrom }: Subject,
  ...sayings: Saying[]
): Promise<RegistryEntry[]> =>
  audited(database).transaction((tx) =>
    recordEntries(tx, { model, number, sayings, validFrom: validFrom ?? null, by: "ada", reason: "" }),
  );

export const tag = (key: string, value: string | null): Saying => ({ attribute: "tag", key, value });
export const alias = (key: string, value: number | null): Saying => ({ attribute: "alias", key, value });
export const stage = (value: string | null): Saying => ({ attribute: "stage", key: "", value });
export const owner = (value: string | null): Saying => ({ attribute: "owner", key: "", value });
export const purpose = (value: string): Saying => ({ attribute: "purpose", key: "", value });
export const tombstone: Saying = { attribute: "tombstone", key: "", value: true };
export const restored: Saying = { attribute: "tombstone", key: "", value: null };
