import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { LOOKS, SETTINGS, simulateSetting, type JudgeResult } from "./rollout-simulation.ts";
import { describeSetting, renderRows, renderTable, withTable } from "./rollout-table.ts";

/**
 * `npm run bench -- rollout`: how often our judge is wrong and how soon it is right, beside three others on the same simulated
 * rollouts. One JSON line a measure. `--write` puts the table into docs/rollouts.md, `--check` fails when the one there is another.
 */
const RUNS = 400;
const PAGE = fileURLToPath(new URL("../docs/rollouts.md", import.meta.url));

const rows: string[] = [];
for (const setting of SETTINGS) {
  const results = simulateSetting(setting, RUNS);
  rows.push(...renderRows(setting, results));
  const [ours, ...peers] = results;
  for (const peer of peers) if (ours) print(describeSetting(setting), ours, peer);
}

const page = await readFile(PAGE, "utf8");
const made = withTable(page, renderTable(rows));
if (process.argv.includes("--write")) await writeFile(PAGE, made);
if (process.argv.includes("--check") && made !== page) {
  process.stderr.write("the table in docs/rollouts.md is not what this simulation gives; run it with --write\n");
  process.exitCode = 1;
}

function print(setting: string, ours: JudgeResult, peer: JudgeResult): void {
  const line = (measure: string, unit: string, value: number | null, peerValue: number | null) => {
    const ratio = value !== null && peerValue !== null && peerValue > 0 ? value / peerValue : null;
    const measured = {
      bench: "rollout",
      measure: `${measure}, ${setting}`,
      value,
      unit,
      peer: peer.judge,
      peerValue,
      ratio,
    };
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  };
  line(`healthy canaries rolled back in ${LOOKS} looks`, "share", ours.falseRollback, peer.falseRollback);
  for (const [index, { ratio, medianLook }] of ours.detection.entries()) {
    line(`median look at which ${ratio}x is found`, "looks", medianLook, peer.detection[index]?.medianLook ?? null);
  }
  line("canaries at the margin promoted", "share", ours.falsePromotion, peer.falsePromotion);
}
