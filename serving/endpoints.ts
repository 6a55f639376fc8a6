import type { ServedVersion } from "../contracts/inference.ts";
import { Failure } from "../contracts/failures.ts";
import { featureColumns } from "../core/data/feature-columns.ts";
import { chooseVersion } from "./choose-arm.ts";
import { describeModel, type ModelMetadata } from "./protocol/metadata.ts";
import type { AppliedRoute, ServingRoutes } from "./routing-table.ts";
import type { InferenceStatistics, ModelStatistics } from "./statistics.ts";
import type { LiveVersion } from "./version-pool.ts";

/**
 * What clients ask of an endpoint, whichever protocol they speak.
 *
 * @throws ENDPOINT_UNKNOWN; ENDPOINT_NOT_READY while its model is being started
 */
export function findApplied(routes: ServingRoutes, endpoint: string): AppliedRoute {
  const applied = routes.route(endpoint);
  if (applied) return applied;
  if (routes.isKnown(endpoint))
    throw new Failure("ENDPOINT_NOT_READY", { endpoint, reason: "its model is being started" });
  throw new Failure("ENDPOINT_UNKNOWN", { endpoint, found: routes.endpoints().join(", ") });
}

/** @param version null for the endpoint's first one: the champion, or the canary where there is none */
export function readMetadata(applied: AppliedRoute, version: string | null): ModelMetadata {
  const served = servedVersions(applied);
  const [first] = served;
  const shown = version === null ? first : chooseVersion(applied, version).live.version;
  if (!shown) throw new Failure("ENDPOINT_NOT_READY", { endpoint: applied.route.endpoint, reason: "no version is up" });
  return describeModel(applied.route.endpoint, shown, served, featureColumns(shown.signature));
}

export function isModelReady(applied: AppliedRoute, version: string | null): boolean {
  const live = version === null ? (applied.champion ?? applied.canary) : chooseVersion(applied, version).live;
  return live !== null && isUp(live);
}

/** Counts of one version, or of each that is served now. */
export function readStatistics(
  statistics: InferenceStatistics,
  applied: AppliedRoute,
  version: string | null,
): ModelStatistics[] {
  const versions = version === null ? servedVersions(applied) : [chooseVersion(applied, version).live.version];
  return versions.map((served) => statistics.read(applied.route.endpoint, served));
}

/** One entry of the repository index: a version that an endpoint serves, or should. */
export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: "READY" | "LOADING" | "UNAVAILABLE";
  /** Why it is not ready; empty when it is. */
  readonly reason: string;
}

/** The repository index: what serves now, and what the newest epoch names beyond that. */
export function listVersions(routes: ServingRoutes, options: { readonly readyOnly: boolean }): IndexEntry[] {
  const entries = routes.wanted().flatMap((wanted) => {
    const applied = routes.route(wanted.endpoint);
    const live = [applied?.champion, applied?.canary].filter((version) => version !== undefined && version !== null);
    const serving = live.map((version) => entryOf(wanted.endpoint, version));
    const names = new Set(serving.map(({ version }) => version));
    const missing = [wanted.champion, wanted.canary].flatMap((version) =>
      version && !names.has(String(version.number)) ? [missingEntry(routes, wanted.endpoint, version)] : [],
    );
    return [...serving, ...missing];
  });
  return options.readyOnly ? entries.filter(({ state }) => state === "READY") : entries;
}

function entryOf(name: string, live: LiveVersion): IndexEntry {
  const version = String(live.version.number);
  if (isUp(live)) return { name, version, state: "READY", reason: "" };
  return { name, version, state: "UNAVAILABLE", reason: "its process ended and is started again" };
}

function missingEntry(routes: ServingRoutes, name: string, { number }: ServedVersion): IndexEntry {
  const version = String(number);
  if (routes.isConverging(name)) return { name, version, state: "LOADING", reason: "its process is being started" };
  return { name, version, state: "UNAVAILABLE", reason: "its process could not be started; it is tried again" };
}

const servedVersions = ({ champion, canary }: AppliedRoute): ServedVersion[] =>
  [champion, canary].flatMap((live) => (live ? [live.version] : []));

const isUp = ({ process }: LiveVersion): boolean => process.pid() !== undefined;
