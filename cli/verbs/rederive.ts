import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Maker } from "../../adapters/compute/maker.ts";
import { runJob } from "../../adapters/compute/run-job.ts";
import { Failure } from "../../contracts/failures.ts";
import { EXIT_CODES } from "../../contracts/names.ts";
import { optimizationReportSchema } from "../../contracts/optimization.ts";
import { openOwnStore } from "../own-store.ts";
import { answering, defineVerb, withStack } from "../verb.ts";

/** `audit rederive model/NAME@N`: makes an optimized version again from its parent's bytes and compares digests. */
export function addRederive(audit: Command): void {
  defineVerb(audit, {
    usage: "rederive <version>",
    summary: "Make an optimized version again from its parent, as recorded, and compare the bytes",
    details:
      "Needs the artifacts on this machine, and neither data nor measurements.\nExit code: 0 the same bytes, 1 it could not be made, 2 other bytes. Where ONNX Runtime or the passes are of another version than those that made it, other bytes prove nothing: that is an error too (`VERSION_MADE_OTHERWISE`), which names the release to ask.",
    examples: ["audit rederive model/flight-delay@4", "audit rederive model/flight-delay@4 --json"],
  }).action(
    answering(async (screen, reference: string) =>
      withStack(async ({ derivation, addresses }) => {
        const { version, parent, report: reportDigest, chosen } = await derivation(reference);
        const store = await openOwnStore(addresses);
        const written = await readFile(await store.localPath(reportDigest), "utf8");
        const report = optimizationReportSchema.parse(JSON.parse(written));
        const input = { parent: { path: await store.localPath(parent), digest: parent }, report, candidate: chosen };
        const { digest, recorded, present } = await runJob("rederive", input, { onProgress: screen.progress });
        const isSame = digest === version;
        const isSameMaker = recorded.method === present.method && recorded.runtime === present.runtime;
        const [then, now] = [describe(recorded), describe(present)];
        if (!isSame && !isSameMaker) {
          const fields = { reference, recorded: then, present: now, found: version, made: digest };
          throw new Failure("VERSION_MADE_OTHERWISE", fields);
        }
        const said = isSame
          ? `${reference} is ${chosen} of ${parent}, made again byte for byte`
          : `${reference} has ${version}; ${chosen} of ${parent} made again has ${digest}`;
        return {
          document: {
            reference,
            chosen,
            parent,
            recorded: version,
            rederived: digest,
            isSame,
            recordedBy: recorded,
            presentBy: present,
          },
          lines: [said, screen.paint("soft", then === now ? now : `${then} then, ${now} now`)],
          exitCode: isSame ? EXIT_CODES.pass : EXIT_CODES.gateFailed,
        };
      }),
    ),
  );
}

function describe({ release, method, runtime }: Maker): string {
  return `Modelwright ${release} (method ${method}) with ONNX Runtime ${runtime}`;
}
