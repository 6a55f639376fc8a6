import type { LineageGraph } from "../../../contracts/lineage.ts";

type Made = readonly [
  kind: string,
  used: Readonly<Record<string, string>>,
  generated: Readonly<Record<string, string>>,
];

export const readAt = { stream: "modelwright", seq: 41, hash: "5e".repeat(32) };

/** A graph of executions in the order they happened; what is used was made by the newest execution before that generated it. */
export function graphOf(
  direction: LineageGraph["direction"],
  roots: readonly string[],
  labels: Readonly<Record<string, string>>,
  ...done: readonly Made[]
): LineageGraph {
  const edges = (index: number, parts: Readonly<Record<string, string>>) =>
    Object.entries(parts).map(([ref, role]) => ({ execution: String(index + 1), ref, role }));
  const makerOf = (ref: string, before: number) =>
    done.slice(0, before).findLastIndex(([, , generated]) => ref in generated) + 1;
  const used = done.flatMap(([, parts], index) =>
    edges(index, parts).map((edge) => {
      const maker = makerOf(edge.ref, index);
      return { ...edge, madeBy: maker === 0 ? null : String(maker) };
    }),
  );
  const generated = done.flatMap(([, , parts], index) => edges(index, parts));
  const refs = [...new Set([...roots, ...used.map(({ ref }) => ref), ...generated.map(({ ref }) => ref)])];
  return {
    roots,
    direction,
    nodes: refs.map((ref) => ({ ref, label: labels[ref] ?? "" })),
    labelledCount: refs.length,
    executions: done.map(([kind], index) => ({
      id: String(index + 1),
      kind,
      label: "",
      at: `2026-01-01T00:0${index % 10}:00.000Z`,
    })),
    used,
    generated,
    complete: true,
    truncatedBy: null,
    nodeCount: refs.length,
    edgeCount: used.length + generated.length,
    readAt,
  };
}
