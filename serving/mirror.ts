import { createHash } from "node:crypto";
import { performance } from "node:perf_hooks";
import { isFailure } from "../contracts/failures.ts";
import { BASIS_POINTS } from "../contracts/names.ts";
import type { ShadowCounts } from "../contracts/rollout.ts";
import { decodePrediction } from "../core/data/decode-prediction.ts";
import { routingPoint } from "../core/rollout/assign.ts";
import type { Choice } from "./choose-arm.ts";
import { readModelInput } from "./model-input.ts";
import type { InferRequest } from "./protocol/infer-request.ts";
import type { AppliedRoute } from "./routing-table.ts";
import type { LiveVersion } from "./version-pool.ts";

/** A request that the champion answered. */
export interface Answered {
  readonly applied: AppliedRoute;
  readonly choice: Choice;
  readonly id: string;
  readonly request: InferRequest;
  /** One a row. */
  readonly scores: Float32Array | Float64Array;
}

export interface Mirror {
  /**
   * Sends an answered request to the candidate too where the route says so, and compares. Returns at once and never fails: nothing of it
   * reaches the client, and it begins when his answer is on its way.
   */
  readonly offer: (answered: Answered) => void;
  /** By endpoint and epoch, as `endpoint/epoch`. */
  readonly counts: () => ReadonlyMap<string, ShadowCounts>;
  /** Forgets an epoch that is over and reported. */
  readonly forget: (key: string) => void;
}

export interface MirrorOptions {
  /** Mirrored requests under way at the same time; more are shed. 8 by default. */
  readonly maximumUnderWay?: number;
  /** Told of an answer whose tensors are not those of the version's signature. */
  readonly onMismatch: (versionId: string) => void;
}

type Counts = { -readonly [Name in keyof ShadowCounts]: ShadowCounts[Name] };
const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest();

export function createMirror({ maximumUnderWay = 8, onMismatch }: MirrorOptions): Mirror {
  const all = new Map<string, Counts>();
  let underWay = 0;

  const countsOf = ({ route }: AppliedRoute): Counts => {
    const key = `${route.endpoint}/${route.epoch}`;
    const found = all.get(key) ?? {
      mirrored: 0,
      shed: 0,
      errors: 0,
      compared: 0,
      disagreed: 0,
      scoreDifferenceSum: 0,
      scoreDifferenceMaximum: 0,
    };
    all.set(key, found);
    return found;
  };

  const ask = async (candidate: LiveVersion, answered: Answered, counts: Counts): Promise<void> => {
    const { version, process } = candidate;
    try {
      const input = readModelInput(answered.request, version.signature, "mirrored request");
      compare(answered, version, decodePrediction(version.signature, await process.infer(input.tensors)), counts);
    } catch (thrown) {
      // It waited too long behind others: that is load and no fault.
      if (isFailure(thrown) && (thrown.code === "GATEWAY_OVERLOADED" || thrown.code === "REQUEST_EXPIRED")) {
        counts.mirrored -= 1;
        counts.shed += 1;
        return;
      }
      counts.errors += 1;
      if (isFailure(thrown) && thrown.code === "MODEL_SIGNATURE") onMismatch(version.versionId);
    }
  };

  return {
    offer: (answered) => {
      const candidate = wanted(answered);
      if (!candidate) return;
      const counts = countsOf(answered.applied);
      if (underWay >= maximumUnderWay) {
        counts.shed += 1;
        return;
      }
      underWay += 1;
      counts.mirrored += 1;
      setImmediate(() => void ask(candidate, answered, counts).finally(() => (underWay -= 1)));
    },
    counts: () => all,
    forget: (key) => void all.delete(key),
  };
}

/** The candidate that gets the request too, or null. Like a share, mirroring ends with its lease. */
function wanted({ applied, choice, id }: Answered): LiveVersion | null {
  const { route, canary, leaseDeadline } = applied;
  if (!route.shadowBasisPoints || !canary || choice.arm !== "champion" || !choice.assigned) return null;
  if (performance.now() >= leaseDeadline) return null;
  // Of its own salt, so that it is not the same requests again that the canary gets later.
  const point = routingPoint({ salt: `${route.salt}/shadow`, key: id, hash: sha256 });
  return point < route.shadowBasisPoints / BASIS_POINTS ? canary : null;
}

/** By the first row, like everything that is counted by request. */
function compare(
  { scores, choice }: Answered,
  { signature }: LiveVersion["version"],
  candidate: Float32Array | Float64Array,
  counts: Counts,
): void {
  const [ours, theirs] = [scores[0], candidate[0]];
  if (ours === undefined || theirs === undefined || scores.length !== candidate.length) {
    counts.errors += 1;
    return;
  }
  const decided = ours >= choice.live.version.signature.prediction.threshold;
  const difference = Math.abs(ours - theirs);
  counts.compared += 1;
  if (decided !== theirs >= signature.prediction.threshold) counts.disagreed += 1;
  counts.scoreDifferenceSum += difference;
  counts.scoreDifferenceMaximum = Math.max(counts.scoreDifferenceMaximum, difference);
}
