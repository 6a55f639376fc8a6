import type { AuditLog, AuditVerification, TileName } from "../../contracts/audit-log.ts";
import { createCompactRange, type CompactRangeStart } from "../../core/audit/compact-range.ts";
import { hashLeaf, sameBytes } from "../../core/audit/merkle-hash.ts";
import { computeOverTiles, TILE_HEIGHT, TILE_WIDTH } from "../../core/audit/tiles.ts";
import type { Anchor, LogProblem } from "./anchors.ts";
import { sha256 } from "./sha256.ts";

export interface StreamReading {
  readonly stream: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** Events that were read and found right. */
  readonly events: number;
  /** Anchors that the stream continues. */
  readonly agreed: readonly Anchor[];
  readonly problem?: LogProblem;
}

interface StreamRequest {
  readonly stream: string;
  /** Events by the stream's head; null when the stream is gone. */
  readonly size: number | null;
  readonly anchors: readonly Anchor[];
}

/** Reads a stream from its first event on, and compares it with every anchor and with the nodes the database keeps. */
export async function readWhole(log: AuditLog, request: StreamRequest): Promise<StreamReading> {
  const nodes = new Map<number, Uint8Array[]>();
  const reading = await readOn(log, request, {
    size: 0,
    edge: [],
    onNode: (level, _index, value) => {
      if (level % TILE_HEIGHT !== 0) return;
      const known = nodes.get(level) ?? [];
      nodes.set(level, known);
      known.push(value);
    },
  });
  if (reading.problem) return reading;
  const problem = await nodeProblem(log, request.stream, nodes);
  return problem ? { ...reading, problem } : reading;
}

/**
 * Goes on from the largest anchor and reads only what came after it. What it finds cannot be another past: the edge it starts with
 * must have the anchor's root, and every later root commits to that edge. That rows of the past still say what was signed is another
 * question, and `readWhole` answers it.
 */
export async function readSince(log: AuditLog, request: StreamRequest): Promise<StreamReading> {
  const { stream, size, anchors } = request;
  const newest = anchors.reduce<Anchor | null>((most, one) => (most && most.size >= one.size ? most : one), null);
  if (!newest || size === null || size < newest.size) return await readOn(log, request, { size: 0, edge: [] });
  const load = (wanted: readonly TileName[]) => log.tiles(stream, wanted);
  const edge = await computeOverTiles({ hash: sha256, size: newest.size, load }, (tree) => tree.edge());
  return await readOn(log, { ...request, anchors: [newest] }, { size: newest.size, edge });
}

async function readOn(
  log: AuditLog,
  { stream, size, anchors }: StreamRequest,
  start: CompactRangeStart,
): Promise<StreamReading> {
  const range = createCompactRange(sha256, start);
  const due = [...anchors].sort((one, other) => one.size - other.size);
  const agreed: Anchor[] = [];
  let forked: LogProblem | undefined;
  const compare = (): void => {
    for (let next = due[0]; next?.size === range.size; next = due[0]) {
      due.shift();
      if (sameBytes(range.root(), next.root)) agreed.push(next);
      else forked ??= { kind: "forked", found: `the first ${next.size} events are not the ones of ${next.place}` };
    }
  };
  compare();
  // A stream that nobody wrote to and nobody signed is not missing.
  const verification: AuditVerification =
    (size === null && due.length === 0) || forked
      ? { ok: true, events: 0 }
      : await log.verify({
          stream,
          after: start.size,
          onEvent: ({ body }) => {
            range.append(hashLeaf(sha256, body));
            compare();
          },
        });
  const [beyond] = due;
  const truncated: LogProblem | undefined = beyond && {
    kind: "truncated",
    found: `${streamName(stream)} ends at event ${range.size}; ${beyond.place} was signed at ${beyond.size}`,
  };
  const problem = chainProblem(verification) ?? forked ?? truncated;
  return {
    stream,
    size: range.size,
    root: range.root(),
    events: verification.events,
    agreed,
    ...(problem && { problem }),
  };
}

const streamName = (stream: string) => `the log of stream ${stream}`;

/** What is wrong with the chain itself, in words. */
function chainProblem({ ok, problem }: AuditVerification): LogProblem | undefined {
  if (ok) return undefined;
  if (!problem) return { kind: "modified", found: "the chain is not whole" };
  return { kind: problem.kind, found: `event ${problem.seq} of stream ${problem.stream} is ${problem.kind}` };
}

/** Nodes that the database keeps are what proofs are made from, so they must be those of the events. Missing ones are made later. */
async function nodeProblem(
  log: AuditLog,
  stream: string,
  nodes: ReadonlyMap<number, readonly Uint8Array[]>,
): Promise<LogProblem | undefined> {
  for (const [level, known] of nodes) {
    const tileCount = Math.ceil(known.length / TILE_WIDTH);
    const wanted = Array.from({ length: tileCount }, (_, tile) => ({ level, tile }));
    for (const { tile, hashes } of await log.tiles(stream, wanted)) {
      const computed = Buffer.concat(known.slice(tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH));
      if (sameBytes(computed.subarray(0, hashes.length), hashes)) continue;
      const found = `a stored hash over ${2 ** level} events of stream ${stream} is not the one of these events`;
      return { kind: "modified", found };
    }
  }
  return undefined;
}
