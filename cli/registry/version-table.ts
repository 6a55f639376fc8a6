import { formatBytes } from "../../adapters/reports/numbers.ts";
import type { RegisteredVersion } from "../../client/index.ts";
import { formatCount } from "../../client/text.ts";
import { instantText } from "../instant-text.ts";
import type { Screen } from "../screen.ts";
import { renderTable, type TableColumn } from "../table.ts";

/** Versions as a table; one that was made from another stands beneath it where both are shown. */
export function versionTable(screen: Screen, versions: readonly RegisteredVersion[]): string[] {
  if (versions.length === 0) return ["No version."];
  const shown = beneathParents(versions);
  const columns: TableColumn<Placed>[] = [
    {
      title: "version",
      value: ({ version, depth }) => `${"└".repeat(depth)}${depth > 0 ? " " : ""}${version.model}@${version.number}`,
    },
    { title: "stage", value: ({ version }) => (version.stage === "none" ? "" : version.stage) },
    { title: "aliases", value: ({ version }) => version.aliases.join(" ") },
    { title: "origin", value: ({ version }) => version.origin },
    { title: "parameters", value: ({ version }) => formatCount(version.facts.parameterCount), align: "right" },
    { title: "size", value: ({ version }) => formatBytes(version.facts.sizeBytes), align: "right" },
    { title: "by", value: ({ version }) => version.createdBy },
    { title: "made", value: ({ version }) => instantText(version.createdAt) },
    { title: "artifact", value: ({ version }) => version.artifact, flexible: true },
  ];
  return renderTable(screen, columns, shown);
}

interface Placed {
  readonly version: RegisteredVersion;
  readonly depth: number;
}

/** The order of the page, but children follow their parent. */
function beneathParents(versions: readonly RegisteredVersion[]): Placed[] {
  const ids = new Set(versions.map(({ id }) => id));
  const place = (version: RegisteredVersion, depth: number): Placed[] => [
    { version, depth },
    ...versions.filter(({ parentVersion }) => parentVersion === version.id).flatMap((child) => place(child, depth + 1)),
  ];
  return versions
    .filter(({ parentVersion }) => parentVersion === null || !ids.has(parentVersion))
    .flatMap((version) => place(version, 0));
}
