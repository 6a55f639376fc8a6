import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../contracts/data.ts";
import { Failure } from "../../../contracts/failures.ts";
import type { ServedVersion } from "../../../contracts/inference.ts";
import { createMirror, type Answered } from "../../../serving/mirror.ts";
import { parseInferRequest } from "../../../serving/protocol/infer-request.ts";
import type { LiveVersion } from "../../../serving/version-pool.ts";
import { tensors } from "./running-gateway.ts";
import { route, SIGNATURE } from "./served-model.ts";

const version = (number: number): ServedVersion => ({
  versionId: `version-${number}`,
  number,
  digest: String(number).repeat(64),
  signature: SIGNATURE,
});

const live = (number: number, infer: () => Promise<readonly Tensor[]>): LiveVersion => ({
  version: version(number),
  process: {
    infer,
    pid: () => 1,
    hasRoom: () => true,
    waitingRows: () => 0,
    maximumWaitingRows: 4096,
    close: async () => undefined,
  },
});
const probability = (score: number): Tensor => ({
  name: "probability",
  datatype: "FP32",
  shape: [1, 1],
  data: Float32Array.of(score),
});

function answered(candidate: LiveVersion, id: string, fields: object = {}): Answered {
  const champion = live(1, async () => []);
  const shadow = route(champion.version, { canary: candidate.version, shadowBasisPoints: 10_000, ...fields });
  return {
    applied: {
      route: shadow,
      champion,
      canary: candidate,
      leaseDeadline: Infinity,
      withdrawn: false,
      complete: true,
      confirmedAt: null,
    },
    choice: { arm: "champion", assigned: true, live: champion },
    id,
    request: parseInferRequest(Buffer.from(JSON.stringify(tensors([0, 0, 0]))), null),
    scores: Float32Array.of(0.75),
  };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("mirroring", () => {
  test("takes load away first: what comes while its few are under way is shed, and counted", async () => {
    let release = () => {};
    const waiting = new Promise<readonly Tensor[]>((resolve) => (release = () => resolve([probability(0.5)])));
    let asked = 0;
    const candidate = live(2, () => ((asked += 1), waiting));
    const mirror = createMirror({ maximumUnderWay: 3, onMismatch: () => undefined });
    for (let index = 0; index < 10; index += 1) mirror.offer(answered(candidate, `id-${index}`));
    // Nothing is asked before whoever offered it is done with his own answer.
    expect(asked).toBe(0);
    await turn();
    expect(asked).toBe(3);
    expect(mirror.counts().get("delay/1")).toMatchObject({ mirrored: 3, shed: 7, compared: 0 });
    release();
    await turn();
    expect(mirror.counts().get("delay/1")).toMatchObject({
      compared: 3,
      disagreed: 0,
      scoreDifferenceSum: 0.75,
      scoreDifferenceMaximum: 0.25,
    });
    mirror.offer(answered(candidate, "later"));
    await turn();
    expect(asked).toBe(4);
  });

  test("counts a candidate that is overloaded as shed, and one that answers otherwise than it signed as a mismatch", async () => {
    const mismatched: string[] = [];
    const mirror = createMirror({ onMismatch: (id) => mismatched.push(id) });
    const overloaded = live(2, async () => {
      throw new Failure("GATEWAY_OVERLOADED", { endpoint: "delay", waiting: 9, allowed: 8 });
    });
    mirror.offer(answered(overloaded, "a"));
    mirror.offer(
      answered(
        live(3, async () => [probability(7)]),
        "b",
        { epoch: 2 },
      ),
    );
    await turn();
    expect(mirror.counts().get("delay/1")).toMatchObject({ mirrored: 0, shed: 1, errors: 0 });
    expect(mirror.counts().get("delay/2")).toMatchObject({ mirrored: 1, shed: 0, errors: 1 });
    expect(mismatched).toEqual(["version-3"]);
  });

  test("mirrors about the share of the requests, the same ones again, and none of another arm's", async () => {
    const candidate = live(2, async () => [probability(0.75)]);
    const count = async (change: (one: Answered) => Answered) => {
      const mirror = createMirror({ maximumUnderWay: 1000, onMismatch: () => undefined });
      for (let index = 0; index < 1000; index += 1)
        mirror.offer(change(answered(candidate, `id-${index}`, { shadowBasisPoints: 2500 })));
      await turn();
      return mirror.counts().get("delay/1")?.mirrored ?? 0;
    };
    const mirrored = await count((one) => one);
    expect(mirrored).toBeGreaterThan(200);
    expect(mirrored).toBeLessThan(300);
    expect(await count((one) => one)).toBe(mirrored);
    expect(await count((one) => ({ ...one, choice: { ...one.choice, arm: "canary" } }))).toBe(0);
    expect(await count((one) => ({ ...one, choice: { ...one.choice, assigned: false } }))).toBe(0);
  });
});
