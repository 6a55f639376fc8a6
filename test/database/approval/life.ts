import { randomUUID } from "node:crypto";

import { decide } from "../../../activities/decide.ts";
import { approvalTermsSchema, type ApprovalStanding, type ApprovalTerms } from "../../../contracts/approval.ts";
import type { Decision } from "../../../contracts/messages.ts";
import type { Verdict } from "../../../contracts/names.ts";
import type { Database } from "../../../db/client.ts";
import { advanceEpoch } from "../../../db/queries/advance-epoch.ts";
import { recordPolicy } from "../../../db/queries/approval-policy.ts";
import { ensureEndpoint } from "../../../db/queries/endpoint.ts";
import type { ModelVersion } from "../../../db/queries/model.ts";
import { endRollout, startRollout } from "../../../db/queries/rollout.ts";
import { audited } from "../../support/audited.ts";
import { addEvaluation, addVersion, executionContext, plan } from "../sample.ts";

/** A model of its own with an endpoint in production, for one test. */
export interface ApprovalLife {
  readonly model: string;
  readonly version: ModelVersion;
  /** Another version with a passing evaluation. */
  readonly another: () => Promise<ModelVersion>;
  readonly setPolicy: (terms: Partial<ApprovalTerms> | null, model?: string | null) => Promise<void>;
  readonly decide: (by: string, given?: Partial<Decision>, version?: ModelVersion) => Promise<ApprovalStanding>;
  readonly evaluate: (verdict: Verdict) => Promise<void>;
  /** A rollout that gives the version all traffic, as a worker would that was told to. Returns the rollout's id. */
  readonly promote: (version?: ModelVersion, before?: (rolloutId: string) => Promise<void>) => Promise<string>;
  /** An epoch written without a rollout. */
  readonly route: (version: ModelVersion) => Promise<void>;
}

const PLACE = "production";

export async function startLife(db: Database): Promise<ApprovalLife> {
  const model = `model-${randomUUID().slice(0, 8)}`;
  const write = audited(db);
  const addEvaluated = async (): Promise<ModelVersion> => {
    const made = await addVersion(db, model, randomUUID());
    await addEvaluation(db, made);
    return made;
  };
  const version = await addEvaluated();
  await write.transaction((tx) => ensureEndpoint(tx, { name: model, environment: PLACE, model }));
  let epoch = 0;
  const route = async (served: ModelVersion, rollout: string | null): Promise<void> => {
    await write.transaction(async (tx) => {
      await advanceEpoch(tx, {
        endpoint: model,
        expectedEpoch: epoch,
        championVersion: served.id,
        canaryVersion: null,
        canaryShare: 0,
        salt: "salt",
        rollout,
        reason: "test",
        createdBy: "ada",
        leaseMs: 0,
      });
      if (rollout !== null) await endRollout(tx, { id: rollout, status: "promoted", outcome: "good" });
    });
    epoch += 1;
  };
  return {
    model,
    version,
    another: addEvaluated,
    setPolicy: async (terms, of = model) => {
      const parsed = terms && approvalTermsSchema.parse(terms);
      const request = { model: of, environment: PLACE, terms: parsed, by: "root", reason: "test" };
      await write.transaction((tx) => recordPolicy(tx, request));
    },
    decide: (by, given = {}, about = version) =>
      db.transaction((tx) =>
        decide(
          tx,
          executionContext,
          { versionId: about.id, environment: PLACE },
          { decision: "approve", by, reason: "looked at it", ...given },
        ),
      ),
    evaluate: async (verdict) => {
      await addEvaluation(db, version, verdict);
    },
    promote: async (promoted = version, before = async () => undefined) => {
      const id = randomUUID();
      await write.transaction(async (tx) => {
        await startRollout(tx, {
          id,
          endpoint: model,
          lifecycle: null,
          plan,
          championVersion: null,
          canaryVersion: promoted.id,
          latencyThresholdMs: null,
          startedBy: "mallory",
        });
      });
      try {
        await before(id);
        await route(promoted, id);
      } catch (thrown) {
        await write.transaction((tx) => endRollout(tx, { id, status: "aborted", outcome: "refused" }));
        throw thrown;
      }
      return id;
    },
    route: (served) => route(served, null),
  };
}
