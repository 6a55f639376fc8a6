import { randomUUID } from "node:crypto";
import type { Client } from "@temporalio/client";
import type { z } from "zod";
import { annotateDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { RegistryChangeInput, RegistryChangeResult, Request } from "../contracts/messages.ts";
import { QUEUES, WORKFLOWS, workflowIds } from "../contracts/names.ts";
import { requireSmallPayload } from "../contracts/payload.ts";
import { nameSchema } from "../contracts/primitives.ts";
import {
  modelQuerySchema,
  momentSchema,
  registryChangeSchema,
  versionQuerySchema,
  type Moment,
} from "../contracts/registry.ts";
import type { Database, Queryable } from "../db/client.ts";
import { requireModel } from "../db/queries/model.ts";
import { listHistory, type HistoryEntry } from "../db/queries/registry/entries.ts";
import { listKin, type Kin } from "../db/queries/registry/kin.ts";
import {
  findModel,
  searchModels,
  type ModelPage,
  type RegisteredModel,
  type Serving,
} from "../db/queries/registry/models.ts";
import { resolveVersion } from "../db/queries/registry/resolve.ts";
import { searchVersions, type RegisteredVersion, type VersionPage } from "../db/queries/registry/versions.ts";
import type { Acting } from "./acting.ts";
import { describeProblems } from "./document.ts";
import { translated } from "./failures.ts";
import { parseVersion } from "./reference.ts";

/** A model with its whole history; of its versions there are pages. */
export interface ModelCard extends RegisteredModel {
  readonly history: readonly HistoryEntry[];
}

/** A version with all that hangs on it, and its own history. */
export interface VersionCard extends RegisteredVersion {
  /** What it was made from and what was made from it. */
  readonly kin: Kin;
  /** Endpoints that give it traffic. */
  readonly serving: readonly Serving[];
  readonly history: readonly HistoryEntry[];
}

/** Questions about the registry. Each can be asked as of a past moment, and as it was known at one. */
export interface RegistryReader {
  /** Models by name, a page at a time. @throws INPUT_INVALID */
  readonly models: (query?: z.input<typeof modelQuerySchema>) => Promise<ModelPage>;
  /** Versions, the newest first, a page at a time. @throws INPUT_INVALID */
  readonly versions: (query?: z.input<typeof versionQuerySchema>) => Promise<VersionPage>;
  /** One model, deleted or not. @throws INPUT_INVALID, MODEL_UNKNOWN */
  readonly model: (name: string, moment?: Moment) => Promise<ModelCard>;
  /** One version: `NAME@N`, `NAME@ALIAS` or `NAME@latest`. @throws REFERENCE_INVALID, REFERENCE_UNKNOWN */
  readonly version: (name: string, moment?: Moment) => Promise<VersionCard>;
}

export interface RegistryDeeds {
  /**
   * Says something about a model (`number` null) or a version: everything said at once is written, or nothing. A null value takes
   * away, a tombstone deletes. @throws MODEL_UNKNOWN, REFERENCE_UNKNOWN, INPUT_INVALID, DELETED, DELETE_REFUSED
   */
  readonly change: (change: z.input<typeof registryChangeSchema>, request: Request) => Promise<RegistryChangeResult>;
}

/** `told` gives answers their names and words, and failures theirs. */
export function createRegistryReader(
  database: Database,
  told: <Answer>(question: Promise<Answer>) => Promise<Answer>,
): RegistryReader {
  /** The several queries of a card see one moment. */
  const atOnce = <Result>(work: (db: Queryable) => Promise<Result>) =>
    told(database.transaction(work, { isolationLevel: "repeatable read", accessMode: "read only" }));
  return {
    models: async (query = {}) => told(searchModels(database, parsed(modelQuerySchema, query, "models"))),
    versions: async (query = {}) => told(searchVersions(database, parsed(versionQuerySchema, query, "versions"))),
    model: async (called, asked = {}) => {
      const name = parsed(nameSchema, called, "model");
      const moment = parsed(momentSchema, asked, "model");
      return atOnce(async (db) => {
        const found = await findModel(db, { name, ...moment });
        if (found) return { ...found, history: await listHistory(db, { model: name, number: null }) };
        await requireModel(db, name);
        throw new Failure("REFERENCE_UNKNOWN", { reference: `model ${name} at that moment` });
      });
    },
    version: async (name, asked = {}) => {
      const moment = parsed(momentSchema, asked, "version");
      const version = parseVersion(name);
      return atOnce(async (db) => {
        const found = await resolveVersion(db, version, moment);
        const { model, number } = found;
        const owner = await findModel(db, { name: model, ...moment });
        const serving = owner?.serving.filter(({ champion, canary }) => champion === number || canary === number) ?? [];
        return { ...found, serving, kin: await listKin(db, found), history: await listHistory(db, { model, number }) };
      });
    },
  };
}

export function createRegistryDeeds(client: Client, { sign }: Acting): RegistryDeeds {
  return {
    change: async (asked, request) => {
      const changeId = randomUUID();
      const change = parsed(registryChangeSchema, asked, "registry change");
      const proof = await sign(annotateDeed({ ...change, changeId, change }), request);
      const input: RegistryChangeInput = { changeId, change, ...request, ...proof };
      return translated(
        client.workflow.execute(WORKFLOWS.registryChange, {
          taskQueue: QUEUES.control,
          workflowId: workflowIds.registryChange(input.changeId),
          args: [requireSmallPayload("what is said about the model", input)],
        }) as Promise<RegistryChangeResult>,
      );
    },
  };
}

/** @throws INPUT_INVALID with every problem */
function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown, where: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Failure("INPUT_INVALID", { where, problems: `it has problems\n${describeProblems(result.error)}` });
}
