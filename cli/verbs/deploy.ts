import type { Command } from "commander";
import { loadDocument } from "../../client/document.ts";
import type { Modelwright, RolloutView } from "../../client/index.ts";
import { parseVersion } from "../../client/reference.ts";
import { renderRollout } from "../../client/rollout-block.ts";
import { printable } from "../../client/text.ts";
import type { RolloutResult } from "../../contracts/messages.ts";
import { rolloutPlanSchema } from "../../contracts/rollout.ts";
import { nameSchema } from "../../contracts/primitives.ts";
import { exitOfRollout, type Answer } from "../answer.ts";
import type { Screen } from "../screen.ts";
import { toneOf } from "../table.ts";
import { answering, checked, defineVerb, resolveReason, withActor, type ActingOptions } from "../verb.ts";

interface DeployOptions extends ActingOptions {
  readonly endpoint: string;
  readonly environment: string;
  readonly plan?: string;
  readonly wait?: boolean;
  readonly breakGlass?: boolean;
  readonly reason?: string;
}

const LOOK_AGAIN_MS = 500;

/** `deploy NAME@N`: a rollout of one version on one endpoint. */
export function addDeploy(program: Command): void {
  defineVerb(program, {
    usage: "deploy <version>",
    summary: "Roll a version out on an endpoint: NAME@N, or NAME@ALIAS",
    details:
      "An environment whose policy asks for evidence refuses a version without a passing evaluation of exactly its bytes (exit 2), and one whose approval policy is not met refuses it until it is (exit 3). An endpoint without a champion gets it at once; else it starts as a canary; where another rollout has the endpoint, the plan of that one says whether this one waits, takes its place or is refused. With --wait: exit 0 promoted, 2 rolled back.",
    examples: [
      "deploy flight-delay@3 --endpoint flight-delay --environment production --wait",
      "deploy churn@1 --endpoint churn --environment playground --plan plan.yaml --as ada",
    ],
    acts: true,
  })
    .requiredOption("--endpoint <name>", "what clients call")
    .requiredOption("--environment <name>", "environment of the endpoint, such as production")
    .option(
      "--plan <file>",
      "rollout plan as YAML or JSON: steps, guardrails, looks; the defaults hold where it says nothing",
    )
    .option("--wait", "follow the rollout to its end")
    .option(
      "--break-glass",
      "past the approvals that are missing: once, with an alarm that stays on record; needs --reason",
    )
    .option("--reason <why>", "why the glass is broken")
    .action(
      answering(async (screen, version: string, options: DeployOptions) => {
        const endpoint = checked(nameSchema, options.endpoint, "--endpoint");
        const environment = checked(nameSchema, options.environment, "--environment");
        const plan =
          options.plan === undefined
            ? {}
            : await loadDocument(options.plan, { what: "rollout plan", schema: rolloutPlanSchema });
        const { model, version: named } = parseVersion(version);
        const breakGlass = options.breakGlass === true ? { breakGlass: resolveReason(options.reason ?? "") } : {};
        return withActor(options, async (modelwright, as) => {
          const request = { model, version: named, endpoint, environment, as, plan, ...breakGlass };
          const { rolloutId, number, waiting, result } = await modelwright.deploy(request);
          const state = waiting ? "waits until the endpoint is its own" : "started";
          if (options.wait) {
            screen.say(`rollout ${rolloutId} ${state}`);
            return followRollout(modelwright, screen, { rolloutId, result: result() });
          }
          const lines = [`rollout ${rolloutId} of ${model}@${number} on ${endpoint} ${state}`];
          return { document: { rolloutId, endpoint, environment, version: `${model}@${number}`, waiting }, lines };
        });
      }),
    );
}

async function followRollout(
  modelwright: Modelwright,
  screen: Screen,
  { rolloutId, result }: { readonly rolloutId: string; readonly result: Promise<RolloutResult> },
): Promise<Answer> {
  let said = -1;
  for (;;) {
    const view: RolloutView | null = await modelwright.rollout(rolloutId).catch(() => null);
    const latest = view?.looks.at(-1);
    if (view && screen.live) screen.redraw(renderRollout(view, { ...screen, now: Date.now() }));
    else if (latest && latest.look.step !== said) {
      said = latest.look.step;
      screen.say(printable(latest.look.reason));
    }
    const pause = new Promise<null>((resolve) => setTimeout(() => resolve(null), LOOK_AGAIN_MS));
    // A failure of the rollout ends the waiting too.
    const ended = await Promise.race([result, pause]);
    if (ended) return answerOf(ended, screen);
  }
}

function answerOf({ rolloutId, status, reason }: RolloutResult, screen: Screen): Answer {
  return {
    document: { rolloutId, status, reason },
    lines: [screen.paint(toneOf(status) ?? "strong", `${status}: ${printable(reason)}`)],
    exitCode: exitOfRollout(status),
  };
}
