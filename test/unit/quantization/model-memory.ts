/** Quantizes a model of 64 MiB in a process of its own: `node model-memory.ts PASS`; prints the peak of memory over the file's size. */
import { readFileSync } from "node:fs";
import { QUANTIZATION_PASSES } from "../../../contracts/names.ts";
import { quantizeModel, valuesToCalibrate } from "../../../core/quantization/quantize.ts";

const [path = "", name] = process.argv.slice(2);
const pass = QUANTIZATION_PASSES.find((known) => known === name)!;
const before = process.memoryUsage().rss;
const bytes = new Uint8Array(readFileSync(path));
const values = valuesToCalibrate(bytes, pass, path);
quantizeModel(bytes, pass, path, { ranges: new Map(values.map((value) => [value, { low: -1, high: 1 }])) });
process.stdout.write(String((peakKib() * 1024 - before) / bytes.length));

/** Linux counts the parent's peak as the child's in `maxRSS`; its own is told elsewhere. */
function peakKib(): number {
  if (process.platform !== "linux") return process.resourceUsage().maxRSS;
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
