import { fitText, padText, printable, textWidth } from "../client/text.ts";
import { describeCompleteness } from "../core/lineage/describe-completeness.ts";
import { outlineTree, type TreeRow } from "../core/lineage/outline-tree.ts";
import type { LineageExecution, LineageGraph } from "../contracts/lineage.ts";
import { instantText } from "./instant-text.ts";
import type { Screen } from "./screen.ts";

const GAP = "  ";
const NARROWEST_LABEL = 24;
/** Below this many columns the tree and its labels need all of them. */
const ROOM_FOR_EXECUTIONS = 80;

/** A graph for the terminal: the tree at the left, what each thing is beside it, and what made it when. */
export function renderTree(graph: LineageGraph, { width, paint }: Pick<Screen, "width" | "paint">): string[] {
  const rows = outlineTree(graph);
  const made = rows.map(({ madeBy, again }) =>
    madeBy === null || again || width < ROOM_FOR_EXECUTIONS ? "" : describeExecution(madeBy),
  );
  const madeWidth = widest(made);
  const room = width - (madeWidth === 0 ? 0 : madeWidth + GAP.length);
  const treeWidth = Math.min(room - GAP.length - NARROWEST_LABEL, widest(rows.map(leftOf)));
  const lines = rows.map((row, index) => {
    const role = row.role === "" ? "" : `${row.role} `;
    const said = row.again ? "see above" : printable(row.label);
    const drawn = textWidth(row.branch) + textWidth(role);
    // A thing without a label has its room as well.
    const nameWidth = Math.max(8, (said === "" ? room : treeWidth) - drawn);
    const name = padText(shortRef(row.ref), nameWidth);
    const label = padText(said, Math.max(0, room - drawn - nameWidth - GAP.length));
    const cells = [
      `${paint("soft", row.branch)}${paint("accent", role)}${row.role === "" ? paint("strong", name) : name}`,
      ...(said === "" ? [] : [row.again ? paint("soft", label) : label]),
      paint("soft", made[index] ?? ""),
    ];
    return cells.join(GAP).trimEnd();
  });
  return [...lines, "", paint(graph.complete ? "soft" : "open", printable(describeCompleteness(graph)))];
}

/** Not by spreading: a large graph has more rows than a call may have arguments. */
const widest = (texts: readonly string[]) => texts.reduce((width, text) => Math.max(width, textWidth(text)), 0);

const leftOf = ({ branch, role, ref }: TreeRow) => `${branch}${role === "" ? "" : `${role} `}${shortRef(ref)}`;

const describeExecution = ({ kind, at }: LineageExecution) =>
  at === null ? kind : `${kind} ${instantText(new Date(at)).slice(0, 16)}`;

/** Digests by their first twelve digits, which `lineage` takes as well; of a source the file's own name. */
function shortRef(ref: string): string {
  const short = ref
    .replace(/^source\/.*\/(?=[^/]+#[0-9a-f]{64}$)/, "source/…/")
    .replace(/([0-9a-f]{12})[0-9a-f]{52}$/, "$1…");
  return printable(fitText(short, 80));
}
