import type { Opening, PredictionExplanation, StoredAuditEvent } from "../../client/index.ts";
import {
  BUNDLE_FORMAT,
  BUNDLE_LIMIT_BYTES,
  type EvidenceBundle,
  type EvidenceFacts,
} from "../../contracts/evidence.ts";
import type { Anchor } from "../../adapters/checkpoints/anchors.ts";
import { encodeBase64 } from "../../core/audit/checkpoint.ts";
import type { MerkleTree } from "../../core/audit/merkle-tree.ts";
import { Failure } from "../../contracts/failures.ts";
import { collectFacts, belongsToStory, subjectsOf } from "./collect-facts.ts";

/** Earlier checkpoints a bundle carries, the newest: one of them should be known to whoever reads it. */
const EARLIER_COUNT = 24;

export interface BundleInput {
  readonly explained: PredictionExplanation;
  /** Of every subject in `subjectsOf`. */
  readonly events: readonly StoredAuditEvent[];
  /** Of as many events as the newest anchor has. */
  readonly tree: MerkleTree;
  /** Checkpoints of the log, at least one, in the order they were signed. */
  readonly anchors: readonly Anchor[];
  readonly publicKey: string;
  /** Of the refs in `refsOf`, as far as they open. */
  readonly openings: readonly Opening[];
}

export { subjectsOf };

/**
 * A bundle of at most 100 KB. Events beyond those its facts stand on are left out, the oldest first, when it would be larger; how
 * many is said. @throws INPUT_INVALID when the newest checkpoint does not cover a fact's event
 */
export function buildBundle(input: BundleInput): EvidenceBundle {
  const { explained, tree, anchors, publicKey } = input;
  const newest = newestOf(anchors);
  const epoch = explained.epoch.epoch;
  const story = input.events.filter((event) => belongsToStory(event, epoch));
  const facts = collectFacts(explained, story);
  const needed = new Set(eventsOf(facts));
  const uncovered = [...needed].filter((seq) => seq > newest.size);
  if (uncovered.length > 0) {
    const problems = `the newest checkpoint covers ${newest.size} events and event ${Math.min(...uncovered)} is needed; sign a new one with --key FILE, or with \`modelwright audit checkpoint\``;
    throw new Failure("INPUT_INVALID", {
      where: `prediction/${explained.prediction.inferenceId}`,
      problems,
    });
  }
  const earlier = anchors
    .filter(({ size }) => size < newest.size)
    .slice(-EARLIER_COUNT)
    .map(({ size, note }) => ({ checkpoint: note, proof: tree.consistencyProof(size, newest.size).map(encodeBase64) }));
  const covered = story.filter(({ seq }) => seq <= newest.size);
  const withContext = (context: readonly StoredAuditEvent[]): EvidenceBundle => ({
    format: BUNDLE_FORMAT,
    publicKey,
    checkpoint: newest.note,
    earlier,
    events: covered
      .filter((event) => needed.has(event.seq) || context.includes(event))
      .map(({ seq, body }) => ({
        seq,
        body: encodeBase64(body),
        proof: tree.inclusionProof(seq - 1, newest.size).map(encodeBase64),
      })),
    eventsLeftOut: story.filter((event) => !needed.has(event.seq) && !context.includes(event)).length,
    facts,
    openings: input.openings.map(({ ref, salt, value }) => ({ ref, salt: encodeBase64(salt), value })),
  });
  let context = covered.filter(({ seq }) => !needed.has(seq));
  let bundle = withContext(context);
  while (context.length > 0 && sizeOf(bundle) > BUNDLE_LIMIT_BYTES) {
    context = context.slice(Math.ceil(context.length / 8));
    bundle = withContext(context);
  }
  return bundle;
}

/** The checkpoint a bundle's proofs lead to. */
export const newestOf = (anchors: readonly Anchor[]): Anchor =>
  anchors.reduce((largest, one) => (one.size >= largest.size ? one : largest));

/** Pseudonyms and commitments in a story and the events about it. */
export function refsOf(explained: PredictionExplanation, events: readonly StoredAuditEvent[]): string[] {
  const texts = [JSON.stringify(explained), ...events.map(({ body }) => new TextDecoder().decode(body))];
  return [...new Set(texts.flatMap((text) => text.match(/person\/[0-9a-f]{32}|text\/[0-9a-f]{64}/g) ?? []))];
}

/** As it is written to the file. */
export const bundleText = (bundle: EvidenceBundle): string => `${JSON.stringify(bundle, null, 1)}\n`;

const sizeOf = (bundle: EvidenceBundle) => new TextEncoder().encode(bundleText(bundle)).length;

function eventsOf(facts: EvidenceFacts): number[] {
  const { epoch, version, parent, evaluation, rollout, approvals, brokenGlass, lifecycle, trainingData } = facts;
  const decided = [...approvals, ...brokenGlass];
  const tokens = decided.map(({ proof }) => proof);
  return [epoch, version, parent, evaluation, rollout, ...decided, ...tokens, lifecycle, ...trainingData]
    .map((fact) => fact?.event)
    .filter((seq): seq is number => typeof seq === "number");
}
