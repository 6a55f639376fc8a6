import { spawnSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleText } from "../../../cli/evidence/build-bundle.ts";
import { signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { createNoteKey, formatPublicKey, loadPrivateKey } from "../../../adapters/checkpoints/note-key.ts";
import { BUNDLE_LIMIT_BYTES, evidenceBundleSchema, type EvidenceBundle } from "../../../contracts/evidence.ts";
import {
  approver,
  logOf,
  openingOf,
  reportText,
  signSample,
  sourceText,
  storedEvents,
  trainedId,
  type Signed,
} from "./sample-log.ts";

const verifier = new URL("../../../verifier/verify-bundle.mjs", import.meta.url).pathname;
const EXIT = { ok: 0, unreadable: 1, modified: 2, missing: 3, truncated: 4, forked: 5, unanchored: 6 };

let signed: Signed;
beforeAll(async () => {
  signed = await signSample();
});
afterAll(async () => {
  await rm(signed.directory, { recursive: true });
});

interface Verdict {
  readonly exit: number | null;
  readonly kind?: string;
  readonly found?: string;
  readonly story?: string[];
}

let files = 0;
const pathFor = (name: string) => join(signed.directory, `${(files += 1)}-${name}`);

async function verify(text: string, options: readonly string[] = []): Promise<Verdict> {
  const path = pathFor("bundle.json");
  await writeFile(path, text);
  const given = [verifier, path, "--json", "--public-key", signed.publicKeyPath, ...options];
  const { status, stdout } = spawnSync(process.execPath, given, { encoding: "utf8" });
  return { exit: status, ...(stdout === "" ? {} : (JSON.parse(stdout) as object)) };
}

/** The bundle after somebody had his way with it. */
const tampered = (change: (bundle: EvidenceBundle) => void, options: readonly string[] = []) => {
  const bundle = structuredClone(signed.bundle);
  change(bundle);
  return verify(bundleText(bundle), options);
};

function required<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error("the sample lacks it");
  return value;
}

type Event = EvidenceBundle["events"][number];
const eventOf = ({ events }: EvidenceBundle, seq: number | null | undefined): Event =>
  required(events.find((event) => event.seq === seq));
const approvalIn = ({ facts }: EvidenceBundle) => required(facts.approvals[0]);
const evidenceIn = (bundle: EvidenceBundle) => required(approvalIn(bundle).evidence);
const proofIn = (bundle: EvidenceBundle) => required(approvalIn(bundle).proof);
const glassIn = ({ facts }: EvidenceBundle) => required(facts.brokenGlass[0]);
const without = (bundle: EvidenceBundle, seq: number | null | undefined) => {
  bundle.events = bundle.events.filter((event) => event.seq !== seq);
};
const openingAt = (bundle: EvidenceBundle, index: number) => required(bundle.openings?.[index]);
const rewrite = (event: Event, from: string, to: string) => {
  const text = Buffer.from(event.body, "base64").toString("utf8");
  event.body = Buffer.from(text.replaceAll(from, to)).toString("base64");
};

