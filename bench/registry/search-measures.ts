import type { Database } from "../../db/client.ts";
import { findModel } from "../../db/queries/registry/models.ts";
import { resolveVersion } from "../../db/queries/registry/resolve.ts";
import { searchVersions } from "../../db/queries/registry/versions.ts";
import type { VersionQuery } from "../../contracts/registry.ts";
import { AIM, print, timeWork } from "./timing.ts";

const PAGES = 100;

/** Search by words and by structure, from the first page to deep ones, and questions about the past; one client. */
export async function measureRegistry(database: Database, versions: number): Promise<void> {
  const models = Math.max(1, Math.floor(versions / 1000));
  const modelOf = (call: number) => `bench-${String(call % models).padStart(6, "0")}`;
  // Half way through what was registered.
  const asOf = "2025-07-02T00:00:00.000Z";
  const questions: Readonly<Record<string, (call: number) => Omit<VersionQuery, "limit">>> = {
    "a word every version has": () => ({ words: "onnx" }),
    "a word of one version in a hundred": () => ({ words: "percent" }),
    "a word of one version": (call) => ({ words: `rare${call % Math.floor(versions / 1000)}` }),
    "two common words that are never together": () => ({ words: "even odd" }),
    "a word of old versions only": () => ({ words: "legacy" }),
    "a tag of one version": (call) => ({ tags: { build: `b${(call * 7919) % versions}` } }),
    "a stage": () => ({ stage: "production" }),
    "a model's versions": (call) => ({ model: modelOf(call) }),
  };
  for (const [what, question] of Object.entries(questions)) {
    await report(`search p95: ${what}`, (call) => searchVersions(database, { ...question(call), limit: 50 }));
  }
  let after: string | undefined;
  await report(`search p95: the next of up to ${PAGES} pages`, async (call) => {
    const place = after === undefined || call % PAGES === 0 ? {} : { after };
    const { next } = await searchVersions(database, { words: "onnx", limit: 50, ...place });
    after = next ?? undefined;
  });
  await report("a model as of half a year ago, p95", (call) => findModel(database, { name: modelOf(call), asOf }));
  await report("the version behind an alias, p95", (call) =>
    resolveVersion(database, { model: modelOf(call), version: "best" }),
  );
}

async function report(measure: string, work: (call: number) => Promise<unknown>): Promise<void> {
  const { p95 } = await timeWork(1, work, 2);
  print({ measure, value: p95, unit: "ms", peer: AIM, peerValue: 50 });
}
