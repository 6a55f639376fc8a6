import type { Command } from "commander";
import { resolveDataDir } from "../../local/data-directory.ts";
import type { StackAddresses } from "../../local/stack.ts";
import { answering, defineVerb } from "../verb.ts";

/** `up`: the whole stack in the foreground until Ctrl-C. */
export function addUp(program: Command): void {
  defineVerb(program, {
    usage: "up",
    summary: "Run the local stack in the foreground: Postgres, Temporal, workers and gateway",
    details:
      "Uses DATABASE_URL and TEMPORAL_ADDRESS where they are set and starts its own servers where not. Everything it writes lies in $MODELWRIGHT_DATA_DIR, else .modelwright/ of the project. --json prints one line when everything answers. Ctrl-C stops what it started.",
    examples: ["up", "up --json"],
  }).action(
    answering(async (screen) => {
      const note = (text: string) => process.stderr.write(`${text}\n`);
      const { startForegroundStack } = await import("../../local/foreground.ts");
      const stack = await startForegroundStack({
        dataDir: resolveDataDir(process.env),
        env: process.env,
        onProgress: note,
        beforeStop: () => void note("stopping"),
      });
      const { addresses } = stack;
      const text = screen.json ? JSON.stringify({ ready: true, ...addresses }) : describe(addresses).join("\n");
      process.stdout.write(`${text}\n`);
      // Until a signal ends the process.
      return new Promise<never>(() => undefined);
    }),
  );
}

function describe({ gateway, grpc, temporal, temporalUi, database, dataDir }: StackAddresses): string[] {
  const rows: [string, string | null][] = [
    ["gateway", gateway],
    ["gRPC", grpc],
    ["Temporal", temporal],
    ["Temporal UI", temporalUi],
    ["database", withoutPassword(database)],
    ["data", dataDir],
  ];
  return [
    "",
    "Everything answers.",
    "",
    ...rows.flatMap(([name, address]) => (address === null ? [] : [`  ${name.padEnd(12)} ${address}`])),
    "",
    "In another terminal:",
    "  npx modelwright start examples/flight-delay/lifecycle.yaml --wait --as you",
    "",
    "Ctrl-C stops it.",
  ];
}

/** Terminals are shared and recorded; the password stands in the data directory's stack.json. */
function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return "(as the environment says)";
  const shown = new URL(url);
  shown.password = "";
  return shown.toString();
}