describe("the verifier", () => {
  it("accepts a bundle and tells its story, from its file and the key alone", async () => {
    const { exit, story } = await verify(bundleText(signed.bundle));
    expect(exit).toBe(EXIT.ok);
    const told = required(story).join("\n");
    for (const part of [
      "epoch 4 of endpoint live",
      "flights@2",
      "made from flights@1",
      "0.68 is at least 0.6",
      "by grace",
      "signed with token 0011223344556677",
      "GLASS BROKEN",
    ]) {
      expect(told).toContain(part);
    }
    expect(told).toContain("followed by epoch 5");
  });

  it("accepts it without names and words too, and says that they are erased or held back", async () => {
    for (const openings of [[], undefined]) {
      const { openings: _, ...rest } = structuredClone(signed.bundle);
      const { exit, story } = await verify(bundleText(openings ? { ...rest, openings } : rest));
      expect(exit).toBe(EXIT.ok);
      const told = required(story).join("\n");
      expect(told).toContain(`by person ${approver.ref.slice(7, 15)} (erased or held back)`);
      expect(told).not.toContain("grace");
    }
  });

  it("imports nothing but Node's own modules, and is short enough to be read", async () => {
    const source = await readFile(verifier, "utf8");
    const imports = [...source.matchAll(/(?:from|import\(|require\()\s*"([^"]+)"/g)].map((match) => match[1]);
    expect(imports).toEqual(["node:crypto", "node:fs", "node:util"]);
    expect(source.split("\n").length).toBeLessThan(550);
  });

  it("reads bundles that keep to the contract and to 100 KB", () => {
    expect(evidenceBundleSchema.parse(signed.bundle)).toEqual(signed.bundle);
    expect(Buffer.byteLength(bundleText(signed.bundle))).toBeLessThan(BUNDLE_LIMIT_BYTES);
  });

  it("recognises the files the story names, and no others", async () => {
    const [source, report, other] = [pathFor("source"), pathFor("report"), pathFor("other")];
    await writeFile(source, sourceText);
    await writeFile(report, reportText);
    await writeFile(other, `${reportText} `);
    const text = bundleText(signed.bundle);
    const right = await verify(text, ["--artifact", source, "--artifact", report]);
    expect(right.exit).toBe(EXIT.ok);
    expect(required(right.story).at(-1)).toContain("is the evaluation report");
    expect(await verify(text, ["--artifact", other])).toMatchObject({ exit: EXIT.modified, kind: "modified" });
  });

  it("says that it cannot tell, of a file that is no bundle", async () => {
    expect((await verify(bundleText(signed.bundle).slice(0, 500))).exit).toBe(EXIT.unreadable);
    expect((await verify(JSON.stringify({ format: "modelwright-evidence/3" }))).exit).toBe(EXIT.unreadable);
  });
});

describe("a bundle is modified when", () => {
  it.each<[string, (bundle: EvidenceBundle) => void]>([
    ["an event's bytes are others", (b) => rewrite(eventOf(b, approvalIn(b).event), "approve", "reject!")],
    ["an event claims another number", (b) => void (eventOf(b, b.facts.epoch.event).seq += 1)],
    [
      "a hash of a proof is another",
      (b) => void (required(b.events[0]).proof[2] = required(b.events[0]).proof[1] ?? ""),
    ],
    ["a proof is cut", (b) => void required(b.events[0]).proof.pop()],
    ["a proof is padded", (b) => void required(b.events[0]).proof.push(required(b.events[0]?.proof[0]))],
    [
      "the prediction names another version",
      (b) => void (b.facts.prediction.versionId = "019aa000-0000-7000-8000-00000000000f"),
    ],
    ["the prediction is older than its epoch", (b) => void (b.facts.prediction.at = "2025-12-31T00:00:00.000Z")],
    ["the version has other bytes", (b) => void (b.facts.version.digest = "0".repeat(64))],
    ["somebody else registered the version", (b) => void (b.facts.version.by = "mallory")],
    [
      "a gate's reason was improved",
      (b) => void (required(b.facts.evaluation?.gates[0]).reason = "0.99 is at least 0.6"),
    ],
    ["a gate was taken out", (b) => void required(b.facts.evaluation).gates.pop()],
    ["somebody else approved", (b) => void (approvalIn(b).by = "alice")],
    ["somebody rejected", (b) => void (approvalIn(b).decision = "reject")],
    ["the approval was of other evidence", (b) => void (approvalIn(b).evidenceDigest = "0".repeat(64))],
    ["the approval was of other bytes", (b) => void (evidenceIn(b).modelDigest = "0".repeat(64))],
    ["the approval was under another policy", (b) => void (evidenceIn(b).policy = "0".repeat(64))],
    ["the approval was for another environment", (b) => void (evidenceIn(b).environment = "staging")],
    ["the approval is another one", (b) => void (approvalIn(b).approvalId = trainedId)],
    ["the signature is another", (b) => void (proofIn(b).signature = `A${proofIn(b).signature.slice(1)}`)],
    ["the key is another", (b) => void (proofIn(b).publicKey = "A".repeat(43))],
    ["the statement was signed for something else", (b) => void (proofIn(b).statement.subject = "lifecycle/lc-2")],
    ["the statement says something else", (b) => void (proofIn(b).statement.deed = "deploy")],
    ["the rollout brought another version", (b) => void (required(b.facts.rollout).canaryVersionId = trainedId)],
    ["the glass was broken for another environment", (b) => void (glassIn(b).environment = "staging")],
    ["somebody else broke the glass", (b) => void (glassIn(b).by = "alice")],
    ["the data came from another source", (b) => void (required(b.facts.trainingData[0]).sourceDigest = null)],
    ["a fact names an event about something else", (b) => void (b.facts.epoch.event = b.facts.version.event)],
    ["an opening names somebody else", (b) => void (openingAt(b, 0).value = "alice")],
    ["an opening says something else", (b) => void (openingAt(b, 1).value = "unsound")],
    ["an opening has another salt", (b) => void (openingAt(b, 0).salt = openingAt(b, 1).salt)],
    [
      "an opening takes the beginning of a name for salt",
      (b) => {
        const opening = openingAt(b, 0);
        opening.salt = Buffer.concat([Buffer.from(opening.salt, "base64"), Buffer.from("gr")]).toString("base64");
        opening.value = "ace";
      },
    ],
    ["the epoch's share is another", (b) => void (b.facts.epoch.canaryShare = 500)],
  ])("%s", async (_what, change) => {
    expect(await tampered(change)).toMatchObject({ exit: EXIT.modified, kind: "modified" });
  });

  it("the approver turns out to be the author, whom an earlier release wrote down by name", async () => {
    const author = openingOf("person", "ADA");
    const other = await signSample(storedEvents(40, author), author);
    expect(await verify(bundleText(other.bundle), ["--public-key", other.publicKeyPath])).toMatchObject({
      exit: EXIT.modified,
      found: expect.stringContaining("approved what"),
    });
    await rm(other.directory, { recursive: true });
  });
});

describe("a bundle misses something when", () => {
  it.each<[string, (bundle: EvidenceBundle) => void]>([
    ["an event was taken out", (b) => without(b, b.facts.evaluation?.event)],
    [
      "the evaluation was taken out with its event",
      (b) => {
        without(b, b.facts.evaluation?.event);
        b.facts.evaluation = null;
      },
    ],
    ["the parent version was taken out", (b) => void (b.facts.parent = null)],
    ["the training data was taken out", (b) => void (b.facts.trainingData = [])],
    ["an approval that the rollout stood on was taken out", (b) => void (b.facts.approvals = [])],
    ["the signed statement of an approval was taken out", (b) => void (approvalIn(b).proof = null)],
    ["the issue of the token was taken out", (b) => without(b, proofIn(b).event)],
    ["the broken glass was taken out", (b) => void (b.facts.brokenGlass = [])],
    [
      "the lifecycle was taken out, and with it who started it",
      (b) => {
        b.facts.lifecycle = null;
      },
    ],
    ["the registry had a row that the log never heard of", (b) => void (b.facts.version.event = null)],
  ])("%s", async (_what, change) => {
    expect(await tampered(change)).toMatchObject({ exit: EXIT.missing, kind: "missing" });
  });
});

describe("a log is truncated when", () => {
  it("an event lies beyond what is signed", async () => {
    const older = (b: EvidenceBundle) => {
      b.checkpoint = required(b.earlier[0]).checkpoint;
      b.earlier = [];
    };
    expect(await tampered(older)).toMatchObject({ exit: EXIT.truncated, kind: "truncated" });
  });

  it("the reader's own checkpoint has more events than the bundle's", async () => {
    const path = pathFor("longer.txt");
    const key = await loadPrivateKey(signed.keyPath);
    await signLog(logOf(storedEvents(60)), { path, key, formerKeys: [], whole: false });
    const verdict = await verify(bundleText(signed.bundle), ["--checkpoint", path]);
    expect(verdict).toMatchObject({ exit: EXIT.truncated, kind: "truncated" });
  });
});

describe("a log is forked when", () => {
  it("the reader's own checkpoint of the same size has another root", async () => {
    const forged = storedEvents().map((event) => (event.seq === 3 ? { ...event, body: Buffer.from("{}") } : event));
    const key = await loadPrivateKey(signed.keyPath);
    for (const size of [16, forged.length]) {
      const path = pathFor("forked.txt");
      await signLog(logOf(forged.slice(0, size)), { path, key, formerKeys: [], whole: false });
      const verdict = await verify(bundleText(signed.bundle), ["--checkpoint", path]);
      expect(verdict).toMatchObject({ exit: EXIT.forked, kind: "forked" });
    }
  });

  it.each<[string, (bundle: EvidenceBundle) => void]>([
    ["changed", (b) => void (required(b.earlier[1]).proof[0] = required(b.earlier[0]).proof[0] ?? "")],
    ["cut", (b) => void required(b.earlier[0]).proof.pop()],
    ["padded", (b) => void required(b.earlier[0]).proof.push(required(b.earlier[0]?.proof[0]))],
    ["of another checkpoint", (b) => void (required(b.earlier[0]).proof = required(b.earlier[1]).proof)],
  ])("the proof that it only grew is %s", async (_what, change) => {
    expect(await tampered(change)).toMatchObject({ exit: EXIT.forked, kind: "forked" });
  });
});

describe("a bundle is unanchored when", () => {
  it("its checkpoint is changed in root, size or origin, or not signed at all", async () => {
    const root = (b: EvidenceBundle) => required(b.checkpoint.split("\n")[2]);
    const other = Buffer.alloc(32, 7).toString("base64");
    for (const change of [
      (b: EvidenceBundle) => void (b.checkpoint = b.checkpoint.replace(root(b), other)),
      (b: EvidenceBundle) => void (b.checkpoint = b.checkpoint.replace("\n51\n", "\n52\n")),
      (b: EvidenceBundle) => void (b.checkpoint = b.checkpoint.replace("example.org/log", "example.org/other")),
      (b: EvidenceBundle) => void (b.checkpoint = b.checkpoint.slice(0, b.checkpoint.indexOf("\n\n") + 2)),
      (b: EvidenceBundle) => void (b.checkpoint = ""),
    ]) {
      expect(await tampered(change)).toMatchObject({ exit: EXIT.unanchored, kind: "unanchored" });
    }
  });

  it("somebody made the whole log anew with a key of his own under the same name", async () => {
    const path = pathFor("forger.key");
    const key = formatPublicKey(await createNoteKey(path, "example.org/log"));
    const forged = pathFor("forged.txt");
    const signing = { path: forged, key: await loadPrivateKey(path), formerKeys: [], whole: false };
    await signLog(logOf(storedEvents()), signing);
    const note = await readFile(forged, "utf8");
    const change = (b: EvidenceBundle) => Object.assign(b, { checkpoint: note, publicKey: key, earlier: [] });
    expect(await tampered(change)).toMatchObject({ exit: EXIT.unanchored, kind: "unanchored" });
  });

  it("does not lead to the largest of the reader's own checkpoints", async () => {
    const path = pathFor("between.txt");
    const key = await loadPrivateKey(signed.keyPath);
    await signLog(logOf(storedEvents().slice(0, 11)), { path, key, formerKeys: [], whole: false });
    const verdict = await verify(bundleText(signed.bundle), ["--checkpoint", path]);
    expect(verdict).toMatchObject({ exit: EXIT.unanchored, kind: "unanchored" });
    await signLog(logOf(storedEvents().slice(0, 16)), { path, key, formerKeys: [], whole: false });
    expect((await verify(bundleText(signed.bundle), ["--checkpoint", path])).exit).toBe(EXIT.ok);
    const own = await verify(bundleText(signed.bundle), ["--checkpoint", signed.checkpointsPath]);
    expect(own.exit).toBe(EXIT.ok);
  });
});
