import { annotateDeed } from "../contracts/deeds.ts";
import { Failure } from "../contracts/failures.ts";
import type { RegistryChangeInput, RegistryChangeResult } from "../contracts/messages.ts";
import { registryChangeSchema, type RegistryChange } from "../contracts/registry.ts";
import { digestOf } from "../db/canonical.ts";
import type { Transaction } from "../db/client.ts";
import { recordAudit } from "../db/queries/audit.ts";
import { requireModel } from "../db/queries/model.ts";
import { runOperation } from "../db/queries/operation.ts";
import {
  committed,
  recordEntries,
  subjectOf,
  type EntriesRequest,
  type RegistryEntry,
} from "../db/queries/registry/entries.ts";
import { authorize } from "./authorize.ts";
import type { Dependencies } from "./dependencies.ts";
import { operationContext } from "./operation-context.ts";

/** What people say about models and versions: owner, tags, aliases, stages, deletion. All of one change or nothing. */
export async function changeRegistry(
  { database }: Dependencies,
  input: RegistryChangeInput,
): Promise<RegistryChangeResult> {
  const { changeId, change, by, reason, proof } = input;
  const parsed = parse(change);
  const key = `registry-change/${changeId}`;
  return runOperation(database, { key, request: { change }, context: operationContext() }, async (tx) => {
    await requireModel(tx, parsed.model);
    const place = { model: parsed.model, environment: null };
    const who = await authorize(tx, { ...annotateDeed({ ...parsed, changeId, change }), ...place, by, reason, proof });
    const entries = await recordChange(tx, { ...parsed, ...who });
    return { entries: entries.map(({ id }) => id) };
  });
}

/** Entries with their audit event, of somebody who is attributed: the one way something is said in the registry. The event is recorded last, so call it last. */
export async function recordChange(
  tx: Transaction,
  { statement, ...request }: EntriesRequest & { readonly statement: string | null },
): Promise<RegistryEntry[]> {
  const entries = await recordEntries(tx, request);
  await recordAudit(tx, {
    actor: request.by,
    statement,
    subject: `model/${subjectOf(request)}`,
    body: {
      kind: "registry-changed",
      entries: entries.map(({ id, model, number, attribute: said, key, ...entry }) => ({
        id,
        attribute: said,
        digest: digestOf({ model, number, attribute: said, key, value: committed(entry) }),
      })),
      reason: request.reason,
    },
  });
  return entries;
}

function parse(change: unknown): RegistryChange {
  const parsed = registryChangeSchema.safeParse(change);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues
    .map(({ path, message }) => `${path.join(".") || "(top)"}: ${message}`)
    .join("; ");
  throw new Failure("INPUT_INVALID", { where: "registry change", problems });
}
