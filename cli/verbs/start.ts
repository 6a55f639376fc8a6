import type { Command } from "commander";
import { parseLifecycleId } from "../../client/reference.ts";
import { loadSpec } from "../../client/spec.ts";
import { followLifecycle } from "../follow.ts";
import { answering, defineVerb, withActor, type ActingOptions } from "../verb.ts";

interface StartOptions extends ActingOptions {
  readonly id?: string;
  readonly wait?: boolean;
}

/** `start SPEC`: a lifecycle from a spec file. */
export function addStart(program: Command): void {
  defineVerb(program, {
    usage: "start <spec>",
    summary: "Start a lifecycle from a spec (YAML or JSON)",
    details:
      "Every problem of the spec is reported and nothing is started if there is one. The same --id again is the same lifecycle. With --wait the exit code is the lifecycle's: 0 completed, 2 a gate failed, 3 waiting for approval.",
    examples: [
      "start examples/flight-delay/lifecycle.yaml --wait --as ada",
      "start lifecycle.yaml --id nightly-42 --json",
    ],
    acts: true,
  })
    .option("--id <id>", "id of the lifecycle; default the model's name and a random part")
    .option("--wait", "follow it to its end, or to where somebody has to approve")
    .action(
      answering(async (screen, spec: string, options: StartOptions) => {
        const id = options.id === undefined ? undefined : parseLifecycleId(options.id);
        // Before any stack is asked for: a spec with problems needs none to be told so.
        await loadSpec(spec);
        return withActor(options, async (modelwright, as) => {
          const { lifecycleId } = await modelwright.start(spec, { as, ...(id === undefined ? {} : { id }) });
          if (options.wait) {
            screen.say(`started ${lifecycleId}`);
            return followLifecycle(modelwright, screen, { lifecycleId, throughWaits: false });
          }
          const lines = [`started ${lifecycleId}`, screen.paint("soft", `follow it: modelwright watch ${lifecycleId}`)];
          return { document: { lifecycleId }, lines };
        });
      }),
    );
}
