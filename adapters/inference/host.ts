import { readFile } from "node:fs/promises";
import { cpus } from "node:os";

/** Instructions that decide how ONNX Runtime multiplies integers, and whether that can saturate. */
const DECISIVE = ["avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sve"];

export interface Host {
  readonly cpu: string;
  /** Those of the decisive instructions the processor has, or `unknown` where the system does not say. */
  readonly cpuFeatures: string;
}

/** The host as far as it decides what an integer model computes and how fast: evidence holds for hosts of this class. */
export async function describeHost(): Promise<Host> {
  const cpu = cpus()[0]?.model.trim() ?? "unknown";
  // Linux alone lists them; elsewhere the model's name has to do.
  const information = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(information)?.[1]?.trim().split(/\s+/);
  const found = flags === undefined ? ["unknown"] : DECISIVE.filter((name) => flags.includes(name));
  return { cpu, cpuFeatures: found.join(" ") || "none" };
}
