import type { Command } from "commander";
import { formatBytes } from "../../adapters/reports/numbers.ts";
import { formatCount } from "../../client/text.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { openOwnStore } from "../own-store.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `audit artifacts`: whether the bytes the registry speaks of are there, and are those. */
export function addArtifacts(audit: Command): void {
  defineVerb(audit, {
    usage: "artifacts",
    summary: "Read the bytes of every artifact on record, and compare their digests",
    details:
      "Needs the artifacts on this machine.\nExit code: 0 all are there and unchanged, 1 they could not be checked, 2 some are missing or modified; `modelwright lineage artifact/DIGEST --impact` says what was made from one.",
    examples: ["audit artifacts", "audit artifacts --json"],
  }).action(
    answering(async (screen) =>
      withStack(async ({ artifacts, addresses }) => {
        const { checkStore } = await import("../../adapters/artifacts/check-store.ts");
        const store = await openOwnStore(addresses);
        const { checked, sizeBytes, problems } = await checkStore(store, artifacts());
        const ok = problems.length === 0;
        const whole = `${formatCount(checked - problems.length)} of ${formatCount(checked)} artifacts are whole, ${formatBytes(sizeBytes)} in ${store.description}`;
        return {
          document: { ok, checked, sizeBytes, problems },
          lines: [
            ...problems.map(
              ({ digest, kind, problem }) => `${screen.paint("bad", "✘")} ${problem}: ${kind} artifact/${digest}`,
            ),
            `${screen.paint(ok ? "good" : "bad", ok ? "✔" : "✘")} ${whole}`,
          ],
          exitCode: ok ? EXIT_CODES.pass : EXIT_CODES.gateFailed,
        };
      }),
    ),
  );
}
