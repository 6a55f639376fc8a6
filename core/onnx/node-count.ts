import type { Node, OnnxModel } from "./messages.ts";
import { allNodes } from "./walk.ts";

/** A function of the model calls itself, directly or through others. */
export class RecursiveFunction extends Error {
  override readonly name = "RecursiveFunction";
}

/**
 * The nodes the runtime will have after it has put the model's own functions in place of their calls: a few hundred bytes
 * of functions calling each other ten times over can stand for billions of nodes.
 *
 * @throws RecursiveFunction when the expansion has no end
 */
export function countNodes(model: OnnxModel): number {
  const functions = new Map<string, Node[]>();
  for (const own of model.functions) {
    const key = `${own.domain}:${own.name}`;
    // Overloads share a key; taking them together can only overstate the count.
    functions.set(key, [...(functions.get(key) ?? []), ...own.nodes]);
  }
  const counts = new Map<string, number>();
  const open = new Set<string>();

  const countOf = (nodes: readonly Node[]): number => {
    let count = 0;
    for (const node of allNodes(nodes)) count += 1 + expansion(`${node.domain}:${node.opType}`);
    return count;
  };
  const expansion = (key: string): number => {
    const body = functions.get(key);
    if (body === undefined) return 0;
    const known = counts.get(key);
    if (known !== undefined) return known;
    if (open.has(key)) throw new RecursiveFunction(`function ${key} calls itself`);
    if (open.size > 100) throw new RecursiveFunction("functions nested deeper than 100");
    open.add(key);
    const count = countOf(body);
    open.delete(key);
    counts.set(key, count);
    return count;
  };
  return countOf(model.graph?.nodes ?? []);
}
